"""Writing files so that nothing half-written is ever found: a temporary name, fsync, rename."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ganzoo.errors import RunError


def write_atomic(path: Path, write: Callable[[IO[bytes]], object], keep: Path | None = None) -> None:
    """Write `path` through `write(stream)`; whoever looks sees the old file or the whole new one.

    `keep`, when given, becomes the old file under another name; `path` itself is there at every moment.

    Raises:
        RunError: when it cannot be written (a full disk); the old file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if keep is not None and path.exists():
            _keep(path, keep)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise RunError(f"{path} could not be written: {_reason(error)}; what was there before is intact") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomic(path, lambda stream: stream.write(text.encode()))


def make_folder(path: Path) -> None:
    """Make a folder where it is not there yet.

    Raises:
        RunError: when it cannot be made (a full disk).
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} could not be made: {_reason(error)}") from error


def remove_leftovers(*folders: Path) -> None:
    """Delete temporary files that a killed process left in these folders."""
    for folder in folders:
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def _keep(path: Path, keep: Path) -> None:
    if keep.exists() and path.samefile(keep):
        return  # a run that was killed between two renames left it so; and renaming a link to its own file does nothing
    spare = keep.with_name(f".{keep.name}.{os.getpid()}.tmp")
    spare.unlink(missing_ok=True)
    try:
        os.link(path, spare)
    except OSError:  # a file system without hard links: for a moment only the kept name is there
        os.replace(path, keep)
        return
    os.replace(spare, keep)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:200]
