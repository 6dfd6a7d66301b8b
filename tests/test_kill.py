"""SIGKILL at any moment: the run goes on from a whole checkpoint and ends at the same bits as if nothing had been.

The processes are real, and so is the signal; most are forks of a driver that has imported torch (see `forks`).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forks import PATIENCE, Child, Driver, the_driver
from proof import assert_same_run, bits, one_line

from ganzoo.engine import checkpoint

TINY = ("--set", "width=8", "--set", "latent=8", "--set", "batch=4", "--set", "samples=4", "--precision", "fp32")
BUSY = ("--set", "checkpoint_every=1", "--set", "log_every=1", "--set", "sample_every=3")


@pytest.fixture
def driver() -> Driver:
    return the_driver()


def inode(path: Path) -> int:
    """Which file stands under a name: every checkpoint is a new one."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def kill_while_it_writes(
    alive: Callable[[], bool], kill: Callable[[], None], folder: Path, chance: random.Random
) -> None:
    """SIGKILL after a few more checkpoints and a moment: most of the time of such a run goes into writing."""
    left, last = chance.randint(1, 3), inode(folder / checkpoint.NAME)
    deadline = time.monotonic() + PATIENCE
    while left:
        assert alive(), "it ended before it could be killed"
        assert time.monotonic() < deadline
        now = inode(folder / checkpoint.NAME)
        if now not in (last, 0):
            last, left = now, left - 1
    time.sleep(chance.uniform(0, 0.03))
    kill()


def assert_whole(folder: Path) -> None:
    """Both checkpoints can be read, and there is always one."""
    step = checkpoint.load(folder / checkpoint.NAME)["step"]
    if step > 1:
        assert 0 <= step - checkpoint.load(folder / checkpoint.PREVIOUS)["step"] <= 1


def killed_again_and_again(times: int, start: Callable[..., Child], folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(times):
        child = (
            start("--resume", "killed") if number else start("dcgan", "--run", "killed", "--steps", 44, *TINY, *BUSY)
        )
        kill_while_it_writes(child.alive, lambda pid=child.pid: os.kill(pid, signal.SIGKILL), folder, chance)  # type: ignore[misc]
        assert child.wait().code == -signal.SIGKILL
        assert_whole(folder)


def test_a_run_killed_ten_times_ends_at_the_same_bits(driver: Driver, tmp_path: Path) -> None:
    whole = driver.run("train", "dcgan", "--run", "whole", "--steps", 44, *TINY, *BUSY, cwd=tmp_path)
    assert whole.code == 0, whole
    killed_again_and_again(
        10, lambda *arguments: driver.start("train", *arguments, cwd=tmp_path), tmp_path / "killed", seed=0
    )
    last = driver.run("train", "--resume", "killed", cwd=tmp_path)
    assert last.code == 0, last
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_killed_before_any_of_its_writes_a_run_goes_on_to_the_same_bits(driver: Driver, tmp_path: Path) -> None:
    """Every opening, link, rename and removal of a run's end, one after another, is never reached once."""
    settings = ("--set", "checkpoint_every=1", "--set", "sample_every=100", "--set", "log_every=1")
    toy = ("toy-gan", "--data", "toy-pictures")
    begun = driver.run("train", *toy, "--run", "run", "--steps", 2, *settings, cwd=tmp_path)
    assert begun.code == 0, begun
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    assert driver.run("train", "--resume", "whole", "--steps", 3, cwd=tmp_path).code == 0
    number = 0
    while True:
        folder = tmp_path / f"killed-{number}"
        shutil.copytree(tmp_path / "run", folder)
        first = driver.run("train", "--resume", folder.name, "--steps", 3, cwd=tmp_path, die_before=number)
        if first.code == 0:
            break
        assert first.code == -signal.SIGKILL, first
        checkpoint.load(folder / checkpoint.NAME)
        checkpoint.load(folder / checkpoint.PREVIOUS)
        again = driver.run("train", "--resume", folder.name, "--steps", 3, cwd=tmp_path)
        if again.code != 0:
            assert "is finished" in one_line(again, 2)
        assert json.loads((folder / "summary.json").read_text())["state"] == "finished"
        assert_same_run(tmp_path / "whole", folder)
        shutil.rmtree(folder)
        number += 1
    assert number > 12, "the run's writes were not seen"


def test_a_killed_trainer_of_streamed_data_frees_its_folder_at_once(driver: Driver, tmp_path: Path) -> None:
    """The processes that read pictures outlive it by seconds, and must not hold its lock."""
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for index in range(8):
        Image.new("RGB", (32, 32), (30 * index, 9, 9)).save(tmp_path / "photos" / f"{index}.png")
    streamed = ("--data", "photos", "--set", "size=32", "--set", "memory=0", "--set", "workers=2")
    child = driver.start("train", "dcgan", "--run", "run", "--steps", 500, *streamed, *TINY, *BUSY, cwd=tmp_path)
    kill_while_it_writes(child.alive, lambda: child.signal(signal.SIGKILL), tmp_path / "run", random.Random(1))
    assert child.wait().code == -signal.SIGKILL
    again = driver.run("train", "--resume", "run", "--steps", bits(tmp_path / "run")["step"] + 1, cwd=tmp_path)
    assert again.code == 0, again


def test_two_processes_cannot_train_in_one_folder(driver: Driver, tmp_path: Path) -> None:
    first = driver.start("train", "dcgan", "--run", "run", "--steps", 100000, *TINY, *BUSY, cwd=tmp_path)
    try:
        while not (tmp_path / "run" / checkpoint.PREVIOUS).exists():
            assert first.alive(), first.wait()
        second = driver.run("train", "--resume", "run", cwd=tmp_path)
        assert "run is being trained by another process" in one_line(second, 2)
    finally:
        first.signal(signal.SIGKILL)
        first.wait()


def test_a_run_killed_before_its_first_checkpoint_begins_again(driver: Driver, tmp_path: Path) -> None:
    arguments = ("train", "toy", "--data", "toy-pictures", "--steps", 4)
    assert driver.run(*arguments, "--run", "whole", cwd=tmp_path).code == 0
    (tmp_path / "below").mkdir()
    killed = driver.run(*arguments, "--run", tmp_path / "below" / "run", cwd=tmp_path / "below", die_before=14)
    folder = tmp_path / "below" / "run"
    assert killed.code == -signal.SIGKILL
    assert not (folder / checkpoint.NAME).exists()
    assert driver.run("train", "--resume", folder, cwd=tmp_path).code == 0
    assert_same_run(tmp_path / "whole", folder)


@pytest.mark.long
def test_whole_interpreters_killed_ten_times_end_at_the_same_bits(tmp_path: Path) -> None:
    def begin(*arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ganzoo", "train", *map(str, arguments)]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)

    begun = ("dcgan", "--steps", 44, *TINY, *BUSY)
    assert begin(*begun, "--run", "whole").wait() == 0
    chance = random.Random(2)
    for number in range(10):
        process = begin("--resume", "killed") if number else begin(*begun, "--run", "killed")
        kill_while_it_writes(lambda p=process: p.poll() is None, process.kill, tmp_path / "killed", chance)  # type: ignore[misc]
        assert process.wait() == -signal.SIGKILL
        assert_whole(tmp_path / "killed")
    assert begin("--resume", "killed").wait() == 0
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
