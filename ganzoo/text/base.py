"""What a text encoder is to a model: captions in, vectors out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo.cards import resolve
from ganzoo.errors import GanzooWarning
from ganzoo.model import Batch
from ganzoo.registry import Registry
from ganzoo.text.choice import find_encoder


@dataclass(frozen=True, kw_only=True)
class TextRequest:
    """What a model wants of a text encoder.

    `width`: dimensions of its vectors, where it is trained (a frozen one has its own); `longest`: how many words of a
    caption it reads at most; `weights`: where its weights are, if it needs any.
    """

    width: int = 128
    longest: int = 32
    weights: str = ""


@dataclass(frozen=True)
class Text:
    """Captions as vectors, float32: of the whole, `sentence` (N, d), and of its words as they stand there, `words` (N,
    L, e).

    `mask` (N, L) says where there is a word. What stands where there is none is 0.
    """

    sentence: Tensor
    words: Tensor
    mask: Tensor


class Encoder(nn.Module):
    """Base of every text encoder.

    `width` is the d of sentences, `word_width` that of words by themselves, `longest` how many words (or what it cuts a
    caption into) it reads.
    """

    width: int
    word_width: int
    longest: int

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Captions as int64 (N, L, ...) on the CPU, padded with 0 to the longest of them."""
        raise NotImplementedError(f"{type(self).__name__} must encode()")

    def forward(self, ids: Tensor) -> Text:
        """The vectors of what `encode` gave. Those of a caption do not depend on the others beside it."""
        raise NotImplementedError(f"{type(self).__name__} must make vectors of ids")

    def sentence(self, texts: Sequence[str]) -> Tensor:
        """The vectors (N, d) of whole captions, on the encoder's device."""
        device = next(self.parameters()).device
        made: Text = self(self.encode(texts).to(device))
        return made.sentence

    def keys(self, ids: Tensor) -> Tensor:
        """For each word of `ids` (N, L, ...) a number that is its own, int64 (N, L); 0 where there is no word."""
        raise NotImplementedError(f"{type(self).__name__} must tell words apart by keys()")

    def lexical(self, ids: Tensor) -> Tensor:
        """The vectors (N, L, word_width) of words by themselves, whatever stands beside them; 0 where there is none."""
        raise NotImplementedError(f"{type(self).__name__} must make lexical() vectors")

    def unknown(self, text: str) -> list[str]:
        """The words of a caption that it knows nothing of, in order, each once."""
        return []

    def unread(self, text: str) -> str:
        """The end of a caption that is too long, which is not read; empty: all of it is."""
        return ""

    def note(self, texts: Sequence[str], batch: Batch) -> None:
        """Take notice of the captions of a batch of training, on every process of a group at once: one that is too
        long is said, once."""
        for text in () if self._told else texts:
            if rest := self.unread(text):
                self._told = True
                short = rest if len(rest) <= 60 else f"{rest[:57]}..."
                message = (
                    f"a caption is too long, and its end is not read ({short!r}); the same goes for others as long"
                )
                warnings.warn(message, GanzooWarning, stacklevel=2)


def make_encoder(name: str, request: TextRequest, registry: Registry | None = None) -> Encoder:
    """The text encoder of that name; a frozen one has its weights, in eval mode and without gradients.

    Raises:
        UserError: when there is none of that name, or its packages or its weights are not there.
    """
    card = find_encoder(name, request.weights, registry)
    encoder: Encoder
    if card.trained:
        encoder = resolve(card.make)(request)
        return encoder
    with torch.device("cpu"):  # weights that are read have numbers, also where a model is only sketched
        encoder = resolve(card.make)(request)
    return encoder.requires_grad_(False).eval()
