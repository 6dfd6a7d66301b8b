"""Anti-aliased resampling and convolutions that resample, and bias with activation, in plain PyTorch.

A signal is low-pass filtered after it is enlarged and before it is reduced (Zhang, 2019, arXiv:1904.11486; Karras et
al., 2019, arXiv:1812.04948, appendix C). With the taps (1, 3, 3, 1) that is bilinear resampling by 2 (Karras et al.,
2020, arXiv:1912.04958, figure 7). Zeros are never inserted, and what decimation drops is never computed: a reduction is
a depthwise convolution with a stride, an enlargement its transpose. Everything differentiates as often as one likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad

Activation = Literal["linear", "leaky-relu"]
SLOPE = 0.2
"""Of the leaky ReLU for negative values."""
Padding = tuple[int, int, int, int]
"""Left, right, top, bottom, in pixels; negative ones crop."""


def kernel(taps: Sequence[float] = (1, 3, 3, 1)) -> Tensor:
    """One dimension of a separable low-pass filter, (k,), its taps scaled so that they sum to 1.

    Raises:
        ValueError: when there are no taps, or they sum to 0.
    """
    total = sum(taps)
    if total == 0:
        raise ValueError(f"a low-pass filter needs taps with a sum other than 0, not {tuple(taps)}")
    return torch.tensor([tap / total for tap in taps])


def upfirdn(
    x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, padding: Padding = (0, 0, 0, 0), gain: float = 1.0
) -> Tensor:
    """Enlarge, filter and reduce pictures (N, C, H, W); the same type comes out.

    The result is as if each pixel were followed by `up - 1` zeros in both directions, the whole were padded with zeros
    or cropped, correlated with the outer product of `kernel` (k,) with itself wherever that fits, multiplied by `gain`,
    and only every `down`-th row and column kept: (N, C, (H up + top + bottom - k) // down + 1, ...).

    On a CPU half precision is computed in float32, where depthwise convolutions are some 40 times faster.

    Raises:
        ValueError: when nothing would come out.
    """
    taps, (left, right, top, bottom) = len(kernel), padding
    height, width = (
        (size * up + added - taps) // down + 1
        for size, added in ((x.shape[2], top + bottom), (x.shape[3], left + right))
    )
    if height < 1 or width < 1:
        found = f"{x.shape[2]} x {x.shape[3]} pixels, enlarged {up} times and padded by {padding}"
        raise ValueError(f"{found}, are smaller than a filter of {taps} taps")
    dtype, exact = x.dtype, x.device.type == "cpu" and x.dtype in (torch.bfloat16, torch.float16)
    with torch.autocast(x.device.type, enabled=False):
        if exact:
            x = x.float()
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        one = kernel.to(x.device, x.dtype)
        x = _reduce(x, one, down, padding, gain) if up == 1 else _enlarge(x, one, up, down, padding, gain)
        return x.to(dtype) if exact else x


def _reduce(x: Tensor, kernel: Tensor, down: int, padding: Padding, gain: float) -> Tensor:
    left, right, top, bottom = padding
    inside = (top, left) if left == right >= 0 and top == bottom >= 0 else (0, 0)
    if inside == (0, 0) and any(padding):
        x = pad(x, padding)
    return conv2d(x, _depthwise(kernel, gain, x.shape[1]), stride=down, padding=inside, groups=x.shape[1])


def _enlarge(x: Tensor, kernel: Tensor, up: int, down: int, padding: Padding, gain: float) -> Tensor:
    """The transposed convolution gives every place that the filter touches; the padding says how many are cut off."""
    whole = len(kernel) - 1
    left, right, top, bottom = (whole - each for each in padding)
    right, bottom = right - (up - 1), bottom - (up - 1)
    inside = (top, left) if left == right >= 0 and top == bottom >= 0 else (0, 0)
    weight = _depthwise(kernel.flip(0), gain, x.shape[1])
    x = conv_transpose2d(x, weight, stride=up, padding=inside, groups=x.shape[1])
    if inside == (0, 0) and any((left, right, top, bottom)):
        x = pad(x, (-left, -right, -top, -bottom))
    return x if down == 1 else x[:, :, ::down, ::down]


def _depthwise(kernel: Tensor, gain: float, channels: int) -> Tensor:
    return (torch.outer(kernel, kernel) * gain).expand(channels, 1, -1, -1)


def upsample(x: Tensor, kernel: Tensor, factor: int = 2) -> Tensor:
    """Pictures (N, C, H, W) as (N, C, factor H, factor W), as bright as before; their edges stay where they were."""
    before = (len(kernel) + factor - 1) // 2
    after = len(kernel) - 1 - before
    return upfirdn(x, kernel, up=factor, padding=(before, after, before, after), gain=factor**2)


def downsample(x: Tensor, kernel: Tensor, factor: int = 2) -> Tensor:
    """Pictures (N, C, H, W) as (N, C, H // factor, W // factor); the edges of whole multiples stay where they were."""
    before = (len(kernel) - factor + 1) // 2
    after = len(kernel) - factor - before
    return upfirdn(x, kernel, down=factor, padding=(before, after, before, after))


def blur(x: Tensor, kernel: Tensor, padding: Padding | None = None, gain: float = 1.0) -> Tensor:
    """Pictures (N, C, H, W) filtered; by default padded so that their size stays (an even filter moves them by half a
    pixel to the right and down)."""
    if padding is None:
        before, after = len(kernel) // 2, (len(kernel) - 1) // 2
        padding = (before, after, before, after)
    return upfirdn(x, kernel, padding=padding, gain=gain)


def enlarging_conv2d(x: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """(N, I, H, W) and weights (O, I, k, k), k odd, to (N, O, 2H, 2W): a transposed convolution with stride 2, then the
    low-pass filter `kernel`."""
    size = weight.shape[2]
    if size == 1:  # the two commute, and before enlarging there is a quarter to do
        return upsample(conv2d(x, weight), kernel)
    before = (len(kernel) + 2 - size) // 2
    after = len(kernel) + 1 - size - before
    x = conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return blur(x, kernel, (before, after, before, after), gain=4)


def reducing_conv2d(x: Tensor, weight: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, I, H, W) and weights (O, I, k, k), k odd, to (N, O, H // 2, W // 2): the low-pass filter `kernel`, then a
    convolution with stride 2, and bias (O,)."""
    size = weight.shape[2]
    if size == 1:  # likewise
        return conv2d(downsample(x, kernel), weight, bias)
    before = (len(kernel) + size - 2) // 2
    after = len(kernel) + size - 3 - before
    return conv2d(blur(x, kernel, (before, after, before, after)), weight, bias, stride=2)


def activation_gain(activation: Activation) -> float:
    """What keeps the size of signals through it (He et al., 2015, arXiv:1502.01852): sqrt(2), and 1 for linear."""
    return 2**0.5 if activation == "leaky-relu" else 1.0


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    activation: Activation = "leaky-relu",
    gain: float | None = None,
    slope: float = SLOPE,
    clamp: float | None = None,
) -> Tensor:
    """`gain * activation(x + bias)`, limited to [-clamp, clamp]; x (N, C, ...), bias (C,); x's type comes out.

    `gain`, above 0: by default `activation_gain`.

    Raises:
        ValueError: for a gain that is not above 0.
    """
    if gain is None:
        gain = activation_gain(activation)
    if gain <= 0:
        raise ValueError(f"an activation's gain is above 0, not {gain}")
    fresh = bias is not None or gain != 1
    # A gain above 0 goes through a leaky ReLU, so that it costs no pass over the memory of its own.
    if bias is not None:
        x = torch.add((bias * gain).to(x.dtype).view(-1, *[1] * (x.ndim - 2)), x, alpha=gain)
    elif gain != 1:
        x = x * gain
    if activation == "leaky-relu":
        x = leaky_relu(x, slope, inplace=fresh)
    return x if clamp is None else x.clamp(-clamp, clamp)
