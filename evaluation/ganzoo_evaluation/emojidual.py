"""A small dual encoder of pictures and captions: vectors of both in one space, close where they belong together.

Two encoders under a contrastive loss (InfoNCE, as in CLIP: Radford et al., 2021, arXiv:2103.00020), small enough to
ship. A picture's vector is a linear map of the features of `efflite0`; a caption's is a linear map of the weighted mean
of the vectors of its words. These come from a sentence encoder (MiniLM) and were not trained any further, so that a
word that no training caption has lies near those that mean alike. The order of the words is not read, nor is a word
that is not in the table of `WORDS`.

It is `JUDGES` of them. `tools/train_emojidual.py` trained them on the names of the embedded emoji of the split "train",
in all three styles, each on four fifths of the names: what is drawn for a name is judged by the two that have never
seen it, so that a generator may be asked for the names that it was trained on. Names that none has seen are judged by
all. How well that goes with real pictures stands in the metadata of `files/emojidual.safetensors`.
"""

from __future__ import annotations

import math
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
PARTS = 5
"""Parts that the names to learn from fall into; a judge has not seen one of them."""
JUDGES = 2 * PARTS
"""How many they are."""
LONGEST = 64
"""Words of a caption that count."""
CHUNK = 4096
"""Captions that are looked at together."""


def split(text: str) -> list[str]:
    """The words of a caption, in lower case; hyphens and other marks part them, and an apostrophe does too."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


class Judge(nn.Module):
    """One dual encoder, over vectors of words that it shares with the others."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Linear(DIMENSIONS, WIDTH)
        self.weight = nn.Linear(WIDTH, 1, bias=False)
        self.caption = nn.Linear(WIDTH, WIDTH)

    def of_words(self, vectors: Tensor, read: Tensor) -> Tensor:
        """The vectors (n, WIDTH) of captions by those of their words (n, L, WIDTH); `read` bool (n, L) says which of
        the places hold one."""
        weights = self.weight(vectors)[..., 0].exp() * read
        mean = (vectors * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1e-6)
        return normalize(self.caption(mean), dim=1)

    def of_features(self, features: Tensor) -> Tensor:
        """The vectors (n, WIDTH) of features (n, 1280)."""
        return normalize(self.picture(features), dim=1)


class EmojiDual(nn.Module):
    """Pictures and captions to vectors of length 1: those of `JUDGES` judges side by side.

    `words` are those that it reads; `table` (1 + words, WIDTH) their vectors, the first row that of no word. `names`
    are those that the judges learned from: every fifth of them, beginning with i, is part i, and the judges with the
    numbers i and 5 + i have not seen it.
    """

    table: Tensor

    def __init__(self, words: Sequence[str], vectors: Tensor, names: Sequence[str], sha256: str = "") -> None:
        """`vectors` (words, WIDTH); `sha256` of the file that the weights are from."""
        super().__init__()
        self.words, self.names = tuple(words), tuple(names)
        self.sha256 = sha256
        self._places = {word: place for place, word in enumerate(self.words, 1)}
        self._parts = {tuple(split(name)): place % PARTS for place, name in enumerate(self.names)}
        self._longest = max(map(len, self._parts), default=0)
        self.register_buffer("table", torch.cat([vectors.new_zeros(1, WIDTH), vectors]), persistent=False)
        self.judges = [Judge() for _ in range(JUDGES)]
        for number, judge in enumerate(self.judges):
            self.add_module(f"judge{number}", judge)

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

    def part_of(self, text: str) -> int | None:
        """The part of the name in a caption (the longest that it holds); None where it holds none, and nobody has seen
        it."""
        words = split(text)
        for length in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                if (part := self._parts.get(tuple(words[start : start + length]))) is not None:
                    return part
        return None

    @torch.inference_mode()
    def captions(self, texts: Sequence[str]) -> Tensor:
        """The vectors (n, JUDGES * WIDTH) of captions; those without a word that it reads all have the same."""
        made = torch.zeros(len(texts), JUDGES * WIDTH)
        for start in range(0, len(texts), CHUNK):
            rows = self.rows(texts[start : start + CHUNK])
            vectors, read = self.table[rows], rows > 0
            parts = [judge.of_words(vectors, read) for judge in self.judges]
            made[start : start + CHUNK] = torch.cat(parts, 1) / math.sqrt(JUDGES)
        return made

    @torch.inference_mode()
    def pictures(self, features: Tensor) -> Tensor:
        """The vectors (n, JUDGES * WIDTH) of pictures, of their features (n, 1280) in `efflite0`."""
        return torch.cat([judge.of_features(features) for judge in self.judges], 1) / math.sqrt(JUDGES)

    @torch.inference_mode()
    def unbiased(self, features: Tensor, texts: Sequence[str]) -> Tensor:
        """`pictures`, each by those judges alone that have not seen the name in its own caption (`texts`, n); the
        others' places are 0."""
        made = self.pictures(features).view(-1, JUDGES, WIDTH)
        parts = torch.arange(JUDGES) % PARTS
        for place, part in enumerate(map(self.part_of, texts)):
            if part is not None:
                made[place, parts != part] = 0
        return normalize(made.flatten(1), dim=1)


@cache
def embedded() -> EmojiDual:
    """The one that ships inside the package, frozen, on the CPU."""
    tensors, sha256 = embedded_weights(NAME, NetworkRequest(name=NAME))
    words, names = (bytes(tensors.pop(key).to(torch.uint8).tolist()).decode().split("\n") for key in ("words", "names"))
    made = EmojiDual(words, tensors.pop("vectors"), names, sha256)
    made.load_state_dict(tensors, strict=True)
    return made.requires_grad_(False).eval()
