"""The set `shapes`: pictures and captions of scenes whose true attributes are known, drawn when they are asked for.

- `shapes_scenes`: what can be in a picture, which row shows what, and what is held out of training;
- `shapes_captions` and `shapes_parsing`: the phrasings, and what they state;
- `shapes_drawing`: the pictures.

What others need of these can be imported from here.

Parts: `shapes:one`, `shapes:two` and `shapes:three` are the scenes with so many things. `shapes:held-out` are those
with a combination that training never shows, `shapes:seen` the others: half of the split `test` each. Of the split
`train`, `seen` is everything, and `held-out` has nothing there: it cannot be trained on by mistake.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ganzoo.data.base import ArrayData, DataRequest
from ganzoo.errors import NothingThere
from ganzoo_data.embedded_sets import change_channels, check, make_spec, pick_class
from ganzoo_data.shapes_captions import PHRASINGS, Phrasing, captions
from ganzoo_data.shapes_drawing import draw, wobbles
from ganzoo_data.shapes_parsing import VOCABULARY, Agreement, Stated, StatedThing, parse, unknown_words
from ganzoo_data.shapes_scenes import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT,
    INVERSE,
    NEVER_ABOVE,
    PLACES,
    RELATIONS,
    ROWS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    held_out,
    random_scene,
    related,
    scene_at,
)

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "HELD_OUT",
    "INVERSE",
    "NEVER_ABOVE",
    "PARTS",
    "PHRASINGS",
    "PLACES",
    "RELATIONS",
    "ROWS",
    "SHAPES",
    "SIZES",
    "VOCABULARY",
    "Agreement",
    "Phrasing",
    "Scene",
    "Stated",
    "StatedThing",
    "Thing",
    "captions",
    "draw",
    "held_out",
    "parse",
    "random_scene",
    "related",
    "scene_at",
    "scenes",
    "shapes",
    "unknown_words",
    "wobbles",
]

NAME = "shapes"
SIZE = 32
"""The side in pixels when nobody asks for another; every size is drawn, none is resampled."""
VERSION = 1
"""Grows when a row's picture or captions change: a run refuses to go on with other data."""
PARTS: Mapping[str, Callable[[Scene], bool]] = {
    "one": lambda scene: len(scene.things) == 1,
    "two": lambda scene: len(scene.things) == 2,
    "three": lambda scene: len(scene.things) == 3,
    "held-out": held_out,
    "seen": lambda scene: not held_out(scene),
}


def scenes(split: str) -> list[Scene]:
    """What the rows of a split show, in their order.

    Raises:
        ValueError: when there is no such split.
    """
    if split not in ROWS:
        raise ValueError(f"split {split!r}: expected {' or '.join(ROWS)}")
    return [scene_at(split, row) for row in range(ROWS[split])]


def shapes(request: DataRequest) -> ArrayData:
    """Coloured things on a flat background with captions in several phrasings: 20,000 + 2,000, drawn in any size.

    Raises:
        UserError: when a split, field or part is asked for that is not there; `NothingThere` for the part held-out of
            the split train.
    """
    check(NAME, request, fields=("image", "text"), splits=tuple(ROWS))
    chosen = pick_class(NAME, request.subset, tuple(PARTS))
    part = tuple(PARTS)[chosen] if chosen is not None else ""
    if (part, request.split) == ("held-out", "train"):
        raise NothingThere(
            f"{NAME}:held-out has nothing to train on: it is what the split train never shows; train on {NAME}, and "
            "what is held out is half of its split test"
        )
    everything = scenes(request.split)
    rows = [row for row, scene in enumerate(everything) if not part or PARTS[part](scene)]
    shown = [everything[row] for row in rows]
    wobble = wobbles(zlib.crc32(f"{NAME} {request.split}".encode()), len(everything))[rows]
    images = draw(shown, request.size or SIZE, wobble, request.progress)
    columns: dict[str, Any] = {"image": np.ascontiguousarray(change_channels(images, request.channels or 3))}
    if "text" in (*request.fields, *request.optional):
        columns["text"] = [captions(scene) for scene in shown]
    _, channels, size, _ = columns["image"].shape
    spec = make_spec(NAME, request, len(shown), channels, size, (), columns, origin=f"{NAME} {VERSION}")
    return ArrayData(spec, columns)
