"""The images that ship inside the package, as numpy arrays and encoded bytes; no torch here and no download.

| loader | images | source | licence |
| --- | --- | --- | --- |
| `fashion` | 5,000 + 1,000 grey, 28x28, 10 classes | Fashion-MNIST, Zalando SE | MIT |
| `emoji` | 1,545 in three styles, RGB on white, 64x64 or 32x32, 8 categories | Fluent Emoji, Microsoft | MIT |
| `emoji_originals` | 640 of the 3-D ones, RGBA, 256x256, encoded | Fluent Emoji, Microsoft | MIT |
| `photos` | 5 colour photographs, encoded | sample data of scikit-image | CC0, public domain |

The three styles of an emoji share one index and one geometry, so line, flat and 3-D are pairs. The split is fixed by
name: about a tenth of every category is held out, and variants of one name (man, woman, person) are on the same side.
`files/SOURCES.json` says which package each file was made from; `tools/build_embedded_data.py` makes them.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "EMOJI_CATEGORIES",
    "EMOJI_STYLES",
    "FASHION_CLASSES",
    "emoji",
    "emoji_names",
    "emoji_originals",
    "emoji_slugs",
    "fashion",
    "photos",
]

FILES = Path(__file__).resolve().parent / "files"

FASHION_CLASSES: tuple[str, ...] = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)
EMOJI_STYLES: tuple[str, ...] = ("line", "flat", "3d")
EMOJI_CATEGORIES: tuple[str, ...] = (
    "people",
    "objects",
    "travel",
    "symbols",
    "smileys",
    "animals",
    "food",
    "activities",
)

EMOJI_SIZE = 64  # pixels a side in the stored sheets


def fashion(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Fashion-MNIST, a balanced part: 500 images a class of the official training file, 100 of the test file.

    `split` is "train" (5,000) or "test" (1,000). Returns images (N, 1, 28, 28) uint8 in 0..255, light clothes on
    black, and labels (N,) int64 into `FASHION_CLASSES`; the classes are mixed. Raises ValueError for another split.
    Source: Fashion-MNIST (Xiao, Rasul, Vollgraf 2017). Licence: MIT, Zalando SE.
    """
    import numpy as np

    _check("split", split, ("train", "test"))
    labels = np.array([int(digit) for digit in _read_json("fashion.json")[split]], dtype=np.int64)
    images = _tiles(f"fashion-{split}.webp", "L", 28, len(labels))
    return images[:, None], labels


def emoji(style: str, split: str, size: int = 64) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One style of the 1,545 emoji, composited on white.

    `style` is "line" (dark grey drawing), "flat" or "3d"; `split` is "train", "test" or "all"; `size` is 64 or 32, the
    latter being the mean of 2x2 pixels of the former, halves rounded up. Returns images (N, 3, size, size) uint8 in
    0..255 and labels (N,) int64 into `EMOJI_CATEGORIES`. The same split gives the same order in every style and in
    `emoji_names` and `emoji_slugs`. Raises ValueError for another style, split or size.
    Source: Fluent Emoji. Licence: MIT, Microsoft Corporation.
    """
    import numpy as np

    _check("style", style, EMOJI_STYLES)
    _check("size", size, (32, 64))
    chosen = np.array(_emoji_rows(split))
    table = _read_json("emoji.json")
    labels = np.array([int(digit) for digit in table["category"]], dtype=np.int64)
    if style == "line":
        grey = _tiles("emoji-line.webp", "L", EMOJI_SIZE, len(labels))[chosen]
        images = np.repeat(grey[:, None], 3, axis=1)
    else:
        colour = _tiles(f"emoji-{style}.webp", "RGB", EMOJI_SIZE, len(labels))[chosen]
        images = np.ascontiguousarray(colour.transpose(0, 3, 1, 2))
    return (images if size == EMOJI_SIZE else _half(images)), labels[chosen]


def emoji_names(split: str) -> list[str]:
    """The English names, such as "face blowing a kiss", in the order of `emoji(style, split)`; usable as captions.

    Raises ValueError unless `split` is "train", "test" or "all". Source: Fluent Emoji. Licence: MIT.
    """
    captions = _read_json("emoji.json")["captions"]
    return [captions.get(slug, slug.replace("-", " ")) for slug in emoji_slugs(split)]


def emoji_slugs(split: str) -> list[str]:
    """The names as identifiers, such as "face-blowing-a-kiss", in the order of `emoji(style, split)`.

    Raises ValueError unless `split` is "train", "test" or "all". Source: Fluent Emoji. Licence: MIT.
    """
    slugs = _read_json("emoji.json")["slugs"]
    return [slugs[row] for row in _emoji_rows(split)]


def emoji_originals(split: str) -> list[tuple[str, bytes]]:
    """Encoded 256x256 RGBA WebP files of 640 3-D emoji, 80 a category, as (slug, bytes) sorted by slug.

    `split` is "train", "test" or "all", the same split as `emoji`. The backgrounds are transparent: composite on white
    to match `emoji("3d", ...)`. Raises ValueError for another split.
    Source: Fluent Emoji, the bytes unchanged. Licence: MIT, Microsoft Corporation.
    """
    wanted = set(emoji_slugs(split))
    return [(slug, content) for slug, content in _read_zip("emoji-3d-256.zip") if slug in wanted]


def photos() -> list[tuple[str, bytes]]:
    """Five colour photographs as (name, encoded RGB WebP) sorted by name, 300 to 1,000 pixels a side.

    Source: sample data of scikit-image (astronaut, chelsea, coffee, hubble_deep_field, rocket). Licence: CC0 or public
    domain, with the photographers in `files/CREDITS-photos.txt`.
    """
    return _read_zip("photos.zip")


def _check(what: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{what} is {value!r}, expected one of: {', '.join(map(str, allowed))}")


@cache
def _read_json(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((FILES / name).read_text(encoding="utf-8"))
    return table


def _emoji_rows(split: str) -> list[int]:
    """The places in the sheets that belong to a split, ascending."""
    _check("split", split, ("train", "test", "all"))
    wanted = {"train": "0", "test": "1", "all": "01"}[split]
    return [row for row, flag in enumerate(_read_json("emoji.json")["test"]) if flag in wanted]


def _tiles(name: str, mode: Literal["L", "RGB"], size: int, count: int) -> NDArray[np.uint8]:
    """The first `count` tiles of a sheet, row by row, on white: (count, size, size) or (count, size, size, 3) uint8."""
    sheet = _sheet(name, mode)
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    grid = sheet.reshape(rows, size, columns, size, *sheet.shape[2:]).swapaxes(1, 2)
    return grid.reshape(rows * columns, size, size, *sheet.shape[2:])[:count]


@lru_cache(maxsize=1)
def _sheet(name: str, mode: Literal["L", "RGB"]) -> NDArray[np.uint8]:
    """A whole sheet on white, read-only. The last one is kept: decoding it is most of the time a set takes."""
    import numpy as np
    from PIL import Image

    picture: Image.Image = Image.open(FILES / name)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert(mode))


def _half(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, C, H, W) uint8 to (N, C, H/2, W/2) uint8: the mean of each 2x2 block, halves rounded up."""
    import numpy as np

    wide = images.astype(np.uint16)
    total = wide[..., ::2, ::2] + wide[..., 1::2, ::2] + wide[..., ::2, 1::2] + wide[..., 1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def _read_zip(name: str) -> list[tuple[str, bytes]]:
    """The members of a zip as (name without its ending, bytes), sorted."""
    import zipfile

    with zipfile.ZipFile(FILES / name) as archive:
        return sorted((Path(member).stem, archive.read(member)) for member in archive.namelist())
