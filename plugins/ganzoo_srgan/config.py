"""Settings of the SRGAN."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

from ganzoo.config import AdversarialConvSettings, setting
from ganzoo.errors import did_you_mean
from ganzoo.registry import get_registry

if TYPE_CHECKING:
    from ganzoo.data.base import DataRequest

VGG54 = "vgg54"
NONE = "none"
Loss = Literal["auto", "minimax", "non-saturating", "least-squares", "hinge", "wasserstein", "relativistic"]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Of the terms of the generator's loss."""

    pixel: float
    perceptual: float
    adversarial: float


BALANCED = {
    # The papers': Ledig et al., equation 3; Wang et al., section 4.1.
    ("srgan", VGG54): Weights(pixel=0, perceptual=1, adversarial=1e-3),
    ("esrgan", VGG54): Weights(pixel=1e-2, perceptual=1, adversarial=5e-3),
    # Of Ledig et al. the one with the squared error as content (their SRGAN-MSE).
    ("srgan", NONE): Weights(pixel=1, perceptual=0, adversarial=1e-3),
    ("esrgan", NONE): Weights(pixel=1, perceptual=0, adversarial=5e-3),
    # Ours, for networks whose activations are compared by their directions.
    ("srgan", ""): Weights(pixel=1, perceptual=0.03, adversarial=3e-3),
    ("esrgan", ""): Weights(pixel=0.05, perceptual=0.03, adversarial=3e-3),
}
"""By variant and perceptual network (empty: any other): what the weights are unless they are set."""


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConvSettings):
    """Both papers' settings by default, but for the number of steps and the network of the perceptual loss: Ledig et
    al. (2017), sections 2.2 and 3.2, and with variant=esrgan Wang et al. (2018), sections 3 and 4.1."""

    steps: int = setting(200_000, ge=1, help="training steps, those of the warm-up among them")
    batch: int = setting(16, ge=1, help="patches a step, over all processes")
    lr: float = setting(1e-4, gt=0, help="learning rate of Adam")
    beta1: float = setting(0.9, ge=0, lt=1, help="Adam's decay of the first moment")
    size: int | None = setting(
        96, ge=1, help="height and width in pixels of the large patches (none: chosen by the data)"
    )
    loss: Loss = setting(  # type: ignore[assignment]  # wider than the field it stands for; `judged` resolves it
        "auto", help="the adversarial loss (auto: non-saturating, or relativistic with variant=esrgan)"
    )
    scale: Literal[2, 4] = setting(4, help="how many times larger the pictures become, in height and in width")
    variant: Literal["srgan", "esrgan"] = setting(
        "srgan", help="srgan: residual blocks with batch normalisation; esrgan: dense ones without, absolute error"
    )
    width: int = setting(64, ge=1, help="channels of the generator's layers")
    blocks: int | None = setting(None, ge=1, help="residual blocks of the generator (none: 16, or 23 of esrgan)")
    growth: int = setting(32, ge=1, help="variant=esrgan: channels that each layer of a dense block adds")
    skip: Literal["none", "nearest", "bicubic"] = setting(
        "none", help="how the input is enlarged to which the network adds detail (none: it makes all of the picture)"
    )
    discriminator_width: int = setting(64, ge=1, help="channels of the discriminator's first layers; the last have 8x")
    pixel_steps: int = setting(100_000, ge=0, help="steps of the warm-up, which learns from the error of pixels alone")
    perceptual: str = setting(
        "efflite0",
        help="frozen network of the perceptual loss: a feature network that has stages, vgg54 (the papers', 548 MB to "
        "download) or none",
    )
    perceptual_margin: int = setting(
        0,
        ge=0,
        help="pixels of height and width that it leaves out, at random on either side: its strides fall anywhere",
    )
    pixel_weight: float | None = setting(
        None, ge=0, help="weight of the pixel error after the warm-up (none: balanced)"
    )
    perceptual_weight: float | None = setting(None, ge=0, help="weight of the perceptual loss (none: balanced)")
    adversarial_weight: float | None = setting(
        None, ge=0, help="weight of the generator's adversarial loss (none: balanced)"
    )

    def wants(self, request: DataRequest) -> DataRequest:
        return replace(super().wants(request), scale=self.scale)

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        features = get_registry().features
        there = [*(name for name in features if features[name].stages), VGG54, NONE]
        if self.perceptual not in there:
            why = "has no stages to look through" if self.perceptual in features else "no such network"
            why += did_you_mean(self.perceptual, there)
            lines.append(f"perceptual: {self.perceptual}: {why}; there are {', '.join(there)}")
        return lines

    @property
    def esrgan(self) -> bool:
        """Whether it is the enhanced one."""
        return self.variant == "esrgan"

    @property
    def depth(self) -> int:
        """Number of the generator's blocks, resolved."""
        return self.blocks or (23 if self.esrgan else 16)

    @property
    def weights(self) -> Weights:
        """Weight of each term of the generator's loss after the warm-up, resolved."""
        usual = BALANCED.get((self.variant, self.perceptual), BALANCED[self.variant, ""])
        return Weights(
            pixel=usual.pixel if self.pixel_weight is None else self.pixel_weight,
            perceptual=usual.perceptual if self.perceptual_weight is None else self.perceptual_weight,
            adversarial=usual.adversarial if self.adversarial_weight is None else self.adversarial_weight,
        )

    @property
    def judged(self) -> Self:
        """These settings with the loss resolved."""
        return self if self.loss != "auto" else replace(self, loss="relativistic" if self.esrgan else "non-saturating")
