"""Modulated convolution against weights of each picture's own, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import conv2d, conv_transpose2d, pad

from ganzoo.nn.modulated import demodulation, modulated_conv2d
from ganzoo.nn.resample import kernel

TAPS = kernel().double()


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def reference(x: Tensor, weight: Tensor, styles: Tensor, demodulate: bool, up: bool) -> Tensor:
    """Equations 1 and 3 picture by picture: a grouped convolution with a group for each one."""
    count, inside, height, width = x.shape
    own = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    outside, size = own.shape[1], own.shape[3]
    if not up:
        folded = x.reshape(1, count * inside, height, width)
        out = conv2d(folded, own.flatten(0, 1), padding=size // 2, groups=count)
        return out.view(count, outside, height, width)
    folded = x.reshape(1, count * inside, height, width)
    spread = conv_transpose2d(folded, own.transpose(1, 2).flatten(0, 1), stride=2, groups=count)
    spread = spread.view(count * outside, 1, *spread.shape[2:])
    before = (6 - size) // 2
    spread = pad(spread, (before, 5 - size - before, before, 5 - size - before))
    return conv2d(spread, 4 * torch.outer(TAPS, TAPS)[None, None]).view(count, outside, 2 * height, 2 * width)


@pytest.mark.parametrize(("height", "width"), [(6, 6), (5, 8), (1, 1)])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_it_equals_a_grouped_convolution_with_weights_for_each_picture(
    demodulate: bool, up: bool, size: int, height: int, width: int
) -> None:
    x, weight, styles = draw(3, 4, height, width), draw(5, 4, size, size, seed=1), draw(3, 4, seed=2)
    ours = modulated_conv2d(x, weight, styles, demodulate=demodulate, up=up, kernel=TAPS)
    torch.testing.assert_close(ours, reference(x, weight, styles, demodulate, up), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("up", [False, True])
def test_float32_in_channels_last_gives_the_same_with_the_same_gradients(up: bool) -> None:
    given = draw(3, 8, 6, 6), draw(16, 8, 3, 3, seed=1), draw(3, 8, seed=2)
    towards = draw(3, 16, 12 if up else 6, 12 if up else 6, seed=3)
    x, weight, styles = (each.clone().requires_grad_(True) for each in given)
    expected = torch.autograd.grad(reference(x, weight, styles, True, up), (x, weight, styles), towards)
    x, weight, styles = (each.float().requires_grad_(True) for each in given)
    laid_out = x.contiguous(memory_format=torch.channels_last)
    ours = modulated_conv2d(laid_out, weight, styles, up=up, kernel=kernel())
    found = torch.autograd.grad(ours, (x, weight, styles), towards.float())
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_it_differentiates_twice_in_pictures_weights_and_styles(up: bool, demodulate: bool) -> None:
    given = tuple(
        each.requires_grad_(True) for each in (draw(2, 2, 3, 2), draw(2, 2, 3, 3, seed=1), draw(2, 2, seed=2))
    )

    def modulated(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
        return modulated_conv2d(x, weight, styles, demodulate=demodulate, up=up, kernel=TAPS)

    assert gradcheck(modulated, given)
    assert gradgradcheck(modulated, given)


def test_demodulated_outputs_of_unit_noise_have_unit_size_whatever_the_styles() -> None:
    x, weight, styles = draw(4, 16, 32, 32), draw(8, 16, 3, 3, seed=1), 10 ** draw(4, 16, seed=2)
    out = modulated_conv2d(x, weight, styles)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(out.std((2, 3)), torch.ones(4, 8, dtype=torch.float64), rtol=0.1, atol=0)


def test_demodulated_outputs_do_not_change_with_the_size_of_weights_or_styles() -> None:
    x, weight, styles = draw(2, 4, 5, 5), draw(3, 4, 3, 3, seed=1), draw(2, 4, seed=2)
    torch.testing.assert_close(
        modulated_conv2d(x, 100 * weight, styles / 7), modulated_conv2d(x, weight, styles), rtol=1e-6, atol=1e-6
    )


def test_one_picture_does_not_see_the_style_of_another() -> None:
    x, weight, styles = draw(3, 4, 5, 5), draw(3, 4, 3, 3, seed=1), draw(3, 4, seed=2)
    alone = torch.cat([modulated_conv2d(x[i : i + 1], weight, styles[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(modulated_conv2d(x, weight, styles), alone)


@pytest.mark.parametrize("up", [False, True])
def test_under_autocast_it_runs_in_bfloat16_and_demodulates_in_float32(up: bool) -> None:
    x, weight, styles = draw(3, 32, 8, 8).float(), draw(16, 32, 3, 3, seed=1).float(), draw(3, 32, seed=2).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = modulated_conv2d(x, weight, styles, up=up, kernel=kernel())
        factor = demodulation(weight, styles)
    assert (ours.dtype, factor.dtype) == (torch.bfloat16, torch.float32)
    expected = reference(x.double(), weight.double(), styles.double(), True, up)
    assert float((ours.double() - expected).square().mean() / expected.square().mean()) < 1e-4


@pytest.mark.parametrize("up", [False, True])
def test_it_is_traced_as_one_graph(up: bool) -> None:
    x, weight, styles = draw(2, 4, 4, 4).float(), draw(3, 4, 3, 3, seed=1).float(), draw(2, 4, seed=2).float()

    def modulated(x: Tensor) -> Tensor:
        return modulated_conv2d(x, weight, styles, up=up, kernel=kernel())

    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(modulated, fullgraph=True, backend="aot_eager")(x), modulated(x))


def test_even_kernels_and_enlarging_without_a_filter_are_refused() -> None:
    with pytest.raises(ValueError, match="odd kernel size, not 2"):
        modulated_conv2d(draw(1, 2, 4, 4), draw(2, 2, 2, 2), draw(1, 2))
    with pytest.raises(ValueError, match="low-pass filter"):
        modulated_conv2d(draw(1, 2, 4, 4), draw(2, 2, 3, 3), draw(1, 2), up=True)
