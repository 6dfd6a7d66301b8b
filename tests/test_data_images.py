"""Every kind of picture file becomes the pixels that the rule in ganzoo.data.images says."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from ganzoo.data.images import MAX_PIXELS, BrokenPicture, decode, inspect, load


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand, for what Pillow reads and does not write (16-bit colour), and for lies."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def pixel(content: bytes, channels: int = 3) -> list[int]:
    return [int(level) for level in decode(content, size=1, channels=channels)[:, 0, 0]]


def noise(width: int, height: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def one(mode: str, value: Any) -> Image.Image:
    return Image.new(mode, (1, 1), value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(one("1", 1)), [255, 255, 255]),
        (encoded(one("L", 77)), [77, 77, 77]),
        (encoded(one("RGB", (10, 20, 30))), [10, 20, 30]),
        (encoded(one("LA", (0, 255))), [0, 0, 0]),
        (encoded(one("LA", (0, 0))), [255, 255, 255]),
        (encoded(one("RGBA", (255, 0, 0, 128))), [255, 127, 127]),
        (encoded(one("RGBA", (255, 0, 0, 0))), [255, 255, 255]),
        (encoded(one("RGB", (9, 8, 7)), transparency=(9, 8, 7)), [255, 255, 255]),
        (encoded(one("L", 5), transparency=5), [255, 255, 255]),
        (encoded(one("CMYK", (0, 255, 255, 0)), "TIFF"), [255, 0, 0]),
        (encoded(one("I;16", 65535)), [255, 255, 255]),
        (encoded(one("I;16", 300)), [1, 1, 1]),
        (encoded(one("I;16", 32896)), [128, 128, 128]),
        (encoded(one("I;16B", 32896), "TIFF"), [128, 128, 128]),
        (encoded(one("I", 65535), "TIFF"), [255, 255, 255]),
        (encoded(one("I", 257 * 9), "TIFF"), [9, 9, 9]),
        (encoded(one("F", 0.2), "TIFF"), [51, 51, 51]),
        (encoded(one("F", float("nan")), "TIFF"), [0, 0, 0]),
        (b"P5 1 1 65535\n" + struct.pack(">H", 32896), [128, 128, 128]),
        (b"P6 1 1 65535\n" + struct.pack(">3H", 65535, 32896, 0), [255, 128, 0]),
        (png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 65535, 32896, 0)), [255, 128, 0]),
        (png(1, 1, 16, 4, b"\0" + struct.pack(">2H", 0, 0)), [255, 255, 255]),
        (png(1, 1, 16, 6, b"\0" + struct.pack(">4H", 65535, 0, 0, 65535)), [255, 0, 0]),
    ],
)
def test_every_mode_becomes_eight_opaque_bits(content: bytes, expected: list[int]) -> None:
    assert pixel(content) == expected


def test_lab_is_converted() -> None:
    assert max(pixel(encoded(one("LAB", (0, 128, 128)), "TIFF"))) <= 2


def test_palettes_with_and_without_a_transparent_colour() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 20, 5, 6, 7])
    image.putpixel((1, 0), 1)
    opaque = decode(encoded(image), size=2, channels=3, fit="pad")
    assert opaque[:, 0].T.tolist() == [[200, 10, 20], [5, 6, 7]]
    clear = decode(encoded(image, transparency=1), size=2, channels=3, fit="pad")
    assert clear[:, 0].T.tolist() == [[200, 10, 20], [255, 255, 255]]


def test_numbers_outside_the_range_of_their_kind_are_stretched() -> None:
    image = Image.fromarray(np.array([[-10.0, 0.0], [10.0, 30.0]], dtype=np.float32))
    assert decode(encoded(image, "TIFF"), size=2, channels=1)[0].tolist() == [[0, 64], [128, 255]]


def test_grey_is_luma_and_grey_becomes_three_equal_channels() -> None:
    assert pixel(encoded(one("RGB", (255, 0, 0))), channels=1) == [76]
    assert pixel(encoded(one("RGB", (0, 255, 0))), channels=1) == [150]
    assert pixel(encoded(one("L", 9)), channels=1) == [9]


@pytest.mark.parametrize("format", ["PNG", "BMP", "PPM", "TIFF"])
def test_a_picture_of_the_right_size_keeps_its_bits(format: str) -> None:
    pixels = noise(16, 16)
    result = decode(encoded(Image.fromarray(pixels), format), size=16, channels=3)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert (result == pixels.transpose(2, 0, 1)).all()


def test_crop_takes_the_middle_pad_adds_white_and_stretch_squeezes() -> None:
    wide = np.zeros((2, 6, 3), np.uint8)
    wide[:, 2:4] = 100
    content = encoded(Image.fromarray(wide))
    assert (decode(content, size=2, channels=3, fit="crop") == 100).all()
    padded = decode(content, size=6, channels=3, fit="pad")
    assert (padded[:, [0, 1, 4, 5]] == 255).all()
    assert (padded[:, 2:4] == wide.transpose(2, 0, 1)).all()
    assert decode(content, size=2, channels=3, fit="stretch").shape == (3, 2, 2)
    tall = encoded(Image.fromarray(np.ascontiguousarray(wide.transpose(1, 0, 2))))
    assert (decode(tall, size=2, channels=3, fit="crop") == 100).all()


def test_extreme_shapes_survive_every_fit() -> None:
    content = encoded(Image.new("L", (5000, 1), 7))
    assert (decode(content, size=8, channels=1, fit="crop") == 7).all()
    assert decode(content, size=8, channels=1, fit="pad")[0, :, 0].tolist().count(7) == 1


def test_downscaling_is_antialiased() -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = decode(encoded(Image.fromarray(board.astype(np.uint8))), size=8, channels=1)
    assert np.abs(small.astype(int) - 127).max() <= 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(format: str) -> None:
    if format == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    image = Image.new("RGB", (32, 16), "black")
    image.paste("white", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: left becomes top
    content = encoded(image, format, exif=exif)
    facts = inspect(content)
    assert (facts.width, facts.height) == (16, 32)
    shown = decode(content, size=32, channels=1, fit="stretch")[0]
    assert shown[:12].min() > 240
    assert shown[20:].max() < 15


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_exif_block_costs_only_the_orientation() -> None:
    content = encoded(Image.new("RGB", (8, 8), "white"), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff")
    assert (decode(content, size=8, channels=1) == 255).all()
    assert inspect(content).width == 8


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    formats = ["GIF", "PNG"] + (["WEBP"] if features.check("webp") else [])
    for format in formats:
        options = {"lossless": True} if format == "WEBP" else {}
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert inspect(content).frames == 3
        assert decode(content, size=4, channels=3)[:, 0, 0].tolist() == [255, 0, 0]


def test_the_header_tells_the_facts_without_the_pixels() -> None:
    content = encoded(Image.fromarray(noise(40, 30)))
    facts = inspect(content[: len(content) // 2])
    assert (facts.width, facts.height, facts.mode, facts.bits, facts.format) == (40, 30, "RGB", 8, "PNG")
    assert (facts.grey, facts.alpha, facts.frames, facts.square, facts.short) == (False, False, 1, False, 30)


@pytest.mark.parametrize(
    ("content", "bits", "grey", "alpha"),
    [
        (encoded(one("1", 0)), 1, True, False),
        (encoded(one("I;16", 0)), 16, True, False),
        (encoded(one("RGBA", (0, 0, 0, 0))), 8, False, True),
        (encoded(one("F", 0.0), "TIFF"), 32, True, False),
        (encoded(Image.new("P", (1, 1))), 8, True, False),
        (png(1, 1, 16, 2, b"\0" * 7), 16, False, False),
        (png(1, 1, 16, 4, b"\0" * 5), 16, True, True),
        (b"P6 1 1 65535\n" + b"\0" * 6, 16, False, False),
        (b"P5 1 1 65535\n" + b"\0" * 2, 16, True, False),
    ],
)
def test_bits_grey_and_alpha_of_the_header(content: bytes, bits: int, grey: bool, alpha: bool) -> None:
    facts = inspect(content)
    assert (facts.bits, facts.grey, facts.alpha) == (bits, grey, alpha)


def test_a_coloured_palette_is_not_grey() -> None:
    image = Image.new("P", (1, 1))
    image.putpalette([200, 10, 20])
    assert not inspect(encoded(image)).grey


def test_large_jpegs_are_decoded_at_reduced_scale_with_hardly_a_difference() -> None:
    ramp = np.linspace(0, 255, 1024)
    picture = np.stack([np.add.outer(ramp, ramp) / 2, np.tile(ramp, (1024, 1)), np.tile(ramp[:, None], 1024)], axis=2)
    content = encoded(Image.fromarray(picture.astype(np.uint8)), "JPEG", quality=95)
    assert load(content).width == 1024
    assert load(content, at_least=32).width == 128
    quick = decode(content, size=32, channels=3).astype(int)
    full = np.asarray(load(content).resize((32, 32), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert np.abs(quick - full).mean() < 1


@pytest.mark.parametrize("read", [inspect, lambda content, name: decode(content, size=8, channels=3, name=name)])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"hello, I am a text", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, ""),
        (png(60_000, 60_000, 8, 2, b"\0"), "megapixels"),
    ],
)
def test_what_is_no_picture_raises_one_exception_type(read: Callable[..., Any], content: bytes, reason: str) -> None:
    with pytest.raises(BrokenPicture) as caught:
        read(content, name="x.png")
    assert caught.value.name == "x.png"
    assert reason in caught.value.reason
    assert "0x" not in caught.value.reason


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_a_truncated_picture_is_broken_though_its_header_is_good(format: str) -> None:
    content = encoded(Image.fromarray(noise(64, 64)), format)
    cut = content[: len(content) * 2 // 3]
    if format != "TIFF":  # whose directory lies at the end
        assert inspect(cut).width == 64
    with pytest.raises(BrokenPicture):
        decode(cut, size=64, channels=3)


def test_the_pixel_limit_is_pillows_own() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MAX_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_a_stream_is_as_good_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(Image.fromarray(noise(8, 8))))
    with path.open("rb") as stream:
        streamed = decode(stream, size=4, channels=1)
    assert (streamed == decode(path.read_bytes(), size=4, channels=1)).all()
