"""Small charts as SVG text: lines with error bands, dots with whiskers, rows in a plane.

They are made to stand inside an HTML page: colours are CSS classes (`s0`, `s1`, ... for rows, `axis`, `grid`,
`control`) that the page's style sheet defines for light and dark, so a chart never says a colour itself. A row keeps
its class and its symbol in every chart, and no two of the first six share either: colour is never the only sign.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ganzoo.figures import with_error
from ganzoo_evaluation.rendering import clean
from ganzoo_evaluation.results import Curve, Plane, Point, Series

COLOURS = 6
"""How many classes of colour there are: `s0` to `s5`."""
WIDE = 20
"""A distance whose values lie further apart than this factor is drawn on a logarithmic axis."""
LETTER = 6.2
"""Rough width of a letter of a chart's text in user units, to leave room for labels."""
_DECADES = (1e-12, 1e12)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One value on a dot chart: whose it is, the value, one standard error, and the row's place (its colour and symbol)
    or, for a control, its letter."""

    name: str
    value: float
    error: float | None = None
    place: int = 0
    letter: str = ""

    @property
    def low(self) -> float:
        """Two standard errors below."""
        return self.value - 2 * self._spread

    @property
    def high(self) -> float:
        """Two standard errors above."""
        return self.value + 2 * self._spread

    @property
    def _spread(self) -> float:
        return self.error if self.error is not None and math.isfinite(self.error) else 0.0


def escape(text: str) -> str:
    """Text for the inside of an element or an attribute of HTML, SVG and XML; what none may hold is left out."""
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
    return "".join(marks.get(letter, letter) for letter in clean(text))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low] if math.isfinite(low) else []
    raw = span / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _several(low: float, high: float, least: int) -> list[float]:
    """Round numbers, at least `least` of them where there can be."""
    found: list[float] = []
    for count in range(least, 3 * least):
        found = ticks(low, high, count)
        if len(found) >= least:
            break
    return found


def tick_texts(values: Sequence[float]) -> list[str]:
    """How round numbers stand at an axis: all with the same digits, thousands as `k`, millions as `M`."""
    largest = max((abs(value) for value in values), default=0.0)
    unit, suffix = (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1.0, "")
    scaled = [value / unit for value in values]
    steps = [abs(b - a) for a, b in itertools.pairwise(scaled) if b != a]
    step = min(steps, default=abs(scaled[0]) if scaled else 1.0) or 1.0
    if largest / unit < 1e-3:
        return [_signed(f"{value:.0e}".replace("e-0", "e-")) if value else "0" for value in values]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [_signed(f"{value + 0.0:,.{digits}f}{suffix}") if value or not suffix else "0" for value in scaled]


def symbol(place: int, x: float, y: float, size: float = 4.5) -> str:
    """The mark of a row: circle, square, triangle, diamond, cross or ring, in the row's colour."""
    colour = f"s{place % COLOURS}"
    match place % COLOURS:
        case 0:
            return f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{size * 0.95:.1f}"/>'
        case 1:
            corner = f'x="{x - size * 0.85:.1f}" y="{y - size * 0.85:.1f}"'
            return f'<rect class="{colour}" {corner} width="{size * 1.7:.1f}" height="{size * 1.7:.1f}"/>'
        case 2:
            points = [(x, y - size * 1.1), (x + size * 1.1, y + size * 0.85), (x - size * 1.1, y + size * 0.85)]
        case 3:
            points = [(x, y - size * 1.25), (x + size * 1.25, y), (x, y + size * 1.25), (x - size * 1.25, y)]
        case 4:
            arm = size * 0.9
            lines = f"M{x - arm:.1f} {y - arm:.1f}L{x + arm:.1f} {y + arm:.1f}M{x + arm:.1f} {y - arm:.1f}"
            return f'<path class="{colour} open" d="{lines}L{x - arm:.1f} {y + arm:.1f}"/>'
        case _:
            return f'<circle class="{colour} open" cx="{x:.1f}" cy="{y:.1f}" r="{size * 0.85:.1f}"/>'
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return f'<polygon class="{colour}" points="{corners}"/>'


def swatch(place: int) -> str:
    """A row's symbol by itself, for a legend."""
    return (
        f'<svg class="swatch" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{symbol(place, 7, 7)}</svg>'
    )


# --- dots with whiskers -----------------------------------------------------------------------------------------------


def dots(rows: Sequence[Mark], controls: Sequence[Mark] = (), *, better: str = "", width: int = 300) -> str:
    """Values of several rows on one axis, a lane each, with whiskers of two standard errors; controls as light lines
    with their letters.

    The axis is linear. Only a distance (`better` is `"lower"`) whose values differ by a factor of more than `WIDE` gets
    a logarithmic one (linear around 0 where a value is not positive), and the chart says so. Values that are not finite
    are left out; without any the result is empty.
    """
    rows = [mark for mark in rows if math.isfinite(mark.value)]
    controls = [mark for mark in controls if math.isfinite(mark.value)]
    if not rows and not controls:
        return ""
    ends = [value for mark in rows for value in (mark.low, mark.high)] + [mark.value for mark in controls]
    scale = _fit([mark.value for mark in (*rows, *controls)], ends, better, 12, width - 12)
    right = width - (24 if scale.kind != "linear" else 4)
    lane = 15
    bottom = 6 + lane * len(rows)
    parts = []
    for mark, x in zip(controls, _apart([scale(mark.value) for mark in controls], 10, 6, width - 6), strict=True):
        at = scale(mark.value)
        parts.append(f'<path class="control" d="M{at:.1f} 2V{bottom:.1f}L{x:.1f} {bottom + 6:.1f}"/>')
        parts.append(f'<text class="letter" x="{x:.1f}" y="{bottom + 15:.1f}">{escape(mark.letter)}</text>')
    base = bottom + (20 if controls else 2)
    parts.append(f'<path class="axis" d="M4 {base}H{right}"/>')
    values = scale.ticks()
    labels = zip(values, tick_texts(values) if scale.kind == "linear" else map(_power, values), strict=True)
    edge = -math.inf
    for value, text in labels:
        at, half = scale(value), LETTER * len(text) / 2
        parts.append(f'<path class="axis" d="M{at:.1f} {base}v3"/>')
        middle = min(max(at, half), width - half)
        if middle - half > edge + 4:
            parts.append(f'<text class="tick" x="{middle:.1f}" y="{base + 13}">{text}</text>')
            edge = middle + half
    for index, mark in enumerate(rows):
        y = 6 + lane * (index + 0.5)
        if mark.high > mark.low:
            line = f"M{scale(mark.low):.1f} {y:.1f}H{scale(mark.high):.1f}"
            parts.append(f'<path class="s{mark.place % COLOURS} whisker" d="{line}"/>')
        parts.append(f"<g><title>{escape(_said(mark))}</title>{symbol(mark.place, scale(mark.value), y)}</g>")
    said = "; ".join([_said(mark) for mark in rows] + [f"control {_said(mark)}" for mark in controls])
    if scale.kind != "linear":
        said += "; logarithmic axis"
        parts.append(f'<text class="scale" x="{width}" y="{base + 3}">log</text>')
    height = base + 17
    return (
        f'<svg class="dots" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(said)}">{"".join(parts)}</svg>'
    )


def _said(mark: Mark) -> str:
    return f"{mark.name}: {with_error(mark.value, mark.error)}"


@dataclass(frozen=True)
class _Scale:
    """Values to user units. `unit`: below it a logarithmic axis goes linearly through 0 (`symlog`)."""

    kind: Literal["linear", "log", "symlog"]
    low: float
    high: float
    left: float
    right: float
    unit: float = 1.0

    def __call__(self, value: float) -> float:
        low, high = self._bend(self.low), self._bend(self.high)
        share = (self._bend(value) - low) / (high - low)
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def _bend(self, value: float) -> float:
        if self.kind == "log":
            return math.log10(max(value, _DECADES[0]))
        return math.asinh(value / self.unit) if self.kind == "symlog" else value

    def ticks(self) -> list[float]:
        """Round values on the axis, three to five."""
        if self.kind == "linear":
            return _several(self.low, self.high, 3)
        largest = max(abs(self.low), abs(self.high))
        smallest = self.low if self.kind == "log" else self.unit
        decades = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)
        for factors in ((1,), (1, 3), (1, 2, 5)):
            found = [factor * 10.0**decade for decade in decades for factor in factors]
            inside = [value for value in found if self.low <= value <= self.high]
            if len(inside) >= 3:
                break
        inside = inside[:: math.ceil(len(inside) / 5)]
        return [0.0, *inside] if self.kind == "symlog" and self.low <= 0 <= self.high else inside


def _fit(values: list[float], ends: list[float], better: str, left: float, right: float) -> _Scale:
    low, high = min(ends), max(ends)
    positive = [value for value in values if value > 0]
    if better == "lower" and positive and max(positive) > WIDE * min(abs(value) for value in values):
        largest = max(positive)
        if len(positive) == len(values):
            low = max(low, min(positive) / 2)
            return _Scale("log", low / 1.1, high * 1.1, left, right - 20)
        unit = max(min(positive), largest / 1000)
        return _Scale("symlog", min(low, 0.0), high * 1.1, left, right - 20, unit)
    room = (high - low) * 0.03 or abs(high) * 0.05 or 1.0
    return _Scale("linear", low - room, high + room, left, right)


def _apart(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Each place, moved as far as needed that no two are nearer than `gap`, between `low` and `high` where it fits."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = dict.fromkeys(order, 0.0)
    edge = low - gap
    for index in order:
        edge = moved[index] = max(places[index], edge + gap)
    edge = high + gap
    for index in reversed(order):
        edge = moved[index] = min(moved[index], edge - gap)
    return [moved[index] for index in range(len(places))]


# --- lines ------------------------------------------------------------------------------------------------------------


def line_chart(curve: Curve, order: Sequence[str] = (), *, width: int = 520, height: int = 300) -> str:
    """Lines of several series with bands of two standard errors, round ticks, and each name at the end of its line.

    `order` are the names of the rows: a series that is called like one gets its colour and symbol. Points that are not
    finite leave a gap; a curve without any finite point gives an empty string.
    """
    series = [(place, line, _points(line)) for place, line in _places(curve.series, order)]
    series = [(place, line, points) for place, line, points in series if points]
    if not series:
        return ""
    xs = [x for _, _, points in series for x, _, _ in points]
    ys = [end for _, _, points in series for _, y, error in points for end in (y - 2 * error, y + 2 * error)]
    room = (max(ys) - min(ys)) * 0.05 or abs(max(ys)) * 0.05 or 1.0
    y_low, y_high = min(ys) - room, max(ys) + room
    if min(ys) >= 0 > y_low:
        y_low = 0.0
    y_ticks = _several(y_low, y_high, 4)
    y_texts = tick_texts(y_ticks)
    names = {place: _short(line.name) for place, line, _ in series}
    left = 12 + LETTER * 1.15 * max((len(text) for text in y_texts), default=1)
    right = width - (14 + LETTER * 1.25 * max(len(name) for name in names.values()))
    top, bottom = 26.0, height - 40.0
    x_low, x_high = (min(xs), max(xs)) if max(xs) > min(xs) else (min(xs) - 1, max(xs) + 1)
    across = _Scale("linear", x_low, x_high, left, right)
    down = _Scale("linear", y_low, y_high, bottom, top)

    parts = []
    for value, text in zip(y_ticks, y_texts, strict=True):
        y = down(value)
        parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
        parts.append(f'<text class="tick end" x="{left - 6:.1f}" y="{y + 4:.1f}">{text}</text>')
    x_ticks = _several(x_low, x_high, 4)
    parts.append(f'<path class="axis" d="M{left:.1f} {bottom:.1f}H{right:.1f}"/>')
    for value, text in zip(x_ticks, tick_texts(x_ticks), strict=True):
        parts.append(f'<path class="axis" d="M{across(value):.1f} {bottom:.1f}v4"/>')
        parts.append(f'<text class="tick" x="{across(value):.1f}" y="{bottom + 17:.1f}">{text}</text>')
    x_title, y_title = escape(curve.x_label), escape(curve.y_label)
    parts.append(f'<text class="label end" x="{right:.1f}" y="{height - 6}">{x_title}</text>')
    parts.append(f'<text class="label" x="2" y="13">{y_title}</text>')

    ends = _apart([down(points[-1][1]) for _, _, points in series], 15, top, bottom)
    for (place, line, points), label_y in zip(series, ends, strict=True):
        parts.append(_drawn(place, line, points, across, down))
        last = across(points[-1][0])
        parts.append(
            f'<text class="s{place % COLOURS} name" x="{last + 9:.1f}" y="{label_y + 4:.1f}">'
            f"<title>{escape(line.name)}</title>{escape(names[place])}</text>"
        )
    ended = "; ".join(f"{line.name} ends at {points[-1][1]:.4g}" for _, line, points in series)
    said = f"{curve.title}: {curve.y_label} against {curve.x_label}. {ended}."
    return (
        f'<svg class="lines" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg>"
    )


Place = tuple[float, float, float]


def _drawn(place: int, line: Series, points: list[Place], across: _Scale, down: _Scale) -> str:
    """A line with its band, broken where points are missing, and symbols where there are few."""
    colour = f"s{place % COLOURS}"
    parts = []
    for run in _runs(line):
        if len(run) > 1 and any(error > 0 for _, _, error in run):
            upper = [f"{across(x):.1f},{down(y + 2 * error):.1f}" for x, y, error in run]
            lower = [f"{across(x):.1f},{down(y - 2 * error):.1f}" for x, y, error in reversed(run)]
            parts.append(f'<polygon class="{colour} band" points="{" ".join(upper + lower)}"/>')
        path = "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y, _ in run)
        parts.append(f'<path class="{colour} line" d="M{path}"/>')
    few = len(points) <= 30
    parts += [symbol(place, across(x), down(y), 3.5) for x, y, _ in (points if few else points[-1:])]
    return "".join(parts)


def _points(line: Series) -> list[Place]:
    return [point for run in _runs(line) for point in run]


def _runs(line: Series) -> Iterable[list[Place]]:
    """The stretches of a series that have finite points only: (x, y, standard error or 0)."""
    run: list[Place] = []
    errors = line.errors or (0.0,) * len(line.y)
    for x, y, error in zip(line.x, line.y, errors, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            run.append((x, y, error if math.isfinite(error) else 0.0))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _places(series: Sequence[Series], order: Sequence[str]) -> list[tuple[int, Series]]:
    """Each series with its place: that of the row of its name, else the next that is free."""
    taken = {order.index(line.name) for line in series if line.name in order}
    free = (place for place in range(len(order) + len(series)) if place not in taken)
    return [(order.index(line.name) if line.name in order else next(free), line) for line in series]


def _short(name: str, limit: int = 18) -> str:
    name = clean(name)
    return name if len(name) <= limit else name[: limit - 1] + "…"


# --- rows in a plane --------------------------------------------------------------------------------------------------


def scatter(plane: Plane, order: Sequence[str] = (), *, width: int = 560, height: int = 400) -> str:
    """Every row as a labelled point with whiskers of two standard errors; controls as small rings.

    `order` are the names of the rows, whose colours and symbols the points have. An axis on which lower is better and
    whose values differ by a factor of more than `WIDE` is logarithmic, and says so. Labels stand at a corner of their
    points, or further below where all four are taken. Points that are not finite are left out; without any the result
    is empty.
    """
    points = [point for point in plane.points if math.isfinite(point.x) and math.isfinite(point.y)]
    if not points:
        return ""
    top, bottom, left, right = 26.0, height - 42.0, 62.0, width - 14.0
    across = _axis([(point.x, point.x_error) for point in points], plane.x_better, left + 10, right - 10)
    down = _axis([(point.y, point.y_error) for point in points], plane.y_better, bottom - 10, top + 10)
    parts = []
    for value, text in zip(*_marked(down), strict=True):
        y = down(value)
        parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
        parts.append(f'<text class="tick end" x="{left - 6:.1f}" y="{y + 4:.1f}">{text}</text>')
    for value, text in zip(*_marked(across), strict=True):
        x = across(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 17:.1f}">{text}</text>')
    parts.append(f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>')
    x_title, y_title = (
        escape(text + (", logarithmic" if axis.kind != "linear" else ""))
        for text, axis in ((plane.x_label, across), (plane.y_label, down))
    )
    parts.append(f'<text class="label end" x="{right:.1f}" y="{height - 6}">{x_title}</text>')
    parts.append(f'<text class="label" x="2" y="13">{y_title}</text>')
    for label in _labels(points, across, down, _Box(left, top, right, bottom)):
        at, level = across(label.point.x), down(label.point.y)
        place = order.index(label.point.name) if label.point.name in order else 0
        parts.append(_whiskers(label.point, across, down, _class(label.point, place)))
        mark = f'<circle class="ring" cx="{at:.1f}" cy="{level:.1f}" r="3.5"/>'
        parts.append(mark if label.point.control else symbol(place, at, level, 5.5))
        if label.moved:
            parts.append(f'<path class="control" d="M{at:.1f} {level:.1f}L{label.x:.1f} {label.y:.1f}"/>')
        kind = "plain" if label.point.control else f"s{place % COLOURS} name"
        end = " end" if label.leftwards else ""
        parts.append(
            f'<text class="{kind}{end}" x="{label.x:.1f}" y="{label.y + 4:.1f}">'
            f"<title>{escape(label.point.name)}</title>{escape(label.text)}</text>"
        )
    where = "; ".join(f"{point.name} at {point.x:.4g} and {point.y:.4g}" for point in points)
    said = f"{plane.title}: {plane.y_label} against {plane.x_label}. {where}."
    return (
        f'<svg class="lines plane" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg>"
    )


def _class(point: Point, place: int) -> str:
    return "control" if point.control else f"s{place % COLOURS}"


@dataclass(frozen=True)
class _Box:
    """A rectangle of a chart."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        """Whether the two have a place in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass(frozen=True)
class _Label:
    """Where the name of a point stands: to the right of (x, y), or to the left of it."""

    point: Point
    text: str
    x: float
    y: float
    leftwards: bool
    moved: bool

    @property
    def box(self) -> _Box:
        """What it covers."""
        long = LETTER * 1.15 * len(self.text)
        left = self.x - long if self.leftwards else self.x
        return _Box(left, self.y - 7, left + long, self.y + 7)


def _labels(points: Sequence[Point], across: _Scale, down: _Scale, frame: _Box) -> list[_Label]:
    """A label for every point, beside it where none of the four corners is taken, else further below."""
    places = [(point, across(point.x), down(point.y)) for point in points]
    taken = [_Box(x - 5, y - 5, x + 5, y + 5) for _, x, y in places]
    found: list[_Label] = []
    for point, x, y in sorted(places, key=lambda place: place[2]):
        text = _short(point.label or point.name, 34)
        sides = [(side, step) for step in (-10, 10, *range(14, 200, 4)) for side in (1, -1)]
        tried = [_Label(point, text, x + 7 * side, y + step, side < 0, step > 10) for side, step in sides]
        inside = [label for label in tried if frame.left <= label.box.left and label.box.right <= frame.right]
        free = [label for label in inside if not any(label.box.meets(box) for box in taken)]
        found.append((free or inside or tried)[0])
        taken.append(found[-1].box)
    return found


def _axis(values: Sequence[tuple[float, float | None]], better: str, begin: float, end: float) -> _Scale:
    """The axis from `begin` to `end` for values with their standard errors."""
    ends = [value + sign * 2 * (error or 0.0) for value, error in values for sign in (-1, 1)]
    return replace(_fit([value for value, _ in values], ends, better, begin, end), left=begin, right=end)


def _marked(axis: _Scale) -> tuple[list[float], list[str]]:
    """Round values on an axis, and how they stand there."""
    values = axis.ticks()
    return values, tick_texts(values) if axis.kind == "linear" else list(map(_power, values))


def _whiskers(point: Point, across: _Scale, down: _Scale, colour: str) -> str:
    """Two standard errors to either side, along both axes."""
    x, y = across(point.x), down(point.y)
    lines = ""
    if point.x_error:
        lines += f"M{across(point.x - 2 * point.x_error):.1f} {y:.1f}H{across(point.x + 2 * point.x_error):.1f}"
    if point.y_error:
        lines += f"M{x:.1f} {down(point.y - 2 * point.y_error):.1f}V{down(point.y + 2 * point.y_error):.1f}"
    return f'<path class="{colour} whisker" d="{lines}"/>' if lines else ""


def _signed(text: str) -> str:
    return text.replace("-", "\u2212")


def _power(value: float) -> str:
    """A tick of a logarithmic axis: `0.01`, `300`, `20k`."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return _signed(f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e"))
    return f"{value / 1000:g}k" if value >= 1e4 else f"{value:g}"
