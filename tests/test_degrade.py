"""Pictures are reduced as MATLAB's imresize does it: closed forms, a slow reference of our own, and Pillow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ganzoo.data.degrade import bicubic, reduced


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Slow waves, as of a photograph out of focus."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 13 + x / 31)
    return waves.astype(np.uint8)[None]


def cubic(x: float) -> float:
    """Keys (1981), equation 4, with a = -1/2, in the form of the paper."""
    a, x = -0.5, abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def line(values: list[int], length: int) -> list[int]:
    """One row of pixels at another length, pixel by pixel in float64."""
    before = len(values)
    stretch = min(1.0, length / before)
    resized = []
    for i in range(length):
        centre = (i + 0.5) * before / length - 0.5
        reach = math.ceil(2 / stretch) + 1
        total = weight = 0.0
        for place in range(math.floor(centre) - reach, math.floor(centre) + reach + 1):
            mirrored = place
            while not 0 <= mirrored < before:
                mirrored = -1 - mirrored if mirrored < 0 else 2 * before - 1 - mirrored
            share = cubic(stretch * (centre - place))
            total, weight = total + share * values[mirrored], weight + share
        resized.append(min(255, max(0, math.floor(total / weight + 0.5))))
    return resized


def slow(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The whole of it: first the columns, rounded, then the rows."""
    columns = [line(column, height) for column in picture.T.tolist()]
    rows = [line(row, width) for row in np.array(columns).T.tolist()]
    return np.array(rows, dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width"), [(8, 6), (16, 12), (11, 8), (7, 24), (32, 24), (96, 72), (40, 31), (5, 50), (1, 1)]
)
def test_every_size_is_that_of_the_slow_reference(height: int, width: int) -> None:
    picture = noise(32, 24, seed=height)
    assert np.abs(bicubic(picture, height, width).astype(int) - slow(picture, height, width)).max() == 0


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_reduction_is_that_of_the_slow_reference(scale: int) -> None:
    picture = noise(48, 72)
    assert (reduced(picture, scale) == slow(picture, 48 // scale, 72 // scale)).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pictures_smaller_than_the_filter_are_mirrored_more_than_once(scale: int) -> None:
    picture = noise(scale, 2 * scale)
    assert (reduced(picture, scale) == slow(picture, 1, 2)).all()


@pytest.mark.parametrize("level", [0, 1, 100, 254, 255])
@pytest.mark.parametrize(("height", "width"), [(4, 5), (8, 10), (7, 9), (40, 33)])
def test_one_colour_stays_that_colour(level: int, height: int, width: int) -> None:
    picture = np.full((3, 16, 20), level, np.uint8)
    assert (bicubic(picture, height, width) == level).all()


@pytest.mark.parametrize("scale", [2, 4])
def test_a_ramp_stays_a_ramp_away_from_the_borders(scale: int) -> None:
    """The kernel reproduces polynomials of the first degree: a new pixel is the ramp at its centre."""
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8) * 2, (1, 8 * scale, 96))
    centres = (np.arange(96 // scale) + 0.5) * scale - 0.5
    inside = slice(3, -3)
    expected = np.floor(2 * centres + 0.5)[inside]
    assert (reduced(ramp, scale)[0, :, inside] == expected).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_impulse_spreads_as_the_kernel_says(scale: int) -> None:
    """One white row on black: the rows around it get 255 times the kernel, widened by the scale and as much lower."""
    picture = np.zeros((1, 24 * scale, scale), np.uint8)
    lit = 12 * scale
    picture[:, lit] = 255
    centres = (np.arange(24) + 0.5) * scale - 0.5
    expected = [math.floor(255 * cubic((centre - lit) / scale) / scale + 0.5) for centre in centres]
    assert reduced(picture, scale)[0, :, 0].tolist() == [max(0, value) for value in expected]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("axis", [-1, -2])
def test_a_mirrored_picture_is_reduced_to_the_mirrored_one(scale: int, axis: int) -> None:
    picture = noise(3, 36, 60)
    assert (reduced(np.flip(picture, axis), scale) == np.flip(reduced(picture, scale), axis)).all()


def test_scale_one_changes_nothing() -> None:
    picture = noise(3, 17, 23)
    assert (reduced(picture, 1) == picture).all()
    assert (bicubic(picture, 17, 23) == picture).all()


def test_several_pictures_at_once_are_each_reduced_alone() -> None:
    pictures = noise(5, 3, 24, 32)
    assert (reduced(pictures, 4) == np.stack([reduced(one, 4) for one in pictures])).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_part_is_reduced_to_the_bits_of_that_part_of_the_whole(scale: int) -> None:
    """Also where a sum lies half way between two levels: of black and white alone there are many such."""
    whole = noise(1, 60 * scale, 50 * scale) // 128 * 255
    small = reduced(whole, scale)
    for top, left in ((0, 0), (7, 3), (20, 11), (33, 24)):
        part = whole[:, top * scale : (top + 24) * scale, left * scale : (left + 24) * scale]
        inside = reduced(part, scale)[:, 2:-2, 2:-2]
        assert (inside == small[:, top + 2 : top + 22, left + 2 : left + 22]).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pillow_agrees_to_a_level_away_from_the_borders(scale: int) -> None:
    """Pillow's bicubic has the same kernel, but cuts it off at the borders and rounds the weights."""
    picture = smooth(48 * scale, 40 * scale)
    theirs = Image.fromarray(picture[0]).resize((40, 48), Image.Resampling.BICUBIC)
    difference = np.abs(np.asarray(theirs).astype(int) - reduced(picture, scale)[0])[3:-3, 3:-3]
    assert difference.max() <= 1
    assert difference.mean() < 0.2


def test_the_scale_has_to_divide_both_sides() -> None:
    with pytest.raises(ValueError, match="30 x 33 pixels are not a multiple of 4"):
        reduced(noise(1, 30, 33), 4)
