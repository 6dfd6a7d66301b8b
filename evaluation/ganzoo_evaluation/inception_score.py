"""Inception Score: exp of the mutual information between a picture and its predicted class (Salimans et al. 2016).

Its value depends on the classifier, so only with the Inception network of 2015 is it the number of the literature; and
it never looks at a real picture. As is usual the set is parted in ten and the mean over the parts is reported: a part
has fewer pictures, which lowers the score, so the number of pictures belongs to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import torch

from ganzoo_evaluation.base import Array, Block, Comparison, NotApplicable, Plan, Reads, Value

SPLITS = 10
STRETCH = 1000
"""Pictures of a part when the set is read in order; parts of a multiple of it can be scored."""
SHUFFLE = 2020
"""Seed of the permutation that parts the set: that of torch-fidelity, so that the two agree to the last digits."""


def parts(count: int) -> Array:
    """The part (0 to 9) of each of `count` pictures, int64: shuffled, then cut at i * count // 10."""
    order = np.random.RandomState(SHUFFLE).permutation(count)
    borders = np.arange(SPLITS + 1) * count // SPLITS
    found = np.empty(count, dtype=np.int64)
    found[order] = np.repeat(np.arange(SPLITS), np.diff(borders))
    return found


class Predictions:
    """Of each part of the set: how many pictures, the sum of their predicted probabilities p, and of sum p log p.

    The set is parted twice: shuffled in `SPLITS`, and in order in stretches of `STRETCH` pictures.
    """

    reads: ClassVar[Reads] = "logits"

    def __init__(self, plan: Plan) -> None:
        self.total = plan.count
        self._part = torch.from_numpy(parts(plan.count))
        rows = SPLITS + -(-plan.count // STRETCH)  # the splits, then the stretches
        self._counts = torch.zeros(rows, dtype=torch.int64)
        self._sums = torch.zeros(rows, plan.classes, dtype=torch.float64)
        self._negentropy = torch.zeros(rows, dtype=torch.float64)

    def update(self, block: Block) -> None:
        if block.logits is None:
            raise ValueError("predictions are made of logits; this block has none")
        stretch = SPLITS + torch.arange(block.start, block.start + len(block)) // STRETCH
        log = block.logits.double().log_softmax(1)
        p = log.exp()
        negentropy = (p * log).sum(1)
        for part in (self._part[block.start : block.start + len(block)], stretch):
            self._counts += part.bincount(minlength=len(self._counts))
            self._sums.index_add_(0, part, p)
            self._negentropy.index_add_(0, part, negentropy)

    def merge(self, other: Self) -> None:
        self._counts += other._counts
        self._sums += other._sums
        self._negentropy += other._negentropy

    def arrays(self) -> dict[str, Array]:
        return {
            "total": np.array(self.total),
            "counts": self._counts.numpy(),
            "sums": self._sums.numpy(),
            "negentropy": self._negentropy.numpy(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=int(arrays["total"]), classes=arrays["sums"].shape[1]))
        made._counts = torch.from_numpy(np.array(arrays["counts"], dtype=np.int64))
        made._sums = torch.from_numpy(np.array(arrays["sums"], dtype=np.float64))
        made._negentropy = torch.from_numpy(np.array(arrays["negentropy"], dtype=np.float64))
        return made

    @property
    def classes(self) -> int:
        """Number of classes that the network tells apart."""
        return self._sums.shape[1]

    @property
    def scores(self) -> Array:
        """The score of each shuffled part that has pictures, float64, each between 1 and `classes`."""
        return _scores(self._counts[:SPLITS], self._sums[:SPLITS], self._negentropy[:SPLITS])

    def scores_in_order(self, size: int) -> Array:
        """The same of the parts that the set falls into when it is cut, unshuffled, after every `size` pictures.

        Raises:
            ValueError: when `size` is not a multiple of `STRETCH`, as which the set was read.
        """
        if size < STRETCH or size % STRETCH:
            raise ValueError(f"parts of {size} pictures; expected a multiple of {STRETCH}")
        counts, sums, negentropy = (
            torch.stack([stretches.sum(0) for stretches in column[SPLITS:].split(size // STRETCH)])
            for column in (self._counts, self._sums, self._negentropy)
        )
        return _scores(counts, sums, negentropy)


def _scores(counts: torch.Tensor, sums: torch.Tensor, negentropy: torch.Tensor) -> Array:
    """Of every part that has pictures: counts (parts,), sums (parts, classes), negentropy (parts,)."""
    there = counts > 0
    numbers = counts[there].double()
    mean = sums[there] / numbers[:, None]
    found: Array = (negentropy[there] / numbers - torch.xlogy(mean, mean).sum(1)).exp().numpy()
    return found


def compute(c: Comparison) -> Value:
    """Mean of the ten scores, with its standard error. The literature writes the deviation of the scores themselves
    after the plus-minus sign, about three times as much: that is in the details.

    The option `split_size` cuts the set in order after so many pictures instead, as the evaluator of guided diffusion
    does (Dhariwal and Nichol 2021), whose last part may be smaller; one part has no deviation.
    """
    if c.fake.network is not None and c.fake.network.classes == 0:
        raise NotApplicable(f"{c.fake.network.name} predicts no classes")
    predictions = c.fake[Predictions]
    protocol: dict[str, str | int | float]
    if size := c.options.get("split_size"):
        scores = predictions.scores_in_order(int(size))
        protocol = {"split_size": int(size), "order": "as read"}
    else:
        scores = predictions.scores
        protocol = {"splits": SPLITS}
        if len(scores) < SPLITS:
            raise NotApplicable(f"needs {SPLITS} pictures or more")
    deviation = float(scores.std())
    return Value(
        value=float(scores.mean()),
        error=deviation / math.sqrt(len(scores)) if len(scores) > 1 else None,
        protocol={**protocol, "classes": predictions.classes},
        details={"deviation": deviation},
    )
