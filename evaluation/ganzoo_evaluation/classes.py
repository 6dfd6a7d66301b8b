"""Whether pictures show the class that was asked for, and whether every class is there.

The judge is a linear discriminant (Fisher, 1936; one covariance for all classes) on the features of a network, fitted
to the labelled pictures of the reference. It has a closed form: no training, no seed, the same numbers every time. The
covariance is shrunk towards a multiple of the identity as much as its size and the number of pictures call for (OAS:
Chen et al., 2010, arXiv:0907.4698, equation 23). It takes all classes to be equally frequent, so that a class is not
named for being common. How good a judge it is, it says itself: `Discriminant.accuracy`, on pictures that it was not
fitted to, is about what real pictures would reach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from ganzoo_evaluation.base import Array, Comparison, Measured, NotApplicable, Value
from ganzoo_evaluation.features import Features

ROWS = 4096
"""Rows that are turned into float64 at a time."""
PRESENT = 0.1
"""Share of a class's share in the reference from which on the class counts as covered."""


@dataclass(frozen=True, kw_only=True)
class LinearDiscriminant:
    """Scores are `x @ weights + bias`, (n, classes); the highest names the class. `labels` are the classes' numbers,
    (classes,) ascending; `shrinkage` is in [0, 1]."""

    labels: Array
    weights: Array
    bias: Array
    shrinkage: float

    def __call__(self, features: Array) -> Array:
        """The label of each row of features (n, d), int64 (n,)."""
        parts = [
            self.labels[np.argmax(features[start : start + ROWS].astype(np.float64) @ self.weights + self.bias, axis=1)]
            for start in range(0, len(features), ROWS)
        ]
        found: Array = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        return found


def fit(features: Array, labels: Array) -> LinearDiscriminant:
    """The linear discriminant of features (n, d) with labels int64 (n,).

    Raises:
        ValueError: when there are fewer than two classes, or no more pictures than classes.
    """
    known, member = np.unique(labels, return_inverse=True)
    (n, d), k = features.shape, len(known)
    if k < 2 or n <= k:
        raise ValueError(
            f"{n} pictures of {k} classes: a discriminant needs two classes and more pictures than classes"
        )
    means = np.zeros((k, d))
    for index in range(k):
        means[index] = features[member == index].mean(0, dtype=np.float64)
    scatter = np.zeros((d, d))
    for start in range(0, n, ROWS):
        rows = features[start : start + ROWS] - means[member[start : start + ROWS]]
        scatter += rows.T @ rows
    shrinkage = _oas(scatter / (n - k), n - k)
    covariance = (1 - shrinkage) * scatter / (n - k)
    # A dimension that never moves must not make the system singular.
    ridge = max(shrinkage, 1e-9) * np.trace(scatter) / (n - k) / d
    covariance[np.diag_indices(d)] += ridge or 1.0
    weights = np.linalg.solve(covariance, means.T)
    bias = -0.5 * np.einsum("kd,dk->k", means, weights)
    return LinearDiscriminant(labels=known, weights=weights, bias=bias, shrinkage=shrinkage)


def _oas(covariance: Array, n: int) -> float:
    """How far to shrink the covariance (p, p) of n pictures: Chen et al. (2010), equation 23."""
    p = len(covariance)
    square_of_trace, trace_of_square = float(np.trace(covariance)) ** 2, float(np.sum(np.square(covariance)))
    below = (n + 1 - 2 / p) * (trace_of_square - square_of_trace / p)
    return 1.0 if below <= 0 else min(1.0, ((1 - 2 / p) * trace_of_square + square_of_trace) / below)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The discriminant of a labelled set, and how it does on that set itself.

    `held_out` is what it calls each of the set's pictures, int64 (n,), each judged by a discriminant that was fitted to
    the other half of the set; `labels` what they are.
    """

    discriminant: LinearDiscriminant
    held_out: Array
    labels: Array
    name: str

    @property
    def accuracy(self) -> float:
        """Share of the set's pictures that are named rightly by the half that they are not in."""
        return float(np.mean(self.held_out == self.labels))

    @property
    def shares(self) -> Array:
        """Share of each class among the names that the set's own pictures were given, (classes,).

        Every class gets half a picture for nothing, so that a class which is never named has a share all the same.
        """
        return _counts(self.held_out, self.discriminant.labels, extra=0.5)


def judge_of(measured: Measured) -> Judge:
    """The judge that a labelled set makes; fitted once and kept with the set.

    Raises:
        NotApplicable: when the set has no labels or no features, or too few of them.
    """
    kept: Judge | None = measured.collected.get(Judge)
    if kept is None:
        features = measured[Features]
        values, labels = features.values, features.labels
        if labels is None:
            raise NotApplicable(f"{measured.name} has no labels")
        held_out = np.zeros_like(labels)
        # Every other picture of each class: as even as can be, whatever order the set is in.
        place = np.zeros_like(labels)
        for label in np.unique(labels):
            place[labels == label] = np.arange(np.count_nonzero(labels == label))
        try:
            for half in (place % 2 == 0, place % 2 == 1):
                held_out[half] = fit(values[~half], labels[~half])(values[half])
            kept = Judge(discriminant=fit(values, labels), held_out=held_out, labels=labels, name=measured.name)
        except ValueError as error:
            raise NotApplicable(str(error)) from error
        measured.collected[Judge] = kept
    return kept


def compute_accuracy(c: Comparison) -> Value:
    """Share of the pictures that the judge gives the class which was asked for, in [0, 1].

    The error is binomial, of a share with one hit and one miss added, so that it is not 0 when all are hits.

    Raises:
        NotApplicable: when nobody asked for a class, the reference has none, or they are not the same classes.
    """
    judge, features = _judge(c), c.fake[Features]
    asked = features.labels
    if asked is None:
        raise NotApplicable("no class was asked for")
    right = judge.discriminant(features.values) == asked
    each = {_name(c, label): float(right[asked == label].mean()) for label in np.unique(asked)}
    smoothed = (right.sum() + 1) / (len(right) + 2)
    return Value(
        value=float(right.mean()),
        error=math.sqrt(smoothed * (1 - smoothed) / len(right)),
        protocol=_protocol(judge),
        details={
            "reference": judge.accuracy,
            "worst": min(each, key=lambda name: each[name]),
            "each": each,
            "shrinkage": judge.discriminant.shrinkage,
        },
        note=f"real pictures reach {judge.accuracy:.3f}",
    )


def compute_coverage(c: Comparison) -> Value:
    """Share of the reference's classes that are there, in [0, 1]; the pictures need no labels of their own.

    A class is there when the judge names it at least `PRESENT` times as often as among real pictures. The error is that
    of a new sample from the shares that were found. Details: total variation and Kullback-Leibler divergence (nats,
    from the reference to the pictures found, as in the count of modes of Srivastava et al., 2017, arXiv:1705.07761)
    of the two histograms.

    Raises:
        NotApplicable: when the reference has no labels.
    """
    judge, features = _judge(c), c.fake[Features]
    known, values = judge.discriminant.labels, features.values
    if not len(values):
        raise NotApplicable("there are no pictures")
    named = judge.discriminant(values)
    shares, real = _counts(named, known), judge.shares
    there = shares >= PRESENT * real
    smoothed = _counts(named, known, extra=0.5)
    again = binom.sf(np.ceil(PRESENT * real * len(values)) - 1, len(values), smoothed)
    positive = shares > 0
    return Value(
        value=float(there.mean()),
        error=float(np.sqrt(np.sum(again * (1 - again)))) / len(known),
        protocol={**_protocol(judge), "present": PRESENT},
        details={
            "classes": len(known),
            "total_variation": 0.5 * float(np.abs(shares - real).sum()),
            "kl": float(np.sum(shares[positive] * np.log(shares[positive] / real[positive]))),
            "missing": [_name(c, label) for label in known[~there]],
            "shares": {_name(c, label): float(share) for label, share in zip(known, shares, strict=True)},
            "reference_shares": {_name(c, label): float(share) for label, share in zip(known, real, strict=True)},
        },
    )


def _judge(c: Comparison) -> Judge:
    """The judge of the reference, or of the training set where the reference has no labels."""
    labelled = c.real if c.real[Features].labels is not None or c.train is None else c.train
    if c.fake.classes and labelled.classes and c.fake.classes != labelled.classes:
        raise NotApplicable(f"its classes are not those of {labelled.name}")
    return judge_of(labelled)


def _protocol(judge: Judge) -> dict[str, str | int | float]:
    return {"judge": "lda-oas", "fitted": judge.name, "pictures": len(judge.labels)}


def _name(c: Comparison, label: int) -> str:
    names = c.real.classes or c.fake.classes
    return names[label] if 0 <= label < len(names) else str(label)


def _counts(named: Array, known: Array, extra: float = 0.0) -> Array:
    """Share of each of the `known` labels among `named`, (classes,), after `extra` of each was added."""
    counts = np.array([np.count_nonzero(named == label) for label in known]) + extra
    found: Array = counts / counts.sum()
    return found
