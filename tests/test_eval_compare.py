"""`ganzoo eval --compare`: the other side is trained alike, found again, and both are asked the same."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Answer
from forks import PATIENCE, Driver, the_driver

from ganzoo.cards import Task
from ganzoo.errors import UserError
from ganzoo.registry import get_registry
from ganzoo.runs import load_model, open_run
from ganzoo_evaluation.alike import own_settings
from ganzoo_evaluation.compare import check_task
from ganzoo_evaluation.facts import count_spikes

Call = Callable[..., Answer]
TINY = ("--steps", "12", "--precision", "fp32")
SMALL = tuple(
    word
    for one in ("width=8", "latent=8", "batch=8", "samples=4", "eval_every=6", "eval_count=64")
    for word in ("--set", one)
)
FEW = ("-n", "128", "--metrics", "fd,kid,sharpness,coverage,authpct,parameters")


@pytest.fixture
def driver() -> Driver:
    return the_driver()


@pytest.fixture
def trained(here: Call) -> Path:
    """A GAN of a dozen steps on the embedded clothes."""
    answer = here("train", "dcgan", *TINY, *SMALL)
    assert answer.code == 0, answer.err
    return Path("runs/dcgan-fashion-1")


def report_of(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "evaluation" / "report.json").read_text())
    return document


def estimates(report: dict[str, Any], row: str) -> dict[str, dict[str, Any]]:
    found = next(one for one in report["rows"] if one["name"] == row)
    return {estimate["metric"]: estimate for estimate in found["estimates"]}


def test_the_yardstick_is_trained_alike_and_found_again(here: Call, trained: Path) -> None:
    first = here("eval", "--compare", "vae", *FEW)
    assert first.code == 0, first.err
    registry = get_registry()
    gan, vae = open_run(trained, registry), open_run(Path("runs/vae-fashion-1"), registry)
    assert (vae.settings.steps, vae.settings.batch, vae.settings.seed) == (12, 8, 0)
    assert vae.data.fingerprint == gan.data.fingerprint
    assert vae.settings.like == "dcgan"  # type: ignore[attr-defined]
    assert set(vae.settings.like_settings) >= {"width=8", "latent=8"}  # type: ignore[attr-defined]

    report = report_of(trained)
    names = [row["name"] for row in report["rows"] if row["kind"] == "model"]
    plain = "vae-fashion-1, z from N(0, 1)"
    assert [name for name in names if "(best)" not in name] == ["dcgan-fashion-1", "vae-fashion-1", plain]
    mine, theirs = estimates(report, "dcgan-fashion-1"), estimates(report, "vae-fashion-1")
    assert mine["parameters"]["value"] == theirs["parameters"]["value"], "the decoder is the generator"
    for metric in ("fd", "kid", "coverage"):
        assert mine[metric]["passport"]["key"] == theirs[metric]["passport"]["key"]
    assert "psnr_encode" in theirs, "an autoencoder reconstructs"
    assert "psnr_encode" not in mine, "a GAN has no encoder: no value, and never a zero"
    assert mine["psnr_project"]["value"] > 0
    assert {"prior_gap", "active_units", "warnings", "training_minutes"} <= set(theirs)
    assert {"prior_gap"} <= set(estimates(report, plain))
    assert report["summary"]

    again = here("eval", "--compare", "vae", *FEW)
    assert again.code == 0, again.err
    assert "step 12/12" not in again.out, "it was there already"
    assert not Path("runs/vae-fashion-2").exists()
    fresh = report_of(trained)
    assert estimates(fresh, "vae-fashion-1")["fd"]["value"] == theirs["fd"]["value"]


@pytest.mark.long
def test_what_was_stopped_goes_on_and_a_changed_job_is_trained_anew(here: Call, trained: Path) -> None:
    assert here("eval", "--compare", "vae", *FEW).code == 0
    summary = Path("runs/vae-fashion-1/summary.json")
    summary.write_text(summary.read_text().replace('"finished"', '"stopped"'))
    (Path("runs/vae-fashion-1") / "model.safetensors").unlink()
    answer = here("eval", "--compare", "vae", *FEW)
    assert answer.code == 0, answer.err
    assert not Path("runs/vae-fashion-2").exists()
    assert here("train", "dcgan", *TINY, *SMALL, "--set", "seed=1").code == 0
    assert here("eval", "runs/dcgan-fashion-2", "--compare", "vae", *FEW).code == 0
    assert open_run(Path("runs/vae-fashion-2"), get_registry()).settings.seed == 1


def test_ctrl_c_while_the_other_side_trains_saves_and_the_same_command_goes_on(driver: Driver, tmp_path: Path) -> None:
    """The GAN's own steps are few; those of the yardstick are made to take long enough to be interrupted."""
    words = ("--steps", "400", "--set", "log_every=1", *SMALL[:6], "--set", "samples=4", "--set", "eval_every=0")
    assert driver.run("train", "vanilla", "--set", "size=28", *words[:4], "--set", "batch=8", cwd=tmp_path).code == 0
    child = driver.start("eval", "--compare", "vae", *FEW, cwd=tmp_path)
    log, patience = tmp_path / "runs" / "vae-fashion-1" / "metrics.jsonl", time.monotonic() + PATIENCE
    while not log.exists() and time.monotonic() < patience:
        time.sleep(0.02)
    child.signal(signal.SIGINT)
    ended = child.wait()
    assert ended.code == 130, ended
    assert "was stopped and saved; the same command goes on with it" in ended.err
    assert json.loads((tmp_path / "runs/vae-fashion-1/summary.json").read_text())["state"] == "stopped"
    again = driver.run("eval", "--compare", "vae", *FEW, cwd=tmp_path)
    assert again.code == 0, again
    assert "from step" in again.out
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["vae-fashion-1", "vanilla-fashion-1"]


def test_a_conditional_model_meets_a_conditional_yardstick(here: Call) -> None:
    assert here("train", "cgan", *TINY, *SMALL, "--set", "embedding=4").code == 0
    answer = here("eval", "--compare", "vae", *FEW[:2], "--metrics", "fd,class_accuracy,fd_classes")
    assert answer.code == 0, answer.err
    assert load_model("runs/vae-fashion-1").takes == ("label",)
    report = report_of(Path("runs/cgan-fashion-1"))
    for row in ("cgan-fashion-1", "vae-fashion-1"):
        assert 0 <= estimates(report, row)["class_accuracy"]["value"] <= 1
    held_out = estimates(report, "real, held out")["class_accuracy"]
    assert held_out["value"] > 0.8, "the classifier's own accuracy stands in the table"


def test_two_runs_are_compared_without_training(here: Call, trained: Path) -> None:
    assert here("train", "vanilla", "--steps", "8", "--set", "size=32", "--set", "eval_every=0").code == 0
    answer = here("eval", "dcgan-fashion-1", "--compare", "vanilla-fashion-1", *FEW)
    assert answer.code == 0, answer.err
    rows = [row["name"] for row in report_of(trained)["rows"] if row["kind"] == "model"]
    assert [name for name in rows if "(best)" not in name] == ["dcgan-fashion-1", "vanilla-fashion-1"]
    assert sorted(path.name for path in Path("runs").iterdir()) == ["dcgan-fashion-1", "vanilla-fashion-1"]


@pytest.mark.long
def test_several_seeds_give_a_spread(here: Call, trained: Path) -> None:
    answer = here("eval", "--compare", "vae", "--seeds", "2", *FEW)
    assert answer.code == 0, answer.err
    report = report_of(trained)
    for row in ("dcgan-fashion-1", "vae-fashion-1"):
        assert estimates(report, row)["seeds_spread"]["value"] > 0
    assert {path.name for path in Path("runs").iterdir()} == {
        f"{name}-fashion-{i}" for name in ("dcgan", "vae") for i in (1, 2)
    }


def test_mistakes_are_one_clear_line(here: Call, trained: Path) -> None:
    def line(*words: str) -> str:
        answer = here("eval", *words)
        assert answer.code == 2, answer.err
        assert len(answer.err.splitlines()) == 1, answer.err
        return answer.err

    assert "neither an architecture nor a run (did you mean 'vae'?)" in line("--compare", "vea")
    assert "--seeds 3 goes with --compare ARCH" in line("--seeds", "3")
    assert "no such metric" in line("--compare", "vae", "--metrics", "fdd")
    Path("pictures").mkdir()
    here("generate", "-n", "4", "--out", "pictures")
    assert "is a folder of pictures and no run" in line("pictures", "--real", "fashion", "--compare", "vae")
    assert here("train", "vanilla", "--steps", "2", "--set", "size=28", "--set", "eval_every=0").code == 0
    assert "makes pictures of 28 px" in line("dcgan-fashion-1", "--compare", "vanilla-fashion-1")


def test_a_task_without_a_latent_says_why_not_and_what_instead() -> None:
    for task in get_registry().tasks.values():
        if "z" in task.inputs:
            check_task(task, "vae")
        else:
            with pytest.raises(UserError, match="compare two runs of the task instead"):
                check_task(task, "vae")
    made_up = Task(name="x", title="X-raying", summary="", batch=("a",), inputs=("a",), output="a")
    with pytest.raises(UserError, match="x-raying draws no pictures from noise"):
        check_task(made_up, "vae")


def test_only_what_the_architecture_itself_declares_is_handed_on(here: Call, trained: Path) -> None:
    settings = open_run(trained, get_registry()).settings
    handed = dict(text.split("=", 1) for text in own_settings(settings))
    assert handed["width"] == "8"
    assert handed["r1"] == "0.3"
    assert not {"steps", "batch", "lr", "seed", "size"} & set(handed)


def test_a_spike_stands_out_from_what_was_before() -> None:
    calm = [1.0, 1.1, 0.9] * 10
    assert count_spikes(calm) == 0
    assert count_spikes([*calm, 30.0, *calm]) == 1
    assert count_spikes([30.0, *calm]) == 0, "a beginning is no spike"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser (Debian: apt install chromium)")
def test_the_page_of_a_comparison_in_a_real_browser(here: Call, trained: Path, tmp_path: Path) -> None:
    assert here("eval", "--compare", "vae", *FEW).code == 0
    page = (trained / "evaluation" / "report.html").resolve()
    assert not re.search(r'(src|href)="(?!data:|#)', page.read_text()), "nothing is loaded from anywhere"
    shot = tmp_path / "page.png"
    subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=1280,4000",
            f"--screenshot={shot}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    from PIL import Image

    with Image.open(shot) as image:
        assert image.width == 1280
        colours = image.convert("RGB").getcolors(2**24)
        assert colours is not None
        assert len(colours) > 500, "text, charts and pictures were drawn"
