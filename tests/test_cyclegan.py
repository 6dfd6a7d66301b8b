"""CycleGAN is what its paper says, and shares what can be shared."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyRuns
from forks import the_driver
from proof import bits
from test_processes import run_ranks
from torch import Tensor, nn

from ganzoo.config import Layer, build
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.errors import UserError
from ganzoo.model import Batch, SampleRequest
from ganzoo_cyclegan.config import Config
from ganzoo_cyclegan.model import CycleGAN, InstanceNorm, Residual, fine_detail, residual_blocks


def spec(size: int = 32, channels: int = 3, other: tuple[int, int] | None = None) -> DataSpec:
    kinds = {"a": (size, channels), "b": other or (size, channels)}
    fields = tuple(
        Field(name=name, kind="image", channels=kind[1], size=kind[0], rows=5) for name, kind in kinds.items()
    )
    return DataSpec(name="made-up", split="train", count=5, fields=fields)


def make(size: int = 32, channels: int = 3, **settings: Any) -> CycleGAN:
    config, _ = build(Config, [Layer("test", {"width": 4, "blocks": 1, **settings})])
    seed_globals(0, "weights")
    return CycleGAN(config, spec(size, channels))


def batch_of(count: int = 3, size: int = 32, step: int = 0) -> Batch:
    noise = Noise(1, step, count=count)
    fields = {name: torch.tanh(noise.randn(3, size, size, stream=name)) for name in "ab"}
    return Batch(fields, noise, slice(0, count), step)


def convolutions(network: nn.Module) -> list[tuple[int, int, int, int]]:
    """(inside, outside, kernel, stride) of each."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    found = [m for m in network.modules() if isinstance(m, kinds)]
    return [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in found]


# --- the networks of section 7 ----------------------------------------------------------------------------------------


def test_by_default_the_networks_and_settings_are_those_of_the_paper() -> None:
    config = Config()
    with torch.device("meta"):
        model = CycleGAN(config, spec(256))
    blocks = [(256, 256, 3, 1)] * 18
    assert convolutions(model.generator_ab) == [
        (3, 64, 7, 1), (64, 128, 3, 2), (128, 256, 3, 2), *blocks, (256, 128, 3, 2), (128, 64, 3, 2), (64, 3, 7, 1)
    ]  # fmt: skip
    assert convolutions(model.discriminator_b) == [
        (3, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 1), (512, 1, 4, 1)
    ]  # fmt: skip
    assert (config.batch, config.lr, config.beta1, config.loss, config.pool) == (1, 2e-4, 0.5, "least-squares", 50)
    assert (config.schedule, config.decay_start, config.cycle, config.identity) == ("linear", 0.5, 10, 0.5)


@pytest.mark.parametrize(("size", "expected"), [(32, 6), (128, 6), (252, 6), (256, 9), (512, 9)])
def test_there_are_six_blocks_below_256_pixels_and_nine_from_there_on(size: int, expected: int) -> None:
    assert residual_blocks(size) == expected


def receptive_field(model: CycleGAN, size: int) -> int:
    """Pixels in a row that change one logit in the middle; without normalisation, which looks at all of them."""
    pictures = torch.zeros(1, 3, size, size, requires_grad=True)
    logits = model.discriminator_a(pictures)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert pictures.grad is not None
    return int((pictures.grad.abs().sum((0, 1, 2)) > 0).sum())


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_of_the_discriminator_judges_a_patch(layers: int, pixels: int) -> None:
    model = make(128, patch_layers=layers, discriminator_norm="none")
    assert receptive_field(model, 128) == pixels


@pytest.mark.parametrize("size", [8, 12, 20, 32, 48, 64, 100, 128])
def test_the_patch_of_any_size_leaves_logits(size: int) -> None:
    model = make(size)
    assert model.discriminator_a(torch.zeros(1, 3, size, size)).numel() >= 1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_normalisation_is_torchs_with_its_gradients(layout: torch.memory_format) -> None:
    given = (3 * torch.randn(4, 6, 5, 7) + 1).contiguous(memory_format=layout).requires_grad_(True)
    weight = torch.randn(4, 6, 5, 7)
    mine, torchs = InstanceNorm()(given), nn.InstanceNorm2d(6)(given)
    assert torch.allclose(mine, torchs, atol=1e-5)
    (slope,) = torch.autograd.grad((mine * weight).sum(), given)
    (expected,) = torch.autograd.grad((torchs * weight).sum(), given)
    assert torch.allclose(slope, expected, atol=1e-5)


def test_with_a_skip_a_generator_begins_as_the_identity_and_every_weight_can_learn() -> None:
    model, pictures = make(skip=True, fine_blocks=1, upsampling="resize"), batch_of().a
    assert (model.generator_ab(pictures) - pictures).abs().max() < 0.01
    with torch.no_grad():
        model.generator_ab.last.weight.zero_()
    assert torch.equal(model.generator_ab(pictures), pictures)
    white = torch.ones(1, 3, 32, 32)
    (1 - model.generator_ab(white)).sum().backward()
    assert model.generator_ab.last.bias.grad.abs().sum() > 0  # white can become darker
    nn.init.normal_(model.generator_ab.last.weight, std=0.02)
    model.zero_grad()
    model.generator_ab(pictures).square().sum().backward()
    for name, parameter in model.generator_ab.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_fine_detail_of_a_ripple_counts_as_much_as_that_of_an_edge() -> None:
    assert fine_detail(torch.full((1, 3, 8, 8), 0.7), 10).abs().max() < 1e-5
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 4, 4] = 0.09  # its neighbourhood has the mean 0.01
    assert fine_detail(picture, 10)[0, 0, 4, 4] == pytest.approx(math.tanh(10 * 0.08), abs=1e-6)
    assert fine_detail(picture, 10)[0, 0, 3, 3] == pytest.approx(math.tanh(-10 * 0.01), abs=1e-6)
    assert fine_detail(10 * picture, 10).max() <= 1


def test_the_discriminators_are_shown_the_fine_detail_beside_the_picture() -> None:
    model, pictures = make(detail=10), batch_of().a
    seen: list[Tensor] = []
    model.discriminator_a.layers.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    model.discriminator_a(pictures)
    (shown,) = seen
    assert torch.equal(shown, torch.cat([pictures, fine_detail(pictures, 10)], 1))


def test_fine_blocks_without_the_shortcut_are_one_clear_line() -> None:
    with pytest.raises(UserError, match="fine_blocks: 2 blocks come behind the shortcut of skip; add --set skip=true"):
        make(fine_blocks=2)


def test_after_resizing_every_pixel_of_a_flat_picture_is_treated_alike() -> None:
    """Without normalisation, which makes nothing of a flat map: the transposed convolutions give a checkerboard."""
    spread = {}
    for how in ("transposed", "resize"):
        generator = make(upsampling=how).generator_ab
        layers = [*generator.first, *generator.layers, generator.last]
        plain = nn.Sequential(*(layer for layer in layers if not isinstance(layer, (InstanceNorm, Residual))))
        made = plain(torch.full((1, 3, 32, 32), 0.5))[0, :, 12:20, 12:20]
        spread[how] = float((made.std((1, 2)) / made.abs().mean()).max().detach())
    assert spread["resize"] < 1e-5
    assert spread["transposed"] > 1e-2


# --- the losses of sections 3 and 5 -----------------------------------------------------------------------------------


def test_the_losses_of_the_generators_are_those_of_the_paper_from_separate_passes() -> None:
    model, batch = make(), batch_of()
    terms = model.generator_loss(batch)
    g, f, a, b = model.generator_ab, model.generator_ba, batch.a, batch.b
    expected = {
        "adversarial": 0.5 * (model.discriminator_b(g(a)) - 1).square().mean()
        + 0.5 * (model.discriminator_a(f(b)) - 1).square().mean(),
        "cycle": (f(g(a)) - a).abs().mean() + (g(f(b)) - b).abs().mean(),
        "identity": (g(b) - b).abs().mean() + (f(a) - a).abs().mean(),
    }
    assert {name: float(value.detach()) for name, value in terms.items()} == pytest.approx(
        {name: float(value.detach()) for name, value in expected.items()}, rel=1e-4
    )


def test_the_weights_give_the_papers_full_objective() -> None:
    """Equation 3, in which the adversarial term is not halved: 2 x 1/2, lambda 10, and half of it for the identity."""
    weights = make().phases()[0].weights
    assert weights == {"adversarial": 2.0, "cycle": 10.0, "identity": 5.0}
    weights = make(loss="hinge", cycle=4, identity=0.25).phases()[0].weights
    assert weights == {"adversarial": 1.0, "cycle": 4.0, "identity": 1.0}


def test_the_cycle_can_be_measured_in_squares() -> None:
    model, batch = make(cycle_loss="l2"), batch_of()
    g, f, a, b = model.generator_ab, model.generator_ba, batch.a, batch.b
    expected = (f(g(a)) - a).square().mean() + (g(f(b)) - b).square().mean()
    assert model.generator_loss(batch)["cycle"].item() == pytest.approx(float(expected.detach()), rel=1e-4)


class Counter:
    """How often a network is called, and with how many pictures."""

    def __init__(self, network: nn.Module) -> None:
        self.rows: list[int] = []
        network.register_forward_pre_hook(lambda _, given: self.rows.append(len(given[0])))


@pytest.mark.parametrize(("identity", "expected"), [(0.5, [6, 3]), (0, [3, 3])])
def test_a_step_takes_two_passes_through_each_generator(identity: float, expected: list[int]) -> None:
    model, batch = make(identity=identity), batch_of()
    counters = [Counter(model.generator_ab), Counter(model.generator_ba)]
    model.generator_loss(batch)
    model.discriminator_loss(batch)
    assert [counter.rows for counter in counters] == [expected, expected]


def test_no_pass_is_made_for_a_loss_that_weighs_nothing() -> None:
    model = make(cycle=0)
    counter = Counter(model.generator_ab)
    assert set(model.generator_loss(batch_of())) == {"adversarial"}
    assert counter.rows == [3]


def test_a_further_update_of_the_discriminators_makes_fakes_of_its_own_pictures() -> None:
    model, batch = make(pool=0), batch_of(step=4)
    model.discriminator_loss(batch)
    assert torch.allclose(batch.fake_b, model.generator_ab(batch.a), atol=1e-6)
    assert not batch.fake_b.requires_grad


def test_the_discriminators_see_the_pool_and_not_only_the_latest_fakes() -> None:
    model = make(pool=2)
    seen: list[Tensor] = []
    model.discriminator_a.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    shown, latest = [], []
    for step in range(6):
        batch = batch_of(1, step=step)
        model.discriminator_loss(batch)
        shown.append(seen[-1])
        latest.append(batch.fake_a)
    old = [not torch.equal(one, other) for one, other in zip(shown, latest, strict=True)]
    assert not any(old[:2])
    assert any(old)
    assert all(any(torch.equal(one, earlier) for earlier in latest[: i + 1]) for i, one in enumerate(shown))


def test_jitter_moves_the_pictures_of_a_step_once() -> None:
    model, batch = make(jitter=True), batch_of()
    before, phases = batch.a, model.phases()
    model.loss(phases[0], batch)
    moved = batch.a
    assert moved.shape == before.shape
    assert not torch.equal(moved, before)
    model.loss(phases[1], batch)
    assert batch.a is moved


# --- training ---------------------------------------------------------------------------------------------------------


def test_the_pools_are_saved_with_the_run_and_not_with_the_model(tiny_run: TinyRuns) -> None:
    tiny = tiny_run("cyclegan", steps=2)
    tiny.trainer.run()
    state = bits(tiny.run.folder)["model"]
    assert int(state["pool_a.seen"]) == int(state["pool_b.seen"]) == 8
    assert state["pool_a.pictures"][:8].abs().sum() > 0
    assert not any(name.startswith(("pool", "discriminator")) for name in tiny.trainer.ema.average)


def test_two_processes_keep_the_pool_and_the_weights_of_one(tmp_path: Path) -> None:
    driver = the_driver()
    # Adam turns rounding into steps of a whole learning rate where a gradient is nearly 0, hence the small one.
    settings = {"width": 4, "blocks": 1, "batch": 4, "samples": 4, "pool": 6, "lr": 1e-6, "log_every": 2}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    arguments = ("train", "cyclegan", "--data", "emoji-flat-3d", *words, "--precision", "fp32", "--steps", 5)
    assert driver.run(*arguments, "--run", "one", cwd=tmp_path).code == 0
    run_ranks(driver, 2, *arguments, "--run", "two", cwd=tmp_path)
    one, two = (bits(tmp_path / name)["model"] for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        assert torch.allclose(one[name].double(), two[name].double(), atol=1e-4), name
    lines = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("one", "two")]
    losses = [[value for name, value in line.items() if "/" in name] for line in lines]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_it_learns_to_translate(tiny_run: TinyRuns) -> None:
    """After a few steps pictures come back from the cycle much better than at first."""
    trainer = tiny_run("cyclegan", data="emoji-flat-3d", size=32, width=8, blocks=2, batch=8, lr=2e-3, steps=60).trainer
    errors = []
    for _ in range(60):
        batch = trainer.train_step()[0]
        with torch.no_grad():
            again = trainer.model.generate({"b": batch.fake_b.float()})
            errors.append(float((again - batch.a).abs().mean()))
    assert np.mean(errors[-5:]) < 0.6 * np.mean(errors[:5])


# --- what it is given -------------------------------------------------------------------------------------------------


def request(**given: Tensor) -> SampleRequest:
    return SampleRequest(count=2, noise=Noise(0, count=2), given=given)


def test_what_is_given_says_which_way_it_goes() -> None:
    model, pictures = make().eval(), torch.rand(2, 3, 32, 40) * 2 - 1
    for name, generator in (("a", model.generator_ab), ("b", model.generator_ba)):
        made = model.generate(model.inputs(request(**{name: pictures})))
        assert torch.equal(made, generator(pictures))
        assert made.shape == pictures.shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "domain a or of domain b, found neither"),
        ({"a": (2, 3, 32, 32), "b": (2, 3, 32, 32)}, "found both"),
        ({"a": (2, 1, 32, 32)}, "a: .* 3 channel"),
        ({"b": (2, 3, 30, 32)}, "b: .* found 30 x 32"),
        ({"b": (2, 3, 32, 4)}, "at least 8 px"),
    ],
)
def test_pictures_that_it_cannot_take_are_refused_in_one_line(given: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make().inputs(request(**{name: torch.zeros(shape) for name, shape in given.items()}))
    assert len(caught.value.lines) == 1


@pytest.mark.parametrize(("size", "nearest"), [(33, 32), (62, 64), (4, 8), (6, 8)])
def test_a_size_that_it_cannot_be_built_for_is_refused_with_one_that_it_can(size: int, nearest: int) -> None:
    with pytest.raises(UserError, match=f"--set size={nearest}"):
        make(size)


def test_domains_of_two_kinds_and_too_many_layers_are_refused() -> None:
    with pytest.raises(UserError, match="3 channels of 32 px in a and 1 of 32 px in b"):
        CycleGAN(Config(), spec(32, 3, other=(32, 1)))
    with pytest.raises(UserError, match="--set patch_layers=3"):
        make(32, patch_layers=4)
    make(32, patch_layers=3)
