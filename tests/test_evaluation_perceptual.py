"""Perceptual distances, paths and projections: against torchvision's networks, float64 and closed forms."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyRuns
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from torch import Tensor, nn

from ganzoo.config import Settings
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.noise import derive
from ganzoo.errors import UserError
from ganzoo.latents.projection import Search, project
from ganzoo.model import Model, SampleRequest
from ganzoo.sampling import sample
from ganzoo_data.embedded import photos
from ganzoo_evaluation import path_length, perceptual
from ganzoo_evaluation.backbone import FILES, read_weights
from ganzoo_evaluation.base import Block, Comparison, Measured, NotApplicable, Plan, Value
from ganzoo_evaluation.perceptual import (
    LpipsPairs,
    LpipsStages,
    PerceptualPairs,
    SqueezePairs,
    StageDistance,
    embedded_distance,
    lpips_distance,
)


def spec(size: int = 8, channels: int = 1, classes: int = 3) -> DataSpec:
    fields = (
        Field(name="image", kind="image", channels=channels, size=size),
        Field(name="label", kind="label", classes=tuple(f"class-{i}" for i in range(classes))),
    )
    return DataSpec(name="made-up", split="train", count=100, fields=fields)


class Linear(Model):
    """z (n, 6) to pictures (n, 1, 8, 8) by a matrix, and the label to a shift of their brightness."""

    takes = ("label",)

    def __init__(self, scale: float = 0.2) -> None:
        super().__init__(Settings(), spec())
        generator = torch.Generator().manual_seed(derive(0, "matrix"))
        self.generator = nn.Linear(6, 64, bias=False)
        self.generator.weight.data = scale * torch.randn(64, 6, generator=generator)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        z = request.noise.randn(6).to(self.generator.weight.dtype)
        return {"z": z, "label": request.given["label"]}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        shift = 0.1 * inputs["label"].to(inputs["z"].dtype)
        made: Tensor = self.generator(inputs["z"]) + shift[:, None]
        return made.view(-1, 1, 8, 8)


class Translator(Linear):
    takes = ("source",)


class NoLatent(Linear):
    takes = ()

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"w": request.noise.randn(6)}


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).sum(1)


def photographs(size: int = 64) -> Tensor:
    """The centres of the photographs that ship with the zoo, uint8."""
    return tensor(crops(size))


def crops(size: int) -> list[Image.Image]:
    found = []
    for _, content in photos():
        whole = Image.open(io.BytesIO(content)).convert("RGB")
        left, top = (whole.width - size) // 2, (whole.height - size) // 2
        found.append(whole.crop((left, top, left + size, top + size)))
    return found


def tensor(pictures: list[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)


def as_float(pictures: Tensor) -> Tensor:
    return pictures.float() / 127.5 - 1


NETWORKS = ("efflite0", "squeezenet")
"""That ship with the zoo."""


# --- distances --------------------------------------------------------------------------------------------------------


def test_directions_at_a_right_angle_are_2_apart_and_opposite_ones_4() -> None:
    """Two depths: at one the activations of the two pictures are at a right angle, at the other opposite."""
    right, opposite = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 1, 1)
    right[0, 0], right[1, 1] = 7.0, 0.1
    opposite[1] = -5
    distance = StageDistance("test", lambda pictures: [right, opposite])
    a = torch.zeros(1, 3, 32, 32)
    assert distance(a, a).tolist() == pytest.approx([3])
    heads = (torch.tensor([1.0, 10.0, 100.0]), torch.tensor([0.0, 0.0, 3.0]))
    weighed = StageDistance("test", lambda pictures: [right, opposite], heads)
    assert weighed(a, a).tolist() == pytest.approx([11 + 4])  # 3 x (2 / sqrt(3))^2 = 4


@pytest.mark.parametrize("network", NETWORKS)
def test_embedded_distance_is_0_for_the_same_symmetric_and_independent_of_the_batch(network: str) -> None:
    distance, pictures = embedded_distance(network=network), as_float(photographs())
    assert (distance.name, distance.network) == (f"perceptual[{network}]", network)
    with torch.inference_mode():
        assert distance(pictures, pictures).tolist() == [0.0] * len(pictures)
        there, back = distance(pictures, pictures.flip(0)), distance(pictures.flip(0), pictures)
        assert torch.allclose(there, back, rtol=1e-5)
        assert torch.allclose(there[:1], distance(pictures[:1], pictures[-1:]), rtol=1e-4)


def test_the_embedded_distance_is_efflite0s_unless_another_is_named() -> None:
    assert embedded_distance().name == "perceptual[efflite0]"
    with pytest.raises(UserError, match="look through efflite0 or squeezenet, not 'vgg16'"):
        embedded_distance(network="vgg16")


def noisy(real: list[Image.Image], sigma: float) -> Tensor:
    draw = torch.Generator().manual_seed(derive(0, "noise"))
    pictures = tensor(real).float()
    return (pictures + sigma * torch.randn(pictures.shape, generator=draw)).round().clamp(0, 255).to(torch.uint8)


def blurred(real: list[Image.Image], sigma: float) -> Tensor:
    return tensor([x.filter(ImageFilter.GaussianBlur(sigma)) for x in real])


def compressed(real: list[Image.Image], quality: float) -> Tensor:
    made = []
    for picture in real:
        picture.save(content := io.BytesIO(), "JPEG", quality=int(quality))
        made.append(Image.open(content).convert("RGB"))
    return tensor(made)


DISTORTIONS = {
    "noise": (noisy, (5, 10, 20, 40)),
    "blur": (blurred, (0.5, 1, 2, 4)),
    "jpeg": (compressed, (90, 50, 20, 5)),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", DISTORTIONS)
def test_embedded_distance_grows_with_a_distortion_of_every_photograph(network: str, name: str) -> None:
    """And stays below that of another picture."""
    distort, amounts = DISTORTIONS[name]
    distance, real = embedded_distance(network=network), crops(128)
    pictures = as_float(tensor(real))
    with torch.inference_mode():
        found = [distance(pictures, as_float(distort(real, amount))) for amount in amounts]
        other = distance(pictures, pictures.roll(1, 0))
    steps = torch.stack([torch.zeros(len(real)), *found]).diff(dim=0)
    assert (steps > 0).all()
    assert found[-1].mean() < other.mean()


@pytest.mark.parametrize("network", NETWORKS)
def test_embedded_distance_grows_with_a_shift(network: str) -> None:
    distance, wide = embedded_distance(network=network), as_float(tensor(crops(136)))
    with torch.inference_mode():
        found = [float(distance(wide[..., :128], wide[..., by : 128 + by]).mean()) for by in (0, 1, 2, 4, 8)]
    assert found[0] == 0
    assert found == sorted(set(found))


@pytest.mark.parametrize("network", NETWORKS)
def test_embedded_distance_hardly_sees_a_change_of_brightness(network: str) -> None:
    distance, real = embedded_distance(network=network), crops(96)
    pictures = as_float(tensor(real))
    with torch.inference_mode():
        brighter = distance(pictures, (pictures + 0.05).clamp(-1, 1))
        little_blur = distance(pictures, as_float(blurred(real, 1)))
    assert 0 < float(brighter.mean()) < float(little_blur.mean())


@pytest.mark.parametrize("network", NETWORKS)
def test_grey_is_colour_and_small_pictures_are_enlarged(network: str) -> None:
    distance = embedded_distance(network=network)
    a, b = (as_float(photographs(28).flip(0)[:, :1]), as_float(photographs(28)[:, :1]))
    with torch.inference_mode():
        found = distance(a, b)
        assert torch.allclose(found, distance(a.expand(-1, 3, -1, -1), b.expand(-1, 3, -1, -1)))
        large = [nn.functional.interpolate(x, scale_factor=2, mode="bilinear") for x in (a, b)]
        assert torch.allclose(found, distance(*large))
        assert distance(a[..., :5, :5], b[..., :5, :5]).shape == (len(a),)
    with pytest.raises(ValueError, match="do not compare"):
        distance(a, b[:, :, :20, :20])


@pytest.mark.parametrize("network", NETWORKS)
def test_distance_has_finite_gradients_even_where_nothing_is_active(network: str) -> None:
    distance = embedded_distance(network=network)
    a = torch.zeros(2, 1, 32, 32, requires_grad=True)
    distance(a, as_float(photographs(32)[:2, :1])).sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()
    assert a.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    silent = StageDistance("test", lambda pictures: [pictures.relu()])
    dark = torch.full((1, 3, 32, 32), -1.0, requires_grad=True)
    silent(dark, torch.ones(1, 3, 32, 32)).sum().backward()
    assert dark.grad is not None
    assert torch.isfinite(dark.grad).all()


# --- LPIPS ------------------------------------------------------------------------------------------------------------


def backbone(tmp_path: Path, network: str) -> tuple[Path, Any]:
    """A file as torchvision writes it, of a network with random weights, and the network."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    whole = {"alex": models.alexnet, "vgg": models.vgg16}[network](weights=None).eval()
    for parameter in whole.parameters():
        parameter.requires_grad_(False)
    path = tmp_path / f"{network}.safetensors"
    save_file({name: value for name, value in whole.state_dict().items() if name.startswith("features")}, path)
    return path, whole


LAYERS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_lpips_is_equation_1_on_torchvisions_networks(tmp_path: Path, network: str) -> None:
    path, whole = backbone(tmp_path, network)
    distance = lpips_distance(path)
    assert distance.name == f"lpips[{network}]"
    heads, _ = read_weights(FILES / "lpips-heads.safetensors")
    a, b = as_float(photographs(96)[:2]), as_float(photographs(96)[2:4])
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    expected = torch.zeros(2)
    seen = [(x - shift[None, :, None, None]) / scale[None, :, None, None] for x in (a, b)]
    for index, layer in enumerate(whole.features):
        seen = [layer(x) for x in seen]
        if index in LAYERS[network]:
            x, y = (v / (v.norm(dim=1, keepdim=True) + 1e-10) for v in seen)
            weights = heads[f"{network}.{LAYERS[network].index(index)}"]
            expected += torch.einsum("nchw,c->nhw", (x - y) ** 2, weights).mean((1, 2))
    assert torch.allclose(distance(a, b), expected, rtol=1e-4)


def test_the_heads_are_as_many_as_the_networks_have_channels() -> None:
    heads, _ = read_weights(FILES / "lpips-heads.safetensors")
    for network in ("alex", "vgg"):
        seen = LpipsStages(network)(torch.zeros(1, 3, 64, 64))
        assert [x.shape[1] for x in seen] == [len(heads[f"{network}.{index}"]) for index in range(5)]
    assert all(bool((head >= 0).all()) for head in heads.values())
    sources = json.loads((FILES / "SOURCES.json").read_text())["files"]["lpips-heads.safetensors"]
    assert sources["sha256"] == read_weights(FILES / "lpips-heads.safetensors")[1]
    assert "Redistribution" in (FILES / sources["license_file"]).read_text()


def test_lpips_without_weights_says_how_to_give_them(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANZOO_LPIPS_BACKBONE", raising=False)
    with pytest.raises(UserError, match=r"alexnet-owt-7be5be79\.pth and set GANZOO_LPIPS_BACKBONE"):
        lpips_distance()
    with pytest.raises(UserError, match="alex or vgg, not through 'resnet'"):
        lpips_distance(network="resnet")
    wrong = cwd / "wrong.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, wrong)
    monkeypatch.setenv("GANZOO_LPIPS_BACKBONE", str(wrong))
    with pytest.raises(UserError, match=r"wrong\.safetensors: expected torchvision's weights"):
        lpips_distance()


# --- pairs ------------------------------------------------------------------------------------------------------------


def collected(kind: Any, a: Tensor, b: Tensor | None, parts: int = 2) -> Comparison:
    borders = [len(a) * part // parts for part in range(parts + 1)]
    whole = kind(Plan(count=len(a)))
    for part in reversed(range(parts)):
        rows = slice(borders[part], borders[part + 1])
        collector = kind(Plan(count=len(a)))
        collector.update(Block(start=rows.start, pictures=a[rows], truth=None if b is None else b[rows]))
        whole.merge(kind.from_arrays(collector.arrays()))
    fake = Measured(name="fake", count=len(a), collected={kind: whole})
    return Comparison(fake=fake, real=Measured(name="real", count=1, collected={}))


PAIRS: dict[str, tuple[Any, Callable[[Comparison], Value]]] = {
    "efflite0": (PerceptualPairs, perceptual.compute_perceptual),
    "squeezenet": (SqueezePairs, perceptual.compute_perceptual_squeeze),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_pairs_give_the_mean_distance_and_its_error(network: str) -> None:
    kind, compute = PAIRS[network]
    a = photographs()
    b = a.flip(0)
    found = compute(collected(kind, a, b))
    with torch.inference_mode():
        each = embedded_distance(network=network)(as_float(a), as_float(b)).double()
    assert found.each == pytest.approx(each.numpy(), rel=1e-4)
    assert found.value == pytest.approx(float(each.mean()), rel=1e-5)
    assert found.error == pytest.approx(float(each.std()) / math.sqrt(len(a)), rel=1e-4)
    assert found.protocol == {"network": network}
    with pytest.raises(NotApplicable, match="no true ones"):
        compute(collected(kind, a, None))


def test_lpips_of_pairs_names_its_weights_or_says_that_they_are_missing(
    cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = photographs(32)
    monkeypatch.delenv("GANZOO_LPIPS_BACKBONE", raising=False)
    with pytest.raises(NotApplicable, match="GANZOO_LPIPS_BACKBONE"):
        perceptual.compute_lpips(collected(LpipsPairs, a, a.flip(0)))
    path, _ = backbone(cwd, "alex")
    monkeypatch.setenv("GANZOO_LPIPS_BACKBONE", str(path))
    found = perceptual.compute_lpips(collected(LpipsPairs, a, a.flip(0)))
    assert found.protocol == {"network": "alex", "sha256": read_weights(path)[1]}
    with torch.inference_mode():
        assert found.value == pytest.approx(float(lpips_distance()(as_float(a), as_float(a.flip(0))).mean()), rel=1e-5)


# --- path length ------------------------------------------------------------------------------------------------------


def test_path_length_of_a_linear_model_is_the_mean_square_of_its_steps() -> None:
    """Between z1 and z2 the picture moves by W (z2 - z1): the mean of its square is 2 |W|^2 for normal z."""
    model = Linear().double()
    found = path_length.path_length(model, 4000, 0, squared, epsilon=1e-2)
    expected = 2 * float(model.generator.weight.detach().square().sum())
    # 1 % of a skewed distribution is cut at each end: the mean comes out a little lower.
    assert 0.95 * expected < found.value < expected
    assert found.error == pytest.approx(expected * math.sqrt(2 / 6 / 4000), rel=0.35)
    assert found.kept == pytest.approx(3920, abs=4)


def test_path_length_is_a_function_of_the_seed_and_leaves_the_model_as_it_was() -> None:
    model = Linear().train()
    one, again, other = (path_length.path_length(model, 40, seed, squared) for seed in (0, 0, 1))
    assert one == again != other
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_path_length_in_float32_is_that_of_float64(tiny_run: TinyRuns) -> None:
    """The embedded distance on a trained generator, at the step that `compute` takes."""
    tiny = tiny_run("dcgan", steps=60)
    tiny.trainer.run()
    model = tiny.trainer.model.eval()
    distance = embedded_distance()
    precise, precise_distance = copy.deepcopy(model).double(), copy.deepcopy(distance).double()

    class Precise(Model):
        takes = model.takes

        def inputs(self, request: SampleRequest) -> dict[str, Any]:
            return {"z": model.inputs(request)["z"].double()}

        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            return self.network.generate(inputs)

        def __init__(self) -> None:
            super().__init__(model.settings, model.data)
            self.network = precise

    found = path_length.path_length(model, 32, 0, distance)
    expected = path_length.path_length(Precise(), 32, 0, precise_distance)
    assert found.value == pytest.approx(expected.value, rel=0.01)


def test_path_length_of_the_row_is_that_of_its_model() -> None:
    real = Measured(name="real", count=1, collected={})
    row = Comparison(fake=Measured(name="fake", count=1, collected={}, model=Linear()), real=real, seed=3)
    found = path_length.compute(row)
    expected = path_length.path_length(Linear(), path_length.PAIRS, 3, embedded_distance())
    assert (found.value, found.error) == pytest.approx((expected.value, expected.error))
    assert found.protocol["path"] == "lerp"
    with pytest.raises(NotApplicable, match="no model"):
        path_length.compute(Comparison(fake=real, real=real))
    for model, reason in ((Translator(), "from source"), (NoLatent(), "no latent")):
        with pytest.raises(NotApplicable, match=reason):
            path_length.path_length(model, 10, 0, squared)


# --- projection -------------------------------------------------------------------------------------------------------


def search(steps: int) -> Search:
    return Search(space="z", steps=steps)


def test_projection_finds_the_latent_of_a_linear_model() -> None:
    model = Linear().train()
    draw = torch.Generator().manual_seed(1)
    z, label = torch.randn(5, 6, generator=draw), torch.tensor([0, 1, 2, 0, 1])
    with torch.no_grad():
        pictures = model.generate({"z": z, "label": label})
    seen: list[tuple[int, int]] = []
    found = project(model, pictures, search(200), label=label, progress=lambda *said: seen.append(said))
    assert torch.allclose(found.inputs["z"], z, atol=1e-2)
    assert torch.equal(found.inputs["label"], label)
    assert torch.allclose(found.pictures, pictures, atol=1e-2)
    assert (found.loss < 1e-4 * found.start).all()
    assert seen == [(done + 1, 600) for done in range(600)]  # three classes, 200 steps each
    assert model.training
    assert model.generator.weight.requires_grad
    assert model.generator.weight.grad is None


def test_projection_of_what_is_out_of_reach_is_the_least_squares_solution() -> None:
    model = Linear()
    pictures = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    found = project(model, pictures, search(400), label=0)
    matrix = model.generator.weight.detach()
    best = torch.linalg.lstsq(matrix, pictures.flatten(1).T).solution.T
    residual = (best @ matrix.T - pictures.flatten(1)).square().mean(1)
    assert torch.allclose(found.pixels, residual, rtol=1e-3)


def test_what_a_picture_finds_does_not_depend_on_pictures_of_other_classes() -> None:
    model, label = Linear(), torch.tensor([2, 0, 1])
    pictures = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(3)) - 0.5
    with torch.inference_mode():
        together = project(model, pictures, search(30), label=label)
    for index in range(3):
        alone = project(model, pictures[index : index + 1], search(30), label=label[index : index + 1])
        assert torch.allclose(together.pictures[index], alone.pictures[0], atol=1e-6)


def test_projection_comes_nearer_than_any_random_latent_on_a_trained_network(tiny_run: TinyRuns) -> None:
    tiny = tiny_run("dcgan", steps=10)
    tiny.trainer.run()
    model = tiny.trainer.model.eval()
    truth = sample(model, 4, seed=11)
    found = project(model, truth, search(100))
    random = sample(model, 64, seed=5)
    nearest = (truth[:, None] - random[None]).square().flatten(2).mean(2).min(1).values
    assert (found.pixels < 0.5 * nearest).all()
    assert torch.allclose((found.pictures - truth).square().flatten(1).mean(1), found.pixels, atol=1e-5)
    with torch.inference_mode():
        assert torch.allclose(model.generate(found.inputs), found.pictures, atol=1e-5)
