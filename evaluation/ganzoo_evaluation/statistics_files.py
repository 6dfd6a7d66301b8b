"""Files of mean and covariance as other tools read and write them: `.npz` with `mu` (d,) and `sigma` (d, d).

Ours also say how many pictures there were (`count`) and through which network they were seen (`network`); other tools
pass over that.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.engine.files import write_atomic
from ganzoo.errors import UserError
from ganzoo_evaluation.base import Array
from ganzoo_evaluation.frechet import Gaussian

SUFFIX = ".npz"
ASYMMETRY = 1e-4
"""How far an entry of a covariance may be from its mirror image, relative to the variances."""


@dataclass(frozen=True)
class Statistics:
    """What a file holds: the Gaussian, and the feature network's name, empty where it is not said."""

    gaussian: Gaussian
    network: str = ""


def read_statistics(path: Path) -> Gaussian:
    """The mean and covariance in a file of pytorch-fid, clean-fid, ADM or ganzoo; the count is 0 where it is not said.

    Raises:
        UserError: when it cannot be read or holds something else.
    """
    return open_statistics(path).gaussian


def open_statistics(path: Path) -> Statistics:
    """All that the file says. Nothing in it is unpickled.

    Raises:
        UserError: when it cannot be read or holds something else.
    """
    expected = "expected the arrays mu (d,) and sigma (d, d)"
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no .npz archive, or only a part of one; {expected}")
    try:
        with np.load(path, allow_pickle=False) as file:
            there = set(file.files)
            if not {"mu", "sigma"} <= there:
                raise UserError(f"{path} has {', '.join(sorted(there)) or 'nothing'}; {expected}")
            mean, covariance = _real(file["mu"]), _real(file["sigma"])
            count = int(file["count"]) if "count" in there and file["count"].size == 1 else 0
            network = str(file["network"]) if "network" in there else ""
    except UserError:
        raise
    except Exception as error:  # a damaged or foreign file, in whatever way the reader puts it
        raise UserError(f"{path} cannot be read as .npz of mu and sigma: {type(error).__name__}: {error}") from error
    d = mean.shape[0] if mean.ndim == 1 else 0
    if d == 0 or covariance.shape != (d, d):
        raise UserError(f"{path}: mu has shape {mean.shape} and sigma {covariance.shape}; expected (d,) and (d, d)")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UserError(f"{path}: mu or sigma holds numbers that are not finite")
    variances = np.diag(covariance)
    if (variances < -ASYMMETRY * np.abs(variances).max()).any():
        raise UserError(f"{path}: sigma has negative variances, so it is no covariance")
    if not np.allclose(covariance, covariance.T, rtol=ASYMMETRY, atol=1e-2 * ASYMMETRY * float(variances.mean())):
        raise UserError(f"{path}: sigma is not symmetric, so it is no covariance")
    return Statistics(Gaussian(mean=mean, covariance=(covariance + covariance.T) / 2, count=max(0, count)), network)


def _real(array: Any) -> Array:
    if array.dtype.kind not in "fiu":
        raise TypeError(f"numbers of type {array.dtype}")
    return np.asarray(array, np.float64)


def write_statistics(path: Path, gaussian: Gaussian, network: str = "") -> None:
    """Write `mu` and `sigma`, which pytorch-fid and clean-fid read as they are, `count` and `network`.

    Raises:
        RunError: when the file cannot be written.
    """
    mu, sigma, count = gaussian.mean, gaussian.covariance, gaussian.count
    write_atomic(path, lambda stream: np.savez(stream, mu=mu, sigma=sigma, count=count, network=network))
