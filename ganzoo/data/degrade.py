"""The degradation of super-resolution: bicubic, antialiased, computed as MATLAB's `imresize` does it.

Papers on super-resolution (Ledig et al., 2017, section 3.2, and nearly all since) make their small pictures with that
function, and half a decibel hangs on doing it the same way: the cubic kernel has a = -0.5 (Keys, 1981), it is widened
by the factor when a picture is reduced, pictures are continued by mirroring at their borders, and 8-bit pictures are
rounded after each of the two axes, height first. Libraries differ from it in one point or another.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def bicubic(picture: Pixels, height: int, width: int) -> Pixels:
    """A picture uint8 (..., H, W) at another size, (..., height, width) uint8."""
    picture = _resized(picture, height)
    if picture.shape[-1] == width:
        return picture
    return np.ascontiguousarray(_resized(np.ascontiguousarray(picture.swapaxes(-1, -2)), width).swapaxes(-1, -2))


def _resized(picture: Pixels, length: int) -> Pixels:
    """A picture uint8 (..., H, W) with `length` rows.

    One tap of the filter after another, and not one product of matrices: every pixel is then the same sum in the same
    order wherever it lies, so that a part of a picture is reduced to the very bits of that part of the whole.
    """
    if picture.shape[-2] == length:
        return picture
    total = np.full((*picture.shape[:-2], length, picture.shape[-1]), 0.5, np.float32)
    for places, weights in _taps(picture.shape[-2], length):
        total += picture.take(places, axis=-2) * weights
    return np.floor(total, out=total).clip(0, 255, out=total).astype(np.uint8)


def reduced(picture: Pixels, scale: int) -> Pixels:
    """A picture uint8 (C, H, W), H and W multiples of `scale`, reduced by it.

    Raises:
        ValueError: when `scale` does not divide height and width.
    """
    height, width = picture.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"{height} x {width} pixels are not a multiple of {scale}")
    return bicubic(picture, height // scale, width // scale)


@lru_cache(maxsize=64)
def _taps(before: int, after: int) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """What resizes one axis: for each tap of the filter, the row (after,) that each new row takes there, and with which
    weight (after, 1)."""
    stretch = min(after / before, 1.0)  # a picture that is enlarged is interpolated, not smoothed
    centres = ((2 * np.arange(after) + 1) * before - after) / (2 * after)
    taps = int(np.ceil(4 / stretch)) + 2
    places = np.floor(centres - 2 / stretch).astype(np.int64)[:, None] + np.arange(taps)
    values = _cubic(stretch * (centres[:, None] - places))
    values /= values.sum(1, keepdims=True)
    period = places % (2 * before)  # ... c b a | a b c ... x y z | z y x ...
    mirrored = np.where(period < before, period, 2 * before - 1 - period)
    weights = values.astype(np.float32)
    return [(mirrored[:, k].copy(), weights[:, k : k + 1].copy()) for k in range(taps) if values[:, k].any()]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic convolution kernel with a = -0.5 (Keys, 1981)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
