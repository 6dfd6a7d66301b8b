"""What a set of training data is: fields, a length, and a way to read rows. No torch in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Kind = Literal["image", "label", "text", "array"]
Fit = Literal["crop", "pad", "stretch"]
Row = Mapping[str, Any]
Progress = Callable[[str, int, int], None]
"""Called with (what, done, total) while something long goes on."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of a data set: pictures (uint8, channels x size x size), a class label, captions, or an array:
    numbers of any `shape` (that of one row; `()` is a single number) and `dtype`, which nobody scales or changes on
    their way to the model.

    `rows` is how many there are where a field has a number of its own (the domains of an unpaired set); 0: as many as
    the set has. Training draws the rows of such fields independently of each other. `examples` are a few of the
    captions, which a run remembers so that it can be shown without its data.
    """

    name: str
    kind: Kind
    channels: int = 0
    size: int = 0
    classes: tuple[str, ...] = ()
    rows: int = 0
    examples: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    """Of an array: the shape of a row."""
    dtype: str = "float32"
    """Of an array: NumPy's name of its type, one that torch has too."""

    def column(self, count: int) -> Any:
        """Room for `count` rows, as `Data.read` gives them: an array, or of texts a list."""
        if self.kind == "text":
            return [()] * count
        if self.kind == "image":
            return np.empty((count, self.channels, self.size, self.size), np.uint8)
        return np.empty(count, np.int64) if self.kind == "label" else np.empty((count, *self.shape), self.dtype)


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What a model needs to know of the data it is built for; plain enough for JSON.

    `fingerprint` is a hash of what was found (names and sizes of files, or of the embedded file): a run refuses to be
    resumed on other data. `aligned`: of an unpaired set, whether row i of every field shows the same thing all the
    same: hidden from training, it is the known answer for scoring. The first picture field is the one whose size counts
    as the set's (of `low` and `high` it is `high`).

    `places`: of a set whose rows are parts of larger pictures, how many other places each row has. Index
    `row + count * p`, p from 1 to `places`, reads a part of that picture from elsewhere, as training wants it; `row`
    alone is always the same part.
    """

    name: str
    split: str
    count: int
    fields: tuple[Field, ...]
    fingerprint: str = ""
    aligned: bool = False
    places: int = 0

    def field(self, name: str) -> Field:
        """The field of that name; `KeyError` names those that are there."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(f"{self.name} has no field {name!r}; it has {', '.join(f.name for f in self.fields)}")

    def has(self, name: str) -> bool:
        """Whether there is a field of that name."""
        return any(candidate.name == name for candidate in self.fields)

    @property
    def image(self) -> Field:
        """The first picture field; `KeyError` where there is none."""
        found = self._image
        if found is None:
            raise KeyError(f"{self.name} has no pictures; it has {', '.join(f.name for f in self.fields)}")
        return found

    @property
    def _image(self) -> Field | None:
        return next((candidate for candidate in self.fields if candidate.kind == "image"), None)

    def pictured(self, name: str) -> bool:
        """Whether the field of that name, where there is one, holds pictures; else whether there are any."""
        return self.field(name).kind == "image" if self.has(name) else self._image is not None

    @property
    def size(self) -> int:
        """Height and width in pixels of the first picture field; 0 where there is none."""
        return self._image.size if self._image is not None else 0

    @property
    def channels(self) -> int:
        """Channels of the first picture field: 1 (grey) or 3 (RGB); 0 where there is none."""
        return self._image.channels if self._image is not None else 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty without labels."""
        return next((candidate.classes for candidate in self.fields if candidate.kind == "label"), ())

    @property
    def examples(self) -> tuple[str, ...]:
        """Some captions, where a run remembers any; empty without."""
        return next((candidate.examples for candidate in self.fields if candidate.kind == "text"), ())


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """What the caller wants of a data set.

    `size` in pixels (None: the set's own); `sizes` in pixels that the architecture can be built for, for the choice
    when `size` is None (none: any); `channels` 1, 3 or None (the set's own); `fit` says how a picture that is
    not square becomes square; `scale` by how much `high` is larger than `low`; `reverse` exchanges `source` and
    `target`; `fields` are the fields that the task needs, `optional` those that it
    can use where the set has them and does without elsewhere; `download` permits the network.
    """

    fields: tuple[str, ...] = ("image",)
    optional: tuple[str, ...] = ()
    split: str = "train"
    subset: str = ""
    size: int | None = None
    sizes: tuple[int, ...] = ()
    channels: int | None = None
    fit: Fit = "crop"
    scale: int = 1
    reverse: bool = False
    download: bool = True
    progress: Progress | None = None


class Data(Protocol):
    """A set of rows. `read` is thread- and process-safe and a pure function of the indices."""

    spec: DataSpec

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: pictures uint8 (n, channels, size, size), labels int64 (n,), texts a list of n tuples,
        arrays (n, *shape) of their dtype."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that the whole set takes as it is read: what decides whether it lives on the device."""
        ...


@runtime_checkable
class Columns(Protocol):
    """What a `Data` may offer whose fields have rows of their own, so that no picture is read in vain."""

    def column(self, field: str, indices: Sequence[int]) -> Any:
        """Rows of one field, as `Data.read` gives them."""
        ...


@runtime_checkable
class Held(Protocol):
    """What a `Data` offers that reads faster once its pictures are in memory."""

    def hold(self, progress: Progress | None = None) -> None:
        """Decode all pictures and keep them in memory."""
        ...


class ArrayData:
    """A set that is in memory already."""

    def __init__(self, spec: DataSpec, columns: Mapping[str, Any]) -> None:
        """`columns` holds, for each field of `spec`, an array (or, for texts, a list of tuples) of `spec.count`."""
        for column in spec.fields:
            values = columns[column.name]
            if len(values) != spec.count:
                raise ValueError(f"{spec.name}.{column.name}: {len(values)} rows, expected {spec.count}")
            wanted = (column.shape, column.dtype)
            if column.kind == "array" and (values.shape[1:], values.dtype.name) != wanted:
                found = f"rows of shape {values.shape[1:]} and type {values.dtype.name}"
                raise ValueError(f"{spec.name}.{column.name}: {found}, expected {wanted[0]} and {wanted[1]}")
        self.spec = spec
        self.columns = dict(columns)

    def __len__(self) -> int:
        return self.spec.count

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        rows = np.asarray(indices)
        return {
            name: values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]
            for name, values in self.columns.items()
        }

    @property
    def nbytes(self) -> int:
        return sum(values.nbytes for values in self.columns.values() if isinstance(values, np.ndarray))
