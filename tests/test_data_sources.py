"""Folders and zips of pictures become rows: every layout, every mistake, and the same bits either way."""

from __future__ import annotations

import io
import multiprocessing
import os
import re
import shutil
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.data.images import BrokenPicture, Facts
from ganzoo.data.names import natural, printable
from ganzoo.data.sources import FileData, open_files, open_path, suggest_size
from ganzoo.data.store import Skipped, describe_skipped
from ganzoo.data.whole import materialise
from ganzoo.errors import GanzooWarning, UserError

LABELLED = ("image", "label")
CAPTIONED = ("image", "text")
PAIRED = ("source", "target")
UNPAIRED = ("a", "b")


def paint(path: Path, value: Any = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    """A picture of one colour: `value` of 255 for red, green and blue, or a colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value,) * 3 if mode == "RGB" and isinstance(value, int) else value).save(path)
    return path


def speckle(path: Path, seed: int, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def truncate(path: Path, keep: float = 0.7) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def zipped(folder: Path, inside: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, inside + file.relative_to(folder).as_posix())
    return path


def opened(path: Path, fields: tuple[str, ...] = ("image",), **options: Any) -> FileData:
    return open_files(path, DataRequest(fields=fields, **options))


def values(data: Any, field: str, indices: Sequence[int] | None = None) -> list[int]:
    """The upper left pixel's first channel of each row."""
    rows = range(len(data)) if indices is None else indices
    return data.read(list(rows))[field][:, 0, 0, 0].tolist()  # type: ignore[no-any-return]


def refused(path: Path, fields: tuple[str, ...] = ("image",), **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        opened(path, fields, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# Pictures and labels


def test_pictures_of_any_depth_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        paint(tmp_path / f"img{number}.png", number)
    paint(tmp_path / "more" / "deep" / "x.PNG", 99)
    for ignored in (".hidden.png", "__MACOSX/img1.png", ".cache/y.png"):
        paint(tmp_path / ignored, 5)
    (tmp_path / "notes.md").write_text("no picture")
    data = opened(tmp_path)
    assert values(data, "image") == [1, 2, 10, 99]
    assert data.skipped == []
    assert (data.spec.name, data.spec.split, data.spec.count) == (tmp_path.name, "train", 4)
    assert [f.name for f in data.spec.fields] == ["image"]


def test_natural_order_counts_digits_and_never_ties() -> None:
    names = ["b", "a10", "a9", "a09", "a" + "1" * 5000, "a/2", "a/10"]
    assert sorted(names, key=natural) == ["a/2", "a/10", "a09", "a9", "a10", "a" + "1" * 5000, "b"]


def test_class_folders_become_labels(tmp_path: Path) -> None:
    paint(tmp_path / "dog" / "1.png", 1)
    paint(tmp_path / "cat" / "old" / "1.png", 2)
    for fields in (("image",), LABELLED):
        data = opened(tmp_path, fields)
        batch = data.read([0, 1, -1])
        assert data.spec.classes == ("cat", "dog")
        assert batch["label"].tolist() == [0, 1, 1]
        assert batch["label"].dtype == np.int64
        assert batch["image"][:, 0, 0, 0].tolist() == [2, 1, 1]


def test_one_class_or_a_stray_picture_is_no_labelled_set(tmp_path: Path) -> None:
    paint(tmp_path / "only" / "1.png")
    assert not opened(tmp_path).spec.has("label")
    paint(tmp_path / "other" / "1.png")
    paint(tmp_path / "stray.png")
    assert not opened(tmp_path).spec.has("label")
    message = refused(tmp_path, LABELLED)
    assert "found no classes" in message
    assert "one folder per class" in message
    assert "labels.csv" in message


def test_labels_from_a_table(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "4"):
        paint(tmp_path / "images" / f"{name}.png", int(name))
    (tmp_path / "labels.csv").write_text("File,Label\nimages/1.png,zebra\n2.png,ant\n3,zebra\ngone.png,ant\n")
    data = opened(tmp_path, LABELLED)
    assert data.spec.classes == ("ant", "zebra")
    assert data.read([0, 1, 2])["label"].tolist() == [1, 0, 1]
    assert data.skipped == [Skipped("images/4.png", "no row in labels.csv")]
    assert len(opened(tmp_path)) == 4, "without a need for labels no picture is lost"
    (tmp_path / "labels.csv").write_text("something,else\n1,2\n")
    assert not opened(tmp_path).spec.has("label")
    assert "expected file,label" in refused(tmp_path, LABELLED)


def test_classes_are_numbered_over_all_splits(tmp_path: Path) -> None:
    for name in ("train/ant/1.png", "train/bee/1.png", "train/cow/1.png", "val/bee/1.png", "val/cow/1.png"):
        paint(tmp_path / name)
    test = opened(tmp_path, LABELLED, split="test")
    assert test.spec.classes == ("ant", "bee", "cow")
    assert test.read([0, 1])["label"].tolist() == [1, 2]


# Splits


def test_train_and_test_folders_are_honoured_and_val_stands_in(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "1.png", 1)
    paint(tmp_path / "val" / "1.png", 2)
    assert values(opened(tmp_path), "image") == [1]
    assert values(opened(tmp_path, split="test"), "image") == [2]
    paint(tmp_path / "test" / "1.png", 3)
    assert values(opened(tmp_path, split="test"), "image") == [3]


def test_train_beside_other_classes_is_a_class(tmp_path: Path) -> None:
    for name in ("train", "truck"):
        paint(tmp_path / name / "1.png")
    assert opened(tmp_path).spec.classes == ("train", "truck")


@pytest.mark.parametrize("folder", ["", "train/"])
def test_a_missing_test_split_says_how_to_lay_it_out(tmp_path: Path, folder: str) -> None:
    paint(tmp_path / folder / "1.png")
    message = refused(tmp_path, split="test")
    assert "has no test split" in message
    assert f"{tmp_path}/test/" in message


# Captions


def test_captions_beside_the_pictures(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        paint(tmp_path / f"{name}.png", int(name))
    (tmp_path / "1.txt").write_text("a red bicycle\n\n  a bike \n", encoding="utf-8")
    (tmp_path / "2.txt").write_bytes("\ufeffein Fahrrad für zwei".encode())
    data = opened(tmp_path, CAPTIONED)
    assert data.read([0, 1])["text"] == [("a red bicycle", "a bike"), ("ein Fahrrad für zwei",)]
    assert data.skipped == [Skipped("3.png", "no caption")]
    assert materialise(data).read([1])["text"] == [("ein Fahrrad für zwei",)]


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("captions.jsonl", '{"file_name": "1.png", "text": ["x", "y"]}\n\n{"file": "2.png", "caption": "z"}\n'),
        ("metadata.jsonl", '{"file_name": "1.png", "text": "x"}\n{"file_name": "1.png", "text": "y"}\n'
         '{"file_name": "./2.png", "text": "z"}'),
        ("captions.csv", 'file,text\n1.png,x\n1.png,"y"\n2.png,z\n'),
        ("metadata.csv", "text,other,file_name\r\nx,,1.png\r\ny,,1.png\r\nz,,2.png\r\n"),
    ],
)  # fmt: skip
def test_captions_from_tables(tmp_path: Path, table: str, content: str) -> None:
    paint(tmp_path / "1.png")
    paint(tmp_path / "2.png")
    (tmp_path / table).write_text(content)
    assert opened(tmp_path, CAPTIONED).read([0, 1])["text"] == [("x", "y"), ("z",)]


@pytest.mark.parametrize("empty", ["null", "[]", '""', '" "', '["", " "]'])
def test_a_picture_without_a_caption_in_a_table_is_left_out_and_named(tmp_path: Path, empty: str) -> None:
    paint(tmp_path / "1.png")
    paint(tmp_path / "2.png")
    rows = '{"file_name": "1.png", "text": "a red\\n bicycle"}', f'{{"file_name": "2.png", "text": {empty}}}'
    (tmp_path / "captions.jsonl").write_text("\n".join(rows))
    data = opened(tmp_path, CAPTIONED)
    assert data.read([0])["text"] == [("a red bicycle",)], "and a caption is one line"
    assert data.skipped == [Skipped("2.png", "no caption")]


def test_all_mistakes_of_a_table_are_told_at_once(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    (tmp_path / "captions.jsonl").write_text('{"file_name": "1.png"}\nnope\n[1]\n{"file_name": "1.png", "text": "x"}')
    message = refused(tmp_path, CAPTIONED)
    assert [f"line {n}" in line for n, line in zip((1, 2, 3), message.splitlines(), strict=True)] == [True] * 3
    (tmp_path / "captions.jsonl").unlink()
    (tmp_path / "captions.csv").write_text("a;b\n1.png;x\n")
    assert "expected file,text" in refused(tmp_path, CAPTIONED)
    (tmp_path / "captions.csv").write_text("file,text\nelsewhere/9.png,x\n../../1.jpg,y\n")
    assert "none of the 2 rows" in refused(tmp_path, CAPTIONED)
    (tmp_path / "captions.csv").write_bytes(b"file,text\n1.png,f\xfcr\n")
    assert "not UTF-8" in refused(tmp_path, CAPTIONED)
    (tmp_path / "captions.csv").unlink()
    assert "no captions for any of its 1 pictures" in refused(tmp_path, CAPTIONED)


# Pairs and domains


@pytest.mark.parametrize("names", [("source", "target"), ("A", "B"), ("input", "output"), ("Input", "Target")])
def test_pairs_from_two_folders(tmp_path: Path, names: tuple[str, str]) -> None:
    for number in (1, 2, 10):
        paint(tmp_path / names[0] / f"{number}.png", number)
        paint(tmp_path / names[1] / f"{number}.bmp", 100 + number)
    paint(tmp_path / names[0] / "alone.png")
    paint(tmp_path / names[1] / "lonely.png")
    data = opened(tmp_path, PAIRED)
    assert values(data, "source") == [1, 2, 10]
    assert values(data, "target") == [101, 102, 110]
    assert {item.reason for item in data.skipped} == {"no target of this name", "no source of this name"}
    assert [f.name for f in data.spec.fields] == ["source", "target"]


def test_pairs_side_by_side(tmp_path: Path) -> None:
    for number in (1, 2):
        picture = Image.new("RGB", (32, 16), (number, 0, 0))
        picture.paste((200 + number, 0, 0), (16, 0, 32, 16))
        picture.save(tmp_path / f"{number}.png")
    paint(tmp_path / "odd.png", size=(20, 16))
    data = opened(tmp_path, PAIRED)
    assert data.spec.size == 16
    assert values(data, "source") == [1, 2]
    assert values(data, "target") == [201, 202]
    assert "twice as wide" in data.skipped[0].reason
    assert same(materialise(data).columns, data.read([0, 1]))


def test_pairs_that_are_none(tmp_path: Path) -> None:
    paint(tmp_path / "A" / "1.png")
    message = refused(tmp_path, PAIRED)
    assert "the folder 'a' has no partner 'b'" in message
    paint(tmp_path / "B" / "2.png")
    message = refused(tmp_path, PAIRED)
    assert "the same name" in message
    assert "A/1.png" in message
    shutil.rmtree(tmp_path / "B")
    shutil.move(tmp_path / "A" / "1.png", tmp_path / "1.png")
    message = refused(tmp_path, PAIRED)
    assert "no picture is twice as wide as high" in message
    assert "8 x 8" in message


@pytest.mark.parametrize("wide", [False, True], ids=["folders", "side by side"])
def test_reversed_pairs_are_the_pairs_with_their_fields_exchanged(tmp_path: Path, wide: bool) -> None:
    for number in range(3):
        if wide:
            speckle(tmp_path / f"{number}.png", number, (32, 16))
        else:
            speckle(tmp_path / "source" / f"{number}.png", number)
            speckle(tmp_path / "target" / f"{number}.png", number + 10)
    plain, turned = opened(tmp_path, PAIRED), opened(tmp_path, PAIRED, reverse=True)
    assert [f.name for f in turned.spec.fields] == ["source", "target"]
    for rows in (turned.read(range(3)), materialise(turned).columns):
        assert same({"source": rows["target"], "target": rows["source"]}, plain.read(range(3)))
    smaller = turned.resized(size=8).read([1])
    assert same({"source": smaller["target"], "target": smaller["source"]}, plain.resized(size=8).read([1]))


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        ((16, 16), (8, 8), True),
        ((300, 200), (600, 400), True),
        ((512, 341), (256, 170), True),
        ((512, 341), (256, 171), True),
        ((300, 200), (200, 300), False),
        ((256, 256), (256, 300), False),
        ((64, 64), (64, 60), False),
    ],
)
def test_the_pictures_of_a_pair_may_differ_in_size_but_not_in_shape(
    tmp_path: Path, source: tuple[int, int], target: tuple[int, int], fits: bool
) -> None:
    paint(tmp_path / "source" / "good.png", 1)
    paint(tmp_path / "target" / "good.png", 2)
    paint(tmp_path / "source" / "odd.png", 3, size=source)
    paint(tmp_path / "target" / "odd.png", 4, size=target)
    data = opened(tmp_path, PAIRED)
    assert values(data, "source") == ([1, 3] if fits else [1])
    assert data.skipped == ([] if fits else [Skipped("source/odd.png", "its target has another shape")])


def test_pairs_that_all_differ_in_shape_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / "source" / f"{number}.png", size=(30, 20))
        paint(tmp_path / "target" / f"{number}.png", size=(20, 20))
    lines = refused(tmp_path, PAIRED).splitlines()
    assert lines[0] == (
        f"{tmp_path}: no pair can be used: the two pictures of a pair differ in shape (source/0.png has 30 x 20 and "
        "target/0.png has 20 x 20); expected the same width / height: cut both to the same part of the scene"
    )
    assert lines[1:] == ["2 files skipped (its target has another shape): source/0.png, source/1.png"]


def test_a_pair_with_a_broken_picture_is_left_out_and_its_partner_named(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / "source" / f"{number}.png", number)
        paint(tmp_path / "target" / f"{number}.png", number)
    (tmp_path / "target" / "0.png").write_bytes(b"<html>")
    data = opened(tmp_path, PAIRED)
    assert values(data, "source") == [1]
    assert data.skipped == [
        Skipped("source/0.png", "its partner cannot be used"),
        Skipped("target/0.png", "not a picture of a known format"),
    ]
    assert len(data.facts) == 2


def test_an_empty_folder_of_pairs_is_a_missing_one(tmp_path: Path) -> None:
    paint(tmp_path / "source" / "1.png")
    (tmp_path / "target").mkdir()
    message = refused(tmp_path, PAIRED)
    assert "the folder 'source' has no partner 'target' with pictures beside it" in message
    assert "expected two folders of equal names: source/1.png target/1.png" in message


def test_domains_of_different_length_wrap_around(tmp_path: Path) -> None:
    for number in range(5):
        paint(tmp_path / "A" / f"{number}.png", number)
    for number in range(2):
        paint(tmp_path / "B" / f"x{number}.png", 100 + number)
    data = opened(tmp_path, UNPAIRED)
    assert len(data) == 5
    assert values(data, "a") == [0, 1, 2, 3, 4]
    assert values(data, "b") == [100, 101, 100, 101, 100]
    assert same(materialise(data).columns, data.read(range(5)))
    assert materialise(data).spec == data.spec


def test_domains_with_splits_in_their_names(tmp_path: Path) -> None:
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        paint(tmp_path / name / "1.png", number)
    assert values(opened(tmp_path, UNPAIRED), "b") == [1]
    assert values(opened(tmp_path, UNPAIRED, split="test"), "a") == [2]
    shutil.rmtree(tmp_path / "testB")
    assert "testA/ and testB/" in refused(tmp_path, UNPAIRED, split="test")


def test_domains_of_other_names_get_the_command_that_mends_them(tmp_path: Path) -> None:
    paint(tmp_path / "horse" / "1.png")
    paint(tmp_path / "zebra" / "1.png")
    assert "mv horse A; mv zebra B" in refused(tmp_path, UNPAIRED)


# Zips


def layouts(root: Path) -> list[tuple[Path, tuple[str, ...]]]:
    for i in range(3):
        speckle(root / "plain" / f"{i}.png", i, (12, 9))
        for name in ("cat", "dog"):
            speckle(root / "classes" / "train" / name / f"{i}.png", i)
            speckle(root / "classes" / "test" / name / f"{i}.png", i + 50)
        speckle(root / "captions" / "images" / f"{i}.png", i)
        (root / "captions" / "images" / f"{i}.txt").write_text(f"number {i}")
        speckle(root / "pairs" / "A" / f"{i}.png", i)
        speckle(root / "pairs" / "B" / f"{i}.png", i + 100)
        speckle(root / "wide" / f"{i}.png", i, (16, 8))
    found = [("plain", ("image",)), ("classes", LABELLED), ("captions", CAPTIONED), ("pairs", PAIRED)]
    return [(root / name, fields) for name, fields in [*found, ("pairs", UNPAIRED), ("wide", PAIRED)]]


@pytest.mark.parametrize("inside", ["", "wrapper/", "one/two/"])
def test_a_zip_is_its_folder_bit_for_bit(tmp_path: Path, inside: str) -> None:
    for folder, fields in layouts(tmp_path):
        loose, packed = opened(folder, fields), opened(zipped(folder, inside), fields)
        assert same(loose.read(range(len(loose))), packed.read(range(len(packed)))), folder.name
        assert replace(loose.spec, fingerprint="") == replace(packed.spec, fingerprint="")
        assert same(materialise(loose).columns, loose.read(range(len(loose))))


def test_names_that_point_outside_a_zip_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    picture = paint(tmp_path / "good.png").read_bytes()
    (tmp_path / "z").mkdir()
    path = tmp_path / "z" / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("good.png", "../evil.png", "/evil.png", "C:/evil.png", "a/../../evil.png"):
            archive.writestr(name, picture)
    data = opened(path)
    data.read([0])
    assert len(data) == 1
    assert [item.name for item in data.skipped] == ["../evil.png", "/evil.png", "C:/evil.png", "a/../../evil.png"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["evil.zip", "good.png", "z"]


def test_backslashes_in_a_zip_are_folders(tmp_path: Path) -> None:
    picture = paint(tmp_path / "good.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        for name in ("cat/1.png", "dog/1.png"):
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            archive.writestr(info, picture)
    data = opened(tmp_path / "w.zip")
    assert data.spec.classes == ("cat", "dog")
    assert len(data.read([0, 1])["image"]) == 2


def test_a_picture_that_announces_too_many_pixels_is_skipped(tmp_path: Path) -> None:
    paint(tmp_path / "good.png")
    (tmp_path / "huge.pgm").write_bytes(b"P5 60000 60000 255\n")
    for path in (tmp_path, zipped(tmp_path)):
        assert opened(path).skipped == [Skipped("huge.pgm", "more than 179 megapixels")]


def test_a_file_that_would_unpack_to_too_much_is_skipped_unread(tmp_path: Path) -> None:
    picture = paint(tmp_path / "good.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        archive.writestr("good.png", picture)
        archive.writestr("bomb.png", picture)
        archive.getinfo("bomb.png").file_size = 2**30  # what the directory of the zip will say
    assert opened(tmp_path / "bomb.zip").skipped == [Skipped("bomb.png", "larger than 512 MiB")]


def test_a_damaged_entry_of_a_zip_is_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    speckle(folder / "1.png", 1, (64, 64))
    speckle(folder / "2.png", 2, (64, 64))
    path = zipped(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)
    assert len(opened(path)) == 1


# Broken pictures


def test_broken_headers_are_named_and_skipped(tmp_path: Path) -> None:
    paint(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "none.png").touch()
    data = opened(tmp_path)
    assert len(data) == 1
    assert [item.name for item in data.skipped] == ["bad.jpg", "none.png"]
    assert describe_skipped(data.skipped) == ["2 files skipped (not a picture of a known format): bad.jpg, none.png"]


def test_truncated_bodies_are_left_out_of_a_materialised_set(tmp_path: Path) -> None:
    for i in range(200):
        speckle(tmp_path / ("cat" if i % 2 else "dog") / f"{i}.png", i)
    for name in ("cat/1.png", "dog/100.png", "dog/198.png"):
        truncate(tmp_path / name)
    data = opened(tmp_path)
    assert (len(data), data.skipped) == (200, [])
    whole = materialise(data)
    assert whole.spec.count == len(whole) == 197
    assert [item.name for item in data.skipped] == ["cat/1.png", "dog/100.png", "dog/198.png"]
    assert whole.read(range(197))["label"].tolist() == [0] * 99 + [1] * 98
    rows = [i for i in range(200) if i not in (0, 100 + 50, 199)]
    assert (whole.columns["image"] == data.read(rows)["image"]).all()


@pytest.mark.parametrize("broken", ["A", "B"])
def test_truncated_bodies_of_one_domain_leave_the_other_alone(tmp_path: Path, broken: str) -> None:
    for i in range(4):
        speckle(tmp_path / "A" / f"a{i}.png", i)
        speckle(tmp_path / "B" / f"b{i}.png", i + 10)
    truncate(tmp_path / broken / f"{broken.lower()}1.png")
    data = opened(tmp_path, UNPAIRED)
    whole = materialise(data)
    assert len(whole) == 4
    assert {f.name: f.rows for f in whole.spec.fields} == {"a": 4, "b": 4} | {broken.lower(): 3}
    assert not whole.spec.aligned
    assert (whole.columns[broken.lower()] == data.read([0, 2, 3, 0])[broken.lower()]).all()


def test_the_next_good_row_stands_in_when_streaming(tmp_path: Path) -> None:
    for i in range(4):
        speckle(tmp_path / ("cat" if i > 2 else "dog") / f"{i}.png", i)
    truncate(tmp_path / "dog" / "1.png")
    truncate(tmp_path / "dog" / "2.png")
    data = opened(tmp_path)
    with pytest.warns(GanzooWarning, match=re.escape("dog/1.png cannot be decoded")) as caught:
        batch = data.read([0, 1, 2, 3, 3, 2])
    assert len(caught) == 1
    assert batch["label"].tolist() == [0, 1, 0, 0, 0, 0]
    assert same(batch, data.read([0, 1, 0, 0, 0, 0]))
    assert [item.name for item in data.skipped] == ["dog/1.png", "dog/2.png"]


def test_a_set_without_one_good_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"x" * 100)
    message = refused(tmp_path)
    assert "none of its 1 pictures can be used" in message
    assert "bad.png" in message
    truncate(speckle(tmp_path / "bad.png", 1))
    with pytest.raises(UserError, match="none of its pictures can be decoded"):
        materialise(opened(tmp_path))


# Paths and requests


def test_what_is_no_set_of_pictures_is_explained(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    message = refused(tmp_path / "facse")
    assert "no such folder or file" in message
    assert "faces" in message
    assert "it is empty" in refused(tmp_path / "faces")
    (tmp_path / "faces" / "a.heic").touch()
    (tmp_path / "faces" / "README").touch()
    message = refused(tmp_path / "faces")
    assert "2 other files" in message
    assert "1 x .heic" in message
    assert "webp" in message
    (tmp_path / "set.rar").write_bytes(b"Rar!....")
    message = refused(tmp_path / "set.rar")
    assert "not a zip" in message
    assert "Rar!" in message
    assert str(tmp_path / "faces") in refused(paint(tmp_path / "faces" / "1.png"))


def test_all_mistakes_of_a_request_are_told_at_once(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    message = refused(tmp_path, ("image", "sound"), split="tset", size=0, channels=4, fit="padd")
    assert len(message.splitlines()) == 5
    for piece in ("'test'", "image, sound", "size 0", "channels 4", "'pad'"):
        assert piece in message
    with pytest.raises(UserError, match="a folder of pictures gives"):
        open_path(tmp_path, DataRequest(fields=("low", "image")))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_are_followed_once(tmp_path: Path) -> None:
    paint(tmp_path / "set" / "1.png")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    assert len(opened(tmp_path / "set")) == 1


def test_unprintable_names_are_escaped() -> None:
    assert printable("a\x1b[31m\n\udcff.png") == "a\\x1b[31m\\n\\udcff.png"


# Size, channels, fit


def facts(*sizes: tuple[int, int]) -> list[Facts]:
    return [Facts(w, h, "RGB", 8, grey=False, alpha=False, format="PNG", frames=1) for w, h in sizes]


@pytest.mark.parametrize(
    ("sizes", "allowed", "expected"),
    [
        ([(28, 28)] * 3, (), 28),
        ([(256, 256)] * 3, (), 256),
        ([(256, 300)] * 3, (), 64),
        ([(256, 256), (128, 128)], (), 64),
        ([(20, 30), (50, 40), (500, 400)], (), 40),
        ([(28, 28)] * 3, (16, 32, 64), 16),
        ([(28, 28)] * 3, (32, 64), 32),
        ([(256, 256)] * 3, (32, 64, 128), 128),
    ],
)
def test_the_suggested_size(sizes: list[tuple[int, int]], allowed: Sequence[int], expected: int) -> None:
    assert suggest_size(facts(*sizes), allowed) == expected


def test_a_folder_gets_the_largest_size_that_the_architecture_can_do(tmp_path: Path) -> None:
    speckle(tmp_path / "1.png", 1, (40, 40))
    assert opened(tmp_path).spec.size == 40
    assert opened(tmp_path, sizes=(16, 32, 64)).spec.size == 32
    assert opened(tmp_path, sizes=(64, 128)).spec.size == 64
    assert opened(tmp_path, sizes=(16, 32, 64), size=24).spec.size == 24


def test_channels_are_grey_only_when_every_picture_is(tmp_path: Path) -> None:
    paint(tmp_path / "1.png", 7, mode="L")
    assert opened(tmp_path).spec.channels == 1
    assert opened(tmp_path, channels=3).read([0])["image"].shape == (1, 3, 8, 8)
    paint(tmp_path / "2.png", (1, 2, 3))
    assert opened(tmp_path).spec.channels == 3


def test_another_size_needs_no_second_look(tmp_path: Path) -> None:
    speckle(tmp_path / "1.png", 1, (40, 20))
    data = opened(tmp_path)
    other = data.resized(size=16, channels=1, fit="pad")
    expected = opened(tmp_path, size=16, channels=1, fit="pad")
    assert data.spec.size == 20
    assert other.spec == expected.spec
    assert same(other.read([0]), expected.read([0]))
    assert other.nbytes == 16 * 16


def test_progress_is_told_and_reaches_the_end(tmp_path: Path) -> None:
    for i in range(70):
        paint(tmp_path / f"{i}.png")
    seen: list[tuple[str, int, int]] = []
    data = opened(tmp_path, progress=lambda *step: seen.append(step))
    materialise(data, lambda *step: seen.append(step))
    assert [step for step in seen if step[1] == 70] == [
        ("reading headers", 70, 70),
        (f"decoding {tmp_path.name}", 70, 70),
    ]


def test_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(150):
        speckle(tmp_path / f"{i}.png", i)
    truncate(tmp_path / "77.png")
    serial = materialise(opened(zipped(tmp_path))).columns
    monkeypatch.setattr("ganzoo.data.parallel._THREADS_PAY", 0.0)
    assert same(serial, materialise(opened(zipped(tmp_path))).columns)


# Fingerprints and processes


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    speckle(folder / "1.png", 1)
    speckle(folder / "2.png", 2)
    first = opened(folder).spec.fingerprint
    (folder / "notes.md").write_text("not part of the set")
    assert opened(folder).spec.fingerprint == first
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").spec.fingerprint == first
    speckle(folder / "3.png", 3)
    assert opened(folder).spec.fingerprint != first
    packed = opened(zipped(folder)).spec.fingerprint
    (folder / "2.png").write_bytes(bytes(reversed((folder / "2.png").read_bytes())))
    (folder / "3.png").unlink()
    assert opened(zipped(folder)).spec.fingerprint != packed


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_worker_processes_read_the_same_rows(tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    for i in range(6):
        speckle(tmp_path / "set" / f"{i}.png", i)
    data = opened(zipped(tmp_path / "set"))
    expected = data.read(range(6))
    with multiprocessing.get_context(method).Pool(2) as pool:
        parts = pool.map(data.read, [[0, 1], [2, 3], [4, 5]] * 5)
    for start in range(0, 15, 3):
        joined = np.concatenate([part["image"] for part in parts[start : start + 3]])
        assert (joined == expected["image"]).all()


def test_array_data_is_materialised_already(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    whole = materialise(opened(tmp_path))
    assert isinstance(whole, ArrayData)
    assert materialise(whole) is whole


class Generated:
    """Rows that are made when they are read: picture i is of brightness i, row i has the label i % 3."""

    def __init__(self, count: int) -> None:
        picture = Field(name="image", kind="image", channels=1, size=4)
        label = Field(name="label", kind="label", classes=("x", "y", "z"))
        fields = (picture, label, Field(name="text", kind="text"))
        self.spec = DataSpec(name="generated", split="train", count=count, fields=fields)
        self.most_at_once = 0

    def __len__(self) -> int:
        return self.spec.count

    @property
    def nbytes(self) -> int:
        return len(self) * 16

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        self.most_at_once = max(self.most_at_once, len(indices))
        rows = np.asarray(indices)
        pictures = np.broadcast_to(rows.astype(np.uint8)[:, None, None, None], (len(rows), 1, 4, 4))
        return {"image": pictures, "label": rows % 3, "text": [(f"row {row}",) for row in rows]}


class HalfBroken(Generated):
    """Every second picture turns out broken."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.skipped: list[Skipped] = []

    def row(self, index: int) -> dict[str, Any]:
        if index % 2:
            raise BrokenPicture(f"{index}.png", "truncated")
        return {name: values[0] for name, values in self.read([index]).items()}


@pytest.mark.parametrize("pays", [0.0, 1e9], ids=["threads", "serial"])
def test_any_set_is_materialised_a_few_rows_at_a_time(pays: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.data.parallel._THREADS_PAY", pays)
    data = Generated(200)
    steps: list[tuple[str, int, int]] = []
    whole = materialise(data, lambda *step: steps.append(step))
    assert whole.spec == data.spec
    assert whole.columns["text"] == data.read(range(200))["text"]
    assert all(np.array_equal(whole.columns[name], data.read(range(200))[name]) for name in ("image", "label"))
    assert steps[-1] == ("decoding generated", 200, 200)
    fresh = Generated(200)
    materialise(fresh)
    assert fresh.most_at_once < 10


def test_any_set_that_tells_its_broken_rows_loses_them(tmp_path: Path) -> None:
    data = HalfBroken(100)
    whole = materialise(data)
    assert len(whole) == whole.spec.count == 50
    assert whole.columns["image"][:, 0, 0, 0].tolist() == list(range(0, 100, 2))
    assert whole.columns["text"][1] == ("row 2",)
    assert [item.name for item in data.skipped] == [f"{i}.png" for i in range(1, 100, 2)]


def test_ten_thousand_pictures_open_quickly() -> None:
    path = Path(__file__).parents[2] / "shared" / "data" / "cifar10-test.zip"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    start = time.perf_counter()
    data = opened(path, LABELLED)
    whole = materialise(data)
    assert time.perf_counter() - start < 30
    assert whole.columns["image"].shape == (10_000, 3, 32, 32)
    assert np.bincount(whole.columns["label"]).tolist() == [1000] * 10
    assert data.skipped == []
    with zipfile.ZipFile(path) as archive:
        pixels = np.asarray(Image.open(io.BytesIO(archive.read("airplane/0000.jpg"))))
    assert (whole.columns["image"][0] == pixels.transpose(2, 0, 1)).all()
