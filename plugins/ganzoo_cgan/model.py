"""CGAN (Mirza and Osindero, 2014, arXiv:1411.1784): section 3.2 and section 4.1.

From the paper: the condition y is fed to both networks as an additional input. The `mlp` variant is that of section
4.1: z and y go through hidden layers of 200 and 1000 rectifiers, then a joint one of 1200, to the picture; x and y go
through maxout layers of 240 units x 5 pieces and 50 units x 5 pieces, then a joint one of 240 units x 4 pieces, to the
logit; dropout in the discriminator.

Where we differ: the output is tanh, because pictures are in [-1, 1] throughout the zoo; Adam instead of momentum. The
`conv` variant (the default) puts the same idea into the networks of DCGAN: the class enters the generator as a learned
vector beside z, and the discriminator as one plane for each class beside the picture, 1 in the plane of its class.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganzoo.adversarial import AdversarialModel
from ganzoo.data.base import DataSpec
from ganzoo.nn.layers import Maxout, Norm, he_init, maybe_spectral, normal_init
from ganzoo_cgan.config import Config


class MLPGenerator(nn.Module):
    """z (N, latent) and classes (N,) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, latent: int, width: int, classes: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.classes, self.shape = classes, shape
        from_z, from_y, joint = 4 * width, 20 * width, 24 * width
        self.from_z = nn.Sequential(nn.Linear(latent, from_z), nn.ReLU(inplace=True))
        self.from_y = nn.Sequential(nn.Linear(classes, from_y), nn.ReLU(inplace=True))
        self.joint = nn.Sequential(
            nn.Linear(from_z + from_y, joint),
            nn.ReLU(inplace=True),
            nn.Linear(joint, shape[0] * shape[1] * shape[2]),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        y = one_hot(label, self.classes).to(z.dtype)
        pictures: Tensor = self.joint(torch.cat([self.from_z(z), self.from_y(y)], 1)).view(-1, *self.shape)
        return pictures


class MLPDiscriminator(nn.Module):
    """Pictures (N, channels, size, size) and classes (N,) to logits (N,), or to (N, outputs) where there are more."""

    def __init__(self, pixels: int, width: int, classes: int, dropout: float, outputs: int = 1) -> None:
        super().__init__()
        self.classes, self.outputs = classes, outputs
        from_x, from_y, joint = 24 * width // 5, width, 24 * width // 5
        self.from_x = nn.Sequential(Maxout(pixels, from_x, 5), nn.Dropout(dropout))
        self.from_y = nn.Sequential(Maxout(classes, from_y, 5), nn.Dropout(dropout))
        self.joint = nn.Sequential(Maxout(from_x + from_y, joint, 4), nn.Dropout(dropout), nn.Linear(joint, outputs))

    def forward(self, pictures: Tensor, label: Tensor) -> Tensor:
        y = one_hot(label, self.classes).to(pictures.dtype)
        values = self.joint(torch.cat([self.from_x(pictures.flatten(1)), self.from_y(y)], 1))
        return torch.flatten(values, 0 if self.outputs == 1 else 1)


def stages(size: int) -> tuple[int, int]:
    """Width in pixels of the innermost map (4 to 7) and the number of doublings from there to `size`."""
    inner, doublings = size, 0
    while inner > 7 and inner % 2 == 0:
        inner, doublings = inner // 2, doublings + 1
    return inner, doublings


class ConvGenerator(nn.Module):
    """z (N, latent) and classes (N,) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, latent: int, embedding: int, width: int, classes: int, size: int, channels: int) -> None:
        super().__init__()
        inner, doublings = stages(size)
        widths = [width * 2**i for i in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent + embedding, widths[0], inner, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for inside, outside in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(normal_init)
        self.embed = nn.Embedding(classes, embedding)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        condition = self.embed(label)
        pictures: Tensor = self.layers(torch.cat([z, condition], 1)[:, :, None, None])
        return pictures


class ConvDiscriminator(nn.Module):
    """Pictures (N, channels, size, size) and classes (N,) to logits (N,), or to (N, outputs) where there are more."""

    def __init__(self, width: int, classes: int, size: int, channels: int, norm: Norm, outputs: int = 1) -> None:
        super().__init__()
        self.classes, self.outputs = classes, outputs
        inner, doublings = stages(size)
        widths = [width * 2**i for i in range(doublings)]
        layers: list[nn.Module] = [
            maybe_spectral(nn.Conv2d(channels + classes, widths[0], 4, stride=2, padding=1), norm),
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

    def forward(self, pictures: Tensor, label: Tensor) -> Tensor:
        planes = one_hot(label, self.classes).to(pictures.dtype)[:, :, None, None]
        planes = planes.expand(-1, -1, *pictures.shape[2:])
        return torch.flatten(self.layers(torch.cat([pictures, planes], 1)), 0 if self.outputs == 1 else 1)


class CGAN(AdversarialModel):
    """A generator and a discriminator that both know the class."""

    takes = ("label",)
    config: Config

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.latent = config.latent
        classes, size, channels = len(data.classes), data.size, data.channels
        if config.variant == "mlp":
            shape = (channels, size, size)
            self.generator = MLPGenerator(config.latent, config.width, classes, shape)
            self.discriminator = MLPDiscriminator(channels * size * size, config.width, classes, config.dropout)
        else:
            embedding, width = config.embedding, config.width
            self.generator = ConvGenerator(config.latent, embedding, width, classes, size, channels)
            self.discriminator = ConvDiscriminator(width, classes, size, channels, config.norm)

    def mirror(self, outputs: int) -> nn.Module:
        classes, size, channels = len(self.data.classes), self.data.size, self.data.channels
        if self.config.variant == "mlp":  # dropout weakens a judge; an encoder has nobody to give a chance to
            return MLPDiscriminator(channels * size * size, self.config.width, classes, 0.0, outputs)
        # A bound on the slope helps a judge; an encoder must tell apart what looks alike.
        norm: Norm = "none" if self.config.norm == "spectral" else self.config.norm
        return ConvDiscriminator(self.config.width, classes, size, channels, norm, outputs)
