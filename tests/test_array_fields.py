"""Fields of a data set that hold numbers of any shape and type: nobody changes them between the set and the model."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from proof import Streaming
from torch import nn
from toys import Config

from ganzoo.config import Settings
from ganzoo.data.base import ArrayData, DataSpec, Field
from ganzoo.data.feed import Feed
from ganzoo.data.whole import materialise
from ganzoo.engine import distributed
from ganzoo.engine.noise import Noise
from ganzoo.engine.watch import CollapseWatch
from ganzoo.figures import amount, described, extent
from ganzoo.runs import _field
from ganzoo_evaluation.controls import control_sets
from ganzoo_evaluation.sets import DataPictures, GaussianPixels, content_hash

COUNT = 20
NOTES = Field(name="notes", kind="array", shape=(3, 2), dtype="int64")
TEMPO = Field(name="tempo", kind="array", dtype="float64")
WORDS = Field(name="text", kind="text")


def music(*fields: Field) -> ArrayData:
    """Rows of numbers, of which none are alike."""
    fields = fields or (NOTES, TEMPO, WORDS)
    columns: dict[str, Any] = {
        "notes": np.arange(COUNT * 6, dtype=np.int64).reshape(COUNT, 3, 2) + 1000,
        "tempo": np.linspace(60.0, 180.0, COUNT),
        "text": [(f"piece {number}",) for number in range(COUNT)],
    }
    spec = DataSpec(name="music", split="train", count=COUNT, fields=fields)
    return ArrayData(spec, {field.name: columns[field.name] for field in fields})


def settings(**values: Any) -> Settings:
    return replace(Config(), workers=0, flip=True, **values)


def drawn(feed: Feed) -> dict[str, Any]:
    return feed.draw(0, Noise(0, "step", 0, 0, count=8, device=torch.device("cpu")))


def test_a_batch_has_them_as_they_are() -> None:
    data = music()
    feed = Feed(data, settings(), distributed.join("cpu"))
    batch = drawn(feed)
    assert (batch["notes"].dtype, batch["notes"].shape) == (torch.int64, (8, 3, 2))
    assert (batch["tempo"].dtype, batch["tempo"].shape) == (torch.float64, (8,))
    assert np.array_equal(batch["notes"].numpy(), data.columns["notes"][feed.rows(0)])
    assert np.array_equal(batch["tempo"].numpy(), data.columns["tempo"][feed.rows(0)])


def test_a_streamed_batch_is_the_same() -> None:
    held = Feed(music(), settings(), distributed.join("cpu"))
    streamed = Feed(Streaming(music()), settings(memory=0.0), distributed.join("cpu"))
    assert (held.resident, streamed.resident) == (True, False)
    one, other = drawn(held), drawn(streamed)
    assert all(torch.equal(one[name], other[name]) for name in ("notes", "tempo"))
    assert one["text"] == other["text"]


def test_a_set_is_read_into_memory_as_it_is() -> None:
    whole = materialise(Streaming(music()))
    assert whole.nbytes == COUNT * (6 * 8 + 8)
    assert all(np.array_equal(whole.columns[name], music().columns[name]) for name in ("notes", "tempo"))


def test_rows_of_another_shape_or_type_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"music.notes: rows of shape \(3, 2\) and type int64, expected \(2, 3\) and"):
        music(replace(NOTES, shape=(2, 3)))
    with pytest.raises(ValueError, match=r"type float64, expected .* and float32"):
        music(replace(TEMPO, dtype="float32"))


def test_a_field_is_itself_again_after_json() -> None:
    assert _field(json.loads(json.dumps(asdict(NOTES)))) == NOTES


def test_a_run_of_before_has_fields_without_a_shape() -> None:
    old = {"name": "image", "kind": "image", "channels": 1, "size": 8, "classes": [], "rows": 0, "examples": []}
    assert _field(old) == Field(name="image", kind="image", channels=1, size=8)


def test_a_set_without_pictures_has_no_size() -> None:
    spec = music().spec
    assert (spec.size, spec.channels) == (0, 0)
    assert not spec.pictured("notes")
    with pytest.raises(KeyError, match="music has no pictures; it has notes, tempo, text"):
        _ = spec.image


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ((NOTES,), "20 rows, 3 x 2 numbers each"),
        ((TEMPO,), "20 rows, 1 number each"),
        ((NOTES, TEMPO), "20 rows, notes 3 x 2 numbers, tempo 1 number"),
        ((WORDS,), "20 rows"),
    ],
)
def test_a_set_is_described_by_what_its_rows_hold(fields: tuple[Field, ...], said: str) -> None:
    spec = music(*fields).spec
    assert described(spec) == said
    assert amount(spec) == "20 rows"


def test_pictures_with_numbers_beside_them_are_described_by_both() -> None:
    image = Field(name="image", kind="image", channels=3, size=8)
    spec = DataSpec(name="poses", split="train", count=5, fields=(image, replace(NOTES, name="joints")))
    assert (amount(spec), extent(spec)) == ("5 pictures", "8 x 8 x 3, joints 3 x 2 numbers")


# --- the collapse watch -----------------------------------------------------------------------------------------------


def test_the_watch_follows_the_spread_of_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(64, 3, generator=generator)
    watch = CollapseWatch()
    watch.look(real, 0.25 * real, None, None)
    assert watch.diversity == pytest.approx(0.25)


@pytest.mark.parametrize("fake", [torch.rand(8, 5, 12), ["a piece"] * 8, None])
def test_the_watch_passes_over_what_it_cannot_compare(fake: Any) -> None:
    watch = CollapseWatch()
    watch.look(torch.zeros(8, 5, dtype=torch.int64), fake, None, None)
    assert watch.diversity == 1.0


# --- control sets -----------------------------------------------------------------------------------------------------


def samples(values: np.ndarray) -> DataPictures:
    field = Field(name="x", kind="array", shape=values.shape[1:], dtype=values.dtype.name)
    spec = DataSpec(name="numbers", split="train", count=len(values), fields=(field,))
    return DataPictures(ArrayData(spec, {"x": values}), "numbers", field="x")


def all_of(pictures: Any) -> torch.Tensor:
    return torch.cat([block.samples for block in pictures.blocks(0, pictures.count)])


def test_gaussian_samples_have_the_mean_and_covariance_of_real_ones() -> None:
    mixing = np.array([[2.0, 0.0], [1.0, 0.5]])
    values = (np.random.default_rng(0).normal(size=(3000, 2)) @ mixing.T + [5.0, -3.0]).astype(np.float32)
    made = all_of(GaussianPixels(samples(values), "Gaussian", 3000, 0)).numpy()
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.mean(0), values.mean(0), atol=0.15)
    np.testing.assert_allclose(np.cov(made.T), np.cov(values.T), rtol=0.15, atol=0.05)


def test_gaussian_samples_of_integers_are_integers_within_their_range() -> None:
    values = np.random.default_rng(0).integers(-2, 3, (500, 4))
    made = all_of(GaussianPixels(samples(values), "Gaussian", 500, 0))
    assert made.dtype == torch.int64
    assert (int(made.min()), int(made.max())) == (-2, 2)


def test_controls_of_samples_are_not_blurred() -> None:
    train = samples(np.random.default_rng(0).normal(size=(80, 2)).astype(np.float32))
    names = [control.name for control in control_sets(train, None, 70, 0)]
    assert names == ["training copies", "one sample", "Gaussian samples"]
    one = next(control for control in control_sets(train, None, 70, 0) if control.name == "one sample")
    assert len(all_of(one.pictures).unique(dim=0)) == 1


def test_the_content_of_numbers_is_their_type_too() -> None:
    zeros = np.zeros((4, 2), np.float32)
    assert content_hash(samples(zeros)) != content_hash(samples(zeros.astype(np.int32)))


# --- networks ---------------------------------------------------------------------------------------------------------


def test_a_model_with_3d_convolutions_trains(tmp_path: Any) -> None:
    """Their weights have no channels-last format."""
    from toys import Toy, toy_trainer

    class Voxels(Toy):
        def __init__(self, config: Config, data: DataSpec) -> None:
            super().__init__(config, data)
            self.volume = nn.Conv3d(1, 1, 1)

    toy_trainer(tmp_path / "run", model=Voxels, steps=1).run()
