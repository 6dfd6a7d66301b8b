"""newborn: a small convolutional GAN that is told what to draw."""

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
            task="class-conditional",
            year=2018,
            paper="arXiv:1802.05637",
            summary="a small GAN that is told a class, to begin from",
            config="ganzoo.scaffold.class_conditional.config:Config",
            model="ganzoo.scaffold.class_conditional.model:Newborn",
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
                    notes="ten kinds of clothes by name, 32 x 32, minutes on a CPU",
                ),
                Recipe(
                    name="newborn.own",
                    data="any",
                    settings={**LEARNING, "r1": 1, "flip": True, "steps": 6000},
                    notes="for a folder with a sub-folder a class; mirrored (flip=false where left and right matter)",
                ),
            ),
        )
    ]
