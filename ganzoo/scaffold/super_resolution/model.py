"""newborn: detail that is added to an enlarged picture.

Say here which paper the networks follow, with its sections, and where they differ from it and why.

From Ledig et al. (2017, arXiv:1609.04802): residual blocks at the size of the input, and pixels from channels (Shi et
al., 2016, arXiv:1609.05158) at the end; a pixel error and an adversarial loss. Where we differ: few blocks without
normalisation, one step of enlargement, the absolute error, no perceptual loss; what the network makes is added to the
bicubic enlargement (Kim et al., 2016, arXiv:1511.04587); the discriminator judges patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ganzoo import UserError
from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest
from ganzoo.nn.layers import he_init
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss

from ganzoo.scaffold.super_resolution.config import Config


class Block(nn.Module):
    """Two convolutions beside a shortcut: (N, width, H, W) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


class Generator(nn.Module):
    """Pictures (N, channels, H, W) of any height and width to (N, channels, scale H, scale W)."""

    def __init__(self, channels: int, width: int, blocks: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        blank = nn.Conv2d(width, channels * scale**2, 3, padding=1, bias=False)
        nn.init.normal_(blank.weight, std=1e-3)  # at first it adds next to nothing
        self.detail = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            *(Block(width) for _ in range(blocks)),
            blank,
            nn.PixelShuffle(scale),
        )

    def forward(self, low: Tensor) -> Tensor:
        enlarged = interpolate(low, scale_factor=self.scale, mode="bicubic", align_corners=False)
        made: Tensor = enlarged + self.detail(low)
        return made


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
    """`low` (N, C, H, W) to `high` (N, C, scale H, scale W)."""

    takes = ("low",)
    multiple = 1

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        self.scale = config.scale
        self.reach = 2 + 2 * config.blocks  # a pixel for each convolution of 3 x 3; the bicubic enlargement reaches 2
        self.generator = Generator(data.channels, config.width, config.blocks, config.scale)
        self.discriminator = Discriminator(data.channels, config.width)
        self.judge = Judge(config, lambda pictures, batch: self.discriminator(pictures))

    def phases(self) -> Sequence[Phase]:
        first, *others = adversarial_phases(self.config, ["generator"], ["discriminator"])
        return [replace(first, weights={"adversarial": self.config.adversarial}), *others]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return discriminator_adam(how, self.config) if network == "discriminator" else how

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = self.generator(batch.low)
        adversarial = self.judge.generator_loss(batch.high, batch.fake, batch)
        return {"adversarial": adversarial, "pixel": l1_loss(batch.fake, batch.high)}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.discriminator_loss(batch.high, self.fakes(batch), batch)

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.penalties(batch.high, lambda: self.fakes(batch).detach(), batch)

    def fakes(self, batch: Batch) -> Tensor:
        """What becomes of this batch, (N, C, H, W): what its generator phase made, or new."""
        made: Tensor | None = batch.get("fake")
        return made if made is not None else self.generator(batch.low)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`low` (count, C, H, W), as given.

        Raises:
            UserError: when none is.
        """
        low = request.given.get("low")
        if low is None:
            raise UserError("there is no picture to enlarge; add --input FILE or FOLDER")
        return {"low": low}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        made: Tensor = self.generator(inputs["low"])
        return made.clamp(-1, 1)
