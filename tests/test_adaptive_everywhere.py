"""Every architecture with an adversarial loss has the adaptive augmentation, without a line of its own."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import TinyRuns
from torch import Tensor

from ganzoo.adversarial import Judge
from ganzoo.cards import resolve
from ganzoo.config import AdversarialSettings, Layer, build
from ganzoo.engine import checkpoint
from ganzoo.engine.noise import Noise
from ganzoo.model import Batch
from ganzoo.registry import get_registry
from ganzoo.runs import METRICS

ARCHITECTURES = sorted(
    name for name, card in get_registry().architectures.items() if issubclass(resolve(card.config), AdversarialSettings)
)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_probability_rises_is_logged_and_kept(name: str, tiny_run: TinyRuns) -> None:
    settings = {"ada": "blit,color", "ada_kimg": 0.1, "ada_target": -0.99, "steps": 9, "eval_every": 0, "log_every": 1}
    tiny = tiny_run(name, **settings)
    tiny.trainer.run()
    lines = [json.loads(line) for line in (tiny.run.folder / METRICS).read_text().splitlines()]
    logged = [line["discriminator/ada_probability"] for line in lines if "discriminator/ada_probability" in line]
    assert logged[0] == 0
    assert logged[-1] > 0
    kept = [
        float(value)
        for key, value in checkpoint.load_run(tiny.run.folder)["model"].items()
        if key.endswith("augment.probability")
    ]
    assert kept
    assert sum(kept) / len(kept) == pytest.approx(logged[-1], rel=1e-3)


@pytest.mark.parametrize("loss", ["least-squares", "wasserstein", "relativistic", "hinge"])
def test_whatever_the_loss_a_discriminator_that_is_sure_of_real_pictures_raises_it(loss: str) -> None:
    """Real pictures are brighter, and so is their logit, on either side of what the loss takes for undecided."""
    judge = Judge(build(AdversarialSettings, [Layer("test", {"ada": "blit", "loss": loss})])[0], bright)
    assert judge.augment is not None
    for wanted, brightness in ((True, 0.9), (False, -0.9)):
        judge.augment.probability.fill_(0.5)
        for step in range(judge.augment.interval):
            noise = Noise(0, step, count=4)
            batch = Batch({}, noise, slice(0, 4), step)
            judge.discriminator_loss(torch.full((4, 3, 8, 8), brightness), torch.full((4, 3, 8, 8), 0.4), batch)
        assert (float(judge.augment.probability) > 0.5) == wanted


def bright(pictures: Tensor, batch: Batch) -> Tensor:
    return pictures.mean((1, 2, 3))
