"""Folders of pictures as people have them: each gets its number or one clear line, and what was done to it is said."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Answer
from numpy.typing import NDArray
from PIL import Image

from ganzoo.cards import resolve
from ganzoo.cli import main
from ganzoo.data.base import DataRequest
from ganzoo.registry import get_registry

Bytes = NDArray[np.uint8]
Ask = Callable[..., Answer]
COUNT = 60


def clothes() -> Bytes:
    """Pictures (n, 28, 28) that no network was trained on."""
    data = resolve(get_registry().datasets["fashion"].load)(DataRequest(split="test"))
    pictures: Bytes = data.read(range(2 * COUNT))["image"][:, 0]
    return pictures


def save(folder: Path, pictures: Any, suffix: str = "png") -> Path:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:03}.{suffix}")
    return folder


def damage(folder: Path, *names: str) -> None:
    """Cut files in the middle of their pixels; their headers stay good."""
    for name in names:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of every kind, and a cache that all tests share."""
    root = tmp_path_factory.mktemp("folders")
    pictures = clothes()
    first, second = pictures[:COUNT], pictures[COUNT:]
    save(root / "mine", first)
    save(root / "other", second)
    save(root / "half", pictures[COUNT // 2 : COUNT // 2 + COUNT])
    save(root / "real", pictures)
    save(root / "few", first[:10])
    save(root / "one", first[:1])
    save(root / "jpeg", first, "jpg")
    save(root / "saved as rgb", np.repeat(first[..., None], 3, -1))
    save(root / "coloured", np.stack([first, first // 2, 255 - first], -1))
    save(root / "transparent", np.dstack([first[0]] * 3 + [first[0]])[None].repeat(COUNT, 0))
    save(root / "deep", first.astype(np.uint16) * 257)
    save(root / "wide", np.concatenate([first, first[..., :7]], -1))
    save(root / "wider", np.concatenate([first, first], -1))
    save(root / "<b>[red] ü", first)
    save(root / "classes/a", first[:30])
    save(root / "classes/b", first[30:])
    save(root / "splits/train", first)
    save(root / "splits/test", second)
    (root / "empty").mkdir()
    (root / "text").mkdir()
    (root / "text/notes.txt").write_text("no picture")
    (root / "file.txt").write_text("no zip")
    (root / "bad.zip").write_bytes(b"PK\3\4 and no more")
    (root / "hidden").mkdir()
    shutil.copy(root / "mine/000.png", root / "hidden/.000.png")
    (root / "palette").mkdir()
    (root / "sizes").mkdir()
    for number, picture in enumerate(first):
        Image.fromarray(np.repeat(picture[..., None], 3, -1)).quantize(256).save(root / f"palette/{number:03}.png")
        side = 28 if number < COUNT - 20 else 33
        Image.fromarray(picture).resize((side, 28)).save(root / f"sizes/{number:03}.png")
    shutil.copytree(root / "mine", root / "broken")
    damage(root / "broken", "000.png", "001.png")
    (root / "broken/002.png").write_bytes(b"garbage")
    (root / "broken/003.png").write_bytes(b"")
    shutil.copytree(root / "one", root / "all broken")
    damage(root / "all broken", "000.png")
    shutil.copytree(root / "mine", root / "twice")
    for path in (root / "mine").iterdir():
        shutil.copy(path, root / "twice" / f"copy-{path.name}")
    shutil.copytree(root / "mine", root / "huge")
    Image.fromarray(np.zeros((14_000, 14_000), bool)).save(root / "huge/zz.png")
    with zipfile.ZipFile(root / "mine.zip", "w") as archive:
        for path in sorted((root / "mine").iterdir()):
            archive.write(path, f"mine/{path.name}")
    return root


@pytest.fixture
def ask(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """`ganzoo eval` among those folders."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("GANZOO_CACHE", str(place / "cache"))

    def call(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["eval", *words])
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return call


METRICS = ("--features", "fashionnet", "--no-controls", "--json", "--metrics")


def measured(ask: Ask, *words: str, metrics: str = "fd,sharpness") -> dict[str, Any]:
    """The report of an evaluation that went well."""
    answer = ask(*words, *METRICS, metrics)
    assert answer.code == 0, answer.err
    report: dict[str, Any] = json.loads(answer.out)
    return report


def values(report: dict[str, Any]) -> list[float]:
    return [estimate["value"] for estimate in report["rows"][0]["estimates"]]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("nosuch", "there is no run 'nosuch' and no folder or zip of that name"),
        ("nosuch/deeper", "there is no run 'nosuch/deeper'"),
        ("", "there is no run ''"),
        ("fashion", "fashion is a data set; it can be the reference: ganzoo eval RUN --real fashion"),
        ("empty", "empty: no pictures found (it is empty)"),
        ("hidden", "hidden: no pictures found (it is empty)"),
        ("text", "text: no pictures found (1 other files: 1 x .txt)"),
        ("file.txt", "file.txt is not a zip that can be read"),
        ("bad.zip", "bad.zip is not a zip that can be read"),
        ("mine/000.png", "mine/000.png is one picture; expected a folder or a zip of pictures: try mine"),
        ("one", "one: only one of its pictures can be read"),
        ("all broken", "all broken: none of its pictures can be read"),
    ],
)
def test_what_is_no_set_of_pictures_is_a_mistake_that_is_named(word: str, says: str, ask: Ask) -> None:
    answer = ask(word, "--real", "real")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"ganzoo: {says}")


@pytest.mark.parametrize("word", ["empty", "text", "bad.zip", "one", "all broken", "nosuch", ""])
def test_the_same_holds_for_the_real_ones(word: str, ask: Ask) -> None:
    answer = ask("mine", "--real", word)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("ganzoo: ")


def test_a_folder_alone_has_nothing_to_be_measured_against(ask: Ask) -> None:
    answer = ask("mine")
    assert answer.code == 2
    assert "ganzoo eval mine --real NAME" in answer.err


def test_the_same_folder_twice_is_a_mistake(ask: Ask) -> None:
    answer = ask("mine", "./mine", "--real", "real")
    assert (answer.code, answer.err) == (2, "ganzoo: mine and ./mine: the same twice; once is enough\n")


@pytest.mark.parametrize("folder", ["mine.zip", "saved as rgb", "deep", "palette", "classes", "<b>[red] ü", "splits"])
def test_the_same_pixels_give_the_same_number_however_they_are_kept(folder: str, ask: Ask) -> None:
    assert values(measured(ask, folder, "--real", "real")) == values(measured(ask, "mine", "--real", "real"))


@pytest.mark.parametrize(
    ("folder", "remark"),
    [
        ("few", "few: 10 pictures are too few to say much"),
        ("jpeg", "jpeg: 60 of 60 pictures are JPEG, which alone moves distances"),
        ("coloured", "coloured: 60 pictures have colours; they were made grey, as the real ones are"),
        ("transparent", "transparent: 60 pictures may be transparent; they were put on white"),
        ("broken", "broken: 2 files skipped (truncated): 000.png, 001.png"),
        ("broken", "broken: 2 files skipped (not a picture of a known format): 002.png, 003.png"),
        ("huge", "huge: 1 file skipped (more than 179 megapixels): zz.png"),
        ("twice", "twice: 60 of 120 pictures are exact copies of others in it"),
        ("sizes", "sizes: its pictures have 2 sizes (40 of 60 are 28 x 28); all were brought to 28 x 28"),
        ("wide", "wide: its pictures are 35 x 28, the real ones 28 x 28"),
    ],
)
def test_what_is_odd_about_a_folder_is_said_and_the_rest_measured(folder: str, remark: str, ask: Ask) -> None:
    report = measured(ask, folder, "--real", "other")
    assert any(line.startswith(remark) for line in report["remarks"]), report["remarks"]
    assert all(np.isfinite(values(report)))


def test_grey_pictures_saved_with_three_channels_have_no_colours(ask: Ask) -> None:
    remarks = measured(ask, "saved as rgb", "--real", "other")["remarks"]
    assert not any("colour" in remark for remark in remarks)


def test_grey_pictures_beside_coloured_ones_are_told(ask: Ask) -> None:
    remarks = measured(ask, "mine", "--real", "coloured")["remarks"]
    assert "mine: none of its pictures has a colour, the real ones are kept with 3 channels" in remarks


def test_only_pictures_that_can_be_read_count(ask: Ask) -> None:
    assert measured(ask, "broken", "--real", "other")["rows"][0]["count"] == COUNT - 4


def test_pictures_of_two_shapes_can_be_compared(ask: Ask) -> None:
    report = measured(ask, "wide", "--real", "wider")
    assert "the real ones 56 x 28" in " ".join(report["remarks"])
    report = measured(ask, "mine", "--real", "wide")
    assert "wide: brought to 28 x 28 for what is measured, the middle cut out" in report["remarks"]


def test_small_real_pictures_are_not_enlarged_for_a_folder_of_large_ones(ask: Ask, place: Path) -> None:
    save(place / "large", np.random.default_rng(0).integers(0, 256, (3, 700, 700), dtype=np.uint8))
    report = measured(ask, "large", "--real", "fashion")
    assert "large: its pictures are 700 x 700, the real ones 28 x 28" in " ".join(report["remarks"])


def test_a_set_against_itself_is_at_distance_zero_and_suspicious(ask: Ask) -> None:
    report = measured(ask, "mine", "--real", "mine.zip")
    assert values(report)[0] == pytest.approx(0, abs=1e-9)
    assert "mine: 60 of 60 pictures are in the real set too, bit for bit; is this the real set itself" in str(report)


def test_copies_of_some_real_pictures_are_found(ask: Ask) -> None:
    remarks = " ".join(measured(ask, "half", "--real", "other")["remarks"])
    assert "half: 30 of 60 pictures are in the real set too, bit for bit; copied training pictures?" in remarks


def test_a_real_set_that_is_much_smaller_may_have_been_swapped(ask: Ask) -> None:
    assert "exchange the two on the command line" in " ".join(measured(ask, "real", "--real", "few")["remarks"])


def test_asking_for_more_pictures_than_there_are_is_remarked_on(ask: Ask) -> None:
    report = measured(ask, "mine", "--real", "other", "-n", "500")
    assert report["rows"][0]["count"] == COUNT
    assert "mine: it has 60 pictures, not the 500 that were asked for" in report["remarks"]
    assert measured(ask, "mine", "--real", "other", "-n", "20")["rows"][0]["count"] == 20


def test_the_smallest_folder_decides_how_many_of_each(ask: Ask) -> None:
    report = measured(ask, "mine", "few", "--real", "other")
    assert [row["count"] for row in report["rows"]] == [10, 10]
    assert report["title"] == "Evaluation of mine and few"


def test_a_test_folder_is_the_floor(ask: Ask) -> None:
    answer = ask("mine", "--real", "splits", "--features", "fashionnet", "--metrics", "fd", "--json")
    assert answer.code == 0, answer.err
    report = json.loads(answer.out)
    assert {row["name"]: row["count"] for row in report["rows"]}["real, held out"] == COUNT


def test_names_are_shown_as_they_are_and_do_nothing_in_a_page(ask: Ask, place: Path) -> None:
    answer = ask("<b>[red] ü", "--real", "other", "--metrics", "sharpness", "--no-controls", "--html", "page.html")
    assert answer.code == 0
    assert "<b>[red] ü" in answer.out
    page = (place / "page.html").read_text(encoding="utf-8")
    assert "<b>[red]" not in page
    assert "&lt;b&gt;[red]" in page


def test_doctor_computes_nothing_and_names_what_is_odd(ask: Ask) -> None:
    answer = ask("twice", "--real", "mine", "--doctor")
    assert (answer.code, answer.err) == (0, "")
    assert "twice: 60 of 120 pictures are exact copies of others in it" in answer.out
    assert "120 of 120 pictures are in the real set too" in answer.out
    assert "diffaug" not in answer.out  # advice for training is out of place


def test_doctor_has_nothing_to_say_about_good_pictures(ask: Ask, place: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, COUNT, 16, 16), dtype=np.uint8)
    save(place / "noise", noise[0])
    save(place / "more noise", noise[1])
    words = ("noise", "--real", "more noise", "--doctor")
    assert ask(*words).out == "nothing looks wrong\n"
    assert json.loads(ask(*words, "--json").out) == {"findings": []}
