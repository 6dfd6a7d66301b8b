"""A small dual encoder of pictures and captions: vectors of both in one space, close where they belong together.

Two encoders under a contrastive loss (InfoNCE, as in CLIP: Radford et al., 2021, arXiv:2103.00020), small enough to
ship. A picture's vector is a linear map of the features of `efflite0`; a caption's is a linear map of the weighted mean
of the vectors of its words. These come from a sentence encoder (MiniLM) and were not trained any further, so that a
word that no training caption has lies near those that mean alike. The order of the words is not read, nor is a word
that is not in the table of `WORDS`.

`tools/train_emojidual.py` trained it on the names of the embedded emoji of the split "train", in all three styles. How
well it finds names that it has never seen stands in the metadata of `files/emojidual.safetensors`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganzoo_evaluation.backbone import embedded_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.efflite0 import DIMENSIONS

NAME = "emojidual"
WORDS = 4000
"""Words that it reads."""
WIDTH = 128
"""Dimensions of the vectors of words, and of those of pictures and captions."""
LONGEST = 64
"""Words of a caption that count."""
CHUNK = 4096
"""Captions that are looked at together."""


def split(text: str) -> list[str]:
    """The words of a caption, in lower case; hyphens and other marks part them, and an apostrophe does too."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


class EmojiDual(nn.Module):
    """Pictures and captions to vectors of length 1.

    `words` are those that it reads; `table` (1 + words, WIDTH) their vectors, the first row that of no word.
    """

    table: Tensor

    def __init__(self, words: Sequence[str], vectors: Tensor, sha256: str = "") -> None:
        """`vectors` (words, WIDTH); `sha256` of the file that the weights are from."""
        super().__init__()
        self.words = tuple(words)
        self.sha256 = sha256
        self._places = {word: place for place, word in enumerate(self.words, 1)}
        self.register_buffer("table", torch.cat([vectors.new_zeros(1, WIDTH), vectors]), persistent=False)
        self.picture = nn.Linear(DIMENSIONS, WIDTH)
        self.weight = nn.Linear(WIDTH, 1, bias=False)
        self.caption = nn.Linear(WIDTH, WIDTH)

    @property
    def protocol(self) -> Mapping[str, str | int | float]:
        """What a number depends on that was measured with it."""
        return {"dual": NAME, "dual_sha256": self.sha256[:12]}

    def rows(self, texts: Sequence[str]) -> Tensor:
        """The rows of `table` that captions are read from, int64 (n, L), padded with 0."""
        found = [[self._places[word] for word in split(text) if word in self._places][:LONGEST] for text in texts]
        made = torch.zeros(len(found), max(1, *map(len, found)) if found else 1, dtype=torch.int64)
        for place, rows in enumerate(found):
            made[place, : len(rows)] = torch.tensor(rows, dtype=torch.int64)
        return made

    def of_rows(self, rows: Tensor) -> Tensor:
        """The vectors (n, WIDTH) of captions that stand as `rows` (n, L)."""
        vectors = self.table[rows]
        weights = self.weight(vectors)[..., 0].exp() * (rows > 0)
        mean = (vectors * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1e-6)
        return normalize(self.caption(mean), dim=1)

    @torch.inference_mode()
    def captions(self, texts: Sequence[str]) -> Tensor:
        """The vectors (n, WIDTH) of captions; those without a word that it reads all have the same."""
        parts = [self.of_rows(self.rows(texts[start : start + CHUNK])) for start in range(0, len(texts), CHUNK)]
        return torch.cat(parts) if parts else torch.zeros(0, WIDTH)

    def of_features(self, features: Tensor) -> Tensor:
        """The vectors (n, WIDTH) of features (n, 1280)."""
        return normalize(self.picture(features), dim=1)

    @torch.inference_mode()
    def pictures(self, features: Tensor) -> Tensor:
        """The vectors (n, WIDTH) of pictures, of their features (n, 1280) in `efflite0`."""
        return self.of_features(features)


@cache
def embedded() -> EmojiDual:
    """The one that ships inside the package, frozen, on the CPU."""
    tensors, sha256 = embedded_weights(NAME, NetworkRequest(name=NAME))
    words = bytes(tensors.pop("words").to(torch.uint8).tolist()).decode().split("\n")
    made = EmojiDual(words, tensors.pop("vectors"), sha256)
    made.load_state_dict(tensors, strict=True)
    return made.requires_grad_(False).eval()
