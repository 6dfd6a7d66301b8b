"""A folder or a zip of picture files as a data set whose rows are read on demand.

`open_path` looks at the names, recognises the layout that `DataRequest.fields` asks for (`ganzoo.data.layout`), reads
every header once and returns `FileData`, or `Patches` where the pictures are cut into patches (`ganzoo.data.large`);
pixels are decoded when rows are read, by the rule of `ganzoo.data.images`. A zip gives the same rows as the folder it
was made of.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ganzoo.data.base import DataRequest, DataSpec, Field, Fit
from ganzoo.data.headers import scan
from ganzoo.data.images import FITS, BrokenPicture, Facts, as_array, decode, load, square
from ganzoo.data.large import open_large
from ganzoo.data.layout import UNLIKE, Layout, example_of, keep_good, layout_of
from ganzoo.data.names import SPLITS, printable
from ganzoo.data.patches import Patches
from ganzoo.data.store import Skipped, Store, describe_skipped, fingerprint, open_store, read_file, warn_of_broken
from ganzoo.errors import RunError, UserError, did_you_mean

Got = TypeVar("Got")
DEFAULT_SIZE = 64
LARGE = frozenset(("low", "high"))
"""The fields that are made of large pictures."""


def suggest_size(facts: Iterable[Facts], allowed: Sequence[int] = ()) -> int:
    """The size in pixels to train at when nobody said one.

    When all pictures are square and alike it is their own size; otherwise the median of their short sides, but no
    more than 64, which trains in reasonable time anywhere. With `allowed` (the sizes an architecture can be built
    for) the largest of these that does not exceed it, or else the smallest.
    """
    known = list(facts)
    if not known:
        raise ValueError("suggest_size needs at least one picture")
    first = known[0]
    if first.square and all((f.width, f.height) == (first.width, first.height) for f in known):
        size = first.width
    else:
        size = min(DEFAULT_SIZE, int(statistics.median_low(f.short for f in known)))
    if not allowed:
        return size
    return max((s for s in allowed if s <= size), default=min(allowed))


def open_path(path: Path, request: DataRequest) -> FileData | Patches:
    """The pictures at `path` (a folder or a zip) as a set with the fields of `request`, see the top of this module.

    What is left out is in `skipped` of the set.

    Raises:
        UserError: when there is nothing there, nothing usable, or nothing laid out as the fields need it.
    """
    _check_request(request)
    if set(request.fields) <= LARGE:
        return open_large(Path(path), request)
    return open_files(path, request)


def open_files(path: Path, request: DataRequest) -> FileData:
    """`open_path` of any fields but those of patches.

    A size of None is settled by `suggest_size` within `request.sizes`; channels of None are 1 when every picture is
    grey by its header and 3 otherwise, for all picture fields alike.

    Raises:
        UserError: as `open_path`.
    """
    path = Path(path)
    _check_request(request)
    store = open_store(path)
    layout = layout_of(store, request.fields, request.split)
    columns = {field: list(column.names) for field, column in layout.columns.items()}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    facts, broken = scan(store, names, request.progress)
    halves = layout.side_by_side
    unfit = [
        Skipped(name, "not twice as wide as high, so not two pictures side by side")
        for name, fact in facts.items()
        if halves and fact.width != 2 * fact.height
    ]
    good = {name: fact for name, fact in facts.items() if not halves or fact.width == 2 * fact.height}
    keep_good(layout, good)
    skipped = [*store.refused, *layout.skipped, *broken, *unfit]
    if not all(column.names for column in layout.columns.values()):
        raise _nothing_left(path, layout, columns, facts, skipped)
    kept = dict.fromkeys(name for column in layout.columns.values() for name in column.names)
    facts = {name: replace(good[name], width=good[name].width // 2) if halves else good[name] for name in kept}
    channels = request.channels or (1 if all(fact.grey for fact in facts.values()) else 3)
    size = request.size or suggest_size(facts.values(), request.sizes)
    if request.reverse and set(request.fields) == {"source", "target"}:
        layout = layout.exchanged()
    spec = DataSpec(
        name=path.name if path.is_dir() else path.stem,
        split=request.split,
        count=max(len(column.names) for column in layout.columns.values()),
        fields=_fields(layout, channels, size),
        fingerprint=fingerprint(store, [*names, *layout.extra]),
        aligned=layout.aligned,
    )
    return FileData(spec, store, layout, request.fit, tuple(facts.values()), skipped)


def _nothing_left(
    path: Path,
    layout: Layout,
    columns: Mapping[str, Sequence[str]],
    facts: Mapping[str, Facts],
    skipped: Sequence[Skipped],
) -> UserError:
    """Why a set is empty, or a side of it is; `columns` are the names as they were, `facts` all good headers."""
    first = next(iter(columns.values()))
    if layout.side_by_side and facts:
        fact = facts.get(first[0]) or next(iter(facts.values()))
        return UserError(
            f"{path}: no pairs found: there are no two folders for them, and no picture is twice as wide as high (the "
            f"first is {fact.width} x {fact.height})",
            example_of(("source", "target")),
        )
    unlike = next((item.name for item in skipped if item.reason == UNLIKE), None)
    if unlike is not None:
        pair = [column[first.index(unlike)] for column in columns.values()]
        found = " and ".join(f"{printable(name)} has {facts[name].width} x {facts[name].height}" for name in pair)
        return UserError(
            f"{path}: no pair can be used: the two pictures of a pair differ in shape ({found}); expected the same "
            "width / height: cut both to the same part of the scene",
            *describe_skipped(skipped),
        )
    empty = [field for field, column in layout.columns.items() if not column.names]
    where = f"folder {empty[0].upper()}" if layout.unpaired and len(empty) == 1 else ""
    count = len(columns[empty[0]]) if where else len(dict.fromkeys(n for column in columns.values() for n in column))
    return UserError(
        f"{path}: none of {f'the {count:,} pictures of {where}' if where else f'its {count:,} pictures'} can be used",
        *describe_skipped(skipped),
    )


def readable(fields: Iterable[str]) -> bool:
    """Whether a folder or zip of pictures can hold these fields."""
    wanted = set(fields)
    return wanted in ({"source", "target"}, {"a", "b"}, LARGE) or {"image"} <= wanted <= {"image", "label", "text"}


def _check_request(request: DataRequest) -> None:
    """Every mistake of a request at once."""
    problems = []
    if request.split not in SPLITS:
        problems.append(
            f"split {request.split!r}: a folder has the splits train and test{did_you_mean(request.split, SPLITS)}"
        )
    if not readable(request.fields):
        problems.append(
            f"fields {', '.join(request.fields) or '(none)'}: a folder of pictures gives image, image+label, "
            "image+text, source+target, a+b or low+high"
        )
    if request.size is not None and request.size < 1:
        problems.append(f"size {request.size}: expected pixels, for example --set size={DEFAULT_SIZE}")
    if request.channels not in (None, 1, 3):
        problems.append(f"channels {request.channels}: expected 1 (grey) or 3 (RGB)")
    if request.fit not in FITS:
        problems.append(
            f"fit {request.fit!r}: expected {', '.join(FITS)}{did_you_mean(request.fit, FITS)}, for example "
            f"--set fit={FITS[0]}"
        )
    if problems:
        raise UserError(*problems)


def _fields(layout: Layout, channels: int, size: int) -> tuple[Field, ...]:
    fields = [
        Field(name=name, kind="image", channels=channels, size=size, rows=len(column.names) if layout.unpaired else 0)
        for name, column in layout.columns.items()
    ]
    if layout.labels is not None:
        fields.append(Field(name="label", kind="label", classes=layout.classes))
    if layout.texts is not None:
        fields.append(Field(name="text", kind="text"))
    return tuple(fields)


class FileData:
    """Pictures in files, decoded when they are read; see `open_path`.

    `skipped` names what is not in the set, `facts` the headers of what is (of halves, where a file holds a pair).
    A picture whose header was good and whose pixels are not is found out only when it is read: the next good row
    (of one field of an unpaired set: the next good picture) stands in for it, always the same one, and the first such
    find warns.
    """

    def __init__(
        self, spec: DataSpec, store: Store, layout: Layout, fit: Fit, facts: tuple[Facts, ...], skipped: list[Skipped]
    ) -> None:
        self.spec = spec
        self.fit = fit
        self.facts = facts
        self.skipped = skipped
        self._store = store
        self._layout = layout
        self._bad: set[str] = set()

    def __len__(self) -> int:
        return self.spec.count

    @property
    def path(self) -> Path:
        """The folder or zip."""
        return self._store.path

    @property
    def nbytes(self) -> int:
        """Bytes of all picture fields as uint8 arrays."""
        return sum(self.spec.count * f.channels * f.size**2 for f in self.spec.fields if f.kind == "image")

    def resized(self, *, size: int | None = None, channels: int | None = None, fit: Fit | None = None) -> FileData:
        """The same set at another size, number of channels or fit; no file is looked at again."""
        other = copy.copy(self)
        other.skipped, other._bad = list(self.skipped), set(self._bad)
        other.fit = fit or self.fit
        other.spec = replace(
            self.spec, fields=_fields(self._layout, channels or self.spec.channels, size or self.spec.size)
        )
        return other

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: pictures uint8 (n, channels, size, size), label int64 (n,), text a list of n tuples.

        Raises:
            RunError: when not one picture of the set can be decoded any more.
        """
        out = {f.name: self._empty(f, len(indices)) for f in self.spec.fields if f.kind == "image"}
        rows = []
        for position, index in enumerate(indices):
            row, pictures = self._good_row(int(index))
            rows.append(row)
            for name, pixels in pictures.items():
                out[name][position] = pixels
        return out | self._others(rows)

    def column(self, field: str, indices: Sequence[int]) -> Any:
        """Rows of one field, as `read` gives them; no picture of another field is decoded.

        Raises:
            RunError: as `read`.
        """
        if field not in self._layout.columns:
            return self._others([index % self.spec.count for index in indices])[field]
        if self._layout.side_by_side:
            return self.read(indices)[field]
        names = self._layout.columns[field].names
        out = self._empty(self.spec.field(field), len(indices))
        for position, index in enumerate(indices):
            found = self._first_good(int(index), len(names), lambda i: [names[i]], lambda i: self.picture(names[i]))
            out[position] = found[1]
        return out

    def row(self, index: int) -> dict[str, Any]:
        """One row by field, without the axis of rows, and with nothing standing in for it.

        Raises:
            BrokenPicture: when a picture of the row cannot be decoded.
        """
        return self._row(index) | {name: values[0] for name, values in self._others([index]).items()}

    def native(self, index: int) -> np.ndarray:
        """The first picture field of a row at the size of its file: uint8 (channels, height, width).

        Raises:
            BrokenPicture: when it cannot be decoded.
        """
        column = next(iter(self._layout.columns.values()))
        name = column.names[index % len(column.names)]
        return as_array(load(read_file(self._store, name), name=name), self.spec.channels)

    @property
    def labels(self) -> Sequence[int] | None:
        """The class of every row, None where there are no classes; no picture is decoded for it."""
        return self._layout.labels

    def sides(self) -> dict[str, list[str]] | None:
        """Of an unpaired set: the names of the pictures of each field, which may differ in number. None of a set whose
        rows belong together, as those of an unpaired set do that is aligned."""
        if not self._layout.unpaired or self._layout.aligned:
            return None
        return {name: column.names for name, column in self._layout.columns.items()}

    def picture(self, name: str) -> np.ndarray:
        """One picture by the name of its file: uint8 (channels, size, size); `BrokenPicture` when it cannot be had."""
        content = read_file(self._store, name)
        return decode(content, size=self.spec.size, channels=self.spec.channels, fit=self.fit, name=name)

    def _others(self, rows: Sequence[int]) -> dict[str, Any]:
        others: dict[str, Any] = {}
        if self._layout.labels is not None:
            others["label"] = np.asarray([self._layout.labels[i] for i in rows], dtype=np.int64)
        if self._layout.texts is not None:
            others["text"] = [self._layout.texts[i] for i in rows]
        return others

    def _good_row(self, index: int) -> tuple[int, dict[str, np.ndarray]]:
        columns = self._layout.columns.values()
        return self._first_good(
            index, self.spec.count, lambda row: [c.names[row % len(c.names)] for c in columns], self._row
        )

    def _first_good(
        self, index: int, count: int, names: Callable[[int], list[str]], get: Callable[[int], Got]
    ) -> tuple[int, Got]:
        """The first row from `index` on, of `count` that begin again, whose pictures (`names`) can be had: its number
        and what `get` makes of it."""
        if not -count <= index < count:
            raise IndexError(f"{self.spec.name} has {count} rows, asked for row {index}")
        for step in range(count):
            row = (index + step) % count
            if not self._bad.isdisjoint(names(row)):
                continue
            try:
                return row, get(row)
            except BrokenPicture as error:
                self._found_broken(error)
        raise RunError(f"{self._store.path}: none of its {count:,} rows can be decoded any more")

    def _found_broken(self, error: BrokenPicture) -> None:
        self._bad.add(error.name)
        if not any(item.name == error.name for item in self.skipped):
            self.skipped.append(Skipped(error.name, error.reason))
        if len(self._bad) == 1:
            warn_of_broken(self._store.path, error)

    def _empty(self, field: Field, count: int) -> np.ndarray:
        return np.empty((count, field.channels, field.size, field.size), np.uint8)

    def _row(self, row: int) -> dict[str, np.ndarray]:
        """The pictures of one row, by field."""
        columns = self._layout.columns
        if self._layout.side_by_side:
            return self._halves(row)
        return {name: self.picture(column.names[row % len(column.names)]) for name, column in columns.items()}

    def _halves(self, row: int) -> dict[str, np.ndarray]:
        columns = self._layout.columns
        name = next(iter(columns.values())).names[row]
        image = load(read_file(self._store, name), name=name)
        middle = image.width // 2
        halves = {}
        for field, column in columns.items():
            left = 0 if column.part == "left" else image.width - middle
            half = square(image.crop((left, 0, left + middle, image.height)), self.spec.size, self.fit)
            halves[field] = as_array(half, self.spec.channels)
        return halves
