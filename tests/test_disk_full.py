"""A full disk ends a run with one clear line and exit code 1; the last good checkpoint is whole and goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from forks import Driver, the_driver
from proof import bits, leftovers, one_line

from ganzoo.engine import checkpoint
from ganzoo.engine.files import write_atomic
from ganzoo.errors import RunError
from ganzoo.testing.compare import differences

TINY = ("--set", "width=8", "--set", "latent=8", "--set", "batch=4", "--set", "samples=64", "--precision", "fp32")


@pytest.fixture
def driver() -> Driver:
    return the_driver()


@pytest.fixture
def begun(driver: Driver, tmp_path: Path) -> Path:
    """A run of 3 steps, every one of them saved."""
    settings = ("checkpoint_every=1", "log_every=1", "sample_every=1000", "eval_every=0")
    settings = tuple(word for one in settings for word in ("--set", one))
    ended = driver.run("train", "dcgan", "--run", "run", "--steps", 3, *TINY, *settings, cwd=tmp_path)
    assert ended.code == 0, ended
    return tmp_path / "run"


def draw_every_step(folder: Path) -> None:
    """Change the settings of a run, which a resume would refuse."""
    settings = folder / "config.json"
    settings.write_text(settings.read_text().replace('"sample_every": 1000', '"sample_every": 1'))


def command_of(line: str) -> list[str]:
    """The command at the end of a line."""
    return line.partition("go on from the last good checkpoint with: ganzoo ")[2].split()


def goes_on_to_the_same_bits(driver: Driver, folder: Path, line: str, whole: Path) -> None:
    """The command of the line, with room on the disk again, ends as a run that always had room."""
    ended = driver.run(*command_of(line), cwd=folder.parent)
    assert ended.code == 0, ended
    assert differences(bits(folder)["model"], bits(whole)["model"]) == []
    assert leftovers(folder) == []


@pytest.mark.parametrize("too_large", ["checkpoint.pt", "model.safetensors", "metrics.jsonl", "step-0000006.png"])
def test_a_file_that_cannot_grow_is_named_and_the_last_checkpoint_goes_on(
    too_large: str, begun: Path, driver: Driver, tmp_path: Path
) -> None:
    whole = Path(shutil.copytree(begun, tmp_path / "whole"))
    assert driver.run("train", "--resume", "whole", "--steps", 6, cwd=tmp_path).code == 0
    sizes = {path.name: path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    for events in begun.glob("events.*"):
        events.unlink()
    rarely = ("--set", "checkpoint_every=0") if too_large.endswith(".png") else ()
    if too_large == "metrics.jsonl":  # lines of other steps make it the largest that is written before a checkpoint
        lines = (begun / too_large).read_text()
        padding = lines.splitlines()[0][:-1] + ', "note": "' + "x" * sizes["checkpoint.pt"] + '"}\n'
        (begun / too_large).write_text(padding + lines)
        limit = len(padding) + len(lines) + 10
    else:
        limit = sizes[too_large] - 10
    if too_large.endswith(".png"):
        draw_every_step(begun)
        free = Path(shutil.copytree(begun, tmp_path / "free"))
        assert driver.run("train", "--resume", "free", "--steps", 6, *rarely, cwd=tmp_path).code == 0
        drawn = [(free / "samples" / f"step-000000{step}.png").stat().st_size for step in (4, 5, 6)]
        limit = next(size for size in drawn if size > 4000) - 1  # what a run writes otherwise is smaller
    before = bits(begun)["step"]
    ended = driver.run("train", "--resume", "run", "--steps", 6, *rarely, cwd=tmp_path, file_limit=limit)
    line = one_line(ended, 1)
    assert too_large.partition("-")[0] in line
    assert "could not be written: file too large" in line
    assert bits(begun)["step"] >= before
    checkpoint.load(begun / checkpoint.PREVIOUS)
    assert leftovers(begun) == []
    goes_on_to_the_same_bits(driver, begun, line, whole)


def test_tensorboard_that_cannot_write_costs_the_run_nothing(begun: Path, driver: Driver, tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in begun.iterdir() if not path.name.startswith("events"))
    draw_every_step(begun)
    ended = driver.run("train", "--resume", "run", "--steps", 90, cwd=tmp_path, file_limit=largest + 10_000)
    assert "Traceback" not in ended.err, ended.err
    assert ended.code == 0, ended
    assert bits(begun)["step"] == 90
    assert "tensorboard" in ended.out


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def half(stream: object) -> None:
        stream.write(b"half of the ne")  # type: ignore[attr-defined]
        raise OSError(28, os.strerror(28))

    with pytest.raises(RunError, match="file could not be written: no space left on device; what was there before"):
        write_atomic(path, half)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "old")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_ends_the_run_and_room_lets_it_go_on(small_disk: Path, driver: Driver) -> None:
    settings = ("--set", "checkpoint_every=1", "--set", "log_every=1", "--set", "sample_every=4")
    tiny = [word.replace("width=8", "width=4") for word in TINY]
    ended = driver.run("train", "dcgan", "--run", "run", "--steps", 4000, *tiny, *settings, cwd=small_disk)
    line = one_line(ended, 1)
    assert "could not be written: no space left on device" in line
    step = bits(small_disk / "run")["step"]
    assert step > 1
    assert leftovers(small_disk / "run") == []
    for picture in (small_disk / "run" / "samples").iterdir():
        picture.unlink()
    for events in (small_disk / "run").glob("events.*"):
        events.unlink()
    again = driver.run(*command_of(line), "--steps", step + 2, cwd=small_disk)
    assert again.code == 0, again
    assert bits(small_disk / "run")["step"] == step + 2
