"""What the distances of pictures through a frozen network share (Zhang et al., 2018, arXiv:1801.03924, section 3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

SMALLEST = 32
"""Pixels on the shorter side from which on pictures are looked at as they are."""
EPSILON = 1e-10
"""Added to squared lengths before their root is taken: where nothing is active there is no direction, and no gradient
of infinite length."""


def large_enough(pictures: Tensor) -> Tensor:
    """Pictures (N, C, H, W), enlarged by the power of two that brings their shorter side to `SMALLEST` pixels."""
    factor = 1
    while factor * min(pictures.shape[2:]) < SMALLEST:
        factor *= 2
    return pictures if factor == 1 else interpolate(pictures, scale_factor=factor, mode="bilinear", align_corners=False)


def directions(activations: Tensor) -> Tensor:
    """Every place's channels scaled to unit length, float32 (N, channels, h, w)."""
    values = activations.float()
    return values * (values.square().sum(1, keepdim=True) + EPSILON).rsqrt()
