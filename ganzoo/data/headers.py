"""The headers of many pictures: what a set holds, found out without decoding it."""

from __future__ import annotations

from collections.abc import Sequence

from ganzoo.data.base import Progress
from ganzoo.data.images import BrokenPicture, Facts, inspect
from ganzoo.data.parallel import parallel
from ganzoo.data.store import Skipped, Store, read_file, stream_of

_SMALL = 64 * 2**10
"""Files up to this many bytes are read whole for their header, which is quicker than a stream."""


def scan(
    store: Store, names: Sequence[str], progress: Progress | None = None
) -> tuple[dict[str, Facts], list[Skipped]]:
    """The header of every picture, and those whose header is broken."""
    alike: dict[Facts, Facts] = {}
    facts: dict[str, Facts] = {}
    broken: list[Skipped] = []

    def header(name: str) -> Facts | BrokenPicture:
        try:
            if store.entries[name].size <= _SMALL:
                return inspect(read_file(store, name), name)
            with stream_of(store, name) as stream:
                return inspect(stream, name)
        except BrokenPicture as error:
            return error

    for name, found in zip(names, parallel(header, names, progress, "reading headers"), strict=True):
        if isinstance(found, BrokenPicture):
            broken.append(Skipped(name, found.reason))
        else:
            facts[name] = alike.setdefault(found, found)  # one object for the thousands that are alike
    return facts, broken
