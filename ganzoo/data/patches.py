"""Large pictures of any shape as the rows of a set for super-resolution: patches, each with its reduction.

A row is a place: every picture is cut into patches of the size of training, from its top left corner on, and what is
left at the right and at the bottom is in none of them. An evaluation reads these. Training takes, for each row, a patch
from anywhere in the row's picture (`DataSpec.places`), so that a large picture is seen as often as it has patches.
`whole` gives pictures as they are, for benchmarks that are measured on whole pictures.

The small picture is that of the whole picture (`ganzoo.data.degrade`), of which a part is taken, and not the reduction
of a part, whose borders would differ: around a patch, as much of the picture is reduced with it as the filter reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import DataRequest, DataSpec, Field, Progress
from ganzoo.data.degrade import reduced
from ganzoo.data.parallel import parallel
from ganzoo.errors import UserError

Pixels = NDArray[np.uint8]
DEFAULT_SIZE = 64
PLACES = 2**30
"""Other places that a row has: many more than a picture has pixels, so that all are as good as equally likely."""
MARGIN = 4
"""Pixels of the small picture that are reduced with a patch at each side; the cubic filter reaches two."""


class Large(Protocol):
    """One large picture: its name, its height and width in pixels, and what is in it."""

    @property
    def name(self) -> str: ...

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    def pixels(self, channels: int) -> Pixels:
        """uint8 (channels, height, width)."""
        ...


@dataclass(frozen=True)
class _Place:
    """A row: the number of its picture, and the pixel at which the patch begins."""

    picture: int
    top: int
    left: int


class Patches:
    """A `Data` with the fields `high` (channels x size x size) and `low` (size / scale), and `Held`."""

    def __init__(
        self, name: str, pictures: Sequence[Large], request: DataRequest, *, channels: int, fingerprint: str
    ) -> None:
        """`pictures` are at least as large as a patch; `fingerprint` is of all that the rows depend on.

        Raises:
            UserError: when the scale does not divide the size, or no picture is as large as a patch.
        """
        self.size, self.scale, self.channels = request.size or DEFAULT_SIZE, request.scale, channels
        if self.size % self.scale:
            fitting = self.size // self.scale * self.scale or self.scale
            raise UserError(f"size: {self.size} is not a multiple of scale={self.scale}; add --set size={fitting}")
        self.pictures = [picture for picture in pictures if min(picture.height, picture.width) >= self.size]
        if not self.pictures:
            largest = max((min(picture.height, picture.width) for picture in pictures), default=0)
            raise UserError(
                f"{name}: none of its {len(pictures):,} pictures has the {self.size} x {self.size} pixels of a patch "
                f"(the largest has {largest}); add --set size={max(self.scale, largest // self.scale * self.scale)}"
            )
        self._held: list[Pixels] | None = None
        self._places = [place for number in range(len(self.pictures)) for place in self._grid(number)]
        self.spec = DataSpec(
            name=name,
            split=request.split,
            count=len(self._places),
            fields=(
                Field(name="high", kind="image", channels=channels, size=self.size),
                Field(name="low", kind="image", channels=channels, size=self.size // self.scale),
            ),
            fingerprint=fingerprint,
            places=PLACES,
        )

    def __len__(self) -> int:
        return self.spec.count

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures as they are."""
        return sum(picture.height * picture.width for picture in self.pictures) * self.channels

    def hold(self, progress: Progress | None = None) -> None:
        if self._held is None:
            decode = parallel(self._decode, range(len(self.pictures)), progress, f"decoding {self.spec.name}")
            self._held = list(decode)

    def without_blank(self) -> Patches:
        """The same without patches of a single colour, of which nothing can be learnt or told; reads all of it."""
        self.hold()
        self._places = [place for place in self._places if np.ptp(self._part(place, self.size)) > 0]
        self.spec = replace(self.spec, count=len(self._places))
        return self

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        return self._columns([self._place(int(index)) for index in indices])

    def _place(self, index: int) -> _Place:
        number, row = divmod(index, len(self._places))
        place = self._places[row]
        if not number:
            return place
        down, right = ((extent - self.size) // self.scale + 1 for extent in self._extent(place.picture))
        top, left = divmod((number - 1) % (down * right), right)
        return _Place(place.picture, top * self.scale, left * self.scale)

    def whole(self, number: int) -> tuple[Pixels, Pixels]:
        """A whole picture, (channels, H, W) with H and W cut down to multiples of the scale, and its reduction."""
        height, width = self._extent(number)
        high = self._pixels(number)[:, :height, :width]
        return high, reduced(high, self.scale)

    def _columns(self, places: Sequence[_Place]) -> dict[str, Any]:
        """The patches that begin there; of one picture after another, so that each is decoded once."""
        shape = (len(places), self.channels)
        high = np.empty((*shape, self.size, self.size), np.uint8)
        low = np.empty((*shape, self.size // self.scale, self.size // self.scale), np.uint8)
        last: tuple[int, Pixels] | None = None
        for row in sorted(range(len(places)), key=lambda row: places[row].picture):
            place = places[row]
            if last is None or last[0] != place.picture:
                last = (place.picture, self._pixels(place.picture))
            height, width = self._extent(place.picture)
            whole = last[1][:, :height, :width]
            high[row] = whole[:, place.top : place.top + self.size, place.left : place.left + self.size]
            low[row] = self._reduced_part(whole, place)
        return {"high": high, "low": low}

    def _reduced_part(self, whole: Pixels, place: _Place) -> Pixels:
        margin = MARGIN * self.scale
        top, left = max(0, place.top - margin), max(0, place.left - margin)
        around = whole[:, top : place.top + self.size + margin, left : place.left + self.size + margin]
        small = reduced(around, self.scale)
        down, right, size = (place.top - top) // self.scale, (place.left - left) // self.scale, self.size // self.scale
        return small[:, down : down + size, right : right + size]

    def _part(self, place: _Place, size: int) -> Pixels:
        return self._pixels(place.picture)[:, place.top : place.top + size, place.left : place.left + size]

    def _grid(self, number: int) -> list[_Place]:
        height, width = self._extent(number)
        tops, lefts = range(0, height - self.size + 1, self.size), range(0, width - self.size + 1, self.size)
        return [_Place(number, top, left) for top in tops for left in lefts]

    def _extent(self, number: int) -> tuple[int, int]:
        """Height and width of a picture, cut down to multiples of the scale."""
        picture = self.pictures[number]
        return picture.height // self.scale * self.scale, picture.width // self.scale * self.scale

    def _pixels(self, number: int) -> Pixels:
        return self._held[number] if self._held is not None else self._decode(number)

    def _decode(self, number: int) -> Pixels:
        return self.pictures[number].pixels(self.channels)
