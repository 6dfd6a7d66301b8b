"""Pictures on disk: tensors in [-1, 1] to PNG files and grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.data.base import DataSpec
from ganzoo.engine.files import write_atomic

GAP = 2


def to_bytes(pictures: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(N, C, H, W) in [-1, 1], clamped, as uint8 (N, H, W, C), rounded to nearest."""
    scaled = pictures.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    array: np.ndarray[Any, np.dtype[np.uint8]] = scaled.permute(0, 2, 3, 1).byte().cpu().numpy()
    return array


def save_picture(picture: np.ndarray[Any, np.dtype[np.uint8]], path: Path) -> None:
    """Write one picture, uint8 (H, W, C) with C 1 or 3, as PNG."""
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    write_atomic(path, lambda stream: image.save(stream, format="PNG"))


def grid(pictures: Tensor, columns: int, gap: int = GAP) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures (N, C, H, W) in [-1, 1] side by side on white, row by row; small ones are enlarged by a whole factor."""
    tiles = to_bytes(pictures)
    count, height, width, channels = tiles.shape
    scale = max(1, 64 // max(height, width)) if columns * width < 1024 else 1
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
    given = next(value for name, value in inputs.items() if data.has(name) and data.field(name).kind == "image")
    rows = [given.float().cpu(), samples, *([inputs["truth"]] if "truth" in inputs else [])]
    save_picture(beside(rows), path)


def beside(rows: Sequence[Tensor], columns: int | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Sets of pictures (N, C, h, w) in [-1, 1] as groups: the first of each set side by side, then the second of each.

    Smaller pictures are enlarged to the largest by repeating pixels, grey ones among coloured ones become coloured.
    `columns`: groups side by side, by default as square as it goes.
    """
    height, width = (max(row.shape[axis] for row in rows) for axis in (2, 3))
    channels = max(row.shape[1] for row in rows)
    fitted = [interpolate(row, (height, width), mode="nearest").expand(-1, channels, -1, -1) for row in rows]
    groups = torch.stack(fitted, 1)
    count, members = groups.shape[:2]
    columns = columns or max(1, round(math.sqrt(count / members)))
    sheets = [grid(group, members) for group in groups]
    space = np.full((sheets[0].shape[0], 4 * GAP, channels), 255, np.uint8)
    sheets += [np.full_like(sheets[0], 255)] * (-count % columns)
    lines = []
    for start in range(0, len(sheets), columns):
        line = [part for sheet in sheets[start : start + columns] for part in (sheet, space)]
        lines.append(np.concatenate(line[:-1], axis=1))
    return np.concatenate(lines)


def columns_for(count: int, inputs: Mapping[str, Any], data: DataSpec) -> int:
    """Columns of the grid: one a class when labels run through the classes in turn, else as square as it goes."""
    labels, classes = inputs.get("label"), len(data.classes)
    if labels is not None and 1 < classes <= min(count, 16) and labels[:classes].tolist() == list(range(classes)):
        return classes
    return math.ceil(math.sqrt(count))
