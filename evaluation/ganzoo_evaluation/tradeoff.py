"""Distortion against perception: how near each row is to the true pictures, and how real what it makes looks.

No method is best at both: from some point on, what comes nearer to the truth on average looks less real (Blau and
Michaeli, 2018, arXiv:1711.06077). A mean of all pictures that an input could have come from has the highest PSNR, and
is blurred. So neither axis says which model is better; both together say what it was bought with.
"""

from __future__ import annotations

import math

from ganzoo_evaluation.results import Plane, Point, Report, Row

NEARNESS = ("psnr_y", "psnr")
"""How near to the truth: the first of these that was measured."""
LOOKS = (("lpips", "perceptual_squeeze", "perceptual"), ("kid", "fd"))
"""How it looks: picture by picture, and as a set; of each the first that was measured by a network through which no
row was trained, else the first that was measured at all."""


def tradeoffs(report: Report) -> list[Plane]:
    """A plane for each kind of looks; none where no true answers are known, or there are no two rows with both."""
    x = next((name for name in NEARNESS if _measured(report, name)), None)
    if x is None:
        return []
    planes = []
    for choice in LOOKS:
        there = [name for name in choice if _measured(report, name)]
        impartial = [name for name in there if not any(name in row.flattered for row in report.rows)]
        planes += [_plane(report, x, y, flattered=not impartial) for y in (impartial or there)[:1]]
    return [plane for plane in planes if len(plane.points) > 1]


def _measured(report: Report, metric: str) -> bool:
    return any(_value(report, row.name, metric) is not None for row in report.models)


def _value(report: Report, name: str, metric: str) -> float | None:
    row = next(row for row in report.rows if row.name == name)
    found = row.estimates.get(metric)
    if found is None or found.value is None or not math.isfinite(found.value) or not report.standing(row, metric):
        return None
    return found.value


def _label(report: Report, row: Row) -> str:
    """Of the other weights of the only run, what distinguishes them: `after warmup`."""
    runs = [other.name for other in report.models if not other.variant]
    apart = row.name.removeprefix(f"{runs[0]} (") if len(runs) == 1 else row.name
    return "" if apart == row.name else apart.removesuffix(")")


def _plane(report: Report, x: str, y: str, *, flattered: bool) -> Plane:
    across, down = report.heading(x), report.heading(y)
    assert across is not None
    assert down is not None
    points = []
    for row in report.rows:
        one, other = _value(report, row.name, x), _value(report, row.name, y)
        if one is not None and other is not None:
            points.append(
                Point(
                    name=row.name,
                    x=one,
                    y=other,
                    x_error=row.estimates[x].error,
                    y_error=row.estimates[y].error,
                    control=row.kind == "control",
                    label=_label(report, row),
                )
            )
    caption = (
        "to the right, nearer to the true pictures; to the bottom, more like real ones. Beyond some point, one is "
        "bought with the other"
    )
    if flattered:
        caption += f". Some rows were trained to be good by the network of {down.name}"
    return Plane(
        title=f"{across.title} and {down.title[0].lower()}{down.title[1:]}",
        x_label=f"{across.name} (higher is better)",
        y_label=f"{down.name} (lower is better)",
        x_better=across.better,
        y_better=down.better,
        points=tuple(points),
        caption=caption,
    )
