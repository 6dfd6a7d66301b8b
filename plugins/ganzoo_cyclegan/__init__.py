"""CycleGAN: unpaired image translation by cycle consistency (Zhu, Park, Isola and Efros, 2017)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="cyclegan",
            title="CycleGAN",
            task="unpaired-translation",
            year=2017,
            paper="arXiv:1703.10593",
            summary="two generators that undo each other turn pictures of one domain into the other, without pairs",
            config="ganzoo_cyclegan.config:Config",
            model="ganzoo_cyclegan.model:CycleGAN",
            licence="MIT",
            tiny={"width": 8, "batch": 4, "samples": 4},
            short={"lr": 2e-3},
        )
    ]
