"""`ganzoo generate RUN --input PATH`: pictures of a person's own through models that take pictures in."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Answer, TinyRuns
from numpy.typing import NDArray
from PIL import Image
from toys_pictures import COUNTS, MODELS, SIZE

import ganzoo
from ganzoo.cli.translate import file_names
from ganzoo.config import Settings
from ganzoo.registry import Registry, get_registry
from ganzoo.tiling import available

Pixels = NDArray[np.uint8]
TAKING = sorted(
    name for name, card in get_registry().architectures.items() if get_registry().tasks[card.task].directions
)


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_pictures`."""
    install("ganzoo-toy-pictures", "from toys_pictures import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture
def toy(zoo: Registry, tiny_run: TinyRuns, cwd: Path) -> Callable[..., Path]:
    """`toy("toy-paired")`: a finished run of that toy, runs/toy-paired."""

    def train(name: str, **settings: object) -> Path:
        (cwd / "runs").mkdir(exist_ok=True)
        tiny = tiny_run(name, data="toy-scenes", folder=cwd / "runs" / name, registry=zoo, **settings)
        tiny.trainer.run()
        return tiny.run.folder

    return train


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


def save(pixels: Pixels, path: Path) -> Pixels:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


# --- one picture ------------------------------------------------------------------------------------------------------


def test_one_picture_becomes_the_file_that_out_names(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-unpaired")
    photo = save(noise(SIZE, SIZE), cwd / "photo.png")
    answer = here("generate", "toy-unpaired", "--input", "photo.png", "--out", "answers/negative.png")
    assert answer.code == 0, answer.err
    assert np.array_equal(read(cwd / "answers/negative.png"), 255 - photo)
    assert "answers/negative.png" in answer.out


def test_without_out_it_lies_with_the_run_and_where_is_said(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-unpaired")
    save(noise(SIZE, SIZE), cwd / "photo.png")
    answer = here("generate", "--input", "photo.png", "--direction", "b2a")
    assert answer.code == 0, answer.err
    assert (cwd / "runs/toy-unpaired/generated/photo-b2a.png").is_file()
    assert "runs/toy-unpaired/generated/photo-b2a.png" in answer.out
    assert here("generate", "--input", "photo.png", "--direction", "b2a").code == 0  # the same again is no conflict


def test_the_direction_says_which_way(toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path) -> None:
    toy("toy-unpaired")
    photo = save(noise(SIZE, SIZE), cwd / "photo.png")
    for direction in ("a2b", "b2a"):
        answer = here("generate", "--input", "photo.png", "--direction", direction, "--out", f"{direction}.png")
        assert answer.code == 0, answer.err
    assert np.array_equal(read(cwd / "a2b.png"), 255 - photo)
    half = np.round((photo.astype(float) - 127.5) / 2 + 127.5)
    assert np.abs(read(cwd / "b2a.png") - half).max() <= 1  # a half rounds either way


def test_a_task_of_a_third_party_works_with_its_own_directions(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-season")
    photo = save(noise(SIZE, SIZE), cwd / "photo.png")
    for words, expected in (((), photo[:, ::-1]), (("--direction", "cold"), photo[::-1])):
        assert here("generate", "--input", "photo.png", *words, "--out", "made.png", "--overwrite").code == 0
        assert np.array_equal(read(cwd / "made.png"), expected)
    assert here("generate").code == 0


def test_a_picture_is_brought_to_the_size_of_training_as_in_training(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-unpaired", fit="pad")
    save(np.zeros((40, 20, 3), np.uint8), cwd / "photo.png")
    assert here("generate", "--input", "photo.png", "--out", "made.png").code == 0
    made = read(cwd / "made.png")
    assert made.shape == (SIZE, SIZE, 3)
    assert (made[:, :2] == 0).all()  # the white that was added on both sides, as a negative
    assert (made[:, 2:-2] == 255).all()


@pytest.mark.parametrize("shape", [(13, 21), (5, 40), (3, 3), (1, 1), (64, 32)], ids=str)
def test_keep_size_translates_a_picture_as_large_as_it_is(
    shape: tuple[int, int], toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-unpaired")
    photo = save(noise(*shape), cwd / "photo.png")
    answer = here("generate", "--input", "photo.png", "--keep-size", "--out", "made.png")
    assert answer.code == 0, answer.err
    assert np.array_equal(read(cwd / "made.png"), 255 - photo)


def test_super_resolution_enlarges_every_picture_at_its_own_size(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge")
    photo = save(noise(17, 31), cwd / "photo.png")
    answer = here("generate", "--input", "photo.png", "--out", "made.png")
    assert answer.code == 0, answer.err
    assert np.array_equal(read(cwd / "made.png"), photo.repeat(2, axis=0).repeat(2, axis=1))
    assert "31 x 17 -> 62 x 34 pixels" in answer.out


def test_files_are_read_by_the_rule_of_training(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge")
    transparent = Image.new("RGBA", (6, 6), (255, 0, 0, 0))
    transparent.save(cwd / "alpha.png")
    Image.fromarray(noise(6, 6)[..., 0]).save(cwd / "grey.png")
    lying = Image.new("RGB", (6, 4))
    exif = lying.getexif()
    exif[0x0112] = 6  # a quarter turn
    lying.save(cwd / "turned.jpg", exif=exif)
    for name in ("alpha.png", "grey.png", "turned.jpg"):
        assert here("generate", "--input", name, "--out", f"made-{Path(name).stem}.png").code == 0
    assert (read(cwd / "made-alpha.png") == 255).all()
    grey = read(cwd / "made-grey.png")
    assert np.array_equal(grey[::2, ::2], noise(6, 6)[..., :1].repeat(3, axis=2))
    assert read(cwd / "made-turned.png").shape == (12, 8, 3)


# --- several pictures -------------------------------------------------------------------------------------------------


def test_a_folder_becomes_a_folder_of_the_same_names(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge")
    first, second = save(noise(4, 6), cwd / "in/one.png"), save(noise(7, 5, 1), cwd / "in/deep/er/two.bmp")
    (cwd / "in/notes.txt").write_text("no picture")
    answer = here("generate", "--input", "in", "--out", "out")
    assert answer.code == 0, answer.err
    made = {str(path.relative_to(cwd / "out")): read(path) for path in (cwd / "out").rglob("*.*")}
    assert set(made) == {"one.png", "deep/er/two.png"}
    assert np.array_equal(made["one.png"][::2, ::2], first)
    assert np.array_equal(made["deep/er/two.png"][::2, ::2], second)
    assert answer.out == "2 pictures in out/\n"


def test_a_zip_gives_what_its_folder_gives(toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path) -> None:
    toy("toy-enlarge")
    save(noise(4, 6), cwd / "in/one.png")
    save(noise(7, 5, 1), cwd / "in/deep/two.png")
    with zipfile.ZipFile(cwd / "in.zip", "w") as archive:
        for path in (cwd / "in").rglob("*.png"):
            archive.write(path, path.relative_to(cwd))
    for source in ("in", "in.zip"):
        assert here("generate", "--input", source, "--out", f"of-{source}").code == 0
    for name in ("one.png", "deep/two.png"):
        assert (cwd / "of-in" / name).read_bytes() == (cwd / "of-in.zip" / name).read_bytes()


def test_broken_files_are_named_and_the_rest_is_done(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge")
    save(noise(40, 40), cwd / "in/good.png")
    whole = (cwd / "in/good.png").read_bytes()
    (cwd / "in/cut.png").write_bytes(whole[: len(whole) // 2])
    (cwd / "in/empty.jpg").write_bytes(b"")
    answer = here("generate", "--input", "in", "--out", "out")
    assert answer.code == 0, answer.err
    assert [path.name for path in (cwd / "out").iterdir()] == ["good.png"]
    assert "cut.png" in answer.err
    assert "empty.jpg" in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == "1 picture in out/\n"


def test_a_picture_that_memory_does_not_do_for_is_left_out_and_the_rest_is_done(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    side = 400
    toy("toy-unpaired", appetite=int(2 * available(torch.device("cpu")) / (4 * side * side)))
    save(noise(SIZE, SIZE), cwd / "in/small.png")
    save(noise(side, side), cwd / "in/large.png")
    answer = here("generate", "--input", "in", "--keep-size", "--out", "out")
    assert answer.code == 0, answer.err
    assert [path.name for path in (cwd / "out").iterdir()] == ["small.png"]
    assert len(answer.err.splitlines()) == 1
    assert "GiB of memory" in answer.err
    assert "large.png" in answer.err
    alone = here("generate", "--input", "in/large.png", "--keep-size")
    assert alone.code == 2
    assert len(alone.err.splitlines()) == 1
    assert "400 x 400 pixels" in alone.err


def test_the_first_n_of_a_folder(toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path) -> None:
    toy("toy-enlarge")
    for number in (10, 2, 1):
        save(noise(4, 4, number), cwd / f"in/{number}.png")
    assert here("generate", "--input", "in", "-n", "2", "--out", "out").code == 0
    assert {path.name for path in (cwd / "out").iterdir()} == {"1.png", "2.png"}
    refused = here("generate", "--input", "in", "-n", "4", "--out", "out4")
    assert refused.code == 2
    assert "only 3 pictures" in refused.err


def test_several_pictures_and_a_png_make_a_grid_of_input_beside_output(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge")
    photos = [save(noise(40, 40, number), cwd / f"in/{number}.png") for number in range(2)]
    answer = here("generate", "--input", "in", "--out", "grid.png", "--columns", "1")
    assert answer.code == 0, answer.err
    grid = read(cwd / "grid.png")
    assert grid.shape == (2 * 80 + 8 + 4, 2 * 80 + 2 + 4, 3)
    for index, photo in enumerate(photos):
        doubled, top = photo.repeat(2, axis=0).repeat(2, axis=1), 2 + index * 88
        assert np.array_equal(grid[top : top + 80, 2:82], doubled)
        assert np.array_equal(grid[top : top + 80, 84:164], doubled)


def test_a_grid_reduces_what_is_larger_than_a_cell(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge")
    save(noise(400, 800), cwd / "in/large.png")
    save(noise(20, 20), cwd / "in/small.png")
    assert here("generate", "--input", "in", "--out", "grid.png", "--columns", "1").code == 0
    assert read(cwd / "grid.png").shape == (2 * 256 + 8 + 4, 2 * 512 + 2 + 4, 3)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg", "b/a.jpg"], ["a.png", "b/a.png"]),
        (["a.jpg", "a.png", "c.png"], ["a.jpg.png", "a.png.png", "c.png"]),
        (["A.jpg", "a.jpg"], ["A.jpg.png", "a.jpg-2.png"]),
        (["a.jpg", "a.png", "a.jpg.bmp"], ["a.jpg.png", "a.png.png", "a.jpg-2.png"]),
        (["x.y.z.jpg"], ["x.y.z.png"]),
    ],
)
def test_no_two_inputs_share_an_output(names: list[str], expected: list[str]) -> None:
    assert file_names(names) == expected
    assert len({name.casefold() for name in file_names(names)}) == len(names)


# --- noise, weights, and the data of the run --------------------------------------------------------------------------


def test_the_seed_changes_what_a_model_with_noise_makes(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-paired")
    save(np.full((SIZE, SIZE, 3), 90, np.uint8), cwd / "in/a.png")
    save(np.full((SIZE, SIZE, 3), 90, np.uint8), cwd / "in/b.png")
    for seed, out in (("0", "one"), ("0", "again"), ("1", "other")):
        assert here("generate", "--input", "in", "--seed", seed, "--out", out).code == 0
    one, again, other = ([(cwd / out / f"{x}.png").read_bytes() for x in "ab"] for out in ("one", "again", "other"))
    assert one == again
    assert one[0] != one[1]  # each picture has noise of its own
    assert one[0] != other[0]


def test_after_takes_the_weights_with_which_a_phase_ended(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-enlarge", lr=0.1, ema_kimg=0)
    save(np.full((4, 4, 3), 20, np.uint8), cwd / "photo.png")
    for words, out in (((), "end.png"), (("--after", "warmup"), "warm.png")):
        answer = here("generate", "--input", "photo.png", *words, "--out", out)
        assert answer.code == 0, answer.err
    assert read(cwd / "warm.png").mean() < read(cwd / "end.png").mean()  # the loss pulls towards grey
    wrong = here("generate", "--input", "photo.png", "--after", "wormup")
    assert wrong.code == 2
    assert "warmup" in wrong.err
    both = here("generate", "--input", "photo.png", "--after", "warmup", "--best")
    assert both.code == 2
    assert "--best" in both.err


def test_without_input_a_grid_shows_what_becomes_of_held_out_pictures(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-paired")
    answer = here("generate", "--out", "grid.png", "--columns", "1")
    assert answer.code == 0, answer.err
    assert f"{COUNTS['test']} held-out pictures" in answer.out
    assert "input, output, truth" in answer.out
    side = 64  # eight pixels, enlarged
    assert read(cwd / "grid.png").shape[1] == 3 * side + 2 * 2 + 4


def test_unpaired_pictures_whose_answer_nobody_knows_are_shown_without_one(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    toy("toy-unpaired")
    answer = here("generate", "-n", "3", "--direction", "b2a", "--out", "grid.png", "--columns", "1")
    assert answer.code == 0, answer.err
    assert "(input, output)" in answer.out
    assert read(cwd / "grid.png").shape[1] == 2 * 64 + 2 + 4


def test_without_input_and_without_the_data_there_is_one_line(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    config = toy("toy-paired") / "config.json"
    document = json.loads(config.read_text())
    document["data"] |= {"source": "/gone/pictures", "plugin": {"distribution": "", "version": ""}}
    config.write_text(json.dumps(document))
    answer = here("generate")
    assert answer.code == 2
    assert answer.err == (
        "ganzoo: runs/toy-paired was trained on /gone/pictures, which is not there any more; give it pictures: "
        "ganzoo generate runs/toy-paired --input photo.png\n"
    )


def test_translate_in_python_gives_the_picture_of_the_command(
    toy: Callable[..., Path], here: Callable[..., Answer], cwd: Path
) -> None:
    folder = toy("toy-paired")
    photo = save(noise(30, 20), cwd / "photo.png")
    assert here("generate", "--input", "photo.png", "--seed", "3", "--out", "made.png").code == 0
    model = ganzoo.load_model(folder)
    for picture in (cwd / "photo.png", str(cwd / "photo.png"), Image.fromarray(photo)):
        assert np.array_equal(np.asarray(ganzoo.translate(model, picture, seed=3)), read(cwd / "made.png"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_translate_takes_pillow_pictures_of_any_mode(mode: str, toy: Callable[..., Path]) -> None:
    model = ganzoo.load_model(toy("toy-enlarge"))
    white = {"I;16": 65535, "F": 1.0, "CMYK": (0, 0, 0, 0), "P": 255}.get(mode)
    picture = Image.new("L", (3, 5), 255).convert(mode) if white is None else Image.new(mode, (3, 5), white)
    if mode == "P":
        picture = Image.new("RGB", (3, 5), (255,) * 3).convert("P")
    made = np.asarray(ganzoo.translate(model, picture))
    assert made.shape == (10, 6, 3)
    assert (made == 255).all()


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "words", "essentials"),
    [
        ("toy-unpaired", ("--direction", "a2c"), ("a2c", "a2b, b2a")),
        ("toy-paired", ("--direction", "a2b"), ("a2b", "only one")),
        ("toy-paired", ("--keep-size",), ("--keep-size", "8 x 8")),
        ("toy-paired", ("--label", "dog"), ("--label dog", "pictures of pictures")),
        ("toy-paired", ("--per-class", "3"), ("--per-class 3",)),
        ("toy-paired", ("--truncation", "0.5"), ("--truncation 0.5",)),
        ("toy-paired", ("--out", "made.jpg"), ("made.jpg", "made.png")),
        ("toy-paired", ("--out", "in/photo.png", "--overwrite"), ("is what --input names",)),
        ("toy-paired", ("--out", "in", "--overwrite"), ("in/photo.png is what --input names",)),
        ("toy-paired", ("--out", "there.png"), ("--overwrite",)),
        ("toy-paired", ("--out", "there"), ("there/photo.png", "--overwrite")),
        ("toy-paired", ("--input", "in/photi.png"), ("no such file", "photo.png")),
        ("toy-paired", ("--input", "nothing"), ("no picture in it",)),
        ("toy-paired", ("--input", "notes.txt"), ("notes.txt", "not a picture")),
        ("toy-paired", ("--input", "broken.zip"), ("broken.zip", "zip")),
        ("toy-paired", ("--input", "in", "--out", "in", "--overwrite"), ("lies within --input in",)),
        ("toy-paired", ("--input", "in", "--out", "in/out"), ("lies within --input in",)),
        ("toy-paired", ("--input", "bad"), ("no picture can be used", "cut.png")),
        ("toy-paired", ("--input", "bad/cut.png"), ("bad/cut.png", "not a picture")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_mistakes_are_named_and_exit_with_2(
    run: str,
    words: tuple[str, ...],
    essentials: tuple[str, ...],
    toy: Callable[..., Path],
    here: Callable[..., Answer],
    cwd: Path,
) -> None:
    toy(run)
    for place in ("in/photo.png", "there.png", "there/photo.png"):
        save(noise(SIZE, SIZE), cwd / place)
    before = {path: path.read_bytes() for path in cwd.rglob("*.png")}
    (cwd / "nothing").mkdir()
    (cwd / "bad").mkdir()
    for place in ("notes.txt", "nothing/notes.txt", "broken.zip", "bad/cut.png"):
        (cwd / place).write_text("text")
    given = () if "--input" in words else ("--input", "in/photo.png")
    answer = here("generate", *given, *words)
    assert answer.code == 2, answer.out
    assert all(word in answer.err for word in essentials), answer.err
    assert all(line.startswith("ganzoo: ") for line in answer.err.splitlines())
    assert len(answer.err.splitlines()) == (2 if "bad" in words else 1)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("words", [("--input", "photo.png"), ("--direction", "a2b"), ("--keep-size",)], ids=" ".join)
def test_a_model_that_draws_from_noise_takes_no_pictures(
    words: tuple[str, ...], tiny_run: TinyRuns, here: Callable[..., Answer], cwd: Path
) -> None:
    (cwd / "runs").mkdir()
    tiny_run("vanilla", steps=1, folder=cwd / "runs" / "noisy").trainer.run()
    answer = here("generate", "noisy", *words)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert " ".join(words) in answer.err
    assert "takes no pictures in" in answer.err


# --- what else the command line says of such models -------------------------------------------------------------------


def test_the_card_of_a_run_shows_how_to_give_it_pictures(toy: Callable[..., Path]) -> None:
    card = (toy("toy-unpaired") / "README.md").read_text()
    assert "ganzoo generate PATH_OF_THIS_FOLDER --input photo.png\n" in card
    assert "ganzoo generate PATH_OF_THIS_FOLDER --input photo.png --direction b2a\n" in card
    assert "-n 64" not in card
    assert "12 pictures of a and 12 of b" in card


def test_training_ends_with_the_command_that_takes_a_picture(
    zoo: Registry, here: Callable[..., Answer], cwd: Path
) -> None:
    answer = here("train", "toy-season", "--data", "toy-scenes")
    assert answer.code == 0, answer.err
    assert "toy-season on toy-scenes: 12 pairs of x and y, 8 x 8 x 3" in answer.out
    assert "next: ganzoo generate runs/toy-season-toy-scenes-1 --input photo.png\n" in answer.out
    assert "ganzoo generate runs/toy-season-toy-scenes-1 --input photo.png --direction cold\n" in answer.out


@pytest.mark.parametrize("name", MODELS)
def test_the_plan_and_the_facts_of_an_architecture_that_takes_pictures(
    name: str, zoo: Registry, here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", name, "--data", "toy-scenes", "--plan")
    monkeypatch.setattr("sys.argv", ["ganzoo", *words])
    plan = here(*words)
    assert plan.code == 0, plan.err
    assert "toy-scenes: 12 p" in plan.out
    shown = here("show", name)
    assert "use it: ganzoo generate RUN --input photo.png" in shown.out
    assert "data it takes: " in shown.out
    assert ("--data FOLDER" in shown.out) == (name != "toy-season")  # no folder is laid out for fields of strangers


def test_sizes_that_differ_are_told_apart(zoo: Registry, here: Callable[..., Answer]) -> None:
    answer = here("train", "toy-enlarge", "--data", "toy-scenes")
    assert "12 pairs of high and low, high 8 x 8 x 3, low 4 x 4 x 3" in answer.out


# --- the real ones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TAKING)
def test_every_architecture_that_takes_pictures_takes_an_odd_one_in_every_direction(
    name: str, tiny_run: TinyRuns, here: Callable[..., Answer], cwd: Path
) -> None:
    (cwd / "runs").mkdir()
    tiny = tiny_run(name, steps=1, folder=cwd / "runs" / name)
    tiny.trainer.run()
    save(noise(45, 71), cwd / "in/photo.png")
    save(noise(3, 2), cwd / "in/tiny.png")
    model = ganzoo.load_model(tiny.run.folder)
    assert isinstance(model.settings, Settings)
    for direction in tiny.trainer.task.directions:
        way = ("--direction", direction.name) if direction.name else ()
        fitted = here("generate", "--input", "in", *way, "--out", f"fitted{direction.name}")
        assert fitted.code == 0, fitted.err
        size = model.data.field(direction.output).size
        own = (45 * model.scale, 71 * model.scale)
        expected = own if model.scale > 1 and model.multiple is not None else (size, size)
        assert read(cwd / f"fitted{direction.name}" / "photo.png").shape[:2] == expected
        if model.multiple is not None:
            kept = here("generate", "--input", "in", "--keep-size", *way, "--out", f"kept{direction.name}")
            assert kept.code == 0, kept.err
            assert read(cwd / f"kept{direction.name}" / "photo.png").shape[:2] == own
