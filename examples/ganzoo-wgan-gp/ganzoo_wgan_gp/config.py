"""Settings of the WGAN-GP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo import Settings, setting


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Algorithm 1 of the paper by default, with networks that a CPU can train; the paper's have a width of 128."""

    batch: int = setting(64, ge=1, help="pictures a step of each network, over all processes")
    lr: float = setting(1e-4, gt=0, help="learning rate of Adam")
    beta1: float = setting(0.0, ge=0, lt=1, help="Adam's decay of the first moment; momentum unsettles a critic")
    beta2: float = setting(0.9, ge=0, lt=1, help="Adam's decay of the second moment")
    width: int = setting(16, ge=1, help="channels of every layer (the paper's networks for CIFAR-10: 128)")
    latent: int = setting(128, ge=1, help="dimensions of the latent z")
    critic_steps: int = setting(5, ge=1, help="updates of the critic for one of the generator, each on fresh pictures")
    gradient_penalty: float = setting(10.0, gt=0, help="weight (lambda) of the gradient penalty")
    critic_norm: Literal["none", "layer"] = setting(
        "none", help="normalisation in the critic; over a batch it would mix the pictures that the penalty takes singly"
    )
