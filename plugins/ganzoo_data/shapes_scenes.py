"""What can be in a picture of the set `shapes`: one to three coloured things on nine places, and which row shows what.

A scene is plain data; `shapes_captions` says it in words and `shapes_drawing` draws it. A row of the set is a function
of its split and its number alone.

Some combinations are kept out of training, so that it can be measured whether a model composes what it has learnt:

- the five pairs of `HELD_OUT` (shape and colour), one for each shape and with five different colours: a model sees
  green things and circles, but never a green circle;
- `NEVER_ABOVE`, one pair that training shows in every other way, is never above another thing.

The split `train` holds none of them. In `test`, even rows are drawn as training is; odd rows show a held-out
combination: of scenes with several things half hold such a pair and half have `NEVER_ABOVE` above another thing.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

Choice = TypeVar("Choice")
RGB = tuple[int, int, int]
Place = tuple[int, int]
"""Row and column of the 3 x 3 places, from the top left."""

SHAPES = ("circle", "square", "triangle", "star", "cross")
COLOURS: Mapping[str, RGB] = {
    "red": (220, 25, 35),
    "orange": (250, 125, 0),
    "yellow": (255, 225, 30),
    "green": (25, 150, 55),
    "cyan": (0, 190, 205),
    "blue": (30, 70, 225),
    "purple": (145, 40, 175),
    "black": (20, 20, 20),
}
SIZES = ("small", "large")
BACKGROUNDS: Mapping[str, RGB] = {"white": (255, 255, 255), "grey": (190, 190, 190), "pink": (255, 200, 215)}
PLACES: Mapping[Place, str] = {
    (0, 0): "top left",
    (0, 1): "top",
    (0, 2): "top right",
    (1, 0): "left",
    (1, 1): "centre",
    (1, 2): "right",
    (2, 0): "bottom left",
    (2, 1): "bottom",
    (2, 2): "bottom right",
}
RELATIONS = ("above", "below", "left of", "right of")
INVERSE: Mapping[str, str] = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
HELD_OUT: Mapping[str, str] = {
    "circle": "green",
    "square": "yellow",
    "triangle": "red",
    "star": "purple",
    "cross": "cyan",
}
"""The colour that a shape never has in training."""
NEVER_ABOVE = ("star", "blue")
"""The shape and colour that is never above another thing in training."""
COUNTS: Mapping[int, float] = {1: 0.5, 2: 0.4, 3: 0.1}
"""How many things a scene has, and how often."""
ROWS: Mapping[str, int] = {"train": 20_000, "test": 2_000}
"""Rows of each split."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One coloured thing on one of the nine places."""

    shape: str
    colour: str
    size: str
    row: int
    column: int

    @property
    def place(self) -> Place:
        """Row and column."""
        return self.row, self.column


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture shows: things on different places, no two of one shape and colour.

    `relation` is how the first thing lies to the second one, with which it shares a column (above, below) or a row
    (left of, right of); None where there is only one thing. A third thing lies anywhere else.
    """

    things: tuple[Thing, ...]
    relation: str | None
    background: str


def related(relation: str, first: Thing, second: Thing) -> bool:
    """Whether `first` is above (below, left of, right of) `second`: on the same column (row), nearer to that edge."""
    if relation in ("above", "below"):
        nearer = first.row < second.row if relation == "above" else first.row > second.row
        return nearer and first.column == second.column
    nearer = first.column < second.column if relation == "left of" else first.column > second.column
    return nearer and first.row == second.row


def held_out(scene: Scene) -> bool:
    """Whether a scene has a combination that training never shows."""
    return _has_held_out_pair(scene) or _has_never_above(scene)


def random_scene(rng: random.Random, *, count: int | None = None, held: bool | None = None) -> Scene:
    """A scene drawn at random.

    Args:
        rng: where the randomness comes from; only `rng.random()` is called, whose values are the same everywhere.
        count: how many things, 1 to 3; None: as often as `COUNTS` says.
        held: False: none that is `held_out`, as in training; True: only such; None: whatever comes.

    Of the held-out scenes with several things one half has a pair of `HELD_OUT`, the other `NEVER_ABOVE` above another
    thing, and none has both.

    Raises:
        ValueError: when `count` is no number of things.
    """
    if count is None:
        count = _pick(rng, tuple(COUNTS), tuple(COUNTS.values()))
    if count not in COUNTS:
        raise ValueError(f"a scene of {count} things: expected 1, 2 or 3")
    above = bool(held) and count > 1 and rng.random() < 0.5
    while True:
        scene = _anything(rng, count, above)
        if held is None or (_has_held_out_pair(scene), _has_never_above(scene)) == (held and not above, above):
            return scene


def scene_at(split: str, row: int) -> Scene:
    """What a row of a split shows.

    Raises:
        ValueError: when there is no such split.
    """
    if split not in ROWS:
        raise ValueError(f"split {split!r}: expected {' or '.join(ROWS)}")
    return random_scene(random.Random(f"shapes {split} {row}"), held=split == "test" and row % 2 == 1)


def _anything(rng: random.Random, count: int, above: bool) -> Scene:
    """Any scene of `count` things; `above`: one in which `NEVER_ABOVE` is above another thing."""
    background = _pick(rng, tuple(BACKGROUNDS))
    if count == 1:
        return Scene(things=(_thing(rng, _pick(rng, tuple(PLACES))),), relation=None, background=background)
    relation = _pick(rng, RELATIONS[:2] if above else RELATIONS)
    across, (near, far) = _pick(rng, range(3)), _pick(rng, tuple(itertools.combinations(range(3), 2)))
    upright = relation in ("above", "below")
    ends: list[Place] = [(along, across) if upright else (across, along) for along in (near, far)]
    if relation in ("below", "right of"):
        ends.reverse()
    places = [*ends, _pick(rng, [place for place in PLACES if place not in ends])][:count]
    while True:
        things = [_thing(rng, place) for place in places]
        if above:
            upper = RELATIONS.index(relation)
            things[upper] = replace(things[upper], shape=NEVER_ABOVE[0], colour=NEVER_ABOVE[1])
        if len({(thing.shape, thing.colour) for thing in things}) == count:
            return Scene(things=tuple(things), relation=relation, background=background)


def _thing(rng: random.Random, place: Place) -> Thing:
    shape, colour, size = _pick(rng, SHAPES), _pick(rng, tuple(COLOURS)), _pick(rng, SIZES)
    return Thing(shape=shape, colour=colour, size=size, row=place[0], column=place[1])


def _has_held_out_pair(scene: Scene) -> bool:
    return any(HELD_OUT[thing.shape] == thing.colour for thing in scene.things)


def _has_never_above(scene: Scene) -> bool:
    return any(
        (first.shape, first.colour) == NEVER_ABOVE and related("above", first, second)
        for first, second in itertools.permutations(scene.things, 2)
    )


def _pick(rng: random.Random, choices: Sequence[Choice], weights: Sequence[float] = ()) -> Choice:
    """One of `choices`, by one call of `rng.random()`: unlike `rng.choice`, the same in every version of Python."""
    if not weights:
        return choices[int(rng.random() * len(choices))]
    mark = rng.random() * sum(weights)
    for choice, end in zip(choices, itertools.accumulate(weights), strict=True):
        if mark < end:
            return choice
    return choices[-1]
