"""The generators of SRGAN and ESRGAN, and the discriminator that they share."""

from __future__ import annotations

from itertools import pairwise
from math import log2
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import interpolate, leaky_relu

from ganzoo.nn.layers import Norm, he_init, maybe_spectral

Skip = Literal["none", "nearest", "bicubic"]
SLOPE = 0.2
OUTER = 9
"""Kernel of the generator's first and last convolution."""
RESIDUAL_SCALE = 0.2
DENSE_LAYERS = 5


def convolution(inside: int, outside: int, kernel: int = 3, stride: int = 1, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=bias)


class PReLU(nn.PReLU):
    """One learned slope for all that is negative; on a CPU the same in a quarter of torch's time."""

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        output: Tensor = _Slope.apply(input, self.weight)
        return output


class _Slope(torch.autograd.Function):
    """LeakyReLU, which is vectorised, with the slope's gradient as a dot product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = float(slope)
        ctx.save_for_backward(x)
        return leaky_relu(x, ctx.slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        below = x.clamp(max=0).permute(0, 2, 3, 1).reshape(-1)
        slope = torch.dot(below, gradient.permute(0, 2, 3, 1).reshape(-1))
        passed: Tensor = torch.ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False)
        return passed, slope.float().reshape(1)


class PixelShuffle(nn.Module):
    """Maps (N, 4 C, H, W) to (N, C, 2 H, 2 W): each place's channels are cut into four pixels (Shi et al., 2016).

    The channels of one pixel lie together, so that with channels last whole pixels are copied; torch's own, which
    differs in the order of the channels alone, takes eight times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(count, height, width, 2, channels // 2).transpose(2, 3)
        return rows.reshape(count, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Figure 4 of Ledig et al.: convolution, BatchNorm, PReLU, convolution, BatchNorm, and the input added."""

    reach = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(width, width, bias=False),
            nn.BatchNorm2d(width),
            PReLU(),
            convolution(width, width, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.layers(x)
        return added


class DenseBlock(nn.Module):
    """Five convolutions, each of everything before it, scaled by 0.2 and added (Wang et al., figure 4, right)."""

    reach = DENSE_LAYERS

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        inside = [width + growth * i for i in range(DENSE_LAYERS)]
        outside = [growth] * (DENSE_LAYERS - 1) + [width]
        self.layers = nn.ModuleList(convolution(*pair) for pair in zip(inside, outside, strict=True))
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for layer in self.layers[:-1]:
            seen.append(self.activation(layer(torch.cat(seen, 1))))
        return torch.add(x, self.layers[-1](torch.cat(seen, 1)), alpha=RESIDUAL_SCALE)


class RRDB(nn.Module):
    """A residual-in-residual dense block: three dense blocks, scaled by 0.2 and added (Wang et al., figure 4)."""

    reach = 3 * DenseBlock.reach

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.layers(x), alpha=RESIDUAL_SCALE)


class Generator(nn.Module):
    """Small pictures (N, channels, H, W) of any size to large ones (N, channels, scale H, scale W), about [-1, 1].

    Figure 4 of Ledig et al.; with `growth`, the blocks of Wang et al. in its place and no normalisation. `reach` is how
    many pixels away a pixel of the small picture can change one of the large.
    """

    def __init__(self, channels: int, width: int, blocks: int, scale: int, skip: Skip, growth: int | None) -> None:
        super().__init__()
        self.scale, self.skip = scale, skip
        plain = growth is not None
        stages = int(log2(scale))

        def activation() -> nn.Module:
            return nn.LeakyReLU(SLOPE, inplace=True) if plain else PReLU()

        self.entry = nn.Sequential(convolution(channels, width, OUTER), activation())
        made = [RRDB(width, growth) if growth is not None else ResidualBlock(width) for _ in range(blocks)]
        norm: list[nn.Module] = [] if plain else [nn.BatchNorm2d(width)]
        self.body = nn.Sequential(*made, convolution(width, width, bias=plain), *norm)
        layers: list[nn.Module] = []
        for _ in range(stages):
            layers += [convolution(width, 4 * width), PixelShuffle(), activation()]
        self.enlarge = nn.Sequential(*layers)
        self.exit = convolution(width, channels, OUTER)
        self.reach = _reach(OUTER // 2 + sum(block.reach for block in made) + 1, stages)
        if plain:
            self.apply(_small_init)
        if skip != "none":
            # It begins as the enlarged input, or nearly so.
            nn.init.normal_(self.exit.weight, std=1e-3)
            nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]

    def forward(self, low: Tensor) -> Tensor:
        x = self.entry(low)
        x = x + self.body(x)
        high: Tensor = self.exit(self.enlarge(x)).float()
        if self.skip == "none":
            return high
        size = (self.scale * low.shape[2], self.scale * low.shape[3])
        return high + interpolate(low.float(), size=size, mode=self.skip)


def _reach(low: int, stages: int) -> int:
    """Pixels of the small picture that one of the large depends on, to either side, at most: `low` of them are the
    layers' before it is enlarged."""
    scale = 2**stages
    most = 0
    for place in range(scale):
        first, last = place - OUTER // 2, place + OUTER // 2
        for _ in range(stages):
            first, last = first // 2 - 1, last // 2 + 1
        most = max(most, -first, last)
    return most + low


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size) to logits (N,): figure 4 of Ledig et al.

    Eight convolutions, every second with stride 2, of `width` to 8 `width` channels, and two dense layers, the first of
    which has 16 `width` outputs and as many inputs as the size leaves (the paper's 6 x 6 places at 96 pixels).
    """

    def __init__(self, width: int, size: int, channels: int, norm: Norm) -> None:
        super().__init__()
        widths = [channels, *(width * 2 ** (i // 2) for i in range(8))]
        layers: list[nn.Module] = []
        for index, (inside, outside) in enumerate(pairwise(widths)):
            normalised = norm == "batch" and index > 0
            stride = 1 + index % 2
            layers.append(maybe_spectral(convolution(inside, outside, 3, stride, bias=not normalised), norm))
            if normalised:
                layers.append(nn.BatchNorm2d(outside))
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        places = (-(-size // 16)) ** 2
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            maybe_spectral(nn.Linear(widths[-1] * places, 16 * width), norm),
            nn.LeakyReLU(SLOPE, inplace=True),
            maybe_spectral(nn.Linear(16 * width, 1), norm),
        )
        if norm == "none":
            self.apply(he_init)

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.flatten(self.layers(pictures))


def _small_init(module: nn.Module) -> None:
    """He's weights times 0.1, biases 0 (Wang et al., supplementary material)."""
    he_init(module)
    if isinstance(module, nn.Conv2d):
        with torch.no_grad():
            module.weight.mul_(0.1)
