"""The metric on pictures whose value is known."""

from __future__ import annotations

import pytest
import torch
from ganzoo_evaluation.base import Block, Comparison, Measured, Plan

from ganzoo.scaffold.metric.measure import Contrasts, compute


def measured(*pictures: torch.Tensor) -> Measured:
    """What is collected of pictures (C, H, W)."""
    collector = Contrasts(Plan(count=len(pictures)))
    collector.update(Block(start=0, pictures=torch.stack(pictures)))
    return Measured(name="made up", count=len(pictures), collected={Contrasts: collector})


def test_flat_pictures_beside_such_of_black_and_white_are_half_the_scale_away() -> None:
    flat = torch.full((1, 4, 4), 100, dtype=torch.uint8)
    halves = torch.zeros(1, 4, 4, dtype=torch.uint8)
    halves[:, :2] = 255
    found = compute(Comparison(fake=measured(flat, flat), real=measured(halves, halves)))
    assert found.value == pytest.approx(0.5)
    assert found.error == 0
