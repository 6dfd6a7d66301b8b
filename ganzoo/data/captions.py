"""Captions of a set of pictures: one for each row, where a row may have several. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ganzoo.data.base import Columns, Data, DataSpec, Field

GOLDEN = 0.6180339887498949
"""Multiples of the golden ratio are spread evenly over [0, 1), whichever rows are taken of a set."""
EXAMPLES = 64
"""Captions that a run remembers of its data."""


def text_field(spec: DataSpec) -> Field | None:
    """The field with the captions; None where there is none."""
    return next((field for field in spec.fields if field.kind == "text"), None)


def spread(there: int, count: int) -> list[int]:
    """`count` of `there` rows, evenly spread; all of them where there are no more."""
    count = min(there, count)
    return [index * there // count for index in range(count)]


def one_of(row: int, texts: Sequence[str]) -> str:
    """The caption that stands for a row: one of its `texts`, always the same; over many rows, all as often."""
    return texts[int(row * GOLDEN % 1 * len(texts))]


def captions_of(data: Data, rows: Sequence[int]) -> list[str]:
    """A caption for each of these rows.

    Raises:
        KeyError: when the set has none.
    """
    field = text_field(data.spec)
    if field is None:
        raise KeyError(f"{data.spec.name} has no captions")
    column = data.column(field.name, rows) if isinstance(data, Columns) else data.read(rows)[field.name]
    return [one_of(row, texts) for row, texts in zip(rows, column, strict=True)]


def remembering(spec: DataSpec, data: Data) -> DataSpec:
    """`spec` with some captions of `data`, if it has any: all that a model needs to show what it can."""
    field = text_field(spec)
    if field is None or text_field(data.spec) is None:
        return spec
    examples = tuple(dict.fromkeys(captions_of(data, spread(len(data), EXAMPLES))))
    fields = tuple(replace(each, examples=examples) if each.name == field.name else each for each in spec.fields)
    return replace(spec, fields=fields)
