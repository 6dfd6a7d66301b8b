"""A report as one HTML page that needs nothing else: no network, no script, no font of somebody's.

The page carries its style sheet and pictures inside and a content security policy that forbids the rest, so that a name
out of somebody's file could not fetch or run a thing even if it came through the escaping. It is well-formed as XML.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo.figures import with_error
from ganzoo_evaluation.charts import Mark, dots, escape, line_chart, scatter, swatch
from ganzoo_evaluation.passport import FREE, Passport
from ganzoo_evaluation.rendering import ARROWS, DIRECTIONS, Cell, Notes, blind_note, cell, groups
from ganzoo_evaluation.results import Panel, Report, Row, Verdict

STYLE = Path(__file__).with_name("report.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SHEET = 520
"""Pixels across which the sheet of a row's samples is about as wide as."""
CAPTIONED = 20
"""Pictures of a row that are shown with their captions."""
READABLE = 128
"""Pixels that a caption takes from left to right, at least."""
STRIP = 8
"""Pictures of a control that are shown beside its explanation."""


def html(report: Report, descriptions: Mapping[str, str] | None = None) -> str:
    """The whole page.

    Args:
        report: what was found.
        descriptions: one line on how to read a metric, by the metric's card name (the `summary` of its card).
    """
    page = _Page(report, descriptions or {})
    sections = [
        page.head(),
        page.samples(),
        page.table(),
        page.planes(),
        page.verdicts(),
        page.curves(),
        page.panels(),
        page.controls(),
        page.reading(),
        page.making(),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<meta name="color-scheme" content="light dark"/>\n<link rel="icon" href="data:,"/>\n'
        f"<title>{escape(report.title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


@dataclass
class _Page:
    """The sections of a page, each empty where the report has nothing for it."""

    report: Report
    descriptions: Mapping[str, str]

    def __post_init__(self) -> None:
        self.notes = Notes()
        self.letters = {id(row): _letter(index) for index, row in enumerate(self.report.controls)}

    def head(self) -> str:
        """Title, verdict, what was measured against what, and what to know before quoting."""
        report = self.report
        lead = report.summary[:1]
        against = [sentence for sentence in (report.reference, report.network) if sentence]
        kind = "" if lead else ' class="lead"'
        parts = [f"<h1{kind}>{escape(report.title)}</h1>\n"]
        parts += [f'<p class="lead">{escape(sentence)}</p>\n' for sentence in lead]
        if report.summary[1:]:
            parts.append(_list(report.summary[1:], "findings"))
        parts.append(
            f'<p class="against">{" ".join(escape(sentence) for sentence in against)}</p>\n' if against else ""
        )
        if report.remarks:
            parts.append(
                f'<aside class="remarks"><h2>Before you quote a number</h2>\n{_list(report.remarks)}</aside>\n'
            )
        return f"<header>\n{''.join(parts)}</header>\n"

    def samples(self) -> str:
        """Sheets of what each row that is not a control looks like, side by side."""
        figures = []
        for place, row in enumerate(self.report.models):
            facts = " · ".join(f"{name} {value}" for name, value in row.facts.items())
            caption = f"{swatch(place)} <b>{escape(row.name)}</b>" + (f" <span>{escape(facts)}</span>" if facts else "")
            alt = f"The first samples of {row.name}"
            if row.samples is not None and len(row.samples):
                draw = _sheet if not row.captions else partial(_captioned, captions=row.captions)
                figures.append(draw(row.samples, alt, caption))
            elif row.drawing:
                figures.append(_drawing(row.drawing, alt, caption))
        return _section("Samples", f'<div class="pair">\n{"".join(figures)}</div>\n') if figures else ""

    def table(self) -> str:
        """Every metric of every model, with its intervals drawn beside the numbers."""
        report, models = self.report, self.report.models
        if not report.grouped() or not models:
            return ""
        heads = [f'<th scope="col">{swatch(place)} {escape(row.name)}</th>' for place, row in enumerate(models)]
        counts = [f'<td class="count">{row.count:,} {escape(report.noun)}</td>' for row in models]
        bodies = [
            f'<tbody>\n<tr class="group"><th scope="rowgroup" colspan="{len(models) + 2}">{escape(heading)}</th></tr>\n'
            f"{''.join(self._metric(metric) for metric in metrics)}</tbody>\n"
            for heading, metrics in report.grouped()
        ]
        key = ""
        if report.controls:
            letters = (f"<b>{self.letters[id(row)]}</b> {escape(row.name)}" for row in report.controls)
            key = f'<p class="key">Light lines are <a href="#controls">control rows</a>: {", ".join(letters)}.</p>\n'
        return _section(
            "The numbers",
            '<p class="key">Value ± one standard error; whiskers span two. <b>Bold and marked</b>: no other is better '
            "by more than two standard errors. (In parentheses): measured otherwise, not comparable.</p>\n"
            f'{key}<div class="scroll" role="region" aria-label="The numbers" tabindex="0">\n<table class="numbers">\n'
            f'<thead><tr><th scope="col">Metric</th>{"".join(heads)}<th scope="col">Side by side</th></tr>\n'
            f'<tr class="counts"><td></td>{"".join(counts)}<td></td></tr></thead>\n'
            f"{''.join(bodies)}</table>\n</div>\n{self._footnotes()}",
        )

    def _metric(self, metric: str) -> str:
        """A line of the table."""
        report, heading = self.report, self.report.heading(metric)
        if heading is None:
            return ""
        number = blind_note(report, metric, self.notes)
        tag = "" if number is None else f' <span class="tag">blind here{_reference(number)}</span>'
        label = (
            f'<th scope="row"><a href="#about-{escape(_slug(metric))}">{escape(heading.title)}</a>{tag}'
            f'<span class="under"><code>{escape(heading.name)}</code> {_direction(heading.better)}</span></th>'
        )
        values = [_value(cell(report, row, metric, self.notes)) for row in report.models]
        shown = [mark for place, row in enumerate(report.models) if (mark := self._mark(row, metric, place))]
        controls = [mark for row in report.controls if (mark := self._mark(row, metric))]
        width = 300 if len(report.models) < 4 else 200  # so that four models fit beside it on a usual screen
        chart = dots(shown, controls, better=heading.better, width=width) if shown else ""
        kind = "" if number is None else ' class="blind"'
        return f'<tr{kind}>{label}{"".join(values)}<td class="chart">{chart}</td></tr>\n'

    def _mark(self, row: Row, metric: str, place: int = 0) -> Mark | None:
        """A row's value for the chart, where it may be compared."""
        found = row.estimates.get(metric)
        if found is None or found.value is None or not self.report.standing(row, metric):
            return None
        letter = self.letters.get(id(row), "")
        return Mark(name=row.name, value=found.value, error=found.error, place=place, letter=letter)

    def _footnotes(self) -> str:
        items = [f'<li id="note-{number}">{escape(text)}</li>\n' for number, text in enumerate(self.notes.texts, 1)]
        return f'<ol class="notes">\n{"".join(items)}</ol>\n' if items else ""

    def planes(self) -> str:
        """The rows by two metrics at a time."""
        order = [row.name for row in self.report.models]
        figures = []
        for plane in self.report.planes:
            chart = scatter(plane, order)
            if chart:
                caption = f"<b>{escape(plane.title)}</b> <span>{escape(plane.caption)}</span>"
                figures.append(f"<figure>{chart}<figcaption>{caption}</figcaption></figure>\n")
        return (
            _section("Near to the truth, or like real pictures", f'<div class="pair">\n{"".join(figures)}</div>\n')
            if figures
            else ""
        )

    def verdicts(self) -> str:
        """Which row each metric prefers: a list for every winner, and one of what cannot be told apart."""
        by_winner: dict[str, list[Verdict]] = {}
        for verdict in self.report.verdicts:
            by_winner.setdefault(verdict.winner, []).append(verdict)
        names = [row.name for row in self.report.models]
        order = sorted(by_winner, key=lambda name: (name == "", names.index(name) if name in names else len(names)))
        columns = []
        for winner in order:
            found = by_winner[winner]
            mark = f"{swatch(names.index(winner))} " if winner in names else ""
            title = f"{mark}{escape(winner)} is better" if winner else "Cannot be told apart"
            columns.append(
                f"<div><h3>{title} <span>{len(found)} of {len(self.report.verdicts)}</span></h3>\n"
                f"{_list([_said(self.report, verdict) for verdict in found])}</div>\n"
            )
        return _section("Metric by metric", f'<div class="verdicts">\n{"".join(columns)}</div>\n') if columns else ""

    def curves(self) -> str:
        """The line charts."""
        order = [row.name for row in self.report.models]
        figures = []
        for curve in self.report.curves:
            chart = line_chart(curve, order)
            if chart:
                caption = f"<b>{escape(curve.title)}</b> <span>{escape(curve.caption)}</span>"
                figures.append(f"<figure>{chart}<figcaption>{caption}</figcaption></figure>\n")
        bands = '<p class="key">Bands span two standard errors.</p>\n'
        banded = any(line.errors for curve in self.report.curves for line in curve.series)
        return (
            _section("Curves", f'{bands if banded else ""}<div class="pair">\n{"".join(figures)}</div>\n')
            if figures
            else ""
        )

    def panels(self) -> str:
        """Pictures that an evaluation made, each at the width that it is best seen at."""
        figures = []
        for panel in self.report.panels:
            caption = f"<b>{escape(panel.title)}</b> <span>{escape(panel.caption)}</span>"
            figures.append(_figure(panel, caption))
        return _section("A closer look", f'<div class="flow">\n{"".join(figures)}</div>\n') if figures else ""

    def controls(self) -> str:
        """What the control rows are for, what they look like, and their numbers."""
        report, controls = self.report, self.report.controls
        if not controls:
            return ""
        items = []
        for row in controls:
            strip = ""
            if row.samples is not None and len(row.samples):
                strip = _picture(_contact(row.samples[:STRIP], STRIP), f"Pictures of {row.name}", 320, "pixel strip")
            elif row.drawing:
                strip = _img(row.drawing, f"Samples of {row.name}", *_at_most(row.drawing, 320), "strip")
            items.append(
                f'<li><span class="letter">{self.letters[id(row)]}</span><div><b>{escape(row.name)}</b> '
                f"<span>{escape(row.explanation)}</span>{strip}</div></li>\n"
            )
        notes = Notes()
        heads = "".join(f'<th scope="col">{self.letters[id(row)]} {escape(row.name)}</th>' for row in controls)
        lines = []
        for heading, metrics in groups(report, controls):
            lines.append(
                f'<tr class="group"><th scope="rowgroup" colspan="{len(controls) + 1}">{escape(heading)}</th></tr>\n'
            )
            for metric in metrics:
                cells = [cell(report, row, metric, notes) for row in controls]
                found = report.heading(metric)
                label = f"{escape(found.title)} {ARROWS[found.better]}" if found else ""
                values = "".join(f"<td>{escape(one.plain)}</td>" for one in cells)
                lines.append(f'<tr><th scope="row">{label}</th>{values}</tr>\n')
        under = [f"[{number}] {text}" for number, text in enumerate(notes.texts, 1)]
        return _section(
            "What a metric must be able to tell apart",
            f'<p class="prose">Before a metric is believed on models it is tried on {report.noun} whose quality is '
            f"known. Where it cannot tell these from real {report.noun} at this number of samples, it is marked as "
            f'blind and ranks nobody.</p>\n<ul class="controls">\n{"".join(items)}</ul>\n'
            "<details><summary>Numbers of the control rows</summary>\n"
            '<div class="scroll" role="region" aria-label="Numbers of the control rows" tabindex="0">\n'
            f'<table class="small"><thead><tr><th scope="col">Metric</th>{heads}</tr></thead>\n<tbody>{"".join(lines)}'
            f"</tbody></table>\n</div>\n{_list(under, 'plain') if under else ''}</details>\n",
            identity="controls",
        )

    def reading(self) -> str:
        """How each metric is to be read."""
        items = []
        for _, metrics in self.report.grouped():
            for metric in metrics:
                heading = self.report.heading(metric)
                if heading is not None:
                    told = escape(self.descriptions.get(metric, ""))
                    items.append(
                        f'<div id="about-{escape(_slug(metric))}"><dt>{escape(heading.title)} '
                        f"<code>{escape(heading.name)}</code> {_direction(heading.better)}</dt><dd>{told}</dd></div>\n"
                    )
        return _section("How to read each metric", f'<dl class="reading">\n{"".join(items)}</dl>\n') if items else ""

    def making(self) -> str:
        """The command, the versions, and everything that each number depends on."""
        report = self.report
        facts = {"date": report.date, "time": f"{report.seconds:,.0f} s" if report.seconds else "", **report.software}
        pairs = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items() if value
        )
        command = f"<pre><code>{escape(report.command)}</code></pre>\n" if report.command else ""
        return _section(
            "How it was made", f'{command}<dl class="facts">{pairs}</dl>\n{self._rows()}{self._passports()}'
        )

    def _rows(self) -> str:
        """Where each row comes from."""
        lines = []
        for row in self.report.rows:
            passport = next((found.passport for found in row.estimates.values()), None)
            origin = {"source": passport.source, "weights": passport.weights, "seed": passport.seed} if passport else {}
            facts = {name: value for name, value in {**origin, **row.facts}.items() if value != ""}
            told = ", ".join(f"{name} {value}" for name, value in facts.items())
            lines.append(
                f'<tr><th scope="row">{escape(row.name)}</th><td>{row.count:,}</td><td>{escape(told)}</td></tr>\n'
            )
        return _details(
            "Where each row comes from",
            '<thead><tr><th scope="col">Row</th><th scope="col">Pictures</th><th scope="col">From</th></tr></thead>\n'
            f"<tbody>{''.join(lines)}</tbody>",
        )

    def _passports(self) -> str:
        """What every number depends on: first what all share, then the rest of each."""
        by_key: dict[str, tuple[str, Passport]] = {}
        for metric in self.report.columns:
            heading = self.report.heading(metric)
            there = [row.estimates[metric] for row in self.report.rows if metric in row.estimates]
            for found in [heading, *there] if heading else there:
                by_key.setdefault(found.passport.key, (found.name, found.passport))
        if not by_key:
            return ""
        flat = {key: _flat(passport) for key, (_, passport) in by_key.items()}
        first = next(iter(flat.values()))
        shared = {name: value for name, value in first.items() if all(one.get(name) == value for one in flat.values())}
        pairs = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in shared.items())
        hashes = {passport.network_identity.get("sha256", ""): passport.network for _, passport in by_key.values()}
        weights = [f"{network}: sha256 {sha256}" for sha256, network in hashes.items() if sha256]
        lines = []
        for key, (name, _) in by_key.items():
            rest = ", ".join(f"{field} {value}" for field, value in flat[key].items() if field not in shared)
            lines.append(
                f'<tr><th scope="row"><code>{escape(name)}</code></th><td><code>{key}</code></td>'
                f"<td>{escape(rest)}</td></tr>\n"
            )
        return _details(
            "Passports: what each number depends on",
            '<thead><tr><th scope="col">Number</th><th scope="col">Key</th><th scope="col">Depends on</th></tr>'
            "</thead>\n"
            f"<tbody>{''.join(lines)}</tbody>",
            '<p class="key">Two numbers may be compared only if their keys are the same. All of these share:</p>\n'
            f'<dl class="facts">{pairs}</dl>\n{_list(weights, "plain") if weights else ""}',
        )


# --- parts of a page --------------------------------------------------------------------------------------------------


def _section(title: str, content: str, identity: str = "") -> str:
    name = f' id="{identity}"' if identity else ""
    return f"<section{name}>\n<h2>{escape(title)}</h2>\n{content}</section>\n"


def _details(title: str, table: str, before: str = "") -> str:
    return (
        f'<details><summary>{escape(title)}</summary>\n{before}<div class="scroll" role="region" '
        f'aria-label="{escape(title)}" tabindex="0">\n<table class="small">{table}</table>\n</div>\n</details>\n'
    )


def _list(lines: Iterable[str], kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f"<ul{name}>\n{''.join(f'<li>{escape(line)}</li>' for line in lines)}\n</ul>\n"


def _said(report: Report, verdict: Verdict) -> str:
    """A verdict under the heading of its winner, who need not be named again."""
    heading = report.heading(verdict.metric)
    if heading is None:
        return _unbroken(verdict.text)
    if not verdict.winner:
        return _unbroken(f"{heading.title}: {verdict.text}")
    p = "p < 0.001" if verdict.p < 0.001 else f"p = {verdict.p:.2g}"
    return _unbroken(f"{heading.title}, by {with_error(abs(verdict.difference), verdict.error)} ({p})")


def _unbroken(text: str) -> str:
    """Text whose `1.2 ± 0.1` and `p < 0.001` stay on one line."""
    for sign in ("±", "<", "="):
        text = text.replace(f" {sign} ", f"\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}")
    return text


def _value(found: Cell) -> str:
    text = escape(f"({found.text})" if found.aside else found.text)
    references = "".join(_reference(number) for number in found.notes)
    if found.best:
        return f'<td class="best"><b>{text}</b>{references}<span class="tag">best</span></td>'
    kind = ' class="aside"' if found.aside else ""
    return f"<td{kind}>{text}{references}</td>"


def _reference(number: int) -> str:
    return f'<sup><a href="#note-{number}" aria-label="note {number}">{number}</a></sup>'


def _direction(better: str) -> str:
    return f'<span class="direction">{ARROWS[better]} {DIRECTIONS[better]}</span>'


def _letter(index: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    first = _letter(index // 26 - 1) if index >= 26 else ""
    return first + "abcdefghijklmnopqrstuvwxyz"[index % 26]


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _flat(passport: Passport) -> dict[str, str]:
    """What decides whether two numbers may be compared, as lines of text: `resize clean`."""
    flat: dict[str, str] = {}
    for name, value in asdict(passport).items():
        if name in ("metric", *FREE) or value in ("", None, 0, {}):
            continue
        inner: Mapping[str, Any] = value if isinstance(value, Mapping) else {name.replace("_", " "): value}
        flat |= {key: f"{one:,}" if isinstance(one, int) else _abridged(str(one)) for key, one in inner.items()}
    return flat


def _abridged(text: str) -> str:
    """A hash by its first twelve digits; other text as it is."""
    return f"{text[:12]}…" if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


# --- pictures ---------------------------------------------------------------------------------------------------------


def _sheet(pictures: NDArray[np.uint8], alt: str, caption: str) -> str:
    """A square sheet of the first pictures (n, H, W, C)."""
    columns = min(8, max(3, SHEET // pictures.shape[2]))
    image = _contact(pictures[: columns * columns], columns)
    scale = max(1, round(SHEET / image.width))
    kind = "pixel" if scale > 1 else ""
    return f"<figure>{_picture(image, alt, image.width * scale, kind)}<figcaption>{caption}</figcaption></figure>\n"


def _captioned(pictures: NDArray[np.uint8], alt: str, caption: str, *, captions: Sequence[str]) -> str:
    """A sheet of the first pictures (n, H, W, C), each above the caption that it was made from."""
    from ganzoo.pictures import captioned

    count = min(CAPTIONED, len(captions))
    tiles = [Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture) for picture in pictures[:count]]
    for tile in tiles:
        tile.thumbnail((SHEET // 2, SHEET // 2), Image.Resampling.LANCZOS)
    members = [[np.atleast_3d(np.asarray(tile))] for tile in tiles]
    columns = max(2, SHEET // max(READABLE, tiles[0].width))
    sheet = captioned(members, captions[:count], columns)
    image = Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet)
    return f"<figure>{_picture(image, alt, image.width)}<figcaption>{caption}</figcaption></figure>\n"


def _drawing(png: bytes, alt: str, caption: str) -> str:
    """Samples that their task has drawn."""
    return f"<figure>{_img(png, alt, *_at_most(png, SHEET), '')}<figcaption>{caption}</figcaption></figure>\n"


def _at_most(png: bytes, most: int) -> tuple[int, int]:
    """Width and height at which a PNG is shown: its own, or smaller where it is wider than `most`."""
    width, height = _png_size(png)
    shown = min(width, most)
    return shown, round(height * shown / width)


def _contact(pictures: NDArray[np.uint8], columns: int, gap: int = 1, largest: int = 256) -> Image.Image:
    """Pictures uint8 (n, H, W, C), C 1 or 3, in rows of `columns`; what is between them is transparent."""
    tiles = [Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture) for picture in pictures]
    for tile in tiles:
        tile.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    width, height = tiles[0].size
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    mode = "LA" if tiles[0].mode == "L" else "RGBA"
    sheet = Image.new(mode, (columns * (width + gap) - gap, rows * (height + gap) - gap), 0 if mode == "LA" else None)
    for index, tile in enumerate(tiles):
        sheet.paste(tile.convert(mode), (index % columns * (width + gap), index // columns * (height + gap)))
    return sheet


def _picture(image: Image.Image, alt: str, width: int, kind: str = "") -> str:
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return _img(stream.getvalue(), alt, width, round(image.height * width / image.width), kind)


def _figure(panel: Panel, caption: str) -> str:
    """A panel; one that is shown larger than it is keeps its pixels square."""
    width, height = _png_size(panel.png)
    kind = "pixel" if panel.width > width else ""
    alt = f"{panel.title}. {panel.caption}"
    picture = _img(panel.png, alt, panel.width, round(height * panel.width / width), kind)
    return f'<figure style="--width: {panel.width}px">{picture}<figcaption>{caption}</figcaption></figure>\n'


def _img(png: bytes, alt: str, width: int, height: int, kind: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    name = f' class="{kind}"' if kind else ""
    return f'<img{name} alt="{escape(alt)}" width="{width}" height="{height}" src="data:image/png;base64,{data}"/>'


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG, from its header (PNG specification, section 11.2.2).

    Raises:
        ValueError: when it is none.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        raise ValueError("a panel of a report must be PNG bytes")
    width, height = struct.unpack(">II", png[16:24])
    return width, height
