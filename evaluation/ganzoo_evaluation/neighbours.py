"""Nearest neighbours in feature space: precision and recall, density and coverage, AuthPct, the training neighbours.

The manifold of a set is the union of balls about its points, each reaching to the point's k-th nearest other point.
Precision is the share of fakes inside the reals' manifold, recall the share of reals inside the fakes' (Kynkaanniemi
et al. 2019, section 2); density counts how many of the reals' balls a fake is in, over k, and coverage the share of
reals with a fake in their ball (Naeem et al. 2020, section 3). A point on the rim is inside (`<=`), so that constant
features and copies are not outside everything.

Distances come from float32 products. Where one of them is itself the finding (a radius, a nearest neighbour), the
candidates that the products give are measured again by subtraction: the distance to a near-copy is right to the last
digits. Where it is compared with a radius, it counts as equal within the rounding of the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo_evaluation.base import Array, Comparison, Measured, NotApplicable, Value
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.kernel import LIMIT, at_most

BLOCK = 1000
"""Rows of the distance matrix that are in memory at a time."""
SPARE = 4
"""Candidates beyond those asked for, in case rounding has put the nearest in the wrong order."""
PRECISION_NEIGHBOURS = 3
DENSITY_NEIGHBOURS = 5
ROUNDING = 16 * float(torch.finfo(torch.float32).eps)
"""Error of |x|^2 + |y|^2 - 2 x.y in units of |x|^2 + |y|^2; at most 9 epsilons were seen (16 to 4,096 dimensions)."""


def _squares(x: Tensor) -> Tensor:
    return (x * x).sum(1)


def _products(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (n, m), float32, within `ROUNDING`; can be a little below 0."""
    return (x @ y.T).mul_(-2).add_(_squares(x)[:, None]).add_(_squares(y))


def _nearest(x: Tensor, y: Tensor, count: int, itself: bool) -> tuple[Tensor, Tensor]:
    """Indices and squared distances (n, count) of the nearest rows of `y`, ascending; both sets centred.

    `itself`: `x` is `y`, and a point is no neighbour of itself.
    """
    indices, distances = [], []
    candidates = min(len(y) - int(itself), count + SPARE)
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK]
        products = _products(rows, y)
        if itself:
            products[torch.arange(len(rows)), torch.arange(start, start + len(rows))] = math.inf
        chosen = products.topk(candidates, largest=False).indices
        exact = torch.stack([((y[chosen[:, i]] - rows) ** 2).sum(1) for i in range(candidates)], 1)
        order = exact.argsort(dim=1, stable=True)[:, :count]
        indices.append(chosen.gather(1, order))
        distances.append(exact.gather(1, order))
    return torch.cat(indices), torch.cat(distances)


def _centred(*sets: Tensor) -> list[Tensor]:
    """The sets about the mean of the last, which keeps the products small and so exact."""
    mean = sets[-1].double().mean(0).float()
    return [rows - mean for rows in sets]


def nearest(features: Array | Tensor, others: Array | Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """Indices int64 and distances float32, both (n, count), of the rows of `others` (m, d) nearest to each of
    `features` (n, d), nearest first; `count` at most m."""
    x, y = _centred(torch.as_tensor(features).float(), torch.as_tensor(others).float())
    indices, squares = _nearest(x, y, count, itself=False)
    return indices, squares.sqrt()


def manifold(features: Array | Tensor, k: int) -> Tensor:
    """Distance (n,) of each of `features` (n, d), n above k, to its k-th nearest other."""
    (x,) = _centred(torch.as_tensor(features).float())
    return _nearest(x, x, k, itself=True)[1][:, k - 1].sqrt()


@dataclass(frozen=True, eq=False, kw_only=True)
class Manifold:
    """Points of a set (n, d), the squared distance of each to its nearest others, ascending, (n, most), and the seed
    that the points were drawn with.

    `k` is the neighbour that a ball reaches to for precision and recall, `wide` the one for density and coverage.
    """

    points: Tensor
    squares: Tensor
    seed: int = 0
    k: int = PRECISION_NEIGHBOURS
    wide: int = DENSITY_NEIGHBOURS

    @classmethod
    def of(
        cls,
        features: Array | Tensor,
        seed: int = 0,
        k: int = PRECISION_NEIGHBOURS,
        wide: int = DENSITY_NEIGHBOURS,
    ) -> Manifold:
        """Of at most `LIMIT` of the features (n, d), n above `k` and `wide`."""
        points = at_most(features, LIMIT, seed, "neighbours").float()
        (centred,) = _centred(points)
        squares = _nearest(centred, centred, max(k, wide), itself=True)[1]
        return cls(points=points, squares=squares, seed=seed, k=k, wide=wide)


@dataclass(frozen=True, eq=False, kw_only=True)
class Overlap:
    """How two manifolds lie to each other, picture by picture.

    `inside` bool (fakes,): in the reals' manifold; `reached` bool (reals,): in the fakes' manifold; `balls` int64
    (fakes,): number of reals' balls that the fake is in; `covered` bool (reals,): a fake is in its ball. The first two
    by the manifolds' `k`, the others by their `wide`.
    """

    inside: Tensor
    reached: Tensor
    balls: Tensor
    covered: Tensor


def overlap(fake: Manifold, real: Manifold) -> Overlap:
    """All four, in one pass over the distances between `fake` and `real`."""
    x, y = _centred(fake.points, real.points)
    squares_x, squares_y = _squares(x), _squares(y)
    radius_x = fake.squares[:, fake.k - 1]
    radius_y, wide_y = real.squares[:, real.k - 1], real.squares[:, real.wide - 1]
    inside, balls = [], []
    reached, covered = torch.zeros(len(y), dtype=torch.bool), torch.zeros(len(y), dtype=torch.bool)
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        # The least that the squared distance can be, given the rounding.
        least = (x[rows] @ y.T).mul_(-2).add_((1 - ROUNDING) * squares_x[rows, None]).add_((1 - ROUNDING) * squares_y)
        inside.append((least <= radius_y).any(1))
        within = least <= wide_y
        balls.append(within.sum(1))
        covered |= within.any(0)
        reached |= (least <= radius_x[rows, None]).any(0)
    return Overlap(inside=torch.cat(inside), reached=reached, balls=torch.cat(balls), covered=covered)


def authpct(fake: Array | Tensor, train: Array | Tensor) -> float:
    """AuthPct as a share, 0 to 1, of fakes (n, d) that are further from their nearest training point (m, d) than that
    point is from its own nearest other training point (Alaa et al. 2022).

    A picture that is in the training set twice counts as one point: by the letter its radius would be 0 and every fake
    near it authentic. A training set of one point has no radius: copies of it are copies, all else is authentic.
    """
    points = torch.as_tensor(train).float()
    first = {row.tobytes(): index for index, row in enumerate(points.numpy())}
    points = points[torch.tensor(sorted(first.values()))]
    rows, points = _centred(torch.as_tensor(fake).float(), points)
    indices, squares = _nearest(rows, points, 1, itself=False)
    if len(points) == 1:
        return float((squares > 0).double().mean())
    chosen, back = indices[:, 0].unique(return_inverse=True)
    others, distances = _nearest(points[chosen], points, 2, itself=False)
    # The nearest of all is the point itself.
    own = torch.where(others[:, 0] == chosen, distances[:, 1], distances[:, 0])
    return float((squares[:, 0] > own[back]).double().mean())


# --- metrics ----------------------------------------------------------------------------------------------------------


def manifold_of(
    measured: Measured, seed: int, k: int = PRECISION_NEIGHBOURS, wide: int = DENSITY_NEIGHBOURS
) -> Manifold:
    """The manifold of at most `LIMIT` pictures of a set, kept with it: every row of a table shares the reference's.

    Raises:
        NotApplicable: with no more pictures than neighbours, or without features.
    """
    kept: Manifold | None = measured.collected.get(Manifold)
    if kept is None or (kept.seed, kept.k, kept.wide) != (seed, k, wide):
        values = measured[Features].values
        if len(values) <= max(k, wide):
            raise NotApplicable(f"{measured.name} has {len(values)} pictures, too few for {max(k, wide)} neighbours")
        kept = measured.collected[Manifold] = Manifold.of(values, seed, k, wide)
    return kept


def _neighbours(c: Comparison) -> tuple[int, int]:
    """The neighbour that balls reach to for precision and recall, and for density and coverage; the option `k` is for
    all four.

    Raises:
        ValueError: for an option below 1.
    """
    k = c.options.get("k")
    if k is None:
        return PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS
    if int(k) < 1:
        raise ValueError(f"k is {k}; expected 1 or more neighbours")
    return int(k), int(k)


def _overlap(c: Comparison) -> Overlap:
    k, wide = _neighbours(c)
    return c.once(
        ("neighbours", k, wide),
        lambda: overlap(manifold_of(c.fake, c.seed, k, wide), manifold_of(c.real, c.seed, k, wide)),
    )


def _share(hits: Tensor, k: int) -> Value:
    """A share of pictures with its binomial error, the other side taken as it is."""
    share = float(hits.double().mean())
    return Value(
        value=share, error=math.sqrt(share * (1 - share) / len(hits)), protocol={"k": k, "test": "<=", "limit": LIMIT}
    )


def compute_precision(c: Comparison) -> Value:
    """Share of fakes inside the reals' manifold, k = 3 unless the option `k` says otherwise."""
    return _share(_overlap(c).inside, _neighbours(c)[0])


def compute_recall(c: Comparison) -> Value:
    """Share of reals inside the fakes' manifold, k = 3 unless the option `k` says otherwise."""
    return _share(_overlap(c).reached, _neighbours(c)[0])


def compute_density(c: Comparison) -> Value:
    """Mean number of the reals' balls that a fake is in, over k (5, or the option `k`): about 1 for the same
    distribution, unbounded."""
    k = _neighbours(c)[1]
    balls = _overlap(c).balls.double() / k
    return Value(
        value=float(balls.mean()),
        error=float(balls.std()) / math.sqrt(len(balls)),
        protocol={"k": k, "test": "<=", "limit": LIMIT},
    )


def compute_coverage(c: Comparison) -> Value:
    """Share of reals with a fake in their ball; with k = 5 (or the option `k`) about 1 - 2^-k for the same distribution
    and number."""
    return _share(_overlap(c).covered, _neighbours(c)[1])


def compute_authpct(c: Comparison) -> Value:
    """AuthPct (a share; the literature prints per cent) of at most `LIMIT` fakes against all training features kept."""
    if c.train is None:
        raise NotApplicable("nobody knows what it was trained on")
    fake = at_most(c.fake[Features].values, LIMIT, c.seed, "neighbours")
    train = c.train[Features].values
    if len(fake) == 0 or len(train) == 0:
        raise NotApplicable("there are no pictures to compare")
    share = authpct(fake, train)
    partial = len(train) < c.train.count
    return Value(
        value=share,
        error=math.sqrt(share * (1 - share) / len(fake)),
        protocol={"limit": LIMIT, "train": len(train)},
        note=f"copies were looked for among {len(train):,} of {c.train.count:,} training pictures" if partial else "",
    )
