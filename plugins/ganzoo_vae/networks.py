"""The VAE's own encoder and decoder, and another architecture's generator as decoder."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganzoo.engine.noise import Noise
from ganzoo.model import Model, SampleRequest

SMALLEST = 7
LARGEST_FACTOR = 8
"""Layers have at most this many times `width` channels."""


def maps(size: int) -> list[int]:
    """Widths in pixels from the picture inwards, each half the one before (rounded up), the last at most 7."""
    widths = [size]
    while widths[-1] > SMALLEST or len(widths) == 1:
        widths.append((widths[-1] + 1) // 2)
    return widths


def channels_of(width: int, levels: int) -> list[int]:
    """Channels of the maps inside the picture, from the outermost to the innermost."""
    return [width * min(2**level, LARGEST_FACTOR) for level in range(levels)]


class Encoder(nn.Module):
    """Pictures (N, channels, size, size), and classes (N,) where there are some, to (N, outputs).

    Strided convolutions with batch normalisation and LeakyReLU; the class enters as one plane for each class.
    """

    def __init__(self, width: int, size: int, channels: int, classes: int, outputs: int) -> None:
        super().__init__()
        self.classes = classes
        widths = maps(size)
        layers: list[nn.Module] = []
        for inside, outside in pairwise([channels + classes, *channels_of(width, len(widths) - 1)]):
            layers += [
                nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out = nn.Linear(channels_of(width, len(widths) - 1)[-1] * widths[-1] ** 2, outputs)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        if label is not None:
            planes = one_hot(label, self.classes).to(pictures.dtype)[:, :, None, None]
            pictures = torch.cat([pictures, planes.expand(-1, -1, *pictures.shape[2:])], 1)
        values: Tensor = self.out(self.layers(pictures))
        return values


class Decoder(nn.Module):
    """z (N, latent), and classes (N,) where there are some, to pictures (N, channels, size, size) in [-1, 1].

    The encoder the other way round: fractionally strided convolutions, cropped where a map's width is odd.
    """

    def __init__(self, latent: int, width: int, size: int, channels: int, classes: int) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = (latent,)
        self.classes = classes
        widths = maps(size)
        inner = widths.pop()
        innermost = channels_of(width, len(widths))[-1]
        layers: list[nn.Module] = [
            nn.Linear(latent + classes, innermost * inner**2, bias=False),
            nn.Unflatten(1, (innermost, inner, inner)),
            nn.BatchNorm2d(innermost),
            nn.ReLU(inplace=True),
        ]
        for inside, outside in pairwise(reversed(channels_of(width, len(widths)))):
            layers += [
                nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=False),
                Crop(widths.pop()),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1), Crop(widths.pop()), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if label is not None:
            z = torch.cat([z, one_hot(label, self.classes).to(z.dtype)], 1)
        pictures: Tensor = self.layers(z)
        return pictures


class Crop(nn.Module):
    """Cuts maps to `size` pixels, at the right and below."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : self.size, : self.size]


class Likeness(nn.Module):
    """Another architecture's way from a latent to a picture as a decoder: z (N, *shape), and classes (N,) where it
    takes them, to pictures. Of its networks only those that it samples with are kept."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        label = torch.zeros(1, dtype=torch.int64)
        given = {"label": label} if "label" in model.takes else {}
        inputs = model.inputs(SampleRequest(count=1, noise=Noise(0, count=1), given=given))
        self.shape: tuple[int, ...] = tuple(inputs["z"].shape[1:])
        needed = {*model.sampling} - {*model.encoding}
        for name in [name for name, _ in model.named_children() if name not in needed]:
            delattr(model, name)
        self.model = model

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.model.generate({"z": z} if label is None else {"z": z, "label": label})
