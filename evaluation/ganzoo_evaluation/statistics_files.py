"""Files of mean and covariance as other tools read and write them: `.npz` with `mu` (d,) and `sigma` (d, d)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganzoo.engine.files import write_atomic
from ganzoo.errors import UserError
from ganzoo_evaluation.frechet import Gaussian

SUFFIX = ".npz"


def read_statistics(path: Path) -> Gaussian:
    """The mean and covariance in a file of pytorch-fid, clean-fid, ADM or ganzoo; the count is 0 where it is not said.

    Raises:
        UserError: when it cannot be read or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            there = set(file.files)
            if not {"mu", "sigma"} <= there:
                raise UserError(
                    f"{path} has {', '.join(sorted(there)) or 'nothing'}; expected the arrays mu (d,) and sigma (d, d)"
                )
            mean, covariance = np.asarray(file["mu"], np.float64), np.asarray(file["sigma"], np.float64)
            count = int(file["count"]) if "count" in there else 0
    except UserError:
        raise
    except Exception as error:  # a damaged or foreign file, in whatever way the reader puts it
        raise UserError(f"{path} cannot be read as .npz of mu and sigma: {type(error).__name__}: {error}") from error
    d = mean.shape[0] if mean.ndim == 1 else -1
    if covariance.shape != (d, d):
        raise UserError(f"{path}: mu has shape {mean.shape} and sigma {covariance.shape}; expected (d,) and (d, d)")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UserError(f"{path}: mu or sigma holds numbers that are not finite")
    if not np.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-6 * float(np.trace(covariance)) / d):
        raise UserError(f"{path}: sigma is not symmetric, so it is no covariance")
    return Gaussian(mean=mean, covariance=(covariance + covariance.T) / 2, count=count)


def write_statistics(path: Path, gaussian: Gaussian) -> None:
    """Write `mu`, `sigma` and `count`, which pytorch-fid and clean-fid read as they are.

    Raises:
        RunError: when the file cannot be written.
    """
    write_atomic(
        path, lambda stream: np.savez(stream, mu=gaussian.mean, sigma=gaussian.covariance, count=gaussian.count)
    )
