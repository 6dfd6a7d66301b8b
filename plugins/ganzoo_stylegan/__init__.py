"""StyleGAN: a style for every layer, from a learned latent space (Karras et al., 2019 and 2020)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="stylegan",
            title="Style-Based GAN",
            task="generation",
            year=2020,
            paper="arXiv:1912.04958",
            summary="a mapped latent sets the style of every layer; paths in it are smooth, and few pictures suffice",
            config="ganzoo_stylegan.config:Config",
            model="ganzoo_stylegan.model:StyleGAN",
            licence="MIT",
            sizes=(8, 16, 28, 32, 48, 56, 64, 96, 112, 128, 192, 224, 256, 384, 512, 768, 1024),
            tiny={
                "width": 8,
                "base": 256,
                "latent": 8,
                "depth": 2,
                "batch": 8,
                "size": 16,
                "samples": 4,
                "penalty_every": 3,
                "path_every": 2,
            },
        )
    ]
