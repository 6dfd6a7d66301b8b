"""Sets of pictures with captions: the embedded emoji under sentences made of what is known of them, and two public sets
of photographs that people have described, which have to be put there by hand.

The photographs are CUB-200-2011's birds (Wah et al., 2011) and Oxford Flowers-102 (Nilsback and Zisserman, 2008); ten
sentences for each were collected by Reed et al. (2016, arXiv:1605.05395) and come apart from the pictures, as folders
`text_c10/CLASS/PICTURE.txt` with a caption a line. Training and test pictures are of different classes, as in the
papers on text to image since Reed et al. (2016, arXiv:1605.05396): 150 and 50 birds, 82 and 20 flowers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.base import ArrayData, DataRequest, DataSpec
from ganzoo.data.download import cache_dir
from ganzoo.errors import UserError
from ganzoo_data import embedded
from ganzoo_data.embedded_sets import check, fit_pictures, hashes, make_spec, pick_class
from ganzoo_data.encoded import FolderPictures, PictureData

# --------------------------------------------------------------------------------------------------------------- emoji


@dataclass(frozen=True, kw_only=True)
class Style:
    """The words for a style of emoji: before a name, before "of", and after a name."""

    adjective: str
    noun: str
    adverb: str


STYLES: Mapping[str, Style] = {
    "flat": Style(adjective="flat", noun="flat emoji", adverb="in flat colours"),
    "3d": Style(adjective="3-D", noun="3-D emoji", adverb="in 3-D"),
    "line": Style(adjective="line-drawn", noun="line drawing", adverb="as a line drawing"),
}
"""The parts of `emoji-captions` that have one style; the first is what there is without a part."""
EVERY_STYLE = "styles"
"""The part that has every emoji in all styles, so that the words for them mean something."""


def _list(text: str) -> frozenset[str]:
    """The names of a list with commas, whatever lines it is broken into."""
    return frozenset(" ".join(name.split()) for name in text.split(","))


_UNCOUNTED = _list(
    """
    american football, badminton, bacon, baguette bread, bowling, bread, breast feeding, broccoli, bubble tea, building
    construction, butter, camping, candy, canned food, clothes, construction, cooked rice, cooking, coral, curry rice,
    custard, dango, dashing away, dizzy, dna, falafel, field hockey, fire, flatbread, fog, foggy, fondue, garlic, high
    voltage, horse racing, ice, ice cream, ice hockey, kaaba, lacrosse, leafy green, light rail, locked, luggage, man
    merpeople, mate, meat, merpeople, milky way, money, mount fuji, mrs claus, mx claus, nail polish, oden, palms up
    together, people hugging, performing arts, ping pong, popcorn, pouring liquid, rolling, sake, salt, santa claus,
    shaved ice, shrimp, skis, soap, soft ice cream, spaghetti, speaker high volume, speaker low volume, speaker medium
    volume, star struck, statue, sushi, tennis, thread, thumbs down, thumbs up, tokyo tower, unlocked, wood, yarn, zzz
    """
)
"""Names, and last words of names, that take no "a" and do not end in a plural's "s"."""
_COUNTED_SYMBOLS = _list(
    """
    arrow, asterisk, badge, button, circle, cross, dash, diamond, emblem, face, loop, mark, menorah, sign, square, star,
    symbol, triangle
    """
)
"""Last words of those names of symbols that take an "a"."""
_SINGULAR_ENDINGS = ("ss", "us", "is", "os", "'s")
_VOWEL_SOUNDS = ("hour", "x-ray", "ng ", "sos ", "atm ")
_CONSONANT_SOUNDS = ("one", "uni", "eu", "ewe", "ut")


def with_article(name: str, category: str) -> str:
    """The name of an emoji with "a" or "an", or as it is where it takes neither ("books", "soap", "two o'clock")."""
    head = name
    for word in ("with", "of", "in", "on", "at", "from", "without", "behind", "holding", "over"):
        head = head.partition(f" {word} ")[0]
    last = head.rpartition(" ")[2]
    if last in ("o'clock", "thirty") or not _UNCOUNTED.isdisjoint((name, head, last)):
        return name
    if category == "symbols" and last not in _COUNTED_SYMBOLS:
        return name
    if last.endswith("s") and not last.endswith(_SINGULAR_ENDINGS):
        return name
    vowel = name.startswith(_VOWEL_SOUNDS) or (name[0] in "aeiou" and not name.startswith(_CONSONANT_SOUNDS))
    return f"{'an' if vowel else 'a'} {name}"


def emoji_captions_of(name: str, category: str, style: str) -> tuple[str, ...]:
    """The captions of one emoji in a style of `STYLES`: its name, with and without category and style."""
    one, words = with_article(name, category), STYLES[style]
    phrasings = (
        name,
        one,
        f"{one}, {category}",
        f"{words.noun} of {one}",
        f"{one} {words.adverb}",
        f"{words.adjective} {name}, {category}",
    )
    return tuple(dict.fromkeys(phrasings))


def emoji_captions(request: DataRequest) -> ArrayData:
    """The emoji of `emoji-flat` with captions of name, category and style; other styles, or all, as parts."""
    name = "emoji-captions"
    check(name, request, fields=("image", "text"), splits=("train", "test", "all"))
    parts = (*STYLES, EVERY_STYLE)
    chosen = parts[pick_class(name, request.subset, parts) or 0]
    styles = tuple(STYLES) if chosen == EVERY_STYLE else (chosen,)
    size = 32 if request.size == 32 else 64
    sides = [embedded.emoji(style, request.split, size) for style in styles]
    columns: dict[str, Any] = {
        "image": fit_pictures(np.concatenate([images for images, _ in sides]), request, what=name)
    }
    if "text" in (*request.fields, *request.optional):
        named = list(zip(embedded.emoji_names(request.split), sides[0][1].tolist(), strict=True))
        columns["text"] = [
            emoji_captions_of(title, embedded.EMOJI_CATEGORIES[category], style)
            for style in styles
            for title, category in named
        ]
    count, channels, side, _ = columns["image"].shape
    origin = hashes(*(f"emoji-{style}.webp" for style in styles), "emoji.json")
    return ArrayData(make_spec(name, request, count, channels, side, (), columns, origin=origin), columns)


# --------------------------------------------------------------------------------------------------------- photographs


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is known of a set of photographs and of where its files are to be found.

    `pictures` and `captions` are folders in the set's folder of the cache or, with a slash in front, in the cache; the
    first that is there counts. `in_classes`: whether the pictures are in folders by class, as the captions are.
    """

    name: str
    classes: int
    count: int
    pictures: tuple[str, ...]
    captions: tuple[str, ...]
    in_classes: bool
    picture_file: str
    caption_file: str
    page: str


TEXT = "text_c10"
CLASS_LISTS: Mapping[str, tuple[str, ...]] = {
    "train": ("trainvalclasses.txt",),
    "test": ("testclasses.txt",),
    "all": ("trainvalclasses.txt", "testclasses.txt"),
}
"""The lists that name the classes of each split."""
CAPTIONS_PAGE = "https://github.com/reedscot/cvpr2016"
BIRDS = Described(
    name="cub200-captions",
    classes=200,
    count=11_788,
    pictures=("CUB_200_2011/images", "images"),
    captions=("cvpr2016_cub", "."),
    in_classes=True,
    picture_file="CUB_200_2011.tgz",
    caption_file="cvpr2016_cub.tar.gz",
    page="https://www.vision.caltech.edu/datasets/cub_200_2011/",
)
FLOWERS = Described(
    name="flowers102-captions",
    classes=102,
    count=8_189,
    pictures=("jpg", "/flowers102/flowers-102/jpg"),
    captions=("cvpr2016_flowers", "."),
    in_classes=False,
    picture_file="102flowers.tgz",
    caption_file="cvpr2016_flowers.tar.gz",
    page="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
)


class CaptionedPictures(PictureData):
    """Encoded pictures with captions."""

    def __init__(
        self, spec: DataSpec, pictures: FolderPictures, texts: Sequence[tuple[str, ...]] | None, request: DataRequest
    ) -> None:
        super().__init__(spec, pictures, None, request)
        self.texts = texts

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: `image` uint8 (n, channels, size, size) and, where asked for, `text`.

        Raises:
            RunError: a picture is gone or broken; the message names it.
        """
        columns = super().read(indices)
        return columns if self.texts is None else columns | {"text": [self.texts[row] for row in indices]}


def cub200_captions(request: DataRequest) -> CaptionedPictures:
    """CUB-200-2011: 8,855 + 2,933 photographs of 150 + 50 kinds of birds, ten captions each; put there by hand.

    The largest square from the middle is what counts, as everywhere; the birds' bounding boxes are not used.
    """
    return _described(BIRDS, request)


def flowers102_captions(request: DataRequest) -> CaptionedPictures:
    """Oxford Flowers-102: 7,034 + 1,155 photographs of 82 + 20 kinds of flowers, ten captions each; put there by hand.

    The pictures of `flowers102` are used where they have been downloaded.
    """
    return _described(FLOWERS, request)


def _described(known: Described, request: DataRequest) -> CaptionedPictures:
    check(known.name, request, fields=("image", "text"), splits=tuple(CLASS_LISTS))
    pick_class(known.name, request.subset, ())
    pictures, captions = _find_folders(known)
    _check_whole(known, captions / TEXT)
    names: list[str] = []
    texts: list[tuple[str, ...]] = []
    found = hashlib.sha256()
    there = set() if known.in_classes else _names_in(pictures)
    for kind in _classes_of(known, captions, request.split):
        inside = _names_in(pictures / kind) if known.in_classes else there
        for file in sorted(name for name in _names_in(captions / TEXT / kind) if name.endswith(".txt")):
            picture = f"{file.removesuffix('.txt')}.jpg"
            if picture not in inside:
                where = pictures / kind / picture if known.in_classes else pictures / picture
                raise UserError(
                    f"{known.name}: {where} is not there, which {captions / TEXT / kind / file} describes: unpack "
                    f"{known.picture_file} ({known.page}) again"
                )
            content = (captions / TEXT / kind / file).read_bytes()
            lines = _captions_in(content)
            if not lines:
                raise UserError(
                    f"{known.name}: {captions / TEXT / kind / file} holds no caption, expected ten, one a line: unpack "
                    f"{known.caption_file} ({CAPTIONS_PAGE}) again"
                )
            names.append(f"{kind}/{picture}" if known.in_classes else picture)
            texts.append(lines)
            found.update(f"{names[-1]} {len(content)}\n".encode() + content)
    wanted = "text" in (*request.fields, *request.optional)
    spec = make_spec(
        known.name,
        request,
        len(names),
        request.channels or 3,
        request.size or 64,
        (),
        ("image", "text") if wanted else ("image",),
        origin=found.hexdigest(),
    )
    return CaptionedPictures(spec, FolderPictures(pictures, names), texts if wanted else None, request)


def _find_folders(known: Described) -> tuple[Path, Path]:
    """The folder of the pictures and that of the captions.

    Raises:
        UserError: says what is missing, where it can be had and where to put it.
    """
    root = cache_dir() / known.name
    places = [cache_dir() / path[1:] if path.startswith("/") else root / path for path in known.pictures]
    pictures = next((path for path in places if path.is_dir()), None)
    captions = next((root / path for path in known.captions if (root / path / TEXT).is_dir()), None)
    lacking = []
    if pictures is None:
        lacking.append(
            f"the pictures: download {known.picture_file} from {known.page} and unpack it in {root}, so that the "
            f"folder {places[0]} is there"
        )
    if captions is None:
        lacking.append(
            f"the captions: download {known.caption_file} (see {CAPTIONS_PAGE}) and unpack it in {root}, so that the "
            f"folder {root / known.captions[0] / TEXT} is there, with {' and '.join(CLASS_LISTS['all'])} beside it"
        )
    if pictures is None or captions is None:
        raise UserError(f"{known.name} has to be put there by hand, and is not all there", *lacking)
    return pictures, captions


def _check_whole(known: Described, text: Path) -> None:
    """Raises a `UserError` unless all captions of a set are there."""
    folders = sorted(path for path in text.iterdir() if path.is_dir())
    count = sum(name.endswith(".txt") for folder in folders for name in _names_in(folder))
    if (len(folders), count) != (known.classes, known.count):
        raise UserError(
            f"{known.name}: {text} holds {len(folders):,} folders with {count:,} text files, expected {known.classes} "
            f"with {known.count:,}: unpack {known.caption_file} ({CAPTIONS_PAGE}) again"
        )


def _classes_of(known: Described, captions: Path, split: str) -> list[str]:
    """The classes of a split, which are folders of captions, in the order of their names.

    Raises:
        UserError: a list is not there, empty, or names a class that is not there.
    """
    classes = []
    for name in CLASS_LISTS[split]:
        path = captions / name
        if not path.is_file():
            raise UserError(
                f"{known.name}: {path} is not there, which says what classes are trained on: it comes with "
                f"{known.caption_file} ({CAPTIONS_PAGE})"
            )
        named = path.read_text(encoding="utf-8").split()
        missing = [kind for kind in named if not (captions / TEXT / kind).is_dir()]
        if missing or not named:
            found = f"names {missing[0]!r}" if missing else "is empty"
            raise UserError(f"{known.name}: {path} {found}, expected names of folders in {captions / TEXT}")
        classes += named
    return sorted(set(classes))


def _captions_in(content: bytes) -> tuple[str, ...]:
    """The captions of a text file, one a line. What is no UTF-8 (and the marks that the published files have where it
    was not) becomes a space."""
    lines = content.decode("utf-8-sig", errors="replace").replace("\ufffd", " ").splitlines()
    return tuple(" ".join(line.split()) for line in lines if line.strip())


def _names_in(folder: Path) -> set[str]:
    """The names of what is in a folder, none where there is none."""
    return set(os.listdir(folder)) if folder.is_dir() else set()
