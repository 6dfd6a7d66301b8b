"""Two small perceptrons play against each other (Goodfellow et al., 2014, arXiv:1406.2661)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import softplus

from ganzoo import Batch, Model, Phase
from ganzoo.data import DataSpec
from ganzoo.model import SampleRequest, truncated_normal
from ganzoo_mixture.config import Config


def perceptron(inputs: int, hidden: int) -> nn.Sequential:
    """(n, inputs) to (n, 1), by two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1)
    )


class MixtureGAN(Model):
    """The non-saturating GAN (section 3) on single numbers."""

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.latent = config.latent
        self.generator = perceptron(config.latent, config.hidden)
        self.discriminator = perceptron(1, config.hidden)

    def phases(self) -> Sequence[Phase]:
        return [Phase("generator", trains=("generator",)), Phase("discriminator", trains=("discriminator",))]

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = self.generator(batch.randn(self.latent))
        return {"adversarial": softplus(-self.discriminator(batch.fake)).mean()}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.real_logits = self.discriminator(batch.points)
        batch.fake_logits = self.discriminator(batch.fake.detach())
        return {"adversarial": softplus(-batch.real_logits).mean() + softplus(batch.fake_logits).mean()}

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": truncated_normal(request, self.latent)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        points: Tensor = self.generator(inputs["z"])
        return points
