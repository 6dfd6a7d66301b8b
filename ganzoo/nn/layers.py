"""Layers that several papers share."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["batch", "spectral", "none"]


class Maxout(nn.Module):
    """The largest of `pieces` linear maps (Goodfellow et al., 2013, arXiv:1302.4389): (N, inputs) to (N, outputs)."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        largest: Tensor = self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)
        return largest


def normal_init(module: nn.Module, std: float = 0.02) -> None:
    """Weights N(0, 0.02), scales of batch normalisation N(1, 0.02), biases 0 (Radford et al., 2016, section 4)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, std)
        nn.init.zeros_(module.bias)


def he_init(module: nn.Module, slope: float = 0.2) -> None:
    """Weights that keep the size of signals through LeakyReLU (He et al., 2015, arXiv:1502.01852), biases 0: for
    networks without normalisation, in which N(0, 0.02) shrinks them from layer to layer."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, a=slope)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def maybe_spectral(module: nn.Module, norm: Norm) -> nn.Module:
    """The module with its weight divided by its largest singular value (Miyato et al., 2018) where `norm` says so."""
    return spectral_norm(module) if norm == "spectral" else module


def patch_halvings(size: int) -> int:
    """Strided layers of a discriminator of patches, so that a patch is well below a picture of `size` pixels: from 128
    pixels on the 3 of Isola et al. (2017, arXiv:1611.07004, section 4.4), patches of 70 pixels, from 64 on 2 (34), else
    1 (16)."""
    return 3 if size >= 128 else 2 if size >= 64 else 1


def resolutions(size: int) -> list[int]:
    """Widths in pixels of the maps from the innermost (4 to 7) outwards, each twice the one before, the last `size`.

    Raises:
        ValueError: when no number of doublings gives `size`.
    """
    inner, doublings = size, 0
    while inner > 7 and inner % 2 == 0:
        inner, doublings = inner // 2, doublings + 1
    if not 4 <= inner <= 7:
        raise ValueError(f"{size} is not 4, 5, 6 or 7 times a power of two")
    return [inner * 2**doubling for doubling in range(doublings + 1)]
