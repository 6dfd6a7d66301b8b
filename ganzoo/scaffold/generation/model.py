"""newborn: strided convolutions between noise and picture.

Say here which paper the networks follow, with its sections, and where they differ from it and why.

From Radford et al. (2016, arXiv:1511.06434): convolutions alone (section 3), and weights from N(0, 0.02). Where we
differ: fewer channels; the discriminator has no normalisation and starts from He's weights, because an R1 penalty takes
the pictures of a batch one by one.
"""

from __future__ import annotations

from itertools import pairwise

from ganzoo.adversarial import AdversarialModel
from ganzoo.data.base import DataSpec
from ganzoo.nn.layers import he_init, normal_init, resolutions
from torch import Tensor, nn

from ganzoo.scaffold.generation.config import Config


class Generator(nn.Module):
    """z (N, latent) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, latent: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        inner, *outer = resolutions(size)  # of 32 pixels: 4, then 8, 16, 32
        widths = [width * 2**level for level in reversed(range(len(outer)))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], inner, bias=False)]
        for inside, outside in pairwise(widths):
            layers += [nn.BatchNorm2d(inside), nn.ReLU()]
            layers += [nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(normal_init)

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.layers(z[:, :, None, None])
        return pictures


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size) to logits (N,)."""

    def __init__(self, width: int, size: int, channels: int) -> None:
        super().__init__()
        inner, *outer = resolutions(size)
        widths = [width * 2**level for level in range(len(outer))]
        layers: list[nn.Module] = []
        for outside, inside in pairwise([channels, *widths]):
            layers += [nn.Conv2d(outside, inside, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, inner), nn.Flatten(0))
        self.apply(he_init)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.layers(pictures)
        return logits


class Newborn(AdversarialModel):
    """The two networks; `AdversarialModel` plays the game: phases, losses, penalties, and pictures of noise."""

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.latent = config.latent
        self.generator = Generator(config.latent, config.width, data.size, data.channels)
        self.discriminator = Discriminator(config.width, data.size, data.channels)
