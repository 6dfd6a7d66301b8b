"""A bounded sample of the features themselves, for what cannot be had from sums: neighbours, kernels, error bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import torch

from ganzoo.engine.noise import derive
from ganzoo_evaluation.base import Array, Block, Plan, Reads

BYTES = 256 * 2**20
"""Most that the kept features of one set may take: 32,768 of 2,048 dimensions in float32."""


class Features:
    """Features of at most `BYTES`, with the index and label of each picture: all of a small set, else a random sample.

    Which pictures are kept is a function of (seed, count) alone, so it does not matter in which order or in which
    process they come.
    """

    reads: ClassVar[Reads] = "features"

    def __init__(self, plan: Plan) -> None:
        self.total = plan.count
        room = max(1, BYTES // (4 * max(1, plan.dimensions)))
        kept = np.arange(plan.count)
        if plan.count > room:
            generator = np.random.default_rng(derive(plan.seed, "reservoir", plan.count))
            kept = np.sort(generator.choice(plan.count, room, replace=False))
        self._wanted = kept
        self._values = np.zeros((len(kept), plan.dimensions), dtype=np.float32)
        self._labels = np.full(len(kept), -1, dtype=np.int64)
        self._there = np.zeros(len(kept), dtype=bool)

    def update(self, block: Block) -> None:
        if block.features is None:
            raise ValueError("this block has no features")
        first, last = np.searchsorted(self._wanted, (block.start, block.start + len(block)))
        rows = self._wanted[first:last] - block.start
        self._values[first:last] = block.features.numpy()[rows]
        if block.label is not None:
            self._labels[first:last] = block.label.cpu().numpy()[rows]
        self._there[first:last] = True

    def merge(self, other: Self) -> None:
        mine = other._there & ~self._there
        self._values[mine] = other._values[mine]
        self._labels[mine] = other._labels[mine]
        self._there |= other._there

    def arrays(self) -> dict[str, Array]:
        return {
            "total": np.array(self.total),
            "wanted": self._wanted,
            "values": self._values,
            "labels": self._labels,
            "there": self._there,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls.__new__(cls)
        made.total = int(arrays["total"])
        made._wanted, made._values = arrays["wanted"], arrays["values"]
        made._labels, made._there = arrays["labels"].copy(), arrays["there"].copy()
        return made

    @property
    def rows(self) -> Array:
        """Index in the set of each kept picture, ascending, (m,)."""
        found: Array = self._wanted[self._there]
        return found

    @property
    def values(self) -> Array:
        """Features, float32 (m, d)."""
        return self._values if self._there.all() else self._values[self._there]

    @property
    def tensor(self) -> torch.Tensor:
        """The same as a tensor, float32 (m, d)."""
        return torch.from_numpy(self.values)

    @property
    def labels(self) -> Array | None:
        """Labels, int64 (m,), or None where the pictures have none."""
        found = self._labels[self._there]
        return None if len(found) == 0 or (found < 0).any() else found

    @property
    def complete(self) -> bool:
        """Whether every picture of the set is in."""
        return len(self.rows) == self.total
