"""Pictures of any size: continued, made in parts, cut back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganzoo.cards import resolve
from ganzoo.config import Layer, Settings, build
from ganzoo.data.base import DataSpec, Field
from ganzoo.errors import UserError
from ganzoo.model import Model, SampleRequest
from ganzoo.registry import get_registry
from ganzoo.runs import build_model
from ganzoo.tiling import AnySize, TooLarge, Translator

Pixels = NDArray[np.uint8]


def spec(size: int, scale: int) -> DataSpec:
    fields = (
        Field(name="high", kind="image", channels=3, size=size * scale),
        Field(name="low", kind="image", channels=3, size=size),
    )
    return DataSpec(name="x", split="train", count=1, fields=fields)


class Convolutions(Model):
    """Random convolutions of unit gain whose reach is known: 3 x 3 at the size of the input, a stage of half the size,
    and pixel shuffle; outputs of every size of number."""

    takes = ("low",)
    multiple = 2
    scale = 2
    reach = 1 + 2 + 4 + 1  # the stages in turn; at half the size a pixel counts twice, and halving takes a pixel more

    def __init__(self, size: int = 8, width: int = 8) -> None:
        super().__init__(Settings(), spec(size, self.scale))
        torch.manual_seed(0)
        self.generator = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
            nn.Tanh(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(width, 12, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )
        for layer in self.generator:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5 * 1.5)
        self.sizes: list[tuple[int, int]] = []

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"low": request.given["low"]}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        self.sizes.append(tuple(inputs["low"].shape[2:]))
        made: Tensor = self.generator(inputs["low"])
        return made


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)


def laid_down(any_size: AnySize, picture: Pixels) -> Tensor:
    """All parts in one float picture; every pixel must be made exactly once."""
    scale = any_size.model.scale
    sheet = torch.full((3, picture.shape[1] * scale, picture.shape[2] * scale), torch.nan)
    for part in any_size.parts(picture):
        _, height, width = part.pixels.shape
        place = sheet[:, part.top : part.top + height, part.left : part.left + width]
        assert place.isnan().all()
        place.copy_(part.pixels)
    assert not sheet.isnan().any()
    return sheet


def in_parts(model: Model, side: int) -> AnySize:
    """With memory for parts of side x side pixels."""
    cost = AnySize(model, "low").cost
    return AnySize(model, "low", memory=int(cost * side * side) + 1)


@pytest.mark.parametrize("shape", [(40, 200), (131, 97), (128, 128), (52, 53)], ids=str)
def test_a_picture_in_parts_is_the_picture_as_a_whole(shape: tuple[int, int]) -> None:
    model = Convolutions().eval()
    picture = noise(*shape)
    whole = laid_down(AnySize(model, "low"), picture)
    for side in (32, 50):
        model.sizes.clear()
        parts = laid_down(in_parts(model, side), picture)
        assert len(model.sizes) > 3
        assert max(height * width for height, width in model.sizes[1:]) <= side * side
        assert whole.std() > 0.1
        assert (parts - whole).abs().max() < 1e-4


def test_parts_that_overlap_by_less_than_the_model_reaches_show_seams() -> None:
    model = Convolutions().eval()
    whole = laid_down(AnySize(model, "low"), noise(128, 128))
    model.reach = 2
    assert (laid_down(in_parts(model, 50), noise(128, 128)) - whole).abs().max() > 1e-2


def test_the_bytes_of_parts_and_whole_agree() -> None:
    model = Convolutions().eval()
    whole, parts = AnySize(model, "low")(noise(90, 70)), in_parts(model, 40)(noise(90, 70))
    assert whole.shape == parts.shape == (180, 140, 3)
    assert np.abs(whole.astype(int) - parts).max() <= 1
    assert (whole != parts).mean() < 1e-3


def test_parts_are_no_smaller_than_the_pictures_of_training_and_begin_at_multiples() -> None:
    for height, width in ((8, 300), (61, 59), (1000, 17)):
        any_size = in_parts(Convolutions().eval(), 20)
        for spans, length in zip(any_size.plan(height, width), (height, width), strict=True):
            assert spans[0].start == 0
            assert spans[-1].stop >= length
            assert all(one.stop == other.start for one, other in pairwise(spans))
            assert all(span.start % 2 == span.begin % 2 == span.end % 2 == 0 for span in spans)
            assert all(span.end - span.begin >= 8 for span in spans)


def test_a_reach_beyond_a_quarter_of_a_part_is_cut_so_that_the_work_stays_bounded() -> None:
    model = Convolutions().eval()
    model.reach = 500
    rows, columns = in_parts(model, 64).plan(640, 640)
    work = sum((row.end - row.begin) * (column.end - column.begin) for row in rows for column in columns)
    assert work <= 4 * 640 * 640


class Mean(Convolutions):
    """Adds the mean of the whole picture, as a normalisation would."""

    reach = None  # type: ignore[assignment]
    scale = 1
    multiple = 4

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        self.sizes.append(tuple(inputs["low"].shape[2:]))
        return inputs["low"] + inputs["low"].mean((2, 3), keepdim=True)


def test_a_model_that_sees_all_of_a_picture_gets_it_whole() -> None:
    model = Mean().eval()
    any_size = in_parts(model, 16)
    model.sizes.clear()
    any_size(noise(61, 90))
    assert model.sizes[-1:] == [(64, 92)]
    assert set(model.sizes[:-1]) == {(8, 8)}  # to find out what a pixel costs


def test_a_picture_is_continued_by_mirroring_to_what_the_model_takes() -> None:
    model = Mean().eval()
    picture = noise(3, 9)
    continued = np.pad(picture, ((0, 0), (0, 5), (0, 3)), mode="symmetric")
    centred = picture / 127.5 - 1
    expected = centred + (continued / 127.5 - 1).mean((1, 2), keepdims=True)
    assert torch.allclose(laid_down(AnySize(model, "low"), picture), torch.from_numpy(expected).float(), atol=1e-5)


def test_more_than_there_is_memory_for_is_refused_before_it_is_tried() -> None:
    with pytest.raises(TooLarge, match=r"300000 x 400000 pixels would take \d+ GiB"):
        AnySize(Mean().eval(), "low").plan(400_000, 300_000)
    with pytest.raises(TooLarge):  # in parts too, the result has to be held
        AnySize(Convolutions().eval(), "low").plan(10**6, 10**6)


def test_the_cost_of_a_pixel_is_that_of_the_tensors_that_are_alive_at_one_time() -> None:
    class Wide(Mean):
        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            many = inputs["low"].repeat(1, 100, 1, 1)  # 1,200 bytes a pixel
            more = many + 1  # and again
            del many
            return more[:, :3] * 1

    given_and_result = 10 * 3 * 4
    cost = AnySize(Wide().eval(), "low").cost
    assert 2 * 1200 <= cost <= 2 * 1200 + given_and_result


def test_progress_counts_the_parts() -> None:
    seen: list[tuple[int, int]] = []
    in_parts(Convolutions().eval(), 40)(noise(70, 70), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)]
    assert len(seen) > 3


def test_a_model_for_one_size_only_says_so() -> None:
    model = Convolutions().eval()
    model.multiple = None
    with pytest.raises(UserError, match="8 x 8 pixels only"):
        AnySize(model, "low")
    with pytest.raises(UserError, match="8 x 8 pixels only"):
        Translator(model, keep_size=True)


def test_an_input_that_the_model_does_not_take_is_named() -> None:
    with pytest.raises(UserError, match=r"no 'high'; it takes low"):
        Translator(Convolutions().eval(), "high")
    model = Convolutions().eval()
    model.takes = ()
    with pytest.raises(UserError, match="takes no pictures in"):
        Translator(model)


WITH_REACH = [
    (name, changes)
    for name, changes in (
        ("srgan", {"blocks": 2}),
        ("srgan", {"blocks": 2, "scale": 2}),
        ("srgan", {"variant": "esrgan", "blocks": 1}),
    )
]


@pytest.mark.parametrize(("name", "changes"), WITH_REACH, ids=str)
def test_real_networks_show_no_seams(name: str, changes: dict[str, Any]) -> None:
    card = get_registry().architectures[name]
    settings, _ = build(resolve(card.config), [Layer("x", {**card.tiny, "size": 32, **changes})])
    model = build_model(card, settings, spec(32 // settings.scale, settings.scale)).eval()  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():  # some networks begin as all but nothing
        if parameter.ndim == 4:
            parameter.data.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
    assert model.reach is not None
    picture = noise(151, 101)
    whole = laid_down(AnySize(model, "low"), picture)
    assert whole.std() > 0.05
    any_size = in_parts(model, max(64, 4 * model.reach))
    assert len(any_size.plan(151, 101)[0]) > 1
    assert (laid_down(any_size, picture) - whole).abs().max() < 1e-4 * max(1.0, float(whole.abs().max()))


MEMORY = """
import resource, sys
sys.path.insert(0, {tests!r})
import numpy as np, torch
torch.set_num_threads(1)
from test_tiling import Convolutions
from ganzoo.tiling import AnySize
any_size = AnySize(Convolutions(size=16, width=64).eval(), "low", memory=32 * 2**20)
any_size(np.zeros((3, 64, 64), np.uint8))
def peak(side):
    any_size(np.zeros((3, side, side), np.uint8))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(peak(320), peak(768))
"""


def test_memory_does_not_grow_with_the_whole_picture(request: pytest.FixtureRequest) -> None:
    program = MEMORY.format(tests=str(request.path.parent))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    small, large = map(float, done.stdout.split())
    made_whole = (768**2 - 320**2) * AnySize(Convolutions(size=16, width=64).eval(), "low").cost / 2**20
    assert made_whole > 200
    assert large - small < made_whole / 4


def test_a_picture_of_training_s_size_is_not_resampled() -> None:
    model = Mean().eval()
    model.multiple = None  # type: ignore[assignment]
    model.settings = replace(model.settings, fit="crop")
    translator = Translator(model)
    made = translator(noise(8, 8))
    centred = noise(8, 8) / 127.5 - 1
    expected = (centred + centred.mean((1, 2), keepdims=True)).clip(-1, 1)
    assert np.array_equal(made, np.round((expected.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8))
