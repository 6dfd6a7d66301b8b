"""Changes of whole batches of pictures: where their pixels are, their colours and their frequencies.

What discriminator augmentation is made of (Karras et al., 2020, arXiv:2006.06676, appendix B), each picture with
parameters of its own. Nothing is read back from an accelerator, and everything differentiates twice, as a gradient
penalty needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, grid_sample

SYM6 = (
    -0.007800708325034148, 0.0017677118642428036, 0.04472490177066578, -0.021060292512300564, -0.07263752278646252,
    0.3379294217276218, 0.787641141030194, 0.4910559419267466, -0.048311742585633, -0.11799011114819057,
    0.0034907120842174702, 0.015404109327027373,
)  # fmt: skip
"""Low-pass filter of the orthogonal symlet with six vanishing moments (Daubechies, 1992, table 8.3)."""
SYM2 = tuple((a + b * math.sqrt(3)) / (4 * math.sqrt(2)) for a, b in ((1.0, 1.0), (3.0, 1.0), (3.0, -1.0), (1.0, -1.0)))
"""The same with two."""

_DELAY = sum(n * tap for n, tap in enumerate(SYM6)) / sum(SYM6)  # where its middle is, in taps: 5.9
_PAD = 6  # pixels by which a line is mirrored before it is enlarged
_SHARP = 3  # pixels beyond the border that are then enlarged without fault


# --- matrices ---------------------------------------------------------------------------------------------------------


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Points times (x, y), each (N,): matrices (N, 3, 3). Points are columns (x, y, 1) in pixels from the picture's
    centre, x to the right and y down."""
    return _matrix([[x, 0, 0], [0, y, 0], [0, 0, 1]], x)


def rotation(angle: Tensor) -> Tensor:
    """Points turned clockwise, as seen, by angles (N,): matrices (N, 3, 3)."""
    cosine, sine = angle.cos(), angle.sin()
    return _matrix([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], angle)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Points plus (x, y) pixels, each (N,): matrices (N, 3, 3)."""
    return _matrix([[1, 0, x], [0, 1, y], [0, 0, 1]], x)


def brightening(by: Tensor) -> Tensor:
    """Colours plus (N,): matrices (N, 4, 4). Colours are columns (red, green, blue, 1)."""
    return _matrix([[1, 0, 0, by], [0, 1, 0, by], [0, 0, 1, by], [0, 0, 0, 1]], by)


def contrasting(factor: Tensor) -> Tensor:
    """Colours times (N,): matrices (N, 4, 4)."""
    return _matrix([[factor, 0, 0, 0], [0, factor, 0, 0], [0, 0, factor, 0], [0, 0, 0, 1]], factor)


def luma_flip(flipped: Tensor) -> Tensor:
    """Light becomes dark at the same hue, where (N,) is 1 and not 0: matrices (N, 4, 4)."""
    return _about_luma(1 - 2 * flipped, torch.ones_like(flipped), torch.zeros_like(flipped))


def hue_rotation(angle: Tensor) -> Tensor:
    """Colours turned about the axis of greys by angles (N,): matrices (N, 4, 4)."""
    return _about_luma(torch.ones_like(angle), angle.cos(), angle.sin())


def saturating(factor: Tensor) -> Tensor:
    """Distances from the axis of greys times (N,): matrices (N, 4, 4)."""
    return _about_luma(torch.ones_like(factor), factor, torch.zeros_like(factor))


def _about_luma(along: Tensor, across: Tensor, turn: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that act along the axis of greys v by one factor, and in the plane across it by another and by
    a quarter turn times a third: along vv' + across (1 - vv') + turn [v]x (Rodrigues)."""
    mean = (along - across) / 3
    same, more, less = across + mean, mean + turn / math.sqrt(3), mean - turn / math.sqrt(3)
    return _matrix([[same, less, more, 0], [more, same, less, 0], [less, more, same, 0], [0, 0, 0, 1]], along)


def _matrix(rows: Sequence[Sequence[Tensor | float]], like: Tensor) -> Tensor:
    """Matrices (N, k, k) of entries that are numbers or (N,)."""
    made = like.new_zeros(len(like), len(rows), len(rows))
    for i, row in enumerate(rows):
        for j, entry in enumerate(row):
            if isinstance(entry, Tensor) or entry:
                made[:, i, j] = entry
    return made


# --- what is done -----------------------------------------------------------------------------------------------------


def blit(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Pictures (N, C, H, W) moved by matrices (N, 3, 3) that take pixels onto pixels: their values stay the same to the
    bit. What comes in from outside is mirrored at the middle of the outermost pixels."""
    count, _, height, width = pictures.shape
    across, down = (torch.arange(size, device=matrix.device, dtype=matrix.dtype) for size in (width, height))
    x, y = _sources(matrix, across - (width - 1) / 2, down - (height - 1) / 2)
    columns, rows = (
        _mirror((place + (size - 1) / 2).round().long(), size) for place, size in ((x, width), (y, height))
    )
    which = torch.arange(count, device=pictures.device).view(-1, 1, 1)
    return pictures.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2)


def warp(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Pictures (N, C, H, W) moved by any invertible affine matrices (N, 3, 3), resampled once and without aliasing.

    They are mirrored at their borders and enlarged by 2 with an orthogonal wavelet's low-pass filter, sampled
    bilinearly, and reduced by 2 with the same filter reversed in time (appendix B.2). The identity comes out exact but
    for rounding. The wavelet delays a signal by 5.9 of 11 fine pixels; places are counted from there, without which a
    mirrored picture would be moved by nearly half a pixel.

    Enlarging is a product with one matrix for each axis, which mirrors too: up to some 400 pixels that is faster than
    convolving, on a CPU several times, and of any size on an accelerator.
    """
    _, _, height, width = pictures.shape
    tall, wide = (_enlarging(size, pictures.dtype, pictures.device) for size in (height, width))
    fine = tall @ (pictures @ wide.T)
    across, down = (
        (torch.arange(2 * size + len(SYM6) - 2, device=matrix.device, dtype=matrix.dtype) - _DELAY) / 2 - (size - 1) / 2
        for size in (width, height)
    )
    places = [
        _fine_place(place + (size - 1) / 2, size)
        for place, size in zip(_sources(matrix, across, down), (width, height), strict=True)
    ]
    sampled: Tensor = _Sample.apply(fine, torch.stack(places, -1))
    short, narrow = (_reducing(size, pictures.dtype, pictures.device) for size in (height, width))
    return short @ (sampled @ narrow.T)


def recolor(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Pictures (N, C, H, W), C of 1 or 3, with their colours changed by matrices (N, 4, 4). Grey pictures need matrices
    that keep grey grey."""
    if pictures.shape[1] == 1:
        return pictures * matrix[:, 0, :3].sum(1).view(-1, 1, 1, 1) + matrix[:, 0, 3].view(-1, 1, 1, 1)
    changed = torch.baddbmm(matrix[:, :3, 3:], matrix[:, :3, :3], pictures.flatten(2))
    return changed.view(pictures.shape)


def amplify(pictures: Tensor, gains: Tensor) -> Tensor:
    """Pictures (N, C, H, W) with their bands of frequencies, [0, 1/8], [1/8, 1/4], [1/4, 1/2] and [1/2, 1] of the
    highest, times gains (N, 4), in both directions; mirrored at the borders."""
    count, channels, height, width = pictures.shape
    bands = _bands(pictures.dtype, pictures.device)
    reach = bands.shape[1] // 2
    taps = (gains @ bands).repeat_interleave(channels, 0)
    rows, columns = (
        _mirror(torch.arange(-reach, size + reach, device=pictures.device), size) for size in (height, width)
    )
    x = pictures[:, :, rows][:, :, :, columns].reshape(1, count * channels, len(rows), len(columns))
    x = conv2d(x, taps[:, None, None, :], groups=count * channels)
    return conv2d(x, taps[:, None, :, None], groups=count * channels).view(pictures.shape)


# --- how it is done ---------------------------------------------------------------------------------------------------


def _sources(matrix: Tensor, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """Where the pixel of each row (H,) and column (W,) comes from: x and y, each (N, H, W), all from the centre."""
    inverse = torch.linalg.inv_ex(matrix).inverse
    xx, xy, x0 = (inverse[:, 0, i].view(-1, 1, 1) for i in range(3))
    yx, yy, y0 = (inverse[:, 1, i].view(-1, 1, 1) for i in range(3))
    down = down[:, None]
    return xx * across + (xy * down + x0), yx * across + (yy * down + y0)


def _mirror(place: Tensor, size: int) -> Tensor:
    """Places (any, whole or not) on a line of pixels that is mirrored at both ends, as places within it."""
    span = size - 1
    return span - (place.remainder(2 * span) - span).abs() if span else torch.zeros_like(place)


def _fine_place(place: Tensor, size: int) -> Tensor:
    """Places in pixels as places on the enlarged line, from -1 at its first pixel to 1 at its last.

    The line goes on for some pixels beyond the picture, mirrored before it was enlarged, which is more exact than to
    mirror the places, as the filter is not quite symmetric.
    """
    outside = (place < -_SHARP) | (place > size - 1 + _SHARP)
    place = torch.where(outside, _mirror(place, size), place)
    fine = (place + _PAD) * 2 + (_DELAY - len(SYM6) + 1)
    return fine * (2 / (2 * size + 2 * _PAD)) - 1


class _Sample(torch.autograd.Function):
    """Bilinear sampling of pictures (N, C, H, W) at places (N, h, w, 2) in [-1, 1], where the places are constant.

    It is linear in the pictures, and so is its gradient: each of the two is the other's derivative. Written out,
    because not every supported release of PyTorch differentiates sampling twice, nor on every device.
    """

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.shape = pictures.shape
        return grid_sample(pictures, places, mode="bilinear", padding_mode="border", align_corners=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return _Spread.apply(gradient, places, ctx.shape), None


class _Spread(torch.autograd.Function):
    """The transpose of sampling: values (N, C, h, w) added to the pixels of pictures of `shape` about their places."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, places: Tensor, shape: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(places)
        unused = values.new_zeros(()).expand(shape)  # the pictures, which only the gradient of the places would need
        bilinear, border, align_corners = 0, 1, True
        backward = torch.ops.aten.grid_sampler_2d_backward
        made: Tensor = backward(values, unused, places, bilinear, border, align_corners, (True, False))[0]
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return _Sample.apply(gradient, places), None, None


def _constant(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`make(...)` in float64 on the CPU as a function of its arguments, a type and a device, made once for each."""

    @lru_cache(maxsize=32)
    def cached(*arguments: Any) -> Tensor:
        *given, dtype, device = arguments
        with torch.inference_mode(False):  # what is made while sampling must serve in training too
            return make(*given).to(device=device, dtype=dtype)

    return cached


@_constant
def _enlarging(size: int) -> Tensor:
    """What mirrors a line of pixels by `_PAD` at both ends and enlarges it by 2, without the ends that the filter does
    not cover whole: (2 size + 2 _PAD + 1, size)."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    pixel = torch.arange(size + 2 * _PAD)
    lag = torch.arange(2 * size + 2 * _PAD + 1)[:, None] + (len(taps) - 1) - 2 * pixel
    padded = torch.where((lag >= 0) & (lag < len(taps)), taps[lag.clamp(0, len(taps) - 1)], 0.0)
    whole = torch.zeros(len(padded), size, dtype=torch.float64)
    return whole.index_add(1, _mirror(pixel - _PAD, size), padded)


@_constant
def _reducing(size: int) -> Tensor:
    """What reduces an enlarged line by 2, the enlargement's transpose: (size, 2 size + 10)."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    lag = torch.arange(2 * size + len(taps) - 2) - 2 * torch.arange(size)[:, None]
    return torch.where((lag >= 0) & (lag < len(taps)), taps[lag.clamp(0, len(taps) - 1)], 0.0)


@_constant
def _bands() -> Tensor:
    """Symmetric filters that each let one band of frequencies through and together everything, (4, 43), the lowest
    band first; from a wavelet's half-band filters at four scales."""
    wavelet = torch.tensor(SYM2, dtype=torch.float64)
    low = _convolve(wavelet, wavelet.flip(0)) / 2
    high = -low
    high[len(low) // 2] += 1
    bands, passed = [], torch.ones(1, dtype=torch.float64)
    for scale in (1, 2, 4):
        bands.append(_convolve(passed, _spread_out(high, scale)))
        passed = _convolve(passed, _spread_out(low, scale))
    bands.append(passed)
    made = torch.zeros(len(bands), len(passed), dtype=torch.float64)
    for row, band in zip(made, reversed(bands), strict=True):
        start = (len(passed) - len(band)) // 2
        row[start : start + len(band)] = band
    return made


def _spread_out(taps: Tensor, by: int) -> Tensor:
    spread = taps.new_zeros((len(taps) - 1) * by + 1)
    spread[::by] = taps
    return spread


def _convolve(a: Tensor, b: Tensor) -> Tensor:
    return conv1d(a.view(1, 1, -1), b.flip(0).view(1, 1, -1), padding=len(b) - 1).flatten()
