"""The data sets that come with ganzoo: their cards say the truth, and every reader reads the real format.

The downloaded sets are read from small files that are written here in the format of the original, served by a web
server on this machine and fetched through the loaders' own path: address and md5 sum from torchvision's class (which
the test points at the server), cache, checksum, unpacking, parsing. Sets of pairs, of two domains and of large pictures
are in test_translation_cards.py, sets with captions in test_captioned_sets.py and test_shapes.py.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import multiprocessing
import pickle  # noqa: TID251 - what is pickled here is our own class, as a DataLoader's worker does
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import ganzoo_data
from ganzoo.cards import Dataset, resolve
from ganzoo.data.base import ArrayData, Data, DataRequest
from ganzoo.errors import RunError, UserError
from ganzoo_data import embedded, embedded_sets, torchvision_sets

CARDS = {card.name: card for card in ganzoo_data.ganzoo_datasets()}
EMBEDDED = [card for card in CARDS.values() if card.embedded and {"image", "label"} <= set(card.fields)]
EMOJI = ["emoji-line", "emoji-flat", "emoji-3d"]


def load(name: str, **request: Any) -> Any:
    return resolve(CARDS[name].load)(DataRequest(**request))


def image(data: Data) -> NDArray[np.uint8]:
    """All pictures of a set."""
    if isinstance(data, ArrayData):
        columns = [column for column in data.columns.values() if isinstance(column, np.ndarray)]
        assert all(column.flags.writeable and column.flags.c_contiguous for column in columns), "torch wants it so"
    pictures: NDArray[np.uint8] = data.read(range(len(data)))["image"]
    return pictures


# ------------------------------------------------------------------------------------------------------------- cards


def test_cards_import_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, ganzoo_data; ganzoo_data.ganzoo_datasets();"
        "print([m for m in ('torch', 'torchvision', 'numpy', 'PIL', 'scipy') if m in sys.modules])"
    )
    path = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_every_card_is_complete_and_its_loader_is_there(card: Dataset) -> None:
    assert callable(resolve(card.load))
    assert card.title
    assert card.summary
    assert card.licence
    assert card.count > 0
    assert card.source.startswith("http")
    assert bool(card.download) != card.embedded
    assert len(set(card.classes)) == len(card.classes)
    assert len(set(card.subsets)) == len(card.subsets)
    assert all(ganzoo_data.slug(subset) == subset and subset for subset in card.subsets)
    if card.classes:
        assert card.subsets == tuple(ganzoo_data.slug(name) for name in card.classes)
    assert len(CARDS) == len(ganzoo_data.ganzoo_datasets())


@pytest.mark.parametrize("card", EMBEDDED, ids=lambda card: card.name)
def test_an_embedded_set_is_what_its_card_says(card: Dataset) -> None:
    data = load(card.name)
    assert len(data) == data.spec.count == card.count
    assert (data.spec.size, data.spec.channels, data.spec.classes) == (card.size, card.channels, card.classes)
    for split in card.splits:
        assert load(card.name, split=split).spec.split == split
    everything = load(card.name, fields=card.fields, split="test")
    assert tuple(f.name for f in everything.spec.fields) == card.fields
    row = everything.read([0, 3])
    assert row["image"].shape == (2, card.channels, card.size, card.size)
    assert row["image"].dtype == np.uint8
    assert row["label"].dtype == np.int64


@pytest.mark.parametrize("card", EMBEDDED, ids=lambda card: card.name)
def test_every_subset_of_an_embedded_set_holds_its_class(card: Dataset) -> None:
    whole = load(card.name)
    labels = whole.columns["label"]
    counts = []
    for number, subset in enumerate(card.subsets):
        part = load(card.name, subset=subset)
        assert part.spec.name == f"{card.name}:{subset}"
        assert part.spec.classes == (card.classes[number],)
        assert not part.columns["label"].any()
        assert np.array_equal(image(part), whole.columns["image"][labels == number])
        counts.append(len(part))
    assert sum(counts) == len(whole)


@pytest.mark.parametrize("size", [16, 28, 32, 48, 64, 96])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["fashion", "emoji-3d"])
def test_any_size_and_channels_can_be_asked_for(name: str, size: int, channels: int) -> None:
    data = load(name, split="test", size=size, channels=channels)
    assert image(data).shape == (len(data), channels, size, size)
    assert (data.spec.size, data.spec.channels) == (size, channels)


def test_fashion_32_is_the_28_in_a_black_frame() -> None:
    small, large = image(load("fashion")), image(load("fashion", size=32))
    assert np.array_equal(large[:, :, 2:30, 2:30], small)
    assert large.sum(dtype=np.int64) == small.sum(dtype=np.int64)


def test_emoji_32_is_the_embedded_half_and_64_the_original() -> None:
    for style in embedded.EMOJI_STYLES:
        for size in (32, 64):
            assert np.array_equal(
                image(load(f"emoji-{style}", split="test", size=size)), embedded.emoji(style, "test", size)[0]
            )


def test_other_sizes_are_pillows_lanczos_and_grey_is_its_luma() -> None:
    native = image(load("emoji-flat", split="test"))
    small = image(load("emoji-flat", split="test", size=24))
    grey = image(load("emoji-flat", split="test", channels=1))
    for row in (0, 50, 153):
        picture = Image.fromarray(native[row].transpose(1, 2, 0))
        assert np.array_equal(
            small[row].transpose(1, 2, 0), np.asarray(picture.resize((24, 24), Image.Resampling.LANCZOS))
        )
        assert np.array_equal(grey[row, 0], np.asarray(picture.convert("L")))


def test_the_luma_is_pillows_for_every_kind_of_colour() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 3, 200, 200), dtype=np.uint8)
    grey = embedded_sets.change_channels(colours, 1)
    for row in range(2):
        assert np.array_equal(grey[row, 0], np.asarray(Image.fromarray(colours[row].transpose(1, 2, 0)).convert("L")))


def test_resizing_is_the_same_every_time_and_touches_nothing_of_the_right_size() -> None:
    pictures = embedded.fashion("test")[0][:50]
    assert embedded_sets.resize_array(pictures, 28) is pictures
    assert np.array_equal(embedded_sets.resize_array(pictures, 40), embedded_sets.resize_array(pictures, 40))
    flat = np.full((3, 3, 20, 20), 77, np.uint8)
    assert (embedded_sets.resize_array(flat, 7) == 77).all(), "a flat colour stays what it is"


def test_a_set_in_memory_and_one_in_files_are_resized_alike(tmp_path: Path) -> None:
    from ganzoo.data.images import decode

    native = image(load("emoji-3d", split="test"))[7]
    buffer = io.BytesIO()
    Image.fromarray(native.transpose(1, 2, 0)).save(buffer, "PNG")
    for size, channels in ((48, 3), (48, 1), (100, 3)):
        mine = image(load("emoji-3d", split="test", size=size, channels=channels))[7]
        assert np.array_equal(decode(buffer.getvalue(), size=size, channels=channels), mine)


def test_captions_come_when_asked_for_and_name_the_picture() -> None:
    data = load("emoji-flat", fields=("image", "text"), subset="food", split="all")
    assert [f.name for f in data.spec.fields] == ["image", "label", "text"]
    names, (_, labels) = embedded.emoji_names("all"), embedded.emoji("flat", "all", 32)
    food = embedded.EMOJI_CATEGORIES.index("food")
    assert data.columns["text"] == [(name,) for name, label in zip(names, labels, strict=True) if label == food]
    assert ("red apple",) in data.columns["text"]
    assert not load("emoji-flat").spec.has("text")


def test_the_styles_hold_the_same_emoji_row_by_row() -> None:
    styles = [load(name, fields=("image", "text"), split="all") for name in EMOJI]
    assert all(data.columns["text"] == styles[0].columns["text"] for data in styles)
    ink = [image(data).min(axis=1) < 200 for data in styles]
    flat, shaded = ink[1].reshape(len(ink[1]), -1), ink[2].reshape(len(ink[2]), -1)
    together = (flat & shaded).sum(1) / np.maximum(1, (flat | shaded).sum(1))
    apart = (flat & np.roll(shaded, 1, axis=0)).sum(1) / np.maximum(1, (flat | np.roll(shaded, 1, axis=0)).sum(1))
    assert np.median(together) > np.median(apart) + 0.2


def test_fingerprints_tell_requests_apart() -> None:
    requests: list[dict[str, Any]] = [
        {},
        {"split": "test"},
        {"size": 32},
        {"channels": 3},
        {"subset": "bag"},
        {"subset": "coat"},
    ]
    prints = [load("fashion", **request).spec.fingerprint for request in requests]
    assert len(set(prints)) == len(prints)
    assert load("fashion").spec.fingerprint == prints[0]
    assert load("emoji-flat").spec.fingerprint != load("emoji-3d").spec.fingerprint


def test_mistakes_are_named_all_at_once() -> None:
    with pytest.raises(UserError) as caught:
        load("fashion", split="tests", fields=("image", "text"), size=5000, channels=2)
    assert caught.value.lines == (
        "fashion has no split 'tests' (did you mean 'test'?); it has train, test",
        "fashion has no field 'text'; it has image, label",
        "fashion: a size of 5000 pixels cannot be; give one between 1 and 4096",
        "fashion: 2 channels cannot be; give 1 (grey) or 3 (RGB)",
    )
    with pytest.raises(UserError, match=r"no subset 'smiley' \(did you mean 'smileys'\?\); it has people, objects"):
        load("emoji-3d", subset="smiley")


# ------------------------------------------------------------------------------------------------- a world of servers


class World:
    """A server, a cache, and torchvision's classes pointed at them."""

    def __init__(self, root: Path, url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.url, self.cache, self.patch = root, url, cache, monkeypatch

    def serve(self, name: str, content: bytes) -> str:
        """Put a file on the server; returns its md5 sum."""
        (self.root / name).write_bytes(content)
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def torchvision(self, name: str, **attributes: object) -> None:
        owner = getattr(importlib.import_module("torchvision.datasets"), name)
        for attribute, value in attributes.items():
            assert hasattr(owner, attribute), f"torchvision's {name} has no {attribute} any more"
            self.patch.setattr(owner, attribute, value)

    def empty_server(self) -> None:
        for path in self.root.iterdir():
            path.unlink()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    root, cache = tmp_path / "server", tmp_path / "cache"
    root.mkdir()
    monkeypatch.setenv("GANZOO_CACHE", str(cache))
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION", tmp_path / "debian")
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *arguments: Quiet(*arguments, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield World(root, f"http://127.0.0.1:{server.server_port}/", cache, monkeypatch)
    server.shutdown()
    server.server_close()
    thread.join()


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes())


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


# ---------------------------------------------------------------------------------------------------- idx (MNIST ...)

IDX_SETS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


def serve_idx(world: World, torchvision_class: str) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    resources, stored = [], {}
    for split, prefix, count in (("train", "train", 30), ("test", "t10k", 10)):
        images, labels = noise(count, 28, 28, seed=count), (np.arange(count) % 10).astype(np.uint8)
        stored[split] = images, labels
        for stem, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            resources.append((f"{stem}.gz", world.serve(f"{stem}.gz", idx(array))))
    world.torchvision(torchvision_class, mirrors=["http://127.0.0.1:9/", world.url], resources=resources)
    return stored


@pytest.mark.parametrize("name", IDX_SETS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_idx_sets_are_downloaded_checked_and_read(world: World, name: str, split: str) -> None:
    images, labels = serve_idx(world, IDX_SETS[name])[split]
    data = load(name, split=split)
    assert np.array_equal(image(data)[:, 0], images)
    assert np.array_equal(data.columns["label"], labels)
    assert data.spec.classes == CARDS[name].classes
    world.empty_server()
    assert np.array_equal(image(load(name, split=split, download=False))[:, 0], images), "the cache is enough"
    assert np.array_equal(image(load(name, split=split, size=32))[:, 0, 2:30, 2:30], images)
    assert np.array_equal(image(load(name, split=split, subset=CARDS[name].subsets[3]))[:, 0], images[labels == 3])


def test_torchvision_finds_what_was_downloaded(world: World) -> None:
    images, labels = serve_idx(world, "MNIST")["train"]
    load("mnist")
    load("mnist", split="test")
    from torchvision.datasets import MNIST

    raw = world.cache / "mnist" / "MNIST" / "raw"
    for path in list(raw.glob("*.gz")):  # what torchvision does after its download
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    theirs = MNIST(str(world.cache / "mnist"), train=True, download=False)
    assert np.array_equal(theirs.data.numpy(), images)
    for path in list(raw.glob("*.gz")):
        path.unlink()
    ours = load("mnist", download=False)
    assert np.array_equal(image(ours)[:, 0], images), "and the other way round"
    assert np.array_equal(ours.columns["label"], labels)


def test_debians_fashion_mnist_comes_before_the_network(world: World) -> None:
    installed = torchvision_sets.DEBIAN_FASHION
    installed.mkdir()
    images, labels = noise(20, 28, 28), (np.arange(20) % 10).astype(np.uint8)
    (installed / "train-images-idx3-ubyte.gz").write_bytes(idx(images))
    (installed / "train-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    data = load("fashion-mnist", download=False)
    assert np.array_equal(image(data)[:, 0], images)
    assert not world.cache.exists()
    with pytest.raises(UserError, match="switched off"):
        load("fashion-mnist", split="test", download=False)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"no gzip", "Not a gzipped file"),
        (idx(noise(30, 28, 28))[:-400], "ended before|end-of-stream"),
        (gzip.compress(b"\0\0\x0d\x01" + bytes(8)), "not an idx file of unsigned bytes"),
        (gzip.compress(b"\0\0\x08\x03" + (9).to_bytes(4, "big") * 3 + bytes(5)), "21 bytes, expected 745"),
        (idx(noise(30, 14, 14)), "expected .N, 28, 28."),
        (idx(noise(29, 28, 28)), r"\(29, 28, 28\) and \(30,\)"),
    ],
)
def test_a_damaged_idx_file_is_named(world: World, content: bytes, what: str) -> None:
    installed = torchvision_sets.DEBIAN_FASHION
    installed.mkdir()
    (installed / "train-images-idx3-ubyte.gz").write_bytes(content)
    (installed / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(30, np.uint8)))
    with pytest.raises(UserError, match=f"train-images-idx3-ubyte.gz is damaged .*({what}).*delete it"):
        load("fashion-mnist")


def test_labels_that_cannot_be_are_refused(world: World) -> None:
    installed = torchvision_sets.DEBIAN_FASHION
    installed.mkdir()
    (installed / "train-images-idx3-ubyte.gz").write_bytes(idx(noise(3, 28, 28)))
    (installed / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.array([1, 10, 2], np.uint8)))
    with pytest.raises(UserError, match="labels from 1 to 10, expected 0 to 9"):
        load("fashion-mnist")


# ------------------------------------------------------------------------------------------------- CIFAR, SVHN, STL-10


def serve_cifar(world: World, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns the pictures of `train`, their labels, and the pictures of `test`."""
    train, test = noise(50, 3, 32, 32, seed=1), noise(8, 3, 32, 32, seed=2)
    classes = 10 if name == "cifar10" else 100
    labels = (np.arange(50) * 7 % classes).astype(np.uint8)

    def records(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
        columns = [labels[:, None], images.reshape(len(images), -1)]
        if name == "cifar100":
            columns.insert(0, (labels // 5)[:, None])  # the coarse label comes first
        return np.concatenate(columns, axis=1).tobytes()

    if name == "cifar10":
        members = {
            f"cifar-10-batches-bin/data_batch_{i + 1}.bin": records(
                train[i * 10 : i * 10 + 10], labels[i * 10 : i * 10 + 10]
            )
            for i in range(5)
        } | {"cifar-10-batches-bin/test_batch.bin": records(test, labels[:8])}
    else:
        members = {"cifar-100-binary/train.bin": records(train, labels)}
        members["cifar-100-binary/test.bin"] = records(test, labels[:8])
    md5 = world.serve("archive.tar.gz", tar_of(members))
    world.patch.setattr(torchvision_sets, f"{name.upper()}_BINARY", (f"{world.url}archive.tar.gz", md5))
    return train, labels, test


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_binary_cifar_is_read(world: World, name: str) -> None:
    train, labels, test = serve_cifar(world, name)
    data = load(name)
    assert np.array_equal(image(data), train)
    assert np.array_equal(data.columns["label"], labels)
    assert np.array_equal(image(load(name, split="test", download=False)), test)
    assert [path.name for path in (world.cache / name).iterdir()] == [
        "cifar-10-batches-bin" if name == "cifar10" else "cifar-100-binary"
    ]
    subset = CARDS[name].subsets[7]
    assert np.array_equal(image(load(name, subset=subset)), train[labels == 7])


def test_the_addresses_of_cifar_are_beside_torchvisions() -> None:
    from torchvision.datasets import CIFAR10, CIFAR100

    for owner, (address, md5) in (
        (CIFAR10, torchvision_sets.CIFAR10_BINARY),
        (CIFAR100, torchvision_sets.CIFAR100_BINARY),
    ):
        assert address == owner.url.replace("python", "binary")
        assert md5 != owner.tgz_md5
        assert len(md5) == 32


def test_a_cifar_folder_that_lost_a_file_is_named(world: World) -> None:
    serve_cifar(world, "cifar10")
    load("cifar10")
    folder = world.cache / "cifar10" / "cifar-10-batches-bin"
    (folder / "data_batch_3.bin").write_bytes(bytes(3000))
    with pytest.raises(UserError, match=r"data_batch_3.bin is damaged .3,000 bytes.*delete the folder"):
        load("cifar10")
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(UserError, match=r"data_batch_3.bin is not there: delete the folder"):
        load("cifar10")


def serve_svhn(world: World, **stored: NDArray[Any]) -> None:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, stored, do_compression=True)
    md5 = world.serve("train_32x32.mat", buffer.getvalue())
    world.torchvision("SVHN", split_list={"train": [f"{world.url}train_32x32.mat", "train_32x32.mat", md5]})


def test_svhn_is_read_and_its_ten_is_a_zero(world: World) -> None:
    images = noise(20, 3, 32, 32)
    labels = np.arange(1, 21) % 10
    stored = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
    serve_svhn(world, X=images.transpose(2, 3, 1, 0), y=stored)
    data = load("svhn")
    assert np.array_equal(image(data), images)
    assert np.array_equal(data.columns["label"], labels)
    assert data.columns["image"].flags.c_contiguous
    from torchvision.datasets import SVHN

    theirs = SVHN(str(world.cache / "svhn"), split="train")
    assert np.array_equal(theirs.data, images)
    assert np.array_equal(theirs.labels, labels)


def test_a_mat_file_of_something_else_is_named(world: World) -> None:
    serve_svhn(world, X=noise(5, 5), y=np.zeros((5, 1)))
    with pytest.raises(UserError, match=r"train_32x32.mat is damaged .X has the shape \(5, 5\)"):
        load("svhn")


def test_bytes_that_are_no_mat_file_are_named(world: World) -> None:
    md5 = world.serve("train_32x32.mat", b"garbage" * 100)
    world.torchvision("SVHN", split_list={"train": [f"{world.url}train_32x32.mat", "train_32x32.mat", md5]})
    with pytest.raises(UserError, match=r"train_32x32.mat is damaged .not a MATLAB file with X, y"):
        load("svhn")


def test_stl10_is_read_with_and_without_labels(world: World) -> None:
    train, test, unlabeled = noise(6, 3, 96, 96, seed=1), noise(4, 3, 96, 96, seed=2), noise(5, 3, 96, 96, seed=3)
    labels = np.array([1, 10, 3, 3, 5, 6], np.uint8)

    def columns(images: NDArray[np.uint8]) -> bytes:
        return images.transpose(0, 1, 3, 2).tobytes()

    members = {
        "stl10_binary/train_X.bin": columns(train),
        "stl10_binary/train_y.bin": labels.tobytes(),
        "stl10_binary/test_X.bin": columns(test),
        "stl10_binary/test_y.bin": labels[:4].tobytes(),
        "stl10_binary/unlabeled_X.bin": columns(unlabeled),
    }
    md5 = world.serve("stl10_binary.tar.gz", tar_of(members))
    world.torchvision("STL10", url=f"{world.url}stl10_binary.tar.gz", tgz_md5=md5)
    data = load("stl10")
    assert np.array_equal(image(data), train)
    assert np.array_equal(data.columns["label"], labels.astype(np.int64) - 1)
    assert np.array_equal(image(load("stl10", split="test")), test)
    bare = load("stl10", split="unlabeled", download=False)
    assert np.array_equal(image(bare), unlabeled)
    assert not bare.spec.has("label")
    assert image(load("stl10", split="unlabeled", size=48)).shape == (5, 3, 48, 48)
    with pytest.raises(UserError, match="stl10 has no field 'label'; it has image"):
        load("stl10", split="unlabeled", fields=("image", "label"))
    with pytest.raises(UserError, match="no subsets here"):
        load("stl10", split="unlabeled", subset="bird")


# ----------------------------------------------------------------------------------------- CelebA, Flowers-102, LSUN


def serve_celeba(world: World) -> list[NDArray[np.uint8]]:
    faces = [np.kron(noise(11, 9, 3, seed=i), np.ones((20, 20, 1), np.uint8))[:218, :178] for i in range(5)]
    names = [f"{i + 1:06d}.jpg" for i in range(5)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for name, face in zip(names, faces, strict=True):
            container.writestr(f"img_align_celeba/{name}", jpeg(face))
    files = {
        "img_align_celeba.zip": buffer.getvalue(),
        "list_eval_partition.txt": "".join(
            f"{name} {part}\n" for name, part in zip(names, (0, 0, 0, 1, 2), strict=True)
        ).encode(),
        "list_attr_celeba.txt": (
            "5\n"
            + " ".join(ganzoo_data.CELEBA_ATTRIBUTES)
            + " \n"
            + "".join(
                f"{name} " + " ".join(" 1" if (i + j) % 2 else "-1" for j in range(40)) + "\n"
                for i, name in enumerate(names)
            )
        ).encode(),
    }
    world.torchvision("CelebA", file_list=[(name, world.serve(name, content), name) for name, content in files.items()])
    world.patch.setattr(torchvision_sets, "DRIVE", world.url + "{id}")
    return faces


def test_celeba_is_the_middle_square_of_every_face(world: World) -> None:
    faces = serve_celeba(world)
    data = load("celeba")
    assert len(data) == 3
    assert (data.spec.size, data.spec.channels, data.spec.classes) == (178, 3, ())
    assert data.nbytes == 3 * 3 * 178 * 178
    read = data.read([2, 0])["image"]
    assert read.shape == (2, 3, 178, 178)
    decoded = np.asarray(Image.open(io.BytesIO(jpeg(faces[2]))))
    assert np.array_equal(read[0].transpose(1, 2, 0), decoded[20:198]), "CenterCrop(178)"
    world.empty_server()
    assert len(load("celeba", split="all", download=False)) == 5
    small = load("celeba", split="test", size=64, channels=1, download=False).read([0])
    assert small["image"].shape == (1, 1, 64, 64)


def test_celeba_has_labels_for_one_attribute(world: World) -> None:
    serve_celeba(world)
    data = load("celeba", subset="smiling", fields=("image", "label"), size=32)
    smiling = ganzoo_data.CELEBA_ATTRIBUTES.index("Smiling")
    assert data.spec.classes == ("not smiling", "smiling")
    assert data.read([0, 1, 2])["label"].tolist() == [(i + smiling) % 2 for i in range(3)]
    with pytest.raises(UserError, match="celeba:smiling"):
        load("celeba", fields=("image", "label"))
    with pytest.raises(UserError, match="did you mean 'smiling'"):
        load("celeba", subset="smilling")


def test_celeba_says_how_to_do_it_by_hand(world: World) -> None:
    serve_celeba(world)
    world.patch.setattr(torchvision_sets, "DRIVE", "http://127.0.0.1:9/{id}")
    with pytest.raises(UserError) as caught:
        load("celeba")
    folder = world.cache / "celeba" / "celeba"
    assert caught.value.lines[-1].endswith(
        "get img_align_celeba.zip, list_eval_partition.txt and list_attr_celeba.txt from "
        f"https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and put them into {folder}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("img_align_celeba.zip", "list_eval_partition.txt", "list_attr_celeba.txt"):
        (folder / name).write_bytes((world.root / name).read_bytes())
    assert len(load("celeba", download=False, subset="male")) == 3
    assert (folder / "img_align_celeba.zip").exists(), "what somebody put there stays"


def test_a_picture_that_is_gone_or_broken_is_named(world: World) -> None:
    serve_celeba(world)
    data = load("celeba", size=32)
    folder = world.cache / "celeba" / "celeba" / "img_align_celeba"
    (folder / "000001.jpg").unlink()
    (folder / "000002.jpg").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"000001.jpg"):
        data.read([0])
    with pytest.raises(RunError, match=r"000002.jpg: not a picture"):
        data.read([1])


def test_picture_sets_can_be_sent_to_a_worker(world: World) -> None:
    serve_celeba(world)
    data = load("celeba", size=32, subset="male")
    copy = pickle.loads(pickle.dumps(data))
    assert np.array_equal(image(copy), image(data))


def serve_flowers(world: World) -> None:
    from scipy.io import savemat

    def mat(**stored: NDArray[Any]) -> bytes:
        buffer = io.BytesIO()
        savemat(buffer, stored)
        return buffer.getvalue()

    pictures = {f"jpg/image_{i:05d}.jpg": jpeg(np.full((60 + 10 * i, 90, 3), 20 * i, np.uint8)) for i in range(1, 9)}
    files = {
        "102flowers.tgz": tar_of(pictures),
        "imagelabels.mat": mat(labels=np.array([[1, 1, 5, 5, 77, 102, 2, 2]], np.uint8)),
        "setid.mat": mat(
            trnid=np.array([[7, 3, 5]], np.uint16),
            valid=np.array([[1, 6]], np.uint16),
            tstid=np.array([[2, 4, 8]], np.uint16),
        ),
    }
    sums = {name: (name, world.serve(name, content)) for name, content in files.items()}
    world.torchvision(
        "Flowers102",
        _download_url_prefix=world.url,
        _file_dict={"image": sums["102flowers.tgz"], "label": sums["imagelabels.mat"], "setid": sums["setid.mat"]},
    )


def test_flowers_are_read_in_every_split(world: World) -> None:
    serve_flowers(world)
    data = load("flowers102", size=48, fields=("image", "label"))
    row = data.read([0, 1, 2])
    assert [round(float(picture.mean())) for picture in row["image"]] == [60, 100, 140]
    assert [data.spec.classes[label] for label in row["label"]] == [
        "english marigold",
        "passion flower",
        "hard-leaved pocket orchid",
    ]
    assert [len(load("flowers102", split=split, size=32)) for split in ("train", "val", "test", "all")] == [3, 2, 3, 8]
    orchids = load("flowers102", split="all", size=32, subset="hard-leaved-pocket-orchid")
    assert len(orchids) == 2
    assert orchids.spec.classes == ("hard-leaved pocket orchid",)
    from torchvision.datasets import Flowers102

    theirs = Flowers102(str(world.cache / "flowers102"), split="train")
    assert sorted(theirs._labels) == sorted(row["label"].tolist())


@pytest.mark.parametrize("size", [None, 0])
def test_pictures_of_many_sizes_become_64_when_nobody_says_a_size(world: World, size: int | None) -> None:
    serve_flowers(world)
    data = load("flowers102", size=size)
    assert data.spec.size == 64
    assert data.read([0])["image"].shape == (1, 3, 64, 64)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_fit_is_honoured_where_pictures_are_not_square(world: World, fit: str) -> None:
    serve_flowers(world)
    picture = load("flowers102", size=45, fit=fit, split="val").read([0])["image"][0]  # 90 wide, 70 high, grey 20
    top, middle = picture[:, 0].mean(), picture[:, 22].mean()
    assert middle == 20
    assert top == (255 if fit == "pad" else 20)


def test_lsun_says_what_to_fetch(world: World) -> None:
    with pytest.raises(UserError) as caught:
        load("lsun", subset="church-outdoor", size=64)
    (line,) = caught.value.lines
    assert "http://dl.yf.io/lsun/scenes/church_outdoor_train_lmdb.zip" in line
    assert str(world.cache / "lsun" / "church_outdoor_train_lmdb" / "data.mdb") in line
    assert "pip install lmdb" in line
    with pytest.raises(UserError, match=r"lsun needs one of its categories: say lsun:bedroom, lsun:bridge"):
        load("lsun", size=64)
    with pytest.raises(UserError, match=r"lsun:bed room is not one of its categories.*did you mean 'bedroom'"):
        load("lsun", subset="bed room", size=64)


def test_lsun_is_read_from_its_database(world: World) -> None:
    lmdb = pytest.importorskip("lmdb")
    folder = world.cache / "lsun" / "tower_val_lmdb"
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for i in range(12):
            key = hashlib.sha1(b"%d" % i, usedforsecurity=False).hexdigest().encode()
            transaction.put(key, jpeg(np.full((70, 90, 3), 10 * i, np.uint8)))
    data = load("lsun", subset="tower", split="val", size=32)
    assert len(data) == 12
    assert sorted(round(float(p.mean())) for p in image(data)) == [10 * i for i in range(12)]
    assert np.array_equal(image(pickle.loads(pickle.dumps(data))), image(data))
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert np.array_equal(pool.apply(image, (data,)), image(data))
    assert (folder.parent / "tower_val_lmdb.keys.npy").is_file()
    assert np.array_equal(image(load("lsun", subset="tower", split="val", size=32)), image(data))


# ------------------------------------------------------------------------------------------------------ no network

OFFLINE: dict[str, dict[str, Any]] = {
    "mnist": {"mirrors": ["http://127.0.0.1:9/"]},
    "kmnist": {"mirrors": ["http://127.0.0.1:9/"]},
    "fashion-mnist": {"mirrors": ["http://127.0.0.1:9/"]},
    "svhn": {"split_list": {"train": ["http://127.0.0.1:9/train_32x32.mat", "train_32x32.mat", "0" * 32]}},
    "stl10": {"url": "http://127.0.0.1:9/stl10_binary.tar.gz"},
    "flowers102": {"_download_url_prefix": "http://127.0.0.1:9/"},
}
CLASSES = {**IDX_SETS, "svhn": "SVHN", "stl10": "STL10", "flowers102": "Flowers102"}


@pytest.mark.parametrize("name", OFFLINE)
def test_without_a_network_one_line_says_what_to_do(world: World, name: str) -> None:
    world.torchvision(CLASSES[name], **OFFLINE[name])
    with pytest.raises(UserError) as caught:
        load(name, size=32)
    (line,) = caught.value.lines
    assert line.startswith("cannot download http://127.0.0.1:9/")
    assert f"or put the file at {world.cache}" in line


@pytest.mark.parametrize(
    "name", [name for name, card in CARDS.items() if not card.embedded and "hand" not in card.download]
)
def test_no_download_means_none(world: World, name: str) -> None:
    fields, split = CARDS[name].fields[: 1 if "image" in CARDS[name].fields else 2], CARDS[name].splits[0]
    with pytest.raises(UserError, match=f"{world.cache}.* is not there and downloading is switched off"):
        load(name, fields=fields, split=split, size=32, download=False)
    assert not world.cache.exists()


def test_torchvision_says_the_same_of_the_classes() -> None:
    datasets = importlib.import_module("torchvision.datasets")
    assert tuple(datasets.KMNIST.classes) == ganzoo_data.KMNIST_CLASSES
    assert len(datasets.FashionMNIST.classes) == len(embedded.FASHION_CLASSES)
    for mine, theirs in zip(embedded.FASHION_CLASSES, datasets.FashionMNIST.classes, strict=True):
        assert ganzoo_data.slug(theirs).startswith(mine)
    flowers = getattr(datasets.Flowers102, "classes", None)
    assert flowers is None or tuple(flowers) == ganzoo_data.FLOWERS_CLASSES
