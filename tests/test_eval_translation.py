"""`ganzoo eval` of models that are given pictures: what is given, what it is compared with, and who may judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys_pictures
from conftest import Answer, TinyRuns
from PIL import Image

from ganzoo.cards import resolve
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import Scores
from ganzoo_evaluation.base import BLOCK, Block
from ganzoo_evaluation.given import Made, Remembered, constant_fill, silhouette, unchanged
from ganzoo_evaluation.passport import Estimate, Passport
from ganzoo_evaluation.results import Row
from ganzoo_evaluation.sets import DataPictures
from ganzoo_evaluation.significance import verdict
from ganzoo_evaluation.tradeoff import tradeoffs

Call = Callable[..., Answer]
QUICK = ("--metrics", "l1,psnr,cycle")
SIDE = 32


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_pictures`."""
    install("ganzoo-toy-pictures", "from toys_pictures import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture
def toy(zoo: Registry, tiny_run: TinyRuns, cwd: Path) -> Callable[..., Path]:
    """`toy("toy-unpaired", data="emoji-flat-3d")`: a finished run of that toy, runs/toy-unpaired."""

    def train(name: str, data: str = "toy-scenes", folder: str = "", **settings: object) -> Path:
        (cwd / "runs").mkdir(exist_ok=True)
        place = cwd / "runs" / (folder or name)
        tiny = tiny_run(name, data=data, folder=place, registry=zoo, **{"eval_every": 0, **settings})
        tiny.trainer.run()
        return tiny.run.folder

    return train


@pytest.fixture
def report(here: Call) -> Callable[..., dict[str, Any]]:
    """What `ganzoo eval --json` says, the rows by name and their estimates by metric."""

    def ask(*words: str) -> dict[str, Any]:
        answer = here("eval", *words, "--json")
        assert answer.code == 0, answer.err
        document: dict[str, Any] = json.loads(answer.out)
        for row in document["rows"]:
            row["estimates"] = {found["metric"]: found for found in row["estimates"]}
        document["rows"] = {row["name"]: row for row in document["rows"]}
        return document

    return ask


def mistake(here: Call, *words: str) -> str:
    """The one line that is said of a mistake."""
    answer = here("eval", *words)
    assert (answer.code, answer.out) == (2, ""), answer
    (line,) = answer.err.splitlines()
    return line


def emoji(zoo: Registry, name: str, split: str = "test") -> dict[str, np.ndarray]:
    """Both domains of an embedded set, float (n, 3, 32, 32) in [0, 255]."""
    request = DataRequest(fields=("a", "b"), split=split, size=SIDE)
    return {field: values.astype(float) for field, values in resolve(zoo.datasets[name].load)(request).columns.items()}


def value(document: dict[str, Any], row: str, metric: str) -> float:
    found: float = document["rows"][row]["estimates"][metric]["value"]
    return found


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference on a scale from 0 to 1."""
    return float(np.abs(one - other).mean() / 255)


# --- what is measured -------------------------------------------------------------------------------------------------


def test_every_held_out_picture_is_given_and_its_answer_compared_with_its_own_truth(
    toy: Callable[..., Path], zoo: Registry, report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired", data="emoji-flat-3d", size=SIDE)
    held, found = emoji(zoo, "emoji-flat-3d"), report(*QUICK)
    negative = 255 - held["a"]
    assert found["rows"]["toy-unpaired"]["count"] == len(held["a"])
    assert value(found, "toy-unpaired", "l1") == pytest.approx(apart(negative, held["b"]), rel=1e-6)
    each = 10 * np.log10(255**2 / np.square(negative - held["b"]).mean((1, 2, 3)))
    assert value(found, "toy-unpaired", "psnr") == pytest.approx(each.mean(), rel=1e-6)
    again = np.clip((negative - 127.5) / 2 + 127.5, 0, 255)
    assert value(found, "toy-unpaired", "cycle") == pytest.approx(apart(held["a"], again), abs=0.5 / 255)
    assert "direction a2b; the other way: --direction b2a" in found["reference"]


def test_the_other_direction_is_given_the_other_domain(
    toy: Callable[..., Path], zoo: Registry, report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired", data="emoji-flat-3d", size=SIDE)
    held, found = emoji(zoo, "emoji-flat-3d"), report(*QUICK, "--direction", "b2a")
    half = np.round((held["b"] - 127.5) / 2 + 127.5)
    assert value(found, "toy-unpaired", "l1") == pytest.approx(apart(half, held["a"]), abs=0.5 / 255)
    assert "direction b2a; the other way: --direction a2b" in found["reference"]


def test_controls_are_what_is_had_of_the_given_pictures_without_a_model(
    toy: Callable[..., Path], zoo: Registry, report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired", data="emoji-line-flat", size=SIDE)
    held, found = emoji(zoo, "emoji-line-flat"), report(*QUICK)
    assert value(found, "input itself", "l1") == pytest.approx(apart(held["a"], held["b"]), rel=1e-6)
    assert value(found, "input itself", "cycle") == 0, "what does nothing comes back unchanged"
    assert value(found, "constant fill", "l1") < 0.75 * value(found, "input itself", "l1")
    for row in ("real, held out", "one picture"):
        missing = found["rows"][row]["estimates"]["l1"]
        assert (missing["value"], missing["note"]) == (None, "these pictures are no answers to what was given")
    keys = {row["estimates"]["l1"]["passport"]["key"] for row in found["rows"].values() if row["name"] != "one picture"}
    assert len(keys) <= 2, "what has an answer is comparable"


def test_a_warm_up_has_a_row_of_its_own_that_competes_with_nobody(
    toy: Callable[..., Path], report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired", data="emoji-flat-3d", size=SIDE, steps=6)
    found = report(*QUICK, "--no-controls", "-n", "20")
    assert list(found["rows"]) == ["toy-unpaired", "toy-unpaired (after warmup)"]
    facts = found["rows"]["toy-unpaired (after warmup)"]["facts"]
    assert (facts["weights"], facts["steps"]) == ("after warmup, averaged", "3")
    assert not found["verdicts"]


def test_fewer_pictures_are_some_of_all_and_another_passport(
    toy: Callable[..., Path], report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired", data="emoji-flat-3d", size=SIDE)
    documents = [report(*QUICK, "--no-controls", "-n", count) for count in ("20", "1000")]
    rows = [document["rows"]["toy-unpaired"] for document in documents]
    assert [row["count"] for row in rows] == [20, 154]
    given = [row["estimates"]["l1"]["passport"]["protocol"]["given"] for row in rows]
    assert given[0] != given[1]
    assert "emoji-flat-3d has 154 pictures to give, not the 1,000 of -n" in documents[1]["remarks"]


def test_without_known_answers_only_the_set_and_the_way_back_are_measured(
    toy: Callable[..., Path], here: Call, report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired")
    found = report("--no-controls")
    asked = set(found["rows"]["toy-unpaired"]["estimates"])
    assert {"cycle", "kid", "fd"} <= asked
    assert not {"l1", "psnr", "perceptual"} & asked
    assert "nobody knows the true answers" in found["reference"]
    assert "toy-scenes has no true answers beside its pictures" in mistake(here, "--metrics", "l1")


def test_other_pairs_are_measured_in_their_place(
    toy: Callable[..., Path], cwd: Path, report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-paired")
    pairs(cwd / "others", 7)
    found = report("--real", "others", "--metrics", "l1,kid")
    assert found["rows"]["toy-paired"]["count"] == 7
    assert found["reference"].startswith("7 pictures of others, target")
    assert any(remark.startswith("others holds no pictures out") for remark in found["remarks"])


def pairs(folder: Path, count: int, side: int = 16, fields: tuple[str, str] = ("source", "target")) -> None:
    """Two folders of noise, whose files have the same names."""
    rng = np.random.default_rng(0)
    for field in fields:
        (folder / field).mkdir(parents=True)
        for number, picture in enumerate(rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)):
            Image.fromarray(picture).save(folder / f"{field}/{number}.png")


def test_where_nothing_is_held_out_the_training_pictures_are_given_and_it_is_said(
    toy: Callable[..., Path], cwd: Path, report: Callable[..., dict[str, Any]]
) -> None:
    pairs(cwd / "mine", 9, toys_pictures.SIZE)
    toy("toy-paired", data="mine")
    found = report("--metrics", "l1,kid")
    assert found["rows"]["toy-paired"]["count"] == 9
    assert "real, held out" not in found["rows"]
    assert any(
        "mine holds no pictures out: toy-paired is given those that it was trained on" in remark
        for remark in found["remarks"]
    )


def test_of_two_folders_with_the_same_names_it_is_said_that_they_count_as_pairs(
    toy: Callable[..., Path], cwd: Path, report: Callable[..., dict[str, Any]]
) -> None:
    pairs(cwd / "mine", 9, toys_pictures.SIZE, ("A", "B"))
    toy("toy-unpaired", data="mine")
    found = report("--metrics", "l1,kid")
    assert found["rows"]["toy-unpaired"]["estimates"]["l1"]["value"] is not None
    assert any("mine: its two folders hold the same names" in remark for remark in found["remarks"])
    (cwd / "mine" / "B" / "0.png").rename(cwd / "mine" / "B" / "other.png")
    toy("toy-unpaired", data="mine", folder="others")
    found = report("others", "--metrics", "l1,kid")
    assert "l1" not in found["rows"]["others"]["estimates"]
    assert not any("same names" in remark for remark in found["remarks"])


def test_two_processes_find_what_one_finds(tiny_run: TinyRuns, cwd: Path, process: Call) -> None:
    run = tiny_run("cyclegan", data="emoji-flat-3d", size=SIDE, steps=1, eval_every=0, folder=cwd / "runs/one")
    run.trainer.run()
    words = ("eval", "--metrics", "l1,cycle,perceptual_squeeze", "--no-controls", "--json", "-n", "100")
    found = []
    for devices in ("1", "2"):
        answer = process(*words, "--devices", devices, OMP_NUM_THREADS="1")
        assert answer.code == 0, answer.err
        (row,) = json.loads(answer.out)["rows"]
        found.append({one["metric"]: (one["value"], one["error"]) for one in row["estimates"]})
    assert found[0].keys() == found[1].keys()
    for metric, one in found[0].items():
        assert found[1][metric] == pytest.approx(one, rel=1e-5), metric


# --- several runs -----------------------------------------------------------------------------------------------------


def test_runs_that_are_given_the_same_pictures_stand_in_one_table_whatever_their_task(
    toy: Callable[..., Path], tiny_run: TinyRuns, cwd: Path, report: Callable[..., dict[str, Any]]
) -> None:
    toy("toy-unpaired", data="emoji-line-flat", size=SIDE)
    paired = tiny_run("pix2pix", data="emoji-line-flat", size=SIDE, steps=1, eval_every=0, folder=cwd / "runs/pairs")
    paired.trainer.run()
    found = report("toy-unpaired", "pairs", *QUICK, "--no-controls")
    keys = {found["rows"][row]["estimates"]["l1"]["passport"]["key"] for row in ("toy-unpaired", "pairs")}
    assert len(keys) == 1
    assert found["rows"]["pairs"]["estimates"]["cycle"]["note"] == "these pictures are no answers to what was given"
    (said,) = (one for one in found["verdicts"] if one["metric"] == "l1")
    each = [found["rows"][row]["estimates"]["l1"]["error"] for row in ("toy-unpaired", "pairs")]
    assert said["error"] != pytest.approx(np.hypot(*each), rel=1e-3), "compared picture by picture"


def test_runs_that_are_given_other_pictures_are_not_compared(toy: Callable[..., Path], here: Call) -> None:
    toy("toy-unpaired")
    toy("toy-paired")
    line = mistake(here, "toy-unpaired", "toy-paired")
    assert "toy-unpaired and toy-paired are not given the same pictures for the same answers" in line


def row_of(name: str, each: np.ndarray) -> Row:
    error = float(each.std(ddof=1) / np.sqrt(len(each)))
    found = Estimate(
        metric="l1",
        name="l1",
        title="L1",
        better="lower",
        group="truth",
        value=float(each.mean()),
        error=error,
        each=each,
        passport=Passport(metric="l1", version=1, count=len(each), source=name),
    )
    return Row(name=name, kind="model", count=len(each), estimates={"l1": found})


def test_answers_to_the_same_pictures_are_compared_one_by_one(registry: Registry) -> None:
    """What makes a picture hard for both cancels: a tenth of the spread is told where the means would not."""
    rng = np.random.default_rng(0)
    hard = rng.normal(1.0, 0.5, 100)
    first, second = row_of("first", hard + 0.05 + rng.normal(0, 0.05, 100)), row_of("second", hard)
    found = verdict(first, second, registry.metrics["l1"], "", None)  # type: ignore[arg-type]
    assert found is not None
    difference = first.estimates["l1"].each - second.estimates["l1"].each  # type: ignore[operator]
    assert found.error == pytest.approx(difference.std(ddof=1) / 10)
    assert found.winner == "second"


def test_what_was_measured_picture_by_picture_is_in_no_file() -> None:
    found = row_of("one", np.arange(5.0)).estimates["l1"]
    document = found.to_json()
    assert "each" not in document
    assert Estimate.from_json(document).each is None


# --- who may judge ----------------------------------------------------------------------------------------------------


def test_a_network_is_no_judge_of_what_was_trained_through_it(
    toy: Callable[..., Path], report: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toys_pictures.Unpaired, "trained_through", ("efflite0",))
    toy("toy-unpaired", data="emoji-flat-3d", size=SIDE)
    found = report("--metrics", "kid,perceptual,perceptual_squeeze", "--no-controls", "-n", "20")
    names = {metric: one["name"] for metric, one in found["rows"]["toy-unpaired"]["estimates"].items()}
    assert names["kid"] == "kid[squeezenet]@20", "auto takes the other one"
    notes = {
        (row, metric): one["note"] for row, made in found["rows"].items() for metric, one in made["estimates"].items()
    }
    flattered = {key for key, note in notes.items() if note == "trained to be good by efflite0"}
    assert flattered == {("toy-unpaired", "perceptual")}, "not the warm-up, and not the other network"
    assert any("toy-unpaired was trained to be good by efflite0" in remark for remark in found["remarks"])


def plane_rows(**flattered: tuple[str, ...]) -> list[Row]:
    rows = []
    for number, name in enumerate(("run", "run (after warmup)", "bicubic")):
        row = Row(name=name, kind="control" if name == "bicubic" else "model", count=9, variant="(" in name)
        for place, metric in enumerate(("psnr_y", "perceptual", "perceptual_squeeze", "kid")):
            row.estimates[metric] = Estimate(
                metric=metric,
                name=metric,
                title=metric,
                better="higher" if metric == "psnr_y" else "lower",
                group="truth",
                value=float(10 * place + number),
                error=0.1,
                passport=Passport(metric=metric, version=1, count=9),
            )
        row.flattered = flattered.get(name, ())
        rows.append(row)
    return rows


def test_the_trade_off_is_drawn_by_an_impartial_network() -> None:
    from ganzoo_evaluation.results import Report

    def axes(rows: list[Row]) -> list[str]:
        made = Report(title="", command="", reference="", network="", columns=list(rows[0].estimates), rows=rows)
        return [plane.y_label.partition(" ")[0] for plane in tradeoffs(made)]

    assert axes(plane_rows()) == ["perceptual_squeeze", "kid"]
    assert axes(plane_rows(run=("perceptual_squeeze",))) == ["perceptual", "kid"]
    rows = plane_rows()
    made = Report(title="", command="", reference="", network="", columns=list(rows[0].estimates), rows=rows)
    first = tradeoffs(made)[0]
    assert [(point.name, point.x, point.y, point.control) for point in first.points] == [
        ("run", 0.0, 20.0, False),
        ("run (after warmup)", 1.0, 21.0, False),
        ("bicubic", 2.0, 22.0, True),
    ]
    assert [point.label for point in first.points] == ["", "after warmup", ""]


def test_the_page_has_the_answers_and_the_plane(toy: Callable[..., Path], here: Call) -> None:
    run = toy("toy-unpaired", data="emoji-flat-3d", size=SIDE)
    answer = here("eval", "-n", "30", "--metrics", "psnr,perceptual_squeeze")
    assert answer.code == 0, answer.err
    page = (run / "evaluation/report.html").read_text()
    for what in (
        "Held out, what toy-unpaired does worst (by perceptual_squeeze[squeezenet])",
        "does best",
        "at random",
    ):
        assert what in page
    assert "in each group from the left: given; toy-unpaired; toy-unpaired (after warmup); the truth" in page
    assert "PSNR and perceptual distance (SqueezeNet)" in page


# --- while training ---------------------------------------------------------------------------------------------------


def headline(folder: Path) -> Scores:
    document = json.loads((folder / "summary.json").read_text())
    found = Scores.from_json(document["evaluation"])
    assert found is not None
    return found


def test_on_the_way_pairs_are_judged_by_how_the_answers_look(
    zoo: Registry, here: Call, cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ("train", "toy-paired", "--data", "toy-scenes", "--set", "eval_every=2")
    assert here(*train, "--run", "runs/usual").code == 0
    assert headline(cwd / "runs/usual").name == "perceptual_squeeze[squeezenet]@6"
    assert (cwd / "runs/usual/best.safetensors").is_file()
    line = json.loads((cwd / "runs/usual/evaluations.jsonl").read_text().splitlines()[0])
    assert {found["metric"] for found in line["estimates"]} == {
        "l1",
        "psnr",
        "ssim",
        "perceptual",
        "perceptual_squeeze",
    }
    monkeypatch.setattr(toys_pictures.Paired, "trained_through", ("squeezenet",))
    assert here(*train, "--run", "runs/partial").code == 0
    assert headline(cwd / "runs/partial").name == "perceptual[efflite0]@6"


def test_on_the_way_answers_that_were_hidden_from_training_decide_nothing(zoo: Registry, here: Call, cwd: Path) -> None:
    settings = ("--set", "eval_every=4", "--set", f"size={SIDE}", "--set", "eval_count=20")
    answer = here("train", "toy-unpaired", "--data", "emoji-flat-3d", *settings, "--run", "runs/one")
    assert answer.code == 0, answer.err
    assert headline(cwd / "runs/one").name == "kid[efflite0]@20"
    line = json.loads((cwd / "runs/one/evaluations.jsonl").read_text().splitlines()[-1])
    there = {found["metric"] for found in line["estimates"]}
    assert {"kid", "cycle", "l1", "perceptual"} <= there
    assert "fd_inf" not in there


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_wrong_direction_is_one_clear_line(toy: Callable[..., Path], here: Call, cwd: Path) -> None:
    toy("toy-unpaired")
    assert "--direction a2c: no such direction (did you mean 'a2b'?); there are a2b, b2a" in mistake(
        here, "--direction", "a2c"
    )
    toy("toy-paired")
    assert "paired image translation has only one" in mistake(here, "toy-paired", "--direction", "a2b")
    (cwd / "mine").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(cwd / f"mine/{number}.png")
    line = mistake(here, "mine", "--real", "mine", "--direction", "a2b")
    assert "goes with a run whose model takes pictures in, not with folders" in line


def test_a_model_that_draws_from_noise_has_no_direction_and_is_compared_with_none_that_has(
    toy: Callable[..., Path], tiny_run: TinyRuns, here: Call, cwd: Path
) -> None:
    toy("toy-unpaired")
    tiny_run("vanilla", steps=1, eval_every=0, folder=cwd / "runs/noise").trainer.run()
    assert "takes no pictures in: it makes them of z" in mistake(here, "noise", "--direction", "a2b")
    line = mistake(here, "toy-unpaired", "noise")
    assert "toy-unpaired is given pictures and noise makes its own of noise: nothing compares the two" in line
    assert "draws no pictures from noise that could be truncated" in mistake(here, "toy-unpaired", "--truncation", "1")


def test_a_set_without_the_fields_of_the_task_is_one_clear_line(toy: Callable[..., Path], here: Call) -> None:
    toy("toy-unpaired")
    line = mistake(here, "--real", "fashion")
    assert "--real fashion has no a and no b, which toy-unpaired is measured by; sets that have: " in line
    assert "no data set, folder or zip of that name" in mistake(here, "--real", "nowhere")


def test_a_comparison_with_an_architecture_says_what_to_do_instead(toy: Callable[..., Path], here: Call) -> None:
    toy("toy-unpaired")
    assert "compare two runs of the task instead: ganzoo eval RUN OTHER-RUN" in mistake(here, "--compare", "vae")


# --- sets of what is made ---------------------------------------------------------------------------------------------


def pictures_of(values: np.ndarray, name: str = "some") -> DataPictures:
    field = Field(name="image", kind="image", channels=values.shape[1], size=values.shape[2])
    spec = DataSpec(name=name, split="train", count=len(values), fields=(field,))
    return DataPictures(ArrayData(spec, {"image": values}), name)


def noise(count: int, size: int = 9, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, size, size), dtype=np.uint8)


def test_a_remembered_set_is_read_once_and_is_the_same_from_anywhere() -> None:
    count, reads = 2 * BLOCK + 5, []

    class Counted(DataPictures):
        def blocks(self, start: int, stop: int) -> Iterator[Block]:
            reads.append(start)
            return super().blocks(start, stop)

    plain = pictures_of(noise(count))
    kept = Remembered(Counted(plain.data, "counted"))
    for start, stop in [(0, 1), (0, count), (BLOCK, count), (2 * BLOCK, 2 * BLOCK + 2), (0, count + 100), (0, 0)]:
        expected = [block.pictures for block in plain.blocks(start, stop)]
        found = [block.pictures for block in kept.blocks(start, stop)]
        assert len(found) == len(expected)
        assert all(map(torch.equal, found, expected)), (start, stop)
    assert reads == [0, BLOCK, 2 * BLOCK]


def test_what_is_made_stands_beside_what_it_was_made_of() -> None:
    inputs, truth = pictures_of(noise(BLOCK + 3)), pictures_of(noise(BLOCK + 3, seed=1))
    made = Made(inputs, truth, "made", lambda block: 255 - block.pictures, back=unchanged)
    (block,) = made.blocks(BLOCK, BLOCK + 2)
    (given,) = inputs.blocks(BLOCK, BLOCK + 2)
    assert block.start == BLOCK
    assert block.source is not None
    assert block.truth is not None
    assert torch.equal(block.source, given.pictures)
    assert torch.equal(block.pictures, 255 - given.pictures)
    assert torch.equal(block.truth, next(iter(truth.blocks(BLOCK, BLOCK + 2))).pictures)
    assert block.back is not None
    assert torch.equal(block.back, block.pictures)


def drawing(colour: int, hole: bool = True) -> np.ndarray:
    """A white picture (3, 12, 12) with the outline of a square, filled with `colour` or with white like the rest."""
    picture = np.full((3, 12, 12), 255, np.uint8)
    picture[:, 3:9, 3:9] = 0
    picture[:, 4:8, 4:8] = 255 if hole else colour
    return picture


def test_the_figure_of_a_drawing_is_all_that_its_outline_encloses() -> None:
    expected = np.zeros((12, 12), bool)
    expected[3:9, 3:9] = True
    assert np.array_equal(silhouette(drawing(0)), expected)
    assert silhouette(noise(1, 12)[0]).mean() > 0.9, "a picture without a background is all figure"


def test_the_constant_fill_has_the_medians_of_the_training_targets() -> None:
    targets = np.stack([drawing(colour, hole=False) for colour in (40, 60, 80)])
    made = constant_fill(pictures_of(targets), seed=0)(Block(start=0, pictures=torch.from_numpy(drawing(0)[None])))
    inside = np.median(targets[:, :, 3:9, 3:9])
    assert made.dtype == torch.uint8
    assert set(made[0, :, 3:9, 3:9].flatten().tolist()) == {int(inside)}
    assert set(made[0, :, 0].flatten().tolist()) == {255}
