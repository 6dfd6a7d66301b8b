"""Who a trainer talks to while it works: the one who tells a person, and the one who measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ganzoo.engine.distributed import Group
from ganzoo.model import Model
from ganzoo.runs import Scores


class Reporter(Protocol):
    """Who tells a person how it goes."""

    def stepped(self, step: int, scalars: Mapping[str, float] | None) -> None:
        """A step ended; `scalars` on the steps that write a line of metrics."""

    def sampled(self, step: int, path: Path) -> None:
        """A sample grid was drawn."""

    def evaluated(self, step: int, estimates: Sequence[Mapping[str, Any]], scores: Scores | None) -> None:
        """An evaluation ended; `scores` are the run's with it (None: its headline has no value)."""

    def warned(self, step: int, message: str) -> None:
        """The collapse watch, or a plugin, has something to say."""


class Evaluator(Protocol):
    """Measures a model on the way.

    `headline` names the estimate that tells which weights are the best; `better` is `lower` or `higher`.
    """

    headline: str
    better: str

    def __call__(self, model: Model, step: int, group: Group) -> Sequence[Mapping[str, Any]]:
        """What it found, ready for JSON: each with at least `name`, `value` (None where there is none), `error` and
        `passport`, whose `key`, where it has one, is equal for numbers that may be compared.

        Every process of the group calls it at the same step, so that the work can be shared; what the first returns
        counts. The model carries the averaged weights, in eval mode and without gradients. Global generators are
        seeded by the step, and it may use them up: training goes on to the same bits.
        """


class Quiet:
    """A reporter that says nothing."""

    def stepped(self, step: int, scalars: Mapping[str, float] | None) -> None: ...

    def sampled(self, step: int, path: Path) -> None: ...

    def evaluated(self, step: int, estimates: Sequence[Mapping[str, Any]], scores: Scores | None) -> None: ...

    def warned(self, step: int, message: str) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the step it reached, the signal that stopped it (None: it is done), warnings, seconds, and what
    its evaluations came to."""

    step: int
    signal: int | None
    warnings: tuple[str, ...]
    seconds: float
    scores: Scores | None
