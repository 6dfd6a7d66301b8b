"""pix2pix: paired image translation with a conditional GAN (Isola, Zhu, Zhou and Efros, 2017)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="pix2pix",
            title="pix2pix",
            task="paired-translation",
            year=2017,
            paper="arXiv:1611.07004",
            summary="a U-Net with a conditional PatchGAN learns from pairs what a picture's counterpart looks like",
            config="ganzoo_pix2pix.config:Config",
            model="ganzoo_pix2pix.model:Pix2Pix",
            licence="MIT",
            tiny={"width": 8, "batch": 4, "samples": 4},
        )
    ]
