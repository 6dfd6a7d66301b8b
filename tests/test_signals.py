"""Ctrl-C and SIGTERM save after the step and exit with 130 and 143; what follows is the run as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forks import PATIENCE, Child, Driver, the_driver
from PIL import Image
from proof import assert_same_run, bits, leftovers

from ganzoo.engine import checkpoint
from ganzoo.testing.compare import differences

TINY = ("--set", "width=8", "--set", "latent=8", "--set", "batch=4", "--set", "samples=4", "--precision", "fp32")
LONG = ("--steps", "4000", "--set", "log_every=1000", "--set", "sample_every=5000", *TINY)
STEPPED = ("--set", "checkpoint_every=1")


@pytest.fixture
def driver() -> Driver:
    return the_driver()


def wait_for(path: Path, child: Child | subprocess.Popen[str]) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        alive = child.alive() if isinstance(child, Child) else child.poll() is None
        assert alive, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_bits(
    number: signal.Signals, code: int, driver: Driver, tmp_path: Path
) -> None:
    child = driver.start("train", "vanilla", "--run", "run", *LONG[:-2], "--set", "maxout_units=8", cwd=tmp_path)
    wait_for(tmp_path / "run" / "metrics.jsonl", child)  # the first step is done
    child.signal(number)
    ended = child.wait()
    assert ended.code == code, ended
    assert ended.err == ""
    step = bits(tmp_path / "run")["step"]
    last = ended.out.splitlines()[-1]
    assert last == f"stopped at step {step} and saved; go on with: ganzoo train --resume run"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["state"] == "stopped"
    assert leftovers(tmp_path / "run") == []
    command = last.partition("ganzoo ")[2].split()
    again = driver.run(*command, "--steps", step + 2, cwd=tmp_path)
    assert again.code == 0, again
    settings = (*LONG[2:-2], "--set", "maxout_units=8", "--steps", step + 2)
    whole = driver.run("train", "vanilla", "--run", "whole", *settings, cwd=tmp_path)
    assert whole.code == 0, whole
    one, other = (bits(tmp_path / name) for name in ("run", "whole"))
    assert [differences(one[part], other[part]) for part in ("model", "ema", "optimizers")] == [[], [], []]


def test_a_second_interrupt_ends_at_once_and_leaves_what_was_saved(driver: Driver, tmp_path: Path) -> None:
    """The first asks for the end of a step that does not end."""
    child = driver.start(tmp_path / "run", call="toys:train_on_slow_data", cwd=tmp_path)
    wait_for(tmp_path / "run" / "waiting", child)
    child.signal(signal.SIGINT)
    time.sleep(0.3)
    assert child.alive()  # it waits for the step to end
    child.signal(signal.SIGINT)
    assert child.wait().code == 130
    assert checkpoint.load(tmp_path / "run" / checkpoint.NAME)["step"] == 2
    assert leftovers(tmp_path / "run") == []


def test_a_signal_in_the_last_step_finishes_the_run(driver: Driver, tmp_path: Path) -> None:
    ended = driver.run(tmp_path / "run", call="toys:train_and_interrupt_itself", cwd=tmp_path)
    assert ended.code == 0, ended
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["state"] == "finished"


def test_ctrl_c_in_a_terminal_reaches_readers_too_and_saves(tmp_path: Path) -> None:
    """A whole interpreter, with processes that read a stream, and SIGINT to all of its group as a terminal sends it."""
    (tmp_path / "photos").mkdir()
    for index in range(8):
        Image.new("RGB", (32, 32), (30 * index, 9, 9)).save(tmp_path / "photos" / f"{index}.png")
    streamed = ("--data", "photos", "--set", "size=32", "--set", "memory=0", "--set", "workers=2")
    command = [sys.executable, "-m", "ganzoo", "train", "dcgan", "--run", "run", *streamed, *LONG]
    process = subprocess.Popen(
        command, cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "")
    assert "and saved; go on with: ganzoo train --resume run" in out
    assert bits(tmp_path / "run")["step"] >= 1
    with pytest.raises(ProcessLookupError):  # no reader is left behind
        os.killpg(process.pid, 0)


def test_a_run_interrupted_three_times_is_the_whole_run(driver: Driver, tmp_path: Path) -> None:
    settings = ("--steps", 60, "--set", "log_every=1", "--set", "sample_every=20", *TINY, *STEPPED)
    assert driver.run("train", "dcgan", "--run", "whole", *settings, cwd=tmp_path).code == 0
    child = driver.start("train", "dcgan", "--run", "run", *settings, cwd=tmp_path)
    for _ in range(3):
        wait_for(tmp_path / "run" / checkpoint.PREVIOUS, child)  # it has saved once, or twice
        child.signal(signal.SIGINT)
        ended = child.wait()
        assert ended.code == 130, ended
        (tmp_path / "run" / checkpoint.PREVIOUS).unlink()
        child = driver.start("train", "--resume", "run", cwd=tmp_path)
    ended = child.wait()
    assert ended.code == 0, ended
    assert_same_run(tmp_path / "whole", tmp_path / "run")
