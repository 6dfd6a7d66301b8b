"""The palette distance: total variation distance of two histograms of 4 x 4 x 4 colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from ganzoo_evaluation.base import Array, Block, Comparison, Plan, Reads, Value

LEVELS, PARTS = 4, 10


class Palette:
    """How many pixels of a set have each colour, (parts, 64): in ten parts, whose spread gives the error."""

    reads: ClassVar[Reads] = "pictures"

    def __init__(self, plan: Plan) -> None:
        self.total = plan.count
        self.counts = np.zeros((PARTS, LEVELS**3))

    def update(self, block: Block) -> None:
        red, green, blue = (block.pictures.cpu().long() * LEVELS // 256).expand(-1, 3, -1, -1).unbind(1)
        colours = ((red * LEVELS + green) * LEVELS + blue).flatten(1)  # grey counts as red = green = blue
        for index, picture in enumerate(colours, start=block.start):
            self.counts[index * PARTS // self.total] += np.bincount(picture.numpy(), minlength=LEVELS**3)

    def merge(self, other: Self) -> None:
        self.counts += other.counts

    def arrays(self) -> dict[str, Array]:
        return {"total": np.array(self.total), "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=int(arrays["total"])))
        made.counts += arrays["counts"]
        return made


def compute(comparison: Comparison) -> Value:
    """Half the sum of |p - q| over the colours, in [0, 1]; the error is a jackknife over the parts of both sets."""
    fake, real = comparison.fake[Palette].counts, comparison.real[Palette].counts
    error = (_jackknife(fake, real) + _jackknife(real, fake)) ** 0.5
    return Value(value=distance(fake, real), error=error, protocol={"colours": LEVELS**3})


def distance(fake: Array, real: Array) -> float:
    """Total variation distance of two tables of counts, (parts, colours) each."""
    return float(np.abs(fake.sum(0) / fake.sum() - real.sum(0) / real.sum()).sum() / 2)


def _jackknife(side: Array, other: Array) -> float:
    filled = side[side.sum(1) > 0]
    without = [distance(np.delete(filled, part, axis=0), other) for part in range(len(filled))]
    return (len(filled) - 1) * float(np.var(without)) if len(filled) > 1 else float("nan")
