"""SRGAN (Ledig et al., 2017, arXiv:1609.04802) and, with variant=esrgan, ESRGAN (Wang et al., 2018, arXiv:1809.00219).

From the papers: SRResNet (figure 4) enlarges in two steps of pixel-shuffle behind residual blocks at the size of the
input; it first learns from the error of pixels alone (the squared one; ESRGAN: the absolute one), which is the phase
`warmup`, and then from what a frozen network sees and from a discriminator in the shape of VGG. ESRGAN replaces the
blocks by residual-in-residual dense ones, drops every BatchNorm of the generator, begins with smaller weights, looks at
the features before their activation, keeps a little of the pixel error, and lets the discriminator compare.

Where we differ: the perceptual network is EfficientNet-lite0 unless it is said otherwise (`ganzoo_srgan.perceptual`),
because it comes with the zoo; then the pixel error stays and the perceptual loss weighs little (`config.BALANCED`),
without which what one network likes is noise to others. With `perceptual_margin` it sees another part of the patches in
each step, so that the network's strides do not always fall on the same pixels. The relativistic loss is the zoo's,
which compares each output with its own truth, where ESRGAN's compares it with the mean of all: what both show is the
same place, and no other picture of the batch then matters. The output is not bound by a tanh (figure 4 has none); what
`generate` gives is clamped to [-1, 1]. ESRGAN's paper says nothing of the layers around the blocks: they are
SRResNet's, with LeakyReLU. With `skip` the network adds its detail to the enlarged input, as Kim et al. (2016,
arXiv:1511.04587) do, instead of making all of the picture: it is good sooner (by 5 dB after 800 steps of
`srgan.emoji`), which matters when training takes minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec
from ganzoo.engine.noise import derive
from ganzoo.errors import UserError
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest
from ganzoo_srgan import perceptual
from ganzoo_srgan.config import NONE, Config
from ganzoo_srgan.networks import Discriminator, Generator


class SRGAN(Model):
    """`low` (N, C, H, W) of any height and width to `high` (N, C, scale H, scale W)."""

    takes = ("low",)
    multiple = 1

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        low, high = data.field("low"), data.field("high")
        if low.size * config.scale != high.size:
            raise UserError(
                f"{data.name}: its pictures of {low.size} and {high.size} px do not differ by scale={config.scale}"
            )
        if config.perceptual_margin >= high.size:
            raise UserError(
                f"perceptual_margin: {config.perceptual_margin} px leave nothing of patches of {high.size} px; add "
                f"--set perceptual_margin={high.size // 4}"
            )
        self.config = config
        self.scale = config.scale
        if config.perceptual != NONE and config.steps > config.pixel_steps:
            self.trained_through = (config.perceptual,)
        growth = config.growth if config.esrgan else None
        self.generator = Generator(high.channels, config.width, config.depth, config.scale, config.skip, growth)
        self.discriminator = Discriminator(config.discriminator_width, high.size, high.channels, config.norm)
        self.reach = self.generator.reach
        self.judge = Judge(config.judged, lambda pictures, batch: self.discriminator(pictures))
        self.perceptual: perceptual.Perceptual | None = None

    def phases(self) -> Sequence[Phase]:
        """The warm-up, and the adversarial phases once it is over."""
        config = self.config
        # Only a model that is trained looks through it: one that is loaded to enlarge pictures need not have it.
        if config.perceptual != NONE and self.perceptual is None:
            device = next(self.generator.parameters()).device
            self.perceptual = perceptual.load(config.perceptual, device, esrgan=config.esrgan)
        warmup = [Phase("warmup", trains=("generator",), stop=config.pixel_steps)] if config.pixel_steps else []
        first, *others = adversarial_phases(config, ["generator"], ["discriminator"], start=config.pixel_steps)
        return [*warmup, replace(first, weights=asdict(config.weights)), *others]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return discriminator_adam(how, self.config) if network == "discriminator" else how

    def warmup_loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"pixel": self._pixel_error(self.fakes(batch), batch.high)}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        fake = self.fakes(batch)
        terms = {"adversarial": self.judge.generator_loss(batch.high, fake, batch)}
        if self.config.weights.pixel:
            terms["pixel"] = self._pixel_error(fake, batch.high)
        if self.perceptual is not None:
            part = self._part(batch)
            terms["perceptual"] = self.perceptual(fake[part], batch.high[part])
        return terms

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.discriminator_loss(batch.high, self.fakes(batch), batch)

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.judge.penalties(batch.high, lambda: self.fakes(batch), batch)

    def fakes(self, batch: Batch) -> Tensor:
        """What becomes of this batch, (N, C, H, W): what an earlier phase of the step has made, or new."""
        made: Tensor | None = batch.get("fake")
        if made is None:
            made = batch.fake = self.generator(batch.low)
        return made

    def _part(self, batch: Batch) -> tuple[slice, ...]:
        """What of the pictures the perceptual loss looks at, the same in every process."""
        margin = self.config.perceptual_margin
        side = batch.high.shape[-1] - margin
        draw = derive(self.config.seed, "perceptual", batch.step)
        top, left = draw % (margin + 1), draw // (margin + 1) % (margin + 1)
        return (slice(None), slice(None), slice(top, top + side), slice(left, left + side))

    def _pixel_error(self, made: Tensor, truth: Tensor) -> Tensor:
        return l1_loss(made, truth) if self.config.esrgan else mse_loss(made, truth)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`low` (count, C, H, W), as given.

        Raises:
            UserError: when none is.
        """
        low = request.given.get("low")
        if low is None:
            raise UserError("super-resolution enlarges pictures, and none is given; add --input FILE or FOLDER")
        return {"low": low}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        made: Tensor = self.generator(inputs["low"])
        return made.clamp(-1, 1)
