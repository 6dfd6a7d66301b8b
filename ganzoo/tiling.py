"""Pictures of any size through a model that takes pictures in; large ones in parts.

A model says which heights and widths it takes (`Model.multiple`) and how far a pixel of its input reaches
(`Model.reach`). A picture is continued by mirroring at the right and at the bottom, up to a size that the model takes
and that is no smaller than that of training; what was made of the continuation is cut off again. Where a picture needs
more memory at once than it may take, it is made in parts: each with as much around it as the model reaches, of which
nothing is kept, so that the parts fit together as if the picture had been made whole.
"""

from __future__ import annotations

import io
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganzoo.data.images import BrokenPicture, as_array, load, square
from ganzoo.errors import UserError
from ganzoo.model import Model
from ganzoo.pictures import to_bytes
from ganzoo.sampling import answers

Pixels = NDArray[np.uint8]
MEMORY = 2**30
"""Bytes that the tensors of one part may take on a CPU; of a GPU it is a quarter of what is free."""
OVERLAP = 4
"""A part is at most half overlap, a quarter of its side on either hand, however far the model reaches."""


class TooLarge(UserError):
    """A picture that there is not enough memory for."""


@dataclass(frozen=True)
class Span:
    """A stretch of one axis, in pixels of the input: `start` to `stop` is kept of what is made of `begin` to `end`."""

    start: int
    stop: int
    begin: int
    end: int


@dataclass(frozen=True)
class Part:
    """What was made of one part: `pixels` float (C, h, w) in [-1, 1], to be laid down from `top` and `left` on."""

    top: int
    left: int
    pixels: Tensor


class AnySize:
    """Calls a model on pictures of any height and width."""

    def __init__(self, model: Model, field: str, *, seed: int = 0, memory: int | None = None) -> None:
        """`field`: the input that pictures are given as; `memory`: bytes that the tensors of one part may take.

        Raises:
            UserError: when the model takes pictures of one size only.
        """
        # Convolutions on a CPU are twice as fast so.
        self.model = model.to(memory_format=torch.channels_last)
        self.field, self.seed = field, seed
        size = model.data.field(field).size
        if model.multiple is None:
            raise UserError(f"the model takes pictures of {size} x {size} pixels only, those it was trained on")
        self.multiple = model.multiple
        self.least = _up(size, self.multiple)
        self.device = next(model.parameters()).device
        free = available(self.device)
        self.memory = memory or (min(MEMORY, free // 2) if self.device.type == "cpu" else free // 4)

    def __call__(
        self, picture: Pixels, *, number: int = 0, progress: Callable[[int, int], None] | None = None
    ) -> Pixels:
        """What the model makes of a picture uint8 (C, H, W): uint8 (H * scale, W * scale, C).

        `number`: of the picture among all, see `ganzoo.sampling.answers`. `progress(done, total)` is called after each
        part.

        Raises:
            TooLarge: when the memory would not do.
        """
        height, width = (extent * self.model.scale for extent in picture.shape[1:])
        sheet = np.empty(0, np.uint8)
        for part in self.parts(picture, number=number, progress=progress):
            if not sheet.size:
                sheet = np.empty((height, width, part.pixels.shape[0]), np.uint8)
            pixels = to_bytes(part.pixels[None])[0]
            sheet[part.top : part.top + pixels.shape[0], part.left : part.left + pixels.shape[1]] = pixels
        return sheet

    def parts(
        self, picture: Pixels, *, number: int = 0, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Part]:
        """The parts of the answer, from the top left to the bottom right; together they are all of it."""
        height, width = picture.shape[1:]
        rows, columns = self.plan(height, width)
        scale, done = self.model.scale, 0
        for row in rows:
            across = picture[:, _mirrored(row, height)]
            for column in columns:
                tile = torch.from_numpy(across[:, :, _mirrored(column, width)]).float().div(127.5).sub(1)
                made = answers(self.model, self.field, tile[None], seed=self.seed, first=number)[0]
                top, left = (row.start - row.begin) * scale, (column.start - column.begin) * scale
                down = (min(row.stop, height) - row.start) * scale
                right = (min(column.stop, width) - column.start) * scale
                pixels = made[:, top : top + down, left : left + right]
                yield Part(row.start * scale, column.start * scale, pixels)
                done += 1
                if progress is not None:
                    progress(done, len(rows) * len(columns))

    def plan(self, height: int, width: int) -> tuple[list[Span], list[Span]]:
        """The rows and the columns of parts that a picture of that size is made in; one of each where it is made whole.

        Raises:
            TooLarge: when the memory would not do.
        """
        rows, columns = (_up(max(extent, self.least), self.multiple) for extent in (height, width))
        result = 2 * height * width * self.model.scale**2 * self.model.data.channels  # as an array, and as it is saved
        limit = int(self.memory / self.cost)
        reach = self.model.reach
        at_once = rows * columns * self.cost if reach is None else min(rows * columns, limit) * self.cost
        free = available(self.device)
        if at_once > free or result > available(torch.device("cpu")):
            needed = max(at_once, result) / 2**30
            raise TooLarge(f"{width} x {height} pixels would take {needed:.0f} GiB of memory; make the picture smaller")
        if reach is None or rows * columns <= limit:
            return [Span(0, rows, 0, rows)], [Span(0, columns, 0, columns)]
        side = max(int(math.sqrt(limit)) // self.multiple * self.multiple, 2 * self.least)
        margin = min(_up(reach, self.multiple), side // OVERLAP // self.multiple * self.multiple)
        core = side - 2 * margin
        return self._spans(rows, height, core, margin), self._spans(columns, width, core, margin)

    def _spans(self, length: int, shown: int, core: int, margin: int) -> list[Span]:
        """Stretches of at most `core` of an axis of that length, all about as long; beyond `shown` nothing is kept."""
        core = _up(-(-length // -(-length // core)), self.multiple)
        spans = []
        for start in range(0, shown, core):
            stop = min(start + core, length)
            end = min(stop + margin, length)
            begin = max(0, min(start - margin, end - self.least))
            spans.append(Span(start, stop, begin, max(end, min(self.least, length))))
        return spans

    @cached_property
    def cost(self) -> float:
        """Bytes of tensors at most, at one time, for each pixel of the input; found on a picture of the size of
        training."""
        blank = torch.zeros(1, self.model.data.field(self.field).channels, self.least, self.least)
        with _Peak() as peak:
            answers(self.model, self.field, blank, seed=self.seed)
        return float(peak.most) / self.least**2


class Translator:
    """Calls a model on pictures as somebody has them: at the size of training, or at their own."""

    def __init__(
        self, model: Model, field: str = "", *, keep_size: bool = False, seed: int = 0, memory: int | None = None
    ) -> None:
        """`field`: the input that pictures are given as, by default the first that the model takes; `keep_size`: at
        their own size, as a model that enlarges takes them anyway.

        Raises:
            UserError: when the model takes no such input, or pictures of one size only.
        """
        takes = [name for name in model.takes if model.data.has(name) and model.data.field(name).kind == "image"]
        if not takes:
            raise UserError(f"the model ({type(model).__name__}) takes no pictures in")
        if field and field not in takes:
            raise UserError(f"the model ({type(model).__name__}) takes no {field!r}; it takes {' or '.join(takes)}")
        self.model, self.seed = model, seed
        self.wanted = model.data.field(field or takes[0])
        own_size = keep_size or (model.scale > 1 and model.multiple is not None)
        self.any_size = AnySize(model, self.wanted.name, seed=seed, memory=memory) if own_size else None

    def prepare(self, picture: Path | bytes | Image.Image, name: str = "picture") -> Pixels:
        """A file, its content, or a picture of Pillow's as uint8 (C, H, W) as the model takes it.

        Raises:
            BrokenPicture: when it cannot be read.
        """
        size = self.wanted.size
        if isinstance(picture, Path):
            name = str(picture)
            try:
                picture = picture.read_bytes()
            except OSError as error:
                raise BrokenPicture(name, error.strerror or "cannot be read") from error
        if isinstance(picture, bytes):
            image = load(picture, at_least=None if self.any_size else size, name=name)
        else:
            image = _plain(picture)
        if self.any_size is None:
            image = square(image, size, self.model.settings.fit)
        return as_array(image, self.wanted.channels)

    def __call__(
        self, picture: Pixels, *, number: int = 0, progress: Callable[[int, int], None] | None = None
    ) -> Pixels:
        """What the model makes of a prepared picture, uint8 (H, W, C); see `AnySize`."""
        if self.any_size is not None:
            return self.any_size(picture, number=number, progress=progress)
        given = torch.from_numpy(picture[None]).float().div(127.5).sub(1)
        made: Pixels = to_bytes(answers(self.model, self.wanted.name, given, seed=self.seed, first=number))[0]
        return made


def _plain(image: Image.Image) -> Image.Image:
    """A picture of any mode in mode L or RGB, upright and opaque, by the rule for files."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image
    stream = io.BytesIO()
    image.save(stream, format="TIFF" if image.mode in ("CMYK", "F", "LAB", "YCbCr") else "PNG")
    return load(stream.getvalue())


class _Peak(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive at one time, of those that are made under it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._sizes: dict[int, int] = {}
        self._alive = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        self.most = max(self.most, self._alive)
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        place = storage.data_ptr()
        if place not in self._sizes:  # else a view, or a result in place
            self._sizes[place] = storage.nbytes()
            self._alive += storage.nbytes()
            weakref.finalize(storage, self._forget, place)

    def _forget(self, place: int) -> None:
        self._alive -= self._sizes.pop(place, 0)


def available(device: torch.device) -> int:
    """Bytes of memory that are free on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, IndexError, ValueError):  # no Linux
        return 8 * 2**30


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _mirrored(span: Span, length: int) -> NDArray[np.int64]:
    """Which pixels of an axis of that length `span` shows, where it is continued by mirroring."""
    places = np.arange(span.begin, span.end) % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)
