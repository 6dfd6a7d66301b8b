"""What downloading and unpacking ask of the disk: a lock beside a file, errors in words, bytes that are really there.

A lock file keeps two processes from writing to one file; the second waits and then finds the work done.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ganzoo.data.base import Progress
from ganzoo.errors import RunError, UserError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def sync(path: Path) -> None:
    """Have the disk hold what was written; a system that cannot do so for a folder is left in peace."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make the folder of `target`, and say in one line what is wrong with the disk when something is."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise RunError(
                f"{target}: the disk is full ({error.strerror}); make room and run again (what has arrived is kept), "
                "or set GANZOO_CACHE to a folder on another disk"
            ) from error
        raise UserError(
            f"{error.filename or target} cannot be written ({error.strerror}); set GANZOO_CACHE to a folder that can"
        ) from error


@contextlib.contextmanager
def locked(target: Path, progress: Progress | None) -> Iterator[None]:
    """Hold `NAME.lock`; the system lets go of it when the process dies. Waits for whoever holds it."""
    path = target.with_name(target.name + ".lock")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            while not _try_lock(descriptor):
                if progress:
                    progress(f"wait for the process that downloads {target.name}", 0, 0)
                time.sleep(0.1)
            # The holder before us may have deleted the file: then ours is a lock on nothing.
            if _same_file(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not delete what is open: the empty file stays
            path.unlink()
        os.close(descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    """Whether the lock is ours now. A file system without locks gives it to everyone: the checksum is left as guard."""
    try:
        import fcntl
    except ImportError:
        return _try_lock_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _try_lock_windows(descriptor: int) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")  # by name: the type checker knows it on Windows only
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
