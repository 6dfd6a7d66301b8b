"""The commands that work on latents, of models that read captions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import toys_text
from conftest import Answer, TinyRuns
from numpy.typing import NDArray
from PIL import Image
from toys_latents import Style
from toys_latents import spec as colours_spec
from toys_still import Config
from toys_text import Words

from ganzoo.data.base import DataRequest
from ganzoo.errors import UserError
from ganzoo.latents import points
from ganzoo.latents.paths import positions, walk
from ganzoo.latents.points import Pick
from ganzoo.latents.projection import Search, project
from ganzoo.pictures import to_bytes
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import load_model, open_run
from ganzoo.sampling import sample
from ganzoo_text2image.model import Text2Image

Call = Callable[..., Answer]
Pixels = NDArray[np.uint8]
RED, BLUE = "a red picture", "a blue picture"
QUICK = ("--starts", "4", "--network", "none")


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_text`."""
    install("ganzoo-toy-text", "from toys_text import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture
def run(zoo: Registry, tiny_run: TinyRuns, cwd: Path) -> Callable[[str], Path]:
    """`run("toy-words")`: a finished run of that architecture, runs/toy-words."""

    def train(name: str) -> Path:
        (cwd / "runs").mkdir(exist_ok=True)
        data = "toy-captions" if name in toys_text.MODELS else None
        tiny_run(name, data=data, folder=cwd / "runs" / name, registry=zoo, steps=1).trainer.run()
        return Path("runs") / name

    return train


def forgetful(model: str) -> Words:
    """A toy that was never trained, and remembers no captions."""
    kind: type[Words] = getattr(toys_text, model)
    return kind(Config(), toys_text.load(DataRequest(fields=("image", "text"))).spec).eval()


def read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


def cell(sheet: Pixels, row: int, column: int) -> Pixels:
    """A picture of a grid, at its own size."""
    top, left = 2 + row * 66, 2 + column * 66
    return sheet[top : top + 64 : 8, left : left + 64 : 8]


def same(a: Pixels, b: Pixels) -> bool:
    """Whether two pictures agree but for rounding."""
    return int(np.abs(a.astype(int) - b.astype(int)).max()) <= 1


def colours(sheet: Pixels, row: int, columns: Sequence[int]) -> list[str]:
    """The colours of these pictures of a row of a grid."""
    return [("red", "green", "blue")[int(np.argmax(cell(sheet, row, column).mean((0, 1))))] for column in columns]


# --- points -----------------------------------------------------------------------------------------------------------


def test_the_pictures_of_numbers_are_those_that_generate_makes(run: Callable[[str], Path]) -> None:
    model = load_model(run("toy-words"))
    assert len(model.data.examples) == 8
    made = points.pictures(model, points.draw(model, [Pick(3, 2), Pick(3, 65)]))
    assert torch.equal(made, sample(model, 66, seed=3)[[2, 65]])
    told = points.draw(model, [Pick(3, 2), Pick(0, 1)], text=[RED, BLUE])
    assert told["text"] == [RED, BLUE]
    assert torch.equal(points.pictures(model, told)[0], sample(model, 3, seed=3, text=RED)[2])


def test_between_two_captions_lies_their_mean_only_where_the_model_says_what_they_mean() -> None:
    places = positions(2, 4)
    for model, wanted in ((forgetful("Slides"), [0.0, 0.25, 0.5, 0.75, 1.0]), (forgetful("Words"), [0, 0, 1, 1, 1])):
        ends = points.draw(model, [Pick(0)] * 2, text=["red", "blue"])
        made = points.pictures(model, walk(points.understood(model, ends), places, space="z", way="slerp"))
        red, blue = points.pictures(model, ends)
        assert torch.allclose(made, torch.stack([red + (blue - red) * share for share in wanted]), atol=1e-6)


def test_captions_survive_a_file(tmp_path: Path) -> None:
    model, path = forgetful("Words"), tmp_path / "some.safetensors"
    inputs = points.draw(model, [Pick(0), Pick(1)], text=["a red 漢字", ""])
    points.save_latents(path, inputs, ["a", "b"], space="z")
    again, names = points.load_latents(path, model)
    assert names == ["a", "b"]
    assert again["text"] == ["a red 漢字", ""]
    assert torch.equal(again["z"], inputs["z"])


def test_latents_with_captions_are_refused_where_none_are_read_and_the_other_way_round(tmp_path: Path) -> None:
    words, style, path = forgetful("Words"), Style(Config(), colours_spec()).eval(), tmp_path / "some.safetensors"
    points.save_latents(path, {"text": [RED], "z": torch.zeros(1, 6)}, ["a"])
    with pytest.raises(UserError, match=r"of another model: its z has shape \(6,\), this model's \(4,\)"):
        points.load_latents(path, words)
    with pytest.raises(UserError, match=r"of another model: its text has shape \(words\), this model's none"):
        points.load_latents(path, style)
    points.save_latents(path, {"z": torch.zeros(1, 4)}, ["a"])
    with pytest.raises(UserError, match="of another model: it has no text"):
        points.load_latents(path, words)
    points.save_latents(path, {"z": torch.zeros(2, 4), "text": [RED]}, ["a", "b"])
    with pytest.raises(UserError, match="not every input has the 2 rows"):
        points.load_latents(path, words)


@pytest.mark.parametrize("name", ["Words", "Slides"])
def test_a_search_finds_the_latent_under_a_caption_and_keeps_the_caption(name: str) -> None:
    model = forgetful(name)
    truth = points.pictures(model, points.draw(model, [Pick(5), Pick(6)], text=[BLUE, BLUE]))
    found = project(model, truth, Search(space="z", steps=80, starts=4), text=BLUE)
    assert found.inputs["text"] == [BLUE, BLUE]
    assert set(found.inputs) == {"z", "text"}
    assert float(found.pixels.max()) < 1e-4 < float(found.start.min())


def test_the_captions_of_a_model_with_weights_change_its_pictures_smoothly(tiny_run: TinyRuns) -> None:
    """Of the real architecture: the ends of a walk are its samples, and no step is as large as the whole way."""
    tiny = tiny_run("text2image", steps=1)
    tiny.trainer.run()
    model = load_model(tiny.run.folder)
    assert isinstance(model, Text2Image)
    ends = points.draw(model, [Pick(0, 3)] * 2, text=["a red circle", "two blue stars at the top"])
    made = points.pictures(
        model, walk(points.understood(model, ends), positions(2, 8), space="z", way="slerp")
    ).double()
    for end, text in ((0, "a red circle"), (8, "two blue stars at the top")):
        assert torch.allclose(made[end], sample(model, 4, text=text)[3].double(), atol=1e-5)
    steps = (made[1:] - made[:-1]).flatten(1).norm(dim=1)
    assert 0 < float(steps.max()) < 0.5 * float((made[8] - made[0]).norm())


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toy-words", "toy-slides"])
def test_a_walk_from_caption_to_caption_keeps_the_noise(
    name: str, run: Callable[[str], Path], here: Call, cwd: Path
) -> None:
    model = load_model(run(name))
    answer = here("interpolate", "--text", RED, "--text", BLUE, "--pick", "3", "--frames", "2", "--out", "walk.png")
    assert (answer.code, answer.err) == (0, "")
    assert "3 pictures, 2 stops, slerp in z, in walk.png" in answer.out
    sheet = read(cwd / "walk.png")
    for column, caption in ((0, RED), (2, BLUE)):
        assert same(cell(sheet, 0, column), to_bytes(sample(model, 4, text=caption))[3])
    half_way = cell(sheet, 0, 1).astype(int).mean((0, 1))
    assert (abs(half_way[0] - half_way[2]) < 2) == (name == "toy-slides"), "as red as blue, or one of them"


@pytest.mark.parametrize(
    ("words", "name", "wanted"),
    [
        (
            ("interpolate", "--text", RED, "--stops", "3", "--frames", "1"),
            "interpolation-a-red-picture-seed0-3stops.gif",
            [],
        ),
        (("truncation", "--text", BLUE, "-n", "3"), "truncation-a-blue-picture-seed0-n3.png", ["blue"] * 3),
        (
            ("truncation", "--text", BLUE, "--text", RED, "-n", "3"),
            "truncation-a-blue-picture-and-1-more-seed0-n3.png",
            ["blue", "red", "blue"],
        ),
        (("truncation", "-n", "3"), "truncation-seed0-n3.png", ["red", "green", "blue"]),
        (("edit", "--directions", "2", "--text", RED), "edit-a-red-picture-seed0-directions2.png", ["red"] * 3),
        (("edit", "--directions", "1", "--pick", "2"), "edit-seed0-pick2-directions1.png", ["blue"] * 3),
    ],
)
def test_a_tool_draws_its_captions_or_those_that_the_run_remembers(
    words: tuple[str, ...], name: str, wanted: list[str], run: Callable[[str], Path], here: Call
) -> None:
    folder = run("toy-words")
    answer = here(*words)
    assert (answer.code, answer.err) == (0, "")
    found = read(folder / "generated" / name)
    assert colours(found, 0, range(len(wanted))) == wanted


def test_a_projection_keeps_its_caption_and_an_edit_goes_on_from_it(
    run: Callable[[str], Path], here: Call, cwd: Path
) -> None:
    model = load_model(run("toy-words"))
    Image.fromarray(to_bytes(sample(model, 1, seed=5, text=BLUE))[0]).save(cwd / "blue.png")
    words = ("project", "--input", "blue.png", "--steps", "60", *QUICK)
    answer = here(*words, "--text", BLUE, "--out", "found.png", "--json")
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out)
    assert row["text"] == BLUE
    assert row["psnr"] > 35
    answer = here(*words)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(("blue.png: a blue picture, ", "blue.png: it is blue ")), "that of the nearest start"
    answer = here("edit", "--latent", "found.safetensors", "--direction", "1", "--out", "edited.png")
    assert answer.code == 0, answer.err
    assert colours(read(cwd / "edited.png"), 0, [0, 1]) == ["blue", "blue"]
    answer = here("edit", "--input", "blue.png", "--text", RED, "--direction", "1", "--steps", "0", *QUICK)
    assert answer.code == 0, answer.err
    assert colours(read(cwd / "runs/toy-words/generated/edit-blue-direction1.png"), 0, [0, 1, 2]) == [
        "blue",
        "red",
        "red",
    ]


def test_what_a_run_does_not_know_of_a_caption_is_said(run: Callable[[str], Path], here: Call) -> None:
    run("toy-words")
    answer = here("interpolate", "--text", "a red xyzzy", "--out", "a.png", "--stops", "2")
    assert answer.err == "ganzoo: unknown words: xyzzy; toy-words has never read them and guesses\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("edit", "--direction", "1", "--text", RED, "--text", BLUE), ("2 captions for 1 picture;", "--pick 0-1")),
        (("interpolate", "--text", "a", "--text", "b", "--text", "c", "--stops", "2"), ("'c'", "for 2 pictures")),
        (("edit", "--direction", "1", "--latent", "a.safetensors", "--text", RED), (f"--text {RED}", "use one of")),
        (("edit", "--direction", "1", "--input", "a.png", "--text", "a", "--text", "b"), ("--input takes one",)),
        (("mix", "--text", RED), ("no intermediate latent",)),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], said: tuple[str, ...], run: Callable[[str], Path], here: Call
) -> None:
    run("toy-words")
    answer = here(*words)
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer
    assert all(each in answer.err for each in said), answer.err


def test_captions_for_a_model_that_reads_none_are_refused(run: Callable[[str], Path], here: Call, cwd: Path) -> None:
    run("vanilla")
    Image.new("L", (28, 28)).save(cwd / "a.png")
    for words in (("interpolate",), ("truncation",), ("edit", "--directions", "2"), ("project", "--input", "a.png")):
        answer = here(*words, "--text", RED)
        assert (answer.code, answer.err.count("\n")) == (2, 1), answer
        assert "--text 'a red picture': vanilla reads no captions; leave --text out" in answer.err


def test_a_run_that_remembers_no_captions_is_told_one(
    run: Callable[[str], Path], here: Call, cwd: Path, zoo: Registry
) -> None:
    folder = run("toy-words")
    document = json.loads((folder / "config.json").read_text())
    for field in document["data"]["fields"]:
        field.pop("examples", None)
    (folder / "config.json").write_text(json.dumps(document))
    assert open_run(folder, zoo).data.examples == ()
    for words in (("interpolate", "--frames", "1"), ("truncation",), ("edit", "--directions", "1")):
        answer = here(*words, "--out", "sheet.png", "--overwrite")
        assert (answer.code, answer.err.count("\n")) == (2, 1), answer
        assert answer.err.endswith('remembers no captions; say what it is to draw: --text "..."\n')
        answer = here(*words, "--text", BLUE, "--out", "sheet.png", "--overwrite")
        assert answer.code == 0, answer.err
        assert colours(read(cwd / "sheet.png"), 0, [0, 1]) == ["blue", "blue"]
