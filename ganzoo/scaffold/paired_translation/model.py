"""newborn: a U-Net against a discriminator of pairs.

Say here which paper the networks follow, with its sections, and where they differ from it and why.

From Isola et al. (2017, arXiv:1611.07004): the generator is an encoder and a decoder with shortcuts between layers of
one size; the discriminator is shown the source beside the picture and judges patches; the mean absolute error stands
beside the adversarial loss (equation 4). Where we differ: three halvings, no noise; the discriminator has no
normalisation, R1 keeps it in check.
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
from ganzoo.nn.layers import he_init, normal_init
from torch import Tensor, nn
from torch.nn.functional import l1_loss, leaky_relu

from ganzoo.scaffold.paired_translation.config import Config

HALVINGS = 3


class UNet(nn.Module):
    """Pictures (N, inputs, H, W), H and W multiples of 8, to pictures (N, outputs, H, W) in [-1, 1]."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(HALVINGS)]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, inside in enumerate([inputs, *widths[:-1]]):
            halved = nn.Conv2d(inside, widths[level], 4, stride=2, padding=1, bias=False)
            self.encoder.append(nn.Sequential(halved, nn.BatchNorm2d(widths[level])))
        for level in reversed(range(1, HALVINGS)):
            beside = 0 if level == HALVINGS - 1 else widths[level]  # what comes over the shortcut
            inside, outside = widths[level] + beside, widths[level - 1]
            doubled = nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=False)
            self.decoder.append(nn.Sequential(doubled, nn.BatchNorm2d(outside)))
        self.last = nn.ConvTranspose2d(2 * width, outputs, 4, stride=2, padding=1)
        self.apply(normal_init)

    def forward(self, pictures: Tensor) -> Tensor:
        x, shortcuts = pictures, []
        for layer in self.encoder:
            x = leaky_relu(layer(x), 0.2)
            shortcuts.append(x)
        x = shortcuts.pop()
        for layer in self.decoder:
            x = torch.cat([leaky_relu(layer(x), 0.2), shortcuts.pop()], 1)
        made: Tensor = self.last(x)
        return made.tanh()


class Discriminator(nn.Module):
    """Source and picture behind each other, (N, channels, H, W), to a logit for each patch, (N, 1, h, w)."""

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
    """The source goes through the U-Net; the discriminator sees pairs."""

    takes = ("source",)
    multiple = 2**HALVINGS

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        source, target = data.field("source").channels, data.field("target").channels
        self.generator = UNet(source, target, config.width)
        self.discriminator = Discriminator(source + target, config.width)
        self.judge = Judge(config, lambda pair, batch: self.discriminator(pair), parts=(source, target))

    def phases(self) -> Sequence[Phase]:
        first, *others = adversarial_phases(self.config, ["generator"], ["discriminator"])
        return [replace(first, weights={"l1": self.config.l1}), *others]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return discriminator_adam(how, self.config) if network == "discriminator" else how

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = self.generator(batch.source)
        adversarial = self.judge.generator_loss(pair(batch, batch.target), pair(batch, batch.fake), batch)
        return {"adversarial": adversarial, "l1": l1_loss(batch.fake, batch.target)}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.discriminator_loss(pair(batch, batch.target), pair(batch, self.fakes(batch)), batch)

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.penalties(pair(batch, batch.target), lambda: pair(batch, self.fakes(batch).detach()), batch)

    def fakes(self, batch: Batch) -> Tensor:
        """The fakes of this batch, (N, C, H, W): those that its generator phase made, or new ones."""
        made: Tensor | None = batch.get("fake")
        return made if made is not None else self.generator(batch.source)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`source` (count, C, H, W), as given.

        Raises:
            UserError: when none is.
        """
        source = request.given.get("source")
        if source is None:
            raise UserError("a translation starts from pictures, and none is given; add --input FOLDER")
        return {"source": source}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        made: Tensor = self.generator(inputs["source"])
        return made


def pair(batch: Batch, picture: Tensor) -> Tensor:
    """What the discriminator is shown: the sources of the batch and pictures, behind each other."""
    return torch.cat([batch.source, picture], 1)
