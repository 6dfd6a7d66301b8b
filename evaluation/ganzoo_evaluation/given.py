"""Sets of pictures that were made of given pictures: by a model that takes pictures in, or without any model.

`Made` is such a set, with what its pictures were made of and, where they are known, the true answers beside them.
`Answers` says how a model makes them; the functions below it are the controls, which need no training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import label
from torch import Tensor

from ganzoo.cards import Direction
from ganzoo.data.degrade import bicubic
from ganzoo.data.patches import Patches
from ganzoo.model import Model
from ganzoo.sampling import answers
from ganzoo.tiling import AnySize
from ganzoo_evaluation.base import BLOCK, Block, Pictures
from ganzoo_evaluation.sets import DataPictures, as_floats, as_levels

Make = Callable[[Block], Tensor]
"""From a block of given pictures to what is made of them, uint8 (n, C, H, W)."""
BYTES = 2**30
"""Most that the pictures of one set take that are remembered."""
PIXELS = 2**20
"""Most pixels that a model makes at a time."""
TOLERANCE = 16
"""Levels by which a pixel may differ from the border's colour and still be the background."""
SCOPE = 2000
"""Most training pictures that the colours of the constant fill are taken from."""


class Remembered:
    """A set that several metrics and panels read, kept in memory after the first time, as far as it fits."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures, self.name = pictures, pictures.name
        self._kept: dict[int, list[Block]] = {}
        self._bytes = 0

    @property
    def count(self) -> int:
        return self.pictures.count

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        stop = min(stop, self.count)
        for first in range(start, stop, BLOCK):
            for block in self._read(first):
                if block.start < stop:
                    yield block if block.start + len(block) <= stop else block.part(0, stop - block.start)

    def _read(self, first: int) -> list[Block]:
        """The pictures from `first` to the next multiple of `BLOCK`."""
        if first in self._kept:
            return self._kept[first]
        found = list(self.pictures.blocks(first, first + BLOCK))
        self._bytes += sum(tensor.nbytes for block in found for tensor in _tensors(block))
        if self._bytes <= BYTES:
            self._kept[first] = found
        return found


def _tensors(block: Block) -> Iterator[Tensor]:
    yield from (one for one in (block.pictures, block.truth, block.source, block.back) if one is not None)


class First:
    """The first pictures of a set."""

    def __init__(self, pictures: Pictures, count: int) -> None:
        self.pictures, self.name, self._count = pictures, pictures.name, count

    @property
    def count(self) -> int:
        return min(self._count, self.pictures.count)

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        return self.pictures.blocks(start, min(stop, self.count))


class WholePictures:
    """The pictures of a set of patches as they are, each a block of its own, or their reductions."""

    def __init__(self, patches: Patches, name: str, *, low: bool, rows: Sequence[int] | None = None) -> None:
        """`rows`: which of its pictures, by default all."""
        self._patches, self.name, self._low = patches, name, low
        self.rows = list(range(len(patches.pictures)) if rows is None else rows)

    @property
    def count(self) -> int:
        return len(self.rows)

    def at(self, places: Sequence[int]) -> WholePictures:
        """The pictures at these places of the set, as a set of their own."""
        return WholePictures(self._patches, self.name, low=self._low, rows=[self.rows[place] for place in places])

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        for place in range(start, min(stop, self.count)):
            high, low = self._patches.whole(self.rows[place])
            pixels = np.ascontiguousarray(low if self._low else high)
            yield Block(start=place, pictures=torch.from_numpy(pixels)[None])


class Made:
    """What `make` makes of given pictures, and `back` of these, with the truth beside where it is known.

    `inputs` and `truth` are read side by side, row by row.
    """

    def __init__(
        self, inputs: Pictures, truth: Pictures | None, name: str, make: Make, *, back: Make | None = None
    ) -> None:
        self.inputs, self.truth, self.name = inputs, truth, name
        self._make, self._back = make, back

    @property
    def count(self) -> int:
        return self.inputs.count

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        stop = min(stop, self.count)
        truths = repeat(None) if self.truth is None else self.truth.blocks(start, stop)
        for given, truth in zip(self.inputs.blocks(start, stop), truths, strict=False):
            made = Block(start=given.start, pictures=self._make(given), source=given.pictures)
            yield replace(
                made,
                truth=None if truth is None else truth.pictures,
                back=None if self._back is None else self._back(made),
            )


class Answers:
    """How a model makes its answers: a `Make` that gives pictures as the input of one direction.

    What becomes of a picture depends on the seed and its number, and not on the others. Pictures of another size than
    that of training are made as the command `generate` makes them, in parts where they are large.
    """

    def __init__(self, model: Model, direction: Direction, *, seed: int = 0) -> None:
        self.model, self.field, self._seed = model, direction.input, seed
        self._size = model.data.field(self.field).size
        self._any: AnySize | None = None

    def __call__(self, block: Block) -> Tensor:
        given = block.pictures
        if set(given.shape[2:]) != {self._size}:
            return torch.cat([self._of_any_size(block.start + i, one) for i, one in enumerate(given)])
        at_once = max(1, PIXELS // (self._size * self.model.scale) ** 2)
        made = []
        for first in range(0, len(given), at_once):
            part = as_floats(given[first : first + at_once])
            made.append(as_levels(answers(self.model, self.field, part, seed=self._seed, first=block.start + first)))
        return torch.cat(made)

    def _of_any_size(self, number: int, picture: Tensor) -> Tensor:
        """(1, C, H, W) of a picture (C, h, w)."""
        if self._any is None:
            self._any = AnySize(self.model, self.field, seed=self._seed)
        made = self._any(picture.numpy(), number=number)
        return torch.from_numpy(np.ascontiguousarray(made.transpose(2, 0, 1)))[None]


# --- without a model --------------------------------------------------------------------------------------------------


def unchanged(block: Block) -> Tensor:
    """The given pictures themselves."""
    return block.pictures


def nearest(scale: int) -> Make:
    """Every pixel repeated `scale` times in both directions."""
    return lambda block: block.pictures.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def cubic(scale: int) -> Make:
    """Enlarged by the cubic filter, as MATLAB's imresize does it."""

    def make(block: Block) -> Tensor:
        height, width = block.pictures.shape[2:]
        return torch.from_numpy(bicubic(block.pictures.numpy(), height * scale, width * scale))

    return make


def silhouette(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels (H, W) of a picture (C, H, W) belong to the figure: all that no path through the colour of the
    border leads to. Where the border has no colour of its own, as in a photograph, nearly all of them."""
    border = np.concatenate([picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1]], axis=1)
    apart = np.abs(picture.astype(np.int16) - np.median(border, axis=1)[:, None, None]).max(axis=0)
    regions, _ = label(apart <= TOLERANCE)
    edges = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    outside: NDArray[np.bool_] = np.isin(regions, edges[edges > 0])
    return ~outside


def constant_fill(targets: DataPictures, seed: int) -> Make:
    """The figure of the given picture in one colour, and the rest in another.

    The colours are the medians, channel by channel, of the training targets inside and outside of their own figures:
    those with the smallest absolute error. No pairs are needed to find them.
    """
    from ganzoo_evaluation.sets import choose

    rows = choose(targets.count, SCOPE, seed, "fill")
    chosen = targets.at(rows)
    levels = np.zeros((2, targets.data.spec.channels, 256), np.int64)
    for block in chosen.blocks(0, chosen.count):
        for picture in block.pictures.numpy():
            figure = silhouette(picture)
            for channel, values in enumerate(picture):
                levels[1, channel] += np.bincount(values[figure], minlength=256)
                levels[0, channel] += np.bincount(values[~figure], minlength=256)
    ground, colour = (np.stack([_median(counts) for counts in side]) for side in levels)

    def make(block: Block) -> Tensor:
        figures = np.stack([silhouette(picture) for picture in block.pictures.numpy()])[:, None]
        filled = np.where(figures, colour[None, :, None, None], ground[None, :, None, None])
        return torch.from_numpy(filled)

    return make


def _median(counts: NDArray[np.int64]) -> np.uint8:
    """Of levels 0 to 255 that were counted; white where there were none."""
    if not counts.any():
        return np.uint8(255)
    return np.uint8(np.searchsorted(counts.cumsum(), (counts.sum() + 1) // 2))
