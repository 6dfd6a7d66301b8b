"""Changes of pictures: each is its closed form, where pixels go, colours and bands of frequencies."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from ganzoo.nn import transforms
from ganzoo.nn.transforms import SYM2, SYM6


def pictures(count: int = 4, channels: int = 3, size: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def wave(size: int, right: Tensor, down: Tensor, phase: float = 0.4) -> Tensor:
    """cos(right x + down y + phase), x and y in pixels from the centre: (N, 1, size, size) in float64."""
    line = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    right, down = right.view(-1, 1, 1), down.view(-1, 1, 1)
    return (right * line + down * line[:, None] + phase).cos()[:, None]


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------------- the wavelets


@pytest.mark.parametrize(("taps", "moments"), [(SYM6, 6), (SYM2, 2)])
def test_the_wavelets_are_orthogonal_and_have_their_vanishing_moments(taps: tuple[float, ...], moments: int) -> None:
    h = torch.tensor(taps, dtype=torch.float64)
    assert len(h) == 2 * moments
    for shift in range(moments):
        product = (h[2 * shift :] * h[: len(h) - 2 * shift]).sum()
        assert float(product) == pytest.approx(float(shift == 0), abs=1e-11)
    n = torch.arange(len(h), dtype=torch.float64)
    for order in range(moments):
        assert abs(float(((-1) ** n * n**order * h).sum())) < 1e-7


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16])
def test_a_warp_that_does_nothing_is_exact_up_to_the_border_of_any_size(size: int) -> None:
    x = pictures(2, size=size).double()
    warped = transforms.warp(x, torch.eye(3, dtype=torch.float64).repeat(2, 1, 1))
    torch.testing.assert_close(warped, x, atol=1e-10, rtol=0)


# --------------------------------------------------------------------------------------------------- whole pixels


def test_a_blit_mirrors_turns_and_moves_as_slicing_does() -> None:
    x, one, zero = pictures(3), torch.ones(3), torch.zeros(3)
    assert torch.equal(transforms.blit(x, transforms.scaling(-one, one)), x.flip(3))
    for quarters in range(4):
        turned = transforms.blit(x, transforms.rotation(one * quarters * math.pi / 2))
        assert torch.equal(turned, x.rot90(-quarters, (2, 3)))  # clockwise, as seen
    for right, down in ((3, 0), (-2, 5), (15, -15)):
        reflected = pad(x, (15, 15, 15, 15), mode="reflect")
        expected = reflected[:, :, 15 - down : 31 - down, 15 - right : 31 - right]
        assert torch.equal(transforms.blit(x, transforms.translation(zero + right, zero + down)), expected)


def test_a_warp_by_whole_pixels_is_the_blit() -> None:
    """To rounding where the filter needs no mirrored places, and nearly so elsewhere on a smooth picture: a delay of
    the filter that was not made up for would move the flipped one by 0.4 pixels, which is 0.1 here."""
    line = column(0.3, -0.2, 0.15)
    x, one = wave(24, line, line.flip(0)), torch.ones(3, dtype=torch.float64)
    for right in (1, 3, -2):
        matrix = transforms.translation(one * right, 0 * one)
        near, exact = transforms.warp(x, matrix), transforms.blit(x, matrix)
        torch.testing.assert_close(near[..., 3:-3], exact[..., 3:-3], atol=1e-10, rtol=0)
        torch.testing.assert_close(near, exact, atol=0.01, rtol=0)
    for matrix in (
        transforms.scaling(-one, one),
        transforms.rotation(one * math.pi / 2),
        transforms.rotation(one * math.pi),
    ):
        near, exact = transforms.warp(x, matrix), transforms.blit(x, matrix)
        torch.testing.assert_close(near[..., 4:-4, 4:-4], exact[..., 4:-4, 4:-4], atol=5e-3, rtol=0)
        torch.testing.assert_close(near, exact, atol=0.1, rtol=0)


# ------------------------------------------------------------------------------------------------- geometric changes


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("rotation", transforms.rotation(column(0.7, -2.0))),
        ("zoom", transforms.scaling(column(1.3, 0.8), column(1.3, 0.8))),
        (
            "stretch",
            transforms.rotation(column(0.4, 1.0)) @ transforms.scaling(column(1.2, 0.9), column(1 / 1.2, 1 / 0.9)),
        ),
        ("fractions of a pixel", transforms.translation(column(0.5, -1.3), column(0.25, 0.7))),
    ],
)
def test_a_warped_wave_is_the_wave_at_the_places_it_came_from(name: str, matrix: Tensor) -> None:
    """Bilinear sampling at half a pixel's distance of waves this long is good to about 0.01."""
    right, down = column(0.5, -0.3), column(0.2, 0.4)
    size, margin = 32, 12  # what comes in from outside is mirrored
    warped = transforms.warp(wave(size, right, down), matrix)
    inverse = matrix.inverse()
    frequency = torch.stack([right, down], 1)[:, None] @ inverse[:, :2, :2]
    phase = (torch.stack([right, down], 1)[:, None] @ inverse[:, :2, 2:])[:, 0, 0]
    expected = torch.cat([wave(size, frequency[i, :, 0], frequency[i, :, 1], 0.4 + float(phase[i])) for i in range(2)])
    inside = slice(margin, size - margin)
    torch.testing.assert_close(warped[..., inside, inside], expected[..., inside, inside], atol=0.01, rtol=0)


def test_what_is_too_fine_after_shrinking_vanishes_rather_than_turning_into_something_coarse() -> None:
    """Waves of 3.5 pixels at 0.4 times their size: of 1.4 pixels, which sampling takes for one of 3.5 again."""
    stripes, matrix = wave(48, column(1.8), column(0.0)), transforms.scaling(column(0.4), column(0.4))
    places = affine_grid(matrix.inverse()[:, :2], [1, 1, 48, 48], align_corners=False)
    sampled = grid_sample(stripes, places, align_corners=False)
    inside = slice(16, 32)
    assert float(sampled[..., inside, inside].abs().mean()) > 0.4
    assert float(transforms.warp(stripes, matrix)[..., inside, inside].abs().mean()) < 0.1


def test_a_warp_brings_in_the_mirrored_picture_and_no_black() -> None:
    bright = torch.full((1, 3, 16, 16), 0.9, dtype=torch.float64)
    for angle, zoom, right in ((0.6, 0.3, 0.0), (0.0, 1.0, 40.0), (2.0, 0.5, -25.3)):
        matrix = (
            transforms.translation(column(right), column(3.0))
            @ transforms.rotation(column(angle))
            @ transforms.scaling(column(zoom), column(zoom))
        )
        torch.testing.assert_close(transforms.warp(bright, matrix), bright, atol=1e-9, rtol=0)


def test_matrices_of_places_have_their_inverses_and_compose() -> None:
    angle, x, y, eye = column(0.3, 2.0), column(1.5, -0.4), column(0.7, 3.0), torch.eye(3, dtype=torch.float64)
    for product in (
        transforms.rotation(angle) @ transforms.rotation(-angle),
        transforms.scaling(x, y) @ transforms.scaling(1 / x, 1 / y),
        transforms.translation(x, y) @ transforms.translation(-x, -y),
    ):
        torch.testing.assert_close(product, eye.expand(2, 3, 3))
    torch.testing.assert_close(transforms.rotation(angle) @ transforms.rotation(x), transforms.rotation(angle + x))
    point = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    moved = transforms.translation(x, y) @ transforms.rotation(column(math.pi / 2, math.pi / 2)) @ point
    torch.testing.assert_close(moved[:, :2], torch.stack([x, y + 1], 1))


# -------------------------------------------------------------------------------------------------------------- colours


def test_a_hue_rotation_keeps_greys_and_lightness_and_a_third_of_it_swaps_the_channels() -> None:
    x = pictures(2)
    turned = transforms.recolor(x, transforms.hue_rotation(torch.tensor([0.7, -2.5])))
    torch.testing.assert_close(turned.mean(1), x.mean(1))
    torch.testing.assert_close(turned.square().sum(1), x.square().sum(1))
    grey = x[:, :1].repeat(1, 3, 1, 1)
    torch.testing.assert_close(transforms.recolor(grey, transforms.hue_rotation(torch.tensor([0.7, -2.5]))), grey)
    third = transforms.recolor(x, transforms.hue_rotation(torch.full((2,), 2 * math.pi / 3)))
    torch.testing.assert_close(third, x.roll(1, 1))


def test_a_luma_flip_turns_lightness_round_and_keeps_the_colour_and_two_do_nothing() -> None:
    x, flip = pictures(2), transforms.luma_flip(torch.tensor([1.0, 0.0]))
    flipped, mean = transforms.recolor(x, flip), x.mean(1, keepdim=True)
    torch.testing.assert_close(flipped[:1], (x - 2 * mean)[:1])
    torch.testing.assert_close(flipped[1:], x[1:])
    torch.testing.assert_close(flip @ flip, torch.eye(4).expand(2, 4, 4))


def test_brightness_contrast_and_saturation_are_their_formulas() -> None:
    x, value = pictures(2), torch.tensor([0.3, 1.7])
    v, mean = value.view(-1, 1, 1, 1), x.mean(1, keepdim=True)
    torch.testing.assert_close(transforms.recolor(x, transforms.brightening(value)), x + v)
    torch.testing.assert_close(transforms.recolor(x, transforms.contrasting(value)), x * v)
    torch.testing.assert_close(transforms.recolor(x, transforms.saturating(value)), mean + (x - mean) * v)
    both = transforms.recolor(x, transforms.contrasting(value) @ transforms.brightening(value))
    torch.testing.assert_close(both, (x + v) * v)


def test_a_grey_picture_becomes_what_its_copy_in_three_channels_becomes() -> None:
    value = torch.tensor([0.3, 1.7])
    matrix = (
        transforms.luma_flip(torch.tensor([1.0, 0.0])) @ transforms.contrasting(value) @ transforms.brightening(value)
    )
    grey = pictures(2, channels=1)
    torch.testing.assert_close(
        transforms.recolor(grey, matrix).repeat(1, 3, 1, 1), transforms.recolor(grey.repeat(1, 3, 1, 1), matrix)
    )


# --------------------------------------------------------------------------------------------------- the other kinds


def test_gains_of_one_leave_a_picture_and_each_band_has_its_frequencies() -> None:
    x, gains = pictures(2).double(), torch.tensor([[2.0, 3.0, 5.0, 7.0]] * 2, dtype=torch.float64)
    torch.testing.assert_close(transforms.amplify(x, torch.ones_like(gains)), x)
    flat = torch.full_like(x, 0.3)
    torch.testing.assert_close(transforms.amplify(flat, gains), flat * 4)  # the lowest band, in both directions
    stripes = flat * torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(8)
    torch.testing.assert_close(transforms.amplify(stripes, gains), stripes * 2 * 7)  # the highest, in one of them
