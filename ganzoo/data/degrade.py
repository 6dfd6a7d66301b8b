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
    for axis, length in ((-2, height), (-1, width)):
        if picture.shape[axis] != length:
            weights = _weights(picture.shape[axis], length)
            mixed = np.moveaxis(np.tensordot(weights, picture.astype(np.float32), ([1], [axis])), 0, axis)
            picture = np.floor(mixed + 0.5).clip(0, 255).astype(np.uint8)
    return picture


def reduced(picture: Pixels, scale: int) -> Pixels:
    """A picture uint8 (C, H, W), H and W multiples of `scale`, reduced by it.

    Raises:
        ValueError: when `scale` does not divide height and width.
    """
    height, width = picture.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"{height} x {width} pixels are not a multiple of {scale}")
    return bicubic(picture, height // scale, width // scale)


@lru_cache(maxsize=16)
def _weights(before: int, after: int) -> NDArray[np.float32]:
    """The matrix (after, before) that resizes one axis."""
    factor = after / before
    stretch = min(factor, 1.0)  # a picture that is enlarged is interpolated, not smoothed
    centres = (np.arange(after) + 0.5) / factor - 0.5
    taps = int(np.ceil(4 / stretch)) + 2
    places = np.floor(centres - 2 / stretch).astype(int)[:, None] + np.arange(taps)
    values = _cubic(stretch * (centres[:, None] - places))
    values /= values.sum(1, keepdims=True)
    period = places % (2 * before)  # ... c b a | a b c ... x y z | z y x ...
    mirrored = np.where(period < before, period, 2 * before - 1 - period)
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after)[:, None], mirrored), values)
    return matrix.astype(np.float32)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic convolution kernel with a = -0.5 (Keys, 1981)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
