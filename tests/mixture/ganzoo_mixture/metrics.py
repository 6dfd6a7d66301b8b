"""How near samples come to the real numbers, and how many of the modes they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from scipy.stats import wasserstein_distance

from ganzoo_evaluation.base import Array, Block, Comparison, Plan, Reads, Value
from ganzoo_mixture import DEVIATION, MEANS

FAIR = 0.5
"""A mode is found that has at least this part of the samples that it should have,"""
NEAR = 0.6827
"""of which so many lie within one standard deviation."""
AGAIN = 20
"""Draws with replacement that the standard error is taken from."""


class Points:
    """All numbers of a set, float64, each in its place."""

    reads: ClassVar[Reads] = "samples"

    def __init__(self, plan: Plan) -> None:
        self.values = np.full(plan.count, np.nan)

    def update(self, block: Block) -> None:
        self.values[block.start : block.start + len(block)] = block.samples[:, 0].double().numpy()

    def merge(self, other: Self) -> None:
        self.values = np.where(np.isnan(self.values), other.values, self.values)

    def arrays(self) -> dict[str, Array]:
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=len(arrays["values"])))
        made.values = np.array(arrays["values"])
        return made


def wasserstein(c: Comparison) -> Value:
    """Wasserstein-1 distance to the real numbers; its error is by drawing the samples again with replacement."""
    fake, real = c.fake[Points].values, c.real[Points].values
    generator = np.random.default_rng(c.seed)
    again = [wasserstein_distance(generator.choice(fake, len(fake)), real) for _ in range(AGAIN)]
    return Value(value=float(wasserstein_distance(fake, real)), error=float(np.std(again, ddof=1)))


def modes_found(c: Comparison) -> Value:
    """Modes with a fair part of the samples within one standard deviation."""
    near = np.abs(c.fake[Points].values[:, None] - np.array(MEANS)) < DEVIATION
    return Value(value=float((near.mean(0) >= FAIR * NEAR / len(MEANS)).sum()), protocol={"of": len(MEANS)})
