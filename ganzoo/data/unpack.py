"""Folders out of archives: checked, and there as a whole or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from ganzoo.data.base import Progress
from ganzoo.data.disk import locked, sync, writing
from ganzoo.data.download import fetch
from ganzoo.errors import UserError


def unpack(archive: Path, folder: Path, *, inner: str = "", progress: Progress | None = None) -> Path:
    """Return `folder`, unpacked from `archive` (tar of any compression, or zip) unless it is there already.

    `inner` names the folder within the archive that becomes `folder`; without it the whole archive does. Members that
    would leave the folder, links out of it and devices are refused. Everything is unpacked beside `folder` first, so
    that it is there as a whole or not at all.

    Raises:
        UserError: the archive is damaged, unsafe, or holds no `inner`.
        RunError: the disk is full.
    """
    if folder.is_dir():
        return folder
    with writing(folder), locked(folder, progress):
        if folder.is_dir():
            return folder
        beside = folder.with_name(folder.name + ".unpacking")
        shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed: we hold the lock
        beside.mkdir()
        try:
            if archive.suffix == ".zip":
                _unpack_zip(archive, beside, progress)
            else:
                _unpack_tar(archive, beside, progress)
            source = beside / inner
            if not source.is_dir() or source.is_symlink():
                found = ", ".join(sorted(entry.name for entry in beside.iterdir())[:8]) or "nothing"
                raise UserError(f"{archive}: no folder {inner!r} in it, it holds {found}; delete it and run again")
            os.replace(source, folder)
            sync(folder.parent)
        except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
            reason = str(error).partition("\n")[0].rstrip(":")  # tarfile lists every compression it tried
            raise UserError(f"{archive} cannot be unpacked ({reason}): delete it and run again") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return folder


def fetch_folder(
    urls: str | Sequence[str],
    archive: Path,
    folder: Path,
    *,
    inner: str = "",
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    download: bool = True,
) -> Path:
    """Return `folder`: `fetch` of `archive`, then `unpack`, unless it is there already.

    An archive that was downloaded here is deleted when the folder is there; one that somebody put there stays.

    Raises:
        UserError, RunError: as `fetch` and `unpack`.
    """
    if folder.is_dir():
        return folder
    if not download and not archive.is_file():
        fetch(urls, archive, download=False)  # says what to do
    with writing(folder), locked(folder.with_name(folder.name + ".whole"), progress):
        if folder.is_dir():
            return folder
        put_there = archive.is_file()
        fetch(urls, archive, sha256=sha256, md5=md5, size=size, progress=progress, download=download)
        unpack(archive, folder, inner=inner, progress=progress)
        if not put_there:
            archive.unlink()
    return folder


def _unpack_tar(archive: Path, folder: Path, progress: Progress | None) -> None:
    """Member by member through tarfile's data filter (PEP 706)."""
    total = archive.stat().st_size
    with open(archive, "rb") as raw, tarfile.open(fileobj=raw) as tar:
        shown = 0.0
        for member in tar:
            tar.extract(member, folder, filter="data")
            if progress and time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                progress(f"unpack {archive.name}", min(raw.tell(), total), total)
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass  # to the very end: behind the last member stands the checksum of the compression
    if progress:
        progress(f"unpack {archive.name}", total, total)


def _unpack_zip(archive: Path, folder: Path, progress: Progress | None) -> None:
    with zipfile.ZipFile(archive) as container:
        members = container.infolist()
        for member in members:
            name = member.filename
            outside = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in Path(name).parts
            if outside or stat.S_ISLNK(member.external_attr >> 16):
                raise UserError(f"{archive}: {name!r} would be unpacked outside its folder; the archive is not used")
        shown = 0.0
        for done, member in enumerate(members, 1):
            container.extract(member, folder)
            if progress and (time.monotonic() - shown > 0.1 or done == len(members)):
                shown = time.monotonic()
                progress(f"unpack {archive.name}", done, len(members))
