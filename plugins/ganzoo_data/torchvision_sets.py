"""The usual public sets: addresses and checksums from torchvision, files into the cache, our own readers.

torchvision is asked for its class attributes only, when something has to be downloaded or checked. Downloading is
`ganzoo.data.download` (resumable, checked, atomic) into the folder layout that torchvision uses, so that
`torchvision.datasets.MNIST(cache_dir() / "mnist")` finds the same files. Reading is `ganzoo_data.formats`, without
pickles: CIFAR is therefore taken in its binary edition, not the Python one.

Small sets come as arrays; CelebA, Flowers-102 and LSUN are decoded when they are read, by the rule of
`ganzoo.data.images` (largest square from the middle, then Lanczos). For CelebA's 178 x 218 pictures that is the usual
preprocessing: `CenterCrop(178)`, then the resize.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.base import ArrayData, DataRequest
from ganzoo.data.download import cache_dir, fetch
from ganzoo.data.unpack import fetch_folder
from ganzoo.errors import UserError, did_you_mean
from ganzoo_data import (
    CELEBA_ATTRIBUTES,
    CIFAR10_CLASSES,
    CIFAR100_CLASSES,
    DIGITS,
    FLOWERS_CLASSES,
    KMNIST_CLASSES,
    LSUN_CATEGORIES,
    STL10_CLASSES,
    slug,
)
from ganzoo_data.embedded import FASHION_CLASSES
from ganzoo_data.embedded_sets import Labels, array_data, check, make_spec, pick_class
from ganzoo_data.encoded import FolderPictures, PictureData
from ganzoo_data.formats import (
    LmdbPictures,
    checked_labels,
    damaged,
    map_stl10,
    read_celeba_labels,
    read_cifar,
    read_idx,
    read_mat,
    read_stl10_labels,
    read_svhn,
)

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the four files."""
CIFAR10_BINARY = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
)
CIFAR100_BINARY = (
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "03b5dce01913d631647c71ecec9e9cb8",
)
DIFFERING = 64
"""Pixels where the pictures of a set differ in size and nobody said one, as for a folder of pictures."""
DRIVE = "https://drive.usercontent.google.com/download?id={id}&export=download&confirm=t"
"""Google Drive's address of a file that is shared with everyone."""
CELEBA_PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
LSUN_ADDRESS = "http://dl.yf.io/lsun/scenes/{name}.zip"


# ------------------------------------------------------------------------------------------ MNIST and its successors


def mnist(request: DataRequest) -> ArrayData:
    """MNIST: 60,000 + 10,000 grey digits of 28 x 28."""
    return _idx_set("mnist", "MNIST", DIGITS, request)


def fashion_mnist(request: DataRequest) -> ArrayData:
    """The whole Fashion-MNIST: 60,000 + 10,000. Debian's package is looked at first, then the cache."""
    return _idx_set("fashion-mnist", "FashionMNIST", FASHION_CLASSES, request, installed=DEBIAN_FASHION)


def kmnist(request: DataRequest) -> ArrayData:
    """Kuzushiji-MNIST: 60,000 + 10,000 grey cursive characters of 28 x 28."""
    return _idx_set("kmnist", "KMNIST", KMNIST_CLASSES, request)


def _idx_set(
    name: str, torchvision_class: str, classes: Sequence[str], request: DataRequest, *, installed: Path | None = None
) -> ArrayData:
    check(name, request, fields=("image", "label"), splits=("train", "test"))
    prefix = {"train": "train", "test": "t10k"}[request.split]
    stems = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    if installed is not None and all((installed / f"{stem}.gz").is_file() for stem in stems):
        paths = [installed / f"{stem}.gz" for stem in stems]
    else:
        folder = cache_dir() / name / torchvision_class / "raw"
        paths = [_idx_file(name, torchvision_class, folder, stem, request) for stem in stems]
    images, labels = (read_idx(path) for path in paths)
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise damaged(paths[0], f"shapes {images.shape} and {labels.shape}, expected (N, 28, 28) and (N,)")
    return array_data(
        name,
        request,
        images[:, None],
        checked_labels(paths[1], labels, len(classes)),
        classes,
        origin=_found(paths),
        on_black=True,
    )


def _idx_file(name: str, torchvision_class: str, folder: Path, stem: str, request: DataRequest) -> Path:
    """One file of the set in the cache: compressed as it was downloaded, or unpacked as torchvision leaves it."""
    if (folder / stem).is_file() and not (folder / f"{stem}.gz").is_file():
        return folder / stem
    facts = _torchvision(name, torchvision_class)
    md5 = dict(facts.resources)[f"{stem}.gz"]
    addresses = [f"{mirror}{stem}.gz" for mirror in facts.mirrors]
    return fetch(addresses, folder / f"{stem}.gz", md5=md5, progress=request.progress, download=request.download)


# ------------------------------------------------------------------------------------------------------------- CIFAR


def cifar10(request: DataRequest) -> ArrayData:
    """CIFAR-10: 50,000 + 10,000 colour pictures of 32 x 32."""
    train = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    files = {"train": train, "test": ("test_batch.bin",)}
    return _cifar("cifar10", CIFAR10_BINARY, "cifar-10-batches-bin", files, 1, CIFAR10_CLASSES, request)


def cifar100(request: DataRequest) -> ArrayData:
    """CIFAR-100: 50,000 + 10,000 colour pictures of 32 x 32, with the fine labels."""
    files = {"train": ("train.bin",), "test": ("test.bin",)}
    return _cifar("cifar100", CIFAR100_BINARY, "cifar-100-binary", files, 2, CIFAR100_CLASSES, request)


def _cifar(
    name: str,
    archive: tuple[str, str],
    inner: str,
    files: Mapping[str, tuple[str, ...]],
    label_bytes: int,
    classes: Sequence[str],
    request: DataRequest,
) -> ArrayData:
    check(name, request, fields=("image", "label"), splits=("train", "test"))
    address, md5 = archive
    root = cache_dir() / name
    folder = _folder(address, root / address.rpartition("/")[2], root / inner, inner, md5, request)
    paths = [_there(folder / file) for file in files[request.split]]
    images, labels = read_cifar(paths, label_bytes, len(classes))
    return array_data(name, request, images, labels, classes, origin=_found(paths))


# ----------------------------------------------------------------------------------------------------- SVHN and STL-10


def svhn(request: DataRequest) -> ArrayData:
    """Street View House Numbers, cropped: 73,257 + 26,032 colour pictures of 32 x 32, 531,131 more in `extra`."""
    check("svhn", request, fields=("image", "label"), splits=("train", "test", "extra"))
    address, file, md5 = _torchvision("svhn", "SVHN").split_list[request.split]
    path = cache_dir() / "svhn" / file
    fetch(address, path, md5=md5, progress=request.progress, download=request.download)
    images, labels = read_svhn(path)
    return array_data("svhn", request, images, labels, DIGITS, origin=_found([path]))


def stl10(request: DataRequest) -> ArrayData:
    """STL-10: 5,000 + 8,000 colour pictures of 96 x 96 in 10 classes, and 100,000 without a label in `unlabeled`."""
    labelled = request.split != "unlabeled"
    fields = ("image", "label") if labelled else ("image",)
    check("stl10", request, fields=fields, splits=("train", "test", "unlabeled"))
    root = cache_dir() / "stl10"
    folder = root / "stl10_binary"
    if not folder.is_dir():
        facts = _torchvision("stl10", "STL10")
        _folder(facts.url, root / facts.filename, folder, facts.base_folder, facts.tgz_md5, request)
    path = _there(folder / f"{request.split}_X.bin")
    images = map_stl10(path)
    if (request.size or 96) == 96:
        images = np.ascontiguousarray(images)
    labels, paths = None, [path]
    if labelled:
        paths.append(_there(folder / f"{request.split}_y.bin"))
        labels = read_stl10_labels(paths[1], len(images))
    return array_data("stl10", request, images, labels, STL10_CLASSES, origin=_found(paths))


# -------------------------------------------------------------------------------------------------- pictures in files


def celeba(request: DataRequest) -> PictureData:
    """CelebA, aligned and cropped: 162,770 + 19,867 + 19,962 faces, 178 x 218, of which the middle 178 x 178 is used.

    `celeba:smiling` (or another of the 40 attributes) adds labels: "not smiling", "smiling".
    """
    fields = ("image", "label") if request.subset else ("image",)
    if "label" in request.fields and not request.subset:
        raise UserError("celeba has labels only for one of its attributes at a time: say which, as in celeba:smiling")
    check("celeba", request, fields=fields, splits=("train", "valid", "test", "all"))
    attribute = pick_class("celeba", request.subset, CELEBA_ATTRIBUTES)
    folder = cache_dir() / "celeba" / "celeba"
    pictures = folder / "img_align_celeba"
    partition = _celeba_file("list_eval_partition.txt", folder, request)
    rows = [line.split() for line in partition.read_text(encoding="ascii").splitlines() if line.strip()]
    wanted = {"train": "0", "valid": "1", "test": "2"}.get(request.split)
    try:
        names = [name for name, part in rows if wanted in (None, part)]
    except ValueError as error:
        raise damaged(partition, "expected two columns: a file name and 0, 1 or 2") from error
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    paths = [partition]
    if attribute is not None:
        paths.append(_celeba_file("list_attr_celeba.txt", folder, request))
        word = CELEBA_ATTRIBUTES[attribute].lower().replace("_", " ")
        labels, classes = read_celeba_labels(paths[1], CELEBA_ATTRIBUTES[attribute], names), (f"not {word}", word)
    if not pictures.is_dir():
        _celeba_file("img_align_celeba.zip", folder, request, unpacked=pictures)
    spec = make_spec(
        "celeba",
        request,
        len(names),
        request.channels or 3,
        request.size or 178,
        classes,
        fields,
        origin=_found(paths),
    )
    return PictureData(spec, FolderPictures(pictures, names), labels, request)


def _celeba_file(file: str, folder: Path, request: DataRequest, *, unpacked: Path | None = None) -> Path:
    """One file of CelebA from Google Drive, which often refuses: then how to do it by hand."""
    found = {name: (identity, md5) for identity, md5, name in _torchvision("celeba", "CelebA").file_list}
    identity, md5 = found[file]
    address = DRIVE.format(id=identity)
    try:
        if unpacked is not None:
            return _folder(address, folder / file, unpacked, unpacked.name, md5, request)
        return fetch(address, folder / file, md5=md5, progress=request.progress, download=request.download)
    except UserError as error:
        raise UserError(
            *error.lines,
            "celeba lies on Google Drive, which limits downloads; by hand: get img_align_celeba.zip, "
            f"list_eval_partition.txt and list_attr_celeba.txt from {CELEBA_PAGE} and put them into {folder}",
        ) from error


def flowers102(request: DataRequest) -> PictureData:
    """Oxford Flowers-102: 1,020 + 1,020 + 6,149 photographs of different sizes; `all` is what GAN papers train on."""
    check("flowers102", request, fields=("image", "label"), splits=("train", "val", "test", "all"))
    facts = _torchvision("flowers102", "Flowers102")
    folder = cache_dir() / "flowers102" / "flowers-102"
    paths = {}
    for key in ("setid", "label"):
        file, md5 = facts._file_dict[key]
        address = facts._download_url_prefix + file
        paths[key] = fetch(address, folder / file, md5=md5, progress=request.progress, download=request.download)
    sets = read_mat(paths["setid"], *facts._splits_map.values())
    kinds = [facts._splits_map[request.split]] if request.split != "all" else list(facts._splits_map.values())
    numbers = np.sort(np.concatenate([sets[kind].reshape(-1) for kind in kinds]).astype(np.int64))
    stored = read_mat(paths["label"], "labels")["labels"].reshape(-1).astype(np.int64)
    if numbers.min() < 1 or numbers.max() > len(stored):
        raise damaged(paths["setid"], f"numbers {numbers.min()} to {numbers.max()} for {len(stored)} labels")
    labels = checked_labels(paths["label"], stored[numbers - 1] - 1, len(FLOWERS_CLASSES))
    classes: Sequence[str] = FLOWERS_CLASSES
    chosen = pick_class("flowers102", request.subset, classes)
    if chosen is not None:
        numbers, classes = numbers[labels == chosen], (classes[chosen],)
        labels = np.zeros(len(numbers), np.int64)
    file, md5 = facts._file_dict["image"]
    jpg = _folder(facts._download_url_prefix + file, folder / file, folder / "jpg", "jpg", md5, request)
    spec = make_spec(
        "flowers102",
        request,
        len(numbers),
        request.channels or 3,
        request.size or DIFFERING,
        classes,
        ("image", "label"),
        origin=_found(list(paths.values())),
    )
    return PictureData(spec, FolderPictures(jpg, [f"image_{number:05d}.jpg" for number in numbers]), labels, request)


# -------------------------------------------------------------------------------------------------------------- LSUN


def lsun(request: DataRequest) -> PictureData:
    """One category of LSUN (`lsun:bedroom`) out of its LMDB, which has to be fetched by hand: up to 43 GB."""
    check("lsun", request, fields=("image",), splits=("train", "val"))
    categories = [slug(category) for category in LSUN_CATEGORIES]
    if slug(request.subset) not in categories:
        near = did_you_mean(slug(request.subset), categories)
        found = f"lsun:{request.subset} is not one" if request.subset else "lsun needs one"
        raise UserError(f"{found} of its categories{near}: say lsun:{', lsun:'.join(categories)}")
    name = f"{LSUN_CATEGORIES[categories.index(slug(request.subset))]}_{request.split}_lmdb"
    folder = cache_dir() / "lsun" / name
    if not (folder / "data.mdb").is_file():
        raise UserError(
            f"lsun:{slug(request.subset)} is not on this machine and is too large to be fetched by itself: download "
            f"{LSUN_ADDRESS.format(name=name)} and unpack it so that {folder / 'data.mdb'} is there (it is read with "
            "the package lmdb: pip install lmdb)"
        )
    records = LmdbPictures(folder)
    count = len(records.keys)
    origin = f"{name} {(folder / 'data.mdb').stat().st_size}"
    spec = make_spec(
        "lsun", request, count, request.channels or 3, request.size or DIFFERING, (), ("image",), origin=origin
    )
    return PictureData(spec, records, None, request)


# ----------------------------------------------------------------------------------------------------------- helpers


def _torchvision(name: str, torchvision_class: str) -> Any:
    """A class of torchvision, for what its attributes say."""
    try:
        return getattr(importlib.import_module("torchvision.datasets"), torchvision_class)
    except (ImportError, AttributeError, RuntimeError) as error:  # RuntimeError: built for another version of torch
        raise UserError(
            f"{name}: its addresses come from torchvision, which cannot be used ({type(error).__name__}: {error}): "
            "pip install --upgrade torch torchvision"
        ) from error


def _folder(address: str, archive: Path, folder: Path, inner: str, md5: str, request: DataRequest) -> Path:
    return fetch_folder(
        address, archive, folder, inner=inner, md5=md5, progress=request.progress, download=request.download
    )


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path} is not there: delete the folder {path.parent} and run again")
    return path


def _found(paths: Sequence[Path]) -> str:
    """Names and sizes of the files that a set was read from."""
    listing = "\n".join(f"{path.name} {path.stat().st_size}" for path in paths)
    return hashlib.sha256(listing.encode()).hexdigest()
