"""The embedded sets for models that take pictures in: styles of one emoji, and large pictures for enlarging."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from ganzoo.data.base import ArrayData, DataRequest
from ganzoo.data.degrade import reduced
from ganzoo.data.feed import Order
from ganzoo.data.images import as_array, load
from ganzoo.data.patches import Patches
from ganzoo.engine.noise import derive
from ganzoo.errors import UserError
from ganzoo_data import embedded
from ganzoo_data.embedded_pairs import emoji_photos, flat_3d, line_flat

STYLES = [(line_flat, "line", "flat"), (flat_3d, "flat", "3d")]
PAIRED, UNPAIRED, LARGE = ("source", "target"), ("a", "b"), ("low", "high")


@cache
def large(split: str = "train", **options: Any) -> Patches:
    return emoji_photos(DataRequest(fields=LARGE, split=split, **{"size": 64, "scale": 4} | options))


# Styles


@pytest.mark.parametrize(("load_set", "first", "second"), STYLES)
@pytest.mark.parametrize("fields", [PAIRED, UNPAIRED])
@pytest.mark.parametrize("split", ["train", "test"])
def test_row_by_row_both_fields_show_the_same_emoji(
    load_set: Callable[[DataRequest], ArrayData], first: str, second: str, fields: tuple[str, str], split: str
) -> None:
    data = load_set(DataRequest(fields=fields, split=split))
    assert len(data) == (1391 if split == "train" else 154)
    for field, style in zip(fields, (first, second), strict=True):
        assert (data.columns[field] == embedded.emoji(style, split)[0]).all()


@pytest.mark.parametrize(("load_set", "first", "second"), STYLES)
def test_domains_have_rows_of_their_own_and_pairs_have_not(
    load_set: Callable[[DataRequest], ArrayData], first: str, second: str
) -> None:
    pairs, domains = (load_set(DataRequest(fields=fields)).spec for fields in (PAIRED, UNPAIRED))
    assert [f.rows for f in pairs.fields] == [0, 0]
    assert not pairs.aligned
    assert [f.rows for f in domains.fields] == [1391, 1391]
    assert domains.aligned
    assert pairs.fingerprint != domains.fingerprint


def test_training_on_domains_does_not_see_which_pictures_belong_together() -> None:
    """A batch of both has the counterpart of a picture no more often than by chance (once in an epoch)."""
    a, b = (Order(derive(0, "rows", field), 1391).rows(0, 1391) for field in UNPAIRED)
    assert sorted(a) == sorted(b) == list(range(1391))
    assert sum(one == other for one, other in zip(a, b, strict=True)) < 10


@pytest.mark.parametrize("fields", [PAIRED, UNPAIRED])
def test_reversed_the_styles_are_exchanged(fields: tuple[str, str]) -> None:
    plain, turned = (line_flat(DataRequest(fields=fields, size=32, reverse=reverse)) for reverse in (False, True))
    assert (plain.columns[fields[0]] == turned.columns[fields[1]]).all()
    assert (plain.columns[fields[1]] == turned.columns[fields[0]]).all()


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_styles_come_in_the_size_and_channels_that_are_asked_for(size: int) -> None:
    data = flat_3d(DataRequest(fields=PAIRED, size=size, channels=1, split="test"))
    assert data.columns["target"].shape == (154, 1, size, size)
    assert (data.spec.size, data.spec.channels) == (size, 1)


def test_held_out_emoji_are_of_other_names_in_every_style() -> None:
    train, test = set(embedded.emoji_names("train")), set(embedded.emoji_names("test"))
    assert not train & test
    assert len(train) == 1391


def test_a_category_is_a_subset() -> None:
    one = line_flat(DataRequest(fields=UNPAIRED, subset=embedded.EMOJI_CATEGORIES[0]))
    assert 0 < len(one) < 1391
    assert [f.rows for f in one.spec.fields] == [len(one), len(one)]
    with pytest.raises(UserError, match="has no subset 'animls'"):
        line_flat(DataRequest(fields=UNPAIRED, subset="animls"))


def test_fields_of_both_kinds_at_once_are_refused() -> None:
    with pytest.raises(UserError, match="has no field 'b'"):
        line_flat(DataRequest(fields=("source", "b")))


# Large pictures


def test_patches_are_of_the_emoji_and_the_photographs() -> None:
    names = [picture.name for picture in large().pictures]
    assert names[:-5] == [name for name, _ in embedded.emoji_originals("train")]
    assert names[-5:] == [name for name, _ in embedded.photos()]
    by_part = [large(subset=part) for part in ("emoji", "photos")]
    assert sum(map(len, by_part)) == len(large()) > 5000
    with pytest.raises(UserError, match="has no subset 'photo'"):
        large(subset="photo")


def test_no_patch_of_one_colour_is_left() -> None:
    data = large("test")
    high = data.read(range(len(data)))["high"]
    assert (high.max((2, 3)) > high.min((2, 3))).any(1).all()


def test_the_right_third_of_a_photograph_is_held_out_and_nothing_of_it_is_trained_on() -> None:
    train, test = large(subset="photos"), large("test", subset="photos")
    for number, (name, content) in enumerate(embedded.photos()):
        whole = as_array(load(content, name=name), 3)
        left, right = train.pictures[number].pixels(3), test.pictures[number].pixels(3)
        assert right.shape[2] == whole.shape[2] // 3
        assert (np.concatenate([left, right], axis=2) == whole).all()


@pytest.mark.parametrize("scale", [2, 4])
def test_the_low_of_a_patch_is_that_of_its_picture(scale: int) -> None:
    data = large("test", scale=scale)
    rows = data.read([0, len(data) - 1])
    high, low = data.whole(len(data.pictures) - 1)
    assert (low == reduced(high, scale)).all()
    size = 64 // scale
    windows = np.lib.stride_tricks.sliding_window_view(low, (3, size, size))[0]
    assert (windows == rows["low"][1]).all((-1, -2, -3)).any()


def test_sets_of_different_requests_have_different_fingerprints() -> None:
    asked: list[dict[str, Any]] = [{}, {"scale": 2}, {"size": 32}, {"channels": 1}, {"subset": "photos"}]
    found = {large("test", **options).spec.fingerprint for options in asked}
    assert len(found | {large().spec.fingerprint}) == len(asked) + 1
