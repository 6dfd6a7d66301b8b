"""The settings of the GAN of numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo import Settings, setting


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The trainer's settings, and the networks'."""

    batch: int = setting(256, ge=1, help="numbers a step")
    steps: int = setting(600, ge=1, help="training steps")
    lr: float = setting(2e-3, gt=0, help="learning rate of Adam")
    beta1: float = setting(0.0, ge=0, lt=1, help="Adam's decay of the first moment")
    samples: int = setting(500, ge=1, help="numbers in a histogram")
    latent: int = setting(2, ge=1, help="numbers of noise that one is made of")
    hidden: int = setting(64, ge=1, help="units of each hidden layer")
