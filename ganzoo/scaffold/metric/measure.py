"""newborn: the mean contrast of a set of pictures beside that of the real ones.

Say here which paper the metric follows, with its sections, and where it differs from it and why.

The contrast of a picture is the standard deviation of all of its numbers. A metric never sees a set as a whole: its
collector takes from every block of pictures what it wants, and `compute` compares what was collected of two sets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

from ganzoo_evaluation.base import Array, Block, Comparison, Plan, Reads, Value
from ganzoo_evaluation.tally import Tally


class Contrasts:
    """Count, sum and sum of squares of the contrasts of a set, each in [0, 1/2]."""

    reads: ClassVar[Reads] = "pictures"

    def __init__(self, plan: Plan) -> None:
        self.tally = Tally()

    def update(self, block: Block) -> None:
        """Take a block of pictures, uint8 (n, C, H, W)."""
        self.tally.add(block.pictures.double().flatten(1).std(1, correction=0) / 255)

    def merge(self, other: Self) -> None:
        """Take what another process has seen."""
        self.tally.merge(other.tally)

    def arrays(self) -> dict[str, Array]:
        return self.tally.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0))
        made.tally = Tally.from_arrays(arrays)
        return made


def compute(comparison: Comparison) -> Value:
    """The distance of the two means, and its standard error."""
    fake, real = comparison.fake[Contrasts].tally, comparison.real[Contrasts].tally
    errors = [float(tally.error[0]) for tally in (fake, real) if tally.error is not None]
    distance = abs(float(fake.mean[0]) - float(real.mean[0]))
    return Value(value=distance, error=math.hypot(*errors) if len(errors) == 2 else None)
