"""What every rendering of a report shares: clean text, footnotes, and what stands in a cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ganzoo_evaluation.results import Report, Row

ARROWS = {"lower": "↓", "higher": "↑", "": ""}
DIRECTIONS = {"lower": "lower is better", "higher": "higher is better", "": "a fact, ranks nobody"}
_FORBIDDEN = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF}
_SPACE = re.compile(r"[^\S\xa0]+")


def clean(text: str) -> str:
    """Text of one line without anything that steers a terminal or is not allowed in a document: control characters,
    marks that turn the direction of reading, halves of surrogate pairs. Names of files may hold all of them."""
    flat = " ".join(part for part in _SPACE.split(text) if part)
    return "".join(c for c in flat if ord(c) not in _FORBIDDEN and unicodedata.category(c) not in ("Cc", "Cs"))


@dataclass
class Notes:
    """Footnotes in the order in which they are first needed, each once."""

    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        """The number of a footnote, from 1 on; the same text keeps its number."""
        text = clean(text)
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands where a row meets a metric: `23.41 ± 0.52`, a dash, or nothing where it was never asked for."""

    text: str
    best: bool = False
    aside: bool = False
    """Whether it may not be compared with its column, and so stands in parentheses."""
    notes: tuple[int, ...] = ()

    @property
    def plain(self) -> str:
        """As text, with its footnotes: `(23.41 ± 0.52) [1]`."""
        text = f"({self.text})" if self.aside else self.text
        return text + "".join(f" [{number}]" for number in self.notes)


def measured(rows: Iterable[Row], metric: str) -> bool:
    """Whether any of the rows has a number."""
    return any(metric in row.estimates and row.estimates[metric].value is not None for row in rows)


def cell(report: Report, row: Row, metric: str, notes: Notes) -> Cell:
    """What to show for a row and a metric; its footnotes are added to `notes`.

    A control says why it has no number only where other controls have one: that no control has a cost is no news.
    """
    found, heading = row.estimates.get(metric), report.heading(metric)
    if found is None or heading is None or (row.kind == "control" and not measured(report.controls, metric)):
        return Cell(text="")
    # What a person must know of a number goes for the models; control rows would only repeat it.
    said = found.note and (row.kind != "control" or found.value is None)
    numbers = [notes.number(found.note)] if said else []
    if found.value is None:
        return Cell(text="–", notes=tuple(numbers))
    aside = not report.standing(row, metric)
    if aside:
        differences = ", ".join(found.passport.differences(heading.passport))
        numbers.append(notes.number(f"not comparable with the others of its metric: {differences}"))
    best = row.kind != "control" and row.name in report.best(metric)
    return Cell(text=found.text, best=best, aside=aside, notes=tuple(numbers))


def blind_note(report: Report, metric: str, notes: Notes) -> int | None:
    """The footnote of a metric whose controls did not separate."""
    return notes.number(f"blind here: {report.blind[metric]}") if metric in report.blind else None


def groups(report: Report, rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Headings and metrics of a table of these rows: all, or, in one of controls, those that some control has."""
    if any(row.kind != "control" for row in rows):
        return report.grouped()
    found = [(heading, [m for m in metrics if measured(rows, m)]) for heading, metrics in report.grouped()]
    return [(heading, metrics) for heading, metrics in found if metrics]
