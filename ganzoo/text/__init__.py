"""Text encoders: vectors of captions, for models that are told in words what to draw. Nothing here imports torch."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import TextEncoder


@hookimpl
def ganzoo_text_encoders() -> list[TextEncoder]:
    return [
        TextEncoder(
            name="words",
            title="Words, trained with the model",
            summary="learns from the captions alone; reads a word that it has never met by its letters",
            make="ganzoo.text.words:make",
            licence="MIT",
            trained=True,
        ),
        TextEncoder(
            name="clip",
            title="CLIP's text encoder",
            summary="frozen; trained elsewhere on pictures and their captions (arXiv:2103.00020)",
            make="ganzoo.text.pretrained:clip",
            licence="that of the weights",
            trained=False,
            weights="a folder with CLIP in the format of transformers (config.json, model.safetensors, tokenizer.json)",
            extra="text",
        ),
        TextEncoder(
            name="sentence",
            title="A sentence encoder",
            summary="frozen; the mean of a transformer's vectors of words (arXiv:1908.10084), such as MiniLM's",
            make="ganzoo.text.pretrained:sentence",
            licence="that of the weights",
            trained=False,
            weights="a folder with a sentence encoder in the format of transformers (config.json, model.safetensors, "
            "tokenizer.json)",
            extra="text",
        ),
    ]
