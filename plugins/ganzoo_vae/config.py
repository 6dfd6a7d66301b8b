"""Settings of the VAE, and what `like` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganzoo.cards import Architecture, resolve
from ganzoo.config import Layer, Settings, build, setting
from ganzoo.errors import UserError
from ganzoo.registry import get_registry


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Nothing of it is the paper's, whose networks are perceptrons; see `ganzoo_vae.model`."""

    steps: int = setting(10_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(64, ge=1, help="pictures a step, over all processes")
    lr: float = setting(1e-3, gt=0, help="learning rate of Adam")
    beta1: float = setting(0.9, ge=0, lt=1, help="Adam's decay of the first moment")
    width: int = setting(
        32, ge=1, help="channels of the layer next to the picture; twice as many each layer further in, up to 8 times"
    )
    latent: int = setting(64, ge=1, help="dimensions of the latent z (with `like`: those of that architecture)")
    likelihood: Literal["sigma", "gaussian", "bernoulli"] = setting(
        "sigma", help="of a pixel: gaussian with the best variance (sigma) or a fixed one, or bernoulli"
    )
    sigma: float = setting(0.1, gt=0, help="likelihood=gaussian: standard deviation of a pixel, which is in [-1, 1]")
    beta: float = setting(1.0, ge=0, help="weight of the KL term (beta-VAE; 1 is the bound itself)")
    conditional: Literal["auto", "on", "off"] = setting(
        "auto", help="whether the label enters both networks (auto: where there are labels, or as `like` does)"
    )
    prior: Literal["normal", "mixture"] = setting(
        "mixture", help="what samples are drawn from: N(0, 1), or Gaussians fitted to the latents after training"
    )
    components: int = setting(30, ge=1, help="prior=mixture: number of Gaussians")
    covariance: Literal["full", "diagonal"] = setting("full", help="prior=mixture: their covariances")
    like: str = setting(
        "", help="an architecture whose generator is the decoder, its discriminator the encoder's model"
    )
    like_settings: tuple[str, ...] = setting((), help="settings of that architecture: width=32,latent=100")

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        if self.like:
            try:
                likeness(self.like, self.like_settings)
            except UserError as error:
                lines += [f"like: {line}" for line in error.lines]
        elif self.like_settings:
            lines.append("like_settings: settings of what? name the architecture too, for example like=NAME")
        return lines


def likeness(like: str, assignments: Sequence[str]) -> tuple[Architecture, Settings, tuple[str, ...]]:
    """The card that `like` names, its settings, and the fields that it needs of the data.

    Raises:
        UserError: when there is no such architecture, it does not go from a latent to a picture, or a setting is wrong.
    """
    registry = get_registry()
    card = registry.architectures.find(like)
    if card.yardstick:
        raise UserError(f"{like} is a yardstick itself; name the architecture that it is to be like")
    task = registry.tasks.find(card.task)
    if "z" not in task.inputs or not {*task.inputs} <= {"z", "label"} or not {*task.batch} <= {"image", "label"}:
        raise UserError(
            f"{like} does {card.task}; expected an architecture that draws pictures from a latent z, with or without a "
            "class"
        )
    malformed = [text for text in assignments if not text.partition("=")[1]]
    if malformed:
        raise UserError(*(f"like_settings={text}: expected NAME=VALUE, like width=32" for text in malformed))
    values = dict(text.split("=", 1) for text in assignments)
    settings, _ = build(resolve(card.config), [Layer(f"like_settings of {like}", values)])
    return card, settings, task.batch
