"""The data inside the package: whole, licensed, balanced, aligned between styles, and split without leaks."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from ganzoo_data import embedded

SOURCES = json.loads((embedded.FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]
PEOPLE = {"man", "woman", "men", "women", "person", "people", "boy", "girl", "and"}


@pytest.fixture(scope="module")
def styles() -> dict[str, np.ndarray]:
    return {style: embedded.emoji(style, "all")[0] for style in embedded.EMOJI_STYLES}


def mask(images: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) on white to (N, H * W) bool: where something is drawn."""
    return (images.min(axis=1) < 240).reshape(len(images), -1)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a & b).sum(1) / np.maximum(1, (a | b).sum(1))


# ------------------------------------------------------------------------------------------------------- the files


def test_every_file_is_the_one_that_was_recorded() -> None:
    for name, record in SOURCES.items():
        content = (embedded.FILES / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"], name
        assert len(content) == record["bytes"], name


def test_every_file_has_a_source_and_a_licence_text() -> None:
    for name, record in SOURCES.items():
        assert record["license"], name
        assert (embedded.FILES / record["license_file"]).stat().st_size > 100, name
        for source in record["made_from"]:
            assert source["package"], name
            assert source["version"], name
            assert len(source["archive_sha256"]) == 64, name


def test_no_file_is_unrecorded_and_no_licence_is_idle() -> None:
    texts = {record["license_file"] for record in SOURCES.values()}
    assert {path.name for path in embedded.FILES.iterdir()} == set(SOURCES) | texts | {"SOURCES.json"}


def test_licence_texts_name_the_holders() -> None:
    read = {path.name: path.read_text(encoding="utf-8") for path in embedded.FILES.glob("*.txt")}
    assert "2017 Zalando SE" in read["LICENSE-fashion-mnist.txt"]
    assert "Microsoft Corporation" in read["LICENSE-fluent-emoji.txt"]
    for name, _ in embedded.photos():
        assert f"{name}:" in read["CREDITS-photos.txt"]


def test_the_data_stay_small() -> None:
    assert sum(path.stat().st_size for path in embedded.FILES.iterdir()) <= 12_000_000


def test_constants_need_no_numpy_and_the_module_no_torch() -> None:
    # The file by itself: the package around it registers a plugin and may import more.
    path = str(embedded.FILES.parent)
    heavy = {"numpy", "PIL", "torch"}
    code = f"import sys; sys.path.insert(0, {path!r}); import embedded; assert not {heavy!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --------------------------------------------------------------------------------------------------- Fashion-MNIST


@pytest.mark.parametrize(("split", "per_class"), [("train", 500), ("test", 100)])
def test_fashion_is_balanced_and_mixed(split: str, per_class: int) -> None:
    images, labels = embedded.fashion(split)
    assert images.shape == (10 * per_class, 1, 28, 28)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [per_class] * len(embedded.FASHION_CLASSES)
    assert len(set(labels[:64].tolist())) == 10
    assert images.min() == 0
    assert images.max() == 255


def test_fashion_splits_are_disjoint() -> None:
    seen = {image.tobytes() for image in embedded.fashion("train")[0]}
    assert not seen & {image.tobytes() for image in embedded.fashion("test")[0]}


def test_fashion_labels_belong_to_their_images() -> None:
    """The nearest class mean recognises about two thirds of real Fashion-MNIST; wrong labels would give a tenth."""
    images, labels = embedded.fashion("train")
    test_images, test_labels = embedded.fashion("test")
    means = np.stack([images[labels == c].mean(axis=0).ravel() for c in range(10)])
    distance = ((test_images.reshape(-1, 1, 784) - means[None]) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == test_labels).mean() > 0.6


# ----------------------------------------------------------------------------------------------------------- emoji


def test_three_styles_of_the_same_1545(styles: dict[str, np.ndarray]) -> None:
    for images in styles.values():
        assert images.shape == (1545, 3, 64, 64)
        assert images.dtype == np.uint8
    assert len(set(embedded.emoji_slugs("all"))) == 1545


def test_styles_share_order_and_geometry(styles: dict[str, np.ndarray]) -> None:
    flat, shaded, line = mask(styles["flat"]), mask(styles["3d"]), mask(styles["line"])
    shifted = np.roll(shaded, 77, axis=0)
    assert overlap(flat, shaded).mean() > 0.85
    assert overlap(flat, shifted).mean() < 0.6
    both, other = (line & flat).sum(1) / line.sum(1), (line & shifted).sum(1) / line.sum(1)
    assert both.mean() > other.mean() + 0.1


def test_no_picture_occurs_twice_in_a_style(styles: dict[str, np.ndarray]) -> None:
    for images in styles.values():
        assert len({image.tobytes() for image in images}) == len(images)


def test_drawings_are_dark_or_coloured_on_white(styles: dict[str, np.ndarray]) -> None:
    for style, images in styles.items():
        corners = images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].min(axis=1)
        assert (corners == 255).mean() > 0.99, style
        assert (images.reshape(len(images), -1).min(axis=1) < 240).all(), style
    assert (styles["line"] == styles["line"][:, :1]).all()
    assert (styles["line"].reshape(1545, -1).min(axis=1) < 64).all()
    assert styles["flat"].std(axis=1).mean() > 10


@pytest.mark.parametrize("style", embedded.EMOJI_STYLES)
def test_32_pixels_are_the_mean_of_four(style: str, styles: dict[str, np.ndarray]) -> None:
    small, labels = embedded.emoji(style, "all", 32)
    mean = styles[style].reshape(1545, 3, 32, 2, 32, 2).astype(np.float64).mean(axis=(3, 5))
    assert np.array_equal(small, np.floor(mean + 0.5).astype(np.uint8))
    assert np.array_equal(labels, embedded.emoji(style, "all")[1])


def test_split_is_a_stratified_tenth() -> None:
    train, test = embedded.emoji_slugs("train"), embedded.emoji_slugs("test")
    assert not set(train) & set(test)
    assert sorted(train + test) == embedded.emoji_slugs("all")
    everything, held = (np.bincount(embedded.emoji("line", split)[1], minlength=8) for split in ("all", "test"))
    assert everything.sum() == 1545
    assert len(everything) == len(embedded.EMOJI_CATEGORIES)
    assert (np.abs(held / everything - 0.1) < 0.02).all()


def test_variants_of_one_name_are_on_one_side_of_the_split() -> None:
    def families(split: str) -> set[str]:
        slugs = (slug for slug in embedded.emoji_slugs(split) if PEOPLE & set(slug.split("-")))
        return {"-".join(word for word in slug.split("-") if word not in PEOPLE) for slug in slugs} - {""}

    assert not families("train") & families("test")


@pytest.mark.parametrize("split", ["train", "test"])
def test_splits_select_from_all(split: str, styles: dict[str, np.ndarray]) -> None:
    slugs = embedded.emoji_slugs("all")
    rows = [slugs.index(slug) for slug in embedded.emoji_slugs(split)]
    images, labels = embedded.emoji("flat", split)
    assert np.array_equal(images, styles["flat"][rows])
    assert np.array_equal(labels, embedded.emoji("flat", "all")[1][rows])
    names = embedded.emoji_names("all")
    assert embedded.emoji_names(split) == [names[row] for row in rows]


def test_names_read_like_english_and_match_the_category() -> None:
    named = dict(zip(embedded.emoji_slugs("all"), embedded.emoji_names("all"), strict=True))
    assert named["face-blowing-a-kiss"] == "face blowing a kiss"
    assert named["twelve-oclock"] == "twelve o'clock"
    category = dict(zip(named, embedded.emoji("flat", "all")[1], strict=True))
    expected = {"face-blowing-a-kiss": "smileys", "abacus": "objects", "banana": "food", "tiger-face": "animals"}
    assert {slug: embedded.EMOJI_CATEGORIES[category[slug]] for slug in expected} == expected


def test_no_flags_and_no_skin_tones() -> None:
    slugs = set(embedded.emoji_slugs("all"))
    assert not [slug for slug in slugs if slug.endswith(("-dark", "-medium", "-medium-light", "-medium-dark"))]
    assert not {"black-flag", "chequered-flag", "white-flag", "rainbow-flag"} & slugs


# ------------------------------------------------------------------------------------------- originals and photographs


def test_originals_are_256_pixels_even_over_categories_and_split_like_the_rest() -> None:
    train, test = embedded.emoji_originals("train"), embedded.emoji_originals("test")
    assert sorted(train + test) == embedded.emoji_originals("all")
    assert len(train + test) == SOURCES["emoji-3d-256.zip"]["images"]
    assert len(test) >= 100
    assert {slug for slug, _ in train} <= set(embedded.emoji_slugs("train"))
    assert {slug for slug, _ in test} <= set(embedded.emoji_slugs("test"))
    category = dict(zip(embedded.emoji_slugs("all"), embedded.emoji("line", "all")[1], strict=True))
    counts = np.bincount([category[slug] for slug, _ in train + test])
    assert counts.tolist() == [80] * len(embedded.EMOJI_CATEGORIES)
    for _, content in train + test:
        with Image.open(io.BytesIO(content)) as image:
            assert image.size == (256, 256)
            assert image.mode == "RGBA"


def test_originals_shrink_to_the_64_pixel_pictures(styles: dict[str, np.ndarray]) -> None:
    slugs = embedded.emoji_slugs("all")
    errors = []
    for slug, content in embedded.emoji_originals("all")[::10]:
        image = Image.open(io.BytesIO(content))
        white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        small = np.asarray(white.resize((64, 64), Image.Resampling.BICUBIC), dtype=np.float64).transpose(2, 0, 1)
        errors.append(np.abs(small - styles["3d"][slugs.index(slug)]).mean())
    assert max(errors) < 6


def test_photos_are_five_colour_photographs() -> None:
    photos = embedded.photos()
    assert [name for name, _ in photos] == ["astronaut", "chelsea", "coffee", "hubble_deep_field", "rocket"]
    for _, content in photos:
        with Image.open(io.BytesIO(content)) as image:
            assert image.mode == "RGB"
            assert min(image.size) >= 300


# ---------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: embedded.fashion("all"), "split is 'all', expected one of: train, test"),
        (lambda: embedded.emoji("oil", "train"), "style is 'oil', expected one of: line, flat, 3d"),
        (lambda: embedded.emoji("flat", "valid"), "split is 'valid', expected one of: train, test, all"),
        (lambda: embedded.emoji("flat", "train", 48), "size is 48, expected one of: 32, 64"),
    ],
)
def test_mistakes_name_what_was_expected(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
