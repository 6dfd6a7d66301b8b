"""What models that read captions are asked to draw: one caption for each picture, the same for every model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ganzoo.data.base import DataSpec
from ganzoo.data.captions import captions_of, spread, text_field
from ganzoo.errors import UserError
from ganzoo_evaluation.sets import DataPictures, choose


@dataclass(frozen=True, kw_only=True)
class Captions:
    """A caption for each picture that is made; `source` says in words whose captions they are."""

    texts: tuple[str, ...]
    source: str

    @cached_property
    def content(self) -> str:
        """Twelve hex digits over all captions, in order."""
        return hashlib.blake2b("\n".join(self.texts).encode("utf-8", "replace"), digest_size=6).hexdigest()

    @property
    def protocol(self) -> dict[str, str | int | float]:
        """What numbers depend on that are measured of pictures of these captions."""
        return {"captions": self.content}

    @property
    def sentence(self) -> str:
        """What they are, in words."""
        different = len(set(self.texts))
        repeated = "" if different == len(self.texts) else f", {different:,} of them different"
        return (
            f"pictures are made from {len(self.texts):,} captions of {self.source} (content {self.content}{repeated})"
        )


def captions_for(
    held_out: DataPictures | None, train: DataPictures | None, run: str, data: DataSpec, count: int
) -> Captions:
    """`count` captions: those of held-out pictures, where these have some, drawn at random, but always the same; else
    of the training pictures, else what the run of that name remembers of its `data`. Where there are too few, they come
    again.

    Raises:
        UserError: when there are none.
    """
    for pictures, what in ((held_out, "held out"), (train, "training pictures")):
        if pictures is not None and pictures.count and text_field(pictures.data.spec) is not None:
            places = _places(pictures.count, count)
            texts = captions_of(pictures.data, [int(pictures.rows[place]) for place in places])
            return Captions(texts=tuple(texts), source=f"{pictures.name}, {what}")
    if not data.examples:
        raise UserError(
            f"{run} reads captions, and there are none: not with the pictures that it is measured against, nor in its "
            "config.json; measure it against data with captions: --real NAME"
        )
    texts = [data.examples[place] for place in _places(len(data.examples), count)]
    return Captions(texts=tuple(texts), source=f"{data.name}, as {run} remembers them")


def _places(there: int, count: int) -> list[int]:
    # Not every second row or the like: sets may have rows of two kinds in turn.
    return choose(there, count, 0, "captions") if count <= there else [index % there for index in range(count)]


def different_ones(texts: Sequence[str], wanted: int) -> list[str]:
    """`wanted` of the captions, no two the same, evenly spread; fewer where there are no more."""
    different = list(dict.fromkeys(texts))
    return [different[place] for place in spread(len(different), wanted)]
