"""Resampling against zero insertion and a full filter in float64; bias and activation in closed form."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import conv2d, interpolate, leaky_relu

from ganzoo.nn.resample import (
    Padding,
    bias_act,
    blur,
    downsample,
    enlarging_conv2d,
    kernel,
    reducing_conv2d,
    upfirdn,
    upsample,
)

LOPSIDED = torch.tensor([0.1, 0.5, 0.3, -0.2, 0.25], dtype=torch.float64)
PADDINGS = [(0, 0, 0, 0), (2, 2, 1, 1), (2, 1, 2, 1), (5, 0, 1, 7), (-1, 2, 0, -2), (-2, -2, -1, -1), (-1, -3, 6, -2)]


def reference(x: Tensor, taps: Tensor, up: int, down: int, padding: Padding, gain: float) -> Tensor:
    """Word for word: insert zeros, pad or crop, correlate place by place with the full filter, decimate."""
    x, taps = x.double(), taps.double()
    count, channels, height, width = x.shape
    left, right, top, bottom = padding
    apart = torch.zeros(count, channels, height * up, width * up, dtype=torch.float64)
    apart[:, :, ::up, ::up] = x
    canvas = torch.zeros(count, channels, height * up + top + bottom, width * up + left + right, dtype=torch.float64)
    for row, column in itertools.product(range(canvas.shape[2]), range(canvas.shape[3])):
        if 0 <= row - top < height * up and 0 <= column - left < width * up:
            canvas[:, :, row, column] = apart[:, :, row - top, column - left]
    full, size = torch.outer(taps, taps) * gain, len(taps)
    rows, columns = canvas.shape[2] - size + 1, canvas.shape[3] - size + 1
    out = torch.zeros(count, channels, rows, columns, dtype=torch.float64)
    for row, column in itertools.product(range(rows), range(columns)):
        out[:, :, row, column] = (canvas[:, :, row : row + size, column : column + size] * full).sum((2, 3))
    return out[:, :, ::down, ::down]


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("down", [1, 2])
@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("taps", [kernel().double(), kernel((1, 2, 1)).double(), LOPSIDED], ids=["4", "3", "5"])
def test_resampling_equals_zero_insertion_and_a_full_filter(taps: Tensor, up: int, down: int, padding: Padding) -> None:
    for size in ((8, 11), (9, 10)):
        x = draw(2, 3, *size)
        ours = upfirdn(x, taps, up=up, down=down, padding=padding, gain=1.7)
        torch.testing.assert_close(ours, reference(x, taps, up, down, padding, 1.7), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("up", "down", "padding"), [(1, 1, (2, 1, 2, 1)), (1, 2, (1, 1, 1, 1)), (2, 1, (2, 1, 2, 1))])
@pytest.mark.parametrize("channels", [1, 3, 32])
def test_float32_is_as_exact_as_float32_can_be_in_either_layout(
    channels: int, up: int, down: int, padding: Padding, layout: torch.memory_format
) -> None:
    x = draw(2, channels, 11, 14, dtype=torch.float32).contiguous(memory_format=layout).requires_grad_(True)
    ours = upfirdn(x, kernel(), up=up, down=down, padding=padding)
    torch.testing.assert_close(
        ours.double(), reference(x.detach(), kernel(), up, down, padding, 1.0), rtol=0, atol=1e-6
    )
    towards = draw(*ours.shape, seed=1)
    (gradient,) = torch.autograd.grad(ours, x, towards.float())
    point = x.detach().double().requires_grad_(True)
    (expected,) = torch.autograd.grad(reference(point, kernel(), up, down, padding, 1.0), point, towards)
    torch.testing.assert_close(gradient.double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("padding", [(2, 1, 2, 1), (1, 1, 1, 1), (-1, 4, 0, 2)])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_resampling_differentiates_twice(up: int, down: int, padding: Padding) -> None:
    def resampled(x: Tensor) -> Tensor:
        return upfirdn(x, kernel().double(), up=up, down=down, padding=padding) ** 2

    x = draw(1, 2, 5, 4).requires_grad_(True)
    assert gradcheck(resampled, (x,))
    assert gradgradcheck(resampled, (x,))


def test_a_penalty_on_the_gradient_reaches_the_weights_before_the_resampling() -> None:
    """What R1 does, in float32 and channels_last, against the same in float64."""
    found = []
    for dtype in (torch.float32, torch.float64):
        layer = nn.Conv2d(3, 16, 3, padding=1, bias=False).to(dtype)
        with torch.no_grad():
            layer.weight.copy_(draw(16, 3, 3, 3, seed=2))
        x = draw(2, 3, 8, 8, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_(True)
        out = upsample(downsample(layer(x).tanh(), kernel()), kernel())
        (gradient,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        gradient.square().sum().backward()
        found.append(layer.weight.grad.double())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1, 1), (1, 4, 6, 4, 1)])
@pytest.mark.parametrize(("resampled", "size"), [(upsample, 24), (downsample, 6), (blur, 12)])
def test_a_flat_picture_stays_as_bright_away_from_its_edges(
    resampled: Callable[[Tensor, Tensor], Tensor], size: int, taps: tuple[int, ...]
) -> None:
    out = resampled(torch.full((1, 2, 12, 12), 0.75), kernel(taps))
    assert out.shape == (1, 2, size, size)
    torch.testing.assert_close(out[:, :, 2:-2, 2:-2], torch.full((1, 2, size - 4, size - 4), 0.75))


def test_a_ramp_keeps_its_place_when_it_is_enlarged_and_reduced() -> None:
    """Pixels are squares: the ramp's value at the middle of each new pixel is known."""
    middles = (torch.arange(16) + 0.5) / 16
    ramp = middles.expand(1, 1, 16, 16)
    twice, half = upsample(ramp, kernel()), downsample(ramp, kernel())
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    torch.testing.assert_close(twice[inside], ((torch.arange(32) + 0.5) / 32).expand_as(twice)[inside])
    torch.testing.assert_close(half[inside], ((torch.arange(8) + 0.5) / 8).expand_as(half)[inside])


def test_enlarging_with_the_usual_filter_is_bilinear_interpolation_away_from_the_edges() -> None:
    x = draw(2, 3, 7, 9)
    bilinear = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    ours = upsample(x, kernel().double())
    torch.testing.assert_close(ours[:, :, 1:-1, 1:-1], bilinear[:, :, 1:-1, 1:-1], rtol=0, atol=1e-12)


def test_reducing_is_the_transpose_of_enlarging() -> None:
    x, y = draw(1, 2, 10, 14), draw(1, 2, 5, 7, seed=1)
    there, back = (downsample(x, kernel().double()) * y).sum(), (x * upsample(y, kernel().double()) / 4).sum()
    torch.testing.assert_close(there, back)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_on_a_cpu_is_computed_in_float32(dtype: torch.dtype) -> None:
    x = draw(2, 8, 9, 9, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = upsample(x, kernel())
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, upsample(x.double(), kernel().double()).to(dtype), rtol=0, atol=0)


def test_autocast_leaves_float32_pictures_alone() -> None:
    x = draw(2, 3, 9, 9, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = downsample(x, kernel())
    assert torch.equal(ours, downsample(x, kernel()))


def test_a_kernel_sums_to_one_and_needs_taps() -> None:
    torch.testing.assert_close(kernel(), torch.tensor([0.125, 0.375, 0.375, 0.125]), rtol=0, atol=0)
    for taps in ((), (1, -1)):
        with pytest.raises(ValueError, match="low-pass filter"):
            kernel(taps)


def test_pictures_smaller_than_the_filter_are_refused() -> None:
    with pytest.raises(ValueError, match=r"3 x 8 pixels, enlarged 1 times .* smaller than a filter of 4 taps"):
        upfirdn(torch.zeros(1, 1, 3, 8), kernel())


@pytest.mark.parametrize(("size", "height", "width"), [(1, 6, 9), (3, 6, 9), (3, 5, 5), (5, 7, 4)])
@pytest.mark.parametrize("taps", [kernel().double(), kernel((1, 2, 1)).double()], ids=["4", "3"])
def test_convolutions_that_resample_equal_their_two_steps_in_the_standard_order(
    size: int, height: int, width: int, taps: Tensor
) -> None:
    x, weight, bias = draw(2, 3, height, width), draw(4, 3, size, size, seed=1), draw(4, seed=2)
    apart = torch.zeros(2, 3, 2 * height - 1, 2 * width - 1, dtype=torch.float64)
    apart[:, :, ::2, ::2] = x
    spread = conv2d(apart, weight.flip(2, 3), padding=size - 1)  # what a transposed convolution is
    before = (len(taps) + 2 - size) // 2
    after = len(taps) + 1 - size - before
    enlarged = reference(spread, taps, 1, 1, (before, after, before, after), 4.0)
    assert enlarged.shape == (2, 4, 2 * height, 2 * width)
    torch.testing.assert_close(enlarging_conv2d(x, weight, taps), enlarged, rtol=0, atol=1e-12)

    before = (len(taps) + size - 2) // 2
    after = len(taps) + size - 3 - before
    smooth = reference(x, taps, 1, 1, (before, after, before, after), 1.0)
    reduced = conv2d(smooth, weight, bias)[:, :, ::2, ::2]
    assert reduced.shape == (2, 4, height // 2, width // 2)
    torch.testing.assert_close(reducing_conv2d(x, weight, taps, bias), reduced, rtol=0, atol=1e-12)


def test_convolutions_that_resample_differentiate_twice() -> None:
    x, weight = draw(1, 2, 4, 4).requires_grad_(), draw(2, 2, 3, 3, seed=1).requires_grad_()
    taps = kernel().double()
    assert gradgradcheck(lambda x, weight: enlarging_conv2d(x, weight, taps), (x, weight))
    assert gradgradcheck(lambda x, weight: reducing_conv2d(x, weight, taps), (x, weight))


def test_bias_and_activation_are_what_they_say() -> None:
    x, bias = draw(2, 3, 4, 5), draw(3, seed=1)
    moved = x + bias[:, None, None]
    torch.testing.assert_close(bias_act(x, bias), leaky_relu(moved, 0.2) * 2**0.5)
    torch.testing.assert_close(bias_act(x, bias, gain=3, slope=0.1), leaky_relu(moved, 0.1) * 3)
    torch.testing.assert_close(bias_act(x, bias, "linear"), moved)
    torch.testing.assert_close(bias_act(x, None, "linear", gain=0.5), x / 2)
    torch.testing.assert_close(bias_act(x, bias, clamp=0.5), (leaky_relu(moved, 0.2) * 2**0.5).clamp(-0.5, 0.5))
    torch.testing.assert_close(bias_act(x[:, :, 0, 0], bias), leaky_relu(moved[:, :, 0, 0], 0.2) * 2**0.5)
    with pytest.raises(ValueError, match="above 0"):
        bias_act(x, bias, gain=0)


def test_bias_and_activation_leave_their_input_as_it_is() -> None:
    x, bias = draw(2, 3, 4, 5), draw(3, seed=1)
    kept = x.clone()
    for each in (bias, None):
        for gain in (None, 1.0):
            bias_act(x, each, gain=gain)
            assert torch.equal(x, kept)


def test_bias_and_activation_keep_the_type_of_pictures_in_half_precision() -> None:
    x = draw(2, 3, 4, 5, dtype=torch.bfloat16)
    assert bias_act(x, torch.randn(3)).dtype == torch.bfloat16


def test_bias_and_activation_differentiate_twice() -> None:
    x, bias = draw(2, 3, 3, 2).requires_grad_(True), draw(3, seed=1).requires_grad_(True)

    def activated(x: Tensor, bias: Tensor) -> Tensor:
        return bias_act(x, bias, clamp=3.0) ** 2

    assert gradcheck(activated, (x, bias))
    assert gradgradcheck(activated, (x, bias))


def test_resampling_and_activation_are_traced_as_one_graph() -> None:
    x, bias = draw(2, 8, 8, 8, dtype=torch.float32), draw(8, seed=1, dtype=torch.float32)

    def both(x: Tensor, bias: Tensor) -> Tensor:
        return bias_act(downsample(upsample(x, kernel()), kernel()), bias)

    torch.compiler.reset()
    traced = torch.compile(both, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(traced(x, bias), both(x, bias))
    taken = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(traced(taken, bias).square().sum(), taken)
    (expected,) = torch.autograd.grad(both(taken, bias).square().sum(), taken)
    torch.testing.assert_close(gradient, expected)
