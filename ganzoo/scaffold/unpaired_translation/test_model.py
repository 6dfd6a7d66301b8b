"""What newborn promises beside what every architecture does."""

from __future__ import annotations

import torch
from ganzoo.data.base import DataSpec, Field

from ganzoo.scaffold.unpaired_translation.config import Config
from ganzoo.scaffold.unpaired_translation.model import Newborn

FIELDS = tuple(Field(name=name, kind="image", channels=3, size=32, rows=1) for name in ("a", "b"))


def test_each_direction_has_a_generator_of_its_own() -> None:
    spec = DataSpec(name="made up", split="train", count=1, fields=FIELDS)
    model = Newborn(Config(width=8), spec).eval()
    pictures = torch.rand(2, 3, 32, 48) * 2 - 1
    there, back = model.generate({"a": pictures}), model.generate({"b": pictures})
    assert there.shape == back.shape == pictures.shape
    assert torch.equal(there, model.generator_ab(pictures))
    assert torch.equal(back, model.generator_ba(pictures))
