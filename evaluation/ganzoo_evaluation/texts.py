"""The captions of a set, kept beside what a network saw in its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np

from ganzoo_evaluation.base import Array, Block, Plan, Reads


class Texts:
    """The caption of every picture of a set; blocks without are passed by."""

    reads: ClassVar[Reads] = "text"

    def __init__(self, plan: Plan) -> None:
        self._texts: list[str | None] = [None] * plan.count

    def update(self, block: Block) -> None:
        for place, text in enumerate(block.text or (), block.start):
            self._texts[place] = text

    def merge(self, other: Self) -> None:
        pairs = zip(self._texts, other._texts, strict=True)
        self._texts = [theirs if mine is None else mine for mine, theirs in pairs]

    def arrays(self) -> dict[str, Array]:
        words = [(text or "").encode("utf-8", "surrogatepass") for text in self._texts]
        return {
            "bytes": np.frombuffer(b"".join(words), dtype=np.uint8),
            "lengths": np.array([len(word) for word in words], dtype=np.int64),
            "there": np.array([text is not None for text in self._texts], dtype=bool),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0))
        whole, ends = arrays["bytes"].tobytes(), np.cumsum(arrays["lengths"])
        spans = zip(ends - arrays["lengths"], ends, arrays["there"], strict=True)
        made._texts = [whole[a:b].decode("utf-8", "surrogatepass") if there else None for a, b, there in spans]
        return made

    def at(self, rows: Sequence[int] | Array) -> list[str] | None:
        """The captions of these pictures; None where one of them has none."""
        found = [self._texts[row] for row in rows]
        known = [text for text in found if text is not None]
        return known if len(known) == len(found) else None
