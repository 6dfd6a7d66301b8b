"""Latent tools: ways, walks, points, directions and projection, against closed forms and numpy."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys_latents
from conftest import TinyRuns
from PIL import Image, ImageSequence
from torch import Tensor, nn
from toys_latents import LATENT, LAYERS, Shared, Style
from toys_still import Config

from ganzoo.config import Settings
from ganzoo.errors import UserError
from ganzoo.latents import films
from ganzoo.latents.directions import affine_layers, directions, factorise
from ganzoo.latents.distance import far, load_look, networks
from ganzoo.latents.editing import Editor
from ganzoo.latents.mixing import layers_of, mix
from ganzoo.latents.paths import lerp, positions, slerp, walk
from ganzoo.latents.points import (
    Pick,
    at,
    draw,
    load_latents,
    many,
    pictures,
    rows_of,
    save_latents,
    statistics,
)
from ganzoo.latents.projection import Search, project, rate
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo.sampling import blocks, sample

torch.set_num_threads(1)


@pytest.fixture
def style() -> Style:
    torch.manual_seed(0)
    return Style(Config(), toys_latents.spec()).eval()


@pytest.fixture
def shared() -> Shared:
    torch.manual_seed(0)
    return Shared(Config(), toys_latents.spec()).eval()


def tiny(tiny_run: TinyRuns, name: str, **settings: Any) -> Model:
    """An untrained small model."""
    return tiny_run(name, **settings).trainer.model.eval()


# --- ways -------------------------------------------------------------------------------------------------------------


def test_half_way_between_two_orthogonal_unit_vectors_an_arc_is_at_45_degrees() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert torch.allclose(slerp(a, b, torch.tensor([0.5])), torch.tensor([[math.sqrt(0.5)] * 2]))
    assert torch.allclose(lerp(a, b, torch.tensor([0.5])), torch.tensor([[0.5, 0.5]]))


def test_an_arc_turns_at_constant_speed_and_keeps_the_length() -> None:
    angle = 2.0
    a, b = torch.tensor([[3.0, 0.0]]), 3 * torch.tensor([[math.cos(angle), math.sin(angle)]])
    shares = torch.linspace(0, 1, 7)
    made = slerp(a.expand(7, -1), b.expand(7, -1), shares)
    turned = torch.atan2(made[:, 1], made[:, 0])
    assert torch.allclose(made.norm(dim=1), torch.full((7,), 3.0), atol=1e-6)
    assert torch.allclose(turned, shares * angle, atol=1e-6)


@pytest.mark.parametrize("way", [lerp, slerp])
def test_a_way_begins_and_ends_exactly_at_its_ends(way: Any) -> None:
    a, b = torch.randn(2, 5, 3, 4)
    assert torch.equal(way(a, b, torch.zeros(5)), a)
    assert torch.equal(way(a, b, torch.ones(5)), b)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_an_arc_between_parallel_vectors_is_straight(factor: float) -> None:
    a = torch.tensor([[0.6, -0.8, 2.0]])
    made = slerp(a, factor * a, torch.tensor([0.25]))
    assert torch.allclose(made, a * (0.75 + 0.25 * factor), atol=1e-6)


def test_positions_are_evenly_spread_and_a_closed_walk_has_one_leg_more() -> None:
    assert positions(3, 2).tolist() == [0, 0.5, 1, 1.5, 2]
    assert positions(3, 2, closed=True).tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]


# --- walks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["lerp", "slerp"])
@pytest.mark.parametrize("space", ["z", "w"])
def test_at_its_stops_a_walk_shows_the_samples_of_the_seed(style: Style, space: Any, way: Any) -> None:
    stops = at(style, draw(style, [Pick(3, 0), Pick(3, 1), Pick(3, 2)]), space)
    made = pictures(style, walk(stops, positions(3, 4), space=space, way=way))
    assert torch.allclose(made[::4], sample(style, 3, seed=3), atol=1e-6)


def test_at_its_stops_a_walk_of_a_model_without_w_shows_the_samples(tiny_run: TinyRuns) -> None:
    model = tiny(tiny_run, "dcgan")
    stops = at(model, draw(model, [Pick(0, 0), Pick(0, 1)]), "z")
    made = pictures(model, walk(stops, positions(2, 5), space="z", way="slerp"))
    assert torch.allclose(made[[0, 5]], sample(model, 2), atol=1e-6)
    assert not torch.allclose(made[2], made[3], atol=1e-6)


def test_a_closed_walk_ends_where_it_began(style: Style) -> None:
    stops = at(style, draw(style, [Pick(0, 0), Pick(0, 5)]), "w")
    inputs = walk(stops, positions(2, 3, closed=True), space="w", way="lerp")
    assert all(torch.equal(values[0], values[-1]) for values in inputs.values())
    assert torch.equal(inputs["w"][3], stops["w"][1])


def test_half_way_in_w_lies_the_mean_of_two_w_and_noise_keeps_its_size(style: Style) -> None:
    stops = at(style, draw(style, [Pick(0, 0), Pick(0, 1)]), "w")
    middle = walk(stops, torch.tensor([0.5], dtype=torch.float64), space="w", way="lerp")
    assert torch.allclose(middle["w"][0], stops["w"].mean(0))
    assert torch.allclose(middle["noise"], slerp(stops["noise"][:1], stops["noise"][1:], torch.tensor([0.5])))


def test_the_class_changes_half_way(tiny_run: TinyRuns) -> None:
    model = tiny(tiny_run, "cgan")
    stops = draw(model, [Pick(0, 0), Pick(0, 1)], label=[4, 7])
    labels = walk(stops, positions(2, 4), space="z", way="slerp")["label"].tolist()
    assert labels == [4, 4, 7, 7, 7]


# --- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dcgan", "cgan", "vae", "vanilla"])
def test_a_pick_is_the_picture_that_generate_makes(tiny_run: TinyRuns, name: str) -> None:
    model = tiny(tiny_run, name)
    picks = [Pick(5, 66), Pick(5, 2)]
    every = torch.cat([block for block, _ in blocks(model, 67, seed=5)])
    assert torch.allclose(pictures(model, draw(model, picks)), every[[66, 2]], atol=1e-5)


def test_a_pick_is_truncated_as_generate_truncates_it(style: Style) -> None:
    made = pictures(style, draw(style, [Pick(1, 0), Pick(1, 1)], truncation=0.3))
    assert torch.allclose(made, sample(style, 2, seed=1, truncation=0.3), atol=1e-6)


def test_a_model_that_takes_pictures_in_has_no_latent(tiny_run: TinyRuns) -> None:
    with pytest.raises(UserError, match="no latent of its own: it makes its pictures from source"):
        draw(tiny(tiny_run, "pix2pix"), [Pick(0)])


def test_w_cannot_be_had_of_a_model_that_has_none(tiny_run: TinyRuns) -> None:
    model = tiny(tiny_run, "dcgan")
    with pytest.raises(UserError, match="no intermediate latent w"):
        at(model, draw(model, [Pick(0)]), "w")


def test_the_statistics_of_w_are_those_of_what_the_mapping_gives(style: Style) -> None:
    found = statistics(style, "w")
    w = style.mapping(many(style, len(found.sample))["z"]).detach()
    assert torch.allclose(found.mean[0, 0], w.mean(0), atol=1e-6)
    assert found.spread == pytest.approx(float((w - w.mean(0)).square().mean().sqrt()), rel=1e-5)
    direction = nn.functional.normalize(torch.arange(1.0, LATENT + 1), dim=0)
    assert found.along(direction) == pytest.approx(float((w @ direction).std()), rel=1e-4)


def test_latents_survive_a_file(style: Style, tmp_path: Path) -> None:
    inputs = rows_of(at(style, draw(style, [Pick(0, 0), Pick(0, 1)]), "w"), [0, 1])
    save_latents(tmp_path / "some.safetensors", inputs, ["a", "b"], space="w")
    again, names = load_latents(tmp_path / "some.safetensors", style)
    assert names == ["a", "b"]
    assert {name: values.tolist() for name, values in again.items()} == {n: v.tolist() for n, v in inputs.items()}


def test_latents_of_another_model_are_refused_by_shape(style: Style, shared: Shared, tmp_path: Path) -> None:
    save_latents(tmp_path / "some.safetensors", at(style, draw(style, [Pick(0)]), "w"), ["a"])
    with pytest.raises(UserError, match=r"of another model: its w has shape \(3, 6\), this model's \(6,\)"):
        load_latents(tmp_path / "some.safetensors", shared)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_file_that_holds_no_latents_is_named(style: Style, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"some\.safetensors cannot be read as latents"):
        load_latents(path, style)


# --- mixing -----------------------------------------------------------------------------------------------------------


def test_a_mixed_picture_has_the_columns_part_of_the_chosen_layers(style: Style) -> None:
    rows, columns = draw(style, [Pick(0, 0), Pick(0, 1)]), draw(style, [Pick(0, 2), Pick(0, 3), Pick(0, 4)])
    made = pictures(style, mix(style, rows, columns, [1]))
    with torch.no_grad():
        a, b = style.mapping(rows["z"])[1:], style.mapping(columns["z"])[2:]
        first, second, third = (layer.weight for layer in style.generator)
        wanted = (a @ (first + third).T + b @ second.T).view(3, 8, 8) + 0.01 * rows["noise"][1][:, None, None]
    assert torch.allclose(made[5], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "layers", "wanted"),
    [
        ("coarse", 9, [0, 1, 2]),
        ("middle", 10, [3, 4, 5]),
        ("fine", 10, [6, 7, 8, 9]),
        ("coarse", 2, [0]),
        ("fine", 1, [0]),
        ("2", 4, [2]),
        ("0-1,3", 4, [0, 1, 3]),
    ],
)
def test_layers_have_names_and_numbers(text: str, layers: int, wanted: list[int]) -> None:
    assert layers_of(text, layers) == wanted


@pytest.mark.parametrize(("text", "said"), [("4", "0 to 3"), ("2-1", "0 to 3"), ("corse", "coarse"), ("", "coarse")])
def test_layers_that_are_not_there_are_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        layers_of(text, 4)


# --- directions -------------------------------------------------------------------------------------------------------


def test_directions_are_numpys_eigenvectors_of_the_weights_square() -> None:
    weights = [np.random.default_rng(seed).normal(size=(9, 5)) for seed in (0, 1)]
    found = factorise([torch.from_numpy(weight) for weight in weights])
    stacked = np.concatenate(weights)
    values, vectors = np.linalg.eigh(stacked.T @ stacked)
    assert np.allclose(found.changes.numpy(), np.sqrt(values[::-1]))
    assert np.allclose(np.abs((found.vectors.numpy() * vectors.T[::-1]).sum(1)), 1)
    assert np.allclose(np.linalg.norm(stacked @ found.vectors.numpy().T, axis=0), found.changes.numpy())


def test_of_an_eigenvector_and_its_negative_the_one_whose_largest_part_is_positive_is_taken() -> None:
    found = factorise([torch.diag(torch.tensor([1.0, 3.0, 2.0])), -torch.eye(3)])
    assert torch.allclose(found.vectors, torch.eye(3, dtype=torch.float64)[[1, 2, 0]], atol=1e-12)


@pytest.mark.parametrize("weights", [[], [torch.ones(2, 3), torch.ones(2, 4)], [torch.ones(3)]])
def test_weights_that_do_not_fit_together_are_refused(weights: list[Tensor]) -> None:
    with pytest.raises(ValueError, match="expected weights"):
        factorise(weights)


def test_the_first_layer_of_convolutions_is_read_tap_by_tap(tiny_run: TinyRuns) -> None:
    model = tiny(tiny_run, "dcgan")
    first = next(layer for layer in model.modules() if isinstance(layer, nn.ConvTranspose2d))
    (weight,) = model.affine()
    with torch.no_grad():
        z = torch.randn(2, 8)
        assert torch.allclose(first(z[:, :, None, None]).flatten(1), z @ weight.T, atol=1e-5)


def test_beside_a_class_only_the_columns_of_z_are_read(tiny_run: TinyRuns) -> None:
    model = tiny(tiny_run, "cgan")
    first = next(layer for layer in model.modules() if isinstance(layer, nn.ConvTranspose2d))
    (weight,) = model.affine()
    latent = many(model, 1)["z"].shape[1]
    assert torch.equal(weight, first.weight.detach().transpose(0, 1)[:, :latent].movedim(1, -1).reshape(-1, latent))


@pytest.mark.parametrize("name", ["vanilla", "vae"])
def test_every_model_of_noise_has_a_layer_that_reads_it(tiny_run: TinyRuns, name: str) -> None:
    model = tiny(tiny_run, name)
    assert {weight.shape[1] for weight in model.affine()} == {many(model, 1)["z"].shape[1]}


def test_layers_that_read_w_each_have_a_weight_each_in_order(style: Style) -> None:
    weights = style.affine()
    assert len(weights) == LAYERS
    assert all(torch.equal(weight, layer.weight) for weight, layer in zip(weights, style.generator, strict=True))


def test_layers_that_read_one_w_are_one_below_the_other(shared: Shared) -> None:
    (weight,) = shared.affine()
    assert torch.equal(weight, torch.cat([layer.weight for layer in shared.generator]))  # type: ignore[misc]


def test_directions_of_some_layers_are_those_of_their_weights(style: Style) -> None:
    some = directions(style, [2]).vectors
    assert torch.equal(some, factorise([style.generator[2].weight]).vectors)  # type: ignore[list-item]
    assert not torch.allclose(some, directions(style).vectors)


def test_looking_for_the_layers_leaves_the_model_as_it_was(style: Style) -> None:
    style.train()
    affine_layers(style)
    assert all(module.training for module in style.modules())
    assert not any(module._forward_pre_hooks for module in style.modules())


class Normalised(Style):
    """No layer is given w as it is."""

    def _sum(self, w: Tensor) -> Tensor:
        return super()._sum(2 * w)


def test_a_model_whose_latent_no_layer_reads_as_it_is_has_no_directions() -> None:
    with pytest.raises(UserError, match=r"Model\.affine"):
        directions(Normalised(Config(), toys_latents.spec()))


def test_a_strength_of_1_is_a_standard_deviation_along_the_direction(style: Style) -> None:
    editor = Editor.of(style)
    w = style.mapping(many(style, 1024)["z"])
    vector = editor.directions.vectors[1].float()
    given = draw(style, [Pick(0)])
    moved = editor.moved(given, {2: -1.5})["w"] - at(style, given, "w")["w"]
    wanted = -1.5 * (w @ vector).std() * vector
    assert torch.allclose(moved[0], wanted.expand(LAYERS, -1), atol=1e-4)


def test_only_the_chosen_layers_move(style: Style) -> None:
    given = draw(style, [Pick(0)])
    moved = Editor.of(style, [1]).moved(given, {1: 2.0})["w"] - at(style, given, "w")["w"]
    assert moved[0].abs().sum(1).gt(0).tolist() == [False, True, False]


# --- distance and projection ------------------------------------------------------------------------------------------


def test_a_picture_is_at_distance_0_from_itself_and_further_from_another(registry: Registry) -> None:
    _, look = load_look(registry, "", "cpu")
    assert look is not None
    a, b = torch.rand(2, 2, 3, 20, 20) * 2 - 1
    assert torch.equal(far(look(a), look(a)), torch.zeros(2))
    assert far(look(a), look(b)).gt(0.05).all()


def test_the_distance_is_the_evaluations(registry: Registry) -> None:
    from ganzoo_evaluation.perceptual import embedded_distance

    for name in networks(registry):
        _, look = load_look(registry, name, "cpu")
        assert look is not None
        a, b = torch.rand(2, 2, 1, 28, 28) * 2 - 1
        with torch.no_grad():
            assert torch.allclose(far(look(a), look(b)), embedded_distance("cpu", name)(a, b), rtol=1e-4)


def test_networks_that_need_no_download_come_first(registry: Registry) -> None:
    assert networks(registry)[0] == "efflite0"


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_picture_that_a_model_made_is_found_again(style: Style, space: Any) -> None:
    inputs = at(style, draw(style, [Pick(7, 0), Pick(7, 1)]), "w")
    truth = pictures(style, {"w": inputs["w"]})
    found = project(style, truth, Search(space=space, steps=300))
    assert float(found.pixels.max()) < 5e-4  # what the noise of the layers, which is another, makes
    assert float((found.loss / found.start).max()) < 0.2
    if space == "w":
        assert torch.allclose(found.inputs["w"], inputs["w"], atol=0.05)
    assert torch.allclose(pictures(style, found.inputs), found.pictures, atol=1e-6)
    assert "z" not in found.inputs


def test_one_w_for_all_layers_stays_one(style: Style) -> None:
    found = project(style, sample(style, 1), Search(space="w", steps=3)).inputs["w"]
    assert torch.allclose(found, found[:, :1].expand_as(found))
    free = project(style, sample(style, 1), Search(space="w+", steps=3)).inputs["w"]
    assert not torch.allclose(free, free[:, :1].expand_as(free))


def test_a_sample_of_convolutions_is_found_again_by_what_a_network_sees(tiny_run: TinyRuns, registry: Registry) -> None:
    model = tiny(tiny_run, "dcgan")
    _, look = load_look(registry, "", "cpu")
    truth = sample(model, 2, seed=9)
    found = project(model, truth, Search(space="z", steps=60, pixels=10.0), look)
    assert (found.loss < 0.5 * found.start).all()
    assert torch.allclose(found.loss, found.perceptual + 10 * found.pixels)


def test_what_is_found_depends_on_the_seed_and_not_on_other_pictures(style: Style) -> None:
    truth = sample(style, 18, seed=4)
    search = Search(space="w", steps=5)
    together = project(style, truth, search)
    alone = project(style, truth[17:], search)
    assert torch.allclose(together.inputs["w"][17:], alone.inputs["w"], atol=1e-5)
    again = project(style, truth, search)
    assert torch.equal(together.inputs["w"], again.inputs["w"])
    other = project(style, truth, Search(space="w", steps=5, seed=1))
    assert not torch.equal(together.inputs["noise"], other.inputs["noise"])


def test_without_a_step_the_nearest_of_the_starts_is_taken(style: Style) -> None:
    found = project(style, sample(style, 1), Search(space="w", steps=0, starts=0))
    mean = statistics(style, "w").mean
    assert torch.allclose(found.inputs["w"], mean, atol=1e-6)
    more = project(style, sample(style, 1), Search(space="w", steps=0, starts=50))
    assert more.loss < found.loss


def test_of_a_conditional_model_the_class_of_the_nearest_start_is_taken(tiny_run: TinyRuns) -> None:
    model = tiny(tiny_run, "cgan")
    inputs = draw(model, [Pick(0, 0)], label=[3])
    inputs["z"] = torch.zeros_like(inputs["z"])
    found = project(model, pictures(model, inputs), Search(space="z", steps=0, starts=0))
    assert found.inputs["label"].tolist() == [3]
    asked = project(model, pictures(model, inputs), Search(space="z", steps=2, starts=4), label=5)
    assert asked.inputs["label"].tolist() == [5]


def test_a_models_own_encoder_is_asked_too(tiny_run: TinyRuns) -> None:
    run = tiny_run("vae", steps=20)
    run.trainer.run()
    model = run.trainer.model.eval()
    row = run.data.read([0])
    truth, label = torch.from_numpy(row["image"]).float() / 127.5 - 1, torch.from_numpy(row["label"])
    with torch.no_grad():
        mean, _ = model.encode(truth, label)
        coded = (model.generate({"z": mean, "label": label}) - truth).square().mean()
    search = Search(space="z", steps=0, starts=0)
    found = project(model, truth, search, label=int(label))
    assert float(found.loss) <= float(coded) + 1e-6
    assert torch.allclose(found.inputs["z"], mean, atol=1e-5)


def test_a_projection_leaves_the_model_as_it_was(style: Style) -> None:
    style.train()
    style.mapping.requires_grad_(False)
    project(style, torch.zeros(1, 3, 8, 8), Search(space="w", steps=1))
    assert all(module.training for module in style.modules())
    assert [p.requires_grad for p in style.mapping.parameters()] == [False, False]
    assert all(p.requires_grad for p in style.generator.parameters())


def test_pictures_of_another_shape_are_refused(style: Style) -> None:
    with pytest.raises(ValueError, match=r"pictures of \(3, 8, 8\), found \(3, 9, 9\)"):
        project(style, torch.zeros(1, 3, 9, 9), Search(space="w", steps=1))


def test_the_rate_grows_and_falls_to_0() -> None:
    values = [rate(share / 100) for share in range(101)]
    assert values[0] < 0.05
    assert values[100] == pytest.approx(0, abs=1e-9)
    assert values[6] > 0.95
    assert all(a > b for a, b in pairwise(values[6:]))


# --- the base class ---------------------------------------------------------------------------------------------------


class Plain(Model):
    """A model that says nothing of its latent."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return torch.zeros(1)


def test_a_model_has_no_intermediate_latent_unless_it_says_so() -> None:
    assert Plain(Settings(), toys_latents.spec()).intermediate({"z": torch.zeros(1, 2)}) is None


# --- films ------------------------------------------------------------------------------------------------------------


def test_a_grey_gif_keeps_every_frame_as_it_is(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 1), dtype=np.uint8)
    films.save_gif(frames, tmp_path / "it.gif", 25)
    with Image.open(tmp_path / "it.gif") as film:
        read = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(film)]
        assert film.info["loop"] == 0
    with Image.open(tmp_path / "it.gif") as film:
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(film)] == [40] * 5
    assert np.array_equal(np.stack(read), frames[..., 0])


def test_a_coloured_gif_is_close_to_its_frames(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    frame = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(90)), 2)
    films.save_gif(np.stack([frame, frame[::-1]]), tmp_path / "it.gif", 10)
    with Image.open(tmp_path / "it.gif") as film:
        read = [np.asarray(image.convert("RGB")).astype(int) for image in ImageSequence.Iterator(film)]
    assert np.abs(np.stack(read) - np.stack([frame, frame[::-1]])).mean() < 6


def test_small_frames_are_enlarged_by_a_whole_factor() -> None:
    assert films.enlarged(np.zeros((2, 28, 28, 3), np.uint8)).shape == (2, 252, 252, 3)
    assert films.enlarged(np.zeros((2, 300, 300, 3), np.uint8)).shape == (2, 300, 300, 3)


def test_an_mp4_has_all_frames_and_even_sides(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = np.full((6, 65, 64, 1), 200, np.uint8)
    frames[3:] = 30
    films.save_mp4(frames, tmp_path / "it.mp4", 20)
    with av.open(io.BytesIO((tmp_path / "it.mp4").read_bytes())) as film:
        read = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(read) == 6
    assert read[0].shape == (64, 64, 3)
    assert abs(int(read[1].mean()) - 200) < 8
    assert abs(int(read[5].mean()) - 30) < 8


def test_without_the_package_an_mp4_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install av; or take --out .*it\.gif"):
        films.save_mp4(np.zeros((1, 4, 4, 1), np.uint8), tmp_path / "it.mp4", 20)
