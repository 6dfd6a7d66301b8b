"""WGAN-GP: a critic without weight clipping (Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, 2017)."""

from __future__ import annotations

from ganzoo import Architecture, Recipe, hookimpl


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="wgan-gp",
            title="Wasserstein GAN with gradient penalty",
            task="generation",
            year=2017,
            paper="arXiv:1704.00028",
            summary="residual networks; the critic estimates a distance because its gradient is kept at norm 1",
            config="ganzoo_wgan_gp.config:Config",
            model="ganzoo_wgan_gp.model:WGANGP",
            licence="MIT",
            sizes=(28, 32, 64),
            tiny={"width": 8, "latent": 8, "batch": 4, "critic_steps": 2, "size": 28, "samples": 4},
            recipes=(
                Recipe(
                    name="wgan-gp.fashion",
                    data="fashion",
                    default=True,
                    settings={"size": 28, "batch": 32, "lr": 1e-3, "schedule": "linear", "steps": 1000},
                    notes="28 x 28 grey clothes on a CPU; ten times the paper's learning rate, for far fewer steps",
                ),
            ),
        )
    ]
