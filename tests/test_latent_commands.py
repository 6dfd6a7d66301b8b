"""`ganzoo interpolate`, `truncation`, `mix`, `project` and `edit`, on small runs."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import toys_latents
from conftest import Answer, TinyRuns
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from safetensors.torch import load_file
from test_light_imports import HEAVY, after

import ganzoo
from ganzoo.pictures import to_bytes
from ganzoo.registry import Registry, get_registry
from ganzoo.sampling import sample

Call = Callable[..., Answer]
Pixels = NDArray[np.uint8]
SIZE = toys_latents.SIZE
QUICK = ("--steps", "3", "--starts", "2", "--network", "none")


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_latents`."""
    install("ganzoo-toy-latents", "from toys_latents import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which runs are kept from test to test."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def run(zoo: Registry, tiny_run: TinyRuns, cwd: Path, trained: Path) -> Callable[[str], Path]:
    """`run("toy-style")`: a finished run of that architecture, runs/toy-style; each is trained once."""

    def train(name: str) -> Path:
        if not (trained / name).exists():
            data = "toy-colours" if name in toys_latents.MODELS else None
            tiny_run(name, data=data, folder=trained / name, registry=zoo, steps=2).trainer.run()
        shutil.copytree(trained / name, cwd / "runs" / name)
        return Path("runs") / name

    return train


def read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


def save(path: Path, width: int = SIZE, height: int = SIZE, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def cell(sheet: Pixels, row: int, column: int, size: int = SIZE, between: int = 2) -> Pixels:
    """A picture of a grid, at its own size."""
    factor = max(1, 64 // size)
    top, left = (2 + place * (size * factor + between) for place in (row, column))
    return sheet[top : top + size * factor : factor, left : left + size * factor : factor]


def same(a: Pixels, b: Pixels) -> bool:
    """Whether two pictures agree but for rounding."""
    return a.shape == b.shape and int(np.abs(a.astype(int) - b.astype(int)).max()) <= 1


def samples(folder: Path, count: int, registry: Registry, seed: int = 0, **how: float) -> Pixels:
    model = ganzoo.load_model(folder, registry)
    return to_bytes(sample(model, count, seed=seed, **how))  # type: ignore[arg-type]


# --- interpolate ------------------------------------------------------------------------------------------------------


def test_a_strip_has_a_row_for_each_leg_and_its_ends_are_the_samples(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-style")
    answer = here("interpolate", "toy-style", "--stops", "3", "--frames", "4", "--out", "walk.png")
    assert answer.code == 0, answer.err
    assert "3 stops, lerp in w, in walk.png" in answer.out
    sheet, wanted = read(cwd / "walk.png"), samples(folder, 3, zoo)
    assert sheet.shape == (2 * 66 + 2, 5 * 66 + 2, 3)
    for row in (0, 1):
        assert same(cell(sheet, row, 0), wanted[row])
        assert same(cell(sheet, row, 4), wanted[row + 1])


def test_a_film_is_a_gif_of_all_frames(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("dcgan")
    answer = here("interpolate", "--out", "films/walk.gif", "--stops", "3", "--frames", "6")
    assert answer.code == 0, answer.err
    assert "13 frames, 0.7 s, 3 stops, slerp in z" in answer.out
    with Image.open(cwd / "films/walk.gif") as film:
        assert sum(frame.info["duration"] for frame in ImageSequence.Iterator(film)) == 13 * 50
        assert film.size == (252, 252)


def test_without_out_the_film_lies_with_the_run(run: Callable[[str], Path], here: Call) -> None:
    folder = run("toy-style")
    for _ in range(2):  # the same again is no conflict
        assert here("interpolate", "--stops", "2", "--frames", "2", "--truncation", "0.5").code == 0
    assert (folder / "generated" / "interpolation-seed0-psi0.5-2stops.gif").is_file()


def test_a_loop_as_frames_leaves_the_last_out_and_as_a_strip_shows_it(
    run: Callable[[str], Path], here: Call, cwd: Path
) -> None:
    run("toy-style")
    words = ("interpolate", "--loop", "--stops", "2", "--frames", "3")
    assert here(*words, "--out", "frames").code == 0
    assert here(*words, "--out", "strip.png").code == 0
    frames = [read(path) for path in sorted((cwd / "frames").iterdir())]
    strip = read(cwd / "strip.png")
    assert len(frames) == 6
    assert same(cell(strip, 1, 3), frames[0])
    assert same(cell(strip, 1, 2), frames[5])


def test_stops_can_be_picked_from_a_seed_and_from_several(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-style")
    assert here("interpolate", "--pick", "2,66", "--frames", "1", "--out", "a").code == 0
    wanted = samples(folder, 67, zoo)
    assert same(read(cwd / "a/000000.png"), wanted[2])
    assert same(read(cwd / "a/000001.png"), wanted[66])
    assert here("interpolate", "--seed", "5", "--seed", "9", "--frames", "1", "--out", "b").code == 0
    assert same(read(cwd / "b/000001.png"), samples(folder, 1, zoo, seed=9)[0])


def test_a_walk_in_z_takes_another_way_than_one_in_w(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("toy-style")
    for name, words in {"w": (), "z": ("--space", "z"), "l": ("--space", "z", "--way", "lerp")}.items():
        assert here("interpolate", "--stops", "2", "--frames", "2", *words, "--out", name).code == 0
    middle = [read(cwd / name / "000001.png") for name in "wzl"]
    assert not any(same(middle[a], middle[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_labels_are_the_classes_of_the_stops(run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry) -> None:
    folder = run("cgan")
    words = ("interpolate", "--label", "sneaker", "--label", "8", "--stops", "2", "--frames", "1", "--out", "walk")
    assert here(*words).code == 0
    wanted = to_bytes(sample(ganzoo.load_model(folder, zoo), 2, label=[7, 8]))
    for index in (0, 1):
        assert same(read(cwd / f"walk/{index:06d}.png")[..., None], wanted[index])


# --- truncation and mixing --------------------------------------------------------------------------------------------


def test_the_rows_of_a_truncation_grid_are_what_generate_makes_at_that_psi(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-style")
    answer = here("truncation", "--psi", "0", "--psi", "0.5", "--psi", "none", "-n", "3", "--out", "grid.png")
    assert answer.code == 0, answer.err
    assert "psi 0, 0.5, none (from above)" in answer.out
    sheet = read(cwd / "grid.png")
    for row, how in enumerate(({"truncation": 0.0}, {"truncation": 0.5}, {})):
        for column, wanted in enumerate(samples(folder, 3, zoo, **how)):
            assert same(cell(sheet, row, column), wanted)


def test_truncation_works_without_w_too(run: Callable[[str], Path], here: Call) -> None:
    folder = run("dcgan")
    assert here("truncation").code == 0
    assert read(folder / "generated/truncation-seed0-n8.png").shape == (5 * 58 + 2, 8 * 58 + 2)


def test_a_mixed_grid_shows_its_sources_at_the_top_and_at_the_left(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-style")
    answer = here("mix", "--pick", "0,1", "--with", "2-4", "--layers", "0-2", "--out", "mix.png")
    assert answer.code == 0, answer.err
    assert "2 rows x 3 columns, layers 0, 1, 2 of the columns" in answer.out
    sheet, wanted = read(cwd / "mix.png"), samples(folder, 5, zoo)
    assert sheet.shape == (3 * 66 + 2, 4 * 66 + 2, 3)
    assert (cell(sheet, 0, 0) == 255).all()
    assert same(cell(sheet, 0, 2), wanted[3])
    assert same(cell(sheet, 2, 0), wanted[1])
    # All layers are the column's; only the noise, which hardly shows, is the row's.
    assert np.abs(cell(sheet, 2, 2).astype(int) - wanted[3].astype(int)).max() <= 8


@pytest.mark.parametrize(("name", "said"), [("dcgan", "no intermediate latent"), ("toy-shared", "one intermediate")])
def test_mixing_needs_a_w_for_each_layer(run: Callable[[str], Path], here: Call, name: str, said: str) -> None:
    run(name)
    answer = here("mix")
    assert answer.code == 2
    assert said in answer.err
    assert "no layers to mix" in answer.err
    assert len(answer.err.splitlines()) == 1


# --- project ----------------------------------------------------------------------------------------------------------


def test_a_projection_is_shown_beside_its_picture_and_its_latents_are_kept(
    run: Callable[[str], Path], here: Call, cwd: Path
) -> None:
    run("toy-style")
    photo = save(cwd / "photo.png")
    answer = here("project", "--input", "photo.png", "--steps", "5", "--out", "found/it.png")
    assert answer.code == 0, answer.err
    assert "photo.png: perceptual[efflite0] " in answer.out
    assert "picture | projection in found/it.png, latents (w) in found/it.safetensors" in answer.out
    assert answer.err == ""
    sheet = read(cwd / "found/it.png")
    assert same(cell(sheet, 0, 0), read(photo))
    latents = load_file(cwd / "found/it.safetensors")
    assert {name: tuple(values.shape) for name, values in latents.items()} == {"w": (1, 3, 6), "noise": (1, 3)}


def test_a_sample_is_found_again(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("toy-style")
    assert here("generate", "-n", "1", "--seed", "4", "--out", "own").code == 0
    answer = here("project", "--input", "own/000000.png", "--network", "none", "--json", "--out", "it.png")
    (row,) = json.loads(answer.out)
    assert row["picture"] == "000000.png"
    assert row["psnr"] > 30
    assert row["loss"] < row["start"]
    assert "perceptual[efflite0]" not in row


def test_the_same_command_finds_the_same_latents(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("dcgan")
    save(cwd / "photo.png")
    for out in ("a.png", "b.png"):
        assert here("project", "--input", "photo.png", *QUICK, "--out", out).code == 0
    assert (cwd / "a.safetensors").read_bytes() == (cwd / "b.safetensors").read_bytes()
    assert here("project", "--input", "photo.png", *QUICK, "--seed", "1", "--out", "c.png").code == 0
    assert (cwd / "a.safetensors").read_bytes() != (cwd / "c.safetensors").read_bytes()


def test_a_picture_of_another_size_is_resized_and_that_is_said(
    run: Callable[[str], Path], here: Call, cwd: Path
) -> None:
    run("toy-style")
    save(cwd / "photo.png", width=30, height=20)
    answer = here("project", "--input", "photo.png", *QUICK)
    assert answer.code == 0
    assert answer.err == (
        "ganzoo: photo.png (30 x 20 pixels) was cut to a square and resized to 8 x 8, the size of toy-style\n"
    )


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_or_a_zip_is_projected_as_a_whole_and_what_is_broken_is_said(
    run: Callable[[str], Path], here: Call, cwd: Path, zipped: bool
) -> None:
    run("toy-style")
    for index in range(3):
        save(cwd / f"in/{index}.png", seed=index)
    (cwd / "in/broken.png").write_bytes(b"no picture")
    if zipped:
        with zipfile.ZipFile(cwd / "in.zip", "w") as archive:
            for path in sorted((cwd / "in").iterdir()):
                archive.write(path, path.name)
    answer = here("project", "--input", "in.zip" if zipped else "in", *QUICK, "--out", "out")
    assert answer.code == 0, answer.err
    assert "broken.png" in answer.err
    assert sorted(path.name for path in (cwd / "out").iterdir()) == ["0.png", "1.png", "2.png", "latents.safetensors"]
    assert load_file(cwd / "out/latents.safetensors")["w"].shape == (3, 3, 6)
    assert len(answer.out.splitlines()) == 4


def test_the_class_of_a_picture_is_found_or_given(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("cgan")
    save(cwd / "photo.png")
    found = here("project", "--input", "photo.png", *QUICK, "--json", "--out", "a.png")
    assert json.loads(found.out)[0]["label"] in get_registry().datasets["fashion"].classes
    given = here("project", "--input", "photo.png", *QUICK, "--label", "bag", "--json", "--out", "b.png")
    assert json.loads(given.out)[0]["label"] == "bag"
    assert load_file(cwd / "b.safetensors")["label"].tolist() == [8]


# --- edit -------------------------------------------------------------------------------------------------------------


def test_an_edit_of_a_seed_shows_it_before_and_after(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-style")
    answer = here("edit", "--seed", "6", "--direction", "2", "--strength", "-3", "--out", "it.png")
    assert answer.code == 0, answer.err
    assert "before | after (direction 2 by -3, in w) in it.png, latents in it.safetensors" in answer.out
    sheet = read(cwd / "it.png")
    assert same(cell(sheet, 0, 0), samples(folder, 1, zoo, seed=6)[0])
    after = to_bytes(ganzoo.load_model(folder, zoo).generate(load_file(cwd / "it.safetensors")))[0]
    assert same(cell(sheet, 0, 1), after)
    assert not same(cell(sheet, 0, 1), cell(sheet, 0, 0))


def test_an_edit_there_and_back_changes_nothing(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("dcgan")
    assert here("edit", "--pick", "3,5", "--direction", "1", "--strength", "2", "--out", "there.png").code == 0
    assert (
        here("edit", "--latent", "there.safetensors", "--direction", "1", "--strength", "-2", "--out", "a.png").code
        == 0
    )
    again = here("edit", "--pick", "3,5", "--direction", "1", "--strength", "0", "--out", "b.png")
    assert again.code == 0
    a, b = (load_file(cwd / f"{name}.safetensors")["z"] for name in "ab")
    assert torch.allclose(a, b, atol=1e-5)


def test_directions_follow_each_other_each_with_its_strength(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("toy-style")
    both = ("--direction", "1", "--strength", "2", "--direction", "3", "--strength", "-1")
    assert here("edit", *both, "--out", "both.png").code == 0
    assert here("edit", *both[:4], "--out", "one.png").code == 0
    assert here("edit", "--latent", "one.safetensors", *both[4:], "--out", "two.png").code == 0
    one, two = (load_file(cwd / f"{name}.safetensors")["w"] for name in ("both", "two"))
    assert torch.allclose(one, two, atol=1e-6)


def test_an_edit_of_a_picture_projects_it_first(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("toy-style")
    photo = save(cwd / "face.png")
    answer = here("edit", "--input", "face.png", "--direction", "3", *QUICK, "--out", "it.png")
    assert answer.code == 0, answer.err
    assert "picture | projection | changed (direction 3 by 2, in w)" in answer.out
    assert here("project", "--input", "face.png", *QUICK, "--out", "found.png").code == 0
    sheet, found = read(cwd / "it.png"), read(cwd / "found.png")
    assert same(cell(sheet, 0, 0), read(photo))
    assert same(cell(sheet, 0, 1), cell(found, 0, 1))


def test_the_first_directions_are_shown_with_nothing_in_the_middle(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-style")
    answer = here("edit", "--directions", "4", "--strength", "3", "--out", "all.png")
    assert answer.code == 0, answer.err
    assert "directions 1 to 4 (from above, in w), strengths -3, -1.5, 0, 1.5, 3" in answer.out
    sheet = read(cwd / "all.png")
    assert sheet.shape == (4 * 66 + 2, 5 * 66 + 2, 3)
    assert all(same(cell(sheet, row, 2), samples(folder, 1, zoo)[0]) for row in range(4))


def test_an_edit_of_some_layers_leaves_the_others(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("toy-style")
    for name, words in {"all": (), "some": ("--layers", "fine")}.items():
        assert here("edit", "--direction", "1", *words, "--out", f"{name}.png").code == 0
    w = {name: load_file(cwd / f"{name}.safetensors")["w"][0] for name in ("all", "some")}
    assert torch.equal(w["some"][0], w["some"][1])
    assert not torch.equal(w["some"][0], w["some"][2])
    assert torch.equal(w["all"][0], w["all"][2])


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "essentials"),
    [
        ("interpolate --stops 1", ["two stops", "--stops 5"]),
        ("interpolate --pick 1,x", ["--pick 1,x", "0-3,17"]),
        ("interpolate --pick 1,2 --stops 3", ["--pick 1,2", "3"]),
        ("interpolate --space w", ["--space w", "no intermediate latent w", "--space z"]),
        ("interpolate --label bag", ["--label bag", "no label"]),
        ("interpolate --out walk.webm", ["walk.webm", "walk.png", ".gif"]),
        ("interpolate --truncation 0", ["--truncation 0", "above 0"]),
        ("interpolate --best --after warmup", ["--best", "--after warmup"]),
        ("interpolate --best", ["best.safetensors"]),
        ("interpolate nowhere", ["nowhere", "ganzoo runs"]),
        ("truncation --psi x", ["--psi x", "0.7"]),
        ("truncation --psi -1", ["--psi -1", "above 0"]),
        ("truncation --truncation 0.7", ["--psi 0.7"]),
        ("truncation --out grid.jpg", ["grid.jpg", "grid.png"]),
        ("mix --seed 1 --seed 2", ["--seed", "--pick", "--with"]),
        ("project --input nowhere.png", ["nowhere.png", "no such file"]),
        ("project --input empty", ["--input empty", "no picture"]),
        ("project --input text.png", ["--input text.png", "known format"]),
        ("project --input photo.png --space w+", ["--space w+", "--space z"]),
        ("project --input photo.png --network vgg", ["--network vgg", "efflite0", "none"]),
        ("project --input photo.png --network none --pixels 0", ["--pixels 0", "--network none"]),
        ("project --input photo.png --out there.png", ["there.png", "--overwrite"]),
        ("edit", ["--direction N", "--directions"]),
        ("edit --direction 1 --directions 3", ["--direction N", "--directions"]),
        ("edit --direction 9", ["--direction 9", "1 to 8"]),
        ("edit --direction 0", ["--direction 0", "1 to 8"]),
        ("edit --directions 9", ["--directions 9", "1 to 8"]),
        ("edit --direction 1 --strength 1 --strength 2", ["2 strengths", "1 directions"]),
        ("edit --direction 1 --layers 0", ["no intermediate latent"]),
        ("edit --direction 1 --steps 5", ["--steps 5", "--input"]),
        (
            "edit --direction 1 --input photo.png --latent a.safetensors",
            ["--input photo.png", "--latent a.safetensors"],
        ),
        ("edit --direction 1 --input photo.png --pick 3", ["--pick 3", "--input photo.png"]),
        ("edit --direction 1 --latent a.safetensors --seed 3", ["--seed 3", "--latent a.safetensors"]),
        ("edit --direction 1 --latent a.safetensors", ["a.safetensors", "ganzoo project"]),
        ("edit --direction 1 --latent text.png", ["text.png", "latents"]),
        ("edit --direction 1 --out edits", ["edits", "edits.png"]),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(
    run: Callable[[str], Path], here: Call, cwd: Path, words: str, essentials: list[str]
) -> None:
    run("dcgan")
    save(cwd / "photo.png")
    save(cwd / "there.png")
    (cwd / "text.png").write_text("no picture")
    (cwd / "empty").mkdir()
    answer = here(*words.split())
    assert (answer.code, answer.out) == (2, "")
    assert all(word in answer.err for word in essentials), answer.err
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith("ganzoo: ")


@pytest.mark.parametrize(
    "words", ["interpolate", "truncation", "mix", "project --input photo.png", "edit --direction 1"]
)
def test_a_run_that_takes_pictures_in_has_no_latent(run: Callable[[str], Path], here: Call, words: str) -> None:
    run("pix2pix")
    answer = here(*words.split())
    assert answer.code == 2
    assert "pix2pix has no latent, it makes pictures of pictures" in answer.err
    assert "ganzoo generate runs/pix2pix --input photo.png" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_model_that_maps_to_one_w_and_takes_several_has_all_of_the_tools(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-either")
    words = ("edit", "--truncation", "0.5", "--direction", "1", "--layers", "0", "--strength", "2", "--out", "a.png")
    assert here(*words).code == 0
    assert same(cell(read(cwd / "a.png"), 0, 0), samples(folder, 1, zoo, truncation=0.5)[0])
    latents = load_file(cwd / "a.safetensors")
    assert {name: tuple(values.shape) for name, values in latents.items()} == {"w": (1, 3, 6)}
    assert here("edit", "--latent", "a.safetensors", "--direction", "1", "--out", "b.png").code == 0
    assert here("mix", "--pick", "0", "--with", "1", "--layers", "0-2", "--out", "mix.png").code == 0
    sheet = read(cwd / "mix.png")
    assert same(cell(sheet, 1, 1), cell(sheet, 0, 1))
    save(cwd / "photo.png")
    assert here("project", "--input", "photo.png", *QUICK, "--space", "w+", "--out", "c.png").code == 0
    assert load_file(cwd / "c.safetensors")["w"].shape == (1, 3, 6)
    assert here("interpolate", "--space", "z", "--truncation", "0.5", "--frames", "1", "--out", "walk").code == 0
    assert same(read(cwd / "walk/000001.png"), samples(folder, 2, zoo, truncation=0.5)[1])


def test_truncation_in_w_does_not_go_with_a_walk_in_z(run: Callable[[str], Path], here: Call) -> None:
    run("toy-style")
    answer = here("interpolate", "--space", "z", "--truncation", "0.7")
    assert answer.code == 2
    assert "--truncation 0.7: toy-style truncates in w; use --space w" in answer.err


def test_latents_of_another_run_are_refused(run: Callable[[str], Path], here: Call) -> None:
    run("toy-style")
    run("toy-shared")
    assert here("edit", "toy-style", "--direction", "1", "--out", "it.png").code == 0
    answer = here("edit", "toy-shared", "--latent", "it.safetensors", "--direction", "1")
    assert answer.code == 2
    assert "it.safetensors is of another model" in answer.err


@pytest.mark.parametrize(
    "words", ["interpolate --out a.gif", "truncation --out a.png", "edit --direction 1 --out a.png"]
)
def test_what_is_there_is_replaced_only_when_asked(
    run: Callable[[str], Path], here: Call, cwd: Path, words: str
) -> None:
    run("toy-style")
    for name in ("a.gif", "a.png"):
        (cwd / name).write_bytes(b"precious")
    refused = here(*words.split())
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert (cwd / words.split()[-1]).read_bytes() == b"precious"
    assert here(*words.split(), "--overwrite").code == 0
    assert (cwd / words.split()[-1]).read_bytes() != b"precious"


@pytest.mark.parametrize("command", ["interpolate", "truncation", "mix", "project", "edit"])
def test_the_help_teaches_by_examples(here: Call, command: str) -> None:
    answer = here(command, "--help")
    assert answer.code == 0
    assert answer.out.count(f"\n  ganzoo {command} RUN") >= 2 or answer.out.count(f"ganzoo {command} RUN") >= 3


@pytest.mark.parametrize("command", ["interpolate", "truncation", "mix", "project", "edit"])
def test_the_help_needs_no_torch(command: str, cwd: Path) -> None:
    assert after([command, "--help"], cwd) & HEAVY == set()
