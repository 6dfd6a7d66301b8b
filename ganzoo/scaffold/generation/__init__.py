"""newborn: a small convolutional GAN."""

from __future__ import annotations

from ganzoo import Architecture, Recipe, hookimpl

LEARNING = {"lr": 2e-3, "beta1": 0, "beta2": 0.99, "r1": 0.3, "schedule": "linear"}
"""Settings that both recipes share."""


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    """The card. Nothing here may import torch: the zoo is listed without it."""
    return [
        Architecture(
            name="newborn",
            title="New Born",
            task="generation",
            year=2016,
            paper="arXiv:1511.06434",
            summary="a small convolutional GAN to begin from",
            config="ganzoo.scaffold.generation.config:Config",
            model="ganzoo.scaffold.generation.model:Newborn",
            licence="MIT",
            # Sizes of pictures in pixels that it can be built for; leave it away where any will do.
            sizes=(28, 32, 48, 56, 64, 96, 112, 128),
            # Settings of a run of seconds, for tests.
            tiny={"width": 8, "latent": 8, "batch": 8, "size": 28, "samples": 4},
            recipes=(
                Recipe(
                    name="newborn.fashion",
                    data="fashion",
                    default=True,
                    settings={**LEARNING, "size": 32, "steps": 2000},
                    notes="32 x 32 grey clothes, minutes on a CPU",
                ),
                Recipe(
                    name="newborn.own",
                    data="any",
                    settings={**LEARNING, "r1": 1, "flip": True, "steps": 6000},
                    notes="for a folder of pictures; mirrored (flip=false where left and right matter)",
                ),
            ),
        )
    ]
