"""CGAN: a GAN that is told what to draw (Mirza and Osindero, 2014)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="cgan",
            title="Conditional GAN",
            task="class-conditional",
            year=2014,
            paper="arXiv:1411.1784",
            summary="the class enters both networks, so one can ask for it",
            config="ganzoo_cgan.config:Config",
            model="ganzoo_cgan.model:CGAN",
            licence="MIT",
            sizes=(28, 32, 48, 56, 64, 96, 112, 128),
            tiny={"width": 8, "latent": 8, "batch": 8, "size": 28, "samples": 4},
        )
    ]
