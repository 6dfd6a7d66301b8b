"""Samples as a histogram beside the true density, and single ones as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ganzoo.data import DataSpec
from ganzoo_mixture import DEVIATION, MEANS

WIDTH, HEIGHT, FOOT = 520, 240, 18
LIMIT, BINS = 6.0, 60


def show(samples: Tensor, path: Path, inputs: Mapping[str, Any], data: DataSpec) -> None:
    """Bars: the samples (n, 1); line: the density that the data are drawn from."""
    values = samples[:, 0].numpy()
    bars, _ = np.histogram(values, BINS, (-LIMIT, LIMIT))
    heights = bars / max(1, len(values)) * BINS / (2 * LIMIT)
    places = np.linspace(-LIMIT, LIMIT, WIDTH)
    bells = np.exp(-0.5 * ((places[:, None] - np.array(MEANS)) / DEVIATION) ** 2).mean(1)
    density = bells / (DEVIATION * np.sqrt(2 * np.pi))
    scale = (HEIGHT - FOOT - 10) / max(density.max(), min(heights.max(), 2 * density.max()))
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    floor = HEIGHT - FOOT
    for index, height in enumerate(heights):
        left, right = WIDTH * index // BINS, WIDTH * (index + 1) // BINS - 2
        top = max(0, floor - round(height * scale))
        if top < floor:
            draw.rectangle((left, top, right, floor), fill=(150, 180, 215))
    line = [(x, floor - y * scale) for x, y in enumerate(density)]
    draw.line(line, fill=(190, 60, 40), width=2)
    draw.line((0, floor, WIDTH, floor), fill=(90, 90, 90))
    for mean in MEANS:
        draw.text((WIDTH * (mean + LIMIT) / (2 * LIMIT), floor + 3), f"{mean:g}", fill=(60, 60, 60), anchor="mt")
    image.save(path, format="PNG")


def save(samples: Tensor, paths: Sequence[Path]) -> None:
    """One number a file."""
    for value, path in zip(samples[:, 0].tolist(), paths, strict=True):
        path.write_text(json.dumps({"point": value}) + "\n", encoding="utf-8")
