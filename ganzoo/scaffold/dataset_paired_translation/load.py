"""How newborn is made of what is asked for."""

from __future__ import annotations

from ganzoo import UserError
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field

from ganzoo.scaffold.dataset.drawing import ROWS, SIZE, discs, draw

NAME = "newborn"
VERSION = 1
"""Grows when a row changes: a run refuses to go on with other data."""


def load(request: DataRequest) -> ArrayData:
    """Outlines of discs and the filled ones, 1,000 pairs to train on and 200 held out, drawn in any size.

    Raises:
        UserError: when there is no such split.
    """
    if request.split not in ROWS:
        raise UserError(f"{NAME} has no split {request.split!r}; it has {', '.join(ROWS)}")
    size, channels = request.size or SIZE, request.channels or 3
    shown = discs(request.split)
    sides = [draw(shown, size, channels, outline=True), draw(shown, size, channels)]
    if request.reverse:
        sides.reverse()
    columns = {"source": sides[0], "target": sides[1]}
    spec = DataSpec(
        name=NAME,
        split=request.split,
        count=len(shown),
        fields=(
            Field(name="source", kind="image", channels=channels, size=size),
            Field(name="target", kind="image", channels=channels, size=size),
        ),
        fingerprint=f"{NAME} {VERSION} {request.split} {size} {channels} {request.reverse}",
    )
    return ArrayData(spec, columns)
