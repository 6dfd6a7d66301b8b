"""What an evaluation found, as plain data: rows of estimates, verdicts, pictures, curves. Every rendering reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganzoo_evaluation.base import Measured
from ganzoo_evaluation.passport import Estimate

Kind = Literal["model", "pictures", "control"]
GROUPS = {
    "quality": "Sample quality",
    "sharpness": "Sharpness",
    "coverage": "Coverage and diversity",
    "classes": "Classes",
    "captions": "Pictures and their captions",
    "truth": "Against the known answer",
    "consistency": "There and back",
    "reconstruction": "Reconstruction",
    "stability": "Training",
    "smoothness": "Latent space",
    "memorisation": "Memorisation",
    "cost": "Cost",
}
"""Headings of the groups of metrics, in the order in which they are shown; a group that is not here comes last."""


@dataclass(kw_only=True)
class Row:
    """One line of the table: a model (one line each for its final and best weights), a folder of pictures, a control.

    `estimates` by the metric's card name; `samples` uint8 (n, H, W, C), the first pictures of the set, or `drawing`, a
    PNG of its first samples where they are no pictures; `captions`, what
    they were to show, in words, where anybody said; `facts` what a
    person may want to know of it (`{"architecture": ..., "steps": ..., "pictures seen": ...}`); `explanation` what a
    control row is there for.
    """

    name: str
    kind: Kind
    count: int
    estimates: dict[str, Estimate] = field(default_factory=dict)
    samples: NDArray[np.uint8] | None = None
    drawing: bytes = b""
    captions: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    explanation: str = ""
    variant: bool = False
    """Whether it is another row's model once more, with other weights or another prior: it competes with nobody."""
    flattered: tuple[str, ...] = ()
    """Metrics that look through a network by which the model was trained to be good."""
    measured: dict[str, Measured] = field(default_factory=dict, repr=False)
    """What was collected of it, by feature network."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Two rows by one metric: `difference` = first - second, its standard error, the two-sided p-value of none.

    `winner` is a row's name, or empty where they cannot be told apart.
    """

    metric: str
    name: str
    first: str
    second: str
    difference: float
    error: float
    p: float
    winner: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A picture in the report: PNG bytes under a title, with a caption that says what to look for."""

    title: str
    caption: str
    png: bytes
    width: int
    """Width in CSS pixels at which it is best seen."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart; `errors` are standard errors, empty where there are none."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line chart."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One row in a plane: two of its values with their standard errors."""

    name: str
    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None
    control: bool = False
    label: str = ""
    """What stands beside it where that is not its name."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A scatter plot of rows by two metrics; `x_better` and `y_better` are `"lower"` or `"higher"`."""

    title: str
    x_label: str
    y_label: str
    x_better: str
    y_better: str
    points: tuple[Point, ...]
    caption: str = ""


@dataclass(kw_only=True)
class Report:
    """All that an evaluation found.

    `columns` are card names of metrics in the order of the table. `reference` and `network` are one sentence each.
    `blind` names metrics whose control rows did not separate (card name -> reason); `remarks` are sentences on single
    rows or settings that a person must know (small N, missing labels).
    """

    title: str
    command: str
    reference: str
    network: str
    columns: list[str]
    rows: list[Row]
    blind: dict[str, str] = field(default_factory=dict)
    misses: dict[str, list[str]] = field(default_factory=dict)
    """Metric -> the control rows that it does not tell from real held-out pictures."""
    remarks: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    """What it comes to, in sentences, for a comparison."""
    panels: list[Panel] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    planes: list[Plane] = field(default_factory=list)
    noun: str = "pictures"
    """What is measured: pictures, or samples of another kind."""
    date: str = ""
    seconds: float = 0.0
    software: dict[str, str] = field(default_factory=dict)

    @property
    def models(self) -> list[Row]:
        """The rows that are not controls."""
        return [row for row in self.rows if row.kind != "control"]

    @property
    def controls(self) -> list[Row]:
        """The control rows."""
        return [row for row in self.rows if row.kind == "control"]

    def heading(self, metric: str) -> Estimate | None:
        """An estimate that speaks for the column: its name, title, direction and passport."""
        there = [row.estimates[metric] for row in self.rows if metric in row.estimates]
        return next((found for found in there if found.value is not None), there[0] if there else None)

    def grouped(self) -> list[tuple[str, list[str]]]:
        """(heading, columns) of every group that has columns, in the order of `GROUPS`."""
        by_group: dict[str, list[str]] = {}
        for metric in self.columns:
            found = self.heading(metric)
            if found is not None:
                by_group.setdefault(found.group, []).append(metric)
        order = [*(group for group in GROUPS if group in by_group), *(g for g in by_group if g not in GROUPS)]
        return [(GROUPS.get(group, group.capitalize()), by_group[group]) for group in order]

    def standing(self, row: Row, metric: str) -> bool:
        """Whether the row's number may be compared with the column's (its passport is that of the first model)."""
        mine, column = row.estimates.get(metric), self.heading(metric)
        return mine is not None and column is not None and mine.passport.key == column.passport.key

    def best(self, metric: str) -> list[str]:
        """Names of the model rows that no other is better than by more than two standard errors; empty for facts and
        where fewer than two may be compared. Variants do not take part."""
        rows = [
            row
            for row in self.models
            if not row.variant and self.standing(row, metric) and row.estimates[metric].value is not None
        ]
        column = self.heading(metric)
        if len(rows) < 2 or column is None or not column.better or metric in self.blind:
            return []
        sign = 1.0 if column.better == "lower" else -1.0
        leader = min(rows, key=lambda row: sign * _value(row.estimates[metric]))
        front = [row.name for row in rows if not _worse(row.estimates[metric], leader.estimates[metric], sign)]
        return [] if len(front) == len(rows) else front

    def to_json(self) -> dict[str, Any]:
        """Everything but pictures, for a file or a program."""
        return {
            "format": "ganzoo-evaluation-1",
            "title": self.title,
            "command": self.command,
            "date": self.date,
            "seconds": round(self.seconds, 1),
            "reference": self.reference,
            "network": self.network,
            "software": self.software,
            "rows": [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "count": row.count,
                    "facts": row.facts,
                    "estimates": [row.estimates[m].to_json() for m in self.columns if m in row.estimates],
                }
                for row in self.rows
            ],
            "blind": self.blind,
            "misses": self.misses,
            "verdicts": [json.loads(json.dumps(vars(verdict))) for verdict in self.verdicts],
            "summary": self.summary,
            "remarks": self.remarks,
        }


def _value(estimate: Estimate) -> float:
    return math.inf if estimate.value is None or math.isnan(estimate.value) else estimate.value


def _worse(one: Estimate, leader: Estimate, sign: float) -> bool:
    spread = math.hypot(one.error or 0.0, leader.error or 0.0)
    return sign * (_value(one) - _value(leader)) > 2 * spread


def legend(estimates: Sequence[Estimate]) -> Mapping[str, Mapping[str, Any]]:
    """The passports of estimates by key, each once: what stands under a table."""
    return {e.passport.key: e.to_json()["passport"] for e in estimates}
