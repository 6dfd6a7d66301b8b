"""What the engine promises, kept by every architecture of the zoo, installed ones included.

Killed at any moment it goes on to the same bits, and several processes train one and the same model.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from forks import Driver, the_driver
from proof import assert_same_run, bits, differences
from test_kill import assert_whole, kill_while_it_writes
from test_processes import run_ranks

from ganzoo import recipes
from ganzoo.registry import get_registry

ARCHITECTURES = sorted(get_registry().architectures)
STEPS = 12


@pytest.fixture
def driver() -> Driver:
    return the_driver()


def words(name: str) -> list[str]:
    """`ARCH --set ...` with the settings of its card that make a run of seconds, and data that are embedded."""
    registry = get_registry()
    card = registry.architectures[name]
    settings = {**card.tiny, "sample_every": 5, "checkpoint_every": 1, "log_every": 1}
    words = [name, "--precision", "fp32"]
    if recipes.default_recipe(name, recipes.shipped(registry)) is None:
        needed = set(registry.tasks.find(card.task).batch)
        sets = registry.datasets.values()
        words += ["--data", next(entry.name for entry in sets if entry.embedded and needed <= set(entry.fields))]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return words


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_killed_while_it_writes_it_goes_on_to_the_same_bits(name: str, driver: Driver, tmp_path: Path) -> None:
    begun = ("train", *words(name), "--steps", STEPS)
    whole = driver.run(*begun, "--run", "whole", cwd=tmp_path)
    assert whole.code == 0, whole
    child = driver.start(*begun, "--run", "killed", cwd=tmp_path)
    kill_while_it_writes(child.alive, lambda: child.signal(9), tmp_path / "killed", random.Random(name))
    child.wait()
    assert_whole(tmp_path / "killed")
    assert bits(tmp_path / "killed")["step"] < STEPS
    last = driver.run("train", "--resume", "killed", cwd=tmp_path)
    assert last.code == 0, last
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_two_processes_that_stop_go_on_to_the_same_bits(name: str, driver: Driver, tmp_path: Path) -> None:
    begun = ("train", *words(name), "--set", "schedule=constant")
    run_ranks(driver, 2, *begun, "--steps", 6, "--run", "whole", cwd=tmp_path)
    run_ranks(driver, 2, *begun, "--steps", 3, "--run", "run", cwd=tmp_path)
    run_ranks(driver, 2, "train", "--resume", "run", "--steps", 6, cwd=tmp_path)
    one, other = bits(tmp_path / "run"), bits(tmp_path / "whole")
    assert {part: differences(one[part], other[part]) for part in ("model", "ema", "optimizers")} == {
        "model": [],
        "ema": [],
        "optimizers": [],
    }
