"""The usual public sets: addresses and checksums from torchvision, files into the cache, our own readers.

torchvision is asked for its class attributes only, when something has to be downloaded or checked. Downloading is
`ganzoo.data.download` (resumable, checked, atomic) into the folder layout that torchvision uses, so that
`torchvision.datasets.MNIST(cache_dir() / "mnist")` finds the same files. Reading is numpy's and scipy's: the formats
are a few lines each, and no pickle is loaded. CIFAR is therefore taken in its binary edition, not the Python one.

Small sets come as arrays; CelebA, Flowers-102 and LSUN are decoded when they are read, by the rule of
`ganzoo.data.images` (largest square from the middle, then Lanczos). For CelebA's 178 x 218 pictures that is the usual
preprocessing: `CenterCrop(178)`, then the resize.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.base import ArrayData, DataRequest, DataSpec
from ganzoo.data.download import cache_dir, fetch, fetch_folder
from ganzoo.errors import RunError, UserError, did_you_mean
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
from ganzoo_data.embedded_sets import Labels, Pictures, array_data, check, make_spec, pick_class

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
        raise _damaged(paths[0], f"shapes {images.shape} and {labels.shape}, expected (N, 28, 28) and (N,)")
    return array_data(
        name,
        request,
        images[:, None],
        _labels(paths[1], labels, len(classes)),
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


def read_idx(path: Path) -> Pictures:
    """Read an idx file of unsigned bytes, gzipped or not: 0, 0, 8, the rank, big-endian sizes, the data.

    Raises:
        UserError: when it is something else.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise _damaged(path, "not an idx file of unsigned bytes")
    start = 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    if len(raw) != start + int(np.prod(shape)):
        raise _damaged(path, f"{len(raw):,} bytes, expected {start + int(np.prod(shape)):,}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


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
    """Records of label bytes (the last one is the class) and 3 x 32 x 32 bytes."""
    check(name, request, fields=("image", "label"), splits=("train", "test"))
    address, md5 = archive
    root = cache_dir() / name
    folder = _folder(address, root / address.rpartition("/")[2], root / inner, inner, md5, request)
    paths = [_there(folder / file) for file in files[request.split]]
    record, parts = label_bytes + 3072, []
    for path in paths:
        raw = np.fromfile(path, np.uint8)
        if not len(raw) or len(raw) % record:
            raise _damaged(path, f"{len(raw):,} bytes are no whole number of records of {record:,}", folder)
        parts.append(raw.reshape(-1, record))
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, label_bytes:]).reshape(-1, 3, 32, 32)
    labels = _labels(paths[0], records[:, label_bytes - 1], len(classes))
    return array_data(name, request, images, labels, classes, origin=_found(paths))


# ----------------------------------------------------------------------------------------------------- SVHN and STL-10


def svhn(request: DataRequest) -> ArrayData:
    """Street View House Numbers, cropped: 73,257 + 26,032 colour pictures of 32 x 32, 531,131 more in `extra`."""
    check("svhn", request, fields=("image", "label"), splits=("train", "test", "extra"))
    address, file, md5 = _torchvision("svhn", "SVHN").split_list[request.split]
    path = cache_dir() / "svhn" / file
    fetch(address, path, md5=md5, progress=request.progress, download=request.download)
    stored = _read_mat(path, "X", "y")
    images, labels = stored["X"], stored["y"].reshape(-1)
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.shape[3] != len(labels):
        raise _damaged(path, f"X has the shape {images.shape}, expected (32, 32, 3, {len(labels)})")
    labels = np.where(labels == 10, 0, labels)  # the file calls the digit 0 "10"
    return array_data(
        "svhn",
        request,
        np.ascontiguousarray(images.transpose(3, 2, 0, 1), np.uint8),
        _labels(path, labels, 10),
        DIGITS,
        origin=_found([path]),
    )


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
    if path.stat().st_size == 0 or path.stat().st_size % 27648:
        raise _damaged(path, f"{path.stat().st_size:,} bytes are no whole number of pictures of 27,648", folder)
    # Column by column in the file. Mapped, so that only the result takes memory (`unlabeled` is 2.8 GB).
    columns = np.memmap(path, np.uint8, mode="r").reshape(-1, 3, 96, 96)
    images = columns.transpose(0, 1, 3, 2)
    if request.size in (None, 96):
        images = np.ascontiguousarray(images)
    labels, paths = None, [path]
    if labelled:
        paths.append(_there(folder / f"{request.split}_y.bin"))
        stored = np.fromfile(paths[1], np.uint8)
        if len(stored) != len(images):
            raise _damaged(paths[1], f"{len(stored):,} labels for {len(images):,} pictures", folder)
        labels = _labels(paths[1], stored.astype(np.int64) - 1, 10)  # the file counts from 1
    return array_data("stl10", request, images, labels, STL10_CLASSES, origin=_found(paths))


# -------------------------------------------------------------------------------------------------- pictures in files


class PictureData:
    """Encoded pictures that are decoded when they are read. `encoded(i)` returns the bytes of row i and its name."""

    def __init__(
        self,
        spec: DataSpec,
        encoded: Callable[[int], tuple[bytes, str]],
        labels: Labels | None,
        request: DataRequest,
    ) -> None:
        self.spec = spec
        self.labels = labels
        self._encoded = encoded
        self._fit = request.fit

    def __len__(self) -> int:
        return self.spec.count

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: `image` uint8 (n, channels, size, size) and, where there are labels, `label` int64 (n,).

        Raises:
            RunError: a picture is gone or broken; the message names it.
        """
        from ganzoo.data.images import BrokenPicture, decode

        rows, size, channels = np.asarray(indices, np.int64), self.spec.size, self.spec.channels
        images = np.empty((len(rows), channels, size, size), np.uint8)
        for place, row in enumerate(rows):
            try:
                content, name = self._encoded(int(row))
                images[place] = decode(content, size=size, channels=channels, fit=self._fit, name=name)
            except (BrokenPicture, OSError) as error:
                raise RunError(
                    f"{self.spec.name}: {error}; delete its folder in {cache_dir()} and run again"
                ) from error
        return {"image": images} if self.labels is None else {"image": images, "label": self.labels[rows]}

    @property
    def nbytes(self) -> int:
        """Bytes that the whole set would take as arrays."""
        labels = 0 if self.labels is None else self.labels.nbytes
        return len(self) * self.spec.channels * self.spec.size**2 + labels


class _Files:
    """Pictures that are files of one folder."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.names = np.array(names)  # one block of memory: 160,000 str objects would be copied into every worker

    def __call__(self, row: int) -> tuple[bytes, str]:
        path = self.folder / str(self.names[row])
        return path.read_bytes(), str(path)


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
        raise _damaged(partition, "expected two columns: a file name and 0, 1 or 2") from error
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    paths = [partition]
    if attribute is not None:
        paths.append(_celeba_file("list_attr_celeba.txt", folder, request))
        word = CELEBA_ATTRIBUTES[attribute].lower().replace("_", " ")
        labels, classes = _celeba_labels(paths[1], CELEBA_ATTRIBUTES[attribute], names), (f"not {word}", word)
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
    return PictureData(spec, _Files(pictures, names), labels, request)


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


def _celeba_labels(path: Path, attribute: str, names: Sequence[str]) -> Labels:
    """0 or 1 for each of `names`. The file: a count, the 40 names, then a file name and 40 times -1 or 1."""
    lines = path.read_text(encoding="ascii").splitlines()
    try:
        column = 1 + lines[1].split().index(attribute)
        values = {cells[0]: int(cells[column]) for cells in (line.split() for line in lines[2:]) if cells}
        return np.array([values[name] > 0 for name in names], np.int64)
    except (IndexError, ValueError, KeyError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def flowers102(request: DataRequest) -> PictureData:
    """Oxford Flowers-102: 1,020 + 1,020 + 6,149 photographs of different sizes; `all` is what GAN papers train on."""
    check("flowers102", request, fields=("image", "label"), splits=("train", "val", "test", "all"))
    _needs_size("flowers102", request)
    facts = _torchvision("flowers102", "Flowers102")
    folder = cache_dir() / "flowers102" / "flowers-102"
    paths = {}
    for key in ("setid", "label"):
        file, md5 = facts._file_dict[key]
        address = facts._download_url_prefix + file
        paths[key] = fetch(address, folder / file, md5=md5, progress=request.progress, download=request.download)
    sets = _read_mat(paths["setid"], *facts._splits_map.values())
    kinds = [facts._splits_map[request.split]] if request.split != "all" else list(facts._splits_map.values())
    numbers = np.sort(np.concatenate([sets[kind].reshape(-1) for kind in kinds]).astype(np.int64))
    stored = _read_mat(paths["label"], "labels")["labels"].reshape(-1).astype(np.int64)
    if numbers.min() < 1 or numbers.max() > len(stored):
        raise _damaged(paths["setid"], f"numbers {numbers.min()} to {numbers.max()} for {len(stored)} labels")
    labels = _labels(paths["label"], stored[numbers - 1] - 1, len(FLOWERS_CLASSES))
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
        request.size or 0,
        classes,
        ("image", "label"),
        origin=_found(list(paths.values())),
    )
    return PictureData(spec, _Files(jpg, [f"image_{number:05d}.jpg" for number in numbers]), labels, request)


# -------------------------------------------------------------------------------------------------------------- LSUN


def lsun(request: DataRequest) -> PictureData:
    """One category of LSUN (`lsun:bedroom`) out of its LMDB, which has to be fetched by hand: up to 43 GB."""
    check("lsun", request, fields=("image",), splits=("train", "val"))
    categories = [slug(category) for category in LSUN_CATEGORIES]
    if slug(request.subset) not in categories:
        near = did_you_mean(slug(request.subset), categories)
        found = f"lsun:{request.subset} is not one" if request.subset else "lsun needs one"
        raise UserError(f"{found} of its categories{near}: say lsun:{', lsun:'.join(categories)}")
    _needs_size("lsun", request)
    name = f"{LSUN_CATEGORIES[categories.index(slug(request.subset))]}_{request.split}_lmdb"
    folder = cache_dir() / "lsun" / name
    if not (folder / "data.mdb").is_file():
        raise UserError(
            f"lsun:{slug(request.subset)} is not on this machine and is too large to be fetched by itself: download "
            f"{LSUN_ADDRESS.format(name=name)} and unpack it so that {folder / 'data.mdb'} is there (it is read with "
            "the package lmdb: pip install lmdb)"
        )
    records = _Records(folder)
    count = len(records.keys)
    origin = f"{name} {(folder / 'data.mdb').stat().st_size}"
    spec = make_spec("lsun", request, count, request.channels or 3, request.size or 0, (), ("image",), origin=origin)
    return PictureData(spec, records, None, request)


_ENVIRONMENTS: dict[Path, tuple[int, Any]] = {}
"""Folder: the process that opened it, and the LMDB environment. LMDB opens a folder once in a process, not twice."""


def _environment(folder: Path) -> Any:
    process = os.getpid()
    opened_by, environment = _ENVIRONMENTS.get(folder, (process, None))
    if environment is not None and opened_by != process:  # inherited through a fork, which LMDB does not allow for
        environment.close()
        environment = None
    if environment is None:
        environment = _lmdb().open(str(folder), readonly=True, lock=False, readahead=False)
        _ENVIRONMENTS[folder] = (process, environment)
    return environment


class _Records:
    """Pictures that are values of an LMDB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = self._read_keys()

    def __call__(self, row: int) -> tuple[bytes, str]:
        key = bytes(self.keys[row])
        with _environment(self.folder).begin(write=False) as transaction:
            content = transaction.get(key)
        if content is None:
            raise OSError(f"{self.folder}: the key {key.decode(errors='replace')} is gone")
        return bytes(content), key.decode(errors="replace")

    def _read_keys(self) -> NDArray[np.bytes_]:
        """All keys in their order, kept beside the data: going through the three million of `bedroom` takes minutes."""
        kept = self.folder.with_name(self.folder.name + ".keys.npy")
        try:
            with _environment(self.folder).begin(write=False) as transaction:
                count = int(transaction.stat()["entries"])
                if kept.is_file():
                    keys: NDArray[np.bytes_] = np.load(kept, allow_pickle=False)
                    if len(keys) == count:
                        return keys
                keys = np.array(list(transaction.cursor().iternext(keys=True, values=False)), dtype=np.bytes_)
        except _lmdb().Error as error:
            raise UserError(f"{self.folder} is not an LMDB that can be read: {error}") from error
        unfinished = kept.with_name(f"{kept.stem}.{os.getpid()}.npy")
        try:
            np.save(unfinished, keys, allow_pickle=False)
            os.replace(unfinished, kept)
        except OSError:  # a folder that is only there to be read: the keys are gone through every time
            unfinished.unlink(missing_ok=True)
        return keys


def _lmdb() -> Any:
    try:
        return importlib.import_module("lmdb")
    except ImportError as error:
        raise UserError(f"lsun is read with the package lmdb ({error}): pip install lmdb") from error


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


def _needs_size(name: str, request: DataRequest) -> None:
    if request.size is None:
        raise UserError(f"{name}: its pictures differ in size; say how large they are to be, for instance 64 pixels")


def _read_mat(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Arrays of a MATLAB file (versions 5 to 7)."""
    from scipy.io import loadmat

    try:
        stored = loadmat(path, variable_names=list(names))
        return {name: stored[name] for name in names}
    except Exception as error:  # a parser fed with garbage raises anything, down to IndexError and zlib.error
        raise _damaged(path, f"not a MATLAB file with {', '.join(names)}: {type(error).__name__}") from error


def _labels(path: Path, labels: NDArray[Any], classes: int) -> Labels:
    whole = labels.astype(np.int64)
    if len(whole) and not 0 <= whole.min() <= whole.max() < classes:
        raise _damaged(path, f"labels from {whole.min()} to {whole.max()}, expected 0 to {classes - 1}")
    return whole


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path} is not there: delete the folder {path.parent} and run again")
    return path


def _damaged(path: Path, what: str, folder: Path | None = None) -> UserError:
    culprit = f"the folder {folder}" if folder else "it"
    return UserError(f"{path} is damaged ({what}): delete {culprit} and run again")


def _found(paths: Sequence[Path]) -> str:
    """Names and sizes of the files that a set was read from."""
    listing = "\n".join(f"{path.name} {path.stat().st_size}" for path in paths)
    return hashlib.sha256(listing.encode()).hexdigest()
