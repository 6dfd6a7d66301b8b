"""Settings of the text-to-image GAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo.config import AdversarialConvSettings, LossName, setting
from ganzoo.errors import UserError
from ganzoo.registry import get_registry
from ganzoo.text.choice import find_encoder


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConvSettings):
    """The optimizer, the loss and the penalty of Tao et al., 2022, by default.

    GAN-CLS as its paper has it: variant=gan-cls, loss=non-saturating, batch=64, lr=2e-4, lr_discriminator=none,
    beta1=0.5, beta2=0.999, contrastive=0, cloze=0.
    """

    steps: int = setting(200_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(32, ge=1, help="pictures a step, over all processes")
    lr: float = setting(1e-4, gt=0, help="learning rate of Adam")
    lr_discriminator: float | None = setting(
        4e-4, gt=0, help="learning rate of the discriminator and of a text encoder that is trained (none: that of lr)"
    )
    beta1: float = setting(0.0, ge=0, lt=1, help="Adam's decay of the first moment")
    beta2: float = setting(0.9, ge=0, lt=1, help="Adam's decay of the second moment")
    loss: LossName = setting("hinge", help="the adversarial loss")
    variant: Literal["df-gan", "gan-cls"] = setting(
        "df-gan", help="how the caption enters: in every layer (Tao et al., 2022), or beside z (Reed et al., 2016)"
    )
    width: int = setting(32, ge=1, help="channels next to the picture")
    widest: int = setting(8, ge=1, help="most channels of a layer, in multiples of width")
    latent: int = setting(100, ge=1, help="dimensions of the latent z")
    text_encoder: str = setting(
        "words", help="what makes vectors of captions: words (trained), clip, sentence (frozen)"
    )
    text_weights: str = setting("", help="folder with the weights of a frozen text encoder")
    caption_width: int = setting(128, ge=1, help="dimensions of a caption's vector, where the text encoder is trained")
    caption_words: int = setting(32, ge=1, help="words of a caption that are read, where the text encoder is trained")
    contrastive: float = setting(
        1.0, ge=0, help="weight of the contrastive term between pictures and captions, in both players (0: off)"
    )
    temperature: float = setting(0.1, gt=0, help="temperature of the contrastive term")
    cloze: float = setting(
        1.0, ge=0, help="weight of filling in each word of a caption from the picture, in both players (0: off)"
    )
    matching_penalty: float | None = setting(
        None, ge=0, help="weight of the matching-aware gradient penalty (0: off; none: 2 in df-gan, 0 in gan-cls)"
    )
    matching_power: float = setting(6.0, ge=1, help="power of the matching-aware gradient penalty")
    interpolation: float | None = setting(
        None, ge=0, help="weight of fakes for captions halfway between two (0: off; none: 0 in df-gan, 1 in gan-cls)"
    )
    penalty_every: int = setting(1, ge=1, help="steps between two gradient penalties, each that much stronger")

    @property
    def matching(self) -> float:
        """The weight of the matching-aware gradient penalty, resolved; a critic has a penalty of its own."""
        if self.loss == "wasserstein":
            return 0.0
        return self.matching_penalty if self.matching_penalty is not None else 2.0 * (self.variant == "df-gan")

    @property
    def halfway(self) -> float:
        """The weight of fakes for interpolated captions, resolved."""
        return self.interpolation if self.interpolation is not None else float(self.variant == "gan-cls")

    @property
    def penalised(self) -> bool:
        return super().penalised or self.matching > 0

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        try:
            find_encoder(self.text_encoder, self.text_weights)
        except UserError as error:
            there = self.text_encoder in get_registry().text_encoders
            how = "; add --set text_weights=FOLDER" if there and not self.text_weights else ""
            lines += [f"text_encoder: {line}{how}" for line in error.lines]
        if self.loss == "wasserstein" and self.matching_penalty:
            lines.append(
                "matching_penalty: a critic (loss=wasserstein) has a gradient penalty of its own; leave it away"
            )
        return lines
