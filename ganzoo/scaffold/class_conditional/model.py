"""newborn: a GAN whose discriminator compares what it sees with the class.

Say here which paper the networks follow, with its sections, and where they differ from it and why.

From Miyato and Koyama (2018, arXiv:1802.05637): the logit is a score of the picture by itself plus the inner product
of what is seen in the picture and a learned vector of its class (equation 3). Where we differ: small convolutional
networks, and that product as a mean; the class enters the generator beside z rather than in every normalisation.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from ganzoo.adversarial import AdversarialModel
from ganzoo.data.base import DataSpec
from ganzoo.nn.layers import he_init, normal_init, resolutions
from torch import Tensor, nn

from ganzoo.scaffold.class_conditional.config import Config


class Generator(nn.Module):
    """z (N, latent) and labels (N,) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, config: Config, classes: int, size: int, channels: int) -> None:
        super().__init__()
        inner, *outer = resolutions(size)  # of 32 pixels: 4, then 8, 16, 32
        widths = [config.width * 2**level for level in reversed(range(len(outer)))]
        self.embedding = nn.Embedding(classes, config.embedding)
        told = config.latent + config.embedding
        layers: list[nn.Module] = [nn.ConvTranspose2d(told, widths[0], inner, bias=False)]
        for inside, outside in pairwise(widths):
            layers += [nn.BatchNorm2d(inside), nn.ReLU()]
            layers += [nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(config.width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(config.width, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(normal_init)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        told = torch.cat([z, self.embedding(label)], 1)
        pictures: Tensor = self.layers(told[:, :, None, None])
        return pictures


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size) under labels (N,) to logits (N,)."""

    def __init__(self, width: int, classes: int, size: int, channels: int) -> None:
        super().__init__()
        inner, *outer = resolutions(size)
        widths = [width * 2**level for level in range(len(outer))]
        layers: list[nn.Module] = []
        for outside, inside in pairwise([channels, *widths]):
            layers += [nn.Conv2d(outside, inside, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(widths[-1], widths[-1], inner), nn.LeakyReLU(0.2), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(widths[-1], 1)
        self.embedding = nn.Embedding(classes, widths[-1])
        self.apply(he_init)

    def forward(self, pictures: Tensor, label: Tensor) -> Tensor:
        seen = self.layers(pictures)
        logits: Tensor = self.score(seen).squeeze(1) + (seen * self.embedding(label)).mean(1)
        return logits


class Newborn(AdversarialModel):
    """The two networks; `AdversarialModel` plays the game, and gives both the label because it stands in `takes`."""

    takes = ("label",)

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.latent = config.latent
        self.generator = Generator(config, len(data.classes), data.size, data.channels)
        self.discriminator = Discriminator(config.width, len(data.classes), data.size, data.channels)
