"""DCGAN: the first GAN of convolutions that trained stably (Radford, Metz and Chintala, 2016)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="dcgan",
            title="Deep Convolutional GAN",
            task="generation",
            year=2016,
            paper="arXiv:1511.06434",
            summary="strided convolutions, batch normalisation and nothing else between noise and picture",
            config="ganzoo_dcgan.config:Config",
            model="ganzoo_dcgan.model:DCGAN",
            licence="MIT",
            sizes=(28, 32, 48, 56, 64, 96, 112, 128),
            tiny={"width": 8, "latent": 8, "batch": 8, "size": 28, "samples": 4},
        )
    ]
