"""The pictures of the data set `rings`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganzoo import UserError
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo_rings import CLASSES

ROWS = {"train": 4000, "test": 400}


def load(request: DataRequest) -> ArrayData:
    """Pictures uint8 (n, C, size, size) and labels int64 (n,), n being 4,000 or, of the split test, 400.

    Raises:
        UserError: for a split that is not there.
    """
    if request.split not in ROWS:
        raise UserError(f"rings has no split {request.split!r}; it has {' and '.join(ROWS)}")
    size, channels = request.size or 32, request.channels or 3
    labels = np.arange(ROWS[request.split]) % len(CLASSES)
    images = np.stack([draw(request.split, row, int(label) + 1, size) for row, label in enumerate(labels)])
    if channels == 1:
        images = images.mean(1, keepdims=True)
    image = Field(name="image", kind="image", channels=channels, size=size)
    fields = (image, Field(name="label", kind="label", classes=CLASSES))
    mark = f"rings-1 {request.split} {channels} x {size}"  # grows a new number when a picture changes
    spec = DataSpec(name="rings", split=request.split, count=len(labels), fields=fields, fingerprint=mark)
    return ArrayData(spec, {"image": np.round(images * 255).astype(np.uint8), "label": labels})


def draw(split: str, row: int, rings: int, size: int) -> NDArray[np.float32]:
    """Picture `row` of a split with so many rings, (3, size, size) in [0, 1]; the same at every size but for detail."""
    rng = np.random.default_rng([sorted(ROWS).index(split), row])
    centre, spacing = rng.uniform(0.4, 0.6, 2), rng.uniform(0.07, 0.09)
    colours = rng.uniform(0.3, 1.0, (rings, 3))
    places = (np.arange(size) + 0.5) / size
    radius = np.hypot(places[:, None] - centre[0], places[None] - centre[1])
    picture = np.zeros((3, size, size))
    for ring, colour in enumerate(colours):
        # Half a ring is a quarter of the spacing; its edge is one pixel soft.
        inside = spacing / 4 - np.abs(radius - (ring + 1) * spacing)
        picture += np.clip(0.5 + inside * size, 0, 1) * colour[:, None, None]
    return np.clip(picture, 0, 1).astype(np.float32)
