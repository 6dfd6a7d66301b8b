"""What newborn promises beside what every architecture does."""

from __future__ import annotations

import torch
from ganzoo.data.base import DataSpec, Field

from ganzoo.scaffold.text_to_image.config import Config
from ganzoo.scaffold.text_to_image.model import Newborn

FIELDS = (Field(name="image", kind="image", channels=3, size=16), Field(name="text", kind="text"))


def test_the_caption_changes_the_picture_and_the_verdict() -> None:
    spec = DataSpec(name="made up", split="train", count=1, fields=FIELDS)
    model = Newborn(Config(width=8), spec).eval()
    z, cats, dogs = torch.randn(2, model.config.latent), ["a cat", "two cats"], ["a dog", "two dogs"]
    pictures = model.generate({"z": z, "text": cats})
    assert pictures.shape == (2, 3, 16, 16)
    assert not torch.equal(pictures, model.generate({"z": z, "text": dogs}))
    right, wrong = (model.discriminator(pictures, model.sentences(texts)) for texts in (cats, dogs))
    assert not torch.equal(right, wrong)
