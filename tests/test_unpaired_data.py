"""Two folders of pictures as two domains: rows of their own, the answer where it is known, and what is broken."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toys import Config

from ganzoo import training
from ganzoo.data.base import Columns, DataRequest
from ganzoo.data.feed import Feed
from ganzoo.data.images import BrokenPicture
from ganzoo.data.sources import FileData, open_files
from ganzoo.data.store import Skipped
from ganzoo.data.whole import materialise
from ganzoo.engine.distributed import Group
from ganzoo.engine.noise import Noise
from ganzoo.errors import GanzooWarning, RunError, UserError
from ganzoo.registry import get_registry

UNPAIRED = ("a", "b")


def paint(path: Path, level: int, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)
    return path


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5])


def domains(folder: Path, a: Sequence[str], b: Sequence[str]) -> Path:
    """Pictures of these names: those of A are of the levels 0, 1, 2, ..., those of B of 100, 101, ..."""
    for i, name in enumerate(a):
        paint(folder / "A" / name, i)
    for i, name in enumerate(b):
        paint(folder / "B" / name, 100 + i)
    return folder


def numbered(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{i}.png" for i in range(count)]


def opened(path: Path, **options: Any) -> FileData:
    return open_files(path, DataRequest(fields=UNPAIRED, **options))


def levels(pictures: Any) -> list[int]:
    return pictures[:, 0, 0, 0].tolist()  # type: ignore[no-any-return]


def rows(data: Any) -> dict[str, int]:
    return {field.name: field.rows for field in data.spec.fields}


# Rows of their own


def test_each_domain_has_as_many_rows_as_pictures(tmp_path: Path) -> None:
    data = opened(domains(tmp_path, numbered(5), numbered(2, "x")))
    assert rows(data) == {"a": 5, "b": 2}
    assert data.spec.count == len(data) == 5
    assert levels(data.read(range(5))["b"]) == [100, 101, 100, 101, 100]
    whole = materialise(data)
    assert whole.spec == data.spec
    assert levels(whole.columns["b"]) == [100, 101, 100, 101, 100]


def test_a_column_is_read_without_a_look_at_the_other_domain(tmp_path: Path) -> None:
    data = opened(domains(tmp_path, numbered(5), numbered(2, "x")))
    assert isinstance(data, Columns)
    shutil.rmtree(tmp_path / "A")
    assert levels(data.column("b", [1, 0, 1])) == [101, 100, 101]
    assert data.column("b", [1]).shape == (1, 1, 8, 8)
    with pytest.raises(IndexError, match="has 2 rows, asked for row 2"):
        data.column("b", [2])


def test_a_column_of_any_set_is_what_read_gives(tmp_path: Path) -> None:
    for i in range(4):
        paint(tmp_path / "set" / ("cat" if i % 2 else "dog") / f"{i}.png", i)
        paint(tmp_path / "wide" / f"{i}.png", i, (16, 8))
    for folder, fields in (("set", ("image", "label")), ("wide", ("source", "target"))):
        data = open_files(tmp_path / folder, DataRequest(fields=fields))
        together = data.read([3, 0, 2])
        for name in fields:
            assert np.array_equal(data.column(name, [3, 0, 2]), together[name])


def test_any_picture_of_one_domain_meets_any_of_the_other(tmp_path: Path) -> None:
    data = opened(domains(tmp_path, numbered(4), numbered(3, "x")))
    group = Group(rank=0, world=1, device=torch.device("cpu"))
    feeds = [Feed(data, Config(batch=4, memory=memory, workers=0), group) for memory in (1, 0)]
    assert [feed.resident for feed in feeds] == [True, False]
    met = set()
    for draw in range(60):
        batch, streamed = (feed.draw(draw, Noise(0, "step", draw, count=4)) for feed in feeds)
        assert torch.equal(batch["a"], streamed["a"])
        assert torch.equal(batch["b"], streamed["b"])
        a, b = (((batch[name][:, 0, 0, 0] + 1) * 127.5).round().int().tolist() for name in UNPAIRED)
        assert sorted(a) == [0, 1, 2, 3], "each of A once in its epoch of one batch"
        met |= set(zip(a, b, strict=True))
    assert met == {(a, 100 + b) for a in range(4) for b in range(3)}


# The known answer


@pytest.mark.parametrize(
    ("a", "b", "aligned"),
    [
        (["1.png", "2.png", "10.png"], ["1.bmp", "2.png", "10.bmp"], True),
        (["x/1.png", "y/1.png"], ["x/1.png", "y/1.png"], True),
        (["1.png", "2.png"], ["1.png", "3.png"], False),
        (["1.png", "2.png"], ["1.png", "2.png", "3.png"], False),
        (["1.png", "2.png"], ["one.png", "two.png"], False),
    ],
)
def test_domains_of_the_same_names_are_aligned(tmp_path: Path, a: list[str], b: list[str], aligned: bool) -> None:
    data = opened(domains(tmp_path, a, b))
    assert data.spec.aligned is aligned
    assert rows(data) == {"a": len(a), "b": len(b)}
    assert materialise(data).spec.aligned is aligned


def test_aligned_rows_show_the_same_name(tmp_path: Path) -> None:
    names = ["1.png", "2.png", "10.png"]
    data = opened(domains(tmp_path, names, names))
    read = data.read(range(3))
    assert [b - a for a, b in zip(levels(read["a"]), levels(read["b"]), strict=True)] == [100] * 3


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_broken_header_takes_the_known_answer_with_it(tmp_path: Path, side: str) -> None:
    domains(tmp_path, numbered(4), numbered(4))
    (tmp_path / side / "1.png").write_bytes(b"<html>")
    data = opened(tmp_path)
    assert data.spec.aligned
    assert rows(data) == {"a": 3, "b": 3}
    read = data.read(range(3))
    assert (levels(read["a"]), levels(read["b"])) == ([0, 2, 3], [100, 102, 103])
    other = "B" if side == "A" else "A"
    assert data.skipped == [
        Skipped(f"{other}/1.png", "its partner cannot be used"),
        Skipped(f"{side}/1.png", "not a picture of a known format"),
    ]


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_truncated_body_takes_the_known_answer_with_it(tmp_path: Path, side: str) -> None:
    domains(tmp_path, numbered(4), numbered(4))
    truncate(tmp_path / side / "1.png")
    data = opened(tmp_path)
    whole = materialise(data)
    assert whole.spec.aligned
    assert rows(whole) == {"a": 3, "b": 3}
    assert (levels(whole.columns["a"]), levels(whole.columns["b"])) == ([0, 2, 3], [100, 102, 103])


def test_a_broken_picture_of_unlike_domains_costs_the_other_nothing(tmp_path: Path) -> None:
    domains(tmp_path, numbered(3), numbered(4, "x"))
    truncate(tmp_path / "A" / "0.png")
    (tmp_path / "B" / "x3.png").write_bytes(b"<html>")
    data = opened(tmp_path)
    assert rows(data) == {"a": 3, "b": 3}
    assert [item.name for item in data.skipped] == ["B/x3.png"]
    whole = materialise(data)
    assert rows(whole) == {"a": 2, "b": 3}
    assert not whole.spec.aligned
    assert levels(whole.columns["a"]) == [1, 2, 1]
    assert levels(whole.columns["b"]) == [100, 101, 102]
    assert [item.name for item in data.skipped] == ["B/x3.png", "A/0.png"]


# Streaming


def test_the_next_good_picture_of_its_domain_stands_in_when_streaming(tmp_path: Path) -> None:
    domains(tmp_path, numbered(3), numbered(2, "x"))
    truncate(tmp_path / "A" / "2.png")
    data = opened(tmp_path)
    with pytest.warns(GanzooWarning, match=r"A/2\.png cannot be decoded") as caught:
        assert levels(data.column("a", [2, 0, 1, 2])) == [0, 0, 1, 0]
    assert len(caught) == 1
    assert levels(data.column("b", [1, 0])) == [101, 100], "the other domain loses nothing"
    assert [item.name for item in data.skipped] == ["A/2.png"]
    with pytest.raises(BrokenPicture):
        data.row(2)


def test_a_domain_that_cannot_be_decoded_any_more_is_one_line(tmp_path: Path) -> None:
    data = opened(domains(tmp_path, numbered(2), numbered(2, "x")))
    shutil.rmtree(tmp_path / "B")
    with pytest.warns(GanzooWarning), pytest.raises(RunError, match="none of its 2 rows can be decoded any more"):
        data.column("b", [0])


# Mistakes


def test_a_missing_domain_is_named(tmp_path: Path) -> None:
    domains(tmp_path, numbered(2), [])
    with pytest.raises(UserError) as caught:
        opened(tmp_path)
    assert "the folder 'a' has no partner 'b' with pictures beside it" in str(caught.value)
    assert "expected two folders of any pictures: A/1.jpg" in str(caught.value)
    shutil.move(tmp_path / "A", tmp_path / "trainB")
    with pytest.raises(UserError, match="the folder 'trainb' has no partner 'traina'"):
        opened(tmp_path)


def test_domains_of_other_names_within_splits_get_the_command_that_mends_them(tmp_path: Path) -> None:
    for split in ("train", "test"):
        paint(tmp_path / split / "horse" / "1.png", 0)
        paint(tmp_path / split / "zebra" / "1.png", 0)
    with pytest.raises(UserError, match="mv train/horse train/A; mv train/zebra train/B"):
        opened(tmp_path)
    shutil.rmtree(tmp_path / "test")
    for split in ("train", "test"):
        paint(tmp_path / "other" / split / "1.png", 0)
    with pytest.raises(UserError, match="two folders A and B are needed, found pictures in one folder"):
        opened(tmp_path / "other")


def test_an_empty_domain_is_a_missing_one(tmp_path: Path) -> None:
    domains(tmp_path, numbered(2), [])
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "notes.txt").write_text("later")
    with pytest.raises(UserError, match="no partner 'b' with pictures"):
        opened(tmp_path)


@pytest.mark.parametrize("same_names", [False, True])
def test_a_domain_of_broken_pictures_is_named(tmp_path: Path, same_names: bool) -> None:
    domains(tmp_path, numbered(3), [])
    (tmp_path / "B").mkdir()
    for i in range(3):
        (tmp_path / "B" / (f"{i}.png" if same_names else f"x{i}.png")).write_bytes(b"<html>")
    with pytest.raises(UserError) as caught:
        opened(tmp_path)
    assert "can be used" in caught.value.lines[0]
    assert same_names or "none of the 3 pictures of folder B" in caught.value.lines[0]
    assert any("3 files skipped (not a picture of a known format): B/" in line for line in caught.value.lines)


def test_a_domain_of_truncated_pictures_is_named(tmp_path: Path) -> None:
    domains(tmp_path, numbered(3), numbered(2, "x"))
    for name in numbered(2, "x"):
        truncate(tmp_path / "B" / name)
    with pytest.raises(UserError, match="none of the 2 pictures of folder B can be decoded"):
        materialise(opened(tmp_path))


# Splits


@pytest.mark.parametrize("names", [("trainA", "trainB", "testA", "testB"), ("trainA", "trainB", "valA", "valB")])
def test_the_held_out_pictures_of_domains_are_found(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        for i in range(3):
            paint(tmp_path / name / f"{name}{i}.png", 10 * number + i)
    registry = get_registry()
    card = next(card for card in registry.architectures.values() if card.task == "unpaired-translation")
    job = training.plan_job(registry, card.name, str(tmp_path), None, {"size": 32})
    held = training.open_held_out(registry, job)
    assert held is not None
    assert held.spec.split == "test"
    train = opened(tmp_path)
    assert [path.split("/")[0] for path in (train.sides() or {})["b"]] == ["trainB"] * 3
    assert levels(train.read([0])["a"]) == [0]
    assert levels(opened(tmp_path, split="test").read([2])["b"]) == [32]


def test_pictures_that_a_pair_of_folders_holds_out_are_not_trained_on(tmp_path: Path) -> None:
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        paint(tmp_path / name / "1.png", number)
    pictures = open_files(tmp_path, DataRequest())
    assert levels(pictures.read(range(len(pictures)))["image"]) == [0, 1]
    assert pictures.spec.classes == ("A", "B")
    pairs = open_files(tmp_path, DataRequest(fields=("source", "target"), split="test"))
    assert levels(pairs.read([0])["target"]) == [3]


def test_a_lone_side_of_a_split_says_what_is_missing(tmp_path: Path) -> None:
    for name in ("trainA", "trainB", "testA"):
        paint(tmp_path / name / "1.png", 0)
    with pytest.raises(UserError) as caught:
        opened(tmp_path, split="test")
    assert "a held-out split is a folder testA/ and testB/ beside trainA/ and trainB/" in caught.value.lines[0]
    assert f"{tmp_path}/testA/... and {tmp_path}/testB/..." in caught.value.lines[1]
