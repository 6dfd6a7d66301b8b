"""The pictures: a disc of one of three colours on a light ground, each row a pure function of (split, row)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

COLOURS = {"red": (214, 60, 50), "green": (70, 160, 80), "blue": (60, 100, 200)}
GROUND = 240
ROWS = {"train": 1000, "test": 200}
SIZE = 32
"""The side in pixels when nobody asks for another; every size is drawn, none is resampled."""


@dataclass(frozen=True, kw_only=True)
class Discs:
    """What n pictures show: the index of the colour (n,), the centre's x and y (n, 2) and the radius (n,), the last two
    in widths of the picture."""

    colour: NDArray[np.int64]
    centre: NDArray[np.float64]
    radius: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.colour)


def discs(split: str) -> Discs:
    """What the rows of a split show, in their order."""
    random = np.random.default_rng([*ROWS].index(split))
    count = ROWS[split]
    return Discs(
        colour=random.integers(len(COLOURS), size=count),
        centre=random.uniform(0.3, 0.7, (count, 2)),
        radius=random.uniform(0.12, 0.28, count),
    )


def draw(shown: Discs, size: int, channels: int = 3, *, square: bool = False, outline: bool = False) -> Pixels:
    """Pictures uint8 (n, channels, size, size), `channels` 1 or 3: discs or squares, filled or in outline."""
    place = (np.arange(size) + 0.5) / size
    across = np.abs(place[None, None, :] - shown.centre[:, 0, None, None])
    down = np.abs(place[None, :, None] - shown.centre[:, 1, None, None])
    distance = np.maximum(across, down) if square else np.hypot(across, down)
    depth = (shown.radius[:, None, None] - distance) * size  # in pixels, from the edge inwards
    covered = np.clip(1.5 - np.abs(depth), 0, 1) if outline else np.clip(depth + 0.5, 0, 1)
    paint = np.array(list(COLOURS.values()), dtype=np.float64)[shown.colour]
    pictures = GROUND + covered[:, None] * (paint[:, :, None, None] - GROUND)
    if channels == 1:
        pictures = pictures.mean(1, keepdims=True)
    drawn: Pixels = np.rint(pictures).astype(np.uint8)
    return drawn
