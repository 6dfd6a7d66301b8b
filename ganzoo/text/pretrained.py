"""Frozen text encoders of transformers, from a folder with their weights; nothing is downloaded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.errors import UserError
from ganzoo.text.base import Encoder, Text, TextRequest

ENCODER = "the text encoder {!r}"
"""How a message names one of them."""
REMEMBERED = 65536
"""Captions whose vectors are kept: a frozen encoder gives the same each time."""


class Pretrained(Encoder):
    """A transformer and its tokenizer. Ids are (N, L, 2): the token and, where there is one, 1."""

    def __init__(self, network: Any, tokenizer: Any, width: int, longest: int) -> None:
        super().__init__()
        self.network, self.tokenizer = network, tokenizer
        self.width, self.longest = width, longest
        self.word_width = int(network.get_input_embeddings().embedding_dim)
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> Tensor:
        made = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        tokens, mask = made["input_ids"], made["attention_mask"]
        return torch.stack([tokens, mask], 2)

    def unread(self, text: str) -> str:
        if text in self._vectors:  # it was looked at before
            return ""
        offsets = self.tokenizer(text, truncation=True, max_length=self.longest, return_offsets_mapping=True)
        read = max((end for _, end in offsets["offset_mapping"]), default=0)
        return text[read:].strip()

    def keys(self, ids: Tensor) -> Tensor:
        return (ids[:, :, 0] + 1) * ids[:, :, 1]

    @torch.no_grad()
    def lexical(self, ids: Tensor) -> Tensor:
        vectors: Tensor = self.network.get_input_embeddings()(ids[:, :, 0]) * ids[:, :, 1:]
        return vectors

    def sentence(self, texts: Sequence[str]) -> Tensor:
        """As `Encoder.sentence`; what was asked for before is not computed again."""
        device = next(self.parameters()).device
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            with torch.inference_mode(False), torch.no_grad():  # what is kept may enter a loss later
                made = self(self.encode(missing).to(device)).sentence
            self._vectors.update(zip(missing, made.unbind(), strict=True))
        found = torch.stack([self._vectors[text] for text in texts]).to(device)
        while len(self._vectors) > REMEMBERED:
            self._vectors.popitem(last=False)
        return found

    def forward(self, ids: Tensor) -> Text:
        with torch.autocast(ids.device.type, enabled=False):
            tokens, mask = ids[:, :, 0], ids[:, :, 1]
            made = self.network(input_ids=tokens, attention_mask=mask)
            words = made.last_hidden_state.float() * mask[:, :, None]
            return Text(self._whole(made, words, mask), words, mask.bool())

    def _whole(self, made: Any, words: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError


class Clip(Pretrained):
    """The text half of CLIP (Radford et al., 2021, arXiv:2103.00020); sentences of length sqrt(d)."""

    def _whole(self, made: Any, words: Tensor, mask: Tensor) -> Tensor:
        return _scaled(made.text_embeds.float())


class Sentence(Pretrained):
    """The mean of the words' vectors (Reimers and Gurevych, 2019, arXiv:1908.10084), of length sqrt(d)."""

    def _whole(self, made: Any, words: Tensor, mask: Tensor) -> Tensor:
        return _scaled(words.sum(1) / mask.sum(1, keepdim=True))


def clip(request: TextRequest) -> Clip:
    """What the card of `clip` names.

    Raises:
        UserError: when transformers is not installed or the weights cannot be read.
    """
    transformers, folder = import_transformers(ENCODER.format("clip")), _folder("clip", request)
    network, tokenizer = read_pretrained(
        "clip", folder, transformers.CLIPTextModelWithProjection, transformers.AutoTokenizer
    )
    return Clip(network, tokenizer, network.config.projection_dim, network.config.max_position_embeddings)


def sentence(request: TextRequest) -> Sentence:
    """What the card of `sentence` names.

    Raises:
        UserError: when transformers is not installed or the weights cannot be read.
    """
    transformers, folder = import_transformers(ENCODER.format("sentence")), _folder("sentence", request)
    network, tokenizer = read_pretrained("sentence", folder, transformers.AutoModel, transformers.AutoTokenizer)
    longest = min(network.config.max_position_embeddings, 256)
    return Sentence(network, tokenizer, network.config.hidden_size, longest)


def _folder(name: str, request: TextRequest) -> Path:
    return weights_folder(ENCODER.format(name), request.weights)


def import_transformers(what: str) -> Any:
    """The package transformers, for `what`.

    Raises:
        UserError: when it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            f"{what} needs the package transformers, which is not there; pip install 'ganzoo[text]'"
        ) from error
    return transformers


def weights_folder(what: str, weights: str) -> Path:
    """The folder `weights` with the weights of `what` in the format of transformers.

    Raises:
        UserError: when it is no such folder.
    """
    folder = Path(weights).expanduser()
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{weights}: expected the folder with the weights of {what} (config.json, model.safetensors, "
            f"tokenizer.json), found {'no config.json in it' if folder.is_dir() else 'no such folder'}"
        )
    return folder


def read_pretrained(name: str, folder: Path, network: Any, tokenizer: Any) -> tuple[Any, Any]:
    """A network and its tokenizer, by their classes of transformers, from a folder; nothing is downloaded.

    Raises:
        UserError: when they cannot be read.
    """
    try:
        return (
            network.from_pretrained(folder, local_files_only=True, use_safetensors=True),
            tokenizer.from_pretrained(folder, local_files_only=True),
        )
    except Exception as error:  # whatever damaged or missing files provoke in the reader
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{folder}: {name!r} cannot be read from it ({type(error).__name__}: {reason})") from error


def _scaled(vectors: Tensor) -> Tensor:
    """With a mean square of 1, as a normalised layer has it."""
    return vectors * (vectors.square().mean(1, keepdim=True) + 1e-12).rsqrt()
