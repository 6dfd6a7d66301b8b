"""StyleGAN: styles, noise and latents in closed form, its lazy phases, and what its settings mean."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TinyRuns
from forks import Driver, the_driver
from test_processes import moved, run_ranks
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.cards import resolve
from ganzoo.config import Layer, build
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.errors import UserError
from ganzoo.model import Adam, Batch, SampleRequest
from ganzoo.nn.equalised import EqualisedLinear
from ganzoo.nn.resample import upsample
from ganzoo.runs import build_model
from ganzoo_stylegan import ganzoo_architectures
from ganzoo_stylegan.config import Channels, Config
from ganzoo_stylegan.model import StyleGAN, crossovers, lazily, mixed, path_lengths
from ganzoo_stylegan.networks import (
    AdaINConv,
    Discriminator,
    Mapping,
    RunningMean,
    StyledConv,
    Synthesis,
    resolutions,
)

(CARD,) = ganzoo_architectures()
VARIANTS = ("stylegan2", "stylegan1")
STRUCTURES = ("plain", "skip", "residual")


def spec(size: int = 16, channels: int = 3, classes: int = 0) -> DataSpec:
    fields = [Field(name="image", kind="image", channels=channels, size=size)]
    if classes:
        fields.append(Field(name="label", kind="label", classes=tuple(f"class-{i}" for i in range(classes))))
    return DataSpec(name="made-up", split="train", count=100, fields=tuple(fields))


def settings(size: int = 16, **values: Any) -> Config:
    built, _ = build(resolve(CARD.config), [Layer("test", {**CARD.tiny, **values, "size": size})])
    assert isinstance(built, Config)
    return built


def make(data: DataSpec | None = None, **values: Any) -> Any:
    data = data or spec()
    seed_globals(0, "weights")
    return build_model(CARD, settings(data.size, **values), data)


def inputs_of(model: StyleGAN, count: int = 4, truncation: float | None = None, **given: Tensor) -> dict[str, Any]:
    request = SampleRequest(count=count, noise=Noise(0, count=count), given=given, truncation=truncation)
    return model.inputs(request)


def batch_of(model: Any, size: int = 8, step: int = 0) -> Batch:
    noise, data = Noise(0, "step", step, count=size), model.data
    fields: dict[str, Any] = {"image": noise.rand(data.channels, data.size, data.size, stream="pictures") * 2 - 1}
    if data.classes:
        fields["label"] = torch.arange(size) % len(data.classes)
    return Batch(fields, noise, slice(0, size), step)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def double() -> Iterator[None]:
    """Everything new is float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_of_styles", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("up", [False, True])
def test_demodulated_activations_have_the_same_size_whatever_the_style(up: bool, size_of_styles: float) -> None:
    seed_globals(0)
    layer = StyledConv(48, 64, 8, up=up)
    with torch.no_grad():
        for parameter in layer.affine.parameters():
            parameter.mul_(size_of_styles)
        shown = layer(torch.randn(8, 48, 24, 24), torch.randn(8, 8))[:, :, 4:-4, 4:-4]
    # A leaky ReLU of slope 0.2 and gain sqrt(2) gives a unit normal the mean square 1 + 0.04; a low-pass filter takes
    # away the high half of what an enlargement lets through.
    power = float(shown.square().mean())
    assert 0.3 < power < 1.1 if up else power == pytest.approx(1.04, rel=0.1)


def test_adain_gives_each_map_the_mean_and_the_deviation_that_the_style_says() -> None:
    seed_globals(0)
    layer = AdaINConv(3, 5, 8)
    w = torch.randn(4, 8)
    with torch.no_grad():
        made = layer(torch.randn(4, 3, 32, 32) * 7 + 2, w)
        scale, shift = layer.affine(w).chunk(2, 1)
    torch.testing.assert_close(made.mean((2, 3)), shift, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(made.std((2, 3), correction=0), (1 + scale).abs(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("adain", [False, True])
def test_signals_keep_their_size_through_networks_that_have_not_learned(adain: bool, structure: Any) -> None:
    seed_globals(0)
    widths, seen = Channels(1024, 64), []
    synthesis = Synthesis(64, 3, 16, widths, structure, adain=adain)
    discriminator = Discriminator(64, 3, widths, structure)
    discriminator.last.register_forward_hook(lambda module, given, made: seen.append(made))
    with torch.no_grad():
        pictures = synthesis(torch.randn(32, 16), torch.randn(32, synthesis.noises))
        discriminator(interpolate(torch.randn(32, 3, 4, 4), (64, 64), mode="bicubic"))
    assert 0.3 < float(pictures.std()) < 4
    assert 0.3 < float(seen[0].square().mean().sqrt()) < 3


def test_maps_begin_at_4_to_7_pixels_and_double() -> None:
    assert [resolutions(size) for size in (8, 28, 48)] == [[4, 8], [7, 14, 28], [6, 12, 24, 48]]
    assert all(resolutions(size)[-1] == size for size in CARD.sizes)
    with pytest.raises(ValueError, match="33 is not"):
        resolutions(33)


def test_channels_are_those_of_the_papers() -> None:
    large, small = (Config().channels(size) for size in (1024, 256))
    assert [large(size) for size in (4, 64, 128, 1024)] == [512, 512, 256, 32]
    assert [small(size) for size in (4, 32, 64, 256)] == [512, 512, 256, 64]
    assert settings(width=40, base=512).channels(32)(32) == 16
    assert Channels(64, 8)(1024) == 1


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3)])
def test_pictures_and_verdicts_have_their_shapes(size: int, channels: int, variant: str, structure: str) -> None:
    values = {"variant": variant, "generator": structure, "discriminator": structure}
    model = make(spec(size, channels, 3), **values)
    inputs = inputs_of(model)
    assert model.generate(inputs).shape == (4, channels, size, size)
    assert model.discriminator(torch.rand(4, channels, size, size), inputs["label"]).shape == (4,)
    w = model.intermediate(inputs)
    assert w.shape == (4, 8)
    weights = model.affine()
    assert len(weights) == model.synthesis.styles == 2 * len(resolutions(size))
    assert {weight.shape[1] for weight in weights} == {8}


def test_a_size_that_cannot_be_built_is_said_in_a_line() -> None:
    with pytest.raises(UserError, match=r"stylegan is built for pictures of 8, .* found 33 px .*--set size=32"):
        make(spec(33))


def test_the_variants_have_the_structures_of_their_papers() -> None:
    assert settings().structures == ("skip", "residual")
    assert settings(variant="stylegan1").structures == ("plain", "plain")
    assert settings(variant="stylegan1", discriminator="skip").structures == ("plain", "skip")


def test_with_output_skips_every_resolution_adds_to_the_picture() -> None:
    model = make(spec(16), generator="skip")
    synthesis, inputs = model.synthesis, inputs_of(model)
    small = make(spec(8), generator="skip").synthesis
    state = {key: value for key, value in synthesis.state_dict().items() if key in small.state_dict()}
    small.load_state_dict(state)
    with torch.no_grad():
        synthesis.pictures[-1].weight.zero_()
        made = synthesis(model.intermediate(inputs))
        expected = upsample(small(model.intermediate(inputs)), synthesis.taps)
    torch.testing.assert_close(made, expected)


# --- noise ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_noise_the_latent_alone_decides(variant: str) -> None:
    model = make(variant=variant, noise=False)
    assert not [name for name, _ in model.named_parameters() if "strength" in name]
    inputs, others = inputs_of(model), model.inputs(SampleRequest(count=4, noise=Noise(1, count=4)))
    assert set(inputs) == {"z"}
    assert torch.equal(model.generate({**others, "z": inputs["z"]}), model.generate(inputs))
    assert all(torch.isfinite(loss) for loss in model.path_loss(batch_of(model)).values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_noise_has_no_strength_at_first_and_then_moves_the_picture_layer_by_layer(variant: str) -> None:
    model = make(variant=variant)
    inputs = inputs_of(model)
    quiet = {name: value for name, value in inputs.items() if name != "noise"}
    torch.testing.assert_close(model.generate(inputs), model.generate(quiet), rtol=0, atol=0)
    with torch.no_grad():
        for layer in model.synthesis.layers:
            layer.strength.fill_(0.5)
    offset = 0
    for size in model.synthesis.sizes:
        one = torch.zeros_like(inputs["noise"])
        one[:, offset : offset + size**2] = inputs["noise"][:, offset : offset + size**2]
        assert not torch.equal(model.generate({**quiet, "noise": one}), model.generate(quiet))
        offset += size**2
    assert offset == inputs["noise"].shape[1] == model.synthesis.noises


# --- the intermediate latent ------------------------------------------------------------------------------------------


def test_the_tracked_mean_of_w_comes_to_its_closed_form() -> None:
    """One layer, whose inputs are uniform on a sphere: the mean of |x| of a coordinate of a unit vector is known."""
    seed_globals(0)
    d = 16
    mapping = Mapping(d, depth=1)
    z = torch.randn(400, 512, d, generator=generator())
    with torch.no_grad():
        for rows in z:
            mapping.average.update(mapping(rows))
    (weight,) = (layer.weight for layer in mapping.layers if isinstance(layer, EqualisedLinear))
    mean = (0.01 * weight).norm(dim=1) * math.gamma(d / 2) / (math.sqrt(math.pi) * math.gamma((d + 1) / 2))
    expected = math.sqrt(2) * (1 - 0.2) / 2 * mean
    torch.testing.assert_close(mapping.average.mean, expected.detach(), atol=0.02, rtol=0)


def test_a_running_mean_is_that_of_all_rows_until_it_begins_to_forget() -> None:
    mean, values = RunningMean((), 0.9), torch.arange(30.0).square()
    for count, value in enumerate(values, 1):
        found = mean.update(value.view(1))
        if count <= 10:
            assert float(found) == pytest.approx(float(values[:count].mean()))
            expected = float(found)
        else:
            expected = 0.9 * expected + 0.1 * float(value)
            assert float(found) == pytest.approx(expected)


def tracked(**values: Any) -> Any:
    """A model whose mean of w is known."""
    model = make(**values)
    with torch.no_grad():
        model.mapping.average.update(model.mapping(torch.randn(500, 8, generator=generator())))
    return model


def test_psi_0_gives_one_picture_whatever_z_is_but_for_the_noise() -> None:
    model = tracked()
    inputs = inputs_of(model)
    pictures = model.generate({**inputs, "psi": torch.zeros(4)})
    torch.testing.assert_close(pictures, pictures[:1].expand_as(pictures))
    with torch.no_grad():
        model.synthesis.layers[0].strength.fill_(1.0)
    noisy = model.generate({**inputs, "psi": torch.zeros(4)})
    assert not torch.allclose(noisy[0], noisy[1])


def test_psi_1_changes_nothing_and_what_lies_between_is_on_the_way_to_the_mean() -> None:
    model = tracked()
    plain = inputs_of(model)
    assert "psi" not in plain
    torch.testing.assert_close(model.generate(inputs_of(model, truncation=1.0)), model.generate(plain))
    half = inputs_of(model, truncation=0.5)
    torch.testing.assert_close(half["z"], plain["z"])
    expected = (model.mapping.average.mean + model.intermediate(plain)) / 2
    torch.testing.assert_close(model.intermediate(half), expected)


@pytest.mark.parametrize("truncation", [None, 0.3])
def test_w_takes_the_place_of_z_and_is_not_truncated_again(truncation: float | None) -> None:
    model = tracked()
    inputs = inputs_of(model, truncation=truncation)
    w = model.intermediate(inputs)
    expected = model.generate(inputs)
    elsewhere = {**inputs, "z": torch.randn(4, 8), "w": w}
    torch.testing.assert_close(model.generate(elsewhere), expected)
    torch.testing.assert_close(model.generate({"w": w, "noise": inputs["noise"]}), expected)
    each = w[:, None].repeat(1, model.synthesis.styles, 1)
    torch.testing.assert_close(model.generate({**inputs, "w": each}), expected)


@pytest.mark.parametrize("structure", ["plain", "residual"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_each_style_is_read_through_the_weight_that_affine_gives_and_no_other(variant: str, structure: str) -> None:
    model = make(variant=variant, generator=structure, latent=24)
    w = model.intermediate(inputs_of(model))[:, None].repeat(1, model.synthesis.styles, 1)
    before = model.generate({"w": w})
    for style, weight in enumerate(model.affine()):
        _, values, directions = torch.linalg.svd(weight.detach())
        assert len(values) < 24
        for seen, direction in ((True, directions[0]), (False, directions[-1])):
            other = w.clone()
            other[:, style] += 3 * direction
            assert torch.allclose(model.generate({"w": other}), before, atol=1e-4) is not seen, (style, seen)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_pictures_go_through_tanh_where_that_is_asked_for(structure: str) -> None:
    bounded, linear = (make(generator=structure, output=output) for output in ("tanh", "linear"))
    linear.load_state_dict(bounded.state_dict())
    w = 3 * bounded.intermediate(inputs_of(bounded))
    torch.testing.assert_close(bounded.synthesis(w), linear.synthesis(w).tanh())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_start_at_the_latent_adds_a_map_of_the_first_style_to_the_constant(variant: str) -> None:
    model, plain = (make(variant=variant, start=start) for start in ("latent", "constant"))
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "synthesis.move" not in k})
    w = model.intermediate(inputs_of(model))
    for point in w.split(1):
        matrix = model.synthesis.move.weight / math.sqrt(w.shape[1])
        plain.synthesis.constant.data = model.synthesis.constant + (point @ matrix.T).view_as(plain.synthesis.constant)
        torch.testing.assert_close(model.generate({"w": point}), plain.generate({"w": point}))
    first, *others = model.affine()
    assert torch.equal(first, torch.cat([plain.affine()[0], model.synthesis.move.weight]))
    assert all(torch.equal(one, other) for one, other in zip(others, plain.affine()[1:], strict=True))


# --- style mixing -----------------------------------------------------------------------------------------------------


def test_styles_cross_over_at_the_layer_that_is_drawn() -> None:
    w, other = torch.zeros(4, 3), torch.ones(4, 3)
    made = mixed(w, other, torch.tensor([1, 3, 5, 6]), 6)
    assert made.shape == (4, 6, 3)
    assert made[:, :, 0].tolist() == [[0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1], [0] * 6]


def test_crossovers_are_uniform_over_the_layers_in_the_share_that_is_mixed() -> None:
    found = crossovers(torch.rand(40_000, 2, generator=generator()), 0.9, 8)
    shares = torch.bincount(found, minlength=9) / len(found)
    assert shares[0] == 0
    torch.testing.assert_close(shares[1:8], torch.full((7,), 0.9 / 7), atol=0.006, rtol=0)
    assert float(shares[8]) == pytest.approx(0.1, abs=0.006)
    edges = torch.tensor([[0.0, 0.0], [0.0, 0.9999999], [0.9, 0.5]])
    assert crossovers(edges, 0.9, 8).tolist() == [1, 7, 8]


def test_fakes_carry_the_styles_that_were_drawn() -> None:
    model = make(mixing=0.5)
    batch = batch_of(model, 16)
    model.generator_loss(batch)
    w, other = (model.mapping(batch.randn(8, stream=stream)) for stream in ("z", "z-mixing"))
    crossover = crossovers(batch.rand(2, stream="mixing"), 0.5, model.synthesis.styles)
    assert 0 < int((crossover < model.synthesis.styles).sum()) < 16
    for row, place in enumerate(crossover.tolist()):
        styles = torch.cat([w[row].expand(place, -1), other[row].expand(model.synthesis.styles - place, -1)])
        torch.testing.assert_close(model.synthesis(styles[None])[0], batch.fake[row], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.mapping.average.mean, w.mean(0).detach())


# --- path-length regularisation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_path_lengths_are_those_of_the_explicit_jacobian(variant: str, double: None) -> None:
    model = make(spec(8), variant=variant).double()
    w = torch.randn(3, 8, generator=generator(), requires_grad=True)
    noise = torch.randn(3, model.synthesis.noises, generator=generator(1))
    direction = torch.randn(3, 3, 8, 8, generator=generator(2))
    found = path_lengths(lambda point: model.synthesis(point, noise), w, direction)
    for row in range(3):

        def one(point: Tensor, row: int = row) -> Tensor:
            picture: Tensor = model.synthesis(point[None], noise[row : row + 1])
            return picture.flatten()

        jacobian = torch.autograd.functional.jacobian(one, w[row].detach())
        assert jacobian.shape == (3 * 8 * 8, 8)
        expected = (jacobian.T @ direction[row].flatten()).norm()
        assert float(found[row].detach()) == pytest.approx(float(expected), rel=1e-9)


def test_the_term_of_the_phase_and_its_gradient_are_those_of_finite_differences(double: None) -> None:
    model = make(spec(8), path_share=2).double()
    with torch.no_grad():
        for layer in model.synthesis.layers:
            layer.strength.fill_(0.1)
        model.path_length.mean.fill_(0.2)
        model.path_length.updates.fill_(1000)  # far into a run, where the mean hardly moves

    def term() -> Tensor:
        state = [buffer.clone() for buffer in model.path_length.buffers()]
        made = model.path_loss(batch_of(model))["path_length"]
        model.path_length.mean, model.path_length.updates = state
        return made

    batch = batch_of(model)
    w = model.mapping(batch.randn(8, stream="path-z")[::2].double())
    noise = batch.randn(model.synthesis.noises, stream="path-noise")[::2].double()
    direction = batch.randn(3, 8, 8, stream="path-direction")[::2].double() / 8
    lengths = path_lengths(lambda point: model.synthesis(point, noise), w, direction).detach()
    mean = 0.99 * 0.2 + 0.01 * lengths.mean()
    assert len(lengths) == 4
    torch.testing.assert_close(term(), (lengths - mean).square().mean())
    model.zero_grad()
    term().backward()
    parameters = dict(model.named_parameters())
    for name in ("mapping.layers.0.weight", "synthesis.constant", "synthesis.layers.1.weight"):
        values, gradient = parameters[name].data.view(-1), parameters[name].grad
        assert gradient is not None
        step = 1e-4 * float(values[0].abs())
        before = float(values[0])
        values[0] = before + step
        above = float(term().detach())
        values[0] = before - step
        below = float(term().detach())
        values[0] = before
        # The mean takes part in what it is compared with, by a hundredth, and no gradient flows through it.
        assert float(gradient.view(-1)[0]) == pytest.approx((above - below) / (2 * step), rel=0.03, abs=1e-9)


def test_lazy_phases_are_weighed_by_how_rare_they_are() -> None:
    phases = {phase.name: phase for phase in make(spec(32), penalty_every=16, path_every=8, batch=32).phases()}
    assert list(phases) == ["generator", "path", "discriminator", "penalty"]
    assert phases["path"].weights == {"path_length": pytest.approx(8 * math.log(2) / (math.log(32) - math.log(2)))}
    assert (phases["path"].every, phases["penalty"].every) == (8, 16)
    assert phases["penalty"].weights["r1"] == pytest.approx(16 * 0.0002 * 32 * 32 / 32)
    assert phases["path"].trains == phases["generator"].trains == ("mapping", "synthesis")
    assert [phase.name for phase in make(path_length=0, r1_auto=0).phases()] == ["generator", "discriminator"]


def test_r1_follows_from_size_and_batch_unless_it_is_said() -> None:
    assert settings(batch=32).resolved(spec(256)).r1 == pytest.approx(0.0002 * 256**2 / 32)
    assert settings(r1=3).resolved(spec(256)).r1 == 3
    assert settings(loss="wasserstein").resolved(spec(256)).r1 == 0


@pytest.mark.parametrize(("count", "flip", "adaptive"), [(99, False, True), (100, False, False), (50, True, False)])
def test_augmentation_is_for_sets_of_few_pictures(count: int, flip: bool, adaptive: bool) -> None:
    model = StyleGAN(settings(ada="blit", ada_below=100, flip=flip), replace(spec(16), count=count))
    assert (model.judge.augment is not None) == adaptive
    (phase,) = (phase for phase in model.phases() if phase.name == "discriminator")
    assert ("ada_probability" in phase.weights) == adaptive


def test_the_learning_rate_and_the_decays_make_up_for_the_updates_of_lazy_phases() -> None:
    values: dict[str, Any] = {"lr": 0.002, "beta1": 0.5, "beta2": 0.99, "penalty_every": 16, "path_every": 4}
    model = make(**values)
    expected = {"discriminator": 16 / 17, "mapping": 4 / 5, "synthesis": 4 / 5}
    for network, share in expected.items():
        how = model.optimizer(network)
        assert (how.lr, how.beta1, how.beta2) == pytest.approx((0.002 * share, 0.5**share, 0.99**share))
    assert make(**values, lr_discriminator=0.1).optimizer("discriminator").lr == pytest.approx(0.1 * 16 / 17)
    without = make(**values, path_length=0, r1_auto=0)
    assert {without.optimizer(network).lr for network in expected} == {0.002}
    assert lazily(Adam(lr=1, beta1=0.0), 1) == Adam(lr=0.5, beta1=0.0, beta2=math.sqrt(0.999))


# --- labels -----------------------------------------------------------------------------------------------------------


def test_the_label_enters_where_there_are_several_classes_unless_it_is_said() -> None:
    assert make(spec(classes=3)).takes == ("label",)
    assert make(spec(classes=1)).takes == make(spec()).takes == make(spec(classes=3), conditional="off").takes == ()
    assert make(spec(classes=1), conditional="on").takes == ("label",)
    with pytest.raises(UserError, match="conditional=on: made-up has no labels"):
        make(spec(), conditional="on")


def test_classes_are_picked_or_run_through_in_turn_and_change_the_picture() -> None:
    model = make(spec(classes=3))
    assert inputs_of(model)["label"].tolist() == [0, 1, 2, 0]
    picked = inputs_of(model, label=torch.full((4,), 2))
    assert picked["label"].tolist() == [2] * 4
    other = {**picked, "label": torch.tensor([2, 2, 2, 1])}
    same, different = (model.generate(which) for which in (picked, other))
    torch.testing.assert_close(same[:3], different[:3])
    assert not torch.allclose(same[3], different[3])


def test_the_verdict_differs_between_classes_by_the_projection_on_their_vectors() -> None:
    model = make(spec(classes=3))
    discriminator, pictures = model.discriminator, torch.rand(4, 3, 16, 16, generator=generator())
    seen: list[Tensor] = []
    discriminator.last.register_forward_hook(lambda module, given, made: seen.append(made))
    zeros, twos = (discriminator(pictures, torch.full((4,), label)) for label in (0, 2))
    vectors = discriminator.project[0]
    expected = seen[0] @ (vectors[2] - vectors[0]) / math.sqrt(seen[0].shape[1])
    torch.testing.assert_close(twos - zeros, expected)


@pytest.mark.parametrize("classes", [0, 3])
def test_an_encoder_after_the_discriminator_looks_at_each_picture_by_itself(classes: int) -> None:
    model = make(spec(classes=classes))
    encoder = model.mirror(6)
    theirs = {name: value.shape for name, value in model.discriminator.named_parameters()}
    ours = {name: value.shape for name, value in encoder.named_parameters()}
    assert [name for name in theirs if theirs[name] != ours[name]] == [
        *(["project"] if classes else []),
        "out.weight",
        "out.bias",
    ]
    pictures, label = torch.rand(4, 3, 16, 16), torch.arange(4) % max(classes, 1)
    given = (label,) if classes else ()
    whole = encoder(pictures, *given)
    assert whole.shape == (4, 6)
    torch.testing.assert_close(whole[1:2], encoder(pictures[1:2], *(each[1:2] for each in given)))


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("classes", [0, 3])
def test_every_weight_learns(variant: str, structure: str, classes: int) -> None:
    model = make(spec(classes=classes), variant=variant, generator=structure, discriminator=structure)
    batch = batch_of(model)
    model.generator_loss(batch)["adversarial"].backward()
    without = [name for name, p in model.named_parameters() if not name.startswith("disc") and not _learns(p)]
    model.discriminator_loss(batch)["adversarial"].backward()
    without += [name for name, p in model.discriminator.named_parameters() if not _learns(p)]
    assert without == []


def _learns(parameter: Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)


def test_the_discriminator_is_shown_the_fakes_of_the_generators_phase() -> None:
    model, seen = make(), []
    batch = batch_of(model)
    model.generator_loss(batch)
    model.synthesis.register_forward_hook(lambda module, given, made: seen.append(made))
    model.discriminator_loss(batch)
    assert seen == []


@pytest.fixture
def driver() -> Driver:
    return the_driver()


def test_two_processes_train_what_one_trains_with_the_whole_batch(driver: Driver, tmp_path: Path) -> None:
    """With both lazy phases, the means that are carried along, and groups of pictures whose spread is looked at."""
    settings = {**CARD.tiny, "log_every": 1, "eval_every": 0, "path_length": 1, "mixing": 0.9}
    pairs = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = ("train", "stylegan", "--data", "emoji-flat", "--precision", "fp32", *pairs)
    assert driver.run(*words, "--steps", 1, "--run", "begun", cwd=tmp_path).code == 0
    assert driver.run(*words, "--steps", 7, "--run", "one", cwd=tmp_path).code == 0
    run_ranks(driver, 2, *words, "--steps", 7, "--run", "two", cwd=tmp_path)
    assert moved(tmp_path / "two", tmp_path / "one", tmp_path / "begun") < 1e-2
    lines = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("one", "two")]
    losses = [{name: value for name, value in line.items() if "/" in name} for line in lines]
    assert {name.split("/")[0] for name in losses[0]} == {"generator", "path", "discriminator", "penalty"}
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_a_short_training_makes_the_pictures_more_like_the_data(tiny_run: TinyRuns) -> None:
    trainer = tiny_run("stylegan", data="emoji-flat", width=16, batch=16, steps=40, path_every=8, lr=5e-3).trainer
    real = trainer.feed.draw(0, Noise(0, count=16))["image"]

    def off() -> float:
        return float((trainer.sample(64)[0].mean(0) - real.mean(0)).square().mean())

    before = off()
    trainer.run()
    assert off() < 0.5 * before
