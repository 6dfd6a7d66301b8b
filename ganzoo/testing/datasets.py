"""What every data set promises: rows as its card says, always the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ganzoo.cards import Dataset, Task, resolve
from ganzoo.data.base import Data, DataRequest, Field
from ganzoo.errors import NothingThere, UserError
from ganzoo.testing.cards import Carded
from ganzoo.testing.check import CheckFailed

LOOKED_AT = 64
"""Rows that are read."""


def _card(carded: Carded) -> Dataset:
    if not isinstance(carded.card, Dataset):
        raise TypeError(f"{carded.card.name} is no data set")
    return carded.card


def _open(card: Dataset, task: Task, split: str, **request: Any) -> Data:
    optional = tuple(name for name in task.optional if name in card.fields)
    wanted = DataRequest(fields=task.batch, optional=optional, split=split, download=False, **request)
    data: Data = resolve(card.load)(wanted)
    return data


@lru_cache(maxsize=1)  # one set at a time: they may be large
def _opened(carded: Carded) -> tuple[tuple[Task, str, Data], ...]:
    """The set for every task that it is good for, and of every split.

    Raises:
        UserError: when it cannot be opened; of one that has to be downloaded first too.
    """
    card, found = _card(carded), []
    for task in carded.registry.tasks.values():
        if set(task.batch) <= set(card.fields):
            for split in card.splits:
                try:
                    found.append((task, split, _open(card, task, split)))
                except NothingThere:
                    continue
    return tuple(found)


def rows(carded: Carded) -> str:
    """Its rows have the fields, shapes and numbers that the card and its spec say."""
    card = _card(carded)
    try:
        opened = _opened(carded)
    except UserError as error:
        if card.embedded:
            raise
        return f"not opened, it is not here: {error.lines[0]}"
    for task, split, data in opened:
        where = f"for {task.name}, split {split}"
        spec = data.spec
        lacking = [name for name in task.batch if not spec.has(name)]
        if lacking:
            raise CheckFailed(f"{where}: no field {lacking[0]!r}", "give the fields that the request asks for")
        if len(data) != spec.count or spec.count < 1:
            raise CheckFailed(f"{where}: {len(data)} rows, and its spec says {spec.count}", "let them agree")
        if not spec.fingerprint:
            raise CheckFailed(f"{where}: no fingerprint", "give the spec a hash of what the rows depend on")
        if spec.split != split:
            raise CheckFailed(f"{where}: its spec says split {spec.split!r}", "let them agree")
        found = data.read(range(min(LOOKED_AT, len(data))))
        for field in spec.fields:
            _check_column(field, found.get(field.name), min(LOOKED_AT, len(data)), where)
    first = next((data for _, split, data in opened if split == card.splits[0]), None)
    if first is not None and card.count and not first.spec.places and len(first) != card.count:
        raise CheckFailed(f"it has {len(first)} rows, and the card says {card.count}", "mend `count` of the card")
    return ""


def _check_column(field: Field, column: Any, count: int, where: str) -> None:
    where = f"{where}, field {field.name!r}"
    if column is None or len(column) != count:
        found = "nothing" if column is None else f"{len(column)} rows"
        raise CheckFailed(f"{where}: read() gives {found}, expected {count} rows", "mend read()")
    if field.kind == "image":
        wanted = (count, field.channels, field.size, field.size)
        if column.dtype != np.uint8 or column.shape != wanted:
            raise CheckFailed(
                f"{where}: read() gives {column.dtype} {column.shape}, expected uint8 {wanted}",
                "pictures are rows x channels x height x width",
            )
    elif field.kind == "array":
        if column.dtype != np.dtype(field.dtype) or column.shape != (count, *field.shape):
            raise CheckFailed(
                f"{where}: read() gives {column.dtype} {column.shape}, expected {field.dtype} {(count, *field.shape)}",
                "let rows and the field's shape and dtype agree",
            )
    elif field.kind == "label":
        if column.dtype != np.int64 or column.min() < 0 or column.max() >= len(field.classes):
            raise CheckFailed(
                f"{where}: read() gives {column.dtype} from {column.min()} to {column.max()}",
                f"expected int64 below {len(field.classes)}, the number of its classes",
            )
    elif field.kind == "text" and not all(texts and all(map(str.strip, texts)) for texts in column):
        raise CheckFailed(f"{where}: a row without a caption", "each row is a tuple of one or more captions")


def reading(carded: Carded) -> str:
    """Reading is a function of the indices: twice, alone, and in another order it gives the same rows."""
    try:
        opened = _opened(carded)
    except UserError:
        return "not opened"
    for task, split, data in opened:
        count = min(LOOKED_AT, len(data))
        found, again = data.read(range(count)), data.read(list(reversed(range(count))))
        alone = data.read([count // 2])
        for name, column in found.items():
            rows, backwards = ([_plain(row) for row in values] for values in (column, again[name]))
            if rows != backwards[::-1] or rows[count // 2] != _plain(alone[name][0]):
                raise CheckFailed(
                    f"for {task.name}, split {split}: {name!r} of a row differs from one read() to the next",
                    "let read() be a function of the indices alone; training draws what is random",
                )
    return ""


def _plain(row: Any) -> Any:
    return row.tobytes() if isinstance(row, np.ndarray) else row


def held_out(carded: Carded) -> str:
    """No row of the test split is one of the training split."""
    card = _card(carded)
    if not {"train", "test"} <= set(card.splits):
        return "it holds nothing out"
    try:
        opened = _opened(carded)
    except UserError:
        return "not opened"
    remark = ""
    for task in {task.name: task for task, _, _ in opened}.values():
        train, test = (
            next((data for other, found, data in opened if other.name == task.name and found == split), None)
            for split in ("train", "test")
        )
        if train is None or test is None or train.spec.places:
            continue
        known = {_plain(row) for row in _column(train, task.output)}
        twice = sum(_plain(row) in known for row in _column(test, task.output))
        if twice > 0.01 * len(test):
            raise CheckFailed(
                f"for {task.name}: {twice} of its {len(test)} test rows are training rows too",
                "hold out what training never sees",
            )
        remark = f"{twice} of {len(test)} test rows are training rows too" if twice else remark
    return remark


def _column(data: Data, field: str) -> Iterator[Any]:
    for start in range(0, len(data), LOOKED_AT):
        yield from data.read(range(start, min(start + LOOKED_AT, len(data))))[field]


def sizes(carded: Carded) -> str:
    """Asked for pictures of another size or in other colours, it gives them or says that it cannot."""
    card = _card(carded)
    try:
        task, split, native = _opened(carded)[0]
    except UserError:
        return "not opened"
    if not any(field.kind == "image" for field in native.spec.fields):
        return "it has no pictures"
    for size, channels in ((2 * native.spec.size, None), (native.spec.size, 3), (native.spec.size, 1)):
        try:
            data = _open(card, task, split, size=size, channels=channels)
        except UserError:
            continue
        if (data.spec.size, data.spec.channels) != (size, channels or native.spec.channels):
            raise CheckFailed(
                f"asked for {size} px and {channels or 'its own'} channels it gives {data.spec.size} px and "
                f"{data.spec.channels}",
                "obey `size` and `channels` of the request, or raise UserError",
            )
        field = data.spec.field(task.output)
        _check_column(field, data.read([0])[field.name], 1, f"at {size} px")
    return ""


def unknown_split(carded: Carded) -> str:
    """A split that it has not is a clear line, no other rows."""
    card = _card(carded)
    task = next(task for task in carded.registry.tasks.values() if set(task.batch) <= set(card.fields))
    try:
        _open(card, task, "okapi")
    except UserError:
        return ""
    raise CheckFailed(
        "asked for the split 'okapi' it gives rows", "raise ganzoo.UserError for a split that is not there"
    )
