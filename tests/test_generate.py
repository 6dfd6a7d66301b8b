"""`ganzoo generate` and pictures on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Answer, TinyRuns
from PIL import Image

import ganzoo
from ganzoo import pictures
from ganzoo.data.base import DataSpec, Field


@pytest.fixture
def trained(tiny_run: TinyRuns, cwd: Path) -> Callable[[str], Path]:
    """A run of three steps of that architecture, under runs/ of the working directory."""

    def train(name: str) -> Path:
        tiny = tiny_run(name, steps=3, folder=_runs(cwd) / f"{name}-1")
        tiny.trainer.run()
        return tiny.run.folder

    return train


def _runs(cwd: Path) -> Path:
    (cwd / "runs").mkdir(exist_ok=True)
    return cwd / "runs"


def test_the_newest_run_is_meant_when_none_is_named(
    trained: Callable[[str], Path], here: Callable[..., Answer]
) -> None:
    folder = trained("dcgan")
    answer = here("generate", "-n", "5")
    assert answer.code == 0, answer.err
    assert (folder / "generated" / "n5-seed0.png").is_file()


def test_the_first_of_many_are_those_of_few(
    trained: Callable[[str], Path], here: Callable[..., Answer], cwd: Path
) -> None:
    trained("dcgan")
    assert here("generate", "-n", "3", "--out", "few").code == 0
    assert here("generate", "-n", "70", "--out", "many").code == 0
    assert len(list((cwd / "many").iterdir())) == 70
    for file in (cwd / "few").iterdir():
        assert file.read_bytes() == (cwd / "many" / file.name).read_bytes()


def test_another_seed_gives_other_pictures(
    trained: Callable[[str], Path], here: Callable[..., Answer], cwd: Path
) -> None:
    trained("dcgan")
    for seed in ("0", "1"):
        assert here("generate", "-n", "1", "--seed", seed, "--out", f"seed{seed}").code == 0
    assert (cwd / "seed0/000000.png").read_bytes() != (cwd / "seed1/000000.png").read_bytes()


def test_a_label_by_name_and_by_number_are_the_same(
    trained: Callable[[str], Path], here: Callable[..., Answer], cwd: Path
) -> None:
    trained("cgan")
    assert here("generate", "cgan-1", "--label", "sneaker", "-n", "4", "--out", "named").code == 0
    assert here("generate", "cgan-1", "--label", "7", "-n", "4", "--out", "numbered").code == 0
    assert here("generate", "cgan-1", "--label", "bag", "-n", "4", "--out", "bags").code == 0
    named, numbered, bags = (
        [p.read_bytes() for p in sorted((cwd / n).iterdir())] for n in ("named", "numbered", "bags")
    )
    assert named == numbered
    assert named != bags


def test_per_class_makes_a_folder_for_each(
    trained: Callable[[str], Path], here: Callable[..., Answer], cwd: Path
) -> None:
    trained("cgan")
    assert here("generate", "--per-class", "2", "--out", "all").code == 0
    counts = {folder.name: len(list(folder.iterdir())) for folder in (cwd / "all").iterdir()}
    assert len(counts) == 10
    assert set(counts.values()) == {2}


@pytest.mark.parametrize(
    ("words", "essentials"),
    [
        (("--label", "sneeker"), ("sneeker", "sneaker")),
        (("--label", "sneeker", "--label", "bagg"), ("sneeker", "bagg")),
        (("--per-class", "2", "-n", "3"), ("--per-class", "-n")),
        (("nowhere",), ("nowhere", "ganzoo runs")),
    ],
)
def test_mistakes_are_named_and_exit_with_2(
    words: tuple[str, ...], essentials: tuple[str, ...], trained: Callable[[str], Path], here: Callable[..., Answer]
) -> None:
    trained("cgan")
    answer = here("generate", *words)
    assert answer.code == 2
    assert all(word in answer.err for word in essentials), answer.err
    assert "Traceback" not in answer.err


def test_a_label_for_a_model_without_classes_is_refused(
    trained: Callable[[str], Path], here: Callable[..., Answer]
) -> None:
    trained("vanilla")
    answer = here("generate", "--label", "bag")
    assert answer.code == 2
    assert "only noise" in answer.err


def test_pictures_that_are_there_are_not_overwritten_unasked(
    trained: Callable[[str], Path], here: Callable[..., Answer], cwd: Path
) -> None:
    trained("dcgan")
    for out in ("grid.png", "folder"):
        assert here("generate", "-n", "2", "--out", out).code == 0
        refused = here("generate", "-n", "2", "--out", out)
        assert refused.code == 2
        assert "--overwrite" in refused.err
        assert here("generate", "-n", "2", "--out", out, "--overwrite").code == 0


def test_damaged_weights_get_one_line(trained: Callable[[str], Path], here: Callable[..., Answer]) -> None:
    folder = trained("dcgan")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    answer = here("generate")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "model.safetensors" in answer.err


def test_bytes_of_minus_one_zero_and_one_are_0_128_and_255() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).view(1, 1, 1, 5)
    assert pictures.to_bytes(values).flatten().tolist() == [0, 0, 128, 255, 255]


def test_a_grid_holds_every_picture_whole_on_white(tmp_path: Path) -> None:
    tiles = torch.rand(7, 3, 70, 70) * 2 - 1
    sheet = pictures.grid(tiles, columns=3, gap=2)
    assert sheet.shape == (3 * 72 + 2, 3 * 72 + 2, 3)
    bytes_ = pictures.to_bytes(tiles)
    for index in range(7):
        top, left = 2 + index // 3 * 72, 2 + index % 3 * 72
        assert np.array_equal(sheet[top : top + 70, left : left + 70], bytes_[index])
    assert (sheet[:2] == 255).all()
    assert (sheet[2 * 72 + 2 :, 72 + 2 :] == 255).all()  # the two places that are left empty


def test_a_saved_picture_reads_back_the_same(tmp_path: Path) -> None:
    for channels in (1, 3):
        picture = np.random.default_rng(0).integers(0, 256, (9, 9, channels), dtype=np.uint8)
        pictures.save_picture(picture, tmp_path / f"{channels}.png")
        with Image.open(tmp_path / f"{channels}.png") as image:
            assert np.array_equal(np.asarray(image).reshape(9, 9, channels), picture)


def test_classes_in_turn_get_a_column_each() -> None:
    label = Field(name="label", kind="label", classes=tuple("abcde"))
    data = DataSpec(name="x", split="train", count=1, fields=(label,))
    in_turn = {"label": torch.arange(20) % 5}
    assert pictures.columns_for(20, in_turn, data) == 5
    assert pictures.columns_for(20, {"label": torch.zeros(20)}, data) == 5  # ceil(sqrt(20))
    assert pictures.columns_for(30, {"label": torch.zeros(30)}, data) == 6
    assert pictures.columns_for(16, {}, data) == 4


def test_sampling_from_python_gives_the_pictures_of_the_command(
    trained: Callable[[str], Path], here: Callable[..., Answer], cwd: Path
) -> None:
    folder = trained("cgan")
    assert here("generate", "-n", "66", "--seed", "3", "--out", "files").code == 0
    made = pictures.to_bytes(ganzoo.sample(ganzoo.load_model(folder), 66, seed=3))
    for index in (0, 63, 65):
        with Image.open(cwd / "files" / f"{index:06d}.png") as image:
            assert np.array_equal(np.asarray(image), made[index][..., 0])
