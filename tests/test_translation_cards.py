"""The sets of pairs, of two domains and of large pictures: embedded ones, public ones, and those put there by hand.

As in test_dataset_cards.py the public sets are small archives in the format of the original, written here and fetched
from a web server on this machine by the loaders' own path.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Answer
from numpy.typing import NDArray
from PIL import Image

import ganzoo_data
from ganzoo import training
from ganzoo.cards import Dataset, resolve
from ganzoo.data import download
from ganzoo.data.base import DataRequest
from ganzoo.data.degrade import reduced
from ganzoo.data.patches import Patches
from ganzoo.data.unpack import unpack
from ganzoo.errors import UserError
from ganzoo.registry import get_registry
from ganzoo_data import embedded, large_sets, translation_sets
from ganzoo_data.translation_sets import ARCHIVES, Archive

Call = Callable[..., Answer]
CARDS = {card.name: card for card in ganzoo_data.ganzoo_datasets()}
UNPAIRED = [card.name for card in CARDS.values() if card.fields == ("a", "b")]
PAIRED = [card.name for card in CARDS.values() if card.fields == ("source", "target")]
BENCHMARKS = [card.name for card in CARDS.values() if card.splits == ("test",)]
STYLES = {"emoji-line-flat": ("line", "flat"), "emoji-flat-3d": ("flat", "3d")}
RED, BLUE = 0, 2


def load(name: str, **request: Any) -> Any:
    fields = CARDS[name].fields[:2]
    return resolve(CARDS[name].load)(DataRequest(**{"fields": fields, "split": CARDS[name].splits[0], **request}))


# ----------------------------------------------------------------------------------------------------- embedded sets


@cache
def style_of(style: str, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures and categories of one style."""
    return embedded.emoji(style, split, 64)


@pytest.mark.parametrize("name", STYLES)
def test_an_embedded_pair_set_is_what_its_card_says(name: str) -> None:
    card = CARDS[name]
    assert (card.fields, card.splits) == (("source", "target", "a", "b"), ("train", "test", "all"))
    data = load(name)
    assert (len(data), data.spec.size, data.spec.channels) == (card.count, card.size, card.channels)
    for split, fields in (("train", ("a", "b")), ("test", ("source", "target")), ("all", ("a", "b"))):
        part = load(name, fields=fields, split=split)
        assert part.spec.split == split
        assert part.spec.aligned == (fields == ("a", "b")), "the answer to two domains is known here"
        for field, style in zip(fields, STYLES[name], strict=True):
            assert np.array_equal(part.columns[field], style_of(style, split)[0])


@pytest.mark.parametrize("name", STYLES)
def test_every_subset_of_an_embedded_pair_set_holds_its_category(name: str) -> None:
    pictures, labels = zip(*(style_of(style, "test") for style in STYLES[name]), strict=True)
    for number, subset in enumerate(CARDS[name].subsets):
        part = load(name, subset=subset, split="test", size=32)
        assert part.spec.name == f"{name}:{subset}"
        for field, pixels, category in zip(("source", "target"), pictures, labels, strict=True):
            halves = pixels[category == number].reshape(-1, 3, 32, 2, 32, 2).mean((3, 5))
            assert np.abs(part.columns[field] - halves).max(initial=0) <= 0.5


@pytest.mark.parametrize("name", STYLES)
def test_reverse_exchanges_the_embedded_pairs(name: str) -> None:
    there, back = load(name, split="test"), load(name, split="test", reverse=True)
    assert np.array_equal(there.columns["source"], back.columns["target"])
    assert np.array_equal(there.columns["target"], back.columns["source"])
    assert there.spec.fingerprint != back.spec.fingerprint, "a run must not go on in the other direction"


def test_the_embedded_photographs_are_what_their_card_says() -> None:
    card = CARDS["emoji-photos"]
    assert card.subsets == ("emoji", "photos")
    names: set[str] = set()
    for split in card.splits:
        whole, photos = (load("emoji-photos", split=split, scale=4, subset=subset) for subset in ("", "photos"))
        assert {field.name for field in whole.spec.fields} == set(card.fields)
        assert (whole.spec.split, whole.spec.channels) == (split, card.channels)
        assert len(whole.pictures) == card.count or split == "test"
        assert [picture.name for picture in whole.pictures[-5:]] == [picture.name for picture in photos.pictures]
        emoji = whole.pictures[:-5]
        assert {(picture.height, picture.width) for picture in emoji} == {(256, 256)}
        assert names.isdisjoint(picture.name for picture in emoji), "no emoji is in both splits"
        names |= {picture.name for picture in emoji}
    assert len(names) == 640


# ------------------------------------------------------------------------------------------------- a server and a cache


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; answers `Range`; breaks off where the test wants it."""

    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.server.root / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        wanted = self.headers.get("Range", "")
        self.server.asked.append((path.name, wanted))
        start = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = self.server.breaks.pop() if self.server.breaks else len(content)
        self.wfile.write(content[start:end])


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path, cache: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.cache = root, cache
        self.asked: list[tuple[str, str]] = []
        """Name and Range header of every request."""
        self.breaks: list[int] = []
        """At which byte of the file the connection breaks, one a request."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    def serve(self, name: str, content: bytes) -> Archive:
        (self.root / name).write_bytes(content)
        return Archive(size=len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    root = tmp_path / "server"
    root.mkdir()
    running = Server(root, tmp_path / "cache")
    address = f"http://127.0.0.1:{running.server_port}/"
    monkeypatch.setenv("GANZOO_CACHE", str(running.cache))
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(translation_sets, "UNPAIRED", address)
    monkeypatch.setattr(translation_sets, "PAIRED", address)
    monkeypatch.setattr(large_sets, "DIV2K", address)
    monkeypatch.setattr(large_sets, "BSDS", f"{address}BSDS300-images.tgz")
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def picture(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=95)
    return buffer.getvalue()


def plain(channel: int, value: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    """A picture of one colour."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., channel] = value
    return pixels


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def zip_of(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for name, content in members.items():
            container.writestr(name, content)
    return buffer.getvalue()


def tar_of(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def one_line(caught: pytest.ExceptionInfo[UserError]) -> str:
    (line,) = caught.value.lines
    return line


# ------------------------------------------------------------------------------------------------------------ unpaired

COUNTS = {"trainA": 4, "trainB": 7, "testA": 2, "testB": 3}


def serve_unpaired(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> bytes:
    """A set whose domain a is red and b blue, darker in train than in test."""
    members = {
        f"{name}/{folder}/{side}_{i}.jpg": picture(
            plain(RED if side == "A" else BLUE, (50 if folder.startswith("train") else 200) + i), "JPEG"
        )
        for folder, count in COUNTS.items()
        for side in folder[-1]
        for i in range(count)
    }
    content = zip_of(members)
    monkeypatch.setitem(ARCHIVES, f"{name}.zip", server.serve(f"{name}.zip", content))  # type: ignore[misc]
    return content


@pytest.mark.parametrize("name", UNPAIRED)
def test_an_unpaired_set_is_downloaded_and_read(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    serve_unpaired(server, monkeypatch, name)
    for split, value in (("train", 50), ("test", 200)):
        data = load(name, split=split)
        assert (data.spec.name, data.spec.split, data.spec.size) == (name, split, 32)
        assert [data.spec.field(side).rows for side in "ab"] == [COUNTS[f"{split}{side}"] for side in "AB"]
        assert not data.spec.aligned
        for side, channel in (("a", RED), ("b", BLUE)):
            pictures = data.column(side, range(data.spec.field(side).rows))
            brightest = pictures.reshape(*pictures.shape[:2], -1).mean(2)
            assert brightest.argmax(1).tolist() == [channel] * len(pictures)
            assert np.allclose(brightest[:, channel], value + np.arange(len(pictures)), atol=3)


def test_an_unpaired_set_is_downloaded_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_unpaired(server, monkeypatch, "horse2zebra")
    first = load("horse2zebra")
    again = load("horse2zebra", download=False)
    load("horse2zebra", split="test", size=16)
    assert server.asked == [("horse2zebra.zip", "")]
    assert again.spec == first.spec
    assert [path.name for path in (server.cache / "horse2zebra").iterdir() if path.is_dir()] == ["horse2zebra"]
    assert not (server.cache / "horse2zebra" / "horse2zebra.zip").exists(), "the pictures are enough"


def test_a_download_that_broke_off_goes_on_where_it_was(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = serve_unpaired(server, monkeypatch, "horse2zebra")
    server.breaks = [len(content) // 2]
    assert len(load("horse2zebra")) == COUNTS["trainB"]
    assert server.asked == [("horse2zebra.zip", ""), ("horse2zebra.zip", f"bytes={len(content) // 2}-")]


def test_another_file_than_the_published_one_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = serve_unpaired(server, monkeypatch, "horse2zebra")
    server.serve("horse2zebra.zip", content[:-1] + b"x")
    with pytest.raises(UserError) as caught:
        load("horse2zebra")
    assert re.search(r"cannot download .*horse2zebra.zip: .*not the expected one \(sha256 ", one_line(caught))
    assert not (server.cache / "horse2zebra" / "horse2zebra").exists()


@pytest.mark.parametrize("name", [name for name in ARCHIVES if name.endswith(".zip")])
def test_lengths_and_sums_are_those_of_whole_archives(name: str) -> None:
    known = ARCHIVES[name]
    assert known.size is not None
    assert re.fullmatch("[0-9a-f]{64}", known.sha256 or "")
    card = CARDS[name.removesuffix(".zip")]
    assert card.download == f"{round(known.size / 1e6)} MB"


# -------------------------------------------------------------------------------------------------------------- paired

SPLITS = {
    "facades": {"train": "train", "val": "val", "test": "test"},
    "maps": {"train": "train", "test": "val"},
    "edges2shoes": {"train": "train", "test": "val"},
    "edges2handbags": {"train": "train", "test": "val"},
}
"""Which folder of the archive is which split."""
VALUES = {"train": 50, "val": 100, "test": 150}


def serve_paired(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> bytes:
    """A set of files that are red on the left and blue on the right."""
    members = {}
    for folder in set(SPLITS[name].values()):
        for i in range(3):
            both = np.concatenate([plain(RED, VALUES[folder] + i), plain(BLUE, VALUES[folder] + i)], axis=1)
            members[f"{name}/{folder}/{i + 1}.jpg"] = picture(both, "JPEG")
    content = tar_of(members)
    server.serve(f"{name}.tar.gz", content)
    monkeypatch.setitem(ARCHIVES, f"{name}.tar.gz", Archive(size=len(content)))  # type: ignore[misc]
    return content


def colours(pictures: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The channel of each picture's colour and its value to the nearest ten."""
    means = pictures[:, :, 4:-4, 4:-4].mean((2, 3))
    return [(int(mean.argmax()), round(mean.max() / 10) * 10) for mean in means]


@pytest.mark.parametrize("name", PAIRED)
def test_a_paired_set_goes_the_way_that_its_paper_trains(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    serve_paired(server, monkeypatch, name)
    assert tuple(SPLITS[name]) == CARDS[name].splits
    left, right = ("target", "source") if name == "facades" else ("source", "target")
    for split, folder in SPLITS[name].items():
        data = load(name, split=split)
        assert (data.spec.name, data.spec.split, data.spec.size, len(data)) == (name, split, 32, 3)
        row = data.read([0, 2])
        assert colours(row[left]) == [(RED, VALUES[folder])] * 2
        assert colours(row[right]) == [(BLUE, VALUES[folder])] * 2
    assert server.asked == [(f"{name}.tar.gz", "")]


@pytest.mark.parametrize("name", ["facades", "maps"])
def test_reverse_exchanges_source_and_target(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    serve_paired(server, monkeypatch, name)
    for split in CARDS[name].splits:
        there, back = load(name, split=split).read([1]), load(name, split=split, reverse=True).read([1])
        assert np.array_equal(there["source"], back["target"])
        assert np.array_equal(there["target"], back["source"])


def test_a_damaged_archive_without_a_published_sum_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(serve_paired(server, monkeypatch, "edges2shoes"))
    content[len(content) // 2] ^= 1
    server.serve("edges2shoes.tar.gz", bytes(content))
    with pytest.raises(UserError) as caught:
        load("edges2shoes")
    archive = server.cache / "edges2shoes" / "edges2shoes.tar.gz"
    assert re.search(rf"^{archive} cannot be unpacked \(.*\): delete it and run again$", one_line(caught))
    assert not (server.cache / "edges2shoes" / "edges2shoes").exists()
    archive.unlink()
    serve_paired(server, monkeypatch, "edges2shoes")
    assert len(load("edges2shoes")) == 3


def test_an_archive_of_another_length_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = serve_paired(server, monkeypatch, "maps")
    server.serve("maps.tar.gz", content + b"more")
    with pytest.raises(UserError, match=f"the file there has {len(content) + 4:,} bytes, expected {len(content):,}"):
        load("maps")


def test_one_wrong_bit_anywhere_in_a_compressed_tar_is_found(tmp_path: Path) -> None:
    content = tar_of({f"set/{i}.bin": noise(20, 30, i).tobytes() for i in range(8)})
    archive = tmp_path / "set.tar.gz"
    for place in range(100, len(content) - 8, 997):  # noise does not compress: most of it is bytes as they are
        archive.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(UserError, match="cannot be unpacked"):
            unpack(archive, tmp_path / "set", inner="set")
    assert not (tmp_path / "set").exists()


# ------------------------------------------------------------------------------------------------------ large pictures


def serve_div2k(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[np.uint8]]:
    """Two pictures to train on, one to test; returns them by name."""
    pixels = {"0001": noise(130, 200), "0002": noise(97, 101, seed=1), "0801": noise(96, 160, seed=2)}
    archives = {}
    for split, stem, names in (
        ("train", "DIV2K_train_HR", ("0001", "0002")),
        ("test", "DIV2K_valid_HR", ("0801",)),
    ):
        content = zip_of({f"{stem}/{name}.png": picture(pixels[name]) for name in names})
        archives[split] = (stem, server.serve(f"{stem}.zip", content))
    monkeypatch.setattr(large_sets, "DIV2K_ARCHIVES", archives)
    return pixels


def test_div2k_is_cut_into_patches_of_which_only_the_split_asked_for_is_fetched(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = serve_div2k(server, monkeypatch)
    train = load("div2k", split="train", size=48, scale=4)
    assert (train.spec.name, train.spec.split, len(train)) == ("div2k", "train", 2 * 4 + 2 * 2)
    assert server.asked == [("DIV2K_train_HR.zip", "")]
    row = train.read([0, 8])
    for place, name in enumerate(("0001", "0002")):
        assert np.array_equal(row["high"][place], pixels[name][:48, :48].transpose(2, 0, 1))
    assert row["low"].shape == (2, 3, 12, 12)
    test = load("div2k", split="test", size=0, scale=2)
    assert (test.spec.name, test.spec.split, test.spec.size) == ("div2k", "test", 64)
    assert server.asked[1:] == [("DIV2K_valid_HR.zip", "")]
    assert load("div2k", split="train", size=48, scale=4, download=False).spec == train.spec


@pytest.mark.parametrize("name", ["set5", "set14", "urban100"])
def test_a_set_by_hand_says_in_one_line_what_goes_where(server: Server, name: str) -> None:
    with pytest.raises(UserError) as caught:
        load(name, size=32, scale=4)
    line = one_line(caught)
    assert f"put its {CARDS[name].count} large pictures" in line
    assert line.endswith(f"into the folder {server.cache / name}")
    assert not server.cache.exists()


def put_by_hand(server: Server, name: str, count: int) -> list[NDArray[np.uint8]]:
    folder = server.cache / name
    folder.mkdir(parents=True)
    pictures = [noise(66 + i, 81, seed=i) for i in range(count)]
    for i, pixels in enumerate(pictures):
        (folder / f"{i + 1}.png").write_bytes(picture(pixels))
    return pictures


@pytest.mark.parametrize("name", ["set5", "set14", "bsd100"])
def test_a_benchmark_gives_whole_pictures_and_their_reductions(server: Server, name: str) -> None:
    pictures = put_by_hand(server, name, CARDS[name].count)
    data = load(name, size=32, scale=4)
    assert isinstance(data, Patches)
    assert (data.spec.name, data.spec.split) == (name, "test")
    assert len(data.pictures) == CARDS[name].count
    for number, pixels in enumerate(pictures):
        high, low = data.whole(number)
        height, width = (extent // 4 * 4 for extent in pixels.shape[:2])
        assert np.array_equal(high, pixels[:height, :width].transpose(2, 0, 1))
        assert np.array_equal(low, reduced(high, 4))
        assert low.shape == (3, height // 4, width // 4)


def test_a_benchmark_with_a_picture_too_many_or_too_few_is_refused(server: Server) -> None:
    put_by_hand(server, "set5", 6)
    with pytest.raises(UserError, match=f"^set5: {server.cache / 'set5'} holds 6 pictures, expected 5") as caught:
        load("set5", size=32, scale=4)
    assert one_line(caught)
    for i in (5, 6):
        (server.cache / "set5" / f"{i}.png").unlink()
    with pytest.raises(UserError, match="holds 4 pictures, expected 5"):
        load("set5", size=32, scale=4)


def test_a_benchmark_is_measured_as_a_whole_or_not_at_all(server: Server) -> None:
    put_by_hand(server, "set5", 5)
    with pytest.raises(UserError, match=r"2 of its 5 pictures .* 1.png, 2.png"):
        load("set5", size=68, scale=4)
    (server.cache / "set5" / "3.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 of its 5 pictures .* 3.png"):
        load("set5", size=32, scale=4)


def test_bsd100_is_the_test_folder_of_the_segmentation_dataset(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"BSDS300/images/test/{1000 + i}.jpg": picture(noise(33, 49, seed=i), "JPEG") for i in range(100)}
    members |= {f"BSDS300/images/train/{i}.jpg": picture(plain(RED, 100), "JPEG") for i in range(3)}
    server.serve("BSDS300-images.tgz", tar_of({**members, "BSDS300/iids_test.txt": b"1000\n"}))
    data = load("bsd100", size=16, scale=2)
    assert [picture.name for picture in data.pictures][:2] == ["1000.jpg", "1001.jpg"]
    assert len(data) == 100 * 2 * 3
    assert load("bsd100", size=16, scale=2, download=False).spec == data.spec


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_not_trained_on(server: Server, name: str) -> None:
    with pytest.raises(UserError) as caught:
        load(name, split="train", size=32, scale=4)
    assert one_line(caught).startswith(f"{name} is there to measure on and has nothing to train on")


def test_training_on_a_benchmark_is_one_line_on_the_terminal(here: Call, cwd: Path) -> None:
    answer = here("train", "srgan", "--data", "set5")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("ganzoo: set5 is there to measure on and has nothing to train on")
    assert list(cwd.iterdir()) == [], "no run was begun"


def test_what_a_benchmark_holds_out_is_found_by_a_job(server: Server) -> None:
    put_by_hand(server, "set5", 5)
    registry = get_registry()
    job = training.plan_job(registry, "srgan", "set5", None, {"size": 32})
    held = training.open_held_out(registry, job)
    assert held is not None
    assert (held.spec.name, held.spec.split) == ("set5", "test")


# ----------------------------------------------------------------------------------------------- all of them together

ADDRESSES = {
    **dict.fromkeys(UNPAIRED, (translation_sets, "UNPAIRED")),
    **dict.fromkeys(PAIRED, (translation_sets, "PAIRED")),
    "div2k": (large_sets, "DIV2K"),
    "bsd100": (large_sets, "BSDS"),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_without_a_network_one_line_says_what_to_do(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module, attribute = ADDRESSES[name]
    monkeypatch.setattr(module, attribute, "http://127.0.0.1:9/x.tgz" if attribute == "BSDS" else "http://127.0.0.1:9/")
    with pytest.raises(UserError) as caught:
        load(name)
    assert one_line(caught).startswith("cannot download http://127.0.0.1:9/")
    assert f"or put the file at {server.cache}" in one_line(caught)


@pytest.mark.parametrize("name", [*UNPAIRED, *PAIRED, "div2k", *BENCHMARKS])
def test_mistakes_in_a_request_are_named_before_anything_is_fetched(server: Server, name: str) -> None:
    fields = ", ".join(CARDS[name].fields)
    with pytest.raises(UserError) as caught:
        load(name, split="extra", fields=("image",), channels=2)
    assert [re.split(r";| \(did", line)[0] for line in caught.value.lines] == [
        f"{name} has no split 'extra'",
        f"{name} has no field 'image'",
        f"{name}: 2 channels cannot be",
    ]
    assert fields in caught.value.lines[1]
    with pytest.raises(UserError, match=f"{name} has no subsets here"):
        load(name, subset="part")
    assert server.asked == []


def test_data_list_shows_them(here: Call) -> None:
    listed = {card["name"]: card for card in json.loads(here("data", "list", "--json").out)}
    for name in (*UNPAIRED, *PAIRED, "div2k", *BENCHMARKS, *STYLES, "emoji-photos"):
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in listed[name].items()}
        assert Dataset(**values) == CARDS[name]
