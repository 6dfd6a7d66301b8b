"""Kernel distance (KID): the squared maximum mean discrepancy under the kernel k(x, y) = (x.y / d + 1)^3.

Binkowski et al. 2018 ("Demystifying MMD GANs"). It compares the first three moments of two distributions,
and its estimate has no bias at any sample size. Here it is taken over all pairs at once, with its standard error from
Hoeffding's decomposition of the U-statistic; the usual mean over 100 random subsets of 1,000 is there to be compared
with the literature. Products are float32 (as exact as float64 to seven digits of the kernel), sums float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ganzoo.engine.noise import Key, derive
from ganzoo_evaluation.base import Array, Comparison, NotApplicable, Value
from ganzoo_evaluation.features import Features

LIMIT = 10_000
"""Most rows of a side that are compared pair by pair."""
BLOCK = 1000
"""Rows of the kernel matrix that are in memory at a time."""
FEWEST = 4
TORCH_FIDELITY = "torch-fidelity"
TORCH_FIDELITY_SEED = 2020
"""What torch-fidelity seeds numpy's old generator with, unless it is told otherwise."""


@dataclass(frozen=True, kw_only=True)
class MMD:
    """An estimate of the squared MMD and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Subsets:
    """Mean over subsets and its standard error; `spread` is the standard deviation of one subset, which is what the
    literature writes after the plus-minus sign; `size` of each subset."""

    value: float
    error: float
    spread: float
    size: int


def at_most(features: Array | Tensor, limit: int, seed: int, *keys: Key) -> Tensor:
    """Features (n, d) if there are no more than `limit`, else `limit` rows of them drawn at random, in order."""
    rows = torch.as_tensor(features)
    if len(rows) <= limit:
        return rows
    generator = np.random.default_rng(derive(seed, *keys, len(rows)))
    return rows[torch.from_numpy(np.sort(generator.choice(len(rows), limit, replace=False)))]


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Hoeffding's decomposition of the two-sample U-statistic, estimated.

    `value`; variance of the projection of x and of y (`first_x`, `first_y`, which chance can
    make negative); mean square of the doubly centred kernel
    within x, within y and across (`second_x`, `second_y`, `second_xy`).
    """

    value: float
    first_x: float
    first_y: float
    second_x: float
    second_y: float
    second_xy: float

    def variance(self, n: int, m: int) -> float:
        """Of the unbiased estimate from n and m samples; the terms of the decomposition are uncorrelated."""
        first = max(0.0, 4 * (self.first_x / n + self.first_y / m))
        within = 2 * (self.second_x / (n * (n - 1)) + self.second_y / (m * (m - 1)))
        return first + within + 4 * self.second_xy / (n * m)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def _within(x: Tensor, blocks: int) -> tuple[Tensor, float]:
    """Sums of the rows of k(x, x) without the diagonal, float64 (n,), and the sum of squares of what was summed."""
    n = len(x)
    sums, squares = torch.zeros(n, dtype=torch.float64), 0.0
    for i in range(0, n, blocks):
        for j in range(i, n, blocks):
            k = _kernel(x[i : i + blocks], x[j : j + blocks])
            if i == j:
                k.fill_diagonal_(0)
            sums[i : i + blocks] += k.sum(1, dtype=torch.float64)
            if i < j:
                sums[j : j + blocks] += k.sum(0, dtype=torch.float64)
            squares += (1 if i == j else 2) * float(k.square_().sum(dtype=torch.float64))
    return sums, squares


def _across(x: Tensor, y: Tensor, blocks: int) -> tuple[Tensor, Tensor, float]:
    """Sums of the rows (n,) and of the columns (m,) of k(x, y), float64, and the sum of squares."""
    rows = torch.zeros(len(x), dtype=torch.float64)
    columns, squares = torch.zeros(len(y), dtype=torch.float64), 0.0
    for i in range(0, len(x), blocks):
        for j in range(0, len(y), blocks):
            k = _kernel(x[i : i + blocks], y[j : j + blocks])
            rows[i : i + blocks] += k.sum(1, dtype=torch.float64)
            columns[j : j + blocks] += k.sum(0, dtype=torch.float64)
            squares += float(k.square_().sum(dtype=torch.float64))
    return rows, columns, squares


def _parts(x: Tensor, y: Tensor, blocks: int) -> _Parts:
    n, m = len(x), len(y)
    within_x, squares_x = _within(x, blocks)
    within_y, squares_y = _within(y, blocks)
    rows, columns, squares_xy = _across(x, y, blocks)
    # Means of the kernel over the other samples, one for each sample.
    xx, xy, yx, yy = within_x / (n - 1), rows / m, columns / n, within_y / (m - 1)
    across = float(xy.mean())
    second_x = max(0.0, squares_x / (n * (n - 1)) - 2 * float((xx**2).mean()) + float(xx.mean()) ** 2)
    second_y = max(0.0, squares_y / (m * (m - 1)) - 2 * float((yy**2).mean()) + float(yy.mean()) ** 2)
    second_xy = max(0.0, squares_xy / (n * m) - float((xy**2).mean()) - float((yx**2).mean()) + across**2)
    # The projections are known through means of n or m samples only: what that adds to their variance is taken off.
    return _Parts(
        value=float(xx.mean()) + float(yy.mean()) - 2 * across,
        first_x=float((xx - xy).var()) - second_x / (n - 1) - second_xy / m,
        first_y=float((yy - yx).var()) - second_y / (m - 1) - second_xy / n,
        second_x=second_x,
        second_y=second_y,
        second_xy=second_xy,
    )


def mmd2_unbiased(x: Array | Tensor, y: Array | Tensor, blocks: int = BLOCK) -> MMD:
    """Squared MMD of features (n, d) and (m, d) over all pairs, without bias (it can be negative), n and m at least 4.

    The kernel matrix is made `blocks` x `blocks` at a time. The error holds where the two distributions are the same,
    too: there the first-order terms vanish and the second-order ones are all of it.
    """
    rows, others = torch.as_tensor(x).float(), torch.as_tensor(y).float()
    parts = _parts(rows, others, blocks)
    return MMD(value=parts.value, error=math.sqrt(parts.variance(len(rows), len(others))))


class Chooser(Protocol):
    """What draws subsets: numpy's random generators, the new and the old."""

    def choice(self, a: int, size: int, replace: bool) -> Array:
        """`size` of the numbers below `a`."""


def mmd2_subsets(
    x: Array | Tensor,
    y: Array | Tensor,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
    chooser: Chooser | None = None,
) -> Subsets:
    """The usual estimate: mean of the unbiased squared MMD over random subsets of `size` of each side.

    Where a side is smaller, subsets are as large as it, as most code has it. The error is that of all samples given,
    not of one subset, with what the choice of the subsets adds. `chooser` draws a subset of `x`, then one of `y`, and
    so on; without it the subsets are a function of `seed`.
    """
    rows, others = torch.as_tensor(x).float(), torch.as_tensor(y).float()
    n, m = len(rows), len(others)
    size = min(size, n, m)
    if chooser is None:
        chooser = np.random.default_rng(derive(seed, "kernel", "subsets", n, m))
    parts = []
    for _ in range(subsets):
        chosen, other = (torch.from_numpy(chooser.choice(count, size, replace=False)) for count in (n, m))
        parts.append(_parts(rows[chosen], others[other], size))
    values = np.array([part.value for part in parts])
    variance = float(np.mean([part.variance(n, m) for part in parts])) + float(values.var()) / subsets
    return Subsets(value=float(values.mean()), error=math.sqrt(variance), spread=float(values.std()), size=size)


# --- metrics ----------------------------------------------------------------------------------------------------------


def _sides(c: Comparison) -> tuple[Tensor, Tensor]:
    for measured in (c.fake, c.real):
        if len(measured[Features].values) < FEWEST:
            raise NotApplicable(f"{measured.name} has fewer than {FEWEST} pictures")
    return c.fake[Features].tensor, c.real[Features].tensor


def compute(c: Comparison) -> Value:
    """Squared MMD over all pairs of at most `LIMIT` pictures of each side."""
    x, y = (at_most(side, LIMIT, c.seed, "kernel", which) for side, which in zip(_sides(c), ("x", "y"), strict=True))
    found = mmd2_unbiased(x, y)
    return Value(value=found.value, error=found.error, protocol={"pairs": "all", "limit": LIMIT})


def compute_subsets(c: Comparison) -> Value:
    """Squared MMD the usual way: mean over 100 subsets of 1,000.

    The option `kid_rng: "torch-fidelity"` draws the subsets that torch-fidelity draws by default. Of a set too large
    for all of its features to be kept, subsets are drawn from those that are; the remark then says so.
    """
    x, y = _sides(c)
    protocol: dict[str, str | int | float] = {}
    chooser = None
    if rng := c.options.get("kid_rng"):
        if rng != TORCH_FIDELITY:
            raise ValueError(f"kid_rng is {rng!r}; expected {TORCH_FIDELITY!r}")
        chooser = np.random.RandomState(TORCH_FIDELITY_SEED)
        protocol["rng"] = TORCH_FIDELITY
    found = mmd2_subsets(x, y, seed=c.seed, chooser=chooser)
    partly = [
        f"{len(measured[Features].values):,} of the {measured[Features].total:,} pictures of {measured.name}"
        for measured in (c.fake, c.real)
        if not measured[Features].complete
    ]
    return Value(
        value=found.value,
        error=found.error,
        protocol={"subsets": 100, "size": found.size, **protocol},
        details={"spread": found.spread},
        note=f"subsets of {' and '.join(partly)}" if partly else "",
    )
