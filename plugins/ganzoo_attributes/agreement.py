"""How often pictures agree with their captions, where these speak of `shapes`.

The judge reads every picture (`ganzoo_attributes.judge`), `parse` every caption, and what the caption states is
compared with what was read (`Stated.compare`: the things of a caption are matched with those of the picture so that as
much as possible holds). What a caption leaves open is not asked about. Each picture counts once: where its caption says
the colours of two things and one is right, it counts one half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
import torch

from ganzoo_attributes.judge import open_judge
from ganzoo_attributes.questions import ATTRIBUTES, QUESTIONS
from ganzoo_data.shapes import Agreement, Stated, parse, unknown_words
from ganzoo_evaluation.base import Array, Block, Comparison, NotApplicable, Plan, Reads, Value
from ganzoo_evaluation.tally import Each

MEASURES = ("things", "held_out", *ATTRIBUTES)


class Agreements:
    """Of every picture: how many things its caption names, whether it states a held-out combination (0 or 1), and the
    share of each of `ATTRIBUTES` that is true. Nothing of a picture whose caption does not speak of `shapes`."""

    reads: ClassVar[Reads] = "text"

    def __init__(self, plan: Plan) -> None:
        self.each = Each(plan.count, len(MEASURES))

    def update(self, block: Block) -> None:
        said = [understood(text) for text in block.text or ()]
        rows = [row for row, stated in enumerate(said) if stated is not None]
        if not rows:
            return
        values = torch.full((len(block), len(MEASURES)), torch.nan, dtype=torch.float64)
        for row, scene in zip(rows, open_judge()(block.pictures[rows].cpu()), strict=True):
            stated = said[row]
            assert stated is not None
            values[row] = torch.tensor([len(stated.things), stated.held_out, *shares(stated.compare(scene))])
        self.each.add(block.start, values)

    def merge(self, other: Self) -> None:
        self.each.merge(other.each)

    def arrays(self) -> dict[str, Array]:
        return self.each.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0))
        made.each = Each.from_arrays(arrays)
        return made

    def of(self, attribute: str, things: int, held_out: bool) -> Array:
        """The shares of an attribute over the pictures whose captions name so many things and state something of it,
        float64 (n,)."""
        values = self.each.values
        chosen = values[(values[:, 0] == things) & (values[:, 1] == held_out), MEASURES.index(attribute)]
        found: Array = chosen[~np.isnan(chosen)]
        return found


@lru_cache(maxsize=1 << 16)
def understood(caption: str) -> Stated | None:
    """What a caption states; None where it does not speak of `shapes`."""
    if unknown_words(caption):
        return None
    try:
        return parse(caption)
    except ValueError:
        return None


def shares(found: Agreement) -> list[float]:
    """The share of each of `ATTRIBUTES` that holds; not a number where nothing is stated."""
    return [
        _share(found.shape),
        _share(found.colour),
        _share(found.size),
        _share(found.place),
        _share((found.relation,)),
        _share((found.background,)),
        float(found.whole),
    ]


def _share(facts: Sequence[bool | None]) -> float:
    stated = [fact for fact in facts if fact is not None]
    return sum(stated) / len(stated) if stated else float("nan")


def compute(c: Comparison) -> Value:
    """The mean share, in [0, 1], of the question whose name `c.metric` is.

    The error is that of a mean with one picture all right and one all wrong added, so that it is not 0 when all are
    right (of shares that are 0 or 1 it is the binomial one).

    Raises:
        NotApplicable: when no caption is of that kind.
    """
    question = QUESTIONS[c.metric]
    each = c.fake[Agreements].of(question.attribute, question.things, question.held_out)
    if not len(each):
        spoken = len(c.fake[Agreements].each.column())
        raise NotApplicable(
            f"no caption is of this kind ({question.captions})" if spoken else "its captions do not speak of shapes"
        )
    judge = open_judge()
    own = judge.accuracy["held-out" if question.held_out else "seen"].get(question.attribute)
    return Value(
        value=float(each.mean()),
        error=float(np.append(each, (0.0, 1.0)).std() / np.sqrt(len(each))),
        protocol={"judge": "shapes-judge", "sha256": judge.sha256},
        details={"captions": len(each)} | ({} if own is None else {"judge": own}),
        each=each,
    )
