"""Settings of newborn."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo.config import AdversarialSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """What `--set NAME=VALUE` can change, beside the settings of the trainer and of the adversarial loss, which it has
    too. Values that are good for one data set stand in its recipe, on the card."""

    width: int = setting(32, ge=1, help="channels next to the picture; each layer further in has twice as many")
    latent: int = setting(64, ge=1, help="dimensions of the latent z")
    embedding: int = setting(32, ge=1, help="dimensions in which the class enters the generator")
