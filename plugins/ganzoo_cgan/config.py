"""Settings of the conditional GAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo.config import AdversarialConvSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConvSettings):
    """Batch 100 and dropout 0.5 are the paper's (section 4.1); the widths of the perceptrons follow it at width 50."""

    steps: int = setting(20_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(100, ge=1, help="pictures a step, over all processes")
    variant: Literal["conv", "mlp"] = setting("conv", help="convolutions, or the paper's perceptrons")
    width: int = setting(64, ge=1, help="conv: channels next to the picture; mlp: 1/24 of the generator's joint layer")
    latent: int = setting(100, ge=1, help="dimensions of the latent z")
    embedding: int = setting(32, ge=1, help="conv: dimensions in which the class enters the generator")
    dropout: float = setting(0.5, ge=0, lt=1, help="mlp: dropout in the discriminator")
