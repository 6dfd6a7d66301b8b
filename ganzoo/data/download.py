"""Files from the network: resumable, checked before they get their name, and never half there.

`fetch` downloads into `NAME.part`, with a note beside it (`NAME.part.json`: address, validators, length) that lets a
later call ask for the missing bytes only (RFC 9110, sections 13.1.5 `If-Range` and 14.2 `Range`). The file gets its
name by a rename, after its length and checksum were found right. Archives are unpacked by `ganzoo.data.unpack`.
"""

from __future__ import annotations

import email.message
import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ganzoo.data.base import Progress
from ganzoo.data.disk import locked, sync, writing
from ganzoo.errors import RunError, UserError

ATTEMPTS = 5
"""Attempts in a row, on one address, that bring nothing new before it is given up."""
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as dead."""
FIRST_PAUSE = 1.0
"""Seconds before the second attempt; doubled each time up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 30.0

_CHUNK = 1 << 18
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


def cache_dir() -> Path:
    """Where downloads live: `$GANZOO_CACHE`, else `$XDG_CACHE_HOME/ganzoo`, else `~/.cache/ganzoo`."""
    if own := os.environ.get("GANZOO_CACHE"):
        return Path(own).expanduser()
    xdg = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification: a path that is not absolute is to be ignored.
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path("~/.cache").expanduser()
    return base / "ganzoo"


def fetch(
    urls: str | Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    download: bool = True,
) -> Path:
    """Return `target`, downloading it from the first of `urls` that has it unless it is there already.

    A file that is there is checked too: whoever has no network can put it there by hand. `size` (bytes) and the
    checksum are compared before the file gets its name. With `download=False` the network is left alone.

    Raises:
        UserError: no network, no such file, other bytes than expected, a folder that cannot be written.
        RunError: the disk is full.
    """
    addresses = [urls] if isinstance(urls, str) else list(urls)
    wanted = _Wanted(sha256=sha256, md5=md5, size=size)
    target = Path(target)
    by_hand = f"or put the file at {target} yourself"
    if target.is_file():
        _check_present(target, wanted, progress)
        return target
    if not download:
        raise UserError(
            f"{target} is not there and downloading is switched off: allow it, {by_hand} (from {addresses[0]})"
        )
    with writing(target), locked(target, progress):
        if target.is_file():  # another process was faster
            _check_present(target, wanted, progress)
            return target
        part = target.with_name(target.name + ".part")
        failures: list[str] = []
        for address in addresses:
            try:
                _download(_Job(address, part, wanted, target.name, progress))
            except _GiveUpError as error:
                failures.append(f"{address}: {error}")
                continue
            sync(part)
            os.replace(part, target)
            _note_path(part).unlink(missing_ok=True)
            sync(target.parent)
            return target
    kept = " (what has arrived is kept: the same command goes on from there)" if part.exists() else ""
    raise UserError(
        *(f"cannot download {failure}" for failure in failures[:-1]),
        f"cannot download {failures[-1]}; try again when the network is there{kept}, {by_hand}",
    )


# --------------------------------------------------------------------------------------------------- one address


class _GiveUpError(Exception):
    """This address will not do."""


class _AgainError(Exception):
    """This attempt failed; another may not. `pause` is what the server asked for, in seconds."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class _Wanted:
    """What the file must be like."""

    sha256: str | None
    md5: str | None
    size: int | None

    @property
    def hashed(self) -> bool:
        return bool(self.sha256 or self.md5)


@dataclass(frozen=True)
class _Note:
    """What a `.part` is a part of."""

    url: str = ""
    etag: str = ""
    modified: str = ""
    total: int = 0

    @property
    def validator(self) -> str:
        """What `If-Range` may carry: a strong entity tag, else a date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def differs(self, other: _Note) -> bool:
        """Whether the same address now has another file. Some servers honour `Range` and overlook `If-Range`."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified))
        return self.url == other.url and any(mine and theirs and mine != theirs for mine, theirs in pairs)


@dataclass(frozen=True)
class _Job:
    """One file from one address."""

    address: str
    part: Path
    wanted: _Wanted
    what: str
    progress: Progress | None


def _download(job: _Job) -> None:
    """Bring the `.part` to the whole and right file, or raise `_GiveUpError`."""
    if urllib.parse.urlsplit(job.address).scheme not in ("http", "https"):
        raise _GiveUpError("only http and https addresses can be fetched")
    failed, pause, best, started_over = 0, FIRST_PAUSE, _length(job.part), False
    while True:
        resumed = _length(job.part) > 0
        try:
            _request(job)
        except _AgainError as error:
            have = _length(job.part)
            failed = 1 if have > best else failed + 1
            if have > best:
                best, pause = have, FIRST_PAUSE
            if failed >= ATTEMPTS:
                raise _GiveUpError(f"{error} ({ATTEMPTS} attempts)") from error
            time.sleep(min(max(pause, error.pause), 60.0))
            pause = min(2 * pause, LONGEST_PAUSE)
            continue
        wrong = _wrong(job.part, job.wanted, job.what, job.progress)
        if not wrong:
            return
        _discard(job.part)
        if not resumed or started_over:
            raise _GiveUpError(f"the file there is not the expected one ({wrong})")
        started_over = True  # the two halves may come from two versions of the file


def _request(job: _Job) -> None:
    """One attempt: append what is missing to the `.part`, or begin anew where the server wants it so."""
    note, have = _read_note(job.part), _length(job.part)
    headers = {"User-Agent": "ganzoo", "Accept-Encoding": "identity"}
    if have and note.total == have:
        return  # complete: a process was stopped between the last byte and the rename
    if have and note.url == job.address and note.validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": note.validator}
    elif have and note.total > have and job.wanted.hashed:
        # Another mirror, or no validator: the checksum will tell whether the halves fit.
        headers["Range"] = f"bytes={have}-"
    else:
        have = 0
    try:
        response = urllib.request.urlopen(urllib.request.Request(job.address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # the part is longer than the file, or the file is another one
                _discard(job.part)
                raise _AgainError("the server refuses the range") from error
            reason = f"HTTP {error.code} {error.reason}".strip()
            if error.code in _TRANSIENT_STATUS:
                raise _AgainError(reason, _retry_after(error.headers)) from error
            raise _GiveUpError(reason) from error
    except urllib.error.URLError as error:
        # No connection at all. Once something has arrived the network is known to be there: worth another attempt.
        reason = _plain(error.reason)
        raise (_AgainError(reason) if _length(job.part) else _GiveUpError(reason)) from error
    except (http.client.HTTPException, OSError) as error:
        raise _AgainError(_plain(error)) from error
    with response:
        _receive(response, job, have, note)


def _receive(response: http.client.HTTPResponse, job: _Job, have: int, note: _Note) -> None:
    """Write the body of one response behind the `have` bytes of the `.part`."""
    headers = response.headers
    if headers.get_content_type() == "text/html" and not job.what.endswith((".html", ".htm")):
        raise _GiveUpError("the server sends a web page in place of the file (a login, a quota?)")
    length = headers.get("Content-Length") or ""
    total = int(length) if length.isdigit() else 0
    fresh = _Note(job.address, headers.get("ETag") or "", headers.get("Last-Modified") or "", total)
    if response.status == 206:
        start, total = _content_range(headers.get("Content-Range") or "")
        if start != have or (note.total and total != note.total) or fresh.differs(note):
            _discard(job.part)
            raise _AgainError("the file on the server is another one now")
    else:
        have = 0
        if job.wanted.size is not None and total and total != job.wanted.size:
            raise _GiveUpError(f"the file there has {total:,} bytes, expected {job.wanted.size:,}")
        _discard(job.part)  # before the new note: a part must never lie beside the note of another file
        _note_path(job.part).write_text(json.dumps(asdict(fresh)), encoding="utf-8")
    expected = total or job.wanted.size or 0
    _room(job.part.parent, expected - have)
    shown = 0.0
    # Unbuffered: what has arrived is in the file whatever happens to this process.
    with open(job.part, "ab", buffering=0) as file:
        while (not total or have < total) and (chunk := _read(response, total - have if total else _CHUNK)):
            _write(file.fileno(), chunk)
            have += len(chunk)
            if job.progress and time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                job.progress(f"download {job.what}", have, expected)
    if total and have < total:
        raise _AgainError(f"the connection broke after {have:,} of {total:,} bytes")
    if job.progress:
        job.progress(f"download {job.what}", have, have)


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """The next bytes as soon as there are any (a full chunk may be long in coming); empty at the end."""
    try:
        return response.read1(min(most, _CHUNK))
    except (http.client.HTTPException, OSError) as error:
        raise _AgainError(_plain(error)) from error


def _write(descriptor: int, chunk: bytes) -> None:
    """All of `chunk`: an unbuffered write may stop short (at a full disk the next one raises)."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _content_range(header: str) -> tuple[int, int]:
    """(start, total) of `bytes 100-199/200`; (-1, 0) of anything else."""
    unit, _, rest = header.partition(" ")
    span, _, total = rest.partition("/")
    start = span.partition("-")[0]
    return (int(start), int(total)) if unit == "bytes" and start.isdigit() and total.isdigit() else (-1, 0)


def _retry_after(headers: email.message.Message) -> float:
    value = headers.get("Retry-After") or ""
    return float(value) if value.isdigit() else 0.0


def _plain(reason: object) -> str:
    """The reason of a failed connection, without `[Errno 111]` and the like."""
    text = getattr(reason, "strerror", None) or str(reason)
    return text or type(reason).__name__


# ----------------------------------------------------------------------------------------------- parts and checks


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> _Note:
    """The note of `part`; an empty one when it is missing or makes no sense."""
    try:
        stored = json.loads(_note_path(part).read_text(encoding="utf-8"))
        return _Note(str(stored["url"]), str(stored["etag"]), str(stored["modified"]), int(stored["total"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _Note()


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _wrong(path: Path, wanted: _Wanted, what: str, progress: Progress | None) -> str:
    """What is wrong with the file: `"md5 1234, expected 5678"`; an empty string when nothing is."""
    length = _length(path)
    if wanted.size is not None and length != wanted.size:
        return f"{length:,} bytes, expected {wanted.size:,}"
    if not wanted.hashed:
        return ""
    name, expected = ("sha256", wanted.sha256) if wanted.sha256 else ("md5", wanted.md5)
    digest, done, shown = hashlib.new(name, usedforsecurity=False), 0, 0.0
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            if progress and length > 1 << 26 and time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                progress(f"check {what}", done, length)
    found = digest.hexdigest()
    return "" if found == str(expected).lower() else f"{name} {found}, expected {expected}"


def _check_present(target: Path, wanted: _Wanted, progress: Progress | None) -> None:
    if wrong := _wrong(target, wanted, target.name, progress):
        raise UserError(f"{target} is not the expected file ({wrong}): delete it and run again")


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RunError(
            f"{folder}: {needed:,} bytes are to come and {free:,} are free; make room, or set GANZOO_CACHE to a folder "
            "on another disk"
        )
