"""Settings of the vanilla GAN."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo.config import AdversarialSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """The paper gives a batch of 100 and refers to its code for the rest; see `ganzoo_vanilla.model`."""

    steps: int = setting(20_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(100, ge=1, help="pictures a step, over all processes")
    width: int = setting(1200, ge=1, help="units of each hidden layer of the generator")
    layers: int = setting(2, ge=1, help="hidden layers of the generator")
    latent: int = setting(100, ge=1, help="dimensions of the latent z")
    maxout_units: int = setting(240, ge=1, help="maxout units of each hidden layer of the discriminator")
    maxout_pieces: int = setting(5, ge=2, help="linear pieces of each maxout unit")
    dropout: float = setting(0.5, ge=0, lt=1, help="dropout after each hidden layer of the discriminator")
