"""What newborn promises beside what every data set does."""

from __future__ import annotations

import numpy as np
import pytest
from ganzoo import UserError
from ganzoo.data.base import DataRequest

from ganzoo.scaffold.dataset_generation import ganzoo_datasets
from ganzoo.scaffold.dataset_generation.load import load

(CARD,) = ganzoo_datasets()


@pytest.mark.parametrize("split", CARD.splits)
def test_a_split_is_always_the_same(split: str) -> None:
    request = DataRequest(fields=CARD.fields, split=split, size=16, scale=2)
    one, other = load(request), load(request)
    assert one.spec == other.spec
    assert {field.name for field in one.spec.fields} == set(CARD.fields)
    for name, column in one.columns.items():
        assert np.array_equal(column, other.columns[name])


def test_what_is_held_out_is_not_trained_on() -> None:
    train, test = (load(DataRequest(fields=CARD.fields, split=split)) for split in ("train", "test"))
    assert (len(train), len(test)) == (CARD.count, 200)
    name = train.spec.image.name
    seen = {picture.tobytes() for picture in train.columns[name]}
    assert not seen & {picture.tobytes() for picture in test.columns[name]}


def test_a_split_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UserError, match="has no split 'valid'; it has train, test"):
        load(DataRequest(fields=CARD.fields, split="valid"))
