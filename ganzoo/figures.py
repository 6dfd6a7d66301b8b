"""Numbers as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganzoo.data.base import DataSpec


def with_error(value: float, error: float | None) -> str:
    """The value to the digit that its error allows (two digits of the error), or to four digits where there is no error
    to speak of."""
    if not math.isfinite(value):
        return str(value)
    if error is None or not 1e-5 * abs(value) < error < math.inf:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    digits = max(0, min(6, 1 - math.floor(math.log10(error))))
    if round(error, digits) == 0:
        return f"{value:.4g}"
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def amount(data: DataSpec) -> str:
    """`1,391 pictures`, `1,391 pairs of source and target`, or `939 pictures of a and 1,177 of b`; of a set without
    pictures, `1,391 rows`."""
    fields = [field for field in data.fields if field.kind == "image"]
    if not fields:
        return f"{data.count:,} rows"
    if any(field.rows for field in fields):
        first, *others = (f"{field.rows or data.count:,}" for field in fields)
        counts = [f"{first} pictures of {fields[0].name}"]
        return listed(counts + [f"{count} of {field.name}" for count, field in zip(others, fields[1:], strict=True)])
    if len(fields) > 1:
        kind = "pairs" if len(fields) == 2 else "groups"
        return f"{data.count:,} {kind} of {listed([field.name for field in fields])}"
    return f"{data.count:,} pictures"


def extent(data: DataSpec) -> str:
    """`64 x 64 x 3`; where the picture fields differ in size, that of each with its name. Arrays follow by name:
    `notes 32 x 4 numbers`; of a set without pictures that has one of them, `32 x 4 numbers each`."""
    pictures = _pictures(data)
    arrays = {field.name: numbers(field.shape) for field in data.fields if field.kind == "array"}
    if not pictures and len(arrays) == 1:
        return f"{next(iter(arrays.values()))} each"
    return ", ".join(filter(None, (pictures, *(f"{name} {text}" for name, text in arrays.items()))))


def described(data: DataSpec) -> str:
    """`1,391 pictures, 64 x 64 x 3`, or `500 rows, 2 numbers each`."""
    return ", ".join(filter(None, (amount(data), extent(data))))


def numbers(shape: Sequence[int]) -> str:
    """How much a row of that shape holds: `1 number`, `2 numbers`, `32 x 4 numbers`."""
    return f"{' x '.join(map(str, shape)) or 1} number{'' if math.prod(shape) == 1 else 's'}"


def _pictures(data: DataSpec) -> str:
    """The sizes of the picture fields; empty where there is none."""
    shapes = {field.name: f"{field.size} x {field.size} x {field.channels}" for field in data.fields if field.size}
    if len(set(shapes.values())) == 1:
        return next(iter(shapes.values()))
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
