"""How varied a set is (Vendi score), and a distance over random directions that needs few pictures (MIND)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganzoo.engine.noise import derive
from ganzoo_evaluation.base import Array, Comparison, NotApplicable, Value
from ganzoo_evaluation.features import Features

DIRECTIONS = 1000
CHUNK = 50
"""Directions that are projected on and sorted at a time."""
FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class Vendi:
    """The score, between 1 and the smaller of n and d, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Mind:
    """The distance, its standard error for the directions at hand, and what other directions would add to that."""

    value: float
    error: float
    direction_error: float


def vendi(features: Array | Tensor) -> Vendi:
    """Vendi score of features (n, d): the effective number of different pictures (Friedman and Dieng 2023).

    exp of the entropy of the eigenvalues of K / n, where K holds the cosine similarities; of the smaller of the two
    Gram matrices, whose eigenvalues above 0 are the same. Rows of zeros resemble nothing and are left out. The error is
    the delta method's: the derivative of the entropy in the direction of x is -x^T log(X^T X / n) x.
    """
    rows = torch.as_tensor(features).double()
    norms = rows.norm(dim=1)
    rows = rows[norms > 0] / norms[norms > 0, None]
    n = len(rows)
    if n < 2:
        return Vendi(value=float(n), error=0.0)
    if n <= rows.shape[1]:
        values, vectors = torch.linalg.eigh(rows @ rows.T / n)
        # x_i in the eigenvectors of the other Gram matrix: sqrt(n l_k) v_ik.
        influences = (vectors**2) @ (-torch.xlogy(values.clamp(min=0), values.clamp(min=0))) * n
    else:
        values, vectors = torch.linalg.eigh(rows.T @ rows / n)
        tiny = float(np.finfo(np.float64).tiny)
        influences = ((rows @ vectors) ** 2) @ (-values.clamp(min=tiny).log())
    values = values.clamp(min=0)
    score = math.exp(-float(torch.xlogy(values, values).sum()))
    return Vendi(value=score, error=score * float(influences.std()) / math.sqrt(n))


def _coupling(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """The optimal coupling of n sorted points with m sorted points on a line: pairs of indices (k,), (k,) and their
    masses (k,), which sum to 1. It is the same for all points, so unequal sets cost no interpolation."""
    borders = np.unique(np.concatenate([np.arange(1, n + 1) * m, np.arange(1, m + 1) * n]))
    starts = np.concatenate([[0], borders[:-1]])
    masses = (borders - starts) / (n * m)
    return torch.from_numpy(starts // m), torch.from_numpy(starts // n), torch.from_numpy(masses)


def mind(x: Array | Tensor, y: Array | Tensor, directions: int = DIRECTIONS, seed: int = 0) -> Mind:
    """MIND of features (n, d) and (m, d): 3 d times the mean squared 2-Wasserstein distance of their projections on
    random directions (Berthet et al. 2026). A shift by v gives 3 |v|^2. Few samples make it too high, as they do FD.

    Each projection's distance is exact, for unequal numbers too. The error is that of `x`, `y` taken as it is: the
    derivative of the squared distance is the Kantorovich potential, 2 times the integral of (t - T(t)) dt along the
    line (del Barrio and Loubes 2019), averaged over the directions for each picture.
    """
    rows, others = torch.as_tensor(x).double(), torch.as_tensor(y).double()
    n, d = rows.shape
    drawn = np.random.default_rng(derive(seed, "mind", d)).standard_normal((directions, d))
    axes = torch.from_numpy(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    left, right, masses = _coupling(n, len(others))
    distances = []
    potentials = torch.zeros(n, dtype=torch.float64)
    for chunk in axes.split(CHUNK):
        (lines, order), goals = (chunk @ rows.T).sort(1), (chunk @ others.T).sort(1).values
        gaps = lines[:, left] - goals[:, right]
        distances.append((gaps**2) @ masses)
        # n times the mass-weighted mean of t - T(t) at each sorted point, integrated by the trapezoidal rule.
        pulls = torch.zeros_like(lines).index_add_(1, left, gaps * masses * n)
        steps = (pulls[:, 1:] + pulls[:, :-1]) * lines.diff(dim=1)
        along = torch.cat([torch.zeros(len(lines), 1, dtype=torch.float64), steps.cumsum(1)], 1)
        potentials += torch.zeros_like(along).scatter_(1, order, along).sum(0)
    found = 3 * d * torch.cat(distances)
    potentials *= 3 * d / directions
    return Mind(
        value=float(found.mean()),
        error=float(potentials.std()) / math.sqrt(n),
        direction_error=float(found.std()) / math.sqrt(directions),
    )


# --- metrics ----------------------------------------------------------------------------------------------------------


def compute_vendi(c: Comparison) -> Value:
    """Vendi score of the row's pictures; the reference is not looked at."""
    values = c.fake[Features].values
    if len(values) < FEWEST:
        raise NotApplicable(f"{c.fake.name} has fewer than {FEWEST} pictures")
    found = vendi(values)
    return Value(value=found.value, error=found.error, protocol={"pictures": len(values), "similarity": "cosine"})


def compute_mind(c: Comparison) -> Value:
    """MIND of the row to the reference."""
    x, y = c.fake[Features].values, c.real[Features].values
    if min(len(x), len(y)) < FEWEST:
        raise NotApplicable(f"needs {FEWEST} pictures or more")
    found = mind(x, y, seed=c.seed)
    return Value(
        value=found.value,
        error=found.error,
        protocol={"directions": DIRECTIONS},
        details={"direction_error": found.direction_error},
    )
