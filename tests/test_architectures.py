"""What architectures of the zoo promise beside what the conformance kit looks at."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from conftest import TinyRuns

from ganzoo.cards import Task, resolve
from ganzoo.config import AdversarialSettings, Layer, Settings, build
from ganzoo.data.base import DataRequest, DataSpec, Field
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.errors import UserError
from ganzoo.model import Model, SampleRequest
from ganzoo.registry import get_registry
from ganzoo.runs import build_model
from ganzoo.sampling import answers

ARCHITECTURES = sorted(get_registry().architectures)
ADVERSARIAL = [
    name
    for name in ARCHITECTURES
    if issubclass(resolve(get_registry().architectures[name].config), AdversarialSettings)
]


def task_of(name: str) -> Task:
    registry = get_registry()
    return registry.tasks[registry.architectures[name].task]


def settings_of(name: str, size: int, **settings: Any) -> Settings:
    card = get_registry().architectures[name]
    built, _ = build(resolve(card.config), [Layer("test", {**card.tiny, **settings, "size": size})])
    return built


def spec(size: int = 28, channels: int = 1, classes: int = 5) -> DataSpec:
    fields = (
        Field(name="image", kind="image", channels=channels, size=size),
        Field(name="label", kind="label", classes=tuple(f"class-{i}" for i in range(classes))),
    )
    return DataSpec(name="made-up", split="train", count=100, fields=fields)


def spec_for(name: str, size: int | None = None, channels: int = 1) -> DataSpec:
    """What that architecture may be built for: pictures with labels, or the pictures that it takes in and makes."""
    task = task_of(name)
    if not task.directions:
        return spec(size or 28, channels)
    size = size or 32
    scale = settings_of(name, size).wants(DataRequest()).scale
    sizes = {"low": size // scale}
    order = sorted(task.batch, key=lambda field: -sizes.get(field, size))
    fields = (Field(name=n, kind="image", channels=channels, size=sizes.get(n, size)) for n in order)
    return DataSpec(name="made-up", split="train", count=100, fields=tuple(fields))


def request_for(model: Model, name: str, count: int) -> SampleRequest:
    """Noise, and pictures where it takes some in."""
    given = {}
    if task_of(name).directions:
        field = model.data.field(task_of(name).direction().input)
        generator = torch.Generator().manual_seed(1)
        given = {field.name: torch.rand(count, field.channels, field.size, field.size, generator=generator) * 2 - 1}
    return SampleRequest(count=count, noise=Noise(0, count=count), given=given)


def make(name: str, data: DataSpec, **settings: Any) -> Model:
    built = settings_of(name, data.size, **settings)
    seed_globals(0, "weights")
    return build_model(get_registry().architectures[name], built, data)


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if get_registry().architectures[n].sizes])
def test_a_size_that_it_cannot_do_is_refused_with_the_nearest_it_can(name: str) -> None:
    smallest = min(get_registry().architectures[name].sizes)
    with pytest.raises(UserError, match=f"--set size={smallest}"):
        make(name, spec_for(name, smallest - 1))


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if task_of(n).directions])
def test_a_model_that_takes_pictures_in_asks_for_them(name: str) -> None:
    model = make(name, spec_for(name)).eval()
    assert set(model.takes) == {direction.input for direction in task_of(name).directions}
    with pytest.raises(UserError):
        model.inputs(SampleRequest(count=2, noise=Noise(0, count=2)))


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if task_of(n).directions])
def test_every_direction_goes_from_its_pictures_to_its_pictures(name: str) -> None:
    model = make(name, spec_for(name, channels=3)).eval()
    for direction in task_of(name).directions:
        side, expected = model.data.field(direction.input).size, model.data.field(direction.output)
        made = answers(model, direction.input, torch.zeros(3, 3, side, side))
        assert made.shape == (3, expected.channels, expected.size, expected.size)
        if model.multiple is not None:
            larger = answers(model, direction.input, torch.zeros(1, 3, side + model.multiple, side))
            assert larger.shape[2:] == (expected.size + model.scale * model.multiple, expected.size)


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "minimax"},
        {"loss": "least-squares"},
        {"loss": "hinge", "discriminator_norm": "spectral"},
        {"loss": "wasserstein", "critic_steps": 2},
        {"loss": "relativistic", "r1": 1, "r2": 1, "penalty_every": 2},
        {"diffaug": "color,translation,cutout"},
        {"lr_discriminator": 1e-4, "accumulate": 2, "clip": 1.0, "flip": True},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_losses_penalties_and_augmentation_are_settings_of_all(
    name: str, settings: dict[str, Any], tiny_run: TinyRuns
) -> None:
    config = resolve(get_registry().architectures[name].config)
    known = {field.name for field in dataclasses.fields(config)}
    trainer = tiny_run(name, **{k: v for k, v in settings.items() if k in known}).trainer
    for _ in range(3):
        trainer.train_step()
    assert all(torch.isfinite(parameter).all() for parameter in trainer.model.parameters())


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_batch_normalisation_under_a_gradient_penalty_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="discriminator_norm"):
        make(name, spec(), loss="wasserstein", discriminator_norm="batch")


def test_the_perceptrons_of_the_conditional_gan_have_the_papers_widths() -> None:
    model = make("cgan", spec(28, 1, 10), variant="mlp", width=50, latent=100)
    generator, discriminator = model.generator, model.discriminator
    assert generator.from_z[0].out_features == 200
    assert generator.from_y[0].out_features == 1000
    assert generator.joint[0].out_features == 1200
    assert discriminator.from_x[0].linear.out_features == 240 * 5
    assert discriminator.from_y[0].linear.out_features == 50 * 5
    assert discriminator.joint[0].linear.out_features == 240 * 4
    pictures = model.generate(model.inputs(SampleRequest(count=3, noise=Noise(0, count=3))))
    assert pictures.shape == (3, 1, 28, 28)


@pytest.mark.parametrize("variant", ["conv", "mlp"])
def test_the_class_changes_the_picture_and_the_verdict(variant: str) -> None:
    model = make("cgan", spec(), variant=variant).eval()
    z, pictures = torch.randn(2, 8), torch.rand(2, 1, 28, 28)
    zeros, ones = torch.zeros(2, dtype=torch.long), torch.ones(2, dtype=torch.long)
    assert not torch.equal(model.generate({"z": z, "label": zeros}), model.generate({"z": z, "label": ones}))
    assert not torch.equal(model.discriminator(pictures, zeros), model.discriminator(pictures, ones))


def test_the_dcgan_of_the_paper_has_its_widths_at_64_pixels() -> None:
    model = make("dcgan", spec(64, 3), width=128, latent=100)
    convolutions = [m for m in model.generator.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.in_channels for m in convolutions] == [100, 1024, 512, 256, 128]
    assert convolutions[-1].out_channels == 3


def test_truncation_keeps_the_latent_within_its_bound_and_leaves_the_rest_alone() -> None:
    model = make("dcgan", spec_for("dcgan"))
    free = model.inputs(SampleRequest(count=50, noise=Noise(0, count=50)))["z"]
    tight = model.inputs(SampleRequest(count=50, noise=Noise(0, count=50), truncation=0.7))["z"]
    assert tight.abs().max() <= 0.7
    inside = free.abs() <= 0.7
    assert torch.equal(free[inside], tight[inside])
    assert tight.std() > 0.3
