"""Sets whose pictures stay as they were encoded, and are decoded when they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.base import DataRequest, DataSpec
from ganzoo.data.download import cache_dir
from ganzoo.data.images import BrokenPicture, decode
from ganzoo.errors import RunError
from ganzoo_data.embedded_sets import Labels


class PictureData:
    """Encoded pictures that are decoded when they are read. `encoded(i)` returns the bytes of row i and its name."""

    def __init__(
        self,
        spec: DataSpec,
        encoded: Callable[[int], tuple[bytes, str]],
        labels: Labels | None,
        request: DataRequest,
    ) -> None:
        self.spec = spec
        self.labels = labels
        self._encoded = encoded
        self._fit = request.fit

    def __len__(self) -> int:
        return self.spec.count

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: `image` uint8 (n, channels, size, size) and, where there are labels, `label` int64 (n,).

        Raises:
            RunError: a picture is gone or broken; the message names it.
        """
        rows, size, channels = np.asarray(indices, np.int64), self.spec.size, self.spec.channels
        images = np.empty((len(rows), channels, size, size), np.uint8)
        for place, row in enumerate(rows):
            try:
                content, name = self._encoded(int(row))
                images[place] = decode(content, size=size, channels=channels, fit=self._fit, name=name)
            except (BrokenPicture, OSError) as error:
                raise RunError(
                    f"{self.spec.name}: {error}; delete its folder in {cache_dir()} and run again"
                ) from error
        return {"image": images} if self.labels is None else {"image": images, "label": self.labels[rows]}

    @property
    def nbytes(self) -> int:
        """Bytes that the whole set would take as arrays."""
        labels = 0 if self.labels is None else self.labels.nbytes
        return len(self) * self.spec.channels * self.spec.size**2 + labels


class FolderPictures:
    """Pictures that are files of one folder."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.names = np.array(names)  # one block of memory: 160,000 str objects would be copied into every worker

    def __call__(self, row: int) -> tuple[bytes, str]:
        path = self.folder / str(self.names[row])
        return path.read_bytes(), str(path)
