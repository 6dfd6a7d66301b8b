"""The first GAN: two multilayer perceptrons (Goodfellow et al., 2014)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="vanilla",
            title="Generative Adversarial Network",
            task="generation",
            year=2014,
            paper="arXiv:1406.2661",
            summary="two multilayer perceptrons play the minimax game; the one that began it all",
            config="ganzoo_vanilla.config:Config",
            model="ganzoo_vanilla.model:VanillaGAN",
            licence="MIT",
            tiny={"width": 16, "maxout_units": 8, "latent": 8, "batch": 8, "size": 28, "samples": 4},
        )
    ]
