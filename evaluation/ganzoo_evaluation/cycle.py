"""There and back: how far a picture is from itself after a translation to the other domain and back again.

This is what cycle consistency asks for in training (Zhu et al., 2017, arXiv:1703.10593, section 3.2), measured without
any known answer. The picture in between is rounded to 8 bits, as it would be in a file: a generator can hide a faint
copy of its input in what it makes (Chu et al., 2017, arXiv:1712.02950), and what the rounding does not leave cannot be
relied on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from ganzoo_evaluation.base import Array, Block, Comparison, NotApplicable, Plan, Reads, Value
from ganzoo_evaluation.paired import l1
from ganzoo_evaluation.tally import Each, mean_of


class Returns:
    """L1 of every picture from `Block.source` to `Block.back`; blocks without are passed by."""

    reads: ClassVar[Reads] = "back"

    def __init__(self, plan: Plan) -> None:
        self.each = Each(plan.count)

    def update(self, block: Block) -> None:
        if block.source is not None and block.back is not None:
            self.each.add(block.start, l1(block.source.cpu(), block.back.cpu()))

    def merge(self, other: Self) -> None:
        self.each.merge(other.each)

    def arrays(self) -> dict[str, Array]:
        return self.each.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0))
        made.each = Each.from_arrays(arrays)
        return made


def compute(c: Comparison) -> Value:
    """Mean absolute difference of a picture and itself after both translations, on a scale from 0 to 1.

    Raises:
        NotApplicable: when there is no way back.
    """
    each = c.fake[Returns].each.column()
    if not len(each):
        raise NotApplicable("nothing leads back from these pictures")
    mean, error = mean_of(each)
    return Value(value=mean, error=error, protocol={"between": "8 bits"}, each=each)
