"""The usual public sets for super-resolution: DIV2K to train on, and the four small ones that everybody measures on.

Each is a folder of large pictures in the cache, read by `ganzoo.data.large` as a folder of one's own is:
patches with their bicubic reductions, and `Patches.whole` for figures on whole pictures. The small pictures that some
of these sets come with are not used, so that the reduction is everywhere the same (`ganzoo.data.degrade`).

DIV2K's lengths and sha256 sums are those that TensorFlow Datasets publishes. BSD100 is the test folder of the Berkeley
Segmentation Dataset of 300, whose archive is checked by the CRC of gzip and by its number of pictures. The owners of
Set5, Set14 and Urban100 offer no lasting download: they have to be put there by hand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ganzoo.data.base import DataRequest
from ganzoo.data.download import cache_dir
from ganzoo.data.large import open_large
from ganzoo.data.names import is_picture
from ganzoo.data.patches import Patches
from ganzoo.data.store import describe_skipped, open_store
from ganzoo.data.unpack import fetch_folder
from ganzoo.errors import UserError
from ganzoo_data.embedded_sets import check, pick_class
from ganzoo_data.translation_sets import Archive, named

DIV2K = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
"""Where the archives of DIV2K are."""
DIV2K_ARCHIVES = {
    "train": (
        "DIV2K_train_HR",
        Archive(size=3_530_603_713, sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"),
    ),
    "test": (
        "DIV2K_valid_HR",
        Archive(size=448_993_893, sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"),
    ),
}
"""Which archive holds a split. The 100 pictures of DIV2K's own test set were never published."""
BSDS = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/BSDS300-images.tgz"
"""The Berkeley Segmentation Dataset, of which `bsd100` is the test folder."""
COLLECTED = "https://github.com/jbhuang0604/SelfExSR"
"""Where the small sets are found together, put there by the authors of Urban100."""


def div2k(request: DataRequest) -> Patches:
    """DIV2K: 800 photographs of about 2040 x 1400, and the 100 of its validation set to test."""
    check("div2k", request, fields=("low", "high"), splits=("train", "test"))
    pick_class("div2k", request.subset, ())
    stem, archive = DIV2K_ARCHIVES[request.split]
    root = cache_dir() / "div2k"
    folder = fetch_folder(
        f"{DIV2K}{stem}.zip",
        root / f"{stem}.zip",
        root / stem,
        inner=stem,
        sha256=archive.sha256,
        size=archive.size,
        progress=request.progress,
        download=request.download,
    )
    return named(open_large(folder, replace(request, split="train")), "div2k", request.split)


def set5(request: DataRequest) -> Patches:
    """Set5 (Bevilacqua et al., 2012): five pictures to measure on."""
    return _by_hand("set5", 5, request)


def set14(request: DataRequest) -> Patches:
    """Set14 (Zeyde et al., 2010): fourteen pictures to measure on."""
    return _by_hand("set14", 14, request)


def urban100(request: DataRequest) -> Patches:
    """Urban100 (Huang et al., 2015): a hundred photographs of buildings to measure on."""
    return _by_hand("urban100", 100, request)


def bsd100(request: DataRequest) -> Patches:
    """BSD100: the hundred test photographs, 481 x 321, of the Berkeley Segmentation Dataset (Martin et al., 2001)."""
    _check_benchmark("bsd100", request)
    root = cache_dir() / "bsd100"
    inner = "BSDS300/images/test"
    archive = root.with_name(BSDS.rpartition("/")[2])
    fetch_folder(BSDS, archive, root, inner=inner, progress=request.progress, download=request.download)
    return _benchmark("bsd100", root, 100, request)


def _by_hand(name: str, count: int, request: DataRequest) -> Patches:
    _check_benchmark(name, request)
    folder = cache_dir() / name
    if not folder.is_dir():
        raise UserError(
            f"{name} is not on this machine, and its owners offer no download: put its {count} large pictures (as PNG, "
            f"without the small ones; for example from {COLLECTED}) into the folder {folder}"
        )
    return _benchmark(name, folder, count, request)


def _check_benchmark(name: str, request: DataRequest) -> None:
    if request.split == "train":
        raise UserError(
            f"{name} is there to measure on and has nothing to train on (its only split is test): train on another set "
            "or on a folder of large pictures, for example --data div2k"
        )
    check(name, request, fields=("low", "high"), splits=("test",))
    pick_class(name, request.subset, ())


def _benchmark(name: str, folder: Path, count: int, request: DataRequest) -> Patches:
    """A set that figures are compared on: all of its pictures, or none.

    Raises:
        UserError: when there are more or fewer than `count`, or one is broken or smaller than a patch.
    """
    found = sum(is_picture(entry) for entry in open_store(folder).entries)
    if found != count:
        raise UserError(
            f"{name}: {folder} holds {found:,} pictures, expected {count}: the large ones alone, each once, without "
            "their reductions"
        )
    data = open_large(folder, replace(request, split="train"))
    if data.skipped:
        why = "; ".join(describe_skipped(data.skipped))
        raise UserError(f"{name}: {len(data.skipped)} of its {count} pictures in {folder} cannot be used: {why}")
    return named(data, name, request.split)
