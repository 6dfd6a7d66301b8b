"""DCGAN (Radford, Metz and Chintala, 2016, arXiv:1511.06434): section 3 and figure 1.

From the paper: all-convolutional networks with strided and fractionally strided convolutions, no pooling, no hidden
fully connected layers; batch normalisation in both, but not at the generator's output nor at the discriminator's input;
ReLU and tanh in the generator, LeakyReLU with slope 0.2 in the discriminator; weights from N(0, 0.02).

Where we differ: kernels are 4 x 4 rather than 5 x 5, so that every output pixel of a fractionally strided convolution
is reached by the same number of kernel cells (no checkerboard); the paper's picture is 64 x 64, and here the number of
layers follows the size, the innermost map being 4 to 7 pixels wide; losses other than the paper's are available, and a
discriminator without normalisation starts from He's weights.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganzoo.adversarial import AdversarialModel
from ganzoo.data.base import DataSpec
from ganzoo.nn.layers import Norm, he_init, maybe_spectral, normal_init
from ganzoo_dcgan.config import Config


def stages(size: int) -> tuple[int, int]:
    """Width in pixels of the innermost map (4 to 7) and the number of doublings from there to `size`.

    Raises:
        ValueError: when no number of doublings gives `size`.
    """
    inner, doublings = size, 0
    while inner > 7 and inner % 2 == 0:
        inner, doublings = inner // 2, doublings + 1
    if not 4 <= inner <= 7:
        raise ValueError(f"{size} is not 4, 5, 6 or 7 times a power of two")
    return inner, doublings


class Generator(nn.Module):
    """z (N, latent) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, latent: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        inner, doublings = stages(size)
        widths = [width * 2**i for i in reversed(range(doublings))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], inner, bias=False), *_normalised(widths[0])]
        for inside, outside in pairwise(widths):
            layers += [nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=False), *_normalised(outside)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(normal_init)

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.layers(z[:, :, None, None])
        return pictures


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size) to logits (N,), or to (N, outputs) where a picture has more than one."""

    def __init__(self, width: int, size: int, channels: int, norm: Norm, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs
        inner, doublings = stages(size)
        widths = [width * 2**i for i in range(doublings)]
        layers: list[nn.Module] = [
            maybe_spectral(nn.Conv2d(channels, widths[0], 4, stride=2, padding=1), norm),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for outside, inside in pairwise(widths):
            convolution = nn.Conv2d(outside, inside, 4, stride=2, padding=1, bias=norm != "batch")
            layers.append(maybe_spectral(convolution, norm))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(inside))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(maybe_spectral(nn.Conv2d(widths[-1], outputs, inner), norm))
        self.layers = nn.Sequential(*layers)
        if norm != "spectral":
            self.apply(normal_init if norm == "batch" else he_init)

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.flatten(self.layers(pictures), 0 if self.outputs == 1 else 1)


def _normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


class DCGAN(AdversarialModel):
    """Figure 1 of the paper, for pictures of 28 to 128 pixels."""

    config: Config

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.latent = config.latent
        self.generator = Generator(config.latent, config.width, data.size, data.channels)
        self.discriminator = Discriminator(config.width, data.size, data.channels, config.norm)

    def mirror(self, outputs: int) -> nn.Module:
        # A bound on the slope helps a judge; an encoder must tell apart what looks alike.
        norm: Norm = "none" if self.config.norm == "spectral" else self.config.norm
        return Discriminator(self.config.width, self.data.size, self.data.channels, norm, outputs)
