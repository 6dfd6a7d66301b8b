"""Settings of the conditional GAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo.config import AdversarialSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """Batch 100 and dropout 0.5 are the paper's (section 4.1); the widths of the perceptrons follow it at width 50."""

    steps: int = setting(20_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(100, ge=1, help="pictures a step, over all processes")
    variant: Literal["conv", "mlp"] = setting("conv", help="convolutions, or the paper's perceptrons")
    width: int = setting(64, ge=1, help="conv: channels next to the picture; mlp: 1/24 of the generator's joint layer")
    latent: int = setting(100, ge=1, help="dimensions of the latent z")
    embedding: int = setting(32, ge=1, help="conv: dimensions in which the class enters the generator")
    dropout: float = setting(0.5, ge=0, lt=1, help="mlp: dropout in the discriminator")
    discriminator_norm: Literal["auto", "batch", "spectral", "none"] = setting(
        "auto", help="conv: normalisation in the discriminator (auto: batch, or none under a gradient penalty)"
    )

    @property
    def penalised(self) -> bool:
        """Whether the loss looks at the discriminator's gradient picture by picture."""
        return self.loss == "wasserstein" or self.r1 > 0 or self.r2 > 0

    @property
    def norm(self) -> Literal["batch", "spectral", "none"]:
        """The discriminator's normalisation, resolved."""
        if self.discriminator_norm == "auto":
            return "none" if self.penalised else "batch"
        return self.discriminator_norm

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        if self.variant == "conv" and self.penalised and self.norm == "batch":
            lines.append(
                "discriminator_norm: batch normalisation mixes the pictures of a batch, which a gradient penalty takes "
                "one by one; use discriminator_norm=none or spectral"
            )
        return lines
