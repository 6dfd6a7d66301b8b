"""The embedded text encoder: words and their letters through a recurrent network, trained together with a model.

There is no vocabulary to be kept: rows of two tables are found by hashing. A word is the sum of two rows of its own
(Svenstrup et al., 2017, arXiv:1709.03933: two words that share one row still differ in the other) and the mean of the
rows of its trigrams of letters (Bojanowski et al., 2017, arXiv:1607.04606). Its own rows begin near 0 and are learned,
so that a word which training never met is read by its letters. Over the words goes a gated recurrent network in both
directions (Cho et al., 2014, arXiv:1406.1078). A sentence is made of both its ends and of the plain mean of its words,
which do not change with what stands beside them: a combination of known words that is new stays close to what they mean
one by one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ganzoo.model import Batch
from ganzoo.text.base import Encoder, Text, TextRequest

WORD_ROWS, GRAM_ROWS = 4096, 2048
"""Rows of the tables of words and of trigrams; the first of each stands for nothing."""
OWN = 2
"""Rows that a word has for itself."""
GRAMS = 12
"""Trigrams of a word that are read; the others of a longer one are left out."""
KNOWN = 16384
"""Words that are remembered as known."""
# Words with what joins their parts (3-d, don't), and signs that are neither words nor ASCII punctuation (an emoji).
WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s!-/:-@\[-`{-~]")
NOTHING = "\0"
"""Stands in a caption without words."""


def split(text: str) -> list[str]:
    """The words of a caption, in lower case and without punctuation."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def hashed(text: str, salt: str) -> int:
    """A number from 1 to 2^63 - 1 that follows from the text; of different salts they are unrelated."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, salt=salt.encode()).digest()
    return (int.from_bytes(digest, "little") >> 1) or 1


@lru_cache(maxsize=65536)
def word_ids(word: str) -> tuple[int, ...]:
    """The key of a word and the rows of the tables that it is made of, 1 + OWN + GRAMS numbers, those at the end 0."""
    own = [1 + hashed(word, f"own{index}") % (WORD_ROWS - 1) for index in range(OWN)]
    framed = f"<{word}>"
    grams = [framed[start : start + 3] for start in range(len(framed) - 2)][:GRAMS]
    rows = [1 + hashed(gram, "gram") % (GRAM_ROWS - 1) for gram in grams]
    return (hashed(word, "word"), *own, *rows, *[0] * (GRAMS - len(rows)))


class WordEncoder(Encoder):
    """Captions through a bidirectional GRU, float32. Its ids are (N, L, 15): the word's key, and rows of
    the tables."""

    known: Tensor
    count: Tensor

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.width = self.word_width = width
        self.longest = longest
        self.own = nn.Embedding(WORD_ROWS, width, padding_idx=0)
        self.grams = nn.Embedding(GRAM_ROWS, width, padding_idx=0)
        half = (width + 1) // 2
        self.recurrent = nn.GRU(width, half, batch_first=True, bidirectional=True)
        self.whole = nn.Linear(2 * half + width, width)
        self.norm = nn.LayerNorm(width)
        for table, spread in ((self.own, 0.02), (self.grams, 1.0)):
            nn.init.normal_(table.weight, 0.0, spread)
            with torch.no_grad():
                table.weight[0] = 0
        self.register_buffer("known", torch.zeros(KNOWN, dtype=torch.int64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def encode(self, texts: Sequence[str]) -> Tensor:
        captions = [self._words(text) for text in texts]
        ids = np.zeros((len(texts), max(map(len, captions), default=1), 1 + OWN + GRAMS), dtype=np.int64)
        for row, words in enumerate(captions):
            ids[row, : len(words)] = [word_ids(word) for word in words]
        return torch.from_numpy(ids)

    def _words(self, text: str) -> list[str]:
        return split(text)[: self.longest] or [NOTHING]

    def forward(self, ids: Tensor) -> Text:
        with torch.autocast(ids.device.type, enabled=False):
            mask = self.keys(ids) != 0
            vectors = self.lexical(ids)
            lengths = mask.sum(1)
            packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
            states, last = self.recurrent(packed)
            outputs, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
            ends = torch.cat([last[0], last[1]], 1)
            mean = vectors.sum(1) / lengths[:, None]
            sentence = self.norm(self.whole(torch.cat([ends, mean], 1)))
            return Text(sentence, outputs, mask)

    def keys(self, ids: Tensor) -> Tensor:
        return ids[:, :, 0]

    def lexical(self, ids: Tensor) -> Tensor:
        own, grams = ids[:, :, 1 : 1 + OWN], ids[:, :, 1 + OWN :]
        spelled = self.grams(grams).sum(2) / (grams != 0).sum(2, keepdim=True).clamp(min=1)
        vectors: Tensor = self.own(own).sum(2) + spelled
        return vectors

    def unknown(self, text: str) -> list[str]:
        known = set(self.known[: int(self.count)].tolist())
        return [word for word in dict.fromkeys(split(text)) if word_ids(word)[0] not in known]

    def unread(self, text: str) -> str:
        plain = unicodedata.normalize("NFKC", text)
        ends = [found.end() for found in WORD.finditer(plain.lower())]
        return plain[ends[self.longest - 1] :].strip() if len(ends) > self.longest else ""

    @torch.no_grad()
    def note(self, texts: Sequence[str], batch: Batch) -> None:
        """As `Encoder.note`; and the words of these captions, and of those of the other processes, are known from now
        on, as many as there is room for."""
        super().note(texts, batch)
        keys = self.encode(texts)[:, :, 0]
        mine = pad(keys, (0, self.longest - keys.shape[1])).to(self.known.device)
        met = torch.unique(batch.gather(mine)[0])
        count = int(self.count)
        new = met[(met != 0) & ~torch.isin(met, self.known[:count])][: KNOWN - count]
        self.known[count : count + len(new)] = new
        self.count += len(new)


def make(request: TextRequest) -> WordEncoder:
    """What the encoder's card names."""
    return WordEncoder(request.width, request.longest)
