"""Settings of the DCGAN."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo.config import AdversarialConvSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConvSettings):
    """The paper's settings by default (section 4): batch 128, Adam with 2e-4 and beta1 0.5, slope 0.2, z of 100."""

    steps: int = setting(20_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(128, ge=1, help="pictures a step, over all processes")
    width: int = setting(
        64, ge=1, help="channels of the layer next to the picture; each layer further in has twice as many"
    )
    latent: int = setting(100, ge=1, help="dimensions of the latent z")
