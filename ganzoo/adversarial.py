"""The adversarial game with the zoo's losses, penalties and augmentation, by setting.

`Judge` is one discriminator's half of it, for any phase of any model. `AdversarialModel` is the common case, a
generator of noise against one discriminator: an architecture whose step is that makes `generator` and `discriminator`
and is done. One whose step is something else subclasses `ganzoo.Model`, and may still use a `Judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.config import AdversarialSettings
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest, truncated_normal
from ganzoo.nn.ada import AdaptiveAugment
from ganzoo.nn.augment import diff_augment
from ganzoo.nn.losses import adversarial_loss
from ganzoo.nn.penalties import gradient_penalty, r1_penalty, r2_penalty


class Judge(nn.Module):
    """One discriminator with the loss, the penalties and the augmentation that the settings ask for.

    `discriminator(pictures, batch)` gives logits of any shape whose first axis is that of the pictures. `name` keeps
    the random draws of two judges of one model apart. A model keeps it as an attribute: what an adaptive augmentation
    has found is state of the run.

    `parts`: the channels of each, where the discriminator is shown several pictures behind each other.
    """

    def __init__(
        self,
        config: AdversarialSettings,
        discriminator: Callable[[Tensor, Batch], Tensor],
        name: str = "",
        parts: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.config = config
        self.objective = adversarial_loss(config.loss)
        self.augment = _adaptive(config, parts)
        self._discriminator = discriminator
        self._prefix = f"{name}-" if name else ""

    def logits(self, pictures: Tensor, batch: Batch, stream: str) -> Tensor:
        """Logits of pictures, augmented as the settings say; `stream` names the draw of the augmentation."""
        if self.augment is not None:
            pictures = self.augment(pictures, batch, self._prefix + stream)
        if self.config.diffaug:
            pictures = diff_augment(pictures, self.config.diffaug, batch, self._prefix + stream)
        return self._discriminator(pictures, batch)

    def generator_loss(self, real: Tensor, fake: Tensor, batch: Batch) -> Tensor:
        """The generator's adversarial term, a scalar."""
        logits = self.logits(fake, batch, "generator")
        real_logits = self.logits(real, batch, "generator-real") if self.objective.compares else None
        return self.objective.generator(real_logits, logits)

    def discriminator_loss(self, real: Tensor, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The discriminator's terms: `adversarial`, and of a critic `gradient_penalty`. The logits are left on the
        batch for whoever watches the balance of the two."""
        fake = fake.detach()
        real_logits, fake_logits = self.logits(real, batch, "real"), self.logits(fake, batch, "fake")
        terms = {"adversarial": self.objective.discriminator(real_logits, fake_logits)}
        if self.objective.critic:
            mix = batch.rand(stream=f"{self._prefix}mix")
            terms["gradient_penalty"] = gradient_penalty(self._penalised(batch), real, fake, mix)
        else:
            batch.real_logits, batch.fake_logits = real_logits.detach(), fake_logits.detach()
        if self.augment is not None:
            terms["ada_probability"] = self.augment.probability.clone()  # for the metrics: it weighs 0
            # A critic's score has no threshold either, and a loss that compares knows none.
            relative = self.objective.compares or self.objective.critic
            threshold = fake_logits if relative else self.objective.boundary
            self.augment.observe(batch, real_logits - threshold)
        return terms

    def penalties(self, real: Tensor, fake: Callable[[], Tensor], batch: Batch) -> dict[str, Tensor]:
        """The terms of a penalty phase, as far as the settings ask for them; `fake` is only called for R2."""
        terms = {}
        if self.config.r1:
            terms["r1"] = r1_penalty(self._penalised(batch), real)
        if self.config.r2:
            terms["r2"] = r2_penalty(self._penalised(batch), fake())
        return terms

    def _penalised(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        return lambda pictures: self.logits(pictures, batch, "penalty")


def adversarial_phases(
    config: AdversarialSettings, generators: Sequence[str], discriminators: Sequence[str], start: int = 0
) -> list[Phase]:
    """The phases `generator`, `discriminator` and, where the settings ask for it, `penalty`; they begin at `start`."""
    weights = {"gradient_penalty": config.gradient_penalty}
    if config.ada:
        weights["ada_probability"] = 0.0
    phases = [
        Phase("generator", trains=tuple(generators), start=start),
        Phase(
            "discriminator",
            trains=tuple(discriminators),
            repeat=config.critic_steps,
            start=start,
            weights=weights,
        ),
    ]
    if config.r1 or config.r2:
        # Lazy regularisation (Karras et al., 2020, arXiv:1912.04958, section 3.1): rarer, and so much stronger.
        lazy = {"r1": config.r1 * config.penalty_every, "r2": config.r2 * config.penalty_every}
        every = config.penalty_every
        phases.append(Phase("penalty", trains=tuple(discriminators), every=every, start=start, weights=lazy))
    return phases


def _adaptive(config: AdversarialSettings, parts: Sequence[int]) -> AdaptiveAugment | None:
    """The adaptive augmentation that the settings ask for, if any."""
    if not config.ada:
        return None
    return AdaptiveAugment(
        config.ada, parts=parts, probability=config.ada_probability, target=config.ada_target, kimg=config.ada_kimg
    )


def discriminator_adam(how: Adam, config: AdversarialSettings) -> Adam:
    """How a discriminator learns, given how everything else does: at a rate of its own where there is one."""
    if config.lr_discriminator is None:
        return how
    return Adam(config.lr_discriminator, how.beta1, how.beta2, how.eps, how.weight_decay)


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
        self.judge = Judge(config, self._logits)

    def phases(self) -> Sequence[Phase]:
        return adversarial_phases(self.config, ["generator"], ["discriminator"])

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return discriminator_adam(how, self.config) if network == "discriminator" else how

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = self.fakes(batch)
        return {"adversarial": self.judge.generator_loss(batch.image, batch.fake, batch)}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.discriminator_loss(batch.image, self.fakes(batch), batch)

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.penalties(batch.image, lambda: self.fakes(batch), batch)

    def fakes(self, batch: Batch) -> Tensor:
        """The fakes of this batch, (N, C, H, W): those that its generator phase made, or new ones."""
        made: Tensor | None = batch.get("fake")
        return made if made is not None else self._generate(batch.randn(self.latent), batch.get("label"))

    def _logits(self, pictures: Tensor, batch: Batch) -> Tensor:
        logits: Tensor = self.discriminator(pictures, batch.label) if self.conditional else self.discriminator(pictures)
        return logits

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
