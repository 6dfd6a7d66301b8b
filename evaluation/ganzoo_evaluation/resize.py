"""Pictures of any size made square for a feature network, in the ways that published numbers were made with.

Every function takes uint8 (n, C, H, W), C 1 or 3, and gives float32 (n, 3, size, size) in [0, 255], not rounded; grey
is repeated. A picture that has the size already comes out as it is. Elsewhere they differ: at 32 pixels `legacy-tf` and
`legacy-pytorch` lie a sub-pixel shift apart, and neither is antialiased above the target size (Parmar et al., "On
Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.errors import UserError, did_you_mean

Resize = Callable[[Tensor, int], Tensor]

DENSE = 256
"""Longest side in pixels up to which two dense products are faster than picking rows and columns."""


def legacy_tf(pictures: Tensor, size: int) -> Tensor:
    """What `tf.image.resize_bilinear` of TensorFlow 1 does: output pixel i is read at i * in / out, without half-pixel
    shift or antialiasing. This is the resize of the original FID and Inception Score."""
    values = pictures.float()
    for dimension in (3, 2):
        lower, upper, weight = _taps(pictures.shape[dimension], size)
        if max(pictures.shape[2:]) <= DENSE:
            matrix = _matrix(pictures.shape[dimension], size).to(values.device)
            values = values @ matrix.T if dimension == 3 else matrix @ values
            continue
        lower, upper, weight = (taps.to(values.device) for taps in (lower, upper, weight))
        below = values.index_select(dimension, lower)
        weight = weight if dimension == 3 else weight[:, None]
        values = below + (values.index_select(dimension, upper) - below) * weight
    return _rgb(values)


def clean(pictures: Tensor, size: int) -> Tensor:
    """Antialiased bicubic of each channel in float, clipped to [0, 255]: what Pillow does to pictures of mode F, and
    `clean` in Parmar et al."""
    values = interpolate(pictures.float(), (size, size), mode="bicubic", align_corners=False, antialias=True)
    return _rgb(values.clamp_(0, 255))


def antialiased_bilinear(pictures: Tensor, size: int) -> Tensor:
    """Bilinear, antialiased: what networks were trained with whose makers say "bilinear"."""
    return _rgb(interpolate(pictures.float(), (size, size), mode="bilinear", align_corners=False, antialias=True))


def legacy_pytorch(pictures: Tensor, size: int) -> Tensor:
    """Bilinear with half-pixel centres and no antialiasing: what most FID programs in PyTorch feed their network."""
    return _rgb(interpolate(pictures.float(), (size, size), mode="bilinear", align_corners=False))


RESIZERS: dict[str, Resize] = {"legacy-tf": legacy_tf, "clean": clean, "legacy-pytorch": legacy_pytorch}


def choose(asked: str, allowed: Sequence[str], network: str) -> str:
    """The name of the resize for `network`: `asked`, or the first of `allowed` when nothing was asked for.

    Raises:
        UserError: when `asked` is not one of `allowed`.
    """
    if asked and asked not in allowed:
        raise UserError(
            f"{network} has no resize {asked!r}{did_you_mean(asked, allowed)}; it takes {' or '.join(allowed)}"
        )
    return asked or allowed[0]


def _rgb(values: Tensor) -> Tensor:
    return values.expand(-1, 3, -1, -1) if values.shape[1] == 1 else values


@lru_cache(maxsize=32)
def _taps(before: int, after: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `after` outputs the two inputs that it lies between, and how far it is from the first (float32, as in
    TensorFlow: the scale too is rounded to float32 before anything is multiplied with it)."""
    scale = torch.tensor(before, dtype=torch.float32) / after
    place = torch.arange(after, dtype=torch.float32) * scale
    lower = place.long().clamp(max=before - 1)
    return lower, (lower + 1).clamp(max=before - 1), place - lower


@lru_cache(maxsize=32)
def _matrix(before: int, after: int) -> Tensor:
    """The same as a matrix (after, before)."""
    lower, upper, weight = _taps(before, after)
    matrix = torch.zeros(after, before)
    rows = torch.arange(after)
    matrix.index_put_((rows, lower), 1 - weight, accumulate=True)
    return matrix.index_put_((rows, upper), weight, accumulate=True)
