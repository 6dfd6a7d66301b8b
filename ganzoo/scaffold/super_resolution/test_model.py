"""What newborn promises beside what every architecture does."""

from __future__ import annotations

import pytest
import torch
from ganzoo.data.base import DataSpec, Field
from torch.nn.functional import interpolate

from ganzoo.scaffold.super_resolution.config import Config
from ganzoo.scaffold.super_resolution.model import Newborn


@pytest.mark.parametrize("scale", [2, 4])
def test_an_untrained_generator_enlarges_as_bicubic_interpolation_does(scale: int) -> None:
    sizes = {"high": 32, "low": 32 // scale}
    fields = tuple(Field(name=name, kind="image", channels=3, size=size) for name, size in sizes.items())
    spec = DataSpec(name="made up", split="train", count=1, fields=fields)
    model = Newborn(Config(width=8, scale=scale), spec).eval()  # type: ignore[arg-type]
    low = torch.rand(2, 3, 10, 7) * 2 - 1
    enlarged = interpolate(low, scale_factor=scale, mode="bicubic", align_corners=False).clamp(-1, 1)
    assert torch.allclose(model.generate({"low": low}), enlarged, atol=0.05)
