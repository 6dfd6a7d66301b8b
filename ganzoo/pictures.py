"""Pictures on disk: tensors in [-1, 1] to PNG files and grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganzoo.data.base import DataSpec
from ganzoo.engine.files import write_atomic

Pixels = NDArray[np.uint8]
GAP = 2
BETWEEN = 8
"""Pixels between two groups of a grid, where there are `GAP` between the pictures of one."""
VISIBLE = 64
"""Pictures of a grid that are smaller than this are enlarged by a whole factor,"""
WIDE = 1024
"""unless the grid is as wide as this already."""
SHAPE = 1.3
"""A grid of groups is about this much wider than high."""


def to_bytes(pictures: Tensor) -> Pixels:
    """(N, C, H, W) in [-1, 1], clamped, as uint8 (N, H, W, C), rounded to nearest."""
    scaled = pictures.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    array: Pixels = scaled.permute(0, 2, 3, 1).byte().cpu().numpy()
    return array


def save_picture(picture: Pixels, path: Path) -> None:
    """Write one picture, uint8 (H, W, C) with C 1 or 3, as PNG."""
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    write_atomic(path, lambda stream: image.save(stream, format="PNG"))


def grid(pictures: Tensor, columns: int, gap: int = GAP) -> Pixels:
    """Pictures (N, C, H, W) in [-1, 1] side by side on white, row by row; small ones are enlarged by a whole factor."""
    tiles = to_bytes(pictures)
    count, height, width, channels = tiles.shape
    scale = max(1, VISIBLE // max(height, width)) if columns * width < WIDE else 1
    if scale > 1:
        tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
        height, width = height * scale, width * scale
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, channels)
    sheet = np.full(shape, 255, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def save_grid(samples: Tensor, path: Path, inputs: Mapping[str, Any], data: DataSpec) -> None:
    """How samples of picture tasks are shown: a grid, with a column for each class where they are in order of class."""
    save_picture(grid(samples, columns_for(len(samples), inputs, data)), path)


def save_answers(samples: Tensor, path: Path, inputs: Mapping[str, Any], data: DataSpec) -> None:
    """How samples of a model that takes pictures in are shown: input, output and, where it is known, the truth, side by
    side; groups of these in rows, with a wider gap between them."""
    save_picture(beside(shown(samples, inputs, data)), path)


def shown(samples: Tensor, inputs: Mapping[str, Any], data: DataSpec) -> list[Tensor]:
    """The sets of pictures that `save_answers` shows: what was given, the samples, and the truth where it is known."""
    given = next(value for name, value in inputs.items() if data.has(name) and data.field(name).kind == "image")
    return [given.float().cpu(), samples, *([inputs["truth"]] if "truth" in inputs else [])]


def beside(rows: Sequence[Tensor], columns: int | None = None) -> Pixels:
    """Sets of pictures (N, C, h, w) in [-1, 1] as `groups`: the first of each set side by side, then the second."""
    return groups(list(zip(*map(to_bytes, rows), strict=True)), columns)


def groups(members: Sequence[Sequence[Pixels]], columns: int | None = None) -> Pixels:
    """Groups of pictures uint8 (h, w, C) of any size, each group side by side, on white.

    Within a group, smaller pictures are enlarged by a whole factor, each pixel repeated, towards the largest; grey ones
    among coloured ones become coloured. All is enlarged in the same way where pictures are small. `columns`: groups
    side by side, by default about as wide as high, or a little wider.
    """
    channels = max(picture.shape[2] for group in members for picture in group)
    fitted = [[_enlarged(picture, _factor(picture, group)) for picture in group] for group in members]
    height, width = (max(picture.shape[axis] for group in fitted for picture in group) for axis in (0, 1))
    across = len(fitted[0])
    if columns is None:
        columns = max(1, min(len(fitted), round(math.sqrt(SHAPE * len(fitted) * height / (across * width)))))
    larger = max(1, VISIBLE // max(height, width)) if columns * across * width < WIDE else 1
    height, width = height * larger, width * larger
    down, right = height + BETWEEN, across * (width + GAP) - GAP + BETWEEN
    lines = math.ceil(len(fitted) / columns)
    margin = 2 * GAP - BETWEEN
    sheet = np.full((lines * down + margin, columns * right + margin, channels), 255, np.uint8)
    for index, group in enumerate(fitted):
        for place, picture in enumerate(group):
            picture = _enlarged(picture, larger)
            top = GAP + index // columns * down + (height - picture.shape[0]) // 2
            left = GAP + index % columns * right + place * (width + GAP) + (width - picture.shape[1]) // 2
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _factor(picture: Pixels, group: Sequence[Pixels]) -> int:
    """By how much a picture can be enlarged without being larger than the largest of its group."""
    return max(min(other.shape[0] // picture.shape[0], other.shape[1] // picture.shape[1]) for other in group) or 1


def _enlarged(picture: Pixels, factor: int) -> Pixels:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture


def columns_for(count: int, inputs: Mapping[str, Any], data: DataSpec) -> int:
    """Columns of the grid: one a class when labels run through the classes in turn, else as square as it goes."""
    labels, classes = inputs.get("label"), len(data.classes)
    if labels is not None and 1 < classes <= min(count, 16) and labels[:classes].tolist() == list(range(classes)):
        return classes
    return math.ceil(math.sqrt(count))
