"""From a file that somebody made to uint8 pixels a network can learn from: the one place where that rule is written.

A picture file goes through these steps, in this order:

1. *Read.* The formats of `FORMATS`, and only those, are tried (Pillow can also start Ghostscript for an EPS; nobody
   wants that of a file from the web). More than `MAX_PIXELS` are refused before anything is decoded. Of an animation
   the first frame counts. A JPEG whose short side is at least `2 * DRAFT_MARGIN` times as long as needed is decoded
   by libjpeg at 1/2, 1/4 or 1/8 scale, so that `DRAFT_MARGIN` times the needed length remain for the real filter:
   several times faster on photographs, and hardly a grey level away from the full decode.
2. *Upright.* The EXIF orientation is applied. Colour profiles are ignored, as in every published benchmark.
3. *Eight bits.* 16-bit grey is divided by 257 and rounded, so that 65535 becomes 255 (16-bit colour arrives from
   Pillow as its upper byte, at most one level off that). 32-bit integers are read as 16-bit numbers (that is how
   Pillow hands over a 16-bit PGM) and 32-bit floats as 0 = black, 1 = white; where a picture leaves that range, its own
   minimum becomes black and its own maximum white. What is not a number becomes black.
4. *Opaque.* Alpha, and the transparent colour of a palette, is composited on white.
5. *Grey or RGB.* Palette, CMYK, YCbCr and Lab become RGB. `channels=1` takes the luma (ITU-R 601: 0.299 R + 0.587 G
   + 0.114 B); `channels=3` repeats grey three times.
6. *Square.* `fit="crop"` takes the largest square from the middle (an odd pixel is left at the right or bottom),
   `"pad"` scales the long side to `size` and fills up with white on both sides, `"stretch"` squeezes.
7. *Size.* Lanczos, antialiased, for every resize, up and down. A picture that already has the size is not resampled:
   its bits are kept.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo.data.base import Fit

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "QOI")
SUFFIXES = frozenset(
    (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".bmp", ".tif", ".tiff")
    + (".pbm", ".pgm", ".ppm", ".pnm", ".avif", ".jp2", ".j2k", ".qoi")
)
MAX_PIXELS = 178_956_970
"""Pillow's own hard limit (twice its `MAX_IMAGE_PIXELS`): 179 megapixels, half a gigabyte as RGB."""
DRAFT_MARGIN = 4
FITS: tuple[Fit, ...] = ("crop", "pad", "stretch")

Source = bytes | IO[bytes]

_ORIENTATION = 0x0112
_WHITE = 255


class BrokenPicture(Exception):
    """A file that does not hold a picture we can read: its `name` and, in a few words, the `reason`."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the header of a picture says. `width` and `height` in pixels as shown, that is after EXIF orientation.

    `bits` per channel; `grey` when the file cannot hold a colour (its mode, or a palette of greys); `alpha` when some
    of it may be transparent; `frames` above 1 for an animation.
    """

    width: int
    height: int
    mode: str
    bits: int
    grey: bool
    alpha: bool
    format: str
    frames: int

    @property
    def square(self) -> bool:
        """Whether width and height agree."""
        return self.width == self.height

    @property
    def short(self) -> int:
        """The shorter side in pixels."""
        return min(self.width, self.height)


def inspect(source: Source, name: str = "picture") -> Facts:
    """Read the header of a picture; its pixels are not decoded.

    Raises:
        BrokenPicture: when the header cannot be read, is of no known format, or announces too many pixels.
    """
    try:
        with _open(source) as image:
            width, height = image.size
            if image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8):  # Pillow turns the size of a TIFF itself
                width, height = height, width
            return Facts(
                width=width,
                height=height,
                mode=image.mode,
                bits=_bits(image),
                grey=_is_grey(image),
                alpha=image.has_transparency_data,
                format=image.format or "?",
                frames=getattr(image, "n_frames", 1),
            )
    except Exception as error:  # a decoder fed with garbage raises anything, down to struct.error and IndexError
        raise BrokenPicture(name, _reason(error)) from error


def decode(source: Source, *, size: int, channels: int, fit: Fit = "crop", name: str = "picture") -> np.ndarray:
    """The pixels of a picture file by the rule at the top of this module.

    Args:
        source: the bytes of the file, or a seekable binary stream of it.
        size: height and width of the result in pixels.
        channels: 1 (grey) or 3 (RGB).
        fit: how a picture that is not square becomes square.
        name: how errors call the picture.

    Returns:
        uint8, (channels, size, size).

    Raises:
        BrokenPicture: when the file is broken or truncated, of no known format, or too large.
    """
    return as_array(square(load(source, at_least=size, name=name), size, fit), channels)


def load(source: Source, *, at_least: int | None = None, name: str = "picture") -> Image.Image:
    """Steps 1 to 4: the decoded picture, upright and opaque, in mode L or RGB and not yet resized.

    `at_least` says how many pixels the short side will have in the end (None: decode JPEGs at their full size).

    Raises:
        BrokenPicture: as `decode`.
    """
    try:
        with _open(source) as image:
            if at_least is not None and image.format in ("JPEG", "MPO"):
                image.draft(None, (at_least * DRAFT_MARGIN, at_least * DRAFT_MARGIN))
            image.load()
            return _opaque(_eight_bits(_upright(image)))
    except Exception as error:  # as in `inspect`
        raise BrokenPicture(name, _reason(error)) from error


def square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """Steps 6 and 7: a picture of `size` x `size` pixels from one of any shape (mode L or RGB)."""
    width, height = image.size
    if fit == "crop" and width != height:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    elif fit == "pad" and width != height:
        scale = size / max(width, height)
        inner = _resize(image, (max(1, round(width * scale)), max(1, round(height * scale))))
        image = Image.new(image.mode, (size, size), _WHITE if image.mode == "L" else (_WHITE,) * 3)
        image.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
    return _resize(image, (size, size))


def as_array(image: Image.Image, channels: int) -> np.ndarray:
    """Step 5, and out of Pillow: uint8 (channels, height, width) of a picture in mode L or RGB."""
    if channels == 1:
        return np.asarray(image if image.mode == "L" else image.convert("L"))[None]
    pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow has (AVIF, WebP and JPEG 2000 are optional)."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open(source: Source) -> Image.Image:
    image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats())
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    return image


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it cannot be read."""
    if not {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"} & image.info.keys():
        return 1
    try:
        return int(Image.Image.getexif(image).get(_ORIENTATION, 1))  # PngImageFile.getexif would decode the pixels
    except Exception:  # a damaged EXIF block says nothing about the pixels; it is read as "upright"
        return 1


def _upright(image: Image.Image) -> Image.Image:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # as in `_orientation`; the pixels are turned before anything else of the block is touched
        return image
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """16- and 32-bit pictures become L; all others are returned as they are."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        clear = image.info.get("transparency")
        levels = ((values + 128) // 257).astype(np.uint8)
        if isinstance(clear, int):
            levels[values == clear] = _WHITE
        return Image.fromarray(levels)
    if image.mode in ("I", "F"):
        numbers = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = 0.0, 65535.0 if image.mode == "I" else 1.0
        if numbers.min() < low or numbers.max() > high:
            low, high = float(numbers.min()), float(numbers.max())
        return Image.fromarray(np.round((numbers - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8))
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """Mode L or RGB, alpha composited on white."""
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (_WHITE,) * 4)
        return Image.alpha_composite(white, colours).convert("RGB")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _decoder_arguments(image: Image.Image) -> tuple[object, ...]:
    """What Pillow will tell its decoder about the file: there are modes (16-bit colour) that only show there."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else None
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _bits(image: Image.Image) -> int:
    if image.mode == "1":
        return 1
    if image.mode.startswith("I;16"):
        return 16
    arguments = _decoder_arguments(image)
    if any(isinstance(part, str) and ";16" in part for part in arguments):
        return 16
    if image.format == "PPM" and any(isinstance(part, int) and part > 255 for part in arguments):
        return 16
    return 32 if image.mode in ("I", "F") else 8


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return True
    if image.mode == "P" and image.palette is not None and image.palette.rawmode in (None, "RGB"):
        table = np.frombuffer(bytes(image.palette.palette), dtype=np.uint8)
        table = table[: len(table) // 3 * 3].reshape(-1, 3)
        return len(table) > 0 and bool((table == table[:, :1]).all())
    # 16-bit grey with alpha arrives as RGBA
    return image.mode == "RGBA" and "LA;16B" in _decoder_arguments(image)


def _reason(error: Exception) -> str:
    """Why a picture could not be read, in a few words and without the address of a stream object."""
    if isinstance(error, BrokenPicture):
        return error.reason
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS / 1e6:.0f} megapixels"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture of a known format"
    if isinstance(error, OSError) and "truncated" in str(error).lower():
        return "truncated"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
