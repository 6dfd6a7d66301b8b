"""Settings of the DCGAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo.config import AdversarialSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """The paper's settings by default (section 4): batch 128, Adam with 2e-4 and beta1 0.5, slope 0.2, z of 100."""

    steps: int = setting(20_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(128, ge=1, help="pictures a step, over all processes")
    width: int = setting(
        64, ge=1, help="channels of the layer next to the picture; each layer further in has twice as many"
    )
    latent: int = setting(100, ge=1, help="dimensions of the latent z")
    discriminator_norm: Literal["auto", "batch", "spectral", "none"] = setting(
        "auto", help="normalisation in the discriminator (auto: batch, or none under a gradient penalty)"
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
        if self.penalised and self.norm == "batch":
            lines.append(
                "discriminator_norm: batch normalisation mixes the pictures of a batch, which a gradient penalty takes "
                "one by one; use discriminator_norm=none or spectral"
            )
        return lines
