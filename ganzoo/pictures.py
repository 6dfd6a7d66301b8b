"""Pictures on disk: tensors in [-1, 1] to PNG files and grids."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
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
READABLE = 128
"""Pixels that a caption has at least from left to right: pictures that are narrower are enlarged."""
LETTERS = ((512, 16), (256, 14), (0, 12))
"""Pixels from left to right from which on captions are written in letters of that size."""
LINES = 4
"""Most lines of a caption; what does not fit ends in an ellipsis."""
PLAIN = {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "ß": "ss", "æ": "ae", "ø": "o", "×": "x"}
"""What stands for signs that a font has not."""
FRAME = 208
"""How bright the frames are of pictures with captions: many a caption asks for a white background."""
INK = 32
"""How dark captions are, 0 being black."""


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


def save_captioned(samples: Tensor, path: Path, inputs: Mapping[str, Any], data: DataSpec) -> None:
    """How samples of a model that takes captions are shown: each above its caption, and beside it, where it is known,
    the picture that the caption was written for."""
    sets = [samples, *([inputs["truth"]] if "truth" in inputs else [])]
    save_picture(captioned(list(zip(*map(to_bytes, sets), strict=True)), inputs["text"]), path)


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


def captioned(
    members: Sequence[Sequence[Pixels]], captions: Sequence[str], columns: int | None = None, across: int | None = None
) -> Pixels:
    """Groups of pictures uint8 (h, w, C), all of one size, on white in thin frames, each group above its caption.

    Small pictures are enlarged by a whole factor, so that there is room for words. `across`: pictures of a group side
    by side, by default all; `columns`: groups side by side, by default about as wide as high, or a little wider.
    """
    shape = members[0][0].shape
    most = max(map(len, members))
    across = min(across or most, most)
    larger = max(1, VISIBLE // max(shape[:2]))
    while across * (shape[1] * larger + GAP) - GAP < READABLE:
        larger += 1
    height, width = shape[0] * larger, shape[1] * larger
    wide, lines = across * (width + GAP) - GAP, math.ceil(most / across)
    written = _written(captions, wide)
    if columns is None:
        high = lines * (height + GAP) + max(text.shape[0] for text in written)
        columns = max(1, round(math.sqrt(SHAPE * len(members) * high / wide)))
    columns = min(columns, len(members))
    starts = range(0, len(members), columns)
    highs = [lines * (height + GAP) + max(map(len, written[first : first + columns])) for first in starts]
    shape = (
        sum(highs) + (len(highs) - 1) * BETWEEN + 2 * GAP,
        columns * (wide + BETWEEN) - BETWEEN + 2 * GAP,
        shape[2],
    )
    sheet = np.full(shape, 255, np.uint8)
    for index, (group, text) in enumerate(zip(members, written, strict=True)):
        row, column = divmod(index, columns)
        top, left = GAP + sum(highs[:row]) + row * BETWEEN, GAP + column * (wide + BETWEEN)
        for place, picture in enumerate(group):
            y, x = top + place // across * (height + GAP), left + place % across * (width + GAP)
            sheet[y - 1 : y + height + 1, x - 1 : x + width + 1] = FRAME
            sheet[y : y + height, x : x + width] = _enlarged(picture, larger)
        below = top + math.ceil(len(group) / across) * (height + GAP)
        sheet[below : below + len(text), left : left + wide] = text[..., None]
    return sheet


def _written(captions: Sequence[str], width: int) -> list[NDArray[np.uint8]]:
    """Captions in dark letters on white, uint8 (h, width) each, as high as their lines are."""
    font = ImageFont.load_default(next(size for least, size in LETTERS if width >= least))
    leading = sum(font.getmetrics()) if isinstance(font, ImageFont.FreeTypeFont) else 12
    sheets = []
    for caption in captions:
        lines = wrapped(drawable(caption, font), width, font.getlength)
        image = Image.new("L", (width, max(1, len(lines)) * leading), 255)
        draw = ImageDraw.Draw(image)
        for number, line in enumerate(lines):
            draw.text((0, number * leading), line, fill=INK, font=font)
        sheets.append(np.asarray(image))
    return sheets


def wrapped(text: str, width: float, measure: Callable[[str], float], most: int = LINES) -> list[str]:
    """Text in at most `most` lines that `measure` finds no wider than `width`: broken between words, within a word
    only where that alone is too wide; what is left out is marked by an ellipsis."""
    words = text.split()
    lines: list[str] = []
    while words and len(lines) < most:
        line, word = "", words[0]
        while words and measure(f"{line} {words[0]}".strip()) <= width:
            line = f"{line} {words.pop(0)}".strip()
        if not line:  # one word, wider than all there is
            fits = max(1, next((n for n in range(len(word), 0, -1) if measure(word[:n]) <= width), 1))
            line, words[0] = word[:fits], word[fits:]
            words = [each for each in words if each]
        lines.append(line)
    if words:
        last = lines[-1]
        while last and measure(f"{last}…") > width:
            last = last[:-1].rstrip()
        lines[-1] = f"{last}…"
    return lines


def drawable(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Text as that font can write it: without control characters, and for letters that the font has not (the one that
    comes with Pillow has ASCII and little else) what is left of them without accents, or a box."""
    box = bytes(font.getmask("\uffff"))
    written = []
    for character in text:
        if character.isascii():
            written.append(character if character.isprintable() else " ")
        elif bytes(font.getmask(character)) != box:
            written.append(character)
        else:
            plain = unicodedata.normalize("NFKD", PLAIN.get(character, character))
            written.append("".join(c for c in plain if c.isascii()) or "\N{REPLACEMENT CHARACTER}")
    return "".join(written)


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
