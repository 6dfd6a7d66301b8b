"""Large pictures of any shape as the rows of a set for super-resolution: patches, each with its reduction.

A row is a place: every picture is cut into patches of the size of training, from its top left corner on, and what is
left at the right and at the bottom is in none of them. An evaluation reads these. Training takes, for each row, a patch
from anywhere in the row's picture (`DataSpec.places`), so that a large picture is seen as often as it has patches.
`whole` gives pictures as they are, for benchmarks that are measured on whole pictures.

The small picture is that of the whole picture (`ganzoo.data.degrade`), of which a part is taken, and not the reduction
of a part, whose borders would differ: around a patch, as much of the picture is reduced with it as the filter reaches.

Held in memory, pictures are decoded and reduced once, and a batch is a matter of copying. Streamed, each patch costs
the decoding of its whole picture, of which only the patch is used. Measured in time of one core, a batch of 16 patches
of 64 pixels out of PNGs of 2000 x 1400 takes 1.1 seconds streamed and 0.3 milliseconds held. So give a set the memory
that it needs (`Patches.nbytes`; --set memory=GIGABYTES). Where there is not so much, cut the files into parts of some
500 pixels beforehand, which makes streaming nine times faster, and have more processes read (--set workers=N).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import DataRequest, DataSpec, Field, Progress
from ganzoo.data.degrade import reduced
from ganzoo.data.images import BrokenPicture
from ganzoo.data.parallel import parallel
from ganzoo.data.store import Skipped, describe_skipped, warn_of_broken
from ganzoo.errors import RunError, UserError

Pixels = NDArray[np.uint8]
DEFAULT_SIZE = 64
PLACES = 2**30
"""Other places that a row has: many more than a picture has pixels, so that all are as good as equally likely."""
MARGIN = 4
"""Pixels of the small picture that are reduced with a patch at each side; the cubic filter reaches two."""


def patch_size(sizes: Sequence[int] = ()) -> int:
    """Height and width in pixels of a patch when nobody said one: 64, or what comes next to it of `sizes`, those that
    an architecture can be built for (the largest below, or else the smallest)."""
    return max((size for size in sizes if size <= DEFAULT_SIZE), default=min(sizes, default=DEFAULT_SIZE))


class Large(Protocol):
    """One large picture: its name, its height and width in pixels, and what is in it."""

    @property
    def name(self) -> str: ...

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    def pixels(self, channels: int) -> Pixels:
        """uint8 (channels, height, width).

        Raises:
            BrokenPicture: when it cannot be decoded.
        """
        ...


@dataclass(frozen=True)
class _Place:
    """A row: the number of its picture, and the pixel at which the patch begins."""

    picture: int
    top: int
    left: int


class Patches:
    """A `Data` with the fields `high` (channels x size x size) and `low` (size / scale), `Held` and `PictureRows`.

    `skipped` names the pictures that are not in the set: those smaller than a patch and, once they are held, those that
    turned out broken. Streamed, the next good picture stands in for a broken one, and the first such find warns.
    """

    def __init__(
        self,
        name: str,
        pictures: Sequence[Large],
        request: DataRequest,
        *,
        channels: int,
        fingerprint: str,
        path: str = "",
        skipped: Sequence[Skipped] = (),
    ) -> None:
        """`fingerprint` is of all that the rows depend on, `path` where the files are, `skipped` what was left out so
        far.

        Raises:
            UserError: when the scale does not divide the size, or no picture is as large as a patch.
        """
        self.size, self.scale, self.channels = request.size or patch_size(request.sizes), request.scale, channels
        if self.size % self.scale:
            fitting = self.size // self.scale * self.scale or self.scale
            raise UserError(f"size: {self.size} is not a multiple of scale={self.scale}; add --set size={fitting}")
        self.skipped = list(skipped)
        self.pictures: list[Large] = []
        for picture in pictures:
            if min(picture.height, picture.width) >= self.size:
                self.pictures.append(picture)
            else:
                self.skipped.append(Skipped(picture.name, f"smaller than a patch of {self.size} x {self.size} pixels"))
        self._path = path or name
        if not self.pictures:
            largest = max((min(picture.height, picture.width) for picture in pictures), default=0)
            fitting = largest // self.scale * self.scale
            mend = f"add --set size={fitting}" if fitting else "larger ones are needed"
            raise UserError(
                f"{self._path}: none of its {len(pictures):,} pictures has the {self.size} x {self.size} pixels of a "
                f"patch (the largest has {largest}); {mend}",
                *describe_skipped(skipped),
            )
        self._held: list[Pixels] | None = None
        self._small: list[Pixels] | None = None
        self._bad: set[int] = set()
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
        """Bytes of all pictures as they are, and of their reductions: what `hold` takes."""
        pixels = sum(picture.height * picture.width for picture in self.pictures) * self.channels
        return pixels + (pixels // self.scale**2 if self.scale > 1 else 0)

    def hold(self, progress: Progress | None = None) -> None:
        """Decode and reduce all pictures and keep them in memory. Those that turn out broken leave the set, which has
        fewer rows then.

        Raises:
            UserError: when not one picture can be decoded.
            RunError: when there is not enough memory.
        """
        self._hold_pixels(progress)
        if self._small is None:
            numbers = range(len(self.pictures))
            self._small = list(parallel(self._reduced, numbers, progress, f"reducing {self.spec.name}"))

    def _hold_pixels(self, progress: Progress | None = None) -> None:
        if self._held is not None:
            return
        try:
            decoded = parallel(self._attempt, range(len(self.pictures)), progress, f"decoding {self.spec.name}")
            found = list(decoded)
        except MemoryError as error:
            raise RunError(
                f"{self.spec.name} needs {self.nbytes / 2**30:.1f} GiB of memory; stream it instead: --set memory=0"
            ) from error
        good = [(number, pixels) for number, pixels in enumerate(found) if not isinstance(pixels, BrokenPicture)]
        for pixels in found:
            if isinstance(pixels, BrokenPicture):
                self._skip(pixels)
        if not good:
            raise UserError(f"{self._path}: none of its pictures can be decoded", *describe_skipped(self.skipped))
        self._held = [pixels for _, pixels in good]
        if len(good) < len(self.pictures):
            self.pictures, self._bad = [self.pictures[number] for number, _ in good], set()
            self._keep([place for number in range(len(self.pictures)) for place in self._grid(number)])

    def without_blank(self) -> Patches:
        """The same without patches of a single colour, of which nothing can be learnt or told. All pictures are decoded
        for it and held: this is for sets that ship with the program."""
        self._hold_pixels()
        self._keep([place for place in self._places if np.ptp(self._part(place), axis=(1, 2)).any()])
        return self

    def _keep(self, places: list[_Place]) -> None:
        self._places = places
        self.spec = replace(self.spec, count=len(places))

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: `high` uint8 (n, channels, size, size), `low` uint8 (n, channels, size / scale, ...).

        Raises:
            RunError: when not one picture of the set can be decoded any more.
        """
        pending = {position: self._place(int(index)) for position, index in enumerate(indices)}
        shape = (len(pending), self.channels)
        high = np.empty((*shape, self.size, self.size), np.uint8)
        low = np.empty((*shape, self.size // self.scale, self.size // self.scale), np.uint8)
        while pending:  # of one picture after another, so that each is decoded once
            number = min(place.picture for place in pending.values())
            here = [position for position, place in pending.items() if place.picture == number]
            try:
                pixels = self._pixels(number)
            except BrokenPicture as error:
                self._found_broken(number, error)
                for position in here:
                    pending[position] = self._place(int(indices[position]))
                continue
            for position in here:
                high[position], low[position] = self._pair(pixels, pending.pop(position))
        return {"high": high, "low": low}

    def row(self, index: int) -> dict[str, Any]:
        """One row by field, without the axis of rows, and with nothing standing in for it.

        Raises:
            BrokenPicture: when its picture cannot be decoded.
        """
        number, row = divmod(index, len(self._places))
        place = self._elsewhere(self._places[row], number)
        high, low = self._pair(self._pixels(place.picture), place)
        return {"high": high, "low": low}

    def _place(self, index: int) -> _Place:
        """Where that index is read from: of broken pictures, the same row as of the next good one."""
        count = len(self._places)
        number, row = divmod(index, count)
        for step in range(count):
            place = self._places[(row + step) % count]
            if place.picture not in self._bad:
                return self._elsewhere(place, number)
        raise RunError(f"{self._path}: none of its {len(self.pictures):,} pictures can be decoded any more")

    def _elsewhere(self, place: _Place, number: int) -> _Place:
        """Another place of the same picture, the `number`-th of all that there are; 0: the place itself."""
        if not number:
            return place
        down, right = ((extent - self.size) // self.scale + 1 for extent in self._extent(place.picture))
        top, left = divmod((number - 1) % (down * right), right)
        return _Place(place.picture, top * self.scale, left * self.scale)

    def _found_broken(self, number: int, error: BrokenPicture) -> None:
        self._bad.add(number)
        if len(self._bad) == 1:
            warn_of_broken(self._path, error)
        self._skip(error)

    def _skip(self, error: BrokenPicture) -> None:
        if all(item.name != error.name for item in self.skipped):
            self.skipped.append(Skipped(error.name, error.reason))

    def whole(self, number: int) -> tuple[Pixels, Pixels]:
        """A whole picture, (channels, H, W) with H and W cut down to multiples of the scale, and its reduction."""
        height, width = self._extent(number)
        high = self._pixels(number)[:, :height, :width]
        return high, reduced(high, self.scale) if self._small is None else self._small[number]

    def _pair(self, pixels: Pixels, place: _Place) -> tuple[Pixels, Pixels]:
        """The patch there and its reduction, of the picture whose pixels are given."""
        top, left, size = place.top, place.left, self.size
        high = pixels[:, top : top + size, left : left + size]
        if self._small is None:
            return high, self._reduced_part(pixels, place)
        top, left, size = top // self.scale, left // self.scale, size // self.scale
        return high, self._small[place.picture][:, top : top + size, left : left + size]

    def _reduced_part(self, pixels: Pixels, place: _Place) -> Pixels:
        height, width = self._extent(place.picture)
        margin = MARGIN * self.scale
        top, left = max(0, place.top - margin), max(0, place.left - margin)
        bottom, right = (
            min(end, first + self.size + margin) for first, end in ((place.top, height), (place.left, width))
        )
        small = reduced(pixels[:, top:bottom, left:right], self.scale)
        down, across, size = (place.top - top) // self.scale, (place.left - left) // self.scale, self.size // self.scale
        return small[:, down : down + size, across : across + size]

    def _part(self, place: _Place) -> Pixels:
        return self._pixels(place.picture)[:, place.top : place.top + self.size, place.left : place.left + self.size]

    def _grid(self, number: int) -> list[_Place]:
        height, width = self._extent(number)
        tops, lefts = range(0, height - self.size + 1, self.size), range(0, width - self.size + 1, self.size)
        return [_Place(number, top, left) for top in tops for left in lefts]

    def _extent(self, number: int) -> tuple[int, int]:
        """Height and width of a picture, cut down to multiples of the scale."""
        picture = self.pictures[number]
        return picture.height // self.scale * self.scale, picture.width // self.scale * self.scale

    def _pixels(self, number: int) -> Pixels:
        return self._held[number] if self._held is not None else self.pictures[number].pixels(self.channels)

    def _attempt(self, number: int) -> Pixels | BrokenPicture:
        try:
            return self.pictures[number].pixels(self.channels)
        except BrokenPicture as error:
            return error

    def _reduced(self, number: int) -> Pixels:
        height, width = self._extent(number)
        return reduced(self._pixels(number)[:, :height, :width], self.scale)
