"""How newborn is made of what is asked for."""

from __future__ import annotations

from ganzoo import UserError
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field

from ganzoo.scaffold.dataset.drawing import COLOURS, ROWS, SIZE, Discs, discs, draw

NAME = "newborn"
VERSION = 1
"""Grows when a row changes: a run refuses to go on with other data."""


def load(request: DataRequest) -> ArrayData:
    """Pictures of discs and what they show in words, 1,000 to train on and 200 held out, drawn in any size.

    Raises:
        UserError: when there is no such split.
    """
    if request.split not in ROWS:
        raise UserError(f"{NAME} has no split {request.split!r}; it has {', '.join(ROWS)}")
    size, channels = request.size or SIZE, request.channels or 3
    shown = discs(request.split)
    columns = {"image": draw(shown, size, channels), "text": captions(shown)}
    spec = DataSpec(
        name=NAME,
        split=request.split,
        count=len(shown),
        fields=(
            Field(name="image", kind="image", channels=channels, size=size),
            Field(name="text", kind="text"),
        ),
        fingerprint=f"{NAME} {VERSION} {request.split} {size} {channels}",
    )
    return ArrayData(spec, columns)


def captions(shown: Discs) -> list[tuple[str, ...]]:
    """For each picture its captions, of which training takes one at random: with and without the place."""
    names = list(COLOURS)
    made: list[tuple[str, ...]] = []
    for colour, centre, radius in zip(shown.colour, shown.centre, shown.radius, strict=True):
        disc = f"a {'small' if radius < 0.2 else 'large'} {names[colour]} disc"
        made.append((disc, f"{disc} on the {'left' if centre[0] < 0.5 else 'right'}"))
    return made
