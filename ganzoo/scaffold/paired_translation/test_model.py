"""What newborn promises beside what every architecture does."""

from __future__ import annotations

import torch
from ganzoo.data.base import DataSpec, Field

from ganzoo.scaffold.paired_translation.config import Config
from ganzoo.scaffold.paired_translation.model import Newborn

FIELDS = (
    Field(name="source", kind="image", channels=1, size=32),
    Field(name="target", kind="image", channels=3, size=32),
)


def test_sources_and_targets_may_differ_in_their_channels() -> None:
    spec = DataSpec(name="made up", split="train", count=1, fields=FIELDS)
    model = Newborn(Config(width=8), spec).eval()
    source = torch.rand(2, 1, 32, 48) * 2 - 1
    made = model.generate({"source": source})
    assert made.shape == (2, 3, 32, 48)
    assert model.discriminator(torch.cat([source, made], 1)).shape[:2] == (2, 1)
