"""Random jitter against slow references and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.engine.noise import Noise
from ganzoo.nn.jitter import ENLARGE, jitter


class Coins:
    """Random that is what a test says: (N, 2) of row and column."""

    def __init__(self, *coins: tuple[float, float]) -> None:
        self.coins = torch.tensor(coins)

    def rand(self, *shape: int, stream: str) -> Tensor:
        assert shape == self.coins.shape[1:]
        return self.coins


def pictures(count: int = 4, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_picture_becomes_a_part_of_its_enlargement() -> None:
    x = pictures(6)
    (made,) = jitter([x], Noise(0, count=6))
    assert made.shape == x.shape
    large = interpolate(x, (36, 36), mode="bilinear", align_corners=False)
    places = []
    for row in range(6):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(large[row, :, top : top + 32, left : left + 32], made[row])
        ]
        assert len(found) == 1
        places += found
    assert len(set(places)) > 1


def test_the_smallest_and_the_largest_coin_give_opposite_corners() -> None:
    x = pictures(2, height=16, width=32)
    (made,) = jitter([x], Coins((0.0, 0.0), (0.999999, 0.999999)))
    large = interpolate(x, (18, 36), mode="bilinear", align_corners=False)
    assert torch.equal(made[0], large[0, :, :16, :32])
    assert torch.equal(made[1], large[1, :, 2:, 4:])


def test_every_place_is_as_likely_as_any_other() -> None:
    ramp = torch.arange(32.0).expand(4000, 1, 1, 32)
    (made,) = jitter([ramp], Noise(0, count=4000))
    places = made[:, 0, 0, 10].mul(1e4).round().unique(return_counts=True)[1]
    assert len(places) == 5
    assert places.min() > 4000 / 5 - 4 * (4000 / 5) ** 0.5
    assert places.max() < 4000 / 5 + 4 * (4000 / 5) ** 0.5


def test_pairs_stay_pairs_whatever_their_channels() -> None:
    x = pictures(8)
    one, other = jitter([x, x[:, :1]], Noise(1, count=8))
    assert torch.equal(one[:, :1], other)


def test_the_paper_makes_286_of_256_so_slopes_shrink_by_as_much() -> None:
    ramp = torch.linspace(-1, 1, 256).expand(2, 1, 256, 256)
    (made,) = jitter([ramp], Noise(0, count=2))
    slopes = made[..., 41:-40] - made[..., 40:-41]
    assert slopes.mean() == pytest.approx(2 / 255 / ENLARGE, rel=1e-4)
    assert made.abs().max() <= 1


def test_no_enlargement_changes_nothing() -> None:
    x = pictures()
    assert torch.equal(jitter([x], Noise(0, count=4), enlarge=1)[0], x)


def test_the_same_draw_is_the_same_and_another_stream_another() -> None:
    x = pictures(16)
    noise = Noise(0, count=16)
    (one,), (again,) = jitter([x], noise), jitter([x], noise)
    (other,) = jitter([x], noise, stream="again")
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_sets_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3, 16, 32\)"):
        jitter([pictures(), pictures(height=16)], Noise(0, count=4))
