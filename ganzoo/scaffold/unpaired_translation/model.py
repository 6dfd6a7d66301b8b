"""newborn: two generators that undo each other.

Say here which paper the networks follow, with its sections, and where they differ from it and why.

From Zhu et al. (2017, arXiv:1703.10593): one generator from domain a to b and one back, a discriminator of patches for
each domain, least-squares losses, the cycle loss, by which a picture that went there and back should be what it was
(equation 2), and the identity loss, by which a picture of the target domain should stay as it is (section 5.2); without
it light and dark may well change places. Where we differ: small networks, which halve a picture once; no pool of
earlier fakes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from ganzoo import UserError
from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest
from ganzoo.nn.layers import he_init
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganzoo.scaffold.unpaired_translation.config import Config


class Block(nn.Module):
    """Two convolutions beside a shortcut: (N, width, H, W) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*convolution(width, width), nn.ReLU(), *convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


def convolution(inside: int, outside: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution that mirrors pictures at their borders, and instance normalisation, which needs no bias before."""
    padding = kernel // 2
    layer = nn.Conv2d(inside, outside, kernel, stride, padding, padding_mode="reflect", bias=False)
    return [layer, nn.InstanceNorm2d(outside)]


class Generator(nn.Module):
    """Pictures (N, channels, H, W) in [-1, 1], H and W even, to the same shape and range."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*convolution(channels, width, 5), nn.ReLU())
        self.inner = nn.Sequential(
            *convolution(width, 2 * width, 3, stride=2),
            nn.ReLU(),
            *(Block(2 * width) for _ in range(blocks)),
            nn.Upsample(scale_factor=2),
            *convolution(2 * width, width),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(2 * width, channels, 5, padding=2, padding_mode="reflect")

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.first(pictures)
        made: Tensor = self.last(torch.cat([fine, self.inner(fine)], 1))
        return made.tanh()


class Discriminator(nn.Module):
    """Pictures (N, channels, H, W) to a logit for each patch, (N, 1, h, w)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, padding=1),
        )
        self.apply(he_init)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.layers(pictures)
        return logits


class Newborn(Model):
    """Two generators and two discriminators; those of a kind learn in one phase."""

    sampling = ("generator_ab", "generator_ba")
    takes = ("a", "b")
    multiple = 2

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        self.generator_ab = Generator(data.channels, config.width, config.blocks)
        self.generator_ba = Generator(data.channels, config.width, config.blocks)
        self.discriminator_a = Discriminator(data.channels, 2 * config.width)
        self.discriminator_b = Discriminator(data.channels, 2 * config.width)
        self.judge_a = Judge(config, lambda pictures, batch: self.discriminator_a(pictures), name="a")
        self.judge_b = Judge(config, lambda pictures, batch: self.discriminator_b(pictures), name="b")

    def phases(self) -> Sequence[Phase]:
        first, *others = adversarial_phases(self.config, self.sampling, ("discriminator_a", "discriminator_b"))
        weights = {"cycle": self.config.cycle, "identity": self.config.identity}
        return [replace(first, weights=weights), *others]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return how if network in self.sampling else discriminator_adam(how, self.config)

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        # One pass for both: the pictures of a batch do not see each other.
        batch.fake_b, same_b = self.generator_ab(torch.cat([batch.a, batch.b])).chunk(2)
        batch.fake_a, same_a = self.generator_ba(torch.cat([batch.b, batch.a])).chunk(2)
        fooled_a = self.judge_a.generator_loss(batch.a, batch.fake_a, batch)
        fooled_b = self.judge_b.generator_loss(batch.b, batch.fake_b, batch)
        cycle_a = l1_loss(self.generator_ba(batch.fake_b), batch.a)
        cycle_b = l1_loss(self.generator_ab(batch.fake_a), batch.b)
        identity = l1_loss(same_a, batch.a) + l1_loss(same_b, batch.b)
        return {"adversarial": fooled_a + fooled_b, "cycle": cycle_a + cycle_b, "identity": identity}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        fake_a, fake_b = self.fakes(batch)
        return both(
            self.judge_a.discriminator_loss(batch.a, fake_a, batch),
            self.judge_b.discriminator_loss(batch.b, fake_b, batch),
        )

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return both(
            self.judge_a.penalties(batch.a, lambda: self.fakes(batch)[0], batch),
            self.judge_b.penalties(batch.b, lambda: self.fakes(batch)[1], batch),
        )

    def fakes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The fakes of both domains, detached: those that this batch's generator phase made, or new ones."""
        if batch.get("fake_a") is None:
            with torch.no_grad():
                batch.fake_a, batch.fake_b = self.generator_ba(batch.b), self.generator_ab(batch.a)
        return batch.fake_a.detach(), batch.fake_b.detach()

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`a` or `b` as it was given, (count, C, H, W): which of them says in which direction it goes.

        Raises:
            UserError: when neither is given, or both.
        """
        given = {name: request.given[name] for name in self.takes if request.given.get(name) is not None}
        if len(given) != 1:
            raise UserError("a translation starts from pictures of domain a or of domain b; add --input FOLDER")
        return given

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        made: Tensor = self.generator_ab(inputs["a"]) if "a" in inputs else self.generator_ba(inputs["b"])
        return made


def both(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The terms of two judges, added."""
    return {name: term + other[name] for name, term in one.items()}
