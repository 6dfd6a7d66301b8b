"""`ganzoo eval --compare` where a model reads captions: beside another that does, and beside one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toys_text
from conftest import Answer, TinyRuns

from ganzoo.data.base import DataRequest
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import load_model, open_run
from ganzoo_evaluation.captions import captions_for
from ganzoo_evaluation.sets import DataPictures

Call = Callable[..., Answer]
FEW = ("-n", "8", "--metrics", "kid,toy_obedience", "--no-controls")
UNKNOWN = "nobody knows the captions of these pictures"


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_text`."""
    install("ganzoo-toy-text", "from toys_text import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture
def train(zoo: Registry, tiny_run: TinyRuns, cwd: Path) -> Callable[..., Path]:
    """`train("toy-words")`: a finished run of that architecture on coloured pictures with captions."""

    def call(name: str, data: str = "toy-captions") -> Path:
        (cwd / "runs").mkdir(exist_ok=True)
        tiny_run(name, data=data, folder=cwd / "runs" / name, registry=zoo, steps=2).trainer.run()
        return Path("runs") / name

    return call


def rows_of(run: Path) -> dict[str, dict[str, Any]]:
    """The rows of a run's report, by name: their facts, and what was measured of each by metric."""
    document = json.loads((run / "evaluation" / "report.json").read_text())
    return {
        row["name"]: row["facts"] | {found["metric"]: found for found in row["estimates"]} for row in document["rows"]
    }


def held_out() -> str:
    """The content of the eight captions that are held out."""
    data = toys_text.load(DataRequest(fields=("image", "text"), split="test"))
    return captions_for(DataPictures(data, "toy-captions (test)"), None, "", data.spec, 8).content


def test_a_yardstick_that_reads_no_captions_has_networks_of_its_own_and_is_found_again(
    train: Callable[..., Path], here: Call, zoo: Registry
) -> None:
    run = train("toy-words")
    answer = here("eval", str(run), "--compare", "vae", *FEW)
    assert answer.code == 0, answer.err
    assert "vae-toy-captions-1 reads no captions and has networks of its own" in " ".join(answer.out.split())
    yardstick = open_run(Path("runs/vae-toy-captions-1"), zoo)
    assert (yardstick.settings.like, yardstick.settings.steps, yardstick.data.size) == ("", 2, toys_text.SIZE)  # type: ignore[attr-defined]
    assert load_model(yardstick.folder).takes == ()
    rows = rows_of(run)
    words, other = rows["toy-words"], rows["vae-toy-captions-1"]
    assert words["kid"]["passport"]["key"] == other["kid"]["passport"]["key"]
    assert (words["toy_obedience"]["value"], other["toy_obedience"]["value"]) == (1, None)
    assert other["toy_obedience"]["note"] == UNKNOWN
    assert words["captions"] == "toy-captions (test), held out"
    page = (run / "evaluation" / "report.html").read_text()
    assert "toy-words: the same noise, 7 captions" in page

    again = here("eval", str(run), "--compare", "vae", *FEW)
    assert again.code == 0, again.err
    assert "step 2/2" not in again.out, "it was there already"
    assert sorted(path.name for path in Path("runs").iterdir()) == ["toy-words", "vae-toy-captions-1"]


def test_two_models_that_read_captions_are_asked_for_the_same_ones(
    train: Callable[..., Path], here: Call, zoo: Registry
) -> None:
    run = train("toy-words")
    answer = here("eval", str(run), "--compare", "toy-slides", *FEW)
    assert answer.code == 0, answer.err
    assert "reads no captions" not in answer.out
    other = Path("runs/toy-slides-toy-captions-1")
    assert not any("(train)" in caption for caption in open_run(other, zoo).data.examples), "they were held out"
    rows = rows_of(run)
    for metric in ("kid", "toy_obedience"):
        passports = [rows[name][metric]["passport"] for name in ("toy-words", other.name)]
        assert passports[0]["key"] == passports[1]["key"]
        assert {passport["protocol"]["captions"] for passport in passports} == {held_out()}
        assert {passport["seed"] for passport in passports} == {0}
    assert rows[other.name]["toy_obedience"]["value"] == 1
    assert here("eval", str(run), "--compare", other.name, *FEW).code == 0, "the same, of two runs that are there"
    assert rows_of(run)[other.name]["kid"]["value"] == rows[other.name]["kid"]["value"]


def test_captions_of_the_training_pictures_can_be_asked_for(train: Callable[..., Path], here: Call) -> None:
    run = train("toy-words")
    answer = here("eval", str(run), "--captions", "train", *FEW)
    assert answer.code == 0, answer.err
    row = rows_of(run)["toy-words"]
    assert row["captions"] == "toy-captions, training pictures"
    assert row["toy_obedience"]["passport"]["protocol"]["captions"] != held_out()
    answer = here("eval", str(train("vanilla")), "--captions", "train", *FEW)
    assert (answer.code, answer.err) == (
        2,
        "ganzoo: --captions train: goes with a run whose model reads captions; leave it out\n",
    )


def test_captions_are_read_with_the_reference_whichever_of_two_runs_needs_them(
    train: Callable[..., Path], here: Call
) -> None:
    plain = train("vanilla")
    train("toy-words")
    for words, name in (
        (("toy-words",), "toy-words"),
        (("--compare", "runs/toy-words"), "toy-words"),
        (("--compare", "toy-slides"), "toy-slides-toy-captions-1"),
    ):
        answer = here("eval", "vanilla", *words, *FEW)
        assert answer.code == 0, answer.err
        assert "has changed since" not in answer.out
        rows = rows_of(plain)
        assert rows[name]["captions"] == "toy-captions (test), held out"
        assert rows[name]["toy_obedience"]["passport"]["protocol"]["captions"] == held_out()
        assert rows[name]["toy_obedience"]["value"] == 1
        assert rows["vanilla"]["toy_obedience"]["note"] == UNKNOWN
        assert rows["vanilla"]["kid"]["passport"]["key"] == rows[name]["kid"]["passport"]["key"]


def test_an_architecture_that_reads_captions_needs_data_that_have_some(train: Callable[..., Path], here: Call) -> None:
    run = train("vanilla", "fashion")
    answer = here("eval", str(run), "--compare", "toy-words", *FEW)
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("ganzoo: --compare toy-words: fashion has no text, which toy-words needs; sets that have: ")
