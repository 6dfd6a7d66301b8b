"""Control rows: sets of which the right answer is known. A metric that cannot order them says nothing about a model.

Real held-out pictures are the floor that no model can beat but by memorising; copies of training pictures are the
perfect memoriser; blurred pictures, one picture over and over, and draws from a Gaussian in pixel space are failures
that differ in kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ganzoo.cards import Metric
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.passport import Estimate
from ganzoo_evaluation.results import Row
from ganzoo_evaluation.sets import Blurred, DataPictures, GaussianPixels, Repeated, choose

HELD_OUT = "real, held out"
COPIES = "training copies"
BLURRED = "blurred"
REPEATED = "one picture"
GAUSSIAN = "Gaussian pixels"
EXPLANATIONS = {
    HELD_OUT: "real pictures that no model was trained on: the floor",
    COPIES: "training pictures themselves: a perfect memoriser, which only the memorisation metrics should find out",
    BLURRED: "real pictures after a slight blur: what averaging does",
    REPEATED: "one real picture over and over: total mode collapse",
    GAUSSIAN: "draws from the Gaussian with the mean and covariance of the pixels: right colours, no shapes",
}


@dataclass(frozen=True)
class Control:
    """One control set under its name, and what its content is a function of (for the cache)."""

    name: str
    pictures: Pictures
    key: str


def control_sets(train: DataPictures, held_out: DataPictures | None, count: int, seed: int) -> Iterator[Control]:
    """The control sets for evaluations of `count` pictures; the one of held-out pictures only where there are any."""
    rows = choose(train.count, count, seed, "copies")
    copies = DataPictures(train.data, COPIES, [int(train.rows[row]) for row in rows])
    base: DataPictures = copies
    if held_out is not None and held_out.count:
        rows = choose(held_out.count, count, seed, "held-out")
        real = DataPictures(held_out.data, HELD_OUT, [int(held_out.rows[row]) for row in rows])
        yield Control(HELD_OUT, real, f"held-out/{real.count}/{seed}")
        if real.count >= count:
            base = real
    yield Control(COPIES, copies, f"copies/{copies.count}/{seed}")
    sigma = max(0.5, train.data.spec.size / 32)
    kind = "held-out" if base is not copies else "train"
    yield Control(BLURRED, Blurred(base, BLURRED, sigma), f"blurred/{kind}/{sigma}/{base.count}/{seed}")
    yield Control(REPEATED, Repeated(base, REPEATED, count), f"repeated/{kind}/{count}/{seed}")
    yield Control(GAUSSIAN, GaussianPixels(train, GAUSSIAN, count, seed), f"gaussian/{count}/{seed}")


def sees(rows: Sequence[Row], card: Metric) -> tuple[list[str], list[str]] | None:
    """Which of the rows that the metric must catch it tells from the floor, by more than two standard errors, and which
    not; None where that cannot be asked: no floor, or nothing to catch.

    The floor is the row of held-out pictures; where there are fewer of them than of the others, which bends most
    metrics, it is the training pictures themselves.
    """
    by_name: Mapping[str, Estimate] = {row.name: row.estimates[card.name] for row in rows if card.name in row.estimates}
    caught = [by_name[name] for name in card.catches if name in by_name and by_name[name].value is not None]
    floor = by_name.get(HELD_OUT)
    if floor is not None and caught and floor.passport.count != caught[0].passport.count:
        floor = floor if COPIES in card.catches else by_name.get(COPIES)
    if floor is None or floor.value is None or not card.better:
        return None
    told: list[str] = []
    missed: list[str] = []
    for found in caught:
        assert found.value is not None
        gap = found.value - floor.value if card.better == "lower" else floor.value - found.value
        spread = math.hypot(found.error or 0.0, floor.error or 0.0)
        (told if gap > 2 * spread and gap > 1e-9 else missed).append(found.passport.source)
    return (told, missed) if caught else None
