"""The set is what its card says: as many rings as the class says, at any size, always the same."""

from __future__ import annotations

import numpy as np
import pytest

from ganzoo import UserError
from ganzoo.data.base import DataRequest
from ganzoo_rings import CLASSES, ganzoo_datasets
from ganzoo_rings.drawing import draw, load


@pytest.mark.parametrize("rings", [1, 2, 3, 4])
def test_there_are_as_many_rings_as_the_class_says(rings: int) -> None:
    """From the centre to the right border a ray is lit once for each ring."""
    for row in range(5):
        picture = draw("train", row, rings, 256).max(0)
        centre = np.random.default_rng([1, row]).uniform(0.4, 0.6, 2) * 256
        lit = picture[int(centre[0]), int(centre[1]) :] > 0.1
        assert np.count_nonzero(lit[1:] & ~lit[:-1]) == rings


@pytest.mark.parametrize(("split", "count"), [("train", 4000), ("test", 400)])
def test_a_split_has_its_rows_and_its_classes_in_equal_parts(split: str, count: int) -> None:
    data = load(DataRequest(fields=("image", "label"), split=split, size=8))
    rows = data.read(range(count))
    assert (rows["image"].shape, rows["image"].dtype) == ((count, 3, 8, 8), np.uint8)
    assert np.bincount(rows["label"]).tolist() == [count // len(CLASSES)] * len(CLASSES)
    assert data.spec.classes == CLASSES


def test_the_card_says_what_is_read() -> None:
    (card,) = ganzoo_datasets()
    spec = load(DataRequest()).spec
    assert (spec.count, spec.size, spec.channels, spec.classes) == (card.count, card.size, card.channels, card.classes)


def test_grey_pictures_are_the_mean_of_the_colours() -> None:
    colour = load(DataRequest(split="test", size=16)).columns["image"].astype(float)
    grey = load(DataRequest(split="test", size=16, channels=1)).columns["image"]
    assert np.abs(grey - colour.mean(1, keepdims=True)).max() <= 1


def test_a_split_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="rings has no split 'all'; it has train and test"):
        load(DataRequest(split="all"))
