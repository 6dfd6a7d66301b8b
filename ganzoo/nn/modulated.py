"""Convolution whose weights a style scales for each picture (Karras et al., 2020, arXiv:1912.04958, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ganzoo.nn.resample import enlarging_conv2d

EPSILON = 1e-8


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    demodulate: bool = True,
    up: bool = False,
    kernel: Tensor | None = None,
) -> Tensor:
    """Pictures (N, I, H, W) convolved with `weight` (O, I, k, k), k odd, scaled by `styles` (N, I): (N, O, H, W).

    `demodulate` divides by the expected standard deviation of each output channel (equation 3). No picture gets weights
    of its own: scaling the input channels before, and the output channels after, one convolution for all is the same.

    `up` enlarges by 2: (N, O, 2H, 2W), a transposed convolution with stride 2 followed by the low-pass filter `kernel`
    (taps,) of `ganzoo.nn.resample`.

    Raises:
        ValueError: when k is even, or `up` lacks a kernel.
    """
    size = weight.shape[2]
    if size % 2 == 0:
        raise ValueError(f"a modulated convolution needs an odd kernel size, not {size}")
    x = x * styles.to(x.dtype)[:, :, None, None]
    if up:
        if kernel is None:
            raise ValueError("a modulated convolution that enlarges needs a low-pass filter: kernel=kernel()")
        x = enlarging_conv2d(x, weight, kernel)
    else:
        x = conv2d(x, weight, padding=size // 2)
    return x * demodulation(weight, styles).to(x.dtype)[:, :, None, None] if demodulate else x


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """What brings each output channel of weights (O, I, k, k) scaled by styles (N, I) back to unit size: (N, O), in
    float32 or better."""
    with torch.autocast(weight.device.type, enabled=False):
        least = torch.promote_types(weight.dtype, torch.float32)
        power = weight.to(least).square().sum((2, 3))
        return (styles.to(least).square() @ power.T + EPSILON).rsqrt()
