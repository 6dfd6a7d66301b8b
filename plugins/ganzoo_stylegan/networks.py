"""The networks of the StyleGAN: mapping, synthesis, discriminator.

Sections and figures are those of Karras et al., 2020, arXiv:1912.04958 (the second paper), where not said otherwise;
the first is Karras et al., 2019, arXiv:1812.04948. All layers have an equalised learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm

from ganzoo.nn.equalised import EqualisedConv2d, EqualisedLinear, MinibatchDeviation, second_moment
from ganzoo.nn.layers import resolutions
from ganzoo.nn.modulated import modulated_conv2d
from ganzoo.nn.resample import bias_act, downsample, kernel, upsample
from ganzoo_stylegan.config import Channels, Structure

MEAN_DECAY = 0.995
"""Of the tracked mean of w, a batch."""
LR_MULTIPLIER = 0.01
"""The mapping network learns at this share of the learning rate (first paper, appendix C)."""
HALF = math.sqrt(0.5)


def _exact(x: Tensor) -> Tensor:
    """In float32, or better where it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class RunningMean(nn.Module):
    """The mean of rows (n, *shape) that come in batches; what is long past is forgotten.

    An exponential average with `decay`, and while there are fewer than 1 / (1 - decay) batches the mean of all of them,
    so that what it begins with leaves no trace.
    """

    mean: Tensor
    updates: Tensor

    def __init__(self, shape: Sequence[int], decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(tuple(shape)))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, rows: Tensor) -> Tensor:
        """Take in a batch; the mean after it."""
        self.updates += 1
        weight = (1 / self.updates).clamp(min=1 - self.decay).to(self.mean.dtype)
        return self.mean.lerp_(rows.to(self.mean.dtype).mean(0), weight)


class Mapping(nn.Module):
    """z (N, latent), and classes (N,) where there are some, to w (N, latent), float32.

    z has its second moment normalised, and so has the learned vector of the class, which stands beside it (Karras et
    al., 2020, arXiv:2006.06676, appendix D).
    """

    def __init__(self, latent: int, depth: int, classes: int = 0) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, latent) if classes else None
        inputs = [latent * (2 if classes else 1)] + [latent] * (depth - 1)
        self.layers = nn.Sequential(
            *(EqualisedLinear(n, latent, lr_multiplier=LR_MULTIPLIER, activation="leaky-relu") for n in inputs)
        )
        self.average = RunningMean((latent,), MEAN_DECAY)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):  # small, and what all layers read
            x = second_moment(z)
            if self.embed is not None:
                x = torch.cat([x, second_moment(self.embed(label))], 1)
            w: Tensor = self.layers(x)
            return w

    def truncate(self, w: Tensor, psi: Tensor) -> Tensor:
        """w (N, latent) drawn to the mean of all w, to psi (N,) of the distance (first paper, appendix B)."""
        return self.average.mean.lerp(w, psi.to(w.dtype)[:, None])


class StyledConv(nn.Module):
    """A convolution whose weights the style scales, noise, bias and leaky ReLU (section 2.2, figure 2d).

    (N, inside, H, W) and w (N, latent) to (N, outside, H, W), or (N, outside, 2H, 2W) with `up`; `noise` (N, 1, ...) as
    large as what comes out. The strength of the noise is one number and begins at 0; there is none without `noisy`.
    `gain` multiplies what comes out.
    """

    taps: Tensor

    def __init__(
        self, inside: int, outside: int, latent: int, *, up: bool = False, gain: float = 1.0, noisy: bool = True
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(latent, inside, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside, 3, 3))
        self.strength = nn.Parameter(torch.zeros(())) if noisy else None
        self.bias = nn.Parameter(torch.zeros(outside))
        self.up, self.gain, self.scale = up, gain * math.sqrt(2), 1 / math.sqrt(9 * inside)
        self.register_buffer("taps", kernel(), persistent=False)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        x = modulated_conv2d(x, self.weight * self.scale, self.affine(w), up=self.up, kernel=self.taps)
        if noise is not None and self.strength is not None:
            x = x + (noise * self.strength).to(x.dtype)
        return bias_act(x, self.bias, gain=self.gain)


class StyledRGB(nn.Module):
    """Maps (N, inside, H, W) and w (N, latent) to a picture (N, channels, H, W), modulated only (appendix B)."""

    def __init__(self, inside: int, channels: int, latent: int) -> None:
        super().__init__()
        self.affine = EqualisedLinear(latent, inside, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inside, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = 1 / math.sqrt(inside)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = modulated_conv2d(x, self.weight * self.scale, self.affine(w), demodulate=False)
        return bias_act(x, self.bias, "linear")


class AdaINConv(nn.Module):
    """A convolution, noise, bias, leaky ReLU, and then AdaIN: each map normalised, and scaled and moved by the style
    (first paper, section 2 and figure 1b).

    Shapes are those of `StyledConv`; the noise has a strength for each channel. Without `inside` there is no
    convolution: the layer of the learned constant.
    """

    def __init__(
        self, inside: int | None, outside: int, latent: int, *, up: bool = False, gain: float = 1.0, noisy: bool = True
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(latent, 2 * outside)
        self.convolution = None if inside is None else EqualisedConv2d(inside, outside, 3, up=up, bias=False)
        self.strength = nn.Parameter(torch.zeros(outside)) if noisy else None
        self.bias = nn.Parameter(torch.zeros(outside))
        self.gain = gain

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        if self.convolution is not None:
            x = self.convolution(x)
        if noise is not None and self.strength is not None:
            x = x + (noise * self.strength[:, None, None]).to(x.dtype)
        scale, shift = (self.affine(w) * self.gain).to(x.dtype)[:, :, None, None].chunk(2, 1)
        made: Tensor = instance_norm(bias_act(x, self.bias)) * (self.gain + scale) + shift
        return made


class AdaINRGB(EqualisedConv2d):
    """Maps (N, inside, H, W) to a picture (N, channels, H, W); it has no style."""

    def __init__(self, inside: int, channels: int) -> None:
        super().__init__(inside, channels, 1)

    def forward(self, x: Tensor, w: Tensor | None = None) -> Tensor:
        picture: Tensor = super().forward(x)
        return picture


class Synthesis(nn.Module):
    """w to pictures (N, channels, size, size), about [-1, 1], float32, from a learned constant (figures 2 and 7).

    w is (N, latent), or (N, styles, latent) with one for each style; `noise` (N, noises) is cut up among the layers
    that take some, without it none is added. At each resolution there are two layers, of the first of `stylegan2` one;
    the picture that is made of a resolution takes the style that comes after. `structure`: with `skip` every resolution
    makes one, enlarged and summed up; with `residual` and `plain` only the last. With `moving` the first style adds a
    map of its own to the constant, which lets shapes vary long before the styles of the layers have learnt to. No layer
    takes noise without `noisy`. With `bounded` the picture goes through tanh.
    """

    taps: Tensor

    def __init__(
        self,
        size: int,
        channels: int,
        latent: int,
        widths: Channels,
        structure: Structure,
        *,
        adain: bool = False,
        moving: bool = False,
        noisy: bool = True,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        self.structure, self.bounded = structure, bounded
        places = resolutions(size)
        make = AdaINConv if adain else StyledConv
        inner = widths(places[0])
        self.constant = nn.Parameter(torch.randn(1, inner, places[0], places[0]))
        self.move = EqualisedLinear(latent, inner * places[0] ** 2, bias=False) if moving else None
        layers: list[nn.Module] = [AdaINConv(None, inner, latent, noisy=noisy)] if adain else []
        layers.append(make(inner, inner, latent, noisy=noisy))
        self.depths = [len(layers)] + [2] * (len(places) - 1)
        shortcuts = []
        gain = HALF if structure == "residual" else 1.0
        for place in places[1:]:
            inside, outside = widths(place // 2), widths(place)
            layers.append(make(inside, outside, latent, up=True, noisy=noisy))
            layers.append(make(outside, outside, latent, gain=gain, noisy=noisy))
            if structure == "residual":
                shortcuts.append(EqualisedConv2d(inside, outside, 1, up=True, bias=False, gain=gain))
        self.layers, self.shortcuts = nn.ModuleList(layers), nn.ModuleList(shortcuts)
        shown = places if structure == "skip" else places[-1:]
        self.pictures = nn.ModuleList(
            AdaINRGB(widths(place), channels) if adain else StyledRGB(widths(place), channels, latent)
            for place in shown
        )
        self.sizes = [place for place, depth in zip(places, self.depths, strict=True) for _ in range(depth)]
        self.styles = 2 * len(places)
        self.noises = sum(place**2 for place in self.sizes) if noisy else 0
        self.register_buffer("taps", kernel(), persistent=False)

    def forward(self, w: Tensor, noise: Tensor | None = None) -> Tensor:
        each = [w] * self.styles if w.ndim == 2 else w.unbind(1)
        noises = self._cut(noise)
        x = self.constant.expand(w.shape[0], -1, -1, -1)
        if self.move is not None:
            x = x + self.move(each[0]).view_as(x)
        picture: Tensor | None = None
        index = 0
        for level, depth in enumerate(self.depths):
            before = x
            for _ in range(depth):
                x = self.layers[index](x, each[index], noises[index])
                index += 1
            if level and self.structure == "residual":
                x = x + self.shortcuts[level - 1](before)
            if self.structure == "skip":
                # A picture shares the style of the layer that follows; the last one has the last of all to itself.
                made = _exact(self.pictures[level](x, each[min(index, self.styles - 1)]))
                picture = made if picture is None else upsample(picture, self.taps) + made
        if picture is None:
            picture = _exact(self.pictures[-1](x, each[-1]))
        return picture.tanh() if self.bounded else picture

    def _cut(self, noise: Tensor | None) -> Sequence[Tensor | None]:
        """(N, noises) as (N, 1, H, W) for each layer."""
        if noise is None or not self.noises:
            return [None] * len(self.sizes)
        parts = noise.split([size**2 for size in self.sizes], 1)
        return [part.unflatten(1, (1, size, size)) for part, size in zip(parts, self.sizes, strict=True)]

    def affine(self) -> list[Tensor]:
        """The weights (outputs, latent) of the layer that reads each style, in order."""
        readers = (*self.layers, self.pictures[-1])
        styled = (StyledConv, AdaINConv, StyledRGB)
        weights: list[Tensor] = [reader.affine.weight for reader in readers if isinstance(reader, styled)]
        if self.move is not None:
            weights[0] = torch.cat([weights[0], self.move.weight])
        return weights


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size), and classes (N,) where there are some, to logits (N,), or (N, outputs) where
    a picture has more than one.

    Two convolutions at each resolution (figure 7), then the spread of a group of pictures as a further map (Karras et
    al., 2018, arXiv:1710.10196, section 3). `structure`: with `skip` every resolution sees the picture; with `residual`
    it is a residual network. The class enters by projection: a learned vector for each class, whose inner product with
    the last features adds to the logit (Miyato and Koyama, 2018, arXiv:1802.05637, equation 8).
    """

    taps: Tensor

    def __init__(
        self,
        size: int,
        channels: int,
        widths: Channels,
        structure: Structure,
        *,
        group: int = 4,
        classes: int = 0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        self.structure, self.outputs = structure, outputs
        places = resolutions(size)
        seen = places[:0:-1]
        entries = [*seen, places[0]] if structure == "skip" else [size]
        self.entries = nn.ModuleList(
            EqualisedConv2d(channels, widths(place), 1, activation="leaky-relu") for place in entries
        )
        gain = HALF if structure == "residual" else 1.0
        self.levels, self.shortcuts = nn.ModuleList(), nn.ModuleList()
        for place in seen:
            outside, inside = widths(place), widths(place // 2)
            down = EqualisedConv2d(outside, inside, 3, down=True, activation="leaky-relu", gain=gain)
            self.levels.append(nn.Sequential(EqualisedConv2d(outside, outside, 3, activation="leaky-relu"), down))
            if structure == "residual":
                self.shortcuts.append(EqualisedConv2d(outside, inside, 1, down=True, bias=False, gain=gain))
        inner = widths(places[0])
        self.last = nn.Sequential(
            MinibatchDeviation(group),
            EqualisedConv2d(inner + 1, inner, 3, activation="leaky-relu"),
            nn.Flatten(),
            EqualisedLinear(inner * places[0] ** 2, inner, activation="leaky-relu"),
        )
        self.out = EqualisedLinear(inner, outputs)
        self.project = nn.Parameter(torch.randn(outputs, classes, inner)) if classes else None
        self.register_buffer("taps", kernel(), persistent=False)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.entries[0](pictures)
        for level, layers in enumerate(self.levels):
            before, x = x, layers(x)
            if self.structure == "residual":
                x = x + self.shortcuts[level](before)
            elif self.structure == "skip":
                pictures = downsample(pictures, self.taps)
                x = x + self.entries[level + 1](pictures)
        features = self.last(x)
        logits: Tensor = self.out(features)
        if self.project is not None:
            towards = self.project[:, label] / math.sqrt(features.shape[1])
            logits = logits + torch.einsum("nf,onf->no", _exact(features), towards)
        return torch.flatten(logits, 0 if self.outputs == 1 else 1)
