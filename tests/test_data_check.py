"""`ganzoo data check` finds what is wrong with a set of pictures and says what to do about it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFilter
from rich.console import Console

from ganzoo.cli.data import data, print_wrapped
from ganzoo.config import AdversarialSettings, Layer, build
from ganzoo.data.check import Report, check
from ganzoo.errors import UserError
from ganzoo.registry import get_registry


def picture(seed: int, size: tuple[int, int] = (48, 48)) -> Image.Image:
    """Smooth blobs: like a photograph, and unlike the picture of any other seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def advised(report: Report, *pieces: str) -> bool:
    return any(all(piece in line for piece in pieces) for line in report.advice)


def test_a_plain_set_is_counted_and_small_ones_get_augmentation(tmp_path: Path) -> None:
    for i in range(12):
        save(picture(i), tmp_path / f"{i}.png")
    report = check(tmp_path)
    assert (report.kind, report.count, report.usable) == ("folder", 12, 12)
    assert report.formats == {"PNG": 12}
    assert report.modes == {"RGB": 12}
    assert report.uses == {"generation": 12}
    assert report.sizes is not None
    assert (report.sizes.distinct, report.sizes.suggested, report.sizes.not_square) == (1, 48, 0)
    assert (report.duplicates, report.near_duplicates, report.broken, report.one_colour) == ((), (), (), ())
    assert len(report.advice) == 1
    assert advised(report, "fewer than 1,000", "--set diffaug=")


def test_kinds_of_pictures_are_counted(tmp_path: Path) -> None:
    save(picture(1), tmp_path / "rgb.png")
    save(picture(2).convert("L"), tmp_path / "grey.png")
    save(picture(3).convert("L").convert("RGB"), tmp_path / "grey-as-rgb.png")
    save(picture(4).convert("RGBA"), tmp_path / "alpha.png")
    save(Image.fromarray(np.asarray(picture(5).convert("L")).astype(np.uint16) * 257), tmp_path / "deep.png")
    picture(6).save(tmp_path / "film.gif", save_all=True, append_images=[picture(7)])
    save(Image.new("RGB", (48, 48), "teal"), tmp_path / "flat.png")
    report = check(tmp_path)
    assert (report.grey, report.grey_stored_as_colour) == (2, 1)
    assert (report.alpha, report.deep, report.animated) == (1, 1, 1)
    assert report.one_colour == ("flat.png",)
    assert advised(report, "pictures of one colour: 1 (flat.png)")
    assert advised(report, "transparency", "white")
    assert advised(report, "first frame")
    assert advised(report, "more than 8 bits a channel: 1")
    assert advised(report, "grey pictures: 3 of 7", "trained as RGB")


def test_grey_stored_as_colour_throughout(tmp_path: Path) -> None:
    for i in range(3):
        save(picture(i).convert("L").convert("RGB"), tmp_path / f"{i}.png")
    assert advised(check(tmp_path), "all pictures are grey", "smaller network")


def test_sizes_and_shapes(tmp_path: Path) -> None:
    for i, size in enumerate([(100, 50), (80, 80), (60, 90), (20, 20)]):
        save(picture(i, size), tmp_path / f"{i}.png")
    report = check(tmp_path)
    sizes = report.sizes
    assert sizes is not None
    assert (sizes.distinct, sizes.min_side, sizes.max_side, sizes.not_square) == (4, 20, 100, 2)
    assert (sizes.narrowest, sizes.widest) == (0.667, 2.0)
    assert (sizes.suggested, sizes.enlarged) == (50, 1)
    assert advised(report, "50% of the pictures are not square", "--set fit=pad", "--set fit=stretch")
    assert advised(report, "50 pixels", "--set size=")
    assert advised(report, "smaller than 50 pixels: 1", "enlarged", "delete them")


def test_every_setting_in_the_advice_can_be_typed(tmp_path: Path) -> None:
    for i, size in enumerate([(300, 150), (200, 200), (300, 300), (40, 40)]):
        save(picture(i, size), tmp_path / f"{i}.png")
    save(picture(5).convert("L"), tmp_path / "grey.png")
    advice = " ".join(check(tmp_path).advice)
    found = [pair.rstrip(",").split("=") for pair in re.findall(r"--set (\w+=[\w,]+)", advice)]
    assert ["size", "32"] in found
    assert ["size", "128"] in found
    assert {name for name, _ in found} == {"size", "fit", "diffaug"}
    for name, value in found:
        build(AdversarialSettings, [Layer("--set", {name: value})])


def test_broken_and_truncated_files_are_named(tmp_path: Path) -> None:
    save(picture(1), tmp_path / "good.png")
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    save(picture(2), tmp_path / "cut.png")
    content = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    report = check(tmp_path)
    assert (report.count, report.usable) == (3, 1)
    assert sorted(item.name for item in report.broken) == ["cut.png", "page.jpg"]
    assert advised(report, "broken files: 2")


def test_copies_and_near_copies(tmp_path: Path) -> None:
    for i in range(30):
        save(picture(i), tmp_path / f"{i}.png")
    picture(0).save(tmp_path / "copy.bmp")
    picture(1).save(tmp_path / "recompressed.jpg", quality=60)
    picture(2).resize((40, 40), Image.Resampling.LANCZOS).save(tmp_path / "resized.png")
    picture(3).filter(ImageFilter.GaussianBlur(1)).save(tmp_path / "blurred.png")
    report = check(tmp_path)
    assert report.duplicates == (("0.png", "copy.bmp"),)
    assert set(report.near_duplicates) == {
        ("1.png", "recompressed.jpg"),
        ("2.png", "resized.png"),
        ("3.png", "blurred.png"),
    }
    assert advised(report, "exact copies: 1", "0.png", "copy.bmp")
    assert advised(report, "groups of near duplicates: 3")


def test_large_sets_are_compared_by_equal_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.data.check.NEAR_LIMIT", 5)
    for i in range(8):
        save(picture(i), tmp_path / f"{i}.png")
    picture(0).save(tmp_path / "again.jpg", quality=98)
    report = check(tmp_path)
    assert not report.near_exhaustive
    assert report.near_duplicates == (("0.png", "again.jpg"),)


def test_classes_their_balance_and_leakage(tmp_path: Path) -> None:
    for i in range(8):
        save(picture(i), tmp_path / "train" / ("cat" if i else "dog") / f"{i}.png")
    save(picture(20), tmp_path / "test" / "cat" / "new.png")
    save(picture(3), tmp_path / "test" / "dog" / "same.png")
    report = check(tmp_path)
    assert report.classes == {"cat": 7, "dog": 1}
    assert report.splits == {"train": 8, "test": 2}
    assert report.leaked == (("train/cat/3.png", "test/dog/same.png"),)
    assert advised(report, "test pictures that are in train/ too: 1")
    assert advised(report, "unbalanced", "cat has 7", "dog 1")
    assert report.uses == {"generation": 8, "class-conditional": 8}


def test_pairs_domains_and_captions_are_recognised(tmp_path: Path) -> None:
    for i in range(3):
        save(picture(i), tmp_path / "two" / "A" / f"{i}.png")
        save(picture(i + 9), tmp_path / "two" / "B" / f"{i}.png")
        save(picture(i, (64, 32)), tmp_path / "wide" / f"{i}.png")
        (tmp_path / "wide" / f"{i}.txt").write_text("a caption")
    assert check(tmp_path / "two").uses.keys() >= {"paired translation", "unpaired translation"}
    wide = check(tmp_path / "wide")
    assert wide.uses == {"generation": 3, "text-to-image": 3, "paired translation": 3}
    assert not advised(wide, "not square")


def test_two_domains_are_counted_and_what_equal_names_mean_is_said(tmp_path: Path) -> None:
    for i in range(4):
        save(picture(i), tmp_path / "trainA" / f"{i}.png")
        save(picture(i + 20), tmp_path / "trainB" / f"x{i}.png")
        save(picture(i + 40), tmp_path / "testA" / f"{i}.png")
        save(picture(i + 60), tmp_path / "testB" / f"x{i}.png")
    save(picture(80), tmp_path / "trainB" / "x4.png")
    save(picture(2), tmp_path / "testA" / "again.png")
    report = check(tmp_path)
    assert report.splits == {"train": 9, "test": 9}
    assert report.domains == {"A": 4, "B": 5}
    assert report.uses["unpaired translation"] == 5
    assert "paired translation" not in report.uses
    assert report.leaked == (("trainA/2.png", "testA/again.png"),)
    assert not report.aligned
    assert not advised(report, "same names")
    assert not advised(report, "without a partner")
    same = tmp_path / "same"
    for i in range(3):
        save(picture(i), same / "A" / f"{i}.png")
        save(picture(i + 9), same / "B" / f"{i}.jpg")
    report = check(same)
    assert report.aligned
    assert report.uses.keys() == {"generation", "class-conditional", "paired translation", "unpaired translation"}
    assert advised(report, "both folders hold the same names", "rename")


def test_pairs_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    for i in range(4):
        save(picture(i), tmp_path / "source" / f"{i}.png")
        save(picture(i + 9), tmp_path / "target" / f"{i}.png")
    save(picture(20), tmp_path / "source" / "alone.png")
    save(picture(21), tmp_path / "target" / "lonely.png")
    save(picture(22, (48, 30)), tmp_path / "target" / "3.png")
    report = check(tmp_path)
    assert report.uses["paired translation"] == 3
    assert report.partnerless == ("source/alone.png", "target/lonely.png")
    assert report.unlike == ("source/3.png",)
    assert advised(report, "pictures without a partner: 2 (source/alone.png, target/lonely.png)", "the same name")
    assert advised(report, "pairs whose two pictures differ in shape: 1 (source/3.png)", "cut both")


def test_pictures_without_a_caption_are_named_where_others_have_one(tmp_path: Path) -> None:
    for i in range(4):
        save(picture(i), tmp_path / f"{i}.png")
    assert not check(tmp_path).captionless, "a folder without captions lacks none"
    for i in (0, 1, 3):
        (tmp_path / f"{i}.txt").write_text("a picture")
    report = check(tmp_path)
    assert report.uses["text-to-image"] == 3
    assert report.captionless == ("2.png",)
    assert advised(report, "pictures without a caption: 1 (2.png)", "a text file of the same name")


def test_a_folder_whose_partner_is_missing_is_told(tmp_path: Path) -> None:
    for i in range(2):
        save(picture(i), tmp_path / "A" / f"{i}.png")
    report = check(tmp_path)
    assert report.uses == {"generation": 2}
    assert advised(report, "the folder 'a' has no partner 'b' with pictures beside it")
    save(picture(5), tmp_path / "C" / "1.png")
    assert not advised(check(tmp_path), "no partner"), "with C beside it A is a class"


def test_side_by_side_pairs_are_trained_at_the_size_of_a_half(tmp_path: Path) -> None:
    for i in range(3):
        save(picture(i, (96, 48)), tmp_path / f"{i}.png")
    report = check(tmp_path)
    assert report.side_by_side
    assert report.sizes is not None
    assert (report.sizes.suggested, report.sizes.enlarged) == (48, 0)


def test_large_pictures_can_be_learnt_to_enlarge(tmp_path: Path) -> None:
    save(picture(1, (200, 130)), tmp_path / "train" / "1.png")
    save(picture(2, (64, 64)), tmp_path / "train" / "2.png")
    save(picture(3, (500, 60)), tmp_path / "train" / "3.png")
    save(picture(4, (128, 128)), tmp_path / "test" / "4.png")
    report = check(tmp_path)
    assert report.uses == {"generation": 3, "super-resolution": 2}
    assert (report.patches, report.too_small) == (3 * 2 + 1, 1)
    assert advised(report, "smaller than the 64 x 64 pixels of a patch: 1", "--set size")
    shown = CliRunner().invoke(data, ["check", str(tmp_path)]).stdout
    assert "7 of 64 x 64 pixels" in shown


def test_the_command_names_the_architectures_that_the_pictures_can_train(tmp_path: Path) -> None:
    for i in range(3):
        save(picture(i, (96, 48)), tmp_path / f"{i}.png")
    shown = " ".join(CliRunner().invoke(data, ["check", str(tmp_path)]).stdout.split())
    cards = get_registry().architectures.values()
    for task, listed in (("generation", True), ("paired-translation", True), ("unpaired-translation", False)):
        names = sorted(card.name for card in cards if card.task == task)
        assert names
        assert (f"{task.replace('-', ' ')}: {', '.join(names)}" in shown) is listed
    assert f"laid out for {'generation (3), paired translation (3)'}" in shown


def test_a_zip_gives_the_report_of_its_folder(tmp_path: Path) -> None:
    for i in range(4):
        save(picture(i), tmp_path / "set" / f"{i}.png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in (tmp_path / "set").iterdir():
            archive.write(file, f"set/{file.name}")
    loose, packed = check(tmp_path / "set").to_json(), check(tmp_path / "set.zip").to_json()
    assert (loose.pop("kind"), packed.pop("kind")) == ("folder", "zip")
    assert loose.pop("path") != packed.pop("path")
    assert loose == packed


def test_the_command_prints_json(tmp_path: Path) -> None:
    save(picture(1), tmp_path / "1.png")
    result = CliRunner().invoke(data, ["check", str(tmp_path), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["usable"] == 1


def test_the_command_prints_names_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "[red]set[/red]"
    save(picture(1), folder / "1.png")
    (folder / "[bold]bad.png").write_bytes(b"x")
    result = CliRunner().invoke(data, ["check", str(folder)])
    assert result.exit_code == 0
    assert "[red]set[/red]" in result.stdout.replace("\n", "")
    assert "[bold]bad.png" in result.stdout
    assert "1 usable of 2" in result.stdout
    assert "--set diffaug=" in result.stdout


@pytest.mark.parametrize("width", range(30, 60))
def test_advice_is_wrapped_between_words_and_never_within_a_setting(width: int) -> None:
    line = "half of the pictures are not square: --set fit=pad keeps everything, --set fit=stretch squeezes"
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system=None, highlight=False, width=width)
    print_wrapped(terminal, line, "- ")
    shown = terminal.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(len(part) <= width for part in shown)
    assert not any(part.endswith("--set") for part in shown)
    assert " ".join(part.strip() for part in shown) == f"- {line}"


def test_nothing_usable_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    result = CliRunner().invoke(data, ["check", str(tmp_path)])
    assert result.exit_code == 2
    assert "bad.png" in result.stdout
    missing = CliRunner().invoke(data, ["check", str(tmp_path / "missing")])
    assert isinstance(missing.exception, UserError)


def test_the_list_of_data_sets_is_printed() -> None:
    listed = CliRunner().invoke(data, ["list", "--json"])
    assert listed.exit_code == 0
    names = [card["name"] for card in json.loads(listed.stdout)]
    assert names == sorted(names)
    table = CliRunner().invoke(data, ["list"])
    assert table.exit_code == 0
    assert all(name in table.stdout for name in names)


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'PIL', 'rich', 'torch'} & set(sys.modules)"
    code = f"import sys, ganzoo.cli.data; print({heavy} or 'light')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "light"
