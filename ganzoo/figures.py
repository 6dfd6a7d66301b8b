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
    """`1,391 pictures`, `1,391 pairs of source and target`, or `939 pictures of a and 1,177 of b`."""
    fields = [field for field in data.fields if field.kind == "image"]
    if any(field.rows for field in fields):
        first, *others = (f"{field.rows or data.count:,}" for field in fields)
        counts = [f"{first} pictures of {fields[0].name}"]
        return listed(counts + [f"{count} of {field.name}" for count, field in zip(others, fields[1:], strict=True)])
    if len(fields) > 1:
        kind = "pairs" if len(fields) == 2 else "groups"
        return f"{data.count:,} {kind} of {listed([field.name for field in fields])}"
    return f"{data.count:,} pictures"


def extent(data: DataSpec) -> str:
    """`64 x 64 x 3`; where the picture fields differ in size, that of each with its name."""
    shapes = {field.name: f"{field.size} x {field.size} x {field.channels}" for field in data.fields if field.size}
    if len(set(shapes.values())) == 1:
        return next(iter(shapes.values()))
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
