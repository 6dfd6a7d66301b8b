"""Where the bytes of a set are: the files of a folder or of a zip, by name.

A zip is read in place, never unpacked. Hidden files and `__MACOSX` are not looked at, and enclosing folders that say
nothing of the layout are taken off the names, so that a zip and the folder it was made of hold the same names.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from ganzoo.data.images import SUFFIXES, BrokenPicture
from ganzoo.data.names import MEANINGFUL_FOLDERS, TABLES, is_picture, natural, printable
from ganzoo.errors import GanzooWarning, UserError, nearest

FILE_LIMIT = 512 * 2**20
"""Largest picture file in bytes, unpacked: a zip of a few kilobytes can announce terabytes."""


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the set, and why."""

    name: str
    reason: str


def describe_skipped(skipped: Sequence[Skipped], examples: int = 3) -> list[str]:
    """One line per reason: how many files were left out for it, and the first few by name."""
    groups: dict[str, list[str]] = {}
    for item in skipped:
        groups.setdefault(item.reason, []).append(printable(item.name))
    lines = []
    for reason, names in groups.items():
        more = f" and {len(names) - examples:,} more" if len(names) > examples else ""
        plural = "file" if len(names) == 1 else "files"
        lines.append(f"{len(names):,} {plural} skipped ({reason}): {', '.join(names[:examples])}{more}")
    return lines


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a store: its name with forward slashes, relative to the store, its size in bytes, and its CRC-32."""

    name: str
    size: int
    crc: int = 0


class Store(Protocol):
    """Files by name. Safe to read from several threads, and to pickle or fork into worker processes."""

    path: Path
    entries: dict[str, Entry]
    refused: list[Skipped]

    def open(self, name: str) -> IO[bytes]:
        """A seekable stream of one file; `OSError` or `zipfile.BadZipFile` when it cannot be had."""
        ...


class FolderStore:
    """The files under a folder, links followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[Skipped] = []
        self.entries, self._prefix = _relevant(_walk(path))

    def open(self, name: str) -> IO[bytes]:
        return open(self.path / (self._prefix + name), "rb")


class ZipStore:
    """The files of a zip, which is read in place: nothing is ever written under the names it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[Skipped] = []
        self._handle: tuple[int, zipfile.ZipFile] | None = None
        self._real: dict[str, str] = {}
        entries = []
        for info in self._archive().infolist():
            name = info.filename.replace("\\", "/")
            if info.is_dir() or name.endswith("/"):
                continue
            if ".." in name.split("/") or name.startswith("/") or re.match(r"[A-Za-z]:", name):
                self.refused.append(Skipped(name, "its name points outside the zip"))
            elif info.flag_bits & 1:
                self.refused.append(Skipped(name, "encrypted"))
            else:
                self._real[name] = info.filename
                entries.append(Entry(name, info.file_size, info.CRC))
        self.entries, self._prefix = _relevant(entries)

    def open(self, name: str) -> IO[bytes]:
        return self._archive().open(self._real[self._prefix + name])

    def _archive(self) -> zipfile.ZipFile:
        # Threads share one handle (zipfile locks its reads); a forked process must not, because it would share the
        # file position with its parent.
        handle = self._handle
        if handle is None or handle[0] != os.getpid():
            handle = self._handle = (os.getpid(), zipfile.ZipFile(self.path))
        return handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handle": None}


def open_store(path: Path) -> Store:
    """The store at `path`.

    Raises:
        UserError: when there is nothing there, or something that is neither a folder nor a zip.
    """
    if path.is_dir():
        return FolderStore(path)
    if not path.exists():
        near = nearest(path.name, os.listdir(path.parent)) if path.parent.is_dir() else []
        hint = f" (did you mean {path.parent / near[0]}?)" if near else ""
        raise UserError(f"{path}: no such folder or file{hint}; expected a folder or a zip of pictures")
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is one picture; expected a folder or a zip of pictures: try {path.parent}")
    try:
        return ZipStore(path)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied; try: chmod u+r {path}") from error
    except Exception as error:  # zipfile raises a dozen types on a file that only looks like a zip
        with open(path, "rb") as stream:
            start = stream.read(4)
        raise UserError(
            f"{path} is not a zip that can be read ({error}; its first bytes are {start!r}); expected a folder or a "
            "zip of pictures: unpack it and give the folder"
        ) from error


def read_file(store: Store, name: str, limit: int = FILE_LIMIT) -> bytes:
    """The bytes of one file of `store`.

    Raises:
        BrokenPicture: when the file is larger than `limit` bytes, or cannot be read or unpacked.
    """
    with stream_of(store, name, limit) as stream:
        return stream.read(limit)


@contextmanager
def stream_of(store: Store, name: str, limit: int = FILE_LIMIT) -> Iterator[IO[bytes]]:
    """A seekable stream of one file of `store`; errors as of `read_file`."""
    if store.entries[name].size > limit:
        raise BrokenPicture(name, f"larger than {limit // 2**20} MiB")
    try:
        with store.open(name) as stream:
            yield stream
    except BrokenPicture:
        raise
    except Exception as error:  # unpacking garbage raises zlib.error, EOFError, NotImplementedError and others
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BrokenPicture(name, f"cannot be read: {text or type(error).__name__}") from error


def fingerprint(store: Store, names: Iterable[str]) -> str:
    """sha256 over the sorted names, sizes and (of a zip) CRCs: cheap, and different as soon as a file is."""
    digest = hashlib.sha256()
    for name in sorted(set(names)):
        entry = store.entries[name]
        digest.update(f"{name}\0{entry.size}\0{entry.crc}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def warn_of_broken(path: str | Path, error: BrokenPicture) -> None:
    """Warn of the first picture of a set that turned out broken when it was read."""
    warnings.warn(
        f"{path}: {printable(error.name)} cannot be decoded ({error.reason}); the next good one stands in for it. All "
        f"such files: ganzoo data check {path}",
        GanzooWarning,
        stacklevel=2,
    )


def _walk(root: Path) -> Iterator[Entry]:
    """Every file under `root` that is not hidden; a folder that is reached twice (a link in a circle) is read once."""
    seen: set[tuple[int, int]] = set()
    stack = [(str(root), "")]
    while stack:
        folder, prefix = stack.pop()
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        try:
            listing = list(os.scandir(folder))
        except OSError as error:
            raise UserError(f"{folder} cannot be listed: {error.strerror}") from error
        for item in listing:
            if item.name.startswith("."):
                continue
            if item.is_dir():
                stack.append((item.path, f"{prefix}{item.name}/"))
            elif item.is_file():
                yield Entry(prefix + item.name, item.stat().st_size)


def _relevant(entries: Iterable[Entry]) -> tuple[dict[str, Entry], str]:
    """The entries worth knowing, in natural order and without enclosing folders, and the prefix that was taken off."""
    kept = {
        entry.name: entry
        for entry in entries
        if not any(part.startswith(".") or part == "__MACOSX" for part in entry.name.split("/"))
    }
    prefix = ""
    shown = [name for name in kept if is_picture(name) or PurePosixPath(name).name.lower() in TABLES]
    while shown:
        tops = {name[len(prefix) :].partition("/")[0] for name in shown}
        top = tops.pop()
        inside = all(len(name) > len(prefix) + len(top) and name[len(prefix) + len(top)] == "/" for name in shown)
        if tops or not inside or top.lower() in MEANINGFUL_FOLDERS:
            break
        prefix += top + "/"
    inner = (replace(e, name=e.name[len(prefix) :]) for name, e in kept.items() if name.startswith(prefix))
    return {entry.name: entry for entry in sorted(inner, key=lambda entry: natural(entry.name))}, prefix
