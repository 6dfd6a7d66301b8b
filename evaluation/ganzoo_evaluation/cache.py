"""What was collected of real pictures, kept by content: the key is the hash of the pixels and of all that was done to
them, so a set that changed, or another network under the same name, can never be taken for the old one."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.download import cache_dir
from ganzoo.engine.distributed import Group
from ganzoo.engine.files import write_atomic
from ganzoo.errors import GanzooWarning, RunError
from ganzoo_evaluation.base import Array, Measured, Network

LIMIT = 4 * 2**30
"""Bytes that the cache may take; what was not used for the longest goes first."""
FORMAT = 2
"""Grows when a collector's arrays change their meaning."""


def folder() -> Path:
    """Where it is kept."""
    return cache_dir() / "evaluation"


def key_of(content: str, network: Network | None, kinds: Sequence[type[Any]], **more: object) -> str:
    """The name of an entry: content hash of the pictures, network, collectors and whatever else matters."""
    document = {
        "format": FORMAT,
        "content": content,
        "network": [network.name, sorted(network.identity.items())] if network else None,
        "collectors": sorted(f"{kind.__module__}:{kind.__qualname__}:{_code(kind.__module__)}" for kind in kinds),
        **more,
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()[:32]


@functools.cache
def _code(module: str) -> str:
    """Hash of a module's source: a collector that has changed must not be given what its old self has written."""
    file = sys.modules[module].__file__
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""


def kept(
    key: str,
    kinds: Sequence[type[Any]],
    make: Callable[[], Measured],
    *,
    network: Network | None = None,
    group: Group,
) -> Measured:
    """The measured set under `key`, or else `make()`, which is then kept (by the first process of the group).

    Processes that share the work measure unless all of them have found it: their caches may differ, and one that
    measures alone would wait for the others for ever.
    """
    path = folder() / f"{key}.npz"
    found = _read(path, kinds, network) if path.is_file() else None
    if all(group.gather(found is not None)) and found is not None:
        return found
    made = make()
    if group.first:
        arrays = {
            f"{number}/{name}": array
            for number, kind in enumerate(kinds)
            for name, array in made.collected[kind].arrays().items()
        }
        header = {"name": made.name, "count": made.count, "classes": list(made.classes)}
        try:
            _write(path, arrays, header)
        except (RunError, OSError) as error:
            warnings.warn(
                f"what was measured of {made.name} is not kept, the next evaluation measures it again: {error}",
                GanzooWarning,
                stacklevel=2,
            )
    return made


def _write(path: Path, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    everything: dict[str, Any] = {"header": text, **arrays}
    write_atomic(path, lambda stream: np.savez(stream, **everything))
    _prune(path)


def _read(path: Path, kinds: Sequence[type[Any]], network: Network | None) -> Measured | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(bytes(file["header"]))
            collected = {}
            for number, kind in enumerate(kinds):
                prefix = f"{number}/"
                names = [name for name in file.files if name.startswith(prefix)]
                collected[kind] = kind.from_arrays({name.removeprefix(prefix): file[name] for name in names})
        found = Measured(
            name=header["name"],
            count=int(header["count"]),
            collected=collected,
            network=network,
            classes=tuple(header["classes"]),
        )
    except Exception as error:  # a damaged file, in whatever way the reader puts it
        warnings.warn(f"{path} was damaged and is made anew ({type(error).__name__})", GanzooWarning, stacklevel=2)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):  # a cache that can only be read
        os.utime(path)
    return found


def _prune(newest: Path) -> None:
    entries = []
    for path in folder().glob("*.npz"):
        with suppress(FileNotFoundError):  # another evaluation has just removed it
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT or path == newest:
            break
        total -= size
        path.unlink(missing_ok=True)
