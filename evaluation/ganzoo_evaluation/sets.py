"""Sets of pictures to look at: a data set, what a model makes, a folder of files, and the control sets made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ganzoo.data.base import Columns, Data, Progress
from ganzoo.data.captions import one_of, text_field
from ganzoo.data.sources import FileData
from ganzoo.engine.noise import derive
from ganzoo.model import Model
from ganzoo.pictures import to_bytes
from ganzoo.sampling import blocks as sampled
from ganzoo.sampling import given_to
from ganzoo_evaluation.base import BLOCK, Array, Block, Pictures

SCOPE = 5000
"""Most pictures that the Gaussian control is made of."""


@dataclass(frozen=True)
class Contents:
    """What one pass over a set of pictures tells of them without looking: `sha256` over pixels and labels (a name says
    nothing, bytes say all), `marks`, a hash of each picture's pixels, the `labels` int64 (n,), None without, and a hash
    of the `captions`, empty without."""

    sha256: str
    marks: list[bytes]
    labels: Array | None
    captions: str = ""


def contents_of(pictures: Pictures, progress: Progress | None = None) -> Contents:
    """Read a set once, for its `Contents`."""
    digest, words = hashlib.sha256(), hashlib.sha256()
    captioned = False
    marks: list[bytes] = []
    labels: list[Array] = []
    for block in pictures.blocks(0, pictures.count):
        pixels = block.pictures.contiguous().numpy()
        digest.update(str(pixels.shape[1:]).encode())
        if pixels.dtype != np.uint8:
            digest.update(pixels.dtype.name.encode())
        digest.update(pixels.tobytes())
        marks += [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in pixels]
        if block.label is not None:
            labels.append(block.label.numpy())
            digest.update(labels[-1].tobytes())
        for caption in block.text or ():
            words.update(f"{caption}\n".encode("utf-8", "replace"))
            captioned = True
        if progress is not None:
            progress(f"hashing {pictures.name}", block.start + len(block), pictures.count)
    known = np.concatenate(labels) if labels and sum(map(len, labels)) == len(marks) else None
    return Contents(digest.hexdigest(), marks, known, words.hexdigest() if captioned else "")


def as_floats(pictures: Tensor) -> Tensor:
    """Pictures uint8 as float32 in [-1, 1], as models take and make them."""
    return pictures.float() / 127.5 - 1


def as_levels(pictures: Tensor) -> Tensor:
    """Pictures (n, C, H, W) in [-1, 1] as uint8 of the same shape, rounded as they would be for a file."""
    return torch.from_numpy(np.ascontiguousarray(to_bytes(pictures).transpose(0, 3, 1, 2)))


class DataPictures:
    """Rows of one field of a data set, pictures or an array; `rows` None: all that it has, in order."""

    def __init__(self, data: Data, name: str, rows: Sequence[int] | None = None, field: str = "") -> None:
        """`field`: the one that is meant, by default the first of pictures."""
        self.data = data
        self.name = name
        self._field = field or data.spec.image.name
        there = data.spec.field(self._field).rows or len(data)
        self.rows = np.arange(there) if rows is None else np.asarray(rows)
        self._contents: Contents | None = None

    def at(self, places: Sequence[int], name: str = "") -> DataPictures:
        """The pictures at these places of the set, as a set of their own."""
        return DataPictures(self.data, name or self.name, [int(self.rows[place]) for place in places], self._field)

    def contents(self, progress: Progress | None = None) -> Contents:
        """Hashes and labels, read once."""
        if self._contents is None:
            self._contents = contents_of(self, progress)
        return self._contents

    @property
    def count(self) -> int:
        return len(self.rows)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, empty without labels."""
        return self.data.spec.classes

    @property
    def pictured(self) -> bool:
        """Whether these are pictures."""
        return self.data.spec.pictured(self._field)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row."""
        field = self.data.spec.field(self._field)
        return (field.channels, field.size, field.size) if field.kind == "image" else field.shape

    @property
    def captioned(self) -> bool:
        """Whether its pictures come with captions."""
        return text_field(self.data.spec) is not None

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        for first in range(start, min(stop, self.count), BLOCK):
            rows = self.rows[first : min(first + BLOCK, stop)].tolist()
            columns = self._columns(rows)
            label = columns.get("label")
            yield Block(
                start=first,
                pictures=torch.from_numpy(np.ascontiguousarray(columns[self._field])),
                label=None if label is None else torch.from_numpy(np.asarray(label, dtype=np.int64)),
                text=self._texts(columns, rows),
            )

    def _texts(self, columns: Mapping[str, Any], rows: Sequence[int]) -> tuple[str, ...] | None:
        """A caption for each picture, always the same one where it has several."""
        field = text_field(self.data.spec)
        if field is None:
            return None
        return tuple(one_of(row, texts) for row, texts in zip(rows, columns[field.name], strict=True))

    def _columns(self, rows: list[int]) -> Mapping[str, Any]:
        """Pictures, and labels and captions where there are any; no other picture is read where that can be told
        apart."""
        if isinstance(self.data, Columns) and not self.data.spec.has("label") and not self.captioned:
            return {self._field: self.data.column(self._field, rows)}
        return self.data.read(rows)


class FilePictures(DataPictures):
    """Pictures in files that all have one size, read at that size, square or not."""

    def __init__(self, data: FileData, name: str, rows: Sequence[int] | None = None) -> None:
        super().__init__(data, name, rows)
        self._files = data

    @property
    def captioned(self) -> bool:
        return False

    def at(self, places: Sequence[int], name: str = "") -> FilePictures:
        return FilePictures(self._files, name or self.name, [int(self.rows[place]) for place in places])

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        for first in range(start, min(stop, self.count), BLOCK):
            rows = self.rows[first : min(first + BLOCK, stop)].tolist()
            pictures = np.stack([self._files.native(row) for row in rows])
            yield Block(start=first, pictures=torch.from_numpy(pictures), label=self._labels(rows))

    def _labels(self, rows: Sequence[int]) -> Tensor | None:
        known = self._files.labels
        return None if known is None else torch.tensor([known[row] for row in rows], dtype=torch.int64)


class ModelPictures:
    """What a model makes from seed and index: the same whatever else is asked for.

    A conditional model is asked for `labels`, one a picture, or for its classes in turn; one that reads captions for
    `texts`, one a picture, or for those that it remembers, in turn. Pictures are rounded to bytes, half up, as they
    would be in a file; samples that are no pictures stay as they are.
    """

    def __init__(
        self,
        model: Model,
        name: str,
        count: int,
        *,
        seed: int = 0,
        truncation: float | None = None,
        labels: Sequence[int] | None = None,
        texts: Sequence[str] | None = None,
        plain: bool = False,
        pictured: bool = True,
    ) -> None:
        """`plain`: z from N(0, 1), whatever prior the model has; `pictured`: whether it makes pictures."""
        self.model, self.name, self.count, self._pictured = model, name, count, pictured
        self._seed, self._truncation, self._plain = seed, truncation, plain
        self._labels = None if labels is None else [int(label) for label in labels]
        self._texts: Sequence[str] | None = None
        if "text" in model.takes:
            self._texts = given_to(model, range(count), text=texts)["text"]

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        stop = min(stop, self.count)
        made = sampled(
            self.model,
            stop,
            seed=self._seed,
            label=self._labels,
            text=self._texts,
            truncation=self._truncation,
            first=start,
            plain=self._plain,
        )
        for first, (pictures, inputs) in zip(range(start, stop, BLOCK), made, strict=True):
            label = inputs.get("label")
            yield Block(
                start=first,
                pictures=as_levels(pictures) if self._pictured else pictures,
                label=None if label is None else label.cpu(),
                text=None if self._texts is None else tuple(self._texts[first : first + len(pictures)]),
            )


class Reconstructions:
    """What a model makes of real pictures, beside the truth."""

    def __init__(self, model: Model, real: Pictures, name: str) -> None:
        self.model, self.real, self.name = model, real, name

    @property
    def count(self) -> int:
        return self.real.count

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        device = next(self.model.parameters()).device
        for block in self.real.blocks(start, stop):
            pictures = as_floats(block.pictures).to(device)
            label = block.label.to(device) if block.label is not None and "label" in self.model.takes else None
            with torch.inference_mode():
                made = self.model.reconstruct(pictures, label)
            yield replace(block, pictures=as_levels(made), truth=block.pictures)


class Paired:
    """Pictures beside what they should have been, row by row."""

    def __init__(self, made: Pictures, truth: Pictures) -> None:
        self.made, self.truth, self.name = made, truth, made.name

    @property
    def count(self) -> int:
        return min(self.made.count, self.truth.count)

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        pairs = zip(self.made.blocks(start, stop), self.truth.blocks(start, stop), strict=False)
        for made, truth in pairs:
            count = min(len(made), len(truth))
            yield replace(made, pictures=made.pictures[:count], truth=truth.pictures[:count])


# --- controls: sets of which the right answer is known ----------------------------------------------------------------


class Blurred:
    """Real pictures after a Gaussian blur of `sigma` pixels."""

    def __init__(self, real: Pictures, name: str, sigma: float) -> None:
        self.real, self.name = real, name
        reach = int(np.ceil(3 * sigma))
        places = torch.arange(-reach, reach + 1, dtype=torch.float32)
        weights = torch.exp(-0.5 * (places / sigma) ** 2)
        self._weights = weights / weights.sum()

    @property
    def count(self) -> int:
        return self.real.count

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        for block in self.real.blocks(start, stop):
            yield replace(block, pictures=self._blur(block.pictures))

    def _blur(self, pictures: Tensor) -> Tensor:
        channels, reach = pictures.shape[1], len(self._weights) // 2
        smooth = pad(pictures.float(), (reach,) * 4, mode="replicate")
        across = self._weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        smooth = conv2d(conv2d(smooth, across, groups=channels), across.transpose(2, 3), groups=channels)
        return smooth.add(0.5).floor().clamp(0, 255).to(torch.uint8)


class Repeated:
    """The first picture of a set, over and over; where the set has captions, for all of these."""

    def __init__(self, real: Pictures, name: str, count: int) -> None:
        self.name, self.count = name, count
        self._first = next(iter(real.blocks(0, 1)))
        self._texts: list[str] = []
        if self._first.text is not None:
            self._texts = [text for block in real.blocks(0, real.count) for text in block.text or ()]

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        first = self._first
        for begin in range(start, min(stop, self.count), BLOCK):
            size = min(BLOCK, min(stop, self.count) - begin)
            label = None if first.label is None else first.label[:1].expand(size)
            turns = range(begin, begin + size) if self._texts else ()
            yield Block(
                start=begin,
                pictures=first.pictures[:1].expand(size, *first.pictures.shape[1:]).contiguous(),
                label=label,
                text=tuple(self._texts[turn % len(self._texts)] for turn in turns) or None,
            )


class Recaptioned:
    """Pictures of a set that has captions, each under the caption of another one, drawn at random."""

    def __init__(self, real: Pictures, name: str, seed: int) -> None:
        self.real, self.name = real, name
        texts = [text for block in real.blocks(0, real.count) for text in block.text or ()]
        order = np.random.default_rng(derive(seed, "wrong captions")).permutation(len(texts))
        # Along one circle through all of them, so that none keeps its own.
        self._texts = dict(zip(order.tolist(), (texts[place] for place in np.roll(order, 1)), strict=True))

    @property
    def count(self) -> int:
        return self.real.count

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        for block in self.real.blocks(start, stop):
            yield replace(block, text=tuple(self._texts[block.start + row] for row in range(len(block))))


class GaussianPixels:
    """Draws from the Gaussian that has the mean and covariance of the pixels of real pictures, or of the numbers of
    other samples; integers are rounded and kept within what the real ones have.

    A random combination of the centred pictures has exactly their covariance, so no covariance matrix is made. At most
    `SCOPE` pictures are used.
    """

    def __init__(self, real: Pictures, name: str, count: int, seed: int) -> None:
        self.name, self.count, self._seed = name, count, seed
        read = min(real.count, SCOPE)
        pictures = torch.cat([block.pictures for block in real.blocks(0, read)])
        self._shape, self._type = pictures.shape[1:], pictures.dtype
        whole = not self._type.is_floating_point
        pixels = self._type is torch.uint8
        self._range = (0, 255) if pixels else (int(pictures.min()), int(pictures.max())) if whole else None
        rows = pictures.reshape(len(pictures), -1).float()
        self._mean = rows.mean(0)
        self._centred = (rows - self._mean) / max(1, len(rows) - 1) ** 0.5

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        for begin in range(start, min(stop, self.count), BLOCK):
            size = min(BLOCK, min(stop, self.count) - begin)
            generator = torch.Generator().manual_seed(derive(self._seed, "gaussian", begin))
            weights = torch.randn(BLOCK, len(self._centred), generator=generator)
            drawn = (self._mean + weights @ self._centred)[:size]
            if self._range is not None:
                drawn = drawn.add(0.5).floor().clamp(*self._range)
            yield Block(start=begin, pictures=drawn.to(self._type).view(size, *self._shape))


def choose(count: int, wanted: int, seed: int, *keys: str) -> list[int]:
    """`wanted` of `count` rows at random, ascending; all of them where there are no more."""
    if wanted >= count:
        return list(range(count))
    generator = np.random.default_rng(derive(seed, "choose", *keys))
    return sorted(int(row) for row in generator.choice(count, wanted, replace=False))


def labels_like(labels: Array, count: int, seed: int) -> list[int]:
    """`count` labels with the frequencies of `labels`, drawn at random."""
    generator = np.random.default_rng(derive(seed, "labels"))
    return [int(label) for label in generator.choice(labels, count)]


def all_labels(pictures: DataPictures) -> Array | None:
    """The labels of a whole set, or None where it has none."""
    return pictures.contents().labels


def content_hash(pictures: DataPictures) -> str:
    """sha256 over the pixels and labels of a set."""
    return pictures.contents().sha256
