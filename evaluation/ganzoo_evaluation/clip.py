"""CLIP (Radford et al., 2021, arXiv:2103.00020) as a feature network, from a folder with its weights.

Its features are what its picture encoder gives, projected into the space that it shares with captions and not yet of
length 1. The weights do not ship, and nothing is downloaded: the folder is one in the format of transformers, which the
extra `text` brings. Its pictures are the squares from the middle, resized with the antialiased bicubic filter.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganzoo.errors import UserError
from ganzoo.text.pretrained import import_transformers, read_pretrained, weights_folder
from ganzoo_evaluation.backbone import Backbone
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.resize import choose, clean

NAME = "clip"
VARIABLE = "GANZOO_CLIP_WEIGHTS"
"""The environment variable that names the folder."""
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue in [0, 1], in the data of the original, where the folder does not say."""
CHUNK = 64
"""Captions that are looked at together."""
WIDTHS = {768: "base", 1024: "large", 1280: "huge"}
"""What the published sizes of the picture encoder are called, by their width."""


class Clip(Backbone):
    """Both halves of CLIP: as a network it looks at pictures, `captions` reads."""

    def __init__(self, whole: Any, tokenizer: Any, folder: Path, request: NetworkRequest, resize: str) -> None:
        vision = whole.config.vision_config
        kind = WIDTHS.get(vision.hidden_size, str(vision.hidden_size))
        super().__init__(
            _Look(whole.vision_model, whole.visual_projection),
            _Prepare(folder, vision.image_size),
            name=f"{NAME}-vit-{kind}-patch{vision.patch_size}",
            request=request,
            sha256=_sha256(folder),
            resize=resize,
            size=vision.image_size,
            dimensions=whole.config.projection_dim,
        )
        self._text = whole.text_model.requires_grad_(False).eval().to(request.device)
        self._projection = whole.text_projection.requires_grad_(False).to(request.device)
        self._tokenizer, self._longest = tokenizer, whole.config.text_config.max_position_embeddings
        self._known: dict[str, Tensor] = {}

    @property
    def protocol(self) -> Mapping[str, str | int | float]:
        """Nothing beside the identity of the network."""
        return {}

    def pictures(self, features: Tensor) -> Tensor:
        """Features (n, d) as vectors of length 1."""
        return normalize(features, dim=1)

    @torch.inference_mode()
    def captions(self, texts: Sequence[str]) -> Tensor:
        """Captions as vectors (n, d) of length 1, on the CPU; each is read once."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            given = self._tokenizer(
                chunk, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
            ).to(self._device)
            made = self._text(input_ids=given["input_ids"], attention_mask=given["attention_mask"])
            vectors = normalize(self._projection(made.pooler_output).float(), dim=1).cpu()
            self._known.update(zip(chunk, vectors, strict=True))
        return torch.stack([self._known[text] for text in texts]) if texts else torch.zeros(0, self.dimensions)


class _Look(nn.Module):
    """Prepared pictures to features (n, d), and no logits."""

    def __init__(self, vision: Any, projection: Any) -> None:
        super().__init__()
        self.vision, self.projection = vision, projection

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.projection(self.vision(pixel_values=x).pooler_output), None


class _Prepare:
    """Pictures uint8 (n, C, H, W) to what the picture encoder was trained on."""

    def __init__(self, folder: Path, size: int) -> None:
        path, known = folder / "preprocessor_config.json", {}
        if path.is_file():
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise UserError(f"{path}: not JSON ({error}); copy it again") from error
        self._size = size
        self._mean = torch.tensor(known.get("image_mean", MEAN)).view(1, 3, 1, 1)
        self._deviation = torch.tensor(known.get("image_std", DEVIATION)).view(1, 3, 1, 1)

    def __call__(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = pictures[:, :, top : top + side, left : left + side]
        levels = clean(square, self._size) / 255
        return (levels - self._mean.to(levels.device)) / self._deviation.to(levels.device)


def load(request: NetworkRequest) -> Clip:
    """CLIP as a `Network`, from the folder that the person or the environment names.

    Raises:
        UserError: when transformers or the weights are not there, or cannot be read.
    """
    resize = choose(request.resize, ("clean",), NAME)
    given = request.weights or os.environ.get(VARIABLE)
    if not given:
        raise UserError(
            f"{NAME} needs its weights, which do not ship with ganzoo: name a folder with CLIP in the format of "
            f"transformers (config.json, model.safetensors, tokenizer.json) with --weights FOLDER or in {VARIABLE}"
        )
    what = f"the feature network {NAME!r}"
    transformers = import_transformers(what)
    folder = weights_folder(what, str(given))
    whole, tokenizer = read_pretrained(NAME, folder, transformers.CLIPModel, transformers.AutoTokenizer)
    return Clip(whole, tokenizer, folder, request, resize)


def _sha256(folder: Path) -> str:
    """Of all files of weights in the folder, by name."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
