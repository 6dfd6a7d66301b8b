"""A whole set of data read into memory, of files or not, without what turns out broken on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ganzoo.data.base import ArrayData, Data, Progress
from ganzoo.data.images import BrokenPicture
from ganzoo.data.parallel import parallel
from ganzoo.data.sources import FileData
from ganzoo.data.store import Skipped, describe_skipped
from ganzoo.errors import RunError, UserError


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
    the result may be shorter. Of an unpaired set of files each side loses its own, and the shorter one is filled up by
    starting over; where the rows of an unpaired set are aligned, they stay so.

    Raises:
        UserError: when no row is left, or none of one side.
        RunError: when there is not enough memory.
    """
    if isinstance(data, ArrayData):
        return data
    columns = _room(data)
    sides = data.sides() if isinstance(data, FileData) else None
    if isinstance(data, FileData) and sides is not None:
        rows = _read_sides(data, sides, columns, progress)
        count = max(rows.values())
    else:
        count = _read_rows(data, columns, progress)
        rows = {field.name: min(field.rows, count) for field in data.spec.fields}
    if count == 0:
        where = data.path if isinstance(data, FileData) else data.spec.name
        skipped = data.skipped if isinstance(data, PictureRows) else []
        raise UserError(f"{where}: none of its pictures can be decoded", *describe_skipped(skipped))
    fields = tuple(replace(field, rows=rows.get(field.name, 0)) for field in data.spec.fields)
    spec = replace(data.spec, count=count, fields=fields)
    return ArrayData(spec, {name: values[:count] for name, values in columns.items()})


def _room(data: Data) -> dict[str, Any]:
    """An array (of texts: a list) for each field, `spec.count` long."""
    count = data.spec.count
    columns: dict[str, Any] = {}
    try:
        for f in data.spec.fields:
            columns[f.name] = f.column(count)
    except MemoryError as error:
        at_size = f" at size {data.spec.size}" if data.spec.size else ""
        raise RunError(f"{data.spec.name} needs {data.nbytes / 2**30:.1f} GiB of memory{at_size}") from error
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
) -> dict[str, int]:
    """Read each side of an unpaired set into its column, which the shorter one fills by starting over; how many each
    has.

    Raises:
        UserError: when a side has none.
    """
    lengths = {}
    for side, names in sides.items():

        def read(index: int, names: Sequence[str] = names, column: np.ndarray = columns[side]) -> None:
            column[index] = data.picture(names[index])

        good = _fill(read, len(names), data, progress)
        if not good:
            raise UserError(
                f"{data.path}: none of the {len(names):,} pictures of folder {side.upper()} can be decoded",
                *describe_skipped(data.skipped),
            )
        _compact(columns[side], good)
        lengths[side] = len(good)
    count = max(lengths.values())
    for side, length in lengths.items():
        for start in range(length, count, length):
            columns[side][start : min(start + length, count)] = columns[side][: min(length, count - start)]
    return lengths


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
