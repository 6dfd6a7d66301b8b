"""The embedded sets as `ganzoo.data.Data`, and the one rule by which sets in memory meet a request.

The rule, for pictures that are square arrays already (`fit_pictures`):

- the set's own size is never resampled;
- 28-pixel sets on black (Fashion-MNIST, MNIST, KMNIST) become 32 by two black pixels on each side, the usual
  convention: every pixel is kept;
- emoji become 32 by the mean of 2x2 pixels (`embedded.emoji`);
- every other size is Lanczos, antialiased, the filter of `ganzoo.data.images`;
- grey becomes RGB by repetition, RGB becomes grey by the luma (ITU-R 601) as Pillow computes it.

A subset is one class: `fashion:sneaker` holds the sneakers and has one class.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field, Progress
from ganzoo.errors import NothingThere, UserError, did_you_mean
from ganzoo_data import embedded, slug

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

_LARGEST = 4096
_BLOCK = 4096
"""Pictures at a time where a step needs room for intermediate values."""


def fashion(request: DataRequest) -> ArrayData:
    """The embedded part of Fashion-MNIST: 5,000 + 1,000 grey pictures of 28 x 28, 10 classes."""
    check("fashion", request, fields=("image", "label"), splits=("train", "test"))
    images, labels = embedded.fashion(request.split)
    return array_data(
        "fashion",
        request,
        images,
        labels,
        embedded.FASHION_CLASSES,
        origin=hashes(f"fashion-{request.split}.webp", "fashion.json"),
        on_black=True,
    )


def emoji_line(request: DataRequest) -> ArrayData:
    """1,545 emoji as line drawings on white, 64 x 64, 8 categories, with their names as captions."""
    return _emoji("line", request)


def emoji_flat(request: DataRequest) -> ArrayData:
    """The same emoji, in the same order, in flat colours."""
    return _emoji("flat", request)


def emoji_3d(request: DataRequest) -> ArrayData:
    """The same emoji, in the same order, shaded."""
    return _emoji("3d", request)


def _emoji(style: str, request: DataRequest) -> ArrayData:
    name = f"emoji-{style}"
    check(name, request, fields=("image", "label", "text"), splits=("train", "test", "all"))
    images, labels = embedded.emoji(style, request.split, 32 if request.size == 32 else 64)
    return array_data(
        name,
        request,
        images,
        labels,
        embedded.EMOJI_CATEGORIES,
        texts=[(text,) for text in embedded.emoji_names(request.split)] if "text" in request.fields else None,
        origin=hashes(f"{name}.webp", "emoji.json"),
    )


def hashes(*names: str) -> str:
    """What SOURCES.json says of the files that a set is read from."""
    files = json.loads((embedded.FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]
    return " ".join(files[name]["sha256"] for name in names)


# ------------------------------------------------------------------------------------------------ requests and specs


def check(name: str, request: DataRequest, *, fields: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse a split, a field or a size that the set cannot give.

    Raises:
        UserError: one line per finding.
    """
    findings: list[str] = []
    if request.split not in splits:
        near = did_you_mean(request.split, splits)
        findings.append(f"{name} has no split {request.split!r}{near}; it has {', '.join(splits)}")
    findings += [
        f"{name} has no field {field!r}; it has {', '.join(fields)}" for field in request.fields if field not in fields
    ]
    if request.size and not 1 <= request.size <= _LARGEST:  # 0 is None: it says "no size of its own" on a card
        findings.append(f"{name}: a size of {request.size} pixels cannot be; give one between 1 and {_LARGEST}")
    if request.channels not in (None, 1, 3):
        findings.append(f"{name}: {request.channels} channels cannot be; give 1 (grey) or 3 (RGB)")
    if findings:
        raise UserError(*findings)


def pick_class(name: str, subset: str, classes: Sequence[str]) -> int | None:
    """The index of the class that `subset` names; None without a subset.

    Raises:
        UserError: when there is no such class; near names are in the message.
    """
    if not subset:
        return None
    slugs = [slug(entry) for entry in classes]
    if slug(subset) in slugs:
        return slugs.index(slug(subset))
    if not slugs:
        raise UserError(f"{name} has no subsets here: leave out {':' + subset!r}")
    near = did_you_mean(slug(subset), slugs)
    shown = ", ".join(slugs[:12]) + (f" and {len(slugs) - 12} more" if len(slugs) > 12 else "")
    raise UserError(f"{name} has no subset {subset!r}{near}; it has {shown}")


def array_data(
    name: str,
    request: DataRequest,
    images: Pictures,
    labels: Labels | None,
    classes: Sequence[str],
    *,
    origin: str,
    texts: list[tuple[str, ...]] | None = None,
    on_black: bool = False,
) -> ArrayData:
    """What `request` asks of a set in memory: the subset, the size, the channels, and a spec that says so.

    Args:
        name: the card's name.
        request: what is wanted; `check` has seen it.
        images: uint8 (N, C, H, W), square.
        labels: int64 (N,) into `classes`, or None.
        classes: the names of all classes.
        origin: what the files were; goes into the fingerprint.
        texts: captions, one tuple a picture, or None.
        on_black: 28 pixels become 32 by a black margin.

    Raises:
        UserError: a subset that is not there.
    """
    chosen = pick_class(name, request.subset, classes if labels is not None else ())
    if chosen is not None and labels is not None:
        rows = np.flatnonzero(labels == chosen)
        images, labels, classes = images[rows], np.zeros(len(rows), np.int64), (classes[chosen],)
        texts = [texts[row] for row in rows] if texts is not None else None
    images = fit_pictures(images, request, on_black=on_black, what=name)
    columns: dict[str, Any] = {"image": images}
    if labels is not None:
        columns["label"] = labels
    if texts is not None:
        columns["text"] = texts
    spec = make_spec(name, request, len(images), images.shape[1], images.shape[2], classes, columns, origin=origin)
    return ArrayData(spec, columns)


def make_spec(
    name: str,
    request: DataRequest,
    count: int,
    channels: int,
    size: int,
    classes: Sequence[str],
    present: Sequence[str] | dict[str, Any],
    *,
    origin: str,
) -> DataSpec:
    """The spec of a set that has the fields `present`; the fingerprint hashes `origin` and what was asked of it.

    Raises:
        NothingThere: when nothing is left of the set.
    """
    full = f"{name}:{slug(request.subset)}" if request.subset else name
    if not count:
        raise NothingThere(f"{full} holds no pictures in split {request.split!r}")
    fields = [Field(name="image", kind="image", channels=channels, size=size)]
    if "label" in present:
        fields.append(Field(name="label", kind="label", classes=tuple(classes)))
    if "text" in present:
        fields.append(Field(name="text", kind="text"))
    asked = json.dumps([full, request.split, count, channels, size, request.fit, [f.name for f in fields], origin])
    return DataSpec(
        name=full,
        split=request.split,
        count=count,
        fields=tuple(fields),
        fingerprint=hashlib.sha256(asked.encode()).hexdigest(),
    )


# ---------------------------------------------------------------------------------------------------------- pictures


def fit_pictures(images: Pictures, request: DataRequest, *, on_black: bool = False, what: str = "pictures") -> Pictures:
    """`images` (N, C, H, W) in the size and channels that `request` wants, by the rule at the top of this module."""
    size = request.size or images.shape[2]
    if on_black and images.shape[2:] == (28, 28) and size == 32:
        images = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    images = resize_array(images, size, progress=request.progress, what=what)
    return change_channels(images, request.channels or images.shape[1])


def resize_array(images: Pictures, size: int, *, progress: Progress | None = None, what: str = "pictures") -> Pictures:
    """Resize uint8 (N, C, H, W), C 1 or 3, to (N, C, size, size) with Lanczos (antialiased), picture by picture.

    Deterministic: Pillow computes in fixed-point numbers. Pictures that have the size are returned as they are.
    """
    from PIL import Image

    count, channels, height, width = images.shape
    if (height, width) == (size, size):
        return images
    resized = np.empty((count, channels, size, size), np.uint8)
    for i, picture in enumerate(images):
        pixels = picture[0] if channels == 1 else picture.transpose(1, 2, 0)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        small = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
        resized[i] = small if channels == 1 else small.transpose(2, 0, 1)
        if progress and i % _BLOCK == 0:
            progress(f"resize {what}", i, count)
    if progress:
        progress(f"resize {what}", count, count)
    return resized


def change_channels(images: Pictures, channels: int) -> Pictures:
    """uint8 (N, C, H, W) with 1 or 3 channels: repeated, or the luma 0.299 R + 0.587 G + 0.114 B, rounded."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=1)
    grey = np.empty((len(images), 1, *images.shape[2:]), np.uint8)
    for start in range(0, len(images), _BLOCK):
        red, green, blue = images[start : start + _BLOCK].astype(np.uint32).transpose(1, 0, 2, 3)
        # Pillow's own fixed-point numbers, so that a set in memory and one in files give the same grey.
        grey[start : start + _BLOCK, 0] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return grey
