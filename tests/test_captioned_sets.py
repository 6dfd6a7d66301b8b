"""Emoji under sentences, and sets of described photographs, read from small trees in the layout of the originals."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganzoo_data
from ganzoo.cards import resolve
from ganzoo.data.base import DataRequest
from ganzoo.data.images import decode
from ganzoo.data.whole import materialise
from ganzoo.errors import RunError, UserError
from ganzoo_data import captioned_sets, embedded
from ganzoo_data.captioned_sets import STYLES, emoji_captions_of, with_article

CARDS = {card.name: card for card in ganzoo_data.ganzoo_datasets()}


def load(name: str, **request: Any) -> Any:
    return resolve(CARDS[name].load)(DataRequest(**{"fields": ("image", "text"), **request}))


# --------------------------------------------------------------------------------------------------------------- emoji


def test_captions_are_made_of_name_category_and_style() -> None:
    assert emoji_captions_of("red apple", "food", "flat") == (
        "red apple",
        "a red apple",
        "a red apple, food",
        "flat emoji of a red apple",
        "a red apple in flat colours",
        "flat red apple, food",
    )
    assert emoji_captions_of("books", "objects", "line") == (
        "books",
        "books, objects",
        "line drawing of books",
        "books as a line drawing",
        "line-drawn books, objects",
    )
    assert "3-D emoji of an owl" in emoji_captions_of("owl", "animals", "3d")


@pytest.mark.parametrize(
    ("name", "category", "expected"),
    [
        ("glass of milk", "food", "a glass of milk"),
        ("ear of corn", "food", "an ear of corn"),
        ("octopus", "animals", "an octopus"),
        ("unicorn", "animals", "a unicorn"),
        ("rhinoceros", "animals", "a rhinoceros"),
        ("euro banknote", "objects", "a euro banknote"),
        ("hourglass done", "travel", "an hourglass done"),
        ("one piece swimsuit", "objects", "a one piece swimsuit"),
        ("person with crown", "people", "a person with crown"),
        ("x-ray", "objects", "an x-ray"),
        ("two o'clock", "travel", "two o'clock"),
        ("money with wings", "objects", "money with wings"),
        ("scissors", "objects", "scissors"),
        ("popcorn", "food", "popcorn"),
        ("palms up together", "people", "palms up together"),
        ("sagittarius", "symbols", "sagittarius"),
        ("ok button", "symbols", "an ok button"),
    ],
)
def test_articles(name: str, category: str, expected: str) -> None:
    assert name in embedded.emoji_names("all")
    assert with_article(name, category) == expected


def test_names_without_an_article_are_names_of_emoji() -> None:
    names = embedded.emoji_names("all")
    idle = [name for name in captioned_sets._UNCOUNTED if not any(f" {name} " in f" {known} " for known in names)]
    assert idle == []


@pytest.mark.parametrize("split", ["train", "test", "all"])
@pytest.mark.parametrize("style", STYLES)
def test_the_emoji_are_those_of_the_style_row_by_row(style: str, split: str) -> None:
    data, plain = load("emoji-captions", subset=style, split=split), load(f"emoji-{style}", split=split)
    assert (data.columns["image"] == plain.columns["image"]).all()
    names = [name for (name,) in plain.columns["text"]]
    assert [texts[0] for texts in data.columns["text"]] == names
    categories = [embedded.EMOJI_CATEGORIES[label] for label in plain.columns["label"]]
    for name, category, texts in zip(names, categories, data.columns["text"], strict=True):
        assert texts == emoji_captions_of(name, category, style)
        assert all(name in text for text in texts)
        assert len(set(texts)) == len(texts) >= 5


def test_without_a_part_they_are_flat() -> None:
    data, flat = load("emoji-captions"), load("emoji-captions", subset="flat")
    card = CARDS["emoji-captions"]
    assert (data.columns["image"] == flat.columns["image"]).all()
    assert data.columns["text"] == flat.columns["text"]
    assert (len(data), data.spec.size, data.spec.channels) == (card.count, card.size, card.channels)
    assert tuple(field.name for field in data.spec.fields) == card.fields
    assert card.subsets == (*STYLES, captioned_sets.EVERY_STYLE)


def test_every_style_is_all_styles_one_after_the_other() -> None:
    whole = load("emoji-captions", subset="styles", split="test", size=32)
    parts = [load("emoji-captions", subset=style, split="test", size=32) for style in STYLES]
    assert (whole.columns["image"] == np.concatenate([part.columns["image"] for part in parts])).all()
    assert whole.columns["text"] == [texts for part in parts for texts in part.columns["text"]]
    assert whole.spec.name == "emoji-captions:styles"
    said = [set(texts) for texts in whole.columns["text"][:: len(parts[0])]]
    assert len(said[0] & said[1] & said[2]) == 3, "name, article and category; the others say the style"


def test_emoji_captions_come_only_when_asked_for() -> None:
    assert not load("emoji-captions", fields=("image",), split="test").spec.has("text")
    assert load("emoji-captions", fields=("image",), optional=("text",), split="test").spec.has("text")


def test_mistakes_about_emoji_are_named() -> None:
    with pytest.raises(UserError, match=r"emoji-captions has no subset '2d'; it has flat, 3d, line, styles"):
        load("emoji-captions", subset="2d")
    with pytest.raises(UserError, match=r"emoji-captions has no field 'label'; it has image, text"):
        load("emoji-captions", fields=("image", "label"))


# --------------------------------------------------------------------------------------------------------- photographs

BIRDS = {"001.Black_footed_Albatross": 3, "002.Laysan_Albatross": 2, "003.Sooty_Albatross": 1}
FLOWERS = {"class_00001": (3, 1), "class_00002": (2,), "class_00003": (4,)}


def picture(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def ten(what: str) -> str:
    return "".join(f"a photograph of {what}, number {number} .\n" for number in range(10))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache, and the sets made small: 6 birds and 4 flowers."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(captioned_sets, "BIRDS", replace(captioned_sets.BIRDS, classes=3, count=6))
    monkeypatch.setattr(captioned_sets, "FLOWERS", replace(captioned_sets.FLOWERS, classes=3, count=4))
    return tmp_path


def put_birds(cache: Path) -> Path:
    """What the two archives hold, as far as it is used; the folder of the set."""
    root = cache / "cub200-captions"
    for kind, count in BIRDS.items():
        for number in range(count):
            name = f"{kind[4:]}_{number:04d}_79{number}"
            write(root / "CUB_200_2011" / "images" / kind / f"{name}.jpg", picture(number))
            write(root / "cvpr2016_cub" / "text_c10" / kind / f"{name}.txt", ten(name))
        write(root / "cvpr2016_cub" / "text_c10" / kind / f"{kind[4:]}.h5", b"not for us")
        write(root / "cvpr2016_cub" / "text_c10" / f"{kind}.t7", b"not for us")
    first, second, third = BIRDS
    write(root / "cvpr2016_cub" / "trainvalclasses.txt", f"{third}\n{first}\n")
    write(root / "cvpr2016_cub" / "testclasses.txt", f"{second}\n")
    return root


def put_flowers(cache: Path, pictures: str = "flowers102-captions/jpg") -> Path:
    root = cache / "flowers102-captions"
    for kind, numbers in FLOWERS.items():
        for number in numbers:
            write(cache / pictures / f"image_{number:05d}.jpg", picture(number))
            write(root / "text_c10" / kind / f"image_{number:05d}.txt", ten(f"flower {number}"))
    write(root / "trainvalclasses.txt", "class_00001\nclass_00003\n")
    write(root / "testclasses.txt", "class_00002\n")
    return root


def test_birds_are_read_with_their_ten_captions(cache: Path) -> None:
    root = put_birds(cache)
    data = load("cub200-captions", size=16)
    assert (len(data), data.spec.name, data.spec.split) == (4, "cub200-captions", "train")
    assert tuple(field.name for field in data.spec.fields) == CARDS["cub200-captions"].fields
    rows = data.read([3, 1])
    albatross = root / "CUB_200_2011/images/001.Black_footed_Albatross/Black_footed_Albatross_0001_791.jpg"
    assert (rows["image"][1] == decode(albatross.read_bytes(), size=16, channels=3)).all()
    assert [texts[0] for texts in rows["text"]] == [
        "a photograph of Sooty_Albatross_0000_790, number 0 .",
        "a photograph of Black_footed_Albatross_0001_791, number 0 .",
    ]
    assert all(len(set(texts)) == 10 for texts in rows["text"])
    whole = materialise(data)
    assert whole.columns["text"][1] == rows["text"][1]
    assert (whole.columns["image"][3] == rows["image"][0]).all()


def test_splits_are_of_different_classes(cache: Path) -> None:
    put_birds(cache)
    train, test, both = (load("cub200-captions", split=split) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(both)) == (4, 2, 6)
    assert all("Laysan" in texts[0] for texts in test.texts)
    assert set(both.texts) == {*train.texts, *test.texts}
    assert len({data.spec.fingerprint for data in (train, test, both)}) == 3


def test_flowers_are_read_from_one_folder_of_pictures(cache: Path) -> None:
    root = put_flowers(cache)
    data = load("flowers102-captions", size=16)
    rows = data.read([0, 1, 2])
    assert [texts[9] for texts in rows["text"]] == [f"a photograph of flower {n}, number 9 ." for n in (1, 3, 4)]
    assert (rows["image"][1] == decode((root / "jpg/image_00003.jpg").read_bytes(), size=16, channels=3)).all()


def test_flowers_that_were_downloaded_already_are_used(cache: Path) -> None:
    put_flowers(cache, "flowers102/flowers-102/jpg")
    assert len(load("flowers102-captions", split="all").read(range(4))["text"]) == 4


def test_pictures_alone_can_be_asked_for(cache: Path) -> None:
    put_birds(cache)
    data = load("cub200-captions", fields=("image",), channels=1, size=8)
    assert [field.name for field in data.spec.fields] == ["image"]
    assert {name: column.shape for name, column in data.read([0]).items()} == {"image": (1, 1, 8, 8)}


def test_bytes_that_are_no_text_become_spaces(cache: Path) -> None:
    root = put_birds(cache)
    path = root / "cvpr2016_cub/text_c10/003.Sooty_Albatross/Sooty_Albatross_0000_790.txt"
    path.write_bytes("\ufeffa bird\ufffd\ufffdwith  wings\r\n\n".encode() + b"caf\xe9 bird\n")
    assert load("cub200-captions").texts[-1] == ("a bird with wings", "caf bird")


def test_other_captions_are_other_data(cache: Path) -> None:
    root = put_birds(cache)
    before = load("cub200-captions").spec.fingerprint
    assert load("cub200-captions").spec.fingerprint == before
    write(root / "cvpr2016_cub/text_c10/003.Sooty_Albatross/Sooty_Albatross_0000_790.txt", "a dark bird\n")
    assert load("cub200-captions").spec.fingerprint != before


def test_what_is_missing_is_said_with_where_to_get_it_and_where_to_put_it(cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        load("cub200-captions")
    root = cache / "cub200-captions"
    assert caught.value.lines == (
        "cub200-captions has to be put there by hand, and is not all there",
        "the pictures: download CUB_200_2011.tgz from https://www.vision.caltech.edu/datasets/cub_200_2011/ and unpack "
        f"it in {root}, so that the folder {root}/CUB_200_2011/images is there",
        "the captions: download cvpr2016_cub.tar.gz (see https://github.com/reedscot/cvpr2016) and unpack it in "
        f"{root}, so that the folder {root}/cvpr2016_cub/text_c10 is there, with trainvalclasses.txt and "
        "testclasses.txt beside it",
    )
    (root / "CUB_200_2011/images").mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        load("cub200-captions")
    assert [line.split(":")[0] for line in caught.value.lines[1:]] == ["the captions"]


def lose_a_picture(root: Path) -> None:
    (root / "CUB_200_2011/images/003.Sooty_Albatross/Sooty_Albatross_0000_790.jpg").unlink()


def lose_a_caption(root: Path) -> None:
    (root / "cvpr2016_cub/text_c10/003.Sooty_Albatross/Sooty_Albatross_0000_790.txt").unlink()


def empty_a_caption(root: Path) -> None:
    write(root / "cvpr2016_cub/text_c10/003.Sooty_Albatross/Sooty_Albatross_0000_790.txt", " \n\n")


def lose_a_list(root: Path) -> None:
    (root / "cvpr2016_cub/trainvalclasses.txt").unlink()


def empty_a_list(root: Path) -> None:
    write(root / "cvpr2016_cub/trainvalclasses.txt", "\n")


def name_another_class(root: Path) -> None:
    write(root / "cvpr2016_cub/trainvalclasses.txt", "004.Groove_billed_Ani\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_a_picture, r"Sooty_Albatross_0000_790.jpg is not there, which .*790.txt describes: unpack CUB_200_2011"),
        (lose_a_caption, r"text_c10 holds 3 folders with 5 text files, expected 3 with 6: unpack cvpr2016_cub.tar.gz"),
        (empty_a_caption, r"Sooty_Albatross_0000_790.txt holds no caption, expected ten, one a line"),
        (lose_a_list, r"trainvalclasses.txt is not there, .*: it comes with cvpr2016_cub.tar.gz"),
        (empty_a_list, r"trainvalclasses.txt is empty, expected names of folders in .*text_c10"),
        (name_another_class, r"trainvalclasses.txt names '004.Groove_billed_Ani', expected names of folders"),
    ],
)
def test_what_is_damaged_is_named(cache: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(put_birds(cache))
    with pytest.raises(UserError, match=f"^cub200-captions: .*{message}") as caught:
        load("cub200-captions")
    assert len(caught.value.lines) == 1


def test_a_picture_that_cannot_be_decoded_is_named_when_it_is_read(cache: Path) -> None:
    root = put_birds(cache)
    write(root / "CUB_200_2011/images/003.Sooty_Albatross/Sooty_Albatross_0000_790.jpg", b"no picture")
    data = load("cub200-captions", size=8)
    with pytest.raises(RunError, match=r"Sooty_Albatross_0000_790\.jpg"):
        data.read([3])


def test_mistakes_about_birds_are_named(cache: Path) -> None:
    with pytest.raises(UserError, match=r"cub200-captions has no split 'val'.*; it has train, test, all"):
        load("cub200-captions", split="val")
    with pytest.raises(UserError, match=r"cub200-captions has no subsets here: leave out ':ani'"):
        load("cub200-captions", subset="ani")


@pytest.mark.parametrize(("known", "name"), [("BIRDS", "cub200-captions"), ("FLOWERS", "flowers102-captions")])
def test_the_cards_of_described_photographs_agree_with_their_readers(known: str, name: str) -> None:
    facts = getattr(captioned_sets, known)
    assert facts.name == name
    assert facts.page == CARDS[name].source
    assert CARDS[name].count < facts.count
    assert CARDS[name].splits == tuple(captioned_sets.CLASS_LISTS)
    assert CARDS[name].download.endswith("by hand")
