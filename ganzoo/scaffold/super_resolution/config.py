"""Settings of newborn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ganzoo.config import AdversarialSettings, setting

if TYPE_CHECKING:
    from ganzoo.data.base import DataRequest


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """What `--set NAME=VALUE` can change, beside the settings of the trainer and of the adversarial loss, which it has
    too. Values that are good for one data set stand in its recipe, on the card."""

    scale: Literal[2, 4] = setting(4, help="how many times larger the pictures become, in height and in width")
    width: int = setting(32, ge=1, help="channels of every layer")
    blocks: int = setting(3, ge=1, help="residual blocks of the generator")
    adversarial: float = setting(3e-3, ge=0, help="weight of the adversarial loss, beside the absolute error")

    def wants(self, request: DataRequest) -> DataRequest:
        """The data make their small pictures: they must know how small."""
        return replace(super().wants(request), scale=self.scale)
