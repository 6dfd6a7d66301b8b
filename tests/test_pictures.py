"""Grids of groups: what a model was given, what it made of it, and the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganzoo import pictures
from ganzoo.data.base import DataSpec, Field
from ganzoo.pictures import BETWEEN, GAP

Pixels = NDArray[np.uint8]


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 250, (height, width, channels), dtype=np.uint8)


def tensors(count: int, size: int, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_groups_stand_in_rows_with_a_wider_gap_between_them() -> None:
    groups = [(noise(70, 80, seed=2 * index), noise(70, 80, seed=2 * index + 1)) for index in range(3)]
    sheet = pictures.groups(groups, columns=2)
    assert sheet.shape == (2 * 70 + BETWEEN + 2 * GAP, 2 * (2 * 80 + GAP) + BETWEEN + 2 * GAP, 3)
    rest = sheet.copy()
    for index, group in enumerate(groups):
        for place, picture in enumerate(group):
            top = GAP + index // 2 * (70 + BETWEEN)
            left = GAP + index % 2 * (2 * 80 + GAP + BETWEEN) + place * (80 + GAP)
            assert np.array_equal(sheet[top : top + 70, left : left + 80], picture)
            rest[top : top + 70, left : left + 80] = 255
    assert (rest == 255).all()


def test_the_small_picture_of_super_resolution_is_enlarged_by_repeating_pixels() -> None:
    low, high = noise(20, 30), noise(80, 120)
    sheet = pictures.groups([(low, high)])
    assert np.array_equal(sheet[GAP:-GAP, GAP : GAP + 120], low.repeat(4, axis=0).repeat(4, axis=1))
    assert np.array_equal(sheet[GAP:-GAP, -GAP - 120 : -GAP], high)


def test_pictures_that_no_whole_factor_brings_to_size_stand_in_the_middle_on_white() -> None:
    small, large = noise(60, 60), noise(90, 100)
    sheet = pictures.groups([(small, large)])
    cell = sheet[GAP : GAP + 90, GAP : GAP + 100]
    assert np.array_equal(cell[15:75, 20:80], small)
    assert (cell[:15] == 255).all()
    assert (cell[:, 80:] == 255).all()


def test_pictures_of_other_sizes_in_other_groups_keep_their_own() -> None:
    sheet = pictures.groups([(noise(70, 70), noise(70, 70, seed=1)), (noise(140, 140), noise(140, 140, seed=2))], 1)
    assert np.array_equal(sheet[GAP + 35 : GAP + 105, GAP + 35 : GAP + 105], noise(70, 70))
    assert np.array_equal(sheet[-GAP - 140 : -GAP, GAP : GAP + 140], noise(140, 140))


def test_tiny_pictures_are_enlarged_so_that_a_person_sees_them() -> None:
    sheet = pictures.groups([(noise(16, 16), noise(16, 16, seed=1))])
    assert sheet.shape == (64 + 2 * GAP, 2 * 64 + 3 * GAP, 3)
    assert np.array_equal(sheet[GAP : GAP + 64 : 4, GAP : GAP + 64 : 4], noise(16, 16))


def test_grey_pictures_among_coloured_ones_become_coloured() -> None:
    sheet = pictures.groups([(noise(64, 64, 1), noise(64, 64, 3))])
    assert sheet.shape[2] == 3
    assert np.array_equal(sheet[GAP : GAP + 64, GAP : GAP + 64], noise(64, 64, 1).repeat(3, axis=2))
    assert pictures.groups([(noise(64, 64, 1), noise(64, 64, 1))]).shape[2] == 1


@pytest.mark.parametrize(("count", "members"), [(1, 2), (4, 3), (15, 3), (15, 2), (64, 3), (64, 2), (100, 2)])
def test_a_grid_is_neither_a_tower_nor_a_ribbon(count: int, members: int) -> None:
    group = [noise(64, 64)] * members
    height, width, _ = pictures.groups([group] * count).shape
    if count >= 4:
        assert 0.5 < width / height < 2.6
    assert width <= max(members * 70, 2400)


def test_answers_are_shown_as_input_output_and_truth(tmp_path: Path) -> None:
    data = DataSpec(
        name="x",
        split="test",
        count=4,
        fields=(
            Field(name="high", kind="image", channels=3, size=64),
            Field(name="low", kind="image", channels=3, size=16),
        ),
    )
    low, made, truth = tensors(4, 16), tensors(4, 64, seed=1), tensors(4, 64, seed=2)
    pictures.save_answers(made, tmp_path / "three.png", {"low": low, "truth": truth, "noise": torch.rand(4, 1)}, data)
    pictures.save_answers(made, tmp_path / "two.png", {"noise": torch.rand(4, 1), "low": low}, data)
    with Image.open(tmp_path / "three.png") as image:
        sheet = np.asarray(image)
    shown = [pictures.to_bytes(column)[0] for column in (low, made, truth)]
    shown[0] = shown[0].repeat(4, axis=0).repeat(4, axis=1)
    for place, picture in enumerate(shown):
        left = GAP + place * (64 + GAP)
        assert np.array_equal(sheet[GAP : GAP + 64, left : left + 64], picture)
    with Image.open(tmp_path / "two.png") as image:
        assert np.array_equal(np.asarray(image), pictures.beside([low, made]))
