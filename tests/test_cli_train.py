"""`ganzoo train`: what it makes, what it says, and what comes next."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Answer
from PIL import Image
from safetensors import safe_open

from ganzoo.registry import Registry
from ganzoo.training import plan_job

TINY = ("--steps", "4", *(w for s in ("width=8", "latent=8", "batch=8", "samples=4") for w in ("--set", s)))


def photos(folder: Path, count: int = 12) -> Path:
    """Pictures of mixed sizes, one of them broken."""
    folder.mkdir()
    for index in range(count):
        Image.new("RGB", (40 + 3 * index, 70 - 2 * index), (20 * index, 99, 50)).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:50])
    return folder


def test_a_run_leaves_all_that_the_design_promises(here: Callable[..., Answer], cwd: Path) -> None:
    answer = here("train", "dcgan", *TINY)
    assert answer.code == 0, answer.err
    folder = cwd / "runs" / "dcgan-fashion-1"
    there = {path.name for path in folder.iterdir()}
    wanted = {
        "config.json",
        "metrics.jsonl",
        "summary.json",
        "checkpoint.pt",
        "model.safetensors",
        "README.md",
        "samples",
    }
    assert wanted <= there
    assert any(name.startswith("events.out.tfevents") for name in there)
    assert (folder / "samples" / "step-0000004.png").is_file()
    assert f"ganzoo generate {Path('runs') / folder.name}" in answer.out
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["width"] == 8
    assert config["plugin"]["distribution"] == "ganzoo"
    assert config["versions"]["torch"]
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert all(key.startswith("generator.") for key in weights.keys())  # noqa: SIM118 - not a dictionary
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ganzoo\n")
    assert "unconditional-image-generation" in card


def test_runs_are_numbered_and_none_is_overwritten(here: Callable[..., Answer], cwd: Path) -> None:
    for _ in range(2):
        assert here("train", "vanilla", "--steps", "1", "--set", "width=8", "--set", "maxout_units=4").code == 0
    assert {path.name for path in (cwd / "runs").iterdir()} == {"vanilla-fashion-1", "vanilla-fashion-2"}
    refused = here("train", "vanilla", "--run", "runs/vanilla-fashion-1")
    assert refused.code == 2
    assert "--resume" in refused.err


def test_a_folder_of_mixed_pictures_trains_with_the_recipe_for_any_and_says_what_it_left_out(
    here: Callable[..., Answer], cwd: Path
) -> None:
    photos(cwd / "photos")
    answer = here("train", "dcgan", "--data", "photos", *TINY)
    assert answer.code == 0, answer.err
    assert "dcgan.own on photos: 12 pictures, 48 x 48 x 3" in answer.out
    assert "broken.png" in answer.out


def test_a_recipe_for_any_data_asks_for_them(here: Callable[..., Answer]) -> None:
    answer = here("train", "dcgan.own")
    assert answer.code == 2
    assert "--data" in answer.err


def test_a_picture_that_breaks_in_a_stream_is_one_line_without_a_traceback(
    process: Callable[..., Answer], cwd: Path
) -> None:
    folder = photos(cwd / "photos")
    whole = (folder / "3.png").read_bytes()
    Image.effect_noise((80, 80), 90).convert("RGB").save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:-2000])
    assert whole
    answer = process("train", "dcgan", "--data", "photos", "--set", "memory=0", "--set", "workers=0", *TINY)
    assert answer.code == 0, answer.err
    lines = [line for line in answer.err.splitlines() if "cut.png" in line]
    assert len(lines) == 1
    assert lines[0].startswith("ganzoo: warning: ")
    assert "Traceback" not in answer.err


def test_the_plan_is_a_bill_and_leaves_nothing(here: Callable[..., Answer], cwd: Path) -> None:
    answer = here("train", "dcgan", "--plan", "--json", *TINY)
    assert answer.code == 0, answer.err
    bill = json.loads(answer.out)
    assert bill["steps"] == 4
    assert bill["parameters"]["generator"] > 0
    assert bill["seconds"] == pytest.approx(4 * bill["seconds_per_step"])
    assert bill["checkpoint_mib"] > 0
    assert list(cwd.iterdir()) == []


def test_the_plan_for_people_ends_with_the_command(
    here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ganzoo", "train", "dcgan", "--plan", *TINY])
    answer = here("train", "dcgan", "--plan", *TINY)
    assert "parameters" in answer.out
    assert answer.out.splitlines()[-1] == f"train it: ganzoo train dcgan {' '.join(TINY)}"


@pytest.mark.parametrize(
    ("data", "recipe"),
    [
        ("emoji-flat", "dcgan.emoji"),
        ("emoji-flat:food", "dcgan.emoji"),
        ("emoji-3d", "dcgan.own"),
        ("fashion", "dcgan.fashion"),
    ],
)
def test_the_recipe_is_that_of_the_data(data: str, recipe: str, registry: Registry) -> None:
    assert plan_job(registry, "dcgan", data, None, {}).recipe == recipe
