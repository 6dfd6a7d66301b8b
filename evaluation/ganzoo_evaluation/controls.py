"""Control rows: sets of which the right answer is known. A metric that cannot order them says nothing about a model.

Real held-out pictures are the floor that no model can beat but by memorising; copies of training pictures are the
perfect memoriser; blurred pictures, one picture over and over, and draws from a Gaussian in pixel space are failures
that differ in kind. Models that are given pictures have others beside: what is had of the given pictures without any
model, which a model must beat to be worth anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ganzoo.cards import Metric
from ganzoo_evaluation.base import Pictures, Reads
from ganzoo_evaluation.given import First, Made, Make, constant_fill, cubic, nearest, unchanged
from ganzoo_evaluation.passport import Estimate
from ganzoo_evaluation.results import Row
from ganzoo_evaluation.sets import Blurred, DataPictures, GaussianPixels, Paired, Recaptioned, Repeated, choose
from ganzoo_evaluation.ways import Way

HELD_OUT = "real, held out"
COPIES = "training copies"
BLURRED = "blurred"
REPEATED = "one picture"
GAUSSIAN = "Gaussian pixels"
ONE_SAMPLE = "one sample"
GAUSSIAN_SAMPLES = "Gaussian samples"
INPUT = "input itself"
FILL = "constant fill"
BICUBIC = "bicubic"
NEAREST = "nearest"
WRONG = "wrong captions"
EXPLANATIONS = {
    HELD_OUT: "real pictures that no model was trained on: the floor",
    COPIES: "training pictures themselves: a perfect memoriser, which only the memorisation metrics should find out",
    BLURRED: "real pictures after a slight blur: what averaging does",
    REPEATED: "one real picture over and over: total mode collapse",
    GAUSSIAN: "draws from the Gaussian with the mean and covariance of the pixels: right colours, no shapes",
    INPUT: "of a translation: the given pictures as they are; what does nothing has this",
    FILL: "of a translation: the figure of each given picture in one colour and all around it in another, the medians "
    "of the training targets: the right outline, and nothing in it",
    BICUBIC: "of super-resolution: the given pictures enlarged by the cubic filter, which needs no training",
    NEAREST: "of super-resolution: the given pictures with every pixel repeated",
    WRONG: "of text to image: real pictures, each under the caption of another: what does not read has this",
}
OF_SAMPLES = {
    HELD_OUT: "real samples that no model was trained on: the floor",
    COPIES: "training samples themselves: a perfect memoriser, which only what looks for copies should find out",
    ONE_SAMPLE: "one real sample over and over: total mode collapse",
    GAUSSIAN_SAMPLES: "draws from the Gaussian with the mean and covariance of the real samples: the right spread, and "
    "nothing else of their distribution",
}
"""The controls of a task whose samples are no pictures."""
AT_RANDOM = (
    "training targets at random: perfect as a set, whatever was given; only distances to the known answer find it out"
)
"""What `COPIES` are there for where models are given pictures."""


@dataclass(frozen=True)
class Control:
    """One control set under its name, what its content is a function of (for the cache), what it is there for, and what
    its blocks have beside the pictures."""

    name: str
    pictures: Pictures
    key: str
    explanation: str
    beside: tuple[Reads, ...] = ()


def control_sets(
    train: DataPictures, held_out: DataPictures | None, count: int, seed: int, *, wrong: bool = False
) -> Iterator[Control]:
    """The control sets for evaluations of `count` pictures; the one of held-out pictures only where there are any, and
    that of blurred ones only where they are pictures. `wrong`: also that of pictures under wrong captions, where the
    set has captions."""
    one, gaussian = (REPEATED, GAUSSIAN) if train.pictured else (ONE_SAMPLE, GAUSSIAN_SAMPLES)
    explanations = EXPLANATIONS if train.pictured else EXPLANATIONS | OF_SAMPLES

    def control(name: str, pictures: Pictures, key: str) -> Control:
        words: tuple[Reads, ...] = ("text",) if train.captioned and name != gaussian else ()
        return Control(name, pictures, key, explanations[name], words)

    copies = _copies(train, count, seed)
    real = _floor(held_out, count, seed)
    base: DataPictures = copies
    if real is not None:
        yield control(HELD_OUT, real, f"held-out/{real.count}/{seed}")
        if real.count >= count:
            base = real
    yield control(COPIES, copies, f"copies/{copies.count}/{seed}")
    kind = "held-out" if base is not copies else "train"
    if train.pictured:
        sigma = max(0.5, train.data.spec.size / 32)
        yield control(BLURRED, Blurred(base, BLURRED, sigma), f"blurred/{kind}/{sigma}/{base.count}/{seed}")
    yield control(one, Repeated(base, one, count), f"repeated/{kind}/{count}/{seed}")
    yield control(gaussian, GaussianPixels(train, gaussian, count, seed), f"gaussian/{count}/{seed}")
    if wrong and train.captioned:
        yield control(WRONG, Recaptioned(base, WRONG, seed), f"recaptioned/{kind}/{base.count}/{seed}")


def controls_of_way(
    way: Way, train: DataPictures | None, held_out: DataPictures | None, count: int, seed: int
) -> Iterator[Control]:
    """The control sets for models that are given `count` pictures, the true answers beside those that have one.

    `train` and `held_out` are the target field; without them (whole pictures, one by one) there are only those that are
    made of the given pictures.
    """
    truth = None if way.truth is None else First(way.truth, count)
    inputs = First(way.inputs, count)
    known: tuple[Reads, ...] = () if truth is None else ("truth",)

    def made(name: str, make: Make, back: Make | None = None) -> Control:
        there = known if back is None else (*known, "back")
        key = f"{name}/{way.scale}/{count}/{seed}"
        return Control(name, Made(inputs, truth, name, make, back=back), key, EXPLANATIONS[name], there)

    floor = _floor(held_out, count, seed)
    if floor is not None:
        yield Control(HELD_OUT, floor, f"held-out/{floor.count}/{seed}", EXPLANATIONS[HELD_OUT])
    if way.scale > 1:
        yield made(BICUBIC, cubic(way.scale))
        yield made(NEAREST, nearest(way.scale))
        return
    yield made(INPUT, unchanged, None if way.back is None else lambda block: block.pictures)
    if train is None:
        return
    yield made(FILL, constant_fill(train, seed))
    copies = _copies(train, count, seed)
    beside = copies if truth is None else Paired(copies, truth)
    yield Control(COPIES, beside, f"copies/{copies.count}/{seed}", AT_RANDOM, known)
    base = copies if floor is None else floor
    yield Control(REPEATED, Repeated(base, REPEATED, count), f"repeated/{count}/{seed}", EXPLANATIONS[REPEATED])


def _copies(train: DataPictures, count: int, seed: int) -> DataPictures:
    return train.at(choose(train.count, count, seed, "copies"), COPIES)


def _floor(held_out: DataPictures | None, count: int, seed: int) -> DataPictures | None:
    if held_out is None or not held_out.count:
        return None
    return held_out.at(choose(held_out.count, count, seed, "held-out"), HELD_OUT)


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
