"""Whether pictures show what captions of `shapes` say: the judge against scenes that are known, the metrics against
numbers that can be counted, and an evaluation of a run."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Answer, TinyRuns
from torch import Tensor

from ganzoo.data.base import DataRequest
from ganzoo.registry import Registry
from ganzoo_attributes import ganzoo_metrics
from ganzoo_attributes.agreement import Agreements, compute, shares
from ganzoo_attributes.judge import FILE, Judge, open_judge
from ganzoo_attributes.questions import ATTRIBUTES, QUESTIONS, THINGS
from ganzoo_data import shapes
from ganzoo_data.shapes import (
    COLOURS,
    PLACES,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    captions,
    draw,
    held_out,
    parse,
    random_scene,
    scene_at,
    wobbles,
)
from ganzoo_evaluation.asking import How, usual_metrics, wanted_metrics
from ganzoo_evaluation.base import Block, Comparison, Measured, NotApplicable, Plan
from ganzoo_evaluation.measure import measure
from ganzoo_evaluation.sets import DataPictures, Recaptioned

Call = Callable[..., Answer]
PAGE = (Path(__file__).resolve().parent.parent / "docs" / "evaluation.md").read_text(encoding="utf-8")
FRESH = 400


@pytest.fixture(scope="module")
def judge() -> Judge:
    return open_judge()


@pytest.fixture(scope="module")
def real() -> DataPictures:
    """The held-out pictures of `shapes`, half of them with held-out combinations."""
    return DataPictures(shapes.shapes(DataRequest(fields=("image", "text"), split="test")), "shapes (test)")


@pytest.fixture(scope="module")
def under_own(real: DataPictures) -> Measured:
    return measure(real, None, [Agreements])


@pytest.fixture(scope="module")
def under_others(real: DataPictures) -> Measured:
    return measure(Recaptioned(real, "wrong captions", 0), None, [Agreements])


def drawn(scenes: list[Scene], size: int = 32, seed: int = 5) -> Tensor:
    return torch.from_numpy(draw(scenes, size, wobbles(seed, len(scenes))))


def fresh(held: bool, count: int = FRESH) -> list[Scene]:
    """Scenes that are no rows of the set."""
    rng = random.Random(f"fresh {held}")
    return [random_scene(rng, held=held) for _ in range(count)]


def thing(words: str, row: int, column: int) -> Thing:
    size, colour, shape = words.split()
    return Thing(shape=shape, colour=colour, size=size, row=row, column=column)


def whole_share(scenes: list[Scene], read: list[Scene]) -> float:
    """Share of the scenes that were read without a mistake."""
    pairs = zip(scenes, read, strict=True)
    return sum(set(a.things) == set(b.things) and a.background == b.background for a, b in pairs) / len(scenes)


# --- the judge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "held"), [("seen", False), ("held-out", True)])
def test_on_fresh_pictures_the_judge_is_as_good_as_it_says(judge: Judge, name: str, held: bool) -> None:
    stated = judge.accuracy[name]
    scenes = fresh(held)
    read = judge(drawn(scenes))
    right: dict[str, list[bool]] = {"place": [], "background": [], "shape": [], "colour": [], "size": []}
    for scene, other in zip(scenes, read, strict=True):
        there = {found.place: found for found in other.things}
        right["place"].append({one.place for one in scene.things} == set(there))
        right["background"].append(scene.background == other.background)
        for one in scene.things:
            for attribute in ("shape", "colour", "size") if one.place in there else ():
                right[attribute].append(getattr(one, attribute) == getattr(there[one.place], attribute))
    for attribute, values in right.items():
        expected = stated[attribute]
        spread = math.sqrt(max(expected * (1 - expected), 1 / len(values)) / len(values))
        assert np.mean(values) > expected - 4 * spread, attribute
    assert whole_share(scenes, read) > stated["whole"] - 4 * math.sqrt(0.02 / FRESH)
    assert stated["whole"] > 0.98


def test_the_judge_has_no_gap_at_held_out_combinations(judge: Judge) -> None:
    seen, held = judge.accuracy["seen"], judge.accuracy["held-out"]
    assert all(abs(seen[name] - held[name]) < 0.01 for name in seen)


def test_an_empty_picture_has_nothing_in_it_and_a_full_one_everything(judge: Judge) -> None:
    empty = Scene(things=(), relation=None, background="grey")
    row = [thing(words, 0, column) for column, words in enumerate(("small red star", "large blue cross"))]
    four = Scene(
        things=(*row, thing("small black circle", 1, 1), thing("large cyan square", 2, 0)),
        relation=None,
        background="pink",
    )
    nothing, everything = judge(torch.from_numpy(draw([empty, four], 32)))
    assert nothing == empty
    assert set(everything.things) == set(four.things)
    assert everything.background == "pink"


@pytest.mark.parametrize("size", [24, 48, 64])
def test_pictures_of_another_size_are_read_too(judge: Judge, size: int) -> None:
    scenes = fresh(True, 200)
    assert whole_share(scenes, judge(drawn(scenes, size))) > 0.97


def test_what_a_generator_may_do_to_a_picture_does_not_mislead_it(judge: Judge) -> None:
    scenes = fresh(False, 200)
    pictures = drawn(scenes).float()
    noise = 12 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    for name, changed in (
        ("noise", pictures + noise),
        ("blur", (pictures + blurred) / 2),
        ("contrast", (pictures - 128) * 0.85 + 128),
    ):
        assert whole_share(scenes, judge(changed.round().clamp(0, 255).to(torch.uint8))) > 0.97, name


def test_what_is_read_in_a_picture_does_not_depend_on_the_others(judge: Judge) -> None:
    pictures = drawn(fresh(True, 37))
    assert judge(pictures)[30:] == judge(pictures[30:])
    assert judge(pictures[:0]) == []


def test_its_file_is_small_and_the_one_that_was_recorded() -> None:
    content = FILE.read_bytes()
    (record,) = json.loads((FILE.parent / "SOURCES.json").read_text(encoding="utf-8"))["files"].values()
    assert hashlib.sha256(content).hexdigest() == record["sha256"] == open_judge().sha256
    assert len(content) == record["bytes"] < 300_000
    assert record["accuracy"] == open_judge().accuracy
    assert (FILE.parent / record["license_file"]).stat().st_size > 500


# --- captions ---------------------------------------------------------------------------------------------------------


def test_a_caption_is_held_out_when_it_says_what_training_never_shows() -> None:
    for held in (
        "a green circle",
        "a red star and a purple star",
        "a blue star above a red circle",
        "a red circle below a blue star",
        "a blue star at the top and a red circle at the bottom",
        "a red circle on the left, a black cross in the bottom right and a small blue star in the top right",
    ):
        assert parse(held).held_out, held
    for seen in (
        "a blue star",
        "a blue star and a red circle",
        "a blue star below a red circle",
        "a red circle above a blue star",
        "a blue star to the left of a red circle",
        "a blue star at the bottom and a red circle at the top",
        "a blue star in the top left and a red circle at the bottom",
    ):
        assert not parse(seen).held_out, seen


def test_no_training_caption_is_held_out_and_no_caption_without_a_reason() -> None:
    assert not any(parse(text).held_out for row in range(500) for text in captions(scene_at("train", row)))
    for row in range(500):
        scene = scene_at("test", row)
        found = [parse(text).held_out for text in captions(scene)]
        assert any(found) == held_out(scene), row


# --- agreement --------------------------------------------------------------------------------------------------------


def test_shares_are_counted_over_what_is_stated() -> None:
    scene = Scene(
        things=(thing("small red circle", 0, 1), thing("large blue star", 2, 1)), relation=None, background="pink"
    )
    found = shares(parse("a small red square above a blue star on a white background").compare(scene))
    names = dict(zip(ATTRIBUTES, found, strict=True))
    assert math.isnan(names.pop("place"))
    assert names == {"shape": 0.5, "colour": 1, "size": 1, "relation": 1, "background": 0, "whole": 0}
    assert shares(parse("a red circle and a blue star").compare(scene))[-1] == 1, "what is left open is not asked"
    assert shares(parse("a red circle").compare(scene))[-1] == 0, "there is one thing too many"


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("things", list(THINGS))
def test_real_pictures_agree_with_their_own_captions_as_far_as_the_judge_can_tell(
    under_own: Measured, judge: Judge, things: int, held: bool
) -> None:
    floor = judge.accuracy["held-out" if held else "seen"]["whole"]
    for question in QUESTIONS.values():
        if (question.things, question.held_out) == (things, held):
            found = compute(Comparison(fake=under_own, real=under_own, metric=question.name))
            assert found.error is not None
            assert found.value > floor ** (things / 2) - 3 * found.error, question.name


def test_under_the_captions_of_others_they_fall_to_chance(under_others: Measured) -> None:
    """Of pictures with one thing; those with several are matched so that as much as possible holds, as always."""
    chance = {"colour": 1 / len(COLOURS), "shape": 1 / len(SHAPES), "place": 1 / len(PLACES), "size": 1 / len(SIZES)}
    values = under_others[Agreements]
    for name, expected in chance.items():
        each = values.of(name, 1, False)
        # With one, two or three things at random places of the picture, one of them is taken that fits best: more than
        # chance alone, and never more than three times.
        assert expected * 0.6 < each.mean() < expected * 3, name
    for question in QUESTIONS.values():
        if question.attribute == "whole":
            assert values.of("whole", question.things, question.held_out).mean() < 0.03, question.name


def test_a_number_is_the_mean_with_the_binomial_error(under_own: Measured) -> None:
    collector = Agreements(Plan(count=6))
    values = torch.full((6, 2 + len(ATTRIBUTES)), math.nan, dtype=torch.float64)
    values[:, 0], values[:, 1] = torch.tensor([1, 1, 1, 1, 2, 1]), torch.tensor([0, 0, 0, 1, 0, 0])
    values[:, 3] = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0, math.nan])
    collector.each.add(0, values)
    fake = Measured(name="fake", count=6, collected={Agreements: collector})
    found = compute(Comparison(fake=fake, real=fake, metric="colour_one"))
    assert found.value == pytest.approx(2 / 3)
    assert found.error == pytest.approx(math.sqrt(0.6 * 0.4 / 3)), "three right of five, over three"
    assert found.details["captions"] == 3
    assert found.each is not None
    assert found.each.tolist() == [1, 0, 1]
    assert compute(Comparison(fake=fake, real=fake, metric="colour_one_held_out")).value == 1
    with pytest.raises(NotApplicable, match=r"no caption is of this kind \(three things, seen\)"):
        compute(Comparison(fake=fake, real=fake, metric="colour_three"))


def test_pictures_of_other_captions_are_passed_by(judge: Judge) -> None:
    collector = Agreements(Plan(count=3))
    scenes = fresh(False, 3)
    pictures = drawn(scenes)
    own = captions(scenes[1])[0]
    collector.update(Block(start=0, pictures=pictures, text=("a dog on a skateboard", own, "")))
    assert np.isnan(collector.each.values[[0, 2]]).all()
    assert collector.each.values[1, -1] == 1
    other = Agreements(Plan(count=3))
    other.update(Block(start=0, pictures=pictures, text=("a dog", "a cat", "an apple")))
    fake = Measured(name="fake", count=3, collected={Agreements: other})
    with pytest.raises(NotApplicable, match="its captions do not speak of shapes"):
        compute(Comparison(fake=fake, real=fake, metric="whole_one"))


def test_the_work_can_be_shared_out_and_kept(real: DataPictures, under_own: Measured) -> None:
    halves = [Agreements(Plan(count=real.count)) for _ in range(2)]
    for block in real.blocks(0, 192):
        halves[block.start // 128].update(block)
    again = Agreements.from_arrays(halves[0].arrays())
    again.merge(halves[1])
    np.testing.assert_array_equal(again.each.values[:192], under_own[Agreements].each.values[:192])


# --- in the zoo -------------------------------------------------------------------------------------------------------


def test_each_question_is_a_metric_and_a_run_on_shapes_is_asked_the_usual_ones(registry: Registry) -> None:
    assert [card.name for card in ganzoo_metrics()] == list(QUESTIONS)
    assert len(QUESTIONS) == 2 * (3 * len(ATTRIBUTES) - 1)
    task = registry.tasks.find("text-to-image")
    usual = {name for name, question in QUESTIONS.items() if question.usual}
    for data in ("shapes", "shapes:two"):
        found = [wanted.card.name for wanted in wanted_metrics(registry, task, How(), {data})]
        assert set(found) - set(task.metrics) == usual
        assert len(found) == len(set(found))
    assert not usual & set(usual_metrics(registry, task, {"emoji-captions"}))
    assert not usual & set(usual_metrics(registry, registry.tasks.find("generation"), {"shapes"}))


def test_the_page_says_what_is_asked() -> None:
    section = PAGE.partition("## Captions of `shapes`")[2].partition("\n## ")[0]
    assert all(f"| `{name}` | {summary} |" in section for name, summary in ATTRIBUTES.items())
    for name in ("whole_one", "relation_two_held_out"):
        assert name in QUESTIONS
        assert f"`{name}`" in section


def test_a_run_is_measured_beside_real_pictures_and_wrong_captions(tiny_run: TinyRuns, here: Call, cwd: Path) -> None:
    (cwd / "runs").mkdir()
    tiny = tiny_run("text2image", data="shapes:three", folder=cwd / "runs" / "three", size=32)
    tiny.trainer.run()
    names = "whole_three,colour_three,colour_three_held_out,whole_one"
    answer = here("eval", "three", "--metrics", names, "-n", "120", "--json")
    assert answer.code == 0, answer.err
    document: dict[str, Any] = json.loads(answer.out)
    rows = {row["name"]: {one["metric"]: one for one in row["estimates"]} for row in document["rows"]}
    for name in ("colour_three", "colour_three_held_out"):
        own, wrong, made = (rows[row][name] for row in ("real, held out", "wrong captions", "three"))
        assert own["value"] > 0.95
        assert wrong["value"] < 0.7
        assert made["value"] < 0.7, "it has learnt nothing"
        assert made["error"] > 0
        assert made["name"] == f"{name}@120"
        assert made["passport"]["protocol"]["judge"] == "shapes-judge"
        assert 20 < made["details"]["captions"] < 100, "both kinds are there, whatever the count"
        assert made["passport"]["key"] == own["passport"]["key"]
    assert rows["training copies"]["colour_three_held_out"]["value"] is None
    assert rows["three"]["whole_one"]["note"] == "no caption is of this kind (one thing, seen)"
    assert document["blind"] == {}
