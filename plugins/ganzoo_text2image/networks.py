"""The networks of both variants: a generator of z and a caption's vector, and a discriminator of a picture and one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, normalize

from ganzoo.nn.layers import Norm, he_init, maybe_spectral, normal_init, resolutions
from ganzoo_text2image.cloze import Cloze

SLOPE = 0.2
HALF = math.sqrt(0.5)
FILLED = 128
"""Dimensions in which words are filled in."""
COMPRESSED = 128
"""Dimensions in which a caption enters both networks of GAN-CLS (Reed et al., section 4.1)."""


def channels(size: int, width: int, widest: int) -> list[int]:
    """Channels of the maps of `resolutions`: `width` at the picture, twice as many on each further in, at most
    `widest` times `width`."""
    return [width * min(size // resolution, widest) for resolution in resolutions(size)]


class Fusion(nn.Module):
    """Two affine changes of every channel, each told by the condition and followed by a leaky ReLU (Tao et al., section
    3.4, figure 4): (N, channels, H, W) and (N, inputs) to the same shape."""

    def __init__(self, maps: int, inputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, min(inputs, 128))
        self.affine = nn.Linear(self.hidden.out_features, 4 * maps)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        told: Tensor = self.affine(leaky_relu(self.hidden(condition), SLOPE))
        scales, shifts = told[:, :, None, None].chunk(2, 1)
        for scale, shift in zip(scales.chunk(2, 1), shifts.chunk(2, 1), strict=True):
            x = leaky_relu(torch.addcmul(shift, x, 1 + scale), SLOPE)
        return x


class FusionBlock(nn.Module):
    """A residual block of two convolutions with a `Fusion` before each (figure 4); with `up` it enlarges to twice the
    width and height between the two."""

    def __init__(self, inside: int, outside: int, inputs: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.first, self.second = Fusion(inside, inputs), Fusion(outside, inputs)
        self.coarse = nn.Conv2d(inside, outside, 3, padding=1)
        self.fine = nn.Conv2d(outside, outside, 3, padding=1)
        self.shortcut = nn.Conv2d(inside, outside, 1, bias=False) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        beside: Tensor = self.shortcut(x)
        x = self.coarse(self.first(x, condition))
        if self.up:
            x, beside = (interpolate(values, scale_factor=2, mode="nearest") for values in (x, beside))
        x = self.fine(self.second(x, condition))
        return (x + beside) * HALF


class FusionGenerator(nn.Module):
    """z (N, latent) and sentences (N, text) to pictures (N, channels, size, size) in [-1, 1] (section 3.2)."""

    def __init__(self, latent: int, text: int, width: int, widest: int, size: int, colours: int) -> None:
        super().__init__()
        maps = channels(size, width, widest)
        self.inner = resolutions(size)[0]
        self.begin = nn.Linear(latent, maps[0] * self.inner**2)
        widths = [maps[0], *maps]
        self.blocks = nn.ModuleList(
            FusionBlock(inside, outside, latent + text, up=number > 0)
            for number, (inside, outside) in enumerate(pairwise(widths))
        )
        self.end = nn.Conv2d(maps[-1], colours, 3, padding=1)
        self.apply(he_init)
        for module in self.modules():
            if isinstance(module, Fusion):  # almost no change to begin with
                nn.init.normal_(module.affine.weight, 0.0, 0.02)
        nn.init.normal_(self.end.weight, 0.0, 0.02)

    def forward(self, z: Tensor, sentence: Tensor) -> Tensor:
        condition = torch.cat([z, sentence], 1)
        x = self.begin(z).unflatten(1, (-1, self.inner, self.inner)).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, condition)
        pictures: Tensor = self.end(leaky_relu(x, SLOPE)).tanh()
        return pictures


class PlainGenerator(nn.Module):
    """The same signature; the compressed sentence stands beside z, and transposed convolutions
    follow (Reed et al., section 4.1, figure 2)."""

    def __init__(self, latent: int, text: int, width: int, widest: int, size: int, colours: int) -> None:
        super().__init__()
        maps = channels(size, width, widest)[:-1]
        self.compress = nn.Sequential(nn.Linear(text, min(text, COMPRESSED)), nn.LeakyReLU(SLOPE))
        layers: list[nn.Module] = []
        steps = [(latent + min(text, COMPRESSED), maps[0]), *pairwise(maps)]
        for number, (inside, outside) in enumerate(steps):
            kernel, stride, margin = (resolutions(size)[0], 1, 0) if number == 0 else (4, 2, 1)
            layers += [
                nn.ConvTranspose2d(inside, outside, kernel, stride, margin, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(maps[-1], colours, 4, 2, 1), nn.Tanh())
        self.apply(normal_init)

    def forward(self, z: Tensor, sentence: Tensor) -> Tensor:
        pictures: Tensor = self.layers(torch.cat([z, self.compress(sentence)], 1)[:, :, None, None])
        return pictures


class Down(nn.Module):
    """A residual block that halves width and height (Tao et al., figure 3)."""

    def __init__(self, outside: int, inside: int, norm: Norm) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            maybe_spectral(nn.Conv2d(outside, inside, 4, 2, 1, bias=norm != "batch"), norm),
            *([nn.BatchNorm2d(inside)] if norm == "batch" else []),
            nn.LeakyReLU(SLOPE),
            maybe_spectral(nn.Conv2d(inside, inside, 3, 1, 1, bias=norm != "batch"), norm),
            *([nn.BatchNorm2d(inside)] if norm == "batch" else []),
            nn.LeakyReLU(SLOPE),
        )
        self.shortcut = maybe_spectral(nn.Conv2d(outside, inside, 1, bias=False), norm)

    def forward(self, x: Tensor) -> Tensor:
        beside: Tensor = self.shortcut(avg_pool2d(x, 2))
        residual: Tensor = self.layers(x)
        return (residual + beside) * HALF


def residual_stack(size: int, width: int, widest: int, colours: int, norm: Norm) -> nn.Sequential:
    """Pictures (N, colours, size, size) to maps (N, channels, 4 to 7, 4 to 7), by residual blocks."""
    maps = list(reversed(channels(size, width, widest)))
    downs = [Down(outside, inside, norm) for outside, inside in pairwise(maps)]
    return nn.Sequential(maybe_spectral(nn.Conv2d(colours, maps[0], 3, padding=1), norm), nn.LeakyReLU(SLOPE), *downs)


def plain_stack(size: int, width: int, widest: int, colours: int, norm: Norm) -> nn.Sequential:
    """The same by strided convolutions alone (Reed et al., figure 2)."""
    maps = list(reversed(channels(size, width, widest)[:-1]))
    layers: list[nn.Module] = []
    for number, (outside, inside) in enumerate(pairwise([colours, *maps])):
        normed = norm == "batch" and number > 0
        layers.append(maybe_spectral(nn.Conv2d(outside, inside, 4, 2, 1, bias=not normed), norm))
        layers += [*([nn.BatchNorm2d(inside)] if normed else []), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class Discriminator(nn.Module):
    """What it sees in pictures is computed once (`look`), and then judged under any caption (`verdict`), put beside
    them (`describe`, `read`) or asked for their words (`cloze`).

    `shared`: dimensions of the space in which pictures and captions are compared; 0 where they are not. `words`:
    dimensions of the vectors of words that it is asked for; 0 where it is not. `compress`: the caption is compressed
    first, and the last convolution but one is of 1 x 1 (Reed et al., section 4.1).
    """

    def __init__(
        self,
        look: nn.Sequential,
        maps: int,
        inner: int,
        *,
        text: int,
        shared: int,
        words: int,
        norm: Norm,
        compress: bool,
    ) -> None:
        super().__init__()
        self.look = look
        told, kernel = (min(text, COMPRESSED), 1) if compress else (text, 3)
        self.compress = (
            nn.Sequential(maybe_spectral(nn.Linear(text, told), norm), nn.LeakyReLU(SLOPE)) if compress else None
        )
        normed = norm == "batch"
        self.last = nn.Sequential(
            maybe_spectral(nn.Conv2d(maps + told, maps, kernel, padding=kernel // 2, bias=not normed), norm),
            *([nn.BatchNorm2d(maps)] if normed else []),
            nn.LeakyReLU(SLOPE),
            maybe_spectral(nn.Conv2d(maps, 1, inner, bias=False), norm),
        )
        self.describing = nn.Linear(maps * inner**2, shared) if shared else None
        self.reading = nn.Linear(text, shared) if shared else None
        self.cloze = Cloze(maps, inner, words, FILLED) if words else None
        if norm != "spectral":
            self.apply(normal_init if normed else he_init)

    def forward(self, pictures: Tensor, sentence: Tensor) -> Tensor:
        """Logits (N,) of pictures (N, C, H, W) under captions (N, text)."""
        return self.verdict(self.look(pictures), sentence)

    def verdict(self, seen: Tensor, sentence: Tensor) -> Tensor:
        """Logits (N,) of what `look` has seen, under captions."""
        if self.compress is not None:
            sentence = self.compress(sentence)
        planes = sentence.to(seen.dtype)[:, :, None, None].expand(-1, -1, *seen.shape[2:])
        return torch.flatten(self.last(torch.cat([seen, planes], 1)))

    def describe(self, seen: Tensor) -> Tensor:
        """What `look` has seen as unit vectors (N, shared), float32."""
        return _unit(self.describing, seen.flatten(1))

    def read(self, sentence: Tensor) -> Tensor:
        """Captions as unit vectors (N, shared), float32."""
        return _unit(self.reading, sentence)


class GeneratorType(Protocol):
    """What both generators are made with."""

    def __call__(self, latent: int, text: int, width: int, widest: int, size: int, colours: int) -> nn.Module: ...


def make_discriminator(
    *, plain: bool, text: int, width: int, widest: int, size: int, colours: int, shared: int, words: int, norm: Norm
) -> Discriminator:
    """The discriminator of a variant, `plain` that of GAN-CLS."""
    look = (plain_stack if plain else residual_stack)(size, width, widest, colours, norm)
    maps: Sequence[int] = channels(size, width, widest)
    inner = resolutions(size)[0]
    return Discriminator(look, maps[0], inner, text=text, shared=shared, words=words, norm=norm, compress=plain)


def _unit(layer: nn.Linear | None, values: Tensor) -> Tensor:
    if layer is None:
        raise ValueError("this discriminator was made without a space to compare in")
    return normalize(layer(values).float(), dim=1)
