"""Means and their standard errors of numbers that come picture by picture: from sums that can be added, or with every
number kept, so that two sets can be compared picture by picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ganzoo_evaluation.base import Array


class Tally:
    """(n, sum, sum of squares) of several measures per picture, in float64.

    The squares are of the distance from `about`, a rough idea of the size, so that nothing cancels when the measures
    lie close together far from 0.
    """

    def __init__(self, measures: int = 1, about: float = 0.0) -> None:
        self.count = 0
        self.about = about
        self._sum = np.zeros(measures)
        self._squares = np.zeros(measures)

    def add(self, values: Tensor) -> None:
        """Take values (n, measures), or (n,) where there is one measure."""
        rows = values.detach().cpu().to(torch.float64).reshape(len(values), len(self._sum)).numpy() - self.about
        self.count += len(rows)
        self._sum += rows.sum(0)
        self._squares += np.square(rows).sum(0)

    def merge(self, other: Self) -> None:
        """Take all that the other has taken."""
        self.count += other.count
        self._sum += other._sum
        self._squares += other._squares

    def arrays(self) -> dict[str, Array]:
        """All of its state."""
        return {
            "count": np.array(self.count),
            "about": np.array(self.about),
            "sum": self._sum,
            "squares": self._squares,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """The tally whose `arrays` these are."""
        made = cls(len(arrays["sum"]), float(arrays["about"]))
        made.count = int(arrays["count"])
        made._sum = np.array(arrays["sum"], dtype=np.float64)
        made._squares = np.array(arrays["squares"], dtype=np.float64)
        return made

    @property
    def mean(self) -> Array:
        """Mean of each measure, (measures,); needs one picture."""
        found: Array = self.about + self._sum / self.count
        return found

    @property
    def error(self) -> Array | None:
        """Standard error of each mean, (measures,); None below two pictures."""
        if self.count < 2:
            return None
        spread = np.maximum(self._squares - self._sum**2 / self.count, 0.0) / (self.count - 1)
        found: Array = np.sqrt(spread / self.count)
        return found


class Each:
    """Several measures of every picture of a set, float64, each in its place whatever order they come in.

    What is not a number was never given: a picture that another process looks at, or that has no such measure.
    """

    def __init__(self, pictures: int, measures: int = 1) -> None:
        self.values = np.full((pictures, measures), np.nan)

    def add(self, start: int, values: Tensor) -> None:
        """Take values (n, measures), or (n,) where there is one measure, of the pictures `start`, `start + 1`, ..."""
        rows = values.detach().cpu().to(torch.float64).reshape(len(values), self.values.shape[1])
        self.values[start : start + len(rows)] = rows.numpy()

    def merge(self, other: Self) -> None:
        """Take all that the other has taken."""
        self.values = np.where(np.isnan(self.values), other.values, self.values)

    def arrays(self) -> dict[str, Array]:
        """All of its state."""
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """The one whose `arrays` these are."""
        made = cls(*arrays["values"].shape)
        made.values = np.array(arrays["values"], dtype=np.float64)
        return made

    def column(self, measure: int = 0) -> Array:
        """One measure of every picture that has it, (n,)."""
        found: Array = self.values[~np.isnan(self.values[:, measure]), measure]
        return found


def mean_of(values: Array) -> tuple[float, float | None]:
    """Mean of values (n,), n at least 1, and its standard error; None below two."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return float(values.mean()), error
