"""A folder or a zip of picture files as a data set whose rows are read on demand.

`open_path` looks at the names, recognises the layout that `DataRequest.fields` asks for (`ganzoo.data.layout`), reads
every header once and returns `FileData`; pixels are decoded when rows are read, by the rule of `ganzoo.data.images`.
`materialise` reads a whole set, of files or not, into memory. A zip gives the same rows as the folder it was made of.
"""

from __future__ import annotations

import copy
import hashlib
import statistics
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ganzoo.data.base import ArrayData, Data, DataRequest, DataSpec, Field, Fit, Progress
from ganzoo.data.headers import scan
from ganzoo.data.images import FITS, BrokenPicture, Facts, as_array, decode, load, square
from ganzoo.data.layout import Layout, example_of, keep_good, layout_of
from ganzoo.data.names import SPLITS, printable
from ganzoo.data.parallel import parallel
from ganzoo.data.store import Skipped, Store, describe_skipped, open_store, read_file
from ganzoo.errors import GanzooWarning, RunError, UserError, did_you_mean

DEFAULT_SIZE = 64


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


def open_path(path: Path, request: DataRequest) -> FileData:
    """The pictures at `path` (a folder or a zip) as a set with the fields of `request`, see the top of this module.

    A size of None is settled by `suggest_size` within `request.sizes`; channels of None are 1 when every picture is
    grey by its header and 3 otherwise, for all picture fields alike. What is left out is in `FileData.skipped`.

    Raises:
        UserError: when there is nothing there, nothing usable, or nothing laid out as the fields need it.
    """
    path = Path(path)
    _check_request(request)
    store = open_store(path)
    layout = layout_of(store, request.fields, request.split)
    skipped = [*store.refused, *layout.skipped]
    names = list(dict.fromkeys(name for column in layout.columns.values() for name in column.names))
    facts, broken = scan(store, names, request.progress)
    halves = layout.side_by_side
    unfit = [
        Skipped(name, "not twice as wide as high, so not two pictures side by side")
        for name, fact in facts.items()
        if halves and fact.width != 2 * fact.height
    ]
    if facts and len(unfit) == len(facts):
        first = facts[names[0]] if names[0] in facts else next(iter(facts.values()))
        raise UserError(
            f"{path}: no pairs found: there are no two folders for them, and no picture is twice as wide as high (the "
            f"first is {first.width} x {first.height})",
            example_of(("source", "target")),
        )
    skipped += broken + unfit
    for item in unfit:
        del facts[item.name]
    keep_good(layout, facts)
    if not all(column.names for column in layout.columns.values()):
        raise UserError(f"{path}: none of its {len(names):,} pictures can be used", *describe_skipped(skipped))
    if halves:
        facts = {name: replace(fact, width=fact.width // 2) for name, fact in facts.items()}
    channels = request.channels or (1 if all(fact.grey for fact in facts.values()) else 3)
    size = request.size or suggest_size(facts.values(), request.sizes)
    spec = DataSpec(
        name=path.name if path.is_dir() else path.stem,
        split=request.split,
        count=max(len(column.names) for column in layout.columns.values()),
        fields=_fields(layout, channels, size),
        fingerprint=_fingerprint(store, [*names, *layout.extra]),
    )
    return FileData(spec, store, layout, request.fit, tuple(facts.values()), skipped)


def _check_request(request: DataRequest) -> None:
    """Every mistake of a request at once."""
    problems = []
    if request.split not in SPLITS:
        problems.append(
            f"split {request.split!r}: a folder has the splits train and test{did_you_mean(request.split, SPLITS)}"
        )
    wanted = set(request.fields)
    if wanted not in ({"source", "target"}, {"a", "b"}) and not {"image"} <= wanted <= {"image", "label", "text"}:
        problems.append(
            f"fields {', '.join(request.fields) or '(none)'}: a folder of pictures gives image, image+label, "
            "image+text, source+target or a+b"
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
    fields = [Field(name=name, kind="image", channels=channels, size=size) for name in layout.columns]
    if layout.labels is not None:
        fields.append(Field(name="label", kind="label", classes=layout.classes))
    if layout.texts is not None:
        fields.append(Field(name="text", kind="text"))
    return tuple(fields)


def _fingerprint(store: Store, names: Iterable[str]) -> str:
    """sha256 over the sorted names, sizes and (of a zip) CRCs: cheap, and different as soon as a file is."""
    digest = hashlib.sha256()
    for name in sorted(set(names)):
        entry = store.entries[name]
        digest.update(f"{name}\0{entry.size}\0{entry.crc}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class FileData:
    """Pictures in files, decoded when they are read; see `open_path`.

    `skipped` names what is not in the set, `facts` the headers of what is (of halves, where a file holds a pair).
    A picture whose header was good and whose pixels are not is found out only when it is read: the next good row
    stands in for its row, always the same one, and the first such find warns.
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
        self._bad: set[int] = set()

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
        out = {
            f.name: np.empty((len(indices), f.channels, f.size, f.size), np.uint8)
            for f in self.spec.fields
            if f.kind == "image"
        }
        rows = []
        for position, index in enumerate(indices):
            row, pictures = self._good_row(int(index))
            rows.append(row)
            for name, pixels in pictures.items():
                out[name][position] = pixels
        return out | self._others(rows)

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
        """Of an unpaired set: the names of the pictures of each field, which differ in number. None of any other."""
        return {name: column.names for name, column in self._layout.columns.items()} if self._layout.unpaired else None

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
        count = self.spec.count
        if not -count <= index < count:
            raise IndexError(f"{self.spec.name} has {count} rows, asked for row {index}")
        for step in range(count):
            row = (index + step) % count
            if row in self._bad:
                continue
            try:
                return row, self._row(row)
            except BrokenPicture as error:
                self._bad.add(row)
                if not any(item.name == error.name for item in self.skipped):
                    self.skipped.append(Skipped(error.name, error.reason))
                if len(self._bad) == 1:
                    warnings.warn(
                        f"{self._store.path}: {printable(error.name)} cannot be decoded ({error.reason}); the next "
                        f"good row stands in for it. All such files: ganzoo data check {self._store.path}",
                        GanzooWarning,
                        stacklevel=4,
                    )
        raise RunError(f"{self._store.path}: none of its {count:,} rows can be decoded any more")

    def _row(self, row: int) -> dict[str, np.ndarray]:
        """The pictures of one row, by field."""
        columns = self._layout.columns
        if self._layout.side_by_side:
            return dict(zip(columns, self._halves(row), strict=True))
        return {name: self.picture(column.names[row % len(column.names)]) for name, column in columns.items()}

    def _halves(self, row: int) -> list[np.ndarray]:
        name = next(iter(self._layout.columns.values())).names[row]
        image = load(read_file(self._store, name), name=name)
        middle = image.width // 2
        halves = (image.crop((x, 0, x + middle, image.height)) for x in (0, image.width - middle))
        return [as_array(square(half, self.spec.size, self.fit), self.spec.channels) for half in halves]


@runtime_checkable
class PictureRows(Protocol):
    """What a `Data` offers whose pictures may turn out broken when they are decoded: `materialise` then leaves their
    rows out and adds the files to `skipped`."""

    skipped: list[Skipped]

    def row(self, index: int) -> dict[str, Any]:
        """One row by field, without the axis of rows; `BrokenPicture` when it cannot be decoded."""
        ...


def materialise(data: Data, progress: Progress | None = None) -> ArrayData:
    """The whole set in memory: `data.nbytes` and a few pictures more, read by as many threads as there are cores.

    Where the set is `PictureRows`, as `FileData` is, rows with a picture that cannot be decoded are left out, so that
    the result may be shorter. Of an unpaired set of files each side is filled up again by starting over.

    Raises:
        UserError: when no row is left.
        RunError: when there is not enough memory.
    """
    if isinstance(data, ArrayData):
        return data
    columns = _room(data)
    sides = data.sides() if isinstance(data, FileData) else None
    if isinstance(data, FileData) and sides is not None:
        count = _read_sides(data, sides, columns, progress)
    else:
        count = _read_rows(data, columns, progress)
    if count == 0:
        where = data.path if isinstance(data, FileData) else data.spec.name
        skipped = data.skipped if isinstance(data, PictureRows) else []
        raise UserError(f"{where}: none of its pictures can be decoded", *describe_skipped(skipped))
    return ArrayData(replace(data.spec, count=count), {name: values[:count] for name, values in columns.items()})


def _room(data: Data) -> dict[str, Any]:
    """An array (of texts: a list) for each field, `spec.count` long."""
    count = data.spec.count
    columns: dict[str, Any] = {}
    try:
        for f in data.spec.fields:
            if f.kind == "image":
                columns[f.name] = np.empty((count, f.channels, f.size, f.size), np.uint8)
            else:
                columns[f.name] = np.empty(count, np.int64) if f.kind == "label" else [()] * count
    except MemoryError as error:
        gigabytes = f"{data.nbytes / 2**30:.1f} GiB of memory"
        raise RunError(f"{data.spec.name} needs {gigabytes} at size {data.spec.size}") from error
    return columns


def _read_rows(data: Data, columns: Mapping[str, Any], progress: Progress | None) -> int:
    """Read all rows into `columns`, the good ones to the front; how many these are."""

    def read(index: int) -> None:
        if isinstance(data, PictureRows):
            row = data.row(index)
        else:
            row = {name: values[0] for name, values in data.read([index]).items()}
        for name, column in columns.items():
            column[index] = row[name]

    good = _fill(read, data.spec.count, data, progress)
    for column in columns.values():
        _compact(column, good)
    return len(good)


def _read_sides(
    data: FileData, sides: Mapping[str, Sequence[str]], columns: Mapping[str, Any], progress: Progress | None
) -> int:
    """Read each side of an unpaired set into its column, which the shorter one fills by starting over."""
    lengths = {}
    for side, names in sides.items():

        def read(index: int, names: Sequence[str] = names, column: np.ndarray = columns[side]) -> None:
            column[index] = data.picture(names[index])

        good = _fill(read, len(names), data, progress)
        _compact(columns[side], good)
        lengths[side] = len(good)
    count = max(lengths.values()) if all(lengths.values()) else 0
    for side, length in lengths.items():
        for start in range(length, count, max(length, 1)):
            columns[side][start : min(start + length, count)] = columns[side][: min(length, count - start)]
    return count


def _fill(one: Callable[[int], None], count: int, data: Data, progress: Progress | None) -> list[int]:
    """Call `one` for 0 .. count-1; those for which it did not raise `BrokenPicture`. The others go to `skipped`."""
    skipped = data.skipped if isinstance(data, PictureRows) else None

    def attempt(i: int) -> BrokenPicture | None:
        try:
            one(i)
        except BrokenPicture as error:
            if skipped is None:
                raise
            return error
        return None

    good = []
    known = {item.name for item in skipped or ()}
    for i, error in enumerate(parallel(attempt, range(count), progress, f"decoding {data.spec.name}")):
        if error is None:
            good.append(i)
        elif skipped is not None and error.name not in known:
            known.add(error.name)
            skipped.append(Skipped(error.name, error.reason))
    return good


def _compact(column: Any, rows: Sequence[int]) -> None:
    """Move `rows` (ascending) to the front, one at a time: a fancy index would hold the set twice."""
    for target, origin in enumerate(rows):
        if target != origin:
            column[target] = column[origin]
