"""A package brings a task that the zoo has never heard of (`tests/mixture`): numbers drawn from three Gaussians. Every
command knows what to do with it, and no line of the core was written for it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from at_site import HERE, place
from conftest import Answer
from forks import the_driver
from PIL import Image
from proof import Bench, assert_same_run, evaluations
from test_processes import run_ranks

from ganzoo import training
from ganzoo.cards import Metric
from ganzoo.cli import main
from ganzoo.engine import checkpoint
from ganzoo.errors import UserError
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import open_run

ROOT = HERE.parent
NAMES = ("ganzoo_mixture", "mixture-gan", "three-modes", "modes_found")
TINY = ("--set", "hidden=8", "--set", "batch=32", "--precision", "fp32")
Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder beside which the package is installed, with a run in it that was evaluated on the way."""
    root = tmp_path_factory.mktemp("own-task")
    place(HERE / "mixture" / "ganzoo_mixture", root / "site", "ganzoo-mixture", "mixture")
    (root / "here").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "site"))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(root / "site"), os.environ.get("PYTHONPATH")])))
        patch.setenv("GANZOO_CACHE", str(root / "cache"))
        patch.setenv("GANZOO_DISABLE", "tensorboard")
        patch.chdir(root / "here")
        get_registry.cache_clear()
        train("one", "--steps", "200", "--precision", "fp32", "--set", "eval_every=50", "--set", "eval_count=600")
        train("two", "--steps", "4", "--precision", "fp32", "--seed", "1")
        yield root / "here"
    get_registry.cache_clear()
    for module in [name for name in sys.modules if name.partition(".")[0] == "ganzoo_mixture"]:
        del sys.modules[module]


def train(run: str, *words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "mixture-gan", "--data", "three-modes", "--run", f"runs/{run}", *words])
    assert not ended.value.code


@pytest.fixture
def zoo(folder: Path) -> Registry:
    """The registry with the package in it."""
    return get_registry()


@pytest.fixture
def ask(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """`ask("eval", "one")`: a command of this process in the working folder."""
    monkeypatch.chdir(folder)

    def call(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words])
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return call


def mistake(ask: Ask, *words: str) -> str:
    """The one line of a command that was a mistake."""
    answer = ask(*words)
    assert answer.code == 2, answer
    assert answer.err.count("\n") == 1, answer.err
    return answer.err


def png_size(content: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(content)).size


# --- what is there ----------------------------------------------------------------------------------------------------


def test_nothing_outside_the_package_names_it() -> None:
    for top in ("ganzoo", "evaluation", "plugins"):
        for path in (ROOT / top).rglob("*.py"):
            found = [name for name in NAMES if name in path.read_text(encoding="utf-8")]
            assert not found, f"{path} names {found}"


def test_its_cards_need_no_torch(folder: Path) -> None:
    code = "import sys, ganzoo_mixture as m; m.ganzoo_tasks(); m.ganzoo_architectures(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_it_is_listed(ask: Ask) -> None:
    answer = ask("list", "--task", "mixture", "--json")
    assert [row["name"] for row in json.loads(answer.out)] == ["mixture-gan"]


def test_show_says_nothing_of_pixels_and_how_it_is_trained(ask: Ask) -> None:
    out = ask("show", "mixture-gan").out
    assert " px" not in out
    assert "data of your own: --data PATH\n" in out
    assert out.endswith("train it: ganzoo train mixture-gan --data three-modes\n")


def test_the_data_set_is_listed_without_a_size(ask: Ask) -> None:
    line = next(line for line in ask("data", "list").out.splitlines() if line.startswith("three-modes"))
    assert line.split()[:5] == ["three-modes", "2,000", "rows", "none", "points"]


def test_the_bill_counts_rows(ask: Ask) -> None:
    answer = ask("train", "mixture-gan", "--data", "three-modes", "--plan", *TINY)
    assert "mixture-gan on three-modes: 2,000 rows, 1 number each, 0 MiB held on the device" in answer.out
    assert "32 rows" in answer.out


# --- training ---------------------------------------------------------------------------------------------------------


def test_it_learns_and_its_headline_says_so(folder: Path) -> None:
    """Fresh weights are about 2 away from the data, and three modes cannot be had by one number."""
    lines = evaluations(folder / "runs" / "one")
    found = [{each["metric"]: each["value"] for each in line["estimates"]} for line in lines]
    assert [set(each) for each in found] == [{"wasserstein", "modes_found"}] * 4
    best = json.loads((folder / "runs" / "one" / "summary.json").read_text())["evaluation"]
    assert best["name"] == "wasserstein@600"
    assert best["best"]["value"] == min(each["wasserstein"] for each in found) < 1
    assert max(each["modes_found"] for each in found) >= 2


def test_the_samples_of_a_run_are_drawn_by_the_task(folder: Path) -> None:
    pictures = sorted((folder / "runs" / "one" / "samples").iterdir())
    assert len(pictures) > 4
    assert {png_size(path.read_bytes()) for path in pictures} == {(520, 240)}


def test_the_collapse_watch_looks_at_numbers_too(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "runs" / "one" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["diversity"] != 1.0


def test_the_model_card_and_the_config_say_what_the_data_are(folder: Path, zoo: Registry) -> None:
    run = folder / "runs" / "one"
    assert "200 steps of 256 rows on three-modes: 2,000 rows, 1 number each." in (run / "README.md").read_text()
    opened = open_run(run, zoo)
    assert opened.settings.size is None
    assert (opened.data.size, opened.data.channels) == (0, 0)
    assert opened.data.field("points").shape == (1,)


def test_a_run_that_stops_goes_on_to_the_same_bits(zoo: Registry, tmp_path: Path) -> None:
    bench = Bench(zoo, tmp_path)
    job = bench.job("mixture-gan", steps=12, sample_every=4)
    assert_same_run(bench.train(job), bench.train(job, stops=(5,)))


def test_a_streamed_set_gives_the_same_bits(zoo: Registry, tmp_path: Path) -> None:
    bench = Bench(zoo, tmp_path)
    held = bench.train(bench.job("mixture-gan", steps=6))
    streamed = bench.train(bench.job("mixture-gan", steps=6, memory=0.0, workers=0), streamed=True)
    one, other = (checkpoint.load(run / checkpoint.NAME)["model"] for run in (held, streamed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_two_processes_train_what_one_does(folder: Path, tmp_path: Path) -> None:
    """Up to the rounding of sums over halves of a batch."""
    site, models = folder.parent / "site", []
    for world in (1, 2):
        words = ("train", "mixture-gan", "--data", "three-modes", "--run", tmp_path / f"{world}", "--steps", 8, *TINY)
        run_ranks(the_driver(), world, site, *words, call="at_site:command", cwd=tmp_path)
        models.append(checkpoint.load(tmp_path / f"{world}" / checkpoint.NAME)["model"])
    for name, value in models[0].items():
        torch.testing.assert_close(value, models[1][name], rtol=1e-4, atol=1e-5)


# --- data of one's own ------------------------------------------------------------------------------------------------


def test_it_trains_on_a_table_of_ones_own(ask: Ask, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "mine").mkdir()
    for split in ("train", "test"):
        np.savetxt(tmp_path / "mine" / f"{split}.csv", np.random.default_rng(1).normal(size=100))
    run = str(tmp_path / "run")
    answer = ask("train", "mixture-gan", "--data", str(tmp_path / "mine"), "--run", run, "--steps", "2", *TINY)
    assert answer.code == 0, answer
    assert "mixture-gan on mine: 100 rows, 1 number each" in answer.out
    report = json.loads(ask("eval", run, "--json").out)
    assert report["rows"][1]["name"] == "real, held out"


def test_a_table_that_cannot_be_read_is_one_line(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("one\ntwo\n")
    assert "expected a number a line in words.csv" in mistake(
        ask, "train", "mixture-gan", "--data", str(tmp_path / "words.csv")
    )


def test_a_path_for_a_task_that_reads_none_is_one_line(zoo: Registry, tmp_path: Path) -> None:
    task = replace(zoo.tasks["mixture"], open="")
    with pytest.raises(UserError) as raised:
        training.check_readable(zoo, task, str(tmp_path))
    assert str(raised.value) == (
        f"--data {tmp_path}: sampling of numbers reads no folders or files of one's own (its data hold points), only "
        "sets by name; there are: three-modes"
    )


def test_a_setting_for_pictures_is_refused(ask: Ask) -> None:
    words = ("train", "mixture-gan", "--data", "three-modes", "--set", "size=32")
    assert mistake(ask, *words) == "ganzoo: size=32: three-modes has no pictures; leave it out\n"


# --- samples ----------------------------------------------------------------------------------------------------------


def test_generate_draws_into_a_picture(ask: Ask, tmp_path: Path) -> None:
    answer = ask("generate", "one", "-n", "300", "--best", "--out", str(tmp_path / "drawn.png"))
    assert answer.out == f"300 samples in {tmp_path / 'drawn.png'}\n"
    assert png_size((tmp_path / "drawn.png").read_bytes()) == (520, 240)


def test_generate_writes_a_file_for_each_sample(ask: Ask, tmp_path: Path) -> None:
    """More than one block of noise, and the first are those of a request for a few."""
    for count, name in ((70, "many"), (3, "few")):
        assert ask("generate", "one", "-n", str(count), "--out", str(tmp_path / name)).code == 0
    many, few = (sorted((tmp_path / name).iterdir()) for name in ("many", "few"))
    assert [path.name for path in few] == ["000000.json", "000001.json", "000002.json"]
    assert len(many) == 70
    first, again = ([json.loads(path.read_text())["point"] for path in paths] for paths in (many[:3], few))
    assert first == pytest.approx(again, rel=1e-5)


def test_samples_of_a_task_that_cannot_save_are_arrays(tmp_path: Path) -> None:
    from ganzoo.cli.samples import save_arrays

    samples = torch.arange(12, dtype=torch.int64).view(2, 3, 2)
    paths = [tmp_path / "a.npy", tmp_path / "b.npy"]
    save_arrays(samples, paths)
    again = np.stack([np.load(path) for path in paths])
    assert again.dtype == np.int64
    assert np.array_equal(again, samples.numpy())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("generate", "one", "--input", "x.png"), "--input x.png: one makes no pictures (noise in, a number out)"),
        (("generate", "one", "--columns", "3"), "--columns 3: one makes no pictures"),
        (("generate", "one", "--label", "3"), "--label: one takes no label"),
        (("generate", "one", "--text", "hi"), "--text 'hi': one reads no captions"),
        (("generate", "one", "--out", "x.json"), "--out x.json: samples are written into a folder, or drawn"),
        (("interpolate", "one"), "is for models that make pictures, and one makes none"),
        (("mix", "one"), "is for models that make pictures, and one makes none"),
        (("truncation", "one"), "is for models that make pictures, and one makes none"),
        (("project", "one", "--input", "x.png"), "is for models that make pictures, and one makes none"),
        (("edit", "one", "--directions", "2"), "is for models that make pictures, and one makes none"),
    ],
)
def test_what_is_for_pictures_is_refused_in_one_line(words: tuple[str, ...], said: str, ask: Ask) -> None:
    assert said in mistake(ask, *words)


# --- the evaluation ---------------------------------------------------------------------------------------------------


def test_an_evaluation_has_the_metrics_of_the_task_and_controls_of_its_own(ask: Ask, folder: Path) -> None:
    document = json.loads(ask("eval", "one", "--json").out)
    rows = {row["name"]: row for row in document["rows"]}
    values = {name: {e["metric"]: e["value"] for e in row["estimates"]} for name, row in rows.items()}
    assert set(rows) >= {"one", "real, held out", "training copies", "one sample", "Gaussian samples"}
    assert "blurred" not in rows
    assert set(values["one"]) == {"wasserstein", "modes_found", "parameters"}
    assert values["real, held out"]["modes_found"] == values["training copies"]["modes_found"] == 3
    assert values["one sample"]["modes_found"] == 1
    assert values["Gaussian samples"]["modes_found"] < 3
    assert document["blind"] == {}
    assert rows["one"]["facts"]["data"] == "three-modes, 2,000 rows, 1 number each"
    assert document["reference"].startswith("2,000 samples of three-modes")


def test_the_page_shows_samples_as_the_task_draws_them(ask: Ask, folder: Path) -> None:
    answer = ask("eval", "one", "two")
    page = (folder / "runs" / "one" / "evaluation" / "report.html").read_text()
    assert answer.code == 0, answer
    assert page.count('alt="The first samples of') >= 2
    assert page.count('alt="Samples of') == 4
    assert "pictures" not in page
    assert "pictures" not in answer.out


def test_two_runs_are_compared_by_the_headline(ask: Ask) -> None:
    answer = ask("eval", "one", "--compare", "two")
    assert answer.code == 0, answer
    assert "one is the better one (wasserstein" in " ".join(answer.out.split())


def test_a_rule_that_is_broken_is_exit_code_1(ask: Ask) -> None:
    assert ask("eval", "two", "--no-controls", "--fail-if", "wasserstein>1").code == 1


def test_real_samples_can_be_named(ask: Ask, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "zeros.csv", np.zeros(300))
    answer = ask("eval", "one", "--real", str(tmp_path / "zeros.csv"), "--no-controls", "--json", "-n", "200")
    found = {each["metric"]: each["value"] for each in json.loads(answer.out)["rows"][0]["estimates"]}
    samples = [json.loads(path.read_text())["point"] for path in _generated(ask, tmp_path)]
    # Nothing but zeros: the distance is the mean of the absolute values.
    assert found["wasserstein"] == pytest.approx(np.abs(samples).mean(), rel=1e-5)


def _generated(ask: Ask, tmp_path: Path) -> list[Path]:
    assert ask("generate", "one", "-n", "200", "--out", str(tmp_path / "samples")).code == 0
    return sorted((tmp_path / "samples").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("eval", "one", "--metrics", "fd"), "--metrics fd: for pictures, and three-modes has none"),
        (("eval", "one", "--compare", "vae"), "--compare vae: makes image (noise in, picture out) and one points of 1"),
        (("eval", "one", "--real", "fashion"), "--real fashion has no points, which mixture-gan needs"),
        (
            ("eval", "one", "pictures"),
            "of different kinds, which no metric compares (one: points of 1 number; pictures",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_line(words: tuple[str, ...], said: str, ask: Ask, folder: Path) -> None:
    (folder / "pictures").mkdir(exist_ok=True)
    for number in range(60):
        Image.new("L", (8, 8), number).save(folder / "pictures" / f"{number}.png")
    assert said in mistake(ask, *words)


def test_a_metric_of_samples_is_told_the_controls_of_samples_by_default(zoo: Registry) -> None:
    card: Metric = zoo.metrics["wasserstein"]
    assert {"one sample", "Gaussian samples"} <= set(card.catches)
