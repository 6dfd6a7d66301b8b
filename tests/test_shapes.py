"""The set `shapes`: what its rows show, what its captions state, and that its pictures show just that."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ganzoo_data
from ganzoo.data.base import ArrayData, DataRequest
from ganzoo.errors import NothingThere, UserError
from ganzoo_data import shapes, shapes_drawing
from ganzoo_data.shapes import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT,
    NEVER_ABOVE,
    PHRASINGS,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    VOCABULARY,
    Scene,
    Stated,
    StatedThing,
    Thing,
    captions,
    draw,
    held_out,
    parse,
    random_scene,
    related,
    scene_at,
    wobbles,
)

CARD = next(card for card in ganzoo_data.ganzoo_datasets() if card.name == "shapes")


@pytest.fixture(scope="module")
def train() -> list[Scene]:
    return shapes.scenes("train")


@pytest.fixture(scope="module")
def held() -> list[Scene]:
    return shapes.scenes("test")


def some(count: int, seed: int = 0) -> list[Scene]:
    """Scenes of any kind."""
    rng = random.Random(seed)
    return [random_scene(rng) for _ in range(count)]


def thing(words: str, row: int = 1, column: int = 1) -> Thing:
    """`thing("large red circle")`."""
    size, colour, shape = words.split()
    return Thing(shape=shape, colour=colour, size=size, row=row, column=column)


def alone(words: str, row: int = 1, column: int = 1, background: str = "white") -> Scene:
    return Scene(things=(thing(words, row, column),), relation=None, background=background)


def pair(first: str, relation: str, second: str, background: str = "white") -> Scene:
    """Two things in the middle row or column, the first at its beginning or end."""
    ends = {"above": (0, 1, 2, 1), "below": (2, 1, 0, 1), "left of": (1, 0, 1, 2), "right of": (1, 2, 1, 0)}[relation]
    things = thing(first, *ends[:2]), thing(second, *ends[2:])
    return Scene(things=things, relation=relation, background=background)


# -------------------------------------------------------------------------------------------------------------- scenes


def test_scenes_are_what_they_should_be() -> None:
    for scene in some(3000):
        places = {t.place for t in scene.things}
        kinds = {(t.shape, t.colour) for t in scene.things}
        assert len(places) == len(kinds) == len(scene.things)
        assert places <= set(PLACES)
        assert {t.size for t in scene.things} <= set(SIZES)
        assert scene.background in BACKGROUNDS
        assert (scene.relation is None) == (len(scene.things) == 1)
        if scene.relation is not None:
            assert related(scene.relation, *scene.things[:2])


def test_training_shows_no_held_out_combination_and_all_others(train: list[Scene]) -> None:
    assert len(train) == 20_000
    assert not any(held_out(scene) for scene in train)
    for count in (1, 2, 3):
        kinds = Counter((t.shape, t.colour) for scene in train if len(scene.things) == count for t in scene.things)
        assert set(kinds) == set(itertools.product(SHAPES, COLOURS)) - set(HELD_OUT.items())
    singles = {(s.things[0].shape, s.things[0].size, s.things[0].place) for s in train if s.relation is None}
    assert len(singles) == 5 * 2 * 9
    # the one that is never above is shown in every other way
    with_it = [s for s in train if any((t.shape, t.colour) == NEVER_ABOVE for t in s.things[:2])]
    first = [s.relation for s in with_it if (s.things[0].shape, s.things[0].colour) == NEVER_ABOVE]
    second = [s.relation for s in with_it if (s.things[0].shape, s.things[0].colour) != NEVER_ABOVE]
    assert set(first) == {None, "below", "left of", "right of"}
    assert set(second) == {"above", "left of", "right of"}


def test_the_mix_of_one_two_and_three_things(train: list[Scene], held: list[Scene]) -> None:
    for scenes in (train, held[::2], held[1::2]):
        counts = Counter(len(scene.things) for scene in scenes)
        for count, share in ((1, 0.5), (2, 0.4), (3, 0.1)):
            spread = (share * (1 - share) / len(scenes)) ** 0.5
            assert abs(counts[count] / len(scenes) - share) < 4 * spread


def test_attributes_are_even(train: list[Scene]) -> None:
    things = [t for scene in train for t in scene.things]
    for values, choices in (
        ([t.size for t in things], SIZES),
        ([t.place for t in things], tuple(PLACES)),
        ([scene.background for scene in train], tuple(BACKGROUNDS)),
    ):
        counts = Counter(values)
        assert all(abs(counts[choice] * len(choices) / len(values) - 1) < 0.1 for choice in choices)
    by_shape, by_colour = Counter(t.shape for t in things), Counter(t.colour for t in things)
    assert max(by_shape.values()) < 1.15 * min(by_shape.values())
    # five colours lack one shape of five; blue stars are missing above others too
    assert max(by_colour.values()) < 1.5 * min(by_colour.values())


def test_half_of_the_test_split_is_held_out(held: list[Scene]) -> None:
    assert len(held) == 2_000
    assert [held_out(scene) for scene in held] == [False, True] * 1000
    several = [scene for scene in held[1::2] if len(scene.things) > 1]
    pairs = [any(HELD_OUT[t.shape] == t.colour for t in scene.things) for scene in several]
    above = [
        any((a.shape, a.colour) == NEVER_ABOVE and related("above", a, b) for a in s.things for b in s.things)
        for s in several
    ]
    assert all(has_pair != has_above for has_pair, has_above in zip(pairs, above, strict=True))
    assert 0.4 < sum(above) / len(several) < 0.6
    kinds = Counter((s.things[0].shape, s.things[0].colour) for s in held[1::2] if len(s.things) == 1)
    assert set(kinds) == set(HELD_OUT.items())


def test_held_out_pairs_are_one_a_shape_and_no_colour_twice() -> None:
    assert set(HELD_OUT) == set(SHAPES)
    assert len(set(HELD_OUT.values())) == 5
    assert set(HELD_OUT.values()) <= set(COLOURS)
    assert HELD_OUT[NEVER_ABOVE[0]] != NEVER_ABOVE[1]


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (alone("large green circle"), True),
        (alone("large red circle"), False),
        (alone("small blue star"), False),
        (pair("small blue star", "above", "large red circle"), True),
        (pair("large red circle", "below", "small blue star"), True),
        (pair("small blue star", "below", "large red circle"), False),
        (pair("small blue star", "left of", "large red circle"), False),
        (pair("small black star", "left of", "large yellow square"), True),
    ],
)
def test_what_is_held_out(scene: Scene, expected: bool) -> None:
    assert held_out(scene) is expected


def test_a_third_thing_below_a_blue_star_is_held_out_too() -> None:
    scene = pair("small blue star", "left of", "large red circle")
    third = thing("large black cross", 2, 0)
    assert held_out(replace(scene, things=(*scene.things, third)))
    assert not held_out(replace(scene, things=(*scene.things, replace(third, column=1))))


def test_rows_are_the_same_in_every_process(train: list[Scene]) -> None:
    code = (
        "import hashlib; from ganzoo_data.shapes import *;"
        "print(hashlib.sha256(repr([(s, captions(s)) for s in map(scene_at, ['train'] * 300, range(300))])"
        ".encode()).hexdigest())"
    )
    path = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry), "PYTHONHASHSEED": "7"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    mine = repr([(scene, captions(scene)) for scene in train[:300]])
    assert said.stdout.strip() == hashlib.sha256(mine.encode()).hexdigest()


def test_mistakes_about_scenes_are_named() -> None:
    with pytest.raises(ValueError, match=r"a scene of 4 things: expected 1, 2 or 3"):
        random_scene(random.Random(0), count=4)
    with pytest.raises(ValueError, match=r"split 'val': expected train or test"):
        scene_at("val", 0)


# ------------------------------------------------------------------------------------------------------------ captions


def expected(scene: Scene, template_slots: tuple[str, ...]) -> Stated:
    """What a caption made with these slots states, worked out from the slots."""
    order = [slot.removeprefix("the_").lower() for slot in template_slots if slot.removeprefix("the_") in "aAbBcC"]
    if template_slots[0] == "the" or "shape" in template_slots:
        order.insert(0, "a")
    things = []
    for letter in order:
        shown = scene.things["abc".index(letter)]
        things.append(
            StatedThing(
                shape=shown.shape,
                colour=shown.colour,
                size=shown.size if letter.upper() in template_slots else None,
                place=(shown.row, shown.column) if f"at_{letter}" in template_slots else None,
            )
        )
    opposite = dict(zip(RELATIONS, ("below", "above", "right of", "left of"), strict=True))
    relation = scene.relation if "over" in template_slots else None
    if "under" in template_slots:
        relation = opposite[str(scene.relation)]
    background = scene.background if "ground" in template_slots else None
    return Stated(things=tuple(things), relation=relation, background=background)


def test_every_caption_is_read_back_exactly() -> None:
    for scene in some(2000):
        for phrasing, caption in zip(PHRASINGS[len(scene.things)], captions(scene), strict=True):
            assert parse(caption) == expected(scene, phrasing.slots), caption


def test_a_phrasing_states_and_leaves_open_what_it_says() -> None:
    for count, phrasings in PHRASINGS.items():
        scene = random_scene(random.Random(count), count=count)
        for phrasing, caption in zip(phrasings, captions(scene), strict=True):
            said = parse(caption)
            found = {
                "size": all(t.size is not None for t in said.things),
                "place": any(t.place is not None for t in said.things),
                "relation": said.relation is not None,
                "background": said.background is not None,
            }
            assert {name for name, stated in found.items() if stated} == set(phrasing.states)
            assert set(phrasing.states) | set(phrasing.opens) == set(found)
            assert len(said.things) == count
        assert {name for phrasing in phrasings for name in phrasing.states} >= {"size", "place", "background"}
    assert sum("place" in phrasing.states for phrasing in PHRASINGS[1]) >= 8, "of ten: the place is what is learnt"


def test_a_caption_holds_for_its_scene_and_for_nothing_that_it_denies() -> None:
    rng = random.Random(1)
    for scene in some(250, seed=2):
        for caption in captions(scene):
            said = parse(caption)
            assert said.matches(scene)
            first, *others = scene.things
            kinds = {(t.shape, t.colour) for t in scene.things}
            shape = next(s for s in SHAPES if all((s, t.colour) not in kinds for t in scene.things))
            assert not said.matches(replace(scene, things=(replace(first, shape=shape), *others)))
            colour = next(c for c in COLOURS if all((t.shape, c) not in kinds for t in scene.things))
            assert not said.matches(replace(scene, things=(replace(first, colour=colour), *others)))
            resized = replace(first, size="small" if first.size == "large" else "large")
            sized = any(t.size for t in said.things)
            assert said.matches(replace(scene, things=(resized, *others))) is not sized
            other = rng.choice([name for name in BACKGROUNDS if name != scene.background])
            assert said.matches(replace(scene, background=other)) is (said.background is None)
            assert not said.matches(replace(scene, things=scene.things[:-1]))
            assert said.matches(replace(scene, things=scene.things[::-1])), "whatever the order of the things"


def test_captions_are_english() -> None:
    scene = pair("large orange circle", "left of", "small blue square", "grey")
    said = captions(scene)
    assert said[0] == "a large orange circle to the left of a small blue square"
    assert said[5] == "there is a blue square to the right of an orange circle on a grey background"
    assert said[6] == "the orange circle is to the left of the blue square"
    assert said[8] == "a large orange circle on the left and a small blue square on the right"
    single = captions(alone("small cyan star", 0, 0, "pink"))
    assert single[0] == "a small cyan star in the top left"
    assert single[5] == "in the top left there is a small cyan star on a pink background"
    assert single[7] == "the star in the top left is cyan"
    assert captions(alone("small cyan star", 0, 1))[0].endswith("star at the top")
    three = Scene(things=(*scene.things, thing("small red star", 2, 2)), relation="left of", background="white")
    assert captions(three)[0].endswith("square, and a small red star in the bottom right")
    for caption in itertools.chain(*map(captions, some(500))):
        assert not re.search(r"\b(a [aeiou]|an [^aeiou])", caption), caption
        assert set(caption.replace(",", "").split()) <= VOCABULARY
    assert len(set(captions(scene))) == len(captions(scene))


@pytest.mark.parametrize(
    "caption",
    [
        "A large red circle in the top left on a grey background.",
        "  a LARGE  red circle, in the top left, on a grey background ",
        "large red circle in top left on grey background",
        "the large red circle in the top left on the gray background",
        "A red large circle in the top left on a grey background",
        "A grey background with a large red circle in the top left.",
        "In the top left, there is a large red circle on a grey background",
        "There is a large red circle in the top left on a grey background.",
    ],
)
def test_the_same_in_other_words(caption: str) -> None:
    one = StatedThing(shape="circle", colour="red", size="large", place=(0, 0))
    assert parse(caption) == Stated(things=(one,), background="grey")


@pytest.mark.parametrize(
    ("caption", "relation"),
    [
        ("a red circle left of a blue square", "left of"),
        ("a red circle on the left of a blue square", "left of"),
        ("there are a red circle to the right of a blue square", "right of"),
        ("the red circle is below the blue square", "below"),
        ("a red circle and a blue square", None),
        ("a red circle, a blue square", None),
    ],
)
def test_relations_in_other_words(caption: str, relation: str | None) -> None:
    things = StatedThing(shape="circle", colour="red"), StatedThing(shape="square", colour="blue")
    assert parse(caption) == Stated(things=things, relation=relation)


def test_the_middle_is_the_centre() -> None:
    assert parse("a red circle in the middle").things[0].place == (1, 1)
    assert parse("a red circle in the center") == parse("a red circle in the centre")


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("", "expected a thing, such as 'a red circle' at its beginning, found nothing"),
        ("a red blob and two cirles", "not known what is meant by 'blob'.*, 'two'.*, 'cirles' .did you mean 'circle'"),
        ("a circle", "does not say what colour the circle has"),
        ("a large red", r"expected a shape \(circle, square, triangle, star, cross\) after 'red', found nothing"),
        ("a red circle on a blue background", r"expected a background \(white, grey, pink\) after 'on', found 'blue'"),
        ("a red circle in the blue", r"expected a place \(top left, top, .*\) after 'in', found 'blue'"),
        ("a red circle above", "expected a thing, such as 'a red circle' after 'above', found nothing"),
        ("a red circle a blue square", "expected ', and', 'on a .* or the end after 'circle', found 'blue'"),
        ("a red circle above a blue square above a green star", "after 'square', found 'above'"),
        ("a large small red circle", "expected a shape .* after 'large', found 'small'"),
        ("at the top a red circle", "expected 'there is' after 'top', found 'red'"),
        ("there a red circle", "expected 'is' or 'are' after 'there', found 'red'"),
        ("in the top left there is a red circle at the top", "says twice where the circle is"),
        ("a pink background with a red circle on a grey background", "says twice what the background is"),
        ("red circle, blue square, green star, black star", "names 4 things, expected at most 3"),
        ("a red circle on a grey background above a blue square", "expected the end after 'background', found 'above'"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(caption: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse(caption)
    assert "\n" not in str(caught.value)
    assert repr(caption) in str(caught.value)


def test_a_comparison_names_what_holds() -> None:
    said = parse("a large red circle above a small blue square on a grey background")
    scene = pair("large red circle", "below", "small blue star", "grey")
    found = said.compare(scene)
    assert (found.count, found.shape, found.colour, found.size) == (True, (True, False), (True, True), (True, True))
    assert (found.place, found.relation, found.background) == ((None, None), False, True)
    assert (sum(found.facts), len(found.facts), found.whole) == (7, 9, False)
    short = said.compare(alone("small blue square", 2, 1))
    assert (short.count, short.shape, short.colour, short.relation) == (False, (False, True), (False, True), False)
    crowd = parse("a red circle").compare(scene)
    assert (crowd.count, crowd.shape, crowd.colour) == (False, (True,), (True,))


# ------------------------------------------------------------------------------------------------------------ pictures


def inside(shape: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points are in a shape of radius 1 around 0, y downwards; without polygons."""
    if shape == "circle":
        return x**2 + y**2 < shapes_drawing.CIRCLE**2
    if shape == "square":
        return np.maximum(abs(x), abs(y)) < 0.84
    if shape == "cross":
        return np.maximum(np.minimum(abs(x), abs(y)) - 0.3, np.maximum(abs(x), abs(y)) - 1.0) < 0
    if shape == "triangle":  # equilateral, 2 wide, its bounding box centred
        height = np.sqrt(3)
        return (y < height / 2) & (abs(x) < (y + height / 2) / height)
    outer, inner = 1 / np.cos(np.pi / 10), 0.48
    y = y - outer * (1 - np.cos(np.pi / 5)) / 2  # back from the middle of its bounding box to its own
    turn = np.mod(np.arctan2(x, -y), 2 * np.pi / 5)
    turn = np.minimum(turn, 2 * np.pi / 5 - turn)
    edge = outer * inner * np.sin(np.pi / 5)
    return np.hypot(x, y) < edge / (inner * np.sin(np.pi / 5 - turn) + outer * np.sin(turn))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [3.9, 7.0, 14.0])
def test_coverage_is_that_of_many_points(shape: str, radius: float) -> None:
    side, fine = 32, 32
    shift = np.array([0.23, -0.41])
    at = (np.arange(side * fine) + 0.5) / fine - side / 2
    points = inside(shape, (at[None, :] - shift[0]) / radius, (at[:, None] - shift[1]) / radius)
    slow = points.reshape(side, fine, side, fine).mean(axis=(1, 3))
    centres = np.arange(side, dtype=np.float32) + 0.5 - side / 2
    x, y = (centres - shift[0]).astype(np.float32), (centres - shift[1]).astype(np.float32)
    distance = shapes_drawing.distances(shape, x[None, None], y[None, :, None], np.array([radius], np.float32))[0]
    fast = np.clip(0.5 - distance, 0, 1)
    off = abs(fast - slow)
    assert off.max() < 0.32, "at acute corners"
    assert np.quantile(off[off > 0], 0.5) < 0.06
    assert off.sum() / slow.sum() < 0.25 / radius
    assert (fast[distance < -0.75] == slow[distance < -0.75]).all()
    assert (fast[distance > 0.75] == slow[distance > 0.75]).all()


@pytest.mark.parametrize("size", [32, 64])
def test_things_and_backgrounds_have_their_colours(size: int) -> None:
    everything = some(400)
    for scene, picture in zip(everything, draw(everything, size), strict=True):
        ground = BACKGROUNDS[scene.background]
        assert tuple(picture[:, 0, 0]) == ground
        for shown in scene.things:
            cell = cell_of(picture, shown.row, shown.column, len(scene.things) == 1)
            apart = abs(cell.astype(int) - np.array(COLOURS[shown.colour])[:, None, None]).sum(axis=0)
            assert (apart == 0).sum() >= 4 * (size / 32) ** 2, "some pixels have the pure colour"


def cell_of(picture: NDArray[np.uint8], row: int, column: int, whole: bool = False) -> NDArray[np.uint8]:
    """The part of a picture that is a place, or the whole."""
    if whole:
        return picture
    size = picture.shape[1]
    edges = np.rint(np.arange(4) * size / 3).astype(int)
    return picture[:, edges[row] : edges[row + 1], edges[column] : edges[column + 1]]


def extent(scene: Scene, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The bounding box of what differs from the background, in parts of the picture: upper left and lower right."""
    ground = np.array(BACKGROUNDS[scene.background])[:, None, None]
    rows, columns = np.nonzero((picture != ground).any(axis=0))
    size = picture.shape[1]
    return np.array([rows.min(), columns.min()]) / size, np.array([rows.max() + 1, columns.max() + 1]) / size


def test_one_thing_is_whole_and_its_middle_lies_in_its_place() -> None:
    rng = random.Random(0)
    scenes = [random_scene(rng, count=1) for _ in range(600)]
    wobble = np.random.default_rng(0).choice([-1, 1], (600, 3, 3)).astype(np.float32)  # the worst there is
    for scene, picture in zip(scenes, draw(scenes, 96, wobble), strict=True):
        start, end = extent(scene, picture)
        assert (start > 0).all()
        assert (end < 1).all()
        assert tuple(np.floor((start + end) / 2 * 3).astype(int)) == scene.things[0].place


def test_several_things_stay_in_their_places_and_touch_nothing() -> None:
    rng = random.Random(0)
    scenes = [random_scene(rng, count=2 + i % 2) for i in range(400)]
    wobble = np.random.default_rng(0).choice([-1, 1], (400, 3, 3)).astype(np.float32)
    for scene, picture in zip(scenes, draw(scenes, 96, wobble), strict=True):
        ground = np.array(BACKGROUNDS[scene.background])[:, None, None]
        taken = {shown.place for shown in scene.things}
        for place in PLACES:
            cell = cell_of(picture, *place)
            drawn = (cell != ground).any(axis=0)
            assert drawn.any() == (place in taken)


def test_whatever_is_small_is_smaller_than_whatever_is_large() -> None:
    small, large = ([radius for (_, size), radius in shapes_drawing.RADII.items() if size == name] for name in SIZES)
    assert max(small) * (1 + shapes_drawing.STRETCH) < min(large) * (1 - shapes_drawing.STRETCH)
    for shape in SHAPES:
        lone = [alone(f"{size} black {shape}") for size in SIZES]
        pictures = draw([*lone, pair(f"large black {shape}", "above", f"small red {shape}")], 64)
        dark = [(picture < 60).all(axis=0).sum() for picture in pictures]
        assert dark[0] < dark[2] < dark[1]


def test_shapes_of_the_same_size_can_be_told_apart_at_32_pixels() -> None:
    pictures = draw([pair(f"small black {shape}", "above", "small red square") for shape in SHAPES], 32)
    for first, second in itertools.combinations(pictures.astype(int), 2):
        assert (abs(first - second).max(axis=0) > 60).sum() >= 6, "pixels that differ clearly"


def test_colours_are_clearly_apart() -> None:
    def nearest(some: Any, others: Any) -> float:
        return min(float(np.linalg.norm(np.subtract(a, b))) for a in some for b in others if a is not b)

    assert nearest(COLOURS.values(), COLOURS.values()) > 95
    assert nearest(COLOURS.values(), BACKGROUNDS.values()) > 150
    assert nearest(BACKGROUNDS.values(), BACKGROUNDS.values()) > 60


def test_another_size_shows_the_same() -> None:
    scenes, wobble = some(200), wobbles(0, 200)
    large, small = draw(scenes, 64, wobble).astype(float), draw(scenes, 32, wobble).astype(float)
    halved = large.reshape(200, 3, 32, 2, 32, 2).mean(axis=(3, 5))
    assert abs(halved - small).mean() < 0.3
    assert abs(halved - small).max() < 110, "of 255, at corners"


def test_wobbles_are_small_different_and_do_not_depend_on_the_count() -> None:
    found = wobbles(5, 1000)
    assert (wobbles(5, 10) == found[:10]).all()
    assert not (wobbles(6, 10) == found[:10]).any()
    assert abs(found).max() <= 1
    assert abs(found.mean()) < 0.05
    scene = [alone("small red circle")] * 50
    pictures = draw(scene, 32, found[:50])
    assert len({picture.tobytes() for picture in pictures}) > 45
    assert len({picture.tobytes() for picture in draw(scene, 32)}) == 1


def test_a_picture_does_not_depend_on_the_others() -> None:
    scenes, wobble = some(1100), wobbles(0, 1100)
    together = draw(scenes, 32, wobble)
    for row in (0, 1023, 1024, 1099):
        assert (draw(scenes[row : row + 1], 32, wobble[row : row + 1])[0] == together[row]).all()


def test_drawing_is_fast() -> None:
    scenes, wobble = some(2000), wobbles(0, 2000)
    start = time.thread_time()
    draw(scenes, 32, wobble)
    assert time.thread_time() - start < 1.0, "a tenth of what 20,000 may take"


def test_a_shape_that_there_is_not_is_refused() -> None:
    x = np.zeros((1, 1, 4), np.float32)
    with pytest.raises(ValueError, match="shape 'heart': expected circle, square"):
        shapes_drawing.distances("heart", x, x.reshape(1, 4, 1), np.ones(1, np.float32))


# ------------------------------------------------------------------------------------------------------------- the set


def load(**request: Any) -> ArrayData:
    return shapes.shapes(DataRequest(**{"fields": ("image", "text"), **request}))


def test_the_set_is_what_its_card_says() -> None:
    told: list[tuple[int, int]] = []
    data = load(progress=lambda what, done, total: told.append((done, total)))
    assert (len(data), data.spec.size, data.spec.channels) == (CARD.count, CARD.size, CARD.channels)
    assert tuple(field.name for field in data.spec.fields) == CARD.fields
    assert CARD.subsets == tuple(shapes.PARTS)
    assert CARD.splits == tuple(shapes.ROWS)
    assert told[-1] == (20_000, 20_000)
    rows = data.read([0, 19_999])
    assert rows["image"].shape == (2, 3, 32, 32)
    assert rows["image"].dtype == np.uint8
    assert rows["text"] == [captions(scene_at("train", 0)), captions(scene_at("train", 19_999))]
    assert data.columns["image"].flags.writeable, "torch wants it so"
    assert data.columns["image"].flags.c_contiguous


def test_pictures_and_captions_are_of_one_row(held: list[Scene]) -> None:
    data = load(split="test", size=64)
    canonical = draw(held, 64)
    off = abs(data.columns["image"].astype(int) - canonical).mean(axis=(1, 2, 3))
    shuffled = abs(data.columns["image"].astype(int) - np.roll(canonical, 1, axis=0)).mean(axis=(1, 2, 3))
    assert (off < shuffled).mean() > 0.99
    for scene, texts in zip(held, data.columns["text"], strict=True):
        assert parse(texts[0]).matches(scene)


@pytest.mark.parametrize("part", CARD.subsets)
def test_a_part_is_its_rows_of_the_whole(part: str, held: list[Scene]) -> None:
    whole, data = load(split="test"), load(split="test", subset=part)
    rows = [row for row, scene in enumerate(held) if shapes.PARTS[part](scene)]
    assert data.spec.name == f"shapes:{part}"
    assert len(data) == len(rows) >= 150
    assert (data.columns["image"] == whole.columns["image"][rows]).all()
    assert data.columns["text"] == [whole.columns["text"][row] for row in rows]


def test_parts_cover_the_set(held: list[Scene]) -> None:
    counts = {part: sum(map(shapes.PARTS[part], held)) for part in CARD.subsets}
    assert counts["one"] + counts["two"] + counts["three"] == 2000
    assert counts["held-out"] == counts["seen"] == 1000


def test_what_is_held_out_cannot_be_trained_on() -> None:
    with pytest.raises(NothingThere, match=r"^shapes:held-out has nothing to train on.* train on shapes"):
        load(subset="held-out")
    assert len(load(subset="seen", size=8)) == 20_000


def test_captions_come_only_when_asked_for() -> None:
    assert not load(split="test", fields=("image",)).spec.has("text")
    assert load(split="test", fields=("image",), optional=("text",)).spec.has("text")


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (48, 1), (64, 3)])
def test_any_size_and_grey_can_be_asked_for(size: int, channels: int) -> None:
    data = load(split="test", subset="three", size=size, channels=channels)
    assert data.columns["image"].shape == (len(data), channels, size, size)
    assert (data.spec.size, data.spec.channels) == (size, channels)


def test_fingerprints_tell_requests_apart() -> None:
    asked: list[dict[str, Any]] = [{}, {"size": 16}, {"channels": 1}, {"subset": "one"}, {"fields": ("image",)}]
    found = {load(split="test", **options).spec.fingerprint for options in asked}
    assert len(found) == len(asked)
    assert load(split="test").spec.fingerprint in found


def test_mistakes_of_a_request_are_named() -> None:
    with pytest.raises(UserError) as caught:
        load(split="val", fields=("image", "label"))
    assert caught.value.lines == (
        "shapes has no split 'val'; it has train, test",
        "shapes has no field 'label'; it has image, text",
    )
    with pytest.raises(
        UserError, match=r"^shapes has no subset 'tow' \(did you mean 'two'\?\); it has one, two, three"
    ):
        load(subset="tow")
