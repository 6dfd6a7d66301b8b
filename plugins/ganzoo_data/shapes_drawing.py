"""The pictures of the set `shapes`: anti-aliased things on a flat background, drawn by numpy.

A pixel's coverage is taken from its signed distance d to the outline in pixels, as clip(1/2 - d, 0, 1): exact along
straight edges that are parallel to an axis, and within a few hundredths elsewhere but at corners (at most 0.3).

All lengths here are in thirty-seconds of the picture's side: they are pixels at 32 x 32, and a picture of another size
shows the same. A place is a third of the side. A thing by itself may be larger than that, and is moved inwards so that
it stays whole; of several things each stays within its place, and none touches another. Whatever is small is smaller
than whatever is large, however many things there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import Progress
from ganzoo_data.shapes_scenes import BACKGROUNDS, COLOURS, SHAPES, Scene

Floats = NDArray[np.float32]

SIDE = 32
"""The side of a picture in the unit of the lengths below."""
CELL = SIDE / 3
RADII: Mapping[tuple[bool, str], float] = {
    (True, "small"): 4.5,
    (True, "large"): 7.0,
    (False, "small"): 3.9,
    (False, "large"): 5.0,
}
"""Half the extent of a thing: whether it is alone, and its size."""
STRETCH = 0.04
"""By what part of itself a radius may differ."""
SHIFT = 1.0
"""How far a centre may be from that of its place, where there is room."""
MARGIN = 0.5
"""What is left free between a thing and the edge of the picture."""
_BLOCK = 1024
"""Pictures at a time: their intermediate values stay in the processor's caches."""


def _regular(corners: int, radius: float, inner: float = 0.0) -> NDArray[np.float64]:
    """A regular polygon with a corner at the top, or a star whose inner corners lie at the radius `inner`: (n, 2) as x
    and y, y downwards, its bounding box centred on 0."""
    count = 2 * corners if inner else corners
    radii = np.where(np.arange(count) % 2 == 1, inner, radius) if inner else np.full(count, radius)
    angles = 2 * np.pi * np.arange(count) / count
    points = np.stack([radii * np.sin(angles), -radii * np.cos(angles)], axis=1)
    middle: NDArray[np.float64] = (points.max(axis=0) + points.min(axis=0)) / 2
    return points - middle


def _plus(length: float, width: float) -> NDArray[np.float64]:
    """An upright cross of four arms, `length` from the centre to an arm's end and `width` to its side."""
    arm = [(width, -length), (width, -width), (length, -width)]
    quarters = [[(x, y), (-y, x), (-x, -y), (y, -x)] for x, y in arm]
    return np.array([corner[turn] for turn in range(4) for corner in quarters])


OUTLINES: Mapping[str, NDArray[np.float64]] = {
    "square": np.array([(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)]),
    "triangle": _regular(3, 2 / math.sqrt(3)),
    "star": _regular(5, 1 / math.cos(math.pi / 10), 0.48),
    "cross": _plus(1.0, 0.3),
}
"""Corners of the shapes but the circle, for a radius of 1: no coordinate is larger than that."""
CIRCLE = 0.95
"""The circle's radius for a radius of 1."""


def wobbles(split_seed: int, count: int) -> Floats:
    """How each thing of `count` pictures differs from its ideal: (count, 3, 3) in [-1, 1] as shift to the right, shift
    downwards and stretch; the first rows are the same whatever the count."""
    rng = np.random.Generator(np.random.PCG64(split_seed))
    return (2 * rng.random((count, 3, 3)) - 1).astype(np.float32)


def draw(
    scenes: Sequence[Scene], size: int, wobble: Floats | None = None, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Pictures of `scenes`, uint8 (N, 3, size, size) RGB.

    Args:
        scenes: what they show.
        size: height and width in pixels.
        wobble: (N, 3, 3) as `wobbles` gives them; without, every thing is exactly where and as large as it should be.
        progress: is told how many are drawn.
    """
    pictures = np.empty((len(scenes), 3, size, size), np.uint8)
    for start in range(0, len(scenes), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(scenes)))
        pictures[part] = _draw_block(scenes[part], size, None if wobble is None else wobble[part])
        if progress:
            progress("drawing shapes", part.stop, len(scenes))
    return pictures


def _draw_block(scenes: Sequence[Scene], size: int, wobble: Floats | None) -> NDArray[np.uint8]:
    grounds = np.array([BACKGROUNDS[scene.background] for scene in scenes], np.float32)
    canvas = np.empty((len(scenes), 3, size, size), np.float32)
    canvas[:] = grounds[:, :, None, None]
    groups: dict[tuple[int, bool, str, str], list[int]] = {}
    for picture, scene in enumerate(scenes):
        for number, thing in enumerate(scene.things):
            groups.setdefault((number, len(scene.things) == 1, thing.shape, thing.size), []).append(picture)
    for (number, alone, shape, extent), found in sorted(groups.items()):  # what is drawn last lies on top
        which = np.array(found)
        things = [scenes[picture].things[number] for picture in found]
        places = np.array([(thing.column, thing.row) for thing in things], np.float32)
        colours = np.array([COLOURS[thing.colour] for thing in things], np.float32)
        differ = np.zeros((len(found), 3), np.float32) if wobble is None else wobble[which, number]
        centres, radii = _layout(places, alone, RADII[alone, extent], differ)
        _paint(canvas, which, shape, centres * (size / SIDE), radii * (size / SIDE), colours)
    return np.rint(canvas).astype(np.uint8)


def _layout(places: Floats, alone: bool, radius: float, differ: Floats) -> tuple[Floats, Floats]:
    """Centres (n, 2) as x and y and radii (n,) of things of one size, in the unit of `SIDE`."""
    largest = radius * (1 + STRETCH)
    room = SHIFT if alone else min(SHIFT, CELL / 2 - largest)
    inner = largest + MARGIN + room if alone else 0.0
    centres = np.clip((places + 0.5) * CELL, inner, SIDE - inner)
    return centres + differ[:, :2] * room, radius * (1 + STRETCH * differ[:, 2])


def _paint(
    canvas: Floats, which: NDArray[np.int64], shape: str, centres: Floats, radii: Floats, colours: Floats
) -> None:
    """Lay one thing over each of the pictures `which`; lengths are in pixels."""
    size = canvas.shape[2]
    window = min(size, 2 * math.ceil(float(radii.max()) + 1) + 1)
    corners = np.clip(np.floor(centres - window / 2 + 0.5), 0, size - window).astype(np.int64)
    columns, rows = (corners[:, axis, None] + np.arange(window) for axis in (0, 1))
    x = (columns + 0.5 - centres[:, :1]).astype(np.float32)[:, None, :]
    y = (rows + 0.5 - centres[:, 1:]).astype(np.float32)[:, :, None]
    coverage = np.clip(0.5 - distances(shape, x, y, radii), 0, 1)[:, None]
    index = (which[:, None, None, None], np.arange(3)[:, None, None], rows[:, None, :, None], columns[:, None, None])
    under = canvas[index]
    canvas[index] = under + coverage * (colours[:, :, None, None] - under)


def distances(shape: str, x: Floats, y: Floats, radii: Floats) -> Floats:
    """Signed distances to the outline of a shape around 0, negative inside.

    Args:
        shape: one of `SHAPES`.
        x: (n, 1, w), to the right.
        y: (n, h, 1), downwards.
        radii: (n,), of each shape.

    Returns:
        float32 (n, h, w).
    """
    if shape not in SHAPES:
        raise ValueError(f"shape {shape!r}: expected {', '.join(SHAPES)}")
    scale = radii[:, None, None]
    if shape == "circle":
        from_centre: Floats = np.sqrt(x * x + y * y)
        return from_centre - CIRCLE * scale
    outline = OUTLINES[shape].astype(np.float32)
    nearest = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf, np.float32)
    inside = np.zeros(nearest.shape, np.bool_)
    for (ax, ay), (bx, by) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        ux, uy, along = (bx - ax) * scale, (by - ay) * scale, np.float32((bx - ax) ** 2 + (by - ay) ** 2)
        px, py = x - ax * scale, y - ay * scale
        part = np.clip((px * ux + py * uy) / (along * scale * scale), 0, 1)
        dx, dy = px - part * ux, py - part * uy
        np.minimum(nearest, dx * dx + dy * dy, out=nearest)
        if ay != by:  # a ray to the right crosses an edge from one side of it to the other: even-odd rule
            crosses = (py < 0) != (y - by * scale < 0)
            inside ^= crosses & (px < py * ((bx - ax) / (by - ay)))
    distance: Floats = np.sqrt(nearest)
    np.negative(distance, out=distance, where=inside)
    return distance
