"""The embedded sets for models that take pictures in: emoji from style to style, and large pictures for enlarging.

The three styles of an emoji are drawn on one geometry. As `source` and `target` they are pairs; as `a` and `b` they are
two domains which training mixes at random, while row i of both shows the same emoji: the answer is known for scoring.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.data.images import as_array, load
from ganzoo.data.patches import Patches
from ganzoo_data import embedded, slug
from ganzoo_data.embedded_sets import check, fit_pictures, hashes, pick_class

Pixels = NDArray[np.uint8]
PARTS = ("emoji", "photos")
HELD_OUT = 3
"""Of each photograph the right third is held out."""


def line_flat(request: DataRequest) -> ArrayData:
    """Line drawings and the same emoji in flat colours."""
    return _styles("emoji-line-flat", ("line", "flat"), request)


def flat_3d(request: DataRequest) -> ArrayData:
    """Flat colours and the same emoji shaded."""
    return _styles("emoji-flat-3d", ("flat", "3d"), request)


def _styles(name: str, styles: tuple[str, str], request: DataRequest) -> ArrayData:
    paired = "source" in request.fields or "target" in request.fields
    fields = ("source", "target") if paired else ("a", "b")
    check(name, request, fields=fields, splits=("train", "test", "all"))
    if request.reverse:
        styles = (styles[1], styles[0])
    size = 32 if request.size == 32 else 64
    sides = [embedded.emoji(style, request.split, size) for style in styles]
    chosen = pick_class(name, request.subset, embedded.EMOJI_CATEGORIES)
    columns = {}
    for field, (images, labels) in zip(fields, sides, strict=True):
        rows = slice(None) if chosen is None else np.flatnonzero(labels == chosen)
        columns[field] = fit_pictures(images[rows], request, what=name)
    count, channels, side = columns[fields[0]].shape[:3]
    full = f"{name}:{slug(request.subset)}" if request.subset else name
    origin = hashes(*(f"emoji-{style}.webp" for style in styles), "emoji.json")
    asked = json.dumps([full, request.split, count, channels, side, fields, origin])
    spec = DataSpec(
        name=full,
        split=request.split,
        count=count,
        fields=tuple(
            Field(name=field, kind="image", channels=channels, size=side, rows=0 if paired else count)
            for field in fields
        ),
        fingerprint=hashlib.sha256(asked.encode()).hexdigest(),
        aligned=not paired,
    )
    return ArrayData(spec, columns)


@dataclass(frozen=True)
class Encoded:
    """A picture as it was encoded, from column `left` on."""

    name: str
    content: bytes
    height: int
    width: int
    left: int = 0

    def pixels(self, channels: int) -> Pixels:
        whole = as_array(load(self.content, name=self.name), channels)
        return np.ascontiguousarray(whole[:, :, self.left : self.left + self.width])


def emoji_photos(request: DataRequest) -> Patches:
    """640 shaded emoji of 256 x 256 and five photographs, as patches with their reductions; patches of a single colour
    are left out."""
    name = "emoji-photos"
    check(name, request, fields=("low", "high"), splits=("train", "test"))
    chosen = pick_class(name, request.subset, PARTS)
    pictures: list[Encoded] = []
    if chosen != PARTS.index("photos"):
        pictures += [Encoded(slug, content, 256, 256) for slug, content in embedded.emoji_originals(request.split)]
    if chosen != PARTS.index("emoji"):
        pictures += [_side(slug, content, request.split) for slug, content in embedded.photos()]
    full = f"{name}:{slug(request.subset)}" if request.subset else name
    channels = request.channels or 3
    asked = [full, request.split, request.size, request.scale, channels, hashes("emoji-3d-256.zip", "photos.zip")]
    fingerprint = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    return Patches(full, pictures, request, channels=channels, fingerprint=fingerprint).without_blank()


def _side(name: str, content: bytes, split: str) -> Encoded:
    """A photograph's part in a split: the right third is held out."""
    image = load(content, name=name)
    border = image.width - image.width // HELD_OUT
    left, right = (0, border) if split == "train" else (border, image.width)
    return Encoded(name, content, image.height, right - left, left)
