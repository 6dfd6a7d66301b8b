"""The common case: a generator against a discriminator, with the zoo's losses, penalties and augmentation by setting.

An architecture whose step is that subclasses `AdversarialModel`, makes `generator` and `discriminator`, and is done.
One whose step is something else subclasses `ganzoo.Model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.config import AdversarialSettings
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest, truncated_normal
from ganzoo.nn.augment import diff_augment
from ganzoo.nn.losses import adversarial_loss
from ganzoo.nn.penalties import gradient_penalty, r1_penalty, r2_penalty


class AdversarialModel(Model):
    """A generator and a discriminator, conditional on the label where `takes` says so.

    `generator(z)` or `generator(z, label)` gives pictures in [-1, 1]; `discriminator(x)` or `discriminator(x, label)`
    gives logits (N,). A subclass sets both, and `latent`, in its constructor.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent: int

    def __init__(self, config: AdversarialSettings, data: Any) -> None:
        super().__init__(config, data)
        self.config = config
        self.objective = adversarial_loss(config.loss)

    def phases(self) -> Sequence[Phase]:
        c = self.config
        phases = [
            Phase("generator", trains=("generator",)),
            Phase(
                "discriminator",
                trains=("discriminator",),
                repeat=c.critic_steps,
                weights={"gradient_penalty": c.gradient_penalty},
            ),
        ]
        if c.r1 or c.r2:
            # Lazy regularisation (Karras et al., 2020, arXiv:1912.04958, section 3.1): rarer, and so much stronger.
            lazy = {"r1": c.r1 * c.penalty_every, "r2": c.r2 * c.penalty_every}
            phases.append(Phase("penalty", trains=("discriminator",), every=c.penalty_every, weights=lazy))
        return phases

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        if network == "discriminator" and self.config.lr_discriminator is not None:
            return Adam(self.config.lr_discriminator, how.beta1, how.beta2, how.eps, how.weight_decay)
        return how

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = self.fakes(batch)
        logits = self.judge(batch.fake, batch, "generator")
        real = self.judge(batch.image, batch, "generator-real") if self.objective.compares else None
        return {"adversarial": self.objective.generator(real, logits)}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        fake = self.fakes(batch).detach()
        real_logits = self.judge(batch.image, batch, "real")
        fake_logits = self.judge(fake, batch, "fake")
        terms = {"adversarial": self.objective.discriminator(real_logits, fake_logits)}
        if self.objective.critic:
            mix = batch.rand(stream="mix")
            terms["gradient_penalty"] = gradient_penalty(self._judge_of(batch, "penalty"), batch.image, fake, mix)
        else:
            batch.real_logits, batch.fake_logits = real_logits.detach(), fake_logits.detach()
        return terms

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        judge = self._judge_of(batch, "penalty")
        terms = {}
        if self.config.r1:
            terms["r1"] = r1_penalty(judge, batch.image)
        if self.config.r2:
            terms["r2"] = r2_penalty(judge, self.fakes(batch))
        return terms

    def fakes(self, batch: Batch) -> Tensor:
        """The fakes of this batch, (N, C, H, W): those that its generator phase made, or new ones."""
        made: Tensor | None = batch.get("fake")
        return made if made is not None else self._generate(batch.randn(self.latent), batch.get("label"))

    def judge(self, pictures: Tensor, batch: Batch, stream: str) -> Tensor:
        """Logits (N,) of pictures, augmented as the settings say; `stream` names the draw of the augmentation."""
        if self.config.diffaug:
            pictures = diff_augment(pictures, self.config.diffaug, batch, stream)
        logits: Tensor = self.discriminator(pictures, batch.label) if self.conditional else self.discriminator(pictures)
        return logits

    def _judge_of(self, batch: Batch, stream: str) -> Any:
        return lambda pictures: self.judge(pictures, batch, stream)

    @property
    def conditional(self) -> bool:
        """Whether the label enters both networks."""
        return "label" in self.takes

    def _generate(self, z: Tensor, label: Tensor | None) -> Tensor:
        pictures: Tensor = self.generator(z, label) if self.conditional else self.generator(z)
        return pictures

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`z` (count, latent) and, where it is conditional, `label` (count,): as given, or all classes in turn."""
        made: dict[str, Any] = {"z": truncated_normal(request, self.latent)}
        if self.conditional:
            label = request.given.get("label")
            if label is None:
                label = torch.arange(request.count, device=made["z"].device) % len(self.data.classes)
            made["label"] = label
        return made

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return self._generate(inputs["z"], inputs.get("label"))
