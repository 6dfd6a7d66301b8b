"""What newborn promises beside what every architecture does."""

from __future__ import annotations

import torch
from ganzoo.data.base import DataSpec, Field

from ganzoo.scaffold.class_conditional.config import Config
from ganzoo.scaffold.class_conditional.model import Newborn

FIELDS = (
    Field(name="image", kind="image", channels=1, size=28),
    Field(name="label", kind="label", classes=("cat", "dog")),
)


def test_the_class_changes_the_picture_and_the_verdict() -> None:
    spec = DataSpec(name="made up", split="train", count=1, fields=FIELDS)
    model = Newborn(Config(width=8), spec).eval()
    z, cats, dogs = torch.randn(3, model.latent), torch.zeros(3, dtype=torch.int64), torch.ones(3, dtype=torch.int64)
    pictures = model.generate({"z": z, "label": cats})
    assert pictures.shape == (3, 1, 28, 28)
    assert not torch.equal(pictures, model.generate({"z": z, "label": dogs}))
    assert not torch.equal(model.discriminator(pictures, cats), model.discriminator(pictures, dogs))
