"""The vanilla GAN (Goodfellow et al., 2014, arXiv:1406.2661): algorithm 1 and section 5.

From the paper: both networks are multilayer perceptrons; the generator's hidden units are rectifiers, the
discriminator's are maxout units with dropout. Both losses of section 3 are there: `loss=minimax` minimises
log(1 - D(G(z))), `loss=non-saturating` maximises log D(G(z)), which gives gradients early on.

Where we differ: the output is tanh, because pictures are in [-1, 1] throughout the zoo; Adam instead of momentum; the
latent is normal rather than uniform; leaky rectifiers are not used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo.adversarial import AdversarialModel
from ganzoo.data.base import DataSpec
from ganzoo.nn.layers import Maxout
from ganzoo_vanilla.config import Config


class Generator(nn.Module):
    """z (N, latent) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, latent: int, width: int, layers: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        hidden: list[nn.Module] = []
        inputs = latent
        for _ in range(layers):
            hidden += [nn.Linear(inputs, width), nn.ReLU(inplace=True)]
            inputs = width
        pixels = shape[0] * shape[1] * shape[2]
        self.layers = nn.Sequential(*hidden, nn.Linear(inputs, pixels), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.layers(z).view(-1, *self.shape)
        return pictures


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size) to logits (N,), or (N, outputs): two maxout layers with dropout."""

    def __init__(self, pixels: int, units: int, pieces: int, dropout: float, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs
        self.layers = nn.Sequential(
            Maxout(pixels, units, pieces),
            nn.Dropout(dropout),
            Maxout(units, units, pieces),
            nn.Dropout(dropout),
            nn.Linear(units, outputs),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.flatten(self.layers(pictures.flatten(1)), 0 if self.outputs == 1 else 1)


class VanillaGAN(AdversarialModel):
    """Two perceptrons, for pictures of any size (but they cost a weight for every pixel)."""

    config: Config

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.latent = config.latent
        shape = (data.channels, data.size, data.size)
        self.generator = Generator(config.latent, config.width, config.layers, shape)
        self.pixels = data.channels * data.size * data.size
        self.discriminator = Discriminator(self.pixels, config.maxout_units, config.maxout_pieces, config.dropout)

    def mirror(self, outputs: int) -> nn.Module:
        # Dropout weakens a judge; an encoder has nobody to give a chance to.
        return Discriminator(self.pixels, self.config.maxout_units, self.config.maxout_pieces, 0.0, outputs)
