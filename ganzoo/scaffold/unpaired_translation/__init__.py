"""newborn: a small pair of generators that undo each other."""

from __future__ import annotations

from ganzoo import Architecture, Recipe, hookimpl

LEARNING = {"lr": 1e-3, "batch": 8, "loss": "least-squares", "schedule": "linear"}
"""Settings that both recipes share."""


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    """The card. Nothing here may import torch: the zoo is listed without it."""
    return [
        Architecture(
            name="newborn",
            title="New Born",
            task="unpaired-translation",
            year=2017,
            paper="arXiv:1703.10593",
            summary="pictures of one domain become those of the other; small, to begin from",
            config="ganzoo.scaffold.unpaired_translation.config:Config",
            model="ganzoo.scaffold.unpaired_translation.model:Newborn",
            licence="MIT",
            # Sizes of pictures in pixels that it can be built for; leave it away where any will do.
            sizes=(32, 48, 64, 96, 128, 256),
            # Settings of a run of seconds, for tests.
            tiny={"width": 8, "blocks": 1, "size": 32, "batch": 4, "samples": 4},
            recipes=(
                Recipe(
                    name="newborn.emoji",
                    data="emoji-flat-3d",
                    default=True,
                    settings={**LEARNING, "size": 32, "steps": 1000},
                    notes="flat emoji shaded and back, 32 x 32, minutes on a CPU",
                ),
                Recipe(
                    name="newborn.own",
                    data="any",
                    settings={**LEARNING, "flip": True, "steps": 20000},
                    notes="for two folders, a and b; mirrored (flip=false where left and right matter)",
                ),
            ),
        )
    ]
