"""newborn: a small GAN that draws what a caption says."""

from __future__ import annotations

from ganzoo import Architecture, Recipe, hookimpl

LEARNING = {
    "lr": 5e-4,
    "lr_discriminator": 1e-3,
    "beta1": 0,
    "beta2": 0.99,
    "r1": 0.3,
    "schedule": "linear",
    "batch": 32,
}
"""Settings that both recipes share."""


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    """The card. Nothing here may import torch: the zoo is listed without it."""
    return [
        Architecture(
            name="newborn",
            title="New Born",
            task="text-to-image",
            year=2016,
            paper="arXiv:1605.05396",
            summary="a small GAN that draws what a caption says, to begin from",
            config="ganzoo.scaffold.text_to_image.config:Config",
            model="ganzoo.scaffold.text_to_image.model:Newborn",
            licence="MIT",
            # Sizes of pictures in pixels that it can be built for; leave it away where any will do.
            sizes=(16, 28, 32, 48, 56, 64, 96, 112, 128),
            # Settings of a run of seconds, for tests.
            tiny={"lr": 1e-3, "width": 16, "latent": 16, "caption": 16, "batch": 16, "size": 16, "samples": 4},
            recipes=(
                Recipe(
                    name="newborn.shapes",
                    data="shapes",
                    default=True,
                    settings={**LEARNING, "size": 32, "steps": 3000},
                    notes="coloured shapes as a sentence says, 32 x 32, minutes on a CPU",
                ),
                Recipe(
                    name="newborn.own",
                    data="any",
                    settings={**LEARNING, "r1": 1, "steps": 10000},
                    notes="for pictures with captions (1.jpg and 1.txt, or a table)",
                ),
            ),
        )
    ]
