"""SRGAN: super-resolution with a perceptual and an adversarial loss (Ledig et al., 2017)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="srgan",
            title="Super-Resolution GAN",
            task="super-resolution",
            year=2017,
            paper="arXiv:1609.04802",
            summary="enlarges pictures, and draws the detail that averaging loses",
            config="ganzoo_srgan.config:Config",
            model="ganzoo_srgan.model:SRGAN",
            licence="MIT",
            tiny={
                "size": 32,
                "width": 8,
                "blocks": 1,
                "discriminator_width": 8,
                "batch": 4,
                "samples": 4,
                "pixel_steps": 2,
            },
            short={"width": 16, "blocks": 2, "batch": 8, "lr": 1e-3, "pixel_steps": 400},
        )
    ]
