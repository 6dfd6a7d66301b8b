"""The file formats of the usual public sets: idx, CIFAR's and STL-10's binary records, MATLAB files, LSUN's LMDB.

They are a few lines each with numpy and scipy, and no pickle is loaded. Every reader raises `UserError` with the file's
name when the file is not what it should be.
"""

from __future__ import annotations

import gzip
import importlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.errors import UserError
from ganzoo_data.embedded_sets import Labels, Pictures


def read_idx(path: Path) -> Pictures:
    """Read an idx file of unsigned bytes, gzipped or not: 0, 0, 8, the rank, big-endian sizes, the data.

    Raises:
        UserError: when it is something else.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(path, str(error)) from error
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise damaged(path, "not an idx file of unsigned bytes")
    start = 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    if len(raw) != start + int(np.prod(shape)):
        raise damaged(path, f"{len(raw):,} bytes, expected {start + int(np.prod(shape)):,}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()  # a view of bytes could not be written to


def read_cifar(paths: Sequence[Path], label_bytes: int, classes: int) -> tuple[Pictures, Labels]:
    """Read files of records of label bytes (the last one is the class) and 3 x 32 x 32 bytes.

    Returns:
        uint8 (N, 3, 32, 32) and int64 (N,).
    """
    record, parts = label_bytes + 3072, []
    for path in paths:
        raw = np.fromfile(path, np.uint8)
        if not len(raw) or len(raw) % record:
            raise damaged(path, f"{len(raw):,} bytes are no whole number of records of {record:,}", path.parent)
        parts.append(raw.reshape(-1, record))
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, label_bytes:]).reshape(-1, 3, 32, 32)
    return images, checked_labels(paths[0], records[:, label_bytes - 1], classes)


def read_svhn(path: Path) -> tuple[Pictures, Labels]:
    """Read a cropped file of SVHN: X (32, 32, 3, N) and y (N, 1), which calls the digit 0 "10".

    Returns:
        uint8 (N, 3, 32, 32) and int64 (N,).
    """
    stored = read_mat(path, "X", "y")
    images, labels = stored["X"], stored["y"].reshape(-1)
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.shape[3] != len(labels):
        raise damaged(path, f"X has the shape {images.shape}, expected (32, 32, 3, {len(labels)})")
    labels = np.where(labels == 10, 0, labels)
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1), np.uint8), checked_labels(path, labels, 10)


def map_stl10(path: Path) -> Pictures:
    """The pictures of a binary file of STL-10, uint8 (N, 3, 96, 96), mapped: `unlabeled` is 2.8 GB."""
    if path.stat().st_size == 0 or path.stat().st_size % 27648:
        raise damaged(path, f"{path.stat().st_size:,} bytes are no whole number of pictures of 27,648", path.parent)
    columns = np.memmap(path, np.uint8, mode="r").reshape(-1, 3, 96, 96)
    return columns.transpose(0, 1, 3, 2)  # column by column in the file


def read_stl10_labels(path: Path, count: int) -> Labels:
    """The labels of `count` pictures of STL-10, int64 (count,); the file counts from 1."""
    stored = np.fromfile(path, np.uint8)
    if len(stored) != count:
        raise damaged(path, f"{len(stored):,} labels for {count:,} pictures", path.parent)
    return checked_labels(path, stored.astype(np.int64) - 1, 10)


def read_mat(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Arrays of a MATLAB file (versions 5 to 7)."""
    from scipy.io import loadmat

    try:
        stored = loadmat(path, variable_names=list(names))
        return {name: stored[name] for name in names}
    except Exception as error:  # a parser fed with garbage raises anything, down to IndexError and zlib.error
        raise damaged(path, f"not a MATLAB file with {', '.join(names)}: {type(error).__name__}") from error


def read_celeba_labels(path: Path, attribute: str, names: Sequence[str]) -> Labels:
    """0 or 1 for each of `names`. The file: a count, the 40 names, then a file name and 40 times -1 or 1."""
    lines = path.read_text(encoding="ascii").splitlines()
    try:
        column = 1 + lines[1].split().index(attribute)
        values = {cells[0]: int(cells[column]) for cells in (line.split() for line in lines[2:]) if cells}
        return np.array([values[name] > 0 for name in names], np.int64)
    except (IndexError, ValueError, KeyError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error


_ENVIRONMENTS: dict[Path, tuple[int, Any]] = {}
"""Folder: the process that opened it, and the LMDB environment. LMDB opens a folder once in a process, not twice."""


def _environment(folder: Path) -> Any:
    process = os.getpid()
    opened_by, environment = _ENVIRONMENTS.get(folder, (process, None))
    if environment is not None and opened_by != process:  # inherited through a fork, which LMDB does not allow for
        environment.close()
        environment = None
    if environment is None:
        environment = _lmdb().open(str(folder), readonly=True, lock=False, readahead=False)
        _ENVIRONMENTS[folder] = (process, environment)
    return environment


class LmdbPictures:
    """Pictures that are values of an LMDB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = self._read_keys()

    def __call__(self, row: int) -> tuple[bytes, str]:
        key = bytes(self.keys[row])
        with _environment(self.folder).begin(write=False) as transaction:
            content = transaction.get(key)
        if content is None:
            raise OSError(f"{self.folder}: the key {key.decode(errors='replace')} is gone")
        return bytes(content), key.decode(errors="replace")

    def _read_keys(self) -> NDArray[np.bytes_]:
        """All keys in their order, kept beside the data: going through the three million of `bedroom` takes minutes."""
        kept = self.folder.with_name(self.folder.name + ".keys.npy")
        try:
            with _environment(self.folder).begin(write=False) as transaction:
                count = int(transaction.stat()["entries"])
                if kept.is_file():
                    keys: NDArray[np.bytes_] = np.load(kept, allow_pickle=False)
                    if len(keys) == count:
                        return keys
                keys = np.array(list(transaction.cursor().iternext(keys=True, values=False)), dtype=np.bytes_)
        except _lmdb().Error as error:
            raise UserError(f"{self.folder} is not an LMDB that can be read: {error}") from error
        unfinished = kept.with_name(f"{kept.stem}.{os.getpid()}.npy")
        try:
            np.save(unfinished, keys, allow_pickle=False)
            os.replace(unfinished, kept)
        except OSError:  # a folder that is only there to be read: the keys are gone through every time
            unfinished.unlink(missing_ok=True)
        return keys


def _lmdb() -> Any:
    try:
        return importlib.import_module("lmdb")
    except ImportError as error:
        raise UserError(f"lsun is read with the package lmdb ({error}): pip install lmdb") from error


def checked_labels(path: Path, labels: NDArray[Any], classes: int) -> Labels:
    """`labels` as int64, each between 0 and `classes` - 1."""
    whole = labels.astype(np.int64)
    if len(whole) and not 0 <= whole.min() <= whole.max() < classes:
        raise damaged(path, f"labels from {whole.min()} to {whole.max()}, expected 0 to {classes - 1}")
    return whole


def damaged(path: Path, what: str, folder: Path | None = None) -> UserError:
    """The error of a file that is not what it should be; `folder` is what to delete where it is more than the file."""
    culprit = f"the folder {folder}" if folder else "it"
    return UserError(f"{path} is damaged ({what}): delete {culprit} and run again")
