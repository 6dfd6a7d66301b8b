"""Settings of newborn."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo.config import AdversarialSettings, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """What `--set NAME=VALUE` can change, beside the settings of the trainer and of the adversarial loss, which it has
    too. Values that are good for one data set stand in its recipe, on the card."""

    width: int = setting(16, ge=1, help="channels next to the picture; the layers further in have twice as many")
    blocks: int = setting(3, ge=1, help="residual blocks of each generator")
    cycle: float = setting(10.0, ge=0, help="weight of coming back to where a picture started from")
    identity: float = setting(10.0, ge=0, help="weight of leaving alone what is in the target domain already")
