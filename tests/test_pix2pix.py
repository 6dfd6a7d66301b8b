"""pix2pix: the networks of the paper's appendix, dropout as noise, losses, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from conftest import TinyRuns
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from ganzoo.config import Layer, build
from ganzoo.data.base import DataRequest, DataSpec, Field
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.errors import UserError
from ganzoo.model import Batch, SampleRequest
from ganzoo.nn.layers import patch_halvings
from ganzoo.sampling import answers
from ganzoo_pix2pix.config import Config
from ganzoo_pix2pix.model import PatchDiscriminator, Pix2Pix, UNet, halvings


def spec(size: int = 32, source: int = 3, target: int = 3) -> DataSpec:
    fields = (
        Field(name="source", kind="image", channels=source, size=size),
        Field(name="target", kind="image", channels=target, size=size),
    )
    return DataSpec(name="made-up", split="train", count=100, fields=fields)


def settings(**values: Any) -> Config:
    built, _ = build(Config, [Layer("test", {"width": 8, "batch": 4, **values})])
    return built


def make(size: int = 32, source: int = 3, target: int = 3, **values: Any) -> Pix2Pix:
    seed_globals(0, "weights")
    return Pix2Pix(settings(**values), spec(size, source, target))


def pictures(count: int, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def batch_of(source: Tensor, target: Tensor, seed: int = 0) -> Batch:
    count = len(source)
    return Batch({"source": source, "target": target}, Noise(seed, count=count), slice(0, count), step=0)


def convolutions(module: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    return [each for each in module.modules() if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d))]


# --- networks ---------------------------------------------------------------------------------------------------------


def test_the_u_net_of_256_pixels_is_that_of_the_appendix() -> None:
    with torch.device("meta"):
        network = Pix2Pix(settings(width=64, batch=1), spec(256)).generator
    encoder, decoder = convolutions(network.encoder), convolutions(network.decoder)
    assert [each.out_channels for each in encoder] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [each.out_channels for each in decoder] == [512, 512, 512, 512, 256, 128, 64]
    assert [each.in_channels for each in decoder] == [512, 1024, 1024, 1024, 1024, 512, 256]
    assert (network.last.in_channels, network.last.out_channels) == (128, 3)
    assert {(each.kernel_size, each.stride) for each in convolutions(network)} == {((4, 4), (2, 2))}
    normed = [len(layer) == 2 for layer in network.encoder]
    assert normed == [False, *[True] * 6, False]  # neither the first layer nor the innermost
    assert all(len(layer) == 2 for layer in network.decoder)
    assert network.noise_size(256, 256) == 512 * (2 * 2 + 4 * 4 + 8 * 8)


@pytest.mark.parametrize(("size", "depth"), [(256, 8), (512, 8), (64, 6), (32, 5), (48, 4), (20, 2)])
def test_the_depth_follows_the_size(size: int, depth: int) -> None:
    assert halvings(size) == depth
    with torch.device("meta"):
        assert Pix2Pix(settings(), spec(size)).multiple == 2**depth


@pytest.mark.parametrize("kept", [True, False], ids=["dropout", "no dropout"])
def test_the_u_net_computes_what_the_appendix_says_layer_by_layer(kept: bool) -> None:
    network = UNet(3, 2, width=4, depth=3, norm="none", dropout=0.5)
    x, noise = pictures(2, 3, 16, 24), torch.rand(2, network.noise_size(16, 24)) if kept else None
    weight = dict(network.named_parameters())

    def layer(name: str, values: Tensor, up: bool) -> Tensor:
        function = conv_transpose2d if up else conv2d
        return function(values, weight[f"{name}.weight"], weight[f"{name}.bias"], stride=2, padding=1)

    e1 = leaky_relu(layer("encoder.0.0", x, up=False), 0.2)
    e2 = leaky_relu(layer("encoder.1.0", e1, up=False), 0.2)
    e3 = leaky_relu(layer("encoder.2.0", e2, up=False), 0.2)
    d1, d2 = layer("decoder.0.0", e3.relu(), up=True), None
    if noise is not None:
        first = 4 * 6 * 8  # height and width of the innermost decoder layer, and its channels
        d1 = 2 * torch.where(noise[:, :first].reshape(2, 4, 6, 8).permute(0, 3, 1, 2) >= 0.5, d1, 0)
    d2 = layer("decoder.1.0", torch.cat([d1.relu(), e2], 1), up=True)
    if noise is not None:
        d2 = 2 * torch.where(noise[:, first:].reshape(2, 8, 12, 4).permute(0, 3, 1, 2) >= 0.5, d2, 0)
    expected = torch.tanh(layer("last", torch.cat([d2.relu(), e1], 1), up=True))
    assert torch.allclose(network(x, noise), expected, atol=1e-6)


@pytest.mark.parametrize(("layers", "patch"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_sees_a_patch_of_the_papers_size_and_nothing_else(layers: int, patch: int) -> None:
    size = 2 * patch + 64
    network = PatchDiscriminator(2, 4, layers, "none", size)
    x = pictures(1, 2, size, size).requires_grad_(True)
    logits = network(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = x.grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [patch, patch]


def test_the_discriminator_of_70_pixels_has_the_papers_layers() -> None:
    network = PatchDiscriminator(6, 64, 3, "batch", 256)
    assert [each.out_channels for each in convolutions(network)] == [64, 128, 256, 512, 1]
    assert [isinstance(each, nn.BatchNorm2d) for each in network.layers][:3] == [False, False, False]
    assert sum(isinstance(each, nn.BatchNorm2d) for each in network.layers) == 3
    assert network(pictures(1, 6, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize(("size", "layers"), [(256, 3), (128, 3), (64, 2), (32, 1), (16, 1)])
def test_patches_are_smaller_in_small_pictures(size: int, layers: int) -> None:
    assert patch_halvings(size) == layers


def test_batch_normalisation_of_one_picture_is_that_of_the_picture_by_itself() -> None:
    kinds = {type(each) for each in make(batch=1).modules()}
    assert nn.InstanceNorm2d in kinds
    assert nn.BatchNorm2d not in kinds
    assert nn.InstanceNorm2d in {type(each) for each in make(batch=4, accumulate=4).modules()}
    assert nn.BatchNorm2d in {type(each) for each in make(batch=4).modules()}
    assert not {nn.InstanceNorm2d, nn.BatchNorm2d} & {type(each) for each in make(norm="none").modules()}
    spectral = make(norm="instance", discriminator_norm="spectral")
    assert nn.InstanceNorm2d not in {type(each) for each in spectral.discriminator.modules()}
    assert all(hasattr(each, "parametrizations") for each in convolutions(spectral.discriminator))


def test_instance_normalisation_trains_as_batch_normalisation_of_one_picture() -> None:
    x, y = pictures(1), pictures(1, seed=1)
    model = make(batch=1).train()
    noise = torch.rand(1, model.generator.noise_size(32, 32))
    made = model.generator(x, noise)
    other = UNet(3, 3, 8, 5, "batch", 0.5).train()
    other.load_state_dict(model.generator.state_dict(), strict=False)
    assert torch.allclose(made, other(x, noise), atol=1e-5)
    assert not torch.allclose(made, other(y, noise), atol=1e-2)


def test_a_grey_source_may_have_a_coloured_target() -> None:
    model = make(source=1, target=3).eval()
    assert answers(model, "source", pictures(2, 1)).shape == (2, 3, 32, 32)
    assert convolutions(model.discriminator)[0].in_channels == 4


# --- dropout is the noise ---------------------------------------------------------------------------------------------


def test_the_noise_drops_its_share_and_keeps_the_mean() -> None:
    model = make(dropout=0.3)
    noise = torch.rand(200, model.generator.noise_size(32, 32), generator=torch.Generator().manual_seed(0))
    kept = torch.cat([each.flatten() for each in model.generator._kept(torch.zeros(200, 3, 32, 32), noise)])
    assert kept.unique().tolist() == pytest.approx([0, 1 / 0.7])
    error = (0.3 / 0.7 / len(kept)) ** 0.5
    assert kept.mean() == pytest.approx(1, abs=4 * error)


def test_a_picture_is_a_function_of_its_source_the_seed_and_its_number() -> None:
    model, x = make(norm="none").eval(), pictures(3)
    whole = answers(model, "source", x, seed=5)
    assert torch.allclose(whole[2:], answers(model, "source", x[2:], seed=5, first=2), atol=1e-6)
    assert torch.equal(whole, answers(model, "source", x, seed=5))
    assert not torch.allclose(whole, answers(model, "source", x, seed=6), atol=1e-4)
    same = answers(model, "source", x[:1].expand(2, -1, -1, -1), seed=5)
    assert not torch.allclose(same[0], same[1], atol=1e-4)


def test_the_noise_follows_the_size_of_the_source() -> None:
    model = make().eval()
    for height, width in ((32, 32), (64, 96), (32, 128)):
        request = SampleRequest(count=1, noise=Noise(0, count=1), given={"source": pictures(1, 3, height, width)})
        inputs = model.inputs(request)
        pixels = height * width  # of which the three layers have 1/256, 1/64 and 1/16, of 64, 32 and 16 channels
        assert inputs["dropout"].shape == (1, 64 * pixels // 256 + 32 * pixels // 64 + 16 * pixels // 16)
        assert model.generate(inputs).shape == (1, 3, height, width)


def test_without_dropout_there_is_no_noise() -> None:
    model = make(dropout=0).eval()
    inputs = model.inputs(SampleRequest(count=2, noise=Noise(0, count=2), given={"source": pictures(2)}))
    assert set(inputs) == {"source"}
    assert torch.equal(model.generate(inputs), model.generate(inputs))


def test_training_drops_what_the_noise_of_its_batch_says() -> None:
    model = make(norm="instance").train()
    batch = batch_of(pictures(4), pictures(4, seed=1))
    model.generator_loss(batch)
    noise = Noise(0, count=4).rand(model.generator.noise_size(32, 32), stream="dropout")
    assert torch.equal(batch.fake, model.generator(batch.source, noise))


# --- losses -----------------------------------------------------------------------------------------------------------


def test_the_generators_terms_are_the_adversarial_one_and_a_hundred_times_the_mean_absolute_error() -> None:
    model = make()
    batch = batch_of(pictures(4), pictures(4, seed=1))
    terms = model.generator_loss(batch)
    assert terms["l1"].item() == pytest.approx((batch.fake - batch.target).abs().mean().item(), abs=1e-6)
    logits = model.discriminator(torch.cat([batch.source, batch.fake], 1))
    assert terms["adversarial"].item() == pytest.approx(-logits.sigmoid().log().mean().item(), rel=1e-4)
    generator, discriminator = model.phases()
    assert (generator.name, discriminator.name) == ("generator", "discriminator")
    assert dict(generator.weights) == {"l1": 100.0}
    assert dict(discriminator.weights) == {"adversarial": 0.5, "gradient_penalty": 5.0}


def test_the_discriminator_sees_the_source_unless_it_is_told_not_to() -> None:
    for conditional, channels in ((True, 6), (False, 3)):
        model = make(conditional=conditional, norm="instance")
        assert convolutions(model.discriminator)[0].in_channels == channels
        losses = []
        for seed in (0, 1):
            batch = batch_of(pictures(4, seed=seed), pictures(4, seed=2))
            batch.fake = pictures(4, seed=3)
            losses.append(model.discriminator_loss(batch)["adversarial"].item())
        assert (losses[0] != losses[1]) is conditional


def test_augmentation_moves_source_and_picture_together() -> None:
    model = make(diffaug=("translation", "cutout"), jitter=True)
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = pictures(4)
    batch = batch_of(x, x)
    batch.fake = model._pair(batch)[0]
    model.discriminator_loss(batch)
    for pair in seen:
        assert torch.equal(pair[:, :3], pair[:, 3:])
        assert not torch.equal(pair[:, :3], x)
    assert not torch.equal(*seen)  # real and fake are moved each by itself


def test_jitter_is_the_same_in_every_phase_of_a_step_and_off_leaves_the_pair_alone() -> None:
    x, y = pictures(4), pictures(4, seed=1)
    batch = batch_of(x, y)
    model = make(jitter=True)
    first, again = model._pair(batch), model._pair(batch)
    assert first[0] is again[0]
    assert not torch.equal(first[0], x)
    plain = make()._pair(batch)
    assert plain[0] is x
    assert plain[1] is y


@pytest.mark.parametrize(("critic_steps", "passes"), [(1, 1), (2, 2)])
def test_fakes_are_made_once_a_batch(critic_steps: int, passes: int, tiny_run: TinyRuns) -> None:
    trainer = tiny_run("pix2pix", size=32, critic_steps=critic_steps, r1=1, r2=1, penalty_every=1).trainer
    made: list[int] = []
    trainer.model.generator.register_forward_hook(lambda *_: made.append(1))
    trainer.train_step()
    assert len(made) == passes


def test_one_pair_a_step_trains(tiny_run: TinyRuns) -> None:
    trainer = tiny_run("pix2pix", size=32, batch=1, jitter=True, flip=True).trainer
    for _ in range(3):
        trainer.train_step()
    assert all(torch.isfinite(parameter).all() for parameter in trainer.model.parameters())


def test_reverse_learns_the_other_way(tiny_run: TinyRuns) -> None:
    assert settings(reverse=True).wants(DataRequest()).reverse
    assert not settings().wants(DataRequest()).reverse
    there = tiny_run("pix2pix", data="emoji-line-flat", size=32).data.read([3, 5])
    back = tiny_run("pix2pix", data="emoji-line-flat", size=32, reverse=True).data.read([3, 5])
    assert (there["source"] == back["target"]).all()
    assert (there["target"] == back["source"]).all()


def test_it_learns_to_colour_what_it_has_not_seen(tiny_run: TinyRuns) -> None:
    tiny = tiny_run(
        "pix2pix", data="emoji-line-flat", size=32, width=16, batch=16, lr=2e-3, steps=120, schedule="linear",
        precision="fp32", dropout=0.2, samples=64,
    )  # fmt: skip
    tiny.trainer.run()
    made, inputs = tiny.trainer.sample(64)
    truth = tiny.trainer._example("target", 64)
    error = (made - truth).abs().mean()
    assert error < 0.75 * (inputs["source"] - truth).abs().mean()
    white = (1 - truth).abs().mean()
    assert error < white


# --- what is refused --------------------------------------------------------------------------------------------------


def one_line(caught: pytest.ExceptionInfo[UserError]) -> str:
    assert len(caught.value.lines) == 1
    assert "\n" not in caught.value.lines[0]
    return caught.value.lines[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "--input"),
        ({"source": pictures(1, 1)}, "1 channel"),
        ({"source": pictures(1, 3, 32, 48)}, "48 x 32 px, but this model takes multiples of 32 px"),
    ],
    ids=["none", "grey", "odd size"],
)
def test_a_source_that_is_missing_or_does_not_fit_is_one_line(given: dict[str, Tensor], said: str) -> None:
    with pytest.raises(UserError) as caught:
        make().inputs(SampleRequest(count=1, noise=Noise(0, count=1), given=given))
    assert said in one_line(caught)


@pytest.mark.parametrize(
    ("size", "values", "said"),
    [
        (33, {}, "--set size=32"),
        (100, {"depth": 3}, "--set depth=2"),
        (64, {"depth": 7}, "--set depth=6"),
        (32, {"patch_layers": 5}, "--set patch_layers=3"),
    ],
)
def test_networks_that_do_not_fit_the_size_are_one_line_with_what_does(
    size: int, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        make(size, **values)
    line = one_line(caught)
    assert said in line
    name, value = said.removeprefix("--set ").split("=")
    if name == "size":
        make(int(value), **values)
    else:
        make(size, **{**values, name: int(value)})


@pytest.mark.parametrize("penalty", [{"loss": "wasserstein"}, {"r1": 1}, {"r2": 0.1}])
def test_batch_normalisation_under_a_penalty_is_refused_and_auto_leaves_it_out(penalty: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        settings(discriminator_norm="batch", **penalty)
    assert "discriminator_norm=none, instance or spectral" in one_line(caught)
    assert settings(**penalty).judging_norm == "none"
    assert settings(**penalty, discriminator_norm="batch", batch=1).judging_norm == "instance"


def test_pairs_of_different_size_are_refused() -> None:
    fields = (dataclasses.replace(spec().fields[0], size=64), spec().fields[1])
    with pytest.raises(UserError, match="no pairs"):
        Pix2Pix(settings(), dataclasses.replace(spec(), fields=fields))
