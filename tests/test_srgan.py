"""SRGAN and ESRGAN: their networks, the warm-up, the perceptual loss, and what a setting refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TinyRuns
from proof import Bench, assert_same_run
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss, pixel_shuffle, prelu

from ganzoo.config import Layer, build
from ganzoo.data.base import DataRequest, DataSpec, Field
from ganzoo.engine.noise import Noise
from ganzoo.errors import UserError
from ganzoo.model import Batch
from ganzoo.registry import Registry
from ganzoo.runs import load_model, milestones
from ganzoo_srgan import networks, perceptual
from ganzoo_srgan.config import Config, Weights
from ganzoo_srgan.model import SRGAN

SMALL: Mapping[str, Any] = {"width": 8, "discriminator_width": 4, "blocks": 2, "growth": 4}


def settings(**values: Any) -> Config:
    built, _ = build(Config, [Layer("test", values)])
    return built


def spec(size: int = 32, scale: int = 4, channels: int = 3) -> DataSpec:
    fields = (
        Field(name="high", kind="image", channels=channels, size=size),
        Field(name="low", kind="image", channels=channels, size=size // scale),
    )
    return DataSpec(name="made-up", split="train", count=100, fields=fields)


def make(size: int = 32, scale: int = 4, channels: int = 3, **values: Any) -> SRGAN:
    torch.manual_seed(0)
    return SRGAN(settings(**{**SMALL, "scale": scale, **values}), spec(size, scale, channels))


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def batch(count: int = 2, size: int = 32, scale: int = 4) -> Batch:
    fields = {"high": pictures(count, 3, size, size), "low": pictures(count, 3, size // scale, size // scale, seed=1)}
    return Batch(fields, Noise(0, count=count), slice(0, count), step=0)


def kinds(module: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in module.modules() if not list(layer.children())]


# --- networks ---------------------------------------------------------------------------------------------------------


def test_the_generator_of_the_paper_has_the_layers_of_figure_4() -> None:
    with torch.device("meta"):
        generator = SRGAN(settings(), spec(96)).generator
    layers = [module for module in generator.modules() if isinstance(module, nn.Conv2d)]
    shapes = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in layers]
    assert shapes == [(3, 64, 9), *[(64, 64, 3)] * 33, (64, 256, 3), (64, 256, 3), (64, 3, 9)]
    block = generator.body[0]
    assert kinds(block) == ["Conv2d", "BatchNorm2d", "PReLU", "Conv2d", "BatchNorm2d"]
    assert kinds(generator.enlarge) == ["Conv2d", "PixelShuffle", "PReLU"] * 2


def test_the_discriminator_of_the_paper_has_the_layers_of_figure_4() -> None:
    with torch.device("meta"):
        discriminator = SRGAN(settings(), spec(96)).discriminator
    layers = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    assert [(layer.out_channels, layer.stride[0]) for layer in layers] == [
        (64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)
    ]  # fmt: skip
    dense = [module for module in discriminator.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [(512 * 6 * 6, 1024), (1024, 1)]
    assert kinds(discriminator).count("BatchNorm2d") == 7


def test_esrgan_has_23_dense_blocks_and_no_normalisation() -> None:
    with torch.device("meta"):
        model = SRGAN(settings(variant="esrgan"), spec(96))
    blocks = [module for module in model.generator.modules() if isinstance(module, networks.RRDB)]
    assert len(blocks) == 23
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.generator.modules())
    dense = blocks[0].layers[0]
    assert [(layer.in_channels, layer.out_channels) for layer in dense.layers] == [
        (64, 32), (96, 32), (128, 32), (160, 32), (192, 64)
    ]  # fmt: skip


def test_a_block_of_esrgan_adds_a_fifth_of_a_fifth_of_what_its_last_layers_say() -> None:
    block = networks.RRDB(8, 4)
    for dense in block.layers:
        nn.init.zeros_(dense.layers[-1].weight)
        nn.init.ones_(dense.layers[-1].bias)
    x = pictures(1, 8, 5, 5)
    # Three dense blocks add 0.2 each to x, of which, x added, a fifth is taken.
    assert torch.allclose(block(x), x + 0.2 * (x + 0.6), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_learned_slope_is_that_of_torch(dtype: torch.dtype) -> None:
    x = pictures(2, 3, 4, 5).to(dtype).requires_grad_(True)
    ours = networks.PReLU()
    weights = pictures(2, 3, 4, 5, seed=1).to(dtype)
    made = ours(x)
    found = torch.autograd.grad((made * weights).sum(), [x, ours.weight])
    expected = prelu(x.float(), ours.weight)
    wanted = torch.autograd.grad((expected * weights).sum(), [x, ours.weight])
    tolerance = 1e-6 if dtype is torch.float32 else 2e-2
    assert torch.allclose(made.float(), expected, atol=tolerance)
    assert all(torch.allclose(a.float(), b.float(), atol=tolerance) for a, b in zip(found, wanted, strict=True))


def test_the_shuffle_is_that_of_torch_with_the_channels_in_another_order() -> None:
    x = pictures(2, 12, 3, 4)
    ours = networks.PixelShuffle()(x)
    reordered = x.view(2, 4, 3, 3, 4).transpose(1, 2).reshape(2, 12, 3, 4)
    assert torch.equal(ours, pixel_shuffle(reordered, 2))


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("variant", ["srgan", "esrgan"])
def test_pictures_of_any_height_and_width_are_enlarged(variant: str, scale: int) -> None:
    model = make(scale=scale, variant=variant).eval()
    for height, width in ((8, 8), (5, 13), (1, 7)):
        made = model.generate({"low": pictures(1, 3, height, width)})
        assert made.shape == (1, 3, scale * height, scale * width)
        assert made.abs().max() <= 1


@pytest.mark.parametrize("skip", ["nearest", "bicubic"])
def test_with_a_skip_the_generator_begins_as_the_enlarged_input(skip: str) -> None:
    low = pictures(2, 3, 8, 8)
    made = make(skip=skip).eval().generator(low)
    assert (made - interpolate(low, scale_factor=4, mode=skip)).abs().max() < 0.1


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("variant", "blocks"), [("srgan", 1), ("srgan", 4), ("esrgan", 1)])
def test_a_pixel_reaches_as_far_as_it_says_and_no_further(variant: str, blocks: int, scale: int) -> None:
    model = make(scale=scale, variant=variant, blocks=blocks).eval()
    for parameter in model.generator.parameters():
        parameter.data.abs_().add_(0.01)  # so that no two paths cancel
    reach = model.reach
    assert reach is not None
    centre = reach + 2
    low = torch.rand(1, 3, 1, 2 * centre + 1, requires_grad=True)
    large = model.generator(low)[..., scale * centre : scale * (centre + 1)]
    (slopes,) = torch.autograd.grad(large.sum(), low)
    felt = slopes.abs().sum(1)[0, 0].nonzero().flatten().tolist()
    assert (min(felt), max(felt)) == (centre - reach, centre + reach)


@pytest.mark.parametrize("variant", ["srgan", "esrgan"])
def test_a_part_with_its_surroundings_gives_that_part_of_the_whole(variant: str) -> None:
    model = make(variant=variant, blocks=1, skip="bicubic").eval()
    reach = model.reach
    assert reach is not None
    low = pictures(1, 3, 12, 4 * reach)
    with torch.inference_mode():
        whole = model.generate({"low": low})
        part = model.generate({"low": low[..., : 3 * reach]})
    assert (whole[..., : 8 * reach] - part[..., : 8 * reach]).abs().max() < 1e-5


# --- phases and losses ------------------------------------------------------------------------------------------------


def test_the_warm_up_ends_where_the_game_begins() -> None:
    phases = {phase.name: phase for phase in make(pixel_steps=30, perceptual="none", r1=1).phases()}
    assert {name: (phase.start, phase.stop) for name, phase in phases.items()} == {
        "warmup": (0, 30),
        "generator": (30, None),
        "discriminator": (30, None),
        "penalty": (30, None),
    }
    assert phases["warmup"].trains == ("generator",)
    assert [phase.name for phase in make(pixel_steps=0, perceptual="none").phases()] == ["generator", "discriminator"]


def test_the_warm_up_takes_the_squared_error_and_esrgan_the_absolute() -> None:
    for variant, power in (("srgan", 2), ("esrgan", 1)):
        model, rows = make(variant=variant).eval(), batch()
        error = (model.generator(rows.low) - rows.high).abs() ** power
        assert model.warmup_loss(rows)["pixel"].item() == pytest.approx(error.mean().item())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"perceptual": "vgg54"}, Weights(pixel=0, perceptual=1, adversarial=1e-3)),
        ({"perceptual": "vgg54", "variant": "esrgan"}, Weights(pixel=1e-2, perceptual=1, adversarial=5e-3)),
        ({"perceptual": "none"}, Weights(pixel=1, perceptual=0, adversarial=1e-3)),
        ({}, Weights(pixel=1, perceptual=0.03, adversarial=3e-3)),
        ({"pixel_weight": 0, "adversarial_weight": 0.25}, Weights(pixel=0, perceptual=0.03, adversarial=0.25)),
    ],
)
def test_the_terms_weigh_what_the_papers_say_or_the_settings(values: dict[str, Any], expected: Weights) -> None:
    assert settings(**values).weights == expected
    model = make(**{**values, "perceptual": "none"})
    weights = next(phase.weights for phase in model.phases() if phase.name == "generator")
    assert set(weights) >= set(model.generator_loss(batch()))


def test_the_perceptual_loss_sees_all_but_the_margin_from_another_place_each_step() -> None:
    model = make(perceptual_margin=8)
    places = set()
    for step in range(200):
        rows = Batch({"high": torch.empty(1, 3, 32, 32)}, Noise(0, count=1), slice(0, 1), step)
        down, right = model._part(rows)[2:]
        assert down.stop - down.start == right.stop - right.start == 24
        places.add((down.start, right.start))
    assert {down for down, _ in places} == {right for _, right in places} == set(range(9))
    with pytest.raises(UserError, match="perceptual_margin: 32 px leave nothing of patches of 32 px"):
        make(perceptual_margin=32)


def test_esrgan_compares_each_output_with_its_own_truth_unless_told_otherwise() -> None:
    assert settings().judged.loss == "non-saturating"
    assert settings(variant="esrgan").judged.loss == "relativistic"
    assert settings(variant="esrgan", loss="hinge").judged.loss == "hinge"
    assert make(variant="esrgan").judge.objective.compares


def test_the_perceptual_network_is_frozen_and_belongs_to_training_alone(tiny_run: TinyRuns) -> None:
    tiny = tiny_run("srgan")
    trainer = tiny.trainer
    before = {name: value.clone() for name, value in trainer.networks["perceptual"].state_dict().items()}
    trainer.run()
    assert all(torch.equal(value, before[name]) for name, value in trainer.networks["perceptual"].state_dict().items())
    assert not trainer.networks["perceptual"].training
    assert not any(name.startswith("perceptual") for name in trainer.state()["model"])
    model = load_model(tiny.run.folder)
    assert {key.partition(".")[0] for key in model.state_dict()} == {"generator", "discriminator"}
    assert "perceptual" not in dict(model.named_children())
    assert milestones(tiny.run.folder) == ["warmup"]


@pytest.mark.parametrize(
    "values",
    [
        {"variant": "esrgan", "growth": 4, "perceptual": "none"},
        {"skip": "bicubic", "perceptual": "squeezenet", "perceptual_margin": 8},
    ],
    ids=["esrgan", "skip, margin"],
)
def test_a_run_that_stops_in_its_warm_up_and_after_it_ends_at_the_same_bits(
    values: dict[str, Any], registry: Registry, tmp_path: Path
) -> None:
    bench = Bench(registry, tmp_path)
    job = bench.job("srgan", steps=5, precision="bf16", **values)
    assert_same_run(bench.train(job), bench.train(job, stops=[1, 3]))


def test_any_feature_network_with_stages_will_do(tiny_run: TinyRuns) -> None:
    trainer = tiny_run("srgan", perceptual="squeezenet", pixel_steps=0).trainer
    trainer.train_step()
    assert float(trainer._sums["generator/perceptual"]) > 0


@pytest.mark.parametrize("name", ["efflite0", "squeezenet"])
def test_the_perceptual_loss_is_0_at_the_truth_and_pulls_towards_it(name: str) -> None:
    loss = perceptual.load(name, torch.device("cpu"), esrgan=False)
    truth = pictures(2, 3, 24, 24)  # below the 32 pixels that the networks want
    assert float(loss(truth, truth)) == 0
    start = (truth + 0.3 * pictures(2, 3, 24, 24, seed=1)).requires_grad_(True)
    before = loss(start, truth)
    (slope,) = torch.autograd.grad(before, start)
    assert loss((start - 0.02 * slope / slope.square().mean().sqrt()).detach(), truth) < before
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_the_perceptual_loss_is_the_distance_that_evaluations_measure() -> None:
    from ganzoo_evaluation.perceptual import embedded_distance

    a, b = pictures(3, 3, 64, 64), pictures(3, 3, 64, 64, seed=1)
    loss = perceptual.load("efflite0", torch.device("cpu"), esrgan=False)
    assert float(loss(a, b)) == pytest.approx(float(embedded_distance()(a, b).mean()), rel=1e-5)


# --- the papers' own network ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linear", [False, True])
def test_vgg54_is_what_torchvision_has_up_to_the_last_convolution(linear: bool) -> None:
    from torchvision.models import vgg

    torch.manual_seed(0)
    reference = vgg.make_layers(vgg.cfgs["E"])
    ours = perceptual.Vgg54(linear=linear)
    ours.features.load_state_dict(reference.state_dict())
    batch = pictures(1, 3, 32, 32)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((batch + 1) / 2 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    expected = reference[: 35 if linear else 36](normalised)
    assert torch.allclose(ours(batch)[0], expected, atol=1e-5)


def test_the_papers_distance_is_an_error_of_rescaled_features() -> None:
    stages = perceptual.Vgg54(linear=False)
    a, b = pictures(1, 3, 32, 32), pictures(1, 3, 32, 32, seed=1)
    features = [stages(x)[0] / 12.75 for x in (a, b)]
    squared, absolute = (perceptual.PerceptualVgg(stages, absolute=absolute)(a, b) for absolute in (False, True))
    assert squared.item() == pytest.approx(mse_loss(*features).item())
    assert absolute.item() == pytest.approx((features[0] - features[1]).abs().mean().item())


def test_weights_that_are_not_torchvisions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    path = tmp_path / "weights" / perceptual.FILE
    path.parent.mkdir()
    path.write_bytes(b"something else")
    found = hashlib.sha256(b"something else").hexdigest()[:8]
    with pytest.raises(UserError, match=rf"{found}\.\.\., expected dcbb9e9d"):
        perceptual.load("vgg54", torch.device("cpu"), esrgan=False)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_data_are_asked_for_the_scale() -> None:
    assert settings(scale=2).wants(DataRequest()).scale == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"perceptual": "eflite0"}, "perceptual: eflite0: no such network.*did you mean.*efflite0.*vgg54, none"),
        ({"perceptual": "inception-2015"}, "perceptual: inception-2015: has no stages to look through"),
        ({"scale": 3}, "scale: 3 is not one of 2, 4"),
        ({"loss": "wasserstein", "discriminator_norm": "batch"}, "discriminator_norm"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        settings(**values)
    assert len(refused.value.lines) == 1


def test_data_of_another_scale_are_refused() -> None:
    with pytest.raises(UserError, match=r"8 and 32 px do not differ by scale=2"):
        SRGAN(settings(scale=2), spec(32, 4))


def test_no_picture_no_answer() -> None:
    from ganzoo.model import SampleRequest

    with pytest.raises(UserError, match="--input"):
        make().inputs(SampleRequest(count=1, noise=Noise(0, count=1)))
