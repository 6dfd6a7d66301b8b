"""Text to image: a GAN that draws what a caption says (Reed et al., 2016; Tao et al., 2022)."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Architecture


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="text2image",
            title="Text-to-Image GAN",
            task="text-to-image",
            year=2022,
            paper="arXiv:2008.05865",
            summary="one types a sentence and it is drawn; the captions are learned along with the pictures",
            config="ganzoo_text2image.config:Config",
            model="ganzoo_text2image.model:Text2Image",
            licence="MIT",
            sizes=(16, 28, 32, 48, 56, 64, 96, 112, 128, 192, 224, 256),
            tiny={
                "width": 4,
                "latent": 8,
                "caption_width": 8,
                "batch": 8,
                "size": 16,
                "samples": 4,
                "penalty_every": 2,
            },
            short={
                "width": 16,
                "latent": 16,
                "caption_width": 32,
                "batch": 16,
                "lr": 5e-4,
                "lr_discriminator": 8e-4,
            },
        )
    ]
