"""The usual public sets for picture translation, from the servers of the papers' authors, once, into the cache.

Reading is `ganzoo.data.sources.open_files`, so that a set behaves as a folder of one's own with the same files does.

The unpaired sets hold folders trainA, trainB, testA and testB (Zhu et al., arXiv:1703.10593). Their lengths and sha256
sums are those that TensorFlow Datasets publishes. The paired sets hold files with two pictures side by side (Isola et
al., arXiv:1611.07004). Nobody publishes sums of these: what arrives is checked by its length, where the server's answer
is on record, and by the CRC of gzip. `source` and `target` are what the paper trains, whichever of them is on the left.

Both papers' Cityscapes is not among them, because its owners allow nobody else to hand it out: after registering at
https://www.cityscapes-dataset.com it is a set of one's own, with the colours of gtFine in a folder `source` and the
photographs of leftImg8bit under the same names in a folder `target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ganzoo.data.base import DataRequest
from ganzoo.data.download import cache_dir
from ganzoo.data.patches import Patches
from ganzoo.data.sources import FileData, open_files
from ganzoo.data.unpack import fetch_folder
from ganzoo_data.embedded_sets import check, pick_class

Opened = TypeVar("Opened", FileData, Patches)
UNPAIRED = "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/"
"""Where the archives of the unpaired sets are."""
PAIRED = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/"
"""Where the archives of the paired sets are."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What is known of an archive beforehand: its length in bytes and its sha256 sum, None where it is not known."""

    size: int | None = None
    sha256: str | None = None


ARCHIVES: Mapping[str, Archive] = {
    "horse2zebra.zip": Archive(
        size=116_867_962, sha256="a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"
    ),
    "apple2orange.zip": Archive(
        size=78_456_409, sha256="845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"
    ),
    "summer2winter_yosemite.zip": Archive(
        size=132_640_856, sha256="167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
    ),
    "monet2photo.zip": Archive(
        size=305_231_073, sha256="88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"
    ),
    "cezanne2photo.zip": Archive(
        size=279_885_071, sha256="3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"
    ),
    "ukiyoe2photo.zip": Archive(
        size=292_946_532, sha256="02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"
    ),
    "vangogh2photo.zip": Archive(
        size=306_590_349, sha256="362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"
    ),
    "facades.tar.gz": Archive(size=30_168_306),
    "maps.tar.gz": Archive(size=250_242_400),
    "edges2shoes.tar.gz": Archive(),
    "edges2handbags.tar.gz": Archive(),
}


# ------------------------------------------------------------------------------------------------------------ unpaired


def horse2zebra(request: DataRequest) -> FileData:
    """Horses (a) and zebras (b): 1,067 and 1,334 photographs of 256 x 256 from ImageNet, 120 and 140 to test."""
    return _unpaired("horse2zebra", request)


def apple2orange(request: DataRequest) -> FileData:
    """Apples (a) and oranges (b): 995 and 1,019 photographs of 256 x 256 from ImageNet, 266 and 248 to test."""
    return _unpaired("apple2orange", request)


def summer2winter_yosemite(request: DataRequest) -> FileData:
    """Yosemite in summer (a) and in winter (b): 1,231 and 962 photographs of 256 x 256, 309 and 238 to test."""
    return _unpaired("summer2winter_yosemite", request)


def monet2photo(request: DataRequest) -> FileData:
    """Paintings by Monet (a) and landscape photographs (b), 256 x 256: 1,072 and 6,287, 121 and 751 to test."""
    return _unpaired("monet2photo", request)


def cezanne2photo(request: DataRequest) -> FileData:
    """Paintings by Cézanne (a) and the photographs of `monet2photo` (b): 525 and 6,287, 58 and 751 to test."""
    return _unpaired("cezanne2photo", request)


def ukiyoe2photo(request: DataRequest) -> FileData:
    """Ukiyo-e prints (a) and the photographs of `monet2photo` (b): 562 and 6,287, 263 and 751 to test."""
    return _unpaired("ukiyoe2photo", request)


def vangogh2photo(request: DataRequest) -> FileData:
    """Paintings by Van Gogh (a) and the photographs of `monet2photo` (b): 400 and 6,287, 400 and 751 to test."""
    return _unpaired("vangogh2photo", request)


def _unpaired(name: str, request: DataRequest) -> FileData:
    check(name, request, fields=("a", "b"), splits=("train", "test"))
    pick_class(name, request.subset, ())
    return named(open_files(_folder(name, f"{UNPAIRED}{name}.zip", request), request), name, request.split)


# -------------------------------------------------------------------------------------------------------------- paired


def facades(request: DataRequest) -> FileData:
    """Labels of facades (source) and photographs of them (target), 256 x 256: 400 pairs, 100 in `val`, 106 to test.

    The files hold the photograph on the left.
    """
    return _paired("facades", request, flipped=True, splits=("train", "val", "test"))


def maps(request: DataRequest) -> FileData:
    """Aerial photographs (source) and maps (target) of New York, 600 x 600: 1,096 pairs, 1,098 to test.

    The paper trains both directions; its first figure shows this one.
    """
    return _paired("maps", request)


def edges2shoes(request: DataRequest) -> FileData:
    """Edges (source) and photographs (target) of shoes, 256 x 256: 49,825 pairs, 200 to test."""
    return _paired("edges2shoes", request)


def edges2handbags(request: DataRequest) -> FileData:
    """Edges (source) and photographs (target) of handbags, 256 x 256: 138,567 pairs, 200 to test."""
    return _paired("edges2handbags", request)


def _paired(
    name: str, request: DataRequest, *, flipped: bool = False, splits: tuple[str, ...] = ("train", "test")
) -> FileData:
    """A set of files with two pictures side by side; `flipped`: the paper trains from the right one to the left one."""
    check(name, request, fields=("source", "target"), splits=splits)
    pick_class(name, request.subset, ())
    folder = _folder(name, f"{PAIRED}{name}.tar.gz", request)
    wanted = replace(request, reverse=request.reverse != flipped)
    if request.split == "val" and (folder / "val").is_dir():
        data = open_files(folder / "val", replace(wanted, split="train"))
    else:
        data = open_files(folder, wanted)
    return named(data, name, request.split)


# ------------------------------------------------------------------------------------------------------------- helpers


def _folder(name: str, address: str, request: DataRequest) -> Path:
    """The folder of a set in the cache."""
    root = cache_dir() / name
    file = address.rpartition("/")[2]
    known = ARCHIVES[file]
    return fetch_folder(
        address,
        root / file,
        root / name,
        inner=name,
        sha256=known.sha256,
        size=known.size,
        progress=request.progress,
        download=request.download,
    )


def named(data: Opened, name: str, split: str) -> Opened:
    """What a folder was opened as, under the name and the split of its card."""
    data.spec = replace(data.spec, name=name, split=split)
    return data
