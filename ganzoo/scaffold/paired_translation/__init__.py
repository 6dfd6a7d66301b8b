"""newborn: a small U-Net against a discriminator of pairs."""

from __future__ import annotations

from ganzoo import Architecture, Recipe, hookimpl

LEARNING = {"lr": 1e-3, "batch": 8, "r1": 1e-3, "schedule": "linear"}
"""Settings that both recipes share."""


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    """The card. Nothing here may import torch: the zoo is listed without it."""
    return [
        Architecture(
            name="newborn",
            title="New Born",
            task="paired-translation",
            year=2017,
            paper="arXiv:1611.07004",
            summary="pictures become their counterparts, learnt from pairs; small, to begin from",
            config="ganzoo.scaffold.paired_translation.config:Config",
            model="ganzoo.scaffold.paired_translation.model:Newborn",
            licence="MIT",
            # Sizes of pictures in pixels that it can be built for; leave it away where any will do.
            sizes=(32, 48, 64, 96, 128, 256),
            # Settings of a run of seconds, for tests.
            tiny={"width": 8, "size": 32, "batch": 4, "samples": 4},
            recipes=(
                Recipe(
                    name="newborn.emoji",
                    data="emoji-line-flat",
                    default=True,
                    settings={**LEARNING, "size": 32, "flip": True, "steps": 1500},
                    notes="line drawings of emoji coloured in, 32 x 32, minutes on a CPU",
                ),
                Recipe(
                    name="newborn.own",
                    data="any",
                    settings={**LEARNING, "flip": True, "steps": 10000},
                    notes="for pairs, source and target; mirrored (flip=false where left and right matter)",
                ),
            ),
        )
    ]
