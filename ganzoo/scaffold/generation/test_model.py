"""What newborn promises beside what every architecture does."""

from __future__ import annotations

import pytest
import torch
from ganzoo.data.base import DataSpec, Field

from ganzoo.scaffold.generation.config import Config
from ganzoo.scaffold.generation.model import Newborn


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (48, 3)])
def test_pictures_have_the_shape_of_the_data(size: int, channels: int) -> None:
    field = Field(name="image", kind="image", channels=channels, size=size)
    spec = DataSpec(name="made up", split="train", count=1, fields=(field,))
    model = Newborn(Config(width=8), spec)
    pictures = model.generate({"z": torch.randn(2, model.latent)})
    assert pictures.shape == (2, channels, size, size)
    assert model.discriminator(pictures).shape == (2,)
