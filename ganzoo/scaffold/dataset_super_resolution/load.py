"""How newborn is made of what is asked for."""

from __future__ import annotations

from ganzoo import UserError
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.data.degrade import reduced

from ganzoo.scaffold.dataset.drawing import ROWS, SIZE, discs, draw

NAME = "newborn"
VERSION = 1
"""Grows when a row changes: a run refuses to go on with other data."""


def load(request: DataRequest) -> ArrayData:
    """Pictures of discs, and the same reduced; 1,000 to train on and 200 held out, drawn in any size.

    Raises:
        UserError: when there is no such split, or `scale` does not divide the size.
    """
    if request.split not in ROWS:
        raise UserError(f"{NAME} has no split {request.split!r}; it has {', '.join(ROWS)}")
    size, channels = request.size or SIZE, request.channels or 3
    if size % request.scale:
        raise UserError(f"{NAME}: scale={request.scale} does not divide {size} px; add --set size={SIZE}")
    shown = discs(request.split)
    high = draw(shown, size, channels)
    columns = {"high": high, "low": reduced(high, request.scale)}
    spec = DataSpec(
        name=NAME,
        split=request.split,
        count=len(shown),
        fields=(
            Field(name="high", kind="image", channels=channels, size=size),
            Field(name="low", kind="image", channels=channels, size=size // request.scale),
        ),
        fingerprint=f"{NAME} {VERSION} {request.split} {size} {channels} {request.scale}",
    )
    return ArrayData(spec, columns)
