"""Numbers to learn from: drawn from the mixture, or read from a table of a person's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ganzoo import UserError
from ganzoo.data import ArrayData, DataRequest, DataSpec, Field
from ganzoo.errors import NothingThere
from ganzoo_mixture import COUNTS, DEVIATION, MEANS


def load(request: DataRequest) -> ArrayData:
    """The set `three-modes`, always the same.

    Raises:
        UserError: when it has no such split.
    """
    if request.split not in COUNTS:
        raise UserError(f"three-modes has no split {request.split!r}; it has {' and '.join(COUNTS)}")
    generator = np.random.default_rng([7, request.split == "test"])
    modes = generator.choice(MEANS, COUNTS[request.split])
    return of("three-modes", request.split, modes + DEVIATION * generator.standard_normal(len(modes)))


def open_table(path: Path, request: DataRequest) -> ArrayData:
    """A text file with a number a line; or a folder with train.csv and, perhaps, test.csv.

    Raises:
        UserError: when it is something else.
        NothingThere: when nothing is held out.
    """
    table = path / f"{request.split}.csv" if path.is_dir() else path
    if request.split == "test" and (table == path or not table.is_file()):
        raise NothingThere(f"{path} holds no numbers out")
    try:
        values = np.loadtxt(table, dtype=np.float64, ndmin=1)
    except (OSError, ValueError) as error:
        raise UserError(f"--data {path}: expected a number a line in {table.name}, found: {error}") from error
    return of(path.stem, request.split, values)


def of(name: str, split: str, values: np.ndarray) -> ArrayData:
    """Numbers (n,) as a set."""
    points = values.astype(np.float32)[:, None]
    spec = DataSpec(
        name=name,
        split=split,
        count=len(points),
        fields=(Field(name="points", kind="array", shape=(1,)),),
        fingerprint=hashlib.sha256(points.tobytes()).hexdigest(),
    )
    return ArrayData(spec, {"points": points})
