"""A report in a terminal and as Markdown: metrics down, rows across.

Eighteen metrics side by side fit no terminal, four rows do; so every line is a metric, under the heading of its group,
and every column a row of the report. What cannot be a number is a dash with a numbered footnote, a number that may not
be compared with its neighbours stands in parentheses, and controls follow in a table of their own unless all fits.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ganzoo_evaluation.passport import Estimate
from ganzoo_evaluation.rendering import ARROWS, Cell, Notes, blind_note, cell, clean, groups
from ganzoo_evaluation.results import Report, Row

SIGNS = "± one standard error; bold: best, beyond two standard errors; ( ): not comparable; – : no value"
MARKDOWN_SIGNS = "± one standard error; **bold**: best, beyond two standard errors; ( ): not comparable; – : no value"
NAME_WIDTH = 16
"""A row's name is broken over lines when it is longer and no number below it is as wide."""
GAP = 2
"""Columns of nothing between two columns of a table."""
Column = tuple[Row, dict[str, Cell]]


# --- terminal ---------------------------------------------------------------------------------------------------------


def print_report(report: Report, console: Console) -> None:
    """Draw the report, at any width of the console from about 60 columns on.

    What does not fit side by side goes into further tables; nothing is cut.
    """
    console.print(Text(clean(report.title), style="bold"))
    for sentence in (report.reference, report.network):
        if sentence:
            console.print(Text(clean(sentence), style="dim"))
    notes = Notes()
    labels = _labels(report, notes)
    models, controls = ([_drawn(report, row, notes) for row in rows] for rows in (report.models, report.controls))
    for pack in _packed([models, controls], console.width - _label_width(labels) - 2):
        console.print(_table(report, labels, pack))
        console.print()
    _print_lines(console, [SIGNS], style="dim")
    _print_lines(console, [f"[{number}] {text}" for number, text in enumerate(notes.texts, 1)], style="dim")
    told = [f"{row.name}: {row.explanation}" for row in report.controls if row.explanation]
    _print_section(console, "Controls", told, style="dim")
    _print_section(console, "Verdicts", verdict_lines(report))
    _print_section(console, "Remarks", report.remarks)
    _print_section(console, "Summary", report.summary, style="bold")


def _labels(report: Report, notes: Notes) -> dict[str, str]:
    """What stands at the left of each metric: its name, the direction, the footnote when it is blind."""
    labels = {}
    for metric in report.columns:
        heading = report.heading(metric)
        if heading is not None:
            number = blind_note(report, metric, notes)
            mark = "" if number is None else f" [{number}]"
            labels[metric] = f"  {clean(heading.name)} {ARROWS[heading.better]}".rstrip() + mark
    return labels


def _label_width(labels: dict[str, str]) -> int:
    return min(34, max((cell_len(label) for label in labels.values()), default=10))


def _drawn(report: Report, row: Row, notes: Notes) -> Column:
    return row, {metric: cell(report, row, metric, notes) for metric in report.columns}


def _width(column: Column) -> int:
    row, cells = column
    return max([min(cell_len(clean(row.name)), NAME_WIDTH), *(cell_len(found.plain) for found in cells.values())])


def _packed(sides: Sequence[list[Column]], room: int) -> list[list[Column]]:
    """Columns that go side by side into one table: all where they fit, else models apart from controls, as many as
    fit."""
    everyone = [column for side in sides for column in side]
    if sum(_width(column) + GAP for column in everyone) <= room:
        return [everyone] if everyone else []
    packs: list[list[Column]] = []
    for side in sides:
        left = -1
        for column in side:
            left -= _width(column) + GAP
            if left < 0:
                packs.append([])
                left = room - _width(column) - GAP
            packs[-1].append(column)
    return packs


def _table(report: Report, labels: dict[str, str], columns: list[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP, 0, 0), show_edge=False)
    table.add_column(Text(""), width=_label_width(labels), overflow="fold")
    for column in columns:
        row = column[0]
        style = "dim" if row.kind == "control" else ""
        name = Text(clean(row.name), style=style or "bold")
        table.add_column(name, width=_width(column), overflow="fold", justify="right", style=style)
    for heading, metrics in groups(report, [row for row, _ in columns]):
        table.add_row(Text(clean(heading), style="italic"))
        for metric in metrics:
            cells = [drawn[metric] for _, drawn in columns]
            texts = [Text(found.plain, style="bold" if found.best else "") for found in cells]
            table.add_row(Text(labels[metric], style="dim" if metric in report.blind else ""), *texts)
    return table


def _print_section(console: Console, heading: str, lines: Sequence[str], style: str = "") -> None:
    if lines:
        console.print(Text(f"\n{heading}", style="bold"))
        _print_lines(console, lines, style=style)


def _print_lines(console: Console, lines: Sequence[str], style: str = "") -> None:
    for line in lines:
        console.print(Padding(Text(clean(line), style=style), (0, 0, 0, 2), expand=False))


def verdict_lines(report: Report) -> list[str]:
    """One line for each verdict; whom it is about where there are more than two models."""
    many = len({(verdict.first, verdict.second) for verdict in report.verdicts}) > 1
    return [
        f"{verdict.first} and {verdict.second}, {verdict.name}: {verdict.text}"
        if many
        else f"{verdict.name}: {verdict.text}"
        for verdict in report.verdicts
    ]


# --- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """The report as Markdown with GitHub's tables: models, then controls, footnotes, and the keys of the passports."""
    notes = Notes()
    tables = [
        _markdown_table(report, rows, notes) for rows in (report.models, report.controls) if rows and report.columns
    ]
    parts = [f"# {escaped(report.title)}"]
    parts += [_bullets(report.summary)]
    parts += [" ".join(escaped(text) for text in (report.reference, report.network) if text)]
    parts += tables[:1]
    parts += [MARKDOWN_SIGNS + "."]
    if report.controls:
        parts += ["## Controls"]
        parts += [_bullets([f"{row.name}: {row.explanation}" for row in report.controls if row.explanation])]
        parts += tables[1:] if report.models else []
    parts += ["\n".join(f"{number}. {escaped(text)}" for number, text in enumerate(notes.texts, 1))]
    for heading, lines in (("Verdicts", verdict_lines(report)), ("Remarks", report.remarks)):
        parts += [f"## {heading}", _bullets(lines)] if lines else []
    keys = [f"{code(heading.name)} {code(heading.passport.key)}" for heading in _headings(report)]
    parts += ["## Passports", ", ".join(keys) + "."] if keys else []
    parts += [f"Made by {code(report.command)}" + (f" on {escaped(report.date)}" if report.date else "") + "."]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line, in a table too."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#~&$" else c for c in clean(text))


def code(text: str) -> str:
    """Text as a code span, whatever it holds; there GitHub takes no `@1k` for a person."""
    text = clean(text)
    fence = "`"
    while fence in text:
        fence += "`"
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{room}{text}{room}{fence}".replace("|", "\\|")


def _headings(report: Report) -> list[Estimate]:
    found = [report.heading(metric) for _, metrics in report.grouped() for metric in metrics]
    return [heading for heading in found if heading is not None]


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _markdown_table(report: Report, rows: list[Row], notes: Notes) -> str:
    lines = [_line(["", *(escaped(row.name) for row in rows)]), _line(["---", *["---:"] * len(rows)])]
    for heading, metrics in groups(report, rows):
        lines.append(_line([f"**{escaped(heading)}**", *[""] * len(rows)]))
        for metric in metrics:
            found = report.heading(metric)
            if found is None:
                continue
            number = blind_note(report, metric, notes)
            mark = "" if number is None else f" \\[{number}\\]"
            label = f"{code(found.name)} {ARROWS[found.better]}".rstrip() + mark
            lines.append(_line([label, *(_markdown_cell(cell(report, row, metric, notes)) for row in rows)]))
    return "\n".join(lines)


def _markdown_cell(found: Cell) -> str:
    text = escaped(found.plain)
    return f"**{text}**" if found.best else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
