"""What decides how a picture looks, the words or the noise: distances by a slow reference, and models that listen to
one of them alone."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import toys_text
from torch import Tensor

from ganzoo.data.base import ArrayData, DataRequest, DataSpec
from ganzoo.data.captions import captions_of, remembering
from ganzoo_evaluation import caption_control
from ganzoo_evaluation.base import Comparison, Measured, NotApplicable
from ganzoo_evaluation.captions import captions_for
from ganzoo_evaluation.controls import WRONG, control_sets
from ganzoo_evaluation.sets import DataPictures, Recaptioned


class Pixels:
    """A feature network: the picture itself."""

    name = "pixels"
    identity: ClassVar = {"sha256": "", "resize": "", "input": "", "precision": "fp32"}
    dimensions, classes = 3 * toys_text.SIZE**2, 0

    def __call__(self, pictures: Tensor) -> tuple[Tensor, None]:
        return pictures.float().flatten(1), None


@pytest.fixture
def words() -> toys_text.Words:
    data = toys_text.load(DataRequest(fields=("image", "text"), split="test"))
    model = toys_text.Words(toys_text.Config(), remembering(data.spec, data))
    return model.eval()


def held_out() -> DataPictures:
    return DataPictures(toys_text.load(DataRequest(fields=("image", "text"), split="test")), "toy (test)")


def comparison(model: Any, network: Any = None) -> Comparison:
    fake = Measured(name="fake", count=1, collected={}, network=network or Pixels(), model=model)
    return Comparison(fake=fake, real=fake)


def values(model: Any) -> tuple[float, float]:
    c = comparison(model)
    return caption_control.compute_diversity(c).value, caption_control.compute_control(c).value


def test_distances_are_those_of_a_slow_reference() -> None:
    features = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(0))
    found = caption_control.apart(features)
    kinds: dict[tuple[bool, bool], list[float]] = {}
    for (a, i), (b, j) in itertools.permutations(itertools.product(range(5), range(4)), 2):
        kinds.setdefault((a == b, i == j), []).append(math.dist(features[a, i].tolist(), features[b, j].tolist()))
    means = [np.mean(kinds[kind]) for kind in ((True, False), (False, True), (False, False))]
    np.testing.assert_allclose(found.by_caption.mean(0), means, rtol=1e-6)
    assert found.share(0)[0] == pytest.approx(means[0] / means[2])
    assert found.share(1)[0] == pytest.approx(means[1] / means[2])


@pytest.mark.parametrize("kind", [0, 1])
def test_the_error_is_the_spread_over_other_captions(kind: int) -> None:
    draw = torch.Generator().manual_seed(1)
    noises = 2 * torch.randn(6, 16, generator=draw)
    found = []
    for _ in range(200):
        strength = 0.2 + torch.rand(24, 1, 1, generator=draw)  # captions differ in how much they leave to chance
        centres = 3 * torch.rand(24, 1, 1, generator=draw) * torch.randn(24, 1, 16, generator=draw)
        found.append(caption_control.apart(centres + strength * noises).share(kind))
    stated = np.mean([error for _, error in found if error is not None])
    assert stated == pytest.approx(np.std([value for value, _ in found], ddof=1), rel=0.15)


@pytest.mark.parametrize("shape", [(1, 4, 3), (4, 1, 3)])
def test_one_caption_or_one_noise_is_too_few(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="two or more"):
        caption_control.apart(torch.zeros(shape))


def test_a_model_that_does_not_listen_has_a_diversity_of_one(words: toys_text.Words) -> None:
    words.colours = lambda texts: torch.zeros(len(texts), 3)  # type: ignore[method-assign]
    diversity, control = values(words)
    assert diversity == pytest.approx(1)
    assert control == 0


def test_a_model_without_variety_has_none_and_is_all_control(words: toys_text.Words) -> None:
    words.generator.pattern.weight.data.zero_()
    diversity, control = values(words)
    assert diversity == 0
    assert control == pytest.approx(1)


def test_one_that_does_both_lies_between(words: toys_text.Words) -> None:
    diversity, control = values(words)
    assert 0 < diversity < 1
    assert 0.5 < control < 1


def test_without_a_model_that_reads_there_is_nothing_to_say(words: toys_text.Words) -> None:
    with pytest.raises(NotApplicable, match="no model"):
        caption_control.compute_control(comparison(None))
    words.takes = ()
    with pytest.raises(NotApplicable, match="reads no captions"):
        caption_control.compute_control(comparison(words))
    bare = toys_text.Words(toys_text.Config(), held_out().data.spec)
    with pytest.raises(NotApplicable, match="remembers no captions"):
        caption_control.compute_control(comparison(bare))


# --- wrong captions ---------------------------------------------------------------------------------------------------


def test_under_wrong_captions_every_picture_has_that_of_another() -> None:
    real = held_out()
    texts = [text for block in real.blocks(0, 8) for text in block.text or ()]
    numbered = Numbered(100)
    for seed in range(3):
        wrong = [text for block in Recaptioned(real, WRONG, seed).blocks(0, 8) for text in block.text or ()]
        assert Counter(wrong) == Counter(texts)
        moved = [text for block in Recaptioned(numbered, WRONG, seed).blocks(0, 100) for text in block.text or ()]
        assert all(text != str(row) for row, text in enumerate(moved))
    (block,) = Recaptioned(numbered, WRONG, 2).blocks(64, 100)
    assert block.text == tuple(moved[64:])


class Numbered:
    """Black pictures, each under its number."""

    name = "numbered"

    def __init__(self, count: int) -> None:
        self.count = count

    def blocks(self, start: int, stop: int) -> Any:
        from ganzoo_evaluation.base import BLOCK, Block

        for first in range(start, stop, BLOCK):
            rows = range(first, min(first + BLOCK, stop))
            pictures = torch.zeros(len(rows), 1, 2, 2, dtype=torch.uint8)
            yield Block(start=first, pictures=pictures, text=tuple(map(str, rows)))


def test_the_control_is_there_for_those_who_ask_and_only_where_there_are_captions() -> None:
    real = held_out()
    assert WRONG not in {control.name for control in control_sets(real, None, 4, 0)}
    (control,) = [one for one in control_sets(real, None, 4, 0, wrong=True) if one.name == WRONG]
    assert (control.beside, control.pictures.count) == (("text",), 4)
    spec = DataSpec(name="bare", split="train", count=8, fields=real.data.spec.fields[:1], fingerprint="bare")
    bare = DataPictures(ArrayData(spec, {"image": real.data.read(range(8))["image"]}), "bare")
    assert WRONG not in {control.name for control in control_sets(bare, None, 4, 0, wrong=True)}


# --- which captions ---------------------------------------------------------------------------------------------------


def test_captions_are_drawn_from_all_rows_and_not_from_every_second() -> None:
    from ganzoo_data import shapes

    data = shapes.shapes(DataRequest(fields=("image", "text"), split="test", subset="three"))
    pictures = DataPictures(data, "shapes")
    count = pictures.count // 2
    chosen = captions_for(pictures, None, "run", data.spec, count)
    held = sum(shapes.parse(text).held_out for text in chosen.texts) / count
    everything = [shapes.parse(text).held_out for text in captions_of(data, range(pictures.count))]
    assert held == pytest.approx(np.mean(everything), abs=0.1)
    assert captions_for(pictures, None, "run", data.spec, count).texts == chosen.texts
