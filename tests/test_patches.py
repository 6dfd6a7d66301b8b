"""Large pictures become patches with their reductions: from memory or from files, anywhere in the picture."""

from __future__ import annotations

import multiprocessing
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ganzoo.data.base import Columns, Data, DataRequest, Held
from ganzoo.data.degrade import reduced
from ganzoo.data.patches import Patches, patch_size
from ganzoo.data.sources import open_path
from ganzoo.data.store import Skipped
from ganzoo.data.whole import PictureRows, materialise
from ganzoo.errors import GanzooWarning, RunError, UserError

FIELDS = ("low", "high")
Pixels = NDArray[np.uint8]


def noise(seed: int, height: int, width: int, channels: int = 3) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (channels, height, width), dtype=np.uint8)


@dataclass(frozen=True)
class Drawn:
    """A picture in memory."""

    name: str
    content: Pixels

    @property
    def height(self) -> int:
        return self.content.shape[1]

    @property
    def width(self) -> int:
        return self.content.shape[2]

    def pixels(self, channels: int) -> Pixels:
        return self.content[:channels]


def patches(*contents: Pixels, size: int = 16, scale: int = 4, channels: int = 3) -> Patches:
    pictures = [Drawn(f"picture {i}", content) for i, content in enumerate(contents)]
    request = DataRequest(fields=FIELDS, size=size, scale=scale)
    return Patches("drawn", pictures, request, channels=channels, fingerprint="")


def save(path: Path, pixels: Pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) > 1 else pixels[0]).save(path)
    return path


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def opened(path: Path, size: int | None = 16, scale: int = 4, **options: Any) -> Patches:
    data = open_path(path, DataRequest(fields=FIELDS, size=size, scale=scale, **options))
    assert isinstance(data, Patches)
    return data


def anywhere(data: Patches, count: int, seed: int = 0) -> list[int]:
    """Indices of patches from random places, as training asks for them."""
    generator = np.random.default_rng(seed)
    places = generator.integers(1, data.spec.places, count, endpoint=True).tolist()
    return [row + len(data) * place for row, place in zip(generator.integers(0, len(data), count), places, strict=True)]


def found_at(high: Pixels, whole: Pixels) -> list[tuple[int, int]]:
    """Where in a picture a patch is."""
    windows = np.lib.stride_tricks.sliding_window_view(whole, high.shape)[0]
    return [tuple(at) for at in np.argwhere((windows == high).all((-1, -2, -3))).tolist()]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# Places


def test_the_rows_are_a_grid_from_the_top_left_of_each_picture() -> None:
    first, second = noise(0, 50, 37), noise(1, 16, 16)
    data = patches(first, second)
    assert len(data) == data.spec.count == 3 * 2 + 1
    rows = data.read(range(7))
    assert rows["high"].shape == (7, 3, 16, 16)
    assert rows["low"].shape == (7, 3, 4, 4)
    corners = [found_at(high, first) for high in rows["high"][:6]]
    assert corners == [[(top, left)] for top in (0, 16, 32) for left in (0, 16)]
    assert (rows["high"][6] == second).all()


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(("scale", "size"), [(1, 16), (2, 16), (3, 15), (4, 16), (8, 16)])
def test_the_low_of_a_patch_is_that_part_of_the_low_of_the_whole(scale: int, size: int, held: bool) -> None:
    pictures = [noise(0, 16 * scale + 3, 21 * scale + 1), noise(1, 40, 33) // 128 * 255]
    data = patches(*pictures, size=size, scale=scale)
    if held:
        data.hold()
    cut = [whole[:, : whole.shape[1] // scale * scale, : whole.shape[2] // scale * scale] for whole in pictures]
    small = [reduced(whole, scale) for whole in cut]
    indices = [*range(len(data)), *anywhere(data, 200)]
    rows = data.read(indices)
    for index, high, low in zip(indices, rows["high"], rows["low"], strict=True):
        place = data._place(index)
        assert place.top % scale == place.left % scale == 0
        assert (high == part(cut[place.picture], place.top, place.left, size)).all()
        down, right = place.top // scale, place.left // scale
        assert (low == part(small[place.picture], down, right, size // scale)).all()


def part(whole: Pixels, top: int, left: int, size: int) -> Pixels:
    return whole[:, top : top + size, left : left + size]


def test_every_place_is_reached() -> None:
    whole = noise(0, 24, 28)
    data = patches(whole)
    seen = {found_at(high, whole)[0] for high in data.read(anywhere(data, 300))["high"]}
    assert seen == {(top, left) for top in (0, 4, 8) for left in (0, 4, 8, 12)}


def test_a_patch_is_from_the_picture_of_its_row() -> None:
    pictures = [np.full((3, 40, 60), level, np.uint8) for level in (10, 20, 30)]
    data = patches(*pictures)
    rows = data.read([row + len(data) * 12345 for row in range(len(data))])
    levels = rows["high"][:, 0, 0, 0].tolist()
    assert levels == [10] * 6 + [20] * 6 + [30] * 6


def test_what_is_read_depends_on_the_index_alone() -> None:
    data = patches(noise(0, 50, 37), noise(1, 70, 40))
    indices = [*anywhere(data, 20), *range(len(data)), 3, 3]
    together = data.read(indices)
    alone = [data.read([index]) for index in reversed(indices)][::-1]
    assert same(together, {name: np.concatenate([row[name] for row in alone]) for name in FIELDS})
    again = patches(noise(0, 50, 37), noise(1, 70, 40))
    again.hold()
    assert same(together, again.read(indices))
    assert same({name: together[name][5] for name in FIELDS}, data.row(indices[5]))


def test_whole_pictures_are_cut_down_to_multiples_of_the_scale() -> None:
    picture = noise(0, 51, 38)
    data = patches(picture)
    for _ in range(2):
        high, low = data.whole(0)
        assert (high == picture[:, :48, :36]).all()
        assert (low == reduced(picture[:, :48, :36], 4)).all()
        data.hold()


def test_patches_of_one_colour_are_left_out_where_asked() -> None:
    picture = noise(0, 32, 48)
    picture[:, :16, 16:32] = 200
    picture[:, 16:, :16] = np.array([1, 2, 3])[:, None, None]
    data = patches(picture).without_blank()
    assert len(data) == data.spec.count == 4
    assert [found_at(high, picture)[0] for high in data.read(range(4))["high"]] == [(0, 0), (0, 32), (16, 16), (16, 32)]
    flat = patches(np.full((3, 32, 32), 7, np.uint8))
    assert len(flat) == 4, "they count unless somebody asks"


# Sizes


@pytest.mark.parametrize(
    ("sizes", "expected"), [((), 64), ((32, 64, 128), 64), ((32, 48), 48), ((128, 256), 128), ((96,), 96)]
)
def test_the_size_of_a_patch_when_nobody_said_one(sizes: Sequence[int], expected: int) -> None:
    assert patch_size(sizes) == expected


def test_the_size_of_a_patch_is_a_multiple_of_the_scale() -> None:
    with pytest.raises(UserError, match=r"size: 18 is not a multiple of scale=4; add --set size=16"):
        patches(noise(0, 40, 40), size=18)


def test_the_set_says_what_it_is() -> None:
    data = patches(noise(0, 40, 40, 1), noise(1, 17, 90, 1), channels=1)
    high, low = data.spec.fields
    assert (high.name, high.size, high.channels) == ("high", 16, 1)
    assert (low.name, low.size, low.channels) == ("low", 4, 1)
    assert data.spec.image is high
    assert data.nbytes == 40 * 40 + 17 * 90 + (40 * 40 + 17 * 90) // 16
    assert isinstance(data, Held)
    assert isinstance(data, PictureRows)
    assert not isinstance(data, Columns)
    as_data: Data = data
    assert len(as_data) == data.spec.count


def test_holding_takes_the_bytes_that_were_announced() -> None:
    data = patches(*(noise(i, 64, 48) for i in range(3)))
    data.hold()
    assert data._held is not None
    assert data._small is not None
    assert sum(pixels.nbytes for pixels in (*data._held, *data._small)) == data.nbytes


# Files


def test_a_folder_of_large_pictures_of_any_shape_is_read(tmp_path: Path) -> None:
    wide, tall = noise(0, 40, 90), noise(1, 70, 33)
    save(tmp_path / "photos" / "a.png", wide)
    save(tmp_path / "more" / "deep" / "b.png", tall)
    data = opened(tmp_path)
    assert (data.spec.name, data.spec.split) == (tmp_path.name, "train")
    assert [(picture.name, picture.height, picture.width) for picture in data.pictures] == [
        ("more/deep/b.png", 70, 33),
        ("photos/a.png", 40, 90),
    ]
    assert same(data.read(range(len(data))), patches(tall, wide).read(range(len(data))))
    assert data.skipped == []


def test_a_zip_of_large_pictures_is_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for i in range(3):
        save(folder / "train" / f"{i}.png", noise(i, 30 + i, 40))
        save(folder / "test" / f"{i}.png", noise(i + 10, 32, 32))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(tmp_path))
    for split, count in (("train", 8), ("test", 12)):
        loose, packed = opened(folder, split=split), opened(tmp_path / "set.zip", split=split)
        assert len(loose) == len(packed) == count
        rows = [*range(count), *anywhere(loose, 9)]
        assert same(loose.read(rows), packed.read(rows))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert same(loose.read(rows), pool.apply(packed.read, (rows,)))


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    save(tmp_path / "1.png", noise(0, 32, 32))
    first = opened(tmp_path).spec.fingerprint
    assert first == opened(tmp_path).spec.fingerprint != ""
    save(tmp_path / "2.png", noise(1, 32, 32))
    assert opened(tmp_path).spec.fingerprint != first


def test_grey_pictures_have_one_channel_and_alpha_is_put_on_white(tmp_path: Path) -> None:
    save(tmp_path / "1.png", noise(0, 32, 32, 1))
    assert opened(tmp_path).spec.channels == 1
    assert opened(tmp_path, channels=3).spec.channels == 3
    clear = np.zeros((32, 32, 4), np.uint8)
    Image.fromarray(clear, "RGBA").save(tmp_path / "2.png")
    data = opened(tmp_path)
    assert data.spec.channels == 3
    rows = data.read([4, 5])
    assert (rows["high"] == 255).all()
    assert (rows["low"] == 255).all()


def test_pictures_smaller_than_a_patch_are_left_out_and_named(tmp_path: Path) -> None:
    save(tmp_path / "large.png", noise(0, 32, 32))
    save(tmp_path / "low.png", noise(1, 15, 400))
    save(tmp_path / "thin.png", noise(2, 400, 15))
    (tmp_path / "page.png").write_bytes(b"<html>")
    data = opened(tmp_path)
    assert len(data) == 4
    assert data.skipped == [
        Skipped("page.png", "not a picture of a known format"),
        Skipped("low.png", "smaller than a patch of 16 x 16 pixels"),
        Skipped("thin.png", "smaller than a patch of 16 x 16 pixels"),
    ]


def test_a_set_without_one_picture_as_large_as_a_patch_says_what_size_would_do(tmp_path: Path) -> None:
    save(tmp_path / "1.png", noise(0, 50, 90))
    save(tmp_path / "2.png", noise(1, 20, 20))
    with pytest.raises(UserError) as caught:
        opened(tmp_path, size=None)
    assert str(caught.value) == (
        f"{tmp_path}: none of its 2 pictures has the 64 x 64 pixels of a patch (the largest has 50); add --set size=48"
    )
    assert len(opened(tmp_path, size=48)) == 1
    with pytest.raises(UserError, match="larger ones are needed"):
        opened(tmp_path, size=256, scale=64)


def test_pictures_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"<html>")
    with pytest.raises(UserError, match="none of its 1 pictures can be used"):
        opened(tmp_path)
    with pytest.raises(UserError, match="has no test split"):
        opened(tmp_path, split="test")
    (tmp_path / "page.png").unlink()
    with pytest.raises(UserError, match="no pictures found"):
        opened(tmp_path)


def three(folder: Path) -> list[Pixels]:
    """Three good pictures and, second of them all, one whose pixels are cut off."""
    pictures = [noise(i, 32 + i, 48) for i in range(3)]
    for name, pixels in zip(("0", "2", "3"), pictures, strict=True):
        save(folder / f"{name}.png", pixels)
    truncate(save(folder / "1.png", noise(9, 48, 48)))
    return pictures


def test_a_broken_picture_leaves_a_set_that_is_held(tmp_path: Path) -> None:
    pictures = three(tmp_path)
    data = opened(tmp_path)
    assert len(data) == 6 + 9 + 6 + 6
    data.hold()
    assert len(data) == data.spec.count == 18
    assert data.skipped == [Skipped("1.png", "truncated")]
    rows = [*range(18), *anywhere(data, 30)]
    assert same(data.read(rows), patches(*pictures).read(rows))
    data.hold()
    assert len(data) == 18


def test_the_next_good_picture_stands_in_for_a_broken_one_that_is_streamed(tmp_path: Path) -> None:
    three(tmp_path)
    data = opened(tmp_path)
    broken, next_good = range(6, 15), 15
    with pytest.warns(GanzooWarning, match=r"1\.png cannot be decoded \(truncated\)") as caught:
        rows = data.read([0, *broken, next_good])
    assert len(caught) == 1
    assert data.skipped == [Skipped("1.png", "truncated")]
    assert (rows["high"][1:] == rows["high"][-1]).all()
    assert not (rows["high"][0] == rows["high"][-1]).all()
    place = 1000 * len(data)
    assert same(data.read([7 + place]), data.read([next_good + place])), "at the same of its places"
    assert same(opened(tmp_path).read([0, next_good]), data.read([0, 7]))


def test_a_set_that_cannot_be_decoded_any_more_is_one_line(tmp_path: Path) -> None:
    truncate(save(tmp_path / "1.png", noise(0, 32, 32)))
    with pytest.raises(UserError, match="none of its pictures can be decoded"):
        opened(tmp_path).hold()
    data = opened(tmp_path)
    with pytest.warns(GanzooWarning), pytest.raises(RunError, match="none of its 1 pictures can be decoded any more"):
        data.read([0])


def test_a_file_that_is_exchanged_for_a_smaller_one_is_broken(tmp_path: Path) -> None:
    save(tmp_path / "1.png", noise(0, 32, 48))
    save(tmp_path / "2.png", noise(1, 32, 48))
    data = opened(tmp_path)
    save(tmp_path / "1.png", noise(0, 16, 16))
    data.hold()
    assert data.skipped == [Skipped("1.png", "48 x 32 pixels announced, 16 x 16 found")]
    assert len(data) == 6


def test_patches_of_files_are_materialised_without_the_broken_ones(tmp_path: Path) -> None:
    pictures = three(tmp_path)
    data = opened(tmp_path)
    whole = materialise(data)
    assert same(whole.columns, patches(*pictures).read(range(18)))
    assert [item.name for item in data.skipped] == ["1.png"]
