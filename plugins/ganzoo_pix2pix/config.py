"""Settings of pix2pix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ganzoo.config import AdversarialSettings, setting

if TYPE_CHECKING:
    from ganzoo.data.base import DataRequest

Norm = Literal["batch", "instance", "none"]


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """The paper's settings by default (sections 3.2, 3.3, appendix 6.2): batch 1, Adam with 2e-4 and beta1 0.5, an L1
    weight of 100, dropout 0.5; the number of steps is that for the 400 facades (200 epochs)."""

    steps: int = setting(80_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(1, ge=1, help="pairs a step, over all processes")
    samples: int = setting(16, ge=1, help="pictures in a sample grid")
    width: int = setting(64, ge=1, help="channels of the layers next to the pictures; those further in have up to 8x")
    depth: int | None = setting(
        None, ge=2, le=12, help="halvings in the U-Net (none: as many as the size allows, at most 8)"
    )
    dropout: float = setting(0.5, ge=0, lt=1, help="share that the noise drops in the first three decoder layers")
    l1: float = setting(100.0, ge=0, help="weight of the mean absolute error beside the adversarial loss")
    norm: Norm = setting("batch", help="normalisation (batch: with one pair a step over each picture by itself)")
    discriminator_norm: Literal["auto", "batch", "instance", "spectral", "none"] = setting(
        "auto", help="normalisation in the discriminator (auto: as norm, or none under a gradient penalty)"
    )
    patch_layers: int | None = setting(
        None,
        ge=0,
        le=5,
        help="halvings in the discriminator, which sees patches of 1, 16, 34, 70, 142 or 286 px (none: by the size)",
    )
    conditional: bool = setting(True, help="whether the discriminator sees the source beside the picture")
    reverse: bool = setting(False, help="learn from target to source instead")
    jitter: bool = setting(False, help="enlarge each pair by 286/256 and cut it back at a random place")

    @property
    def penalised(self) -> bool:
        """Whether the loss looks at the discriminator's gradient picture by picture."""
        return self.loss == "wasserstein" or self.r1 > 0 or self.r2 > 0

    @property
    def generator_norm(self) -> Norm:
        """The generator's normalisation, resolved: over a batch of one picture it is that of the picture."""
        return "instance" if self.norm == "batch" and self.batch == self.accumulate else self.norm

    @property
    def judging_norm(self) -> Literal["batch", "instance", "spectral", "none"]:
        """The discriminator's normalisation, resolved."""
        if self.discriminator_norm == "auto":
            return "none" if self.penalised else self.generator_norm
        if self.discriminator_norm == "batch" and self.batch == self.accumulate:
            return "instance"
        return self.discriminator_norm

    def wants(self, request: DataRequest) -> DataRequest:
        return replace(super().wants(request), reverse=self.reverse)

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        if self.penalised and self.judging_norm == "batch":
            lines.append(
                "discriminator_norm: batch normalisation mixes the pictures of a batch, which a gradient penalty takes "
                "one by one; use discriminator_norm=none, instance or spectral"
            )
        return lines
