"""VAE: no GAN, but what GANs are measured against (Kingma and Welling, 2014)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="vae",
            title="Variational Autoencoder",
            task="generation",
            year=2014,
            paper="arXiv:1312.6114",
            summary="an encoder and a decoder without an adversary: the yardstick, with any GAN's generator as decoder",
            config="ganzoo_vae.config:Config",
            model="ganzoo_vae.model:VAE",
            licence="MIT",
            tiny={"width": 8, "latent": 8, "batch": 8, "size": 28, "samples": 4},
            yardstick=True,
        )
    ]
