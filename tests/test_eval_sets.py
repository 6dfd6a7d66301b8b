"""Sets of pictures: readable from any block on, always the same, and the control sets are what they say they are."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TinyRuns
from PIL import Image
from scipy.ndimage import correlate1d

from ganzoo.cards import resolve
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.data.sources import FileData, open_path
from ganzoo.model import Model
from ganzoo.pictures import to_bytes
from ganzoo.registry import Registry
from ganzoo.runs import load_model
from ganzoo.sampling import sample
from ganzoo_evaluation.base import BLOCK, Block, Pictures
from ganzoo_evaluation.sets import (
    Blurred,
    DataPictures,
    FilePictures,
    GaussianPixels,
    ModelPictures,
    Paired,
    Repeated,
    all_labels,
    choose,
    content_hash,
    contents_of,
    labels_like,
)

COUNT = 3 * BLOCK + 7


@pytest.fixture(scope="module")
def fashion(registry: Registry) -> DataPictures:
    data = resolve(registry.datasets["fashion"].load)(DataRequest(fields=("image", "label"), split="test"))
    return DataPictures(data, "fashion (test)", range(COUNT))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Model:
    """A conditional model, hardly trained."""
    made = TinyRuns(tmp_path_factory.mktemp("runs"), registry)("cgan", steps=1, eval_every=0)
    made.trainer.run()
    return load_model(made.run.folder, registry)


def arrays(data: np.ndarray, labels: np.ndarray | None = None, name: str = "toy") -> DataPictures:
    """Pictures (n, C, H, H) in memory."""
    fields = [Field(name="image", kind="image", channels=data.shape[1], size=data.shape[2])]
    columns = {"image": data}
    if labels is not None:
        fields.append(Field(name="label", kind="label", classes=tuple(map(str, range(int(labels.max()) + 1)))))
        columns["label"] = labels
    spec = DataSpec(name=name, split="train", count=len(data), fields=tuple(fields))
    return DataPictures(ArrayData(spec, columns), name)


def read(pictures: Pictures, start: int = 0, stop: int | None = None) -> list[Block]:
    return list(pictures.blocks(start, pictures.count if stop is None else stop))


def pixels(pictures: Pictures, start: int = 0, stop: int | None = None) -> torch.Tensor:
    return torch.cat([block.pictures for block in read(pictures, start, stop)])


def every_kind(fashion: DataPictures, model: Model) -> list[Pictures]:
    labels = labels_like(np.arange(10), COUNT, seed=3)
    return [
        fashion,
        ModelPictures(model, "in turn", COUNT, seed=1),
        ModelPictures(model, "labels given", COUNT, seed=1, labels=labels, truncation=0.5),
        Blurred(fashion, "blurred", 0.9),
        Repeated(fashion, "one picture", COUNT),
        GaussianPixels(fashion, "Gaussian pixels", COUNT, seed=1),
        Paired(ModelPictures(model, "made", COUNT), fashion),
    ]


def test_every_set_is_the_same_from_any_block_on(fashion: DataPictures, model: Model) -> None:
    for pictures in every_kind(fashion, model):
        whole = read(pictures)
        assert [block.start for block in whole] == list(range(0, COUNT, BLOCK)), pictures.name
        assert sum(map(len, whole)) == pictures.count == COUNT
        everything = pixels(pictures)
        assert everything.dtype == torch.uint8
        assert everything.ndim == 4
        for start, stop in [(0, 1), (BLOCK, COUNT), (2 * BLOCK, 2 * BLOCK + 5), (3 * BLOCK, COUNT + 100)]:
            part = read(pictures, start, stop)
            assert part[0].start == start
            assert torch.equal(torch.cat([b.pictures for b in part]), everything[start:stop]), pictures.name
            labels = [b.label for b in part if b.label is not None]
            known = [b.label for b in whole if b.label is not None]
            if known:
                assert torch.equal(torch.cat(labels), torch.cat(known)[start:stop]), pictures.name
        assert read(pictures, 0, 0) == []


def test_a_model_set_is_what_the_model_samples(model: Model) -> None:
    made = sample(model, COUNT, seed=5)
    found = pixels(ModelPictures(model, "made", COUNT, seed=5))
    assert np.array_equal(found.permute(0, 2, 3, 1).numpy(), to_bytes(made))
    fewer = pixels(ModelPictures(model, "fewer", BLOCK + 3, seed=5))
    assert torch.equal(fewer, found[: BLOCK + 3])


def test_a_conditional_model_is_asked_for_the_labels_that_were_given(model: Model) -> None:
    labels = [7, 2] * 40
    blocks = read(ModelPictures(model, "made", 80, labels=labels))
    assert torch.cat([block.label for block in blocks if block.label is not None]).tolist() == labels
    in_turn = read(ModelPictures(model, "made", 23))[0].label
    assert in_turn is not None
    assert in_turn.tolist() == [row % 10 for row in range(23)]


# --- controls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.5, 0.875, 2.0])
def test_the_blur_is_a_gaussian_that_replicates_the_border(sigma: float, fashion: DataPictures) -> None:
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    sharp = pixels(fashion, 0, BLOCK)[:, 0].double().numpy()
    smooth = correlate1d(correlate1d(sharp, weights, axis=1, mode="nearest"), weights, axis=2, mode="nearest")
    found = pixels(Blurred(fashion, "blurred", sigma), 0, BLOCK)[:, 0].numpy()
    assert np.abs(found - smooth).max() <= 0.5 + 1e-3  # rounded to the nearest


def test_the_blur_leaves_flat_pictures_and_colours_alone() -> None:
    flat = np.broadcast_to(np.array([0, 77, 255], np.uint8)[None, :, None, None], (4, 3, 8, 8)).copy()
    assert np.array_equal(pixels(Blurred(arrays(flat), "blurred", 1.0)).numpy(), flat)


def test_repeated_is_the_first_picture_and_its_label_over_and_over(fashion: DataPictures) -> None:
    blocks = read(Repeated(fashion, "one picture", COUNT))
    first = read(fashion, 0, 1)[0]
    assert first.label is not None
    for block in blocks:
        assert torch.equal(block.pictures, first.pictures.expand_as(block.pictures))
        assert block.label is not None
        assert set(block.label.tolist()) == set(first.label.tolist())


def test_gaussian_pixels_have_the_mean_and_covariance_of_the_pixels() -> None:
    """Pixels far from 0 and 255, so that nothing is clipped."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 12)) * 4
    real = (128 + rng.normal(size=(400, 12)) @ mix).round().clip(0, 255).astype(np.uint8).reshape(-1, 3, 2, 2)
    drawn = pixels(GaussianPixels(arrays(real), "drawn", 20_000, seed=4)).reshape(-1, 12).double().numpy()
    wanted = real.reshape(-1, 12).astype(float)
    spread = wanted.std(0, ddof=1)
    assert np.abs((drawn.mean(0) - wanted.mean(0)) / spread).max() < 5 / 20_000**0.5
    found, covariance = np.cov(drawn, rowvar=False), np.cov(wanted, rowvar=False)
    rounding = np.eye(12) / 12
    assert np.abs((found - covariance - rounding) / np.outer(spread, spread)).max() < 6 / 20_000**0.5


def test_gaussian_pixels_depend_on_the_seed_alone(fashion: DataPictures) -> None:
    one, same, other = (pixels(GaussianPixels(fashion, "drawn", 70, seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(torch.unique(one, dim=0)) == 70


def test_chosen_rows_are_ascending_different_and_a_function_of_the_seed() -> None:
    rows = choose(1000, 100, 3, "copies")
    assert rows == sorted(set(rows)) == choose(1000, 100, 3, "copies")
    assert len(rows) == 100
    assert rows != choose(1000, 100, 4, "copies")
    assert rows != choose(1000, 100, 3, "held-out")
    assert choose(10, 100, 3, "copies") == list(range(10))


def test_labels_are_drawn_with_the_frequencies_of_the_data() -> None:
    labels = np.repeat([0, 1, 4], [700, 200, 100])
    drawn = labels_like(labels, 10_000, seed=0)
    counts = np.bincount(drawn, minlength=5)
    assert counts[[2, 3]].tolist() == [0, 0]
    expected = np.array([0.7, 0.2, 0, 0, 0.1]) * 10_000
    assert np.abs(counts - expected).max() < 5 * (0.7 * 0.3 * 10_000) ** 0.5
    assert drawn == labels_like(labels, 10_000, seed=0)


# --- what is kept of a set by hash ------------------------------------------------------------------------------------


def test_the_hash_is_of_the_pixels_and_labels_and_not_of_the_name() -> None:
    rng = np.random.default_rng(0)
    data, labels = rng.integers(0, 256, (100, 1, 4, 4), dtype=np.uint8), rng.integers(0, 3, 100)
    changed, relabelled = data.copy(), labels.copy()
    changed[77, 0, 1, 2] ^= 1
    relabelled[5] = 2 - relabelled[5] if relabelled[5] != 1 else 0
    same = content_hash(arrays(data, labels, "another name"))
    assert content_hash(arrays(data, labels)) == same
    others = [arrays(changed, labels), arrays(data, relabelled), arrays(data), arrays(data[::-1].copy(), labels)]
    assert len({same, *map(content_hash, others)}) == 5


def test_pictures_of_another_shape_with_the_same_bytes_have_another_hash() -> None:
    data = np.arange(64, dtype=np.uint8)
    assert content_hash(arrays(data.reshape(4, 1, 4, 4))) != content_hash(arrays(data.reshape(1, 4, 4, 4)))


def test_labels_of_a_set_are_all_or_none(fashion: DataPictures) -> None:
    labels = all_labels(fashion)
    assert labels is not None
    assert len(labels) == COUNT
    assert all_labels(arrays(np.zeros((3, 1, 2, 2), np.uint8))) is None


def test_a_set_is_read_once_for_its_hash_and_says_how_far_it_is() -> None:
    pictures = arrays(np.zeros((130, 1, 2, 2), np.uint8))
    told: list[tuple[str, int, int]] = []
    found = pictures.contents(lambda *where: told.append(where))
    assert told == [("hashing toy", 64, 130), ("hashing toy", 128, 130), ("hashing toy", 130, 130)]
    assert pictures.contents(lambda *where: told.append(where)) is found
    assert len(told) == 3
    assert len(set(found.marks)) == 1


def test_fifty_thousand_pictures_are_hashed_in_seconds() -> None:
    data = np.random.default_rng(0).integers(0, 256, (50_000, 1, 8, 8), dtype=np.uint8)
    data[-1] = data[0]
    began = time.monotonic()
    found = contents_of(arrays(data))
    assert time.monotonic() - began < 20
    assert (len(found.marks), len(set(found.marks))) == (50_000, 49_999)


# --- files ------------------------------------------------------------------------------------------------------------


def files(folder: Path, shape: tuple[int, int]) -> tuple[FileData, np.ndarray]:
    pictures = np.random.default_rng(0).integers(0, 256, (70, *shape), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        place = folder / ("cat" if number < 30 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number:02}.png")
    return open_path(folder, DataRequest(optional=("label",))), pictures


def test_files_are_read_at_their_own_size_with_the_labels_of_their_folders(tmp_path: Path) -> None:
    data, pictures = files(tmp_path / "set", (6, 9))
    found = FilePictures(data, "set")
    assert np.array_equal(pixels(found)[:, 0].numpy(), pictures)
    assert np.array_equal(pixels(found, BLOCK, 70)[:, 0].numpy(), pictures[BLOCK:])
    labels = all_labels(found)
    assert labels is not None
    assert labels.tolist() == [0] * 30 + [1] * 40
    assert found.classes == ("cat", "dog")


def test_rows_of_files_can_be_chosen(tmp_path: Path) -> None:
    data, pictures = files(tmp_path / "set", (6, 9))
    found = FilePictures(data, "set", [3, 68, 5])
    assert np.array_equal(pixels(found)[:, 0].numpy(), pictures[[3, 68, 5]])
    assert [b.label.tolist() for b in read(found) if b.label is not None] == [[0, 1, 0]]
