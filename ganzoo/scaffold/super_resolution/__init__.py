"""newborn: a small network that enlarges pictures."""

from __future__ import annotations

from ganzoo import Architecture, Recipe, hookimpl

LEARNING = {"lr": 1e-3, "batch": 16, "size": 64, "r1": 1e-3, "schedule": "linear", "flip": True}
"""Settings that both recipes share."""


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    """The card. Nothing here may import torch: the zoo is listed without it."""
    return [
        Architecture(
            name="newborn",
            title="New Born",
            task="super-resolution",
            year=2017,
            paper="arXiv:1609.04802",
            summary="enlarges pictures; small, to begin from",
            config="ganzoo.scaffold.super_resolution.config:Config",
            model="ganzoo.scaffold.super_resolution.model:Newborn",
            licence="MIT",
            # Settings of a run of seconds, for tests.
            tiny={"width": 16, "blocks": 1, "size": 32, "batch": 8, "samples": 4},
            recipes=(
                Recipe(
                    name="newborn.emoji",
                    data="emoji-photos",
                    default=True,
                    settings={**LEARNING, "steps": 1000},
                    notes="emoji and photographs four times as large, from patches of 64 x 64, minutes on a CPU",
                ),
                Recipe(
                    name="newborn.own",
                    data="any",
                    settings={**LEARNING, "steps": 10000},
                    notes="for large pictures; mirrored (flip=false where left and right matter)",
                ),
            ),
        )
    ]
