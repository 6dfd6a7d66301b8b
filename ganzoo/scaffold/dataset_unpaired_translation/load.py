"""How newborn is made of what is asked for."""

from __future__ import annotations

from ganzoo import UserError
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field

from ganzoo.scaffold.dataset.drawing import ROWS, SIZE, discs, draw

NAME = "newborn"
VERSION = 1
"""Grows when a row changes: a run refuses to go on with other data."""


def load(request: DataRequest) -> ArrayData:
    """Discs, and squares of the same colours and places; 1,000 each to train on and 200 held out, drawn in any size.

    Training mixes the domains at random; that row i of both shows the same thing is the known answer for scoring.

    Raises:
        UserError: when there is no such split.
    """
    if request.split not in ROWS:
        raise UserError(f"{NAME} has no split {request.split!r}; it has {', '.join(ROWS)}")
    size, channels = request.size or SIZE, request.channels or 3
    shown = discs(request.split)
    columns = {"a": draw(shown, size, channels), "b": draw(shown, size, channels, square=True)}
    spec = DataSpec(
        name=NAME,
        split=request.split,
        count=len(shown),
        fields=(
            Field(name="a", kind="image", channels=channels, size=size, rows=len(shown)),
            Field(name="b", kind="image", channels=channels, size=size, rows=len(shown)),
        ),
        fingerprint=f"{NAME} {VERSION} {request.split} {size} {channels}",
        aligned=True,
    )
    return ArrayData(spec, columns)
