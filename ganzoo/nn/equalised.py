"""Layers with an equalised learning rate, and what else a style-based generator's networks share.

Weights start as N(0, 1) and are scaled at run time by the constant of He et al. (2015), so that an optimizer that
normalises gradients moves all of them at the same relative speed (Karras et al., 2018, arXiv:1710.10196, section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

from ganzoo.nn.resample import SLOPE, Activation, activation_gain, bias_act, enlarging_conv2d, kernel, reducing_conv2d


class EqualisedLinear(nn.Module):
    """(N, inputs) to (N, outputs).

    `lr_multiplier`: the layer learns at this share of the optimizer's learning rate (Karras et al., 2019,
    arXiv:1812.04948, appendix C, has 0.01 in the mapping network): its parameters are kept larger by its inverse and
    scaled by it at run time, so that the function it starts as does not change. `bias_init`: the bias that it starts
    with. `activation`: as in `ganzoo.nn.resample.bias_act`, gain included.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
        activation: Activation = "linear",
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias_init / lr_multiplier)) if bias else None
        self.lr_multiplier, self.activation = lr_multiplier, activation
        self.gain = lr_multiplier * activation_gain(activation)
        self.scale = self.gain / inputs**0.5

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return _activated(linear(x, self.weight * self.scale, bias), self.activation)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}, lr_multiplier={self.lr_multiplier}, activation={self.activation}"


class EqualisedConv2d(nn.Module):
    """(N, inside, H, W) to (N, outside, H, W), padded; (2H, 2W) with `up`, (H // 2, W // 2) with `down`.

    Enlarging is a transposed convolution followed by the low-pass filter (1, 3, 3, 1), reducing the filter followed by
    a convolution with stride 2. `gain` multiplies what comes out, on top of the activation's own: sqrt(1/2) where two
    branches are added.

    Raises:
        ValueError: for an even kernel size, both `up` and `down`, or a gain that is not above 0.
    """

    taps: Tensor

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel_size: int,
        *,
        up: bool = False,
        down: bool = False,
        bias: bool = True,
        activation: Activation = "linear",
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"an equalised convolution needs an odd kernel size, not {kernel_size}")
        if up and down:
            raise ValueError("an equalised convolution enlarges or reduces, not both")
        if gain <= 0:
            raise ValueError(f"an equalised convolution's gain is above 0, not {gain}")
        self.weight = nn.Parameter(torch.randn(outside, inside, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None
        self.up, self.down, self.activation = up, down, activation
        self.gain = gain * activation_gain(activation)
        self.scale = self.gain / (inside * kernel_size**2) ** 0.5
        self.register_buffer("taps", kernel(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # A gain above 0 goes through a leaky ReLU: taken to the weights, it costs no pass over the pictures.
        weight = self.weight * self.scale
        bias = None if self.bias is None else self.bias * self.gain
        if self.up:
            return bias_act(enlarging_conv2d(x, weight, self.taps), bias, self.activation, gain=1)
        if self.down:
            x = reducing_conv2d(x, weight, self.taps, bias)
        else:
            x = conv2d(x, weight, bias, padding=weight.shape[2] // 2)
        return _activated(x, self.activation)

    def extra_repr(self) -> str:
        outside, inside, size, _ = self.weight.shape
        way = ", up" if self.up else ", down" if self.down else ""
        return f"{inside}, {outside}, {size}{way}, activation={self.activation}"


def _activated(fresh: Tensor, activation: Activation) -> Tensor:
    """In place, for neither a convolution nor a matrix product keeps what it gives."""
    return leaky_relu(fresh, SLOPE, inplace=True) if activation == "leaky-relu" else fresh


class MinibatchDeviation(nn.Module):
    """How much pictures of a group differ, as further channels: (N, C, H, W) to (N, C + features, H, W).

    Karras et al., 2018, arXiv:1710.10196, section 3: the standard deviation over the group, averaged over places and
    over each of `features` equal shares of the channels. Groups are neighbouring rows, so that a batch that is split
    between rows of different groups gives the same. Where `group` does not divide N, the largest divisor below it does.

    Raises:
        ValueError: for less than one of either; in `forward`, when `features` does not divide C.
    """

    def __init__(self, group: int = 4, features: int = 1) -> None:
        super().__init__()
        if group < 1 or features < 1:
            raise ValueError(f"groups of {group} pictures and {features} features: at least 1 of each is needed")
        self.group, self.features = group, features

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        if channels % self.features:
            raise ValueError(f"{channels} channels cannot be shared out to {self.features} features")
        group = next(size for size in range(min(self.group, count), 0, -1) if count % size == 0)
        apart = x.to(torch.promote_types(x.dtype, torch.float32))
        apart = apart.reshape(count // group, group, self.features, channels // self.features, height, width)
        # As apart.var(1, correction=0), which is many times slower on a CPU.
        variance = (apart - apart.mean(1, keepdim=True)).square().mean(1)
        deviation = (variance + 1e-8).sqrt().mean((2, 3, 4))
        shown = deviation.repeat_interleave(group, 0).to(x.dtype)[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([x, shown], 1)

    def extra_repr(self) -> str:
        return f"group={self.group}, features={self.features}"


def second_moment(x: Tensor) -> Tensor:
    """Each row of (N, d) scaled to a mean square of 1: the normalisation of a latent before the mapping network."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
