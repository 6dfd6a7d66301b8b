"""Pictures one after the other: GIF, MP4, or a folder of frames."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from ganzoo.engine.files import write_atomic
from ganzoo.errors import UserError
from ganzoo.pictures import Pixels

FILM = 256
"""Films of smaller pictures are enlarged by a whole factor, up to about this many pixels."""
COLOURS = 256


def enlarged(frames: Pixels) -> Pixels:
    """Frames uint8 (n, H, W, C), each pixel repeated where they are small."""
    factor = max(1, FILM // max(frames.shape[1:3]))
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def save_gif(frames: Pixels, path: Path, fps: float) -> None:
    """Write frames uint8 (n, H, W, C), C 1 or 3, as a GIF that begins again at its end.

    Grey frames are kept as they are; coloured ones have the 256 colours that suit each best. A GIF counts in hundredths
    of a second, to which the time of a frame is rounded.
    """
    images = [_indexed(frame) for frame in frames]
    hundredths = max(2, round(100 / fps))  # viewers take anything faster for a mistake, and show it slowly

    def write(stream: Any) -> None:
        images[0].save(
            stream, format="GIF", save_all=True, append_images=images[1:], duration=10 * hundredths, loop=0, disposal=1
        )

    write_atomic(path, write)


def _indexed(frame: Pixels) -> Image.Image:
    if frame.shape[2] == 1:
        return Image.fromarray(frame[..., 0])
    return Image.fromarray(frame).quantize(COLOURS, dither=Image.Dither.NONE)


def find_av(path: Path) -> Any:
    """The package that writes MP4.

    Raises:
        UserError: when it is not installed.
    """
    try:
        package = importlib.import_module("av")
    except ImportError:
        package = None
    if not hasattr(package, "open"):  # a folder of that name in the working directory can be imported too
        other = path.with_suffix(".gif")
        raise UserError(f"--out {path}: MP4 needs the package av: pip install av; or take --out {other}")
    return package


def save_mp4(frames: Pixels, path: Path, fps: float, *, progress: Callable[[int, int], None] | None = None) -> None:
    """Write frames uint8 (n, H, W, C), C 1 or 3, as an MP4 (H.264). Its sides are even: an odd one loses a pixel.

    Raises:
        UserError: when the package `av` is not installed.
    """
    av = find_av(path)
    height, width = (side // 2 * 2 for side in frames.shape[1:3])
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as film:
        track = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        track.width, track.height, track.pix_fmt, track.options = width, height, "yuv420p", {"crf": "15"}
        for index, frame in enumerate(frames):
            colours = frame[:height, :width].repeat(3 // frame.shape[2], axis=2)
            film.mux(track.encode(av.VideoFrame.from_ndarray(colours, format="rgb24")))
            if progress is not None:
                progress(index + 1, len(frames))
        film.mux(track.encode())
    write_atomic(path, lambda file: file.write(stream.getvalue()))


def save_frames(frames: Sequence[Pixels], folder: Path) -> None:
    """Write frames as PNG files 000000.png, 000001.png, ..."""
    from ganzoo.pictures import save_picture

    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        save_picture(frame, folder / f"{index:06d}.png")
