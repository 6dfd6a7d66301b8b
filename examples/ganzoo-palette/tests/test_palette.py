"""The distance is its formula, however the pictures are cut up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganzoo_evaluation.base import Block, Comparison, Measured, Plan
from ganzoo_palette.colours import Palette, compute


def collected(pictures: torch.Tensor, block: int = 64) -> Palette:
    made = Palette(Plan(count=len(pictures)))
    for start in range(0, len(pictures), block):
        made.update(Block(start=start, pictures=pictures[start : start + block]))
    return made


def measured(fake: torch.Tensor, real: torch.Tensor) -> tuple[float, float | None]:
    sides = (Measured(name="a set", count=len(p), collected={Palette: collected(p)}) for p in (fake, real))
    value = compute(Comparison(fake=next(sides), real=next(sides)))
    return value.value, value.error


def test_it_is_the_share_of_pixels_of_another_colour() -> None:
    """Black against a set of which a quarter of every picture is white."""
    black = torch.zeros(20, 3, 4, 4, dtype=torch.uint8)
    mixed = black.clone()
    mixed[:, :, :2, :2] = 255
    assert measured(mixed, black) == (pytest.approx(0.25), pytest.approx(0.0))
    assert measured(black, black)[0] == 0
    assert measured(black, 255 - black)[0] == 1


def test_a_colour_is_not_its_brightness() -> None:
    red, blue = (torch.zeros(10, 3, 4, 4, dtype=torch.uint8) for _ in range(2))
    red[:, 0], blue[:, 2] = 255, 255
    assert measured(red, blue)[0] == 1


def test_grey_pictures_and_sizes_compare() -> None:
    grey = torch.randint(0, 256, (10, 1, 8, 8), dtype=torch.uint8)
    larger = grey.repeat_interleave(2, 2).repeat_interleave(2, 3).expand(-1, 3, -1, -1)
    assert measured(grey, larger)[0] == pytest.approx(0)


def test_the_error_is_about_the_spread_over_samples() -> None:
    """200 pictures that are white with probability 0.8, against as many white as black ones, forty times."""
    white = torch.rand(40, 200, 1, 1, 1, generator=torch.Generator().manual_seed(0)) < 0.8
    sets = (white.to(torch.uint8) * 255).expand(-1, -1, 3, 4, 4)
    half = torch.tensor([0, 255], dtype=torch.uint8).repeat(100).view(200, 1, 1, 1).expand(-1, 3, 4, 4)
    found = [measured(pictures, half) for pictures in sets]
    values, errors = np.array([value for value, _ in found]), np.array([error for _, error in found])
    assert values.mean() == pytest.approx(0.3, abs=0.02)
    assert errors.mean() == pytest.approx((0.8 * 0.2 / 200) ** 0.5, rel=0.15)


def test_it_can_be_shared_out_and_kept() -> None:
    pictures = torch.randint(0, 256, (100, 3, 8, 8), dtype=torch.uint8)
    halves = [Palette(Plan(count=100)) for _ in range(2)]
    halves[0].update(Block(start=0, pictures=pictures[:64]))
    halves[1].update(Block(start=64, pictures=pictures[64:]))
    again = Palette.from_arrays(halves[0].arrays())
    again.merge(halves[1])
    np.testing.assert_array_equal(again.counts, collected(pictures, 10).counts)
