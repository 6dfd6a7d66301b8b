"""A folder or a zip of large pictures, of any shapes, as the patches that super-resolution learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import DataRequest
from ganzoo.data.headers import scan
from ganzoo.data.images import BrokenPicture, as_array, load
from ganzoo.data.layout import layout_of
from ganzoo.data.patches import Patches
from ganzoo.data.store import Store, describe_skipped, fingerprint, open_store, read_file
from ganzoo.errors import UserError


@dataclass(frozen=True)
class LargeFile:
    """One picture of a store, with the height and width in pixels that its header announces."""

    store: Store
    name: str
    height: int
    width: int

    def pixels(self, channels: int) -> NDArray[np.uint8]:
        """uint8 (channels, height, width), by the rule of `ganzoo.data.images`.

        Raises:
            BrokenPicture: when it cannot be decoded, or is not what its header said.
        """
        found = as_array(load(read_file(self.store, self.name), name=self.name), channels)
        if found.shape[1:] != (self.height, self.width):
            announced = f"{self.width} x {self.height} pixels announced, {found.shape[2]} x {found.shape[1]} found"
            raise BrokenPicture(self.name, announced)
        return found


def open_large(path: Path, request: DataRequest) -> Patches:
    """The pictures at `path` (a folder or a zip) as patches with their reductions, `high` and `low`.

    Channels of None are 1 when every picture is grey by its header and 3 otherwise. Pictures smaller than a patch are
    left out; `Patches.skipped` names them.

    Raises:
        UserError: when there is nothing there, or nothing as large as a patch.
    """
    store = open_store(path)
    names = layout_of(store, ("image",), request.split).columns["image"].names
    facts, broken = scan(store, names, request.progress)
    skipped = [*store.refused, *broken]
    if not facts:
        raise UserError(f"{path}: none of its {len(names):,} pictures can be used", *describe_skipped(skipped))
    return Patches(
        path.name if path.is_dir() else path.stem,
        [LargeFile(store, name, fact.height, fact.width) for name, fact in facts.items()],
        request,
        channels=request.channels or (1 if all(fact.grey for fact in facts.values()) else 3),
        fingerprint=fingerprint(store, names),
        path=str(path),
        skipped=skipped,
    )
