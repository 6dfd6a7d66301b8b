"""Pictures for a report: nearest training neighbours, and rows of pictures below each other."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from ganzoo.pictures import grid
from ganzoo_evaluation.evaluate import Evaluation, pictures_at
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.neighbours import nearest
from ganzoo_evaluation.results import Panel, Row
from ganzoo_evaluation.sets import as_floats
from ganzoo_evaluation.subjects import Subject

Bytes = NDArray[np.uint8]
CLOSEST = 12
"""Generated pictures in the panel of nearest neighbours."""


def png_of(pictures: Bytes, columns: int) -> tuple[bytes, int]:
    """Pictures uint8 (n, H, W, C) in a grid: the PNG and its width in pixels."""
    sheet = grid(as_floats(torch.from_numpy(pictures).permute(0, 3, 1, 2)), columns)
    stream = io.BytesIO()
    Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(stream, format="PNG")
    return stream.getvalue(), int(sheet.shape[1])


def panel(title: str, caption: str, pictures: Bytes, columns: int) -> Panel:
    """A panel of pictures side by side."""
    png, width = png_of(pictures, columns)
    return Panel(title=title, caption=caption, png=png, width=width)


def neighbours_panel(evaluation: Evaluation, subject: Subject, row: Row) -> Panel | None:
    """The generated pictures that are closest to the training set, each above the training picture that it is closest
    to; None where nothing is known of the training set or of features."""
    reference = evaluation.reference
    if not reference.trained_on or reference.train is None:
        return None
    for network, measured in row.measured.items():
        real = evaluation.real(network)
        if Features in measured.collected and Features in real.collected:
            break
    else:
        return None
    fakes, reals = measured[Features], real[Features]
    places, distances = nearest(fakes.tensor, reals.tensor, 1)
    order = np.argsort(np.asarray(distances)[:, 0], kind="stable")[:CLOSEST]
    mine = pictures_at(subject.pictures, [int(fakes.rows[i]) for i in order])
    theirs = pictures_at(reference.train, [int(reals.rows[int(places[i][0])]) for i in order])
    return panel(
        f"{row.name}: closest to the training set",
        "above, the generated pictures that are closest to a training picture (in the features of "
        f"{network}); below, that training picture. Copies would be the same picture twice",
        np.concatenate(like_each_other(mine, theirs)),
        len(order),
    )


def like_each_other(above: Bytes, below: Bytes) -> tuple[Bytes, Bytes]:
    """Both uint8 (n, H, W, C) with the channels of the more colourful and the size of `above`, to be shown together."""
    channels = max(above.shape[-1], below.shape[-1])
    first, second = (np.repeat(p, channels, -1) if p.shape[-1] < channels else p for p in (above, below))
    if first.shape[1:3] != second.shape[1:3]:
        tensor = torch.from_numpy(second).permute(0, 3, 1, 2).float()
        fitted = interpolate(tensor, size=first.shape[1:3], mode="bilinear", antialias=True)
        second = fitted.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return first, second


def rows_panel(title: str, caption: str, rows: Sequence[Bytes]) -> Panel:
    """Rows of equally many pictures, one below the other."""
    return panel(title, caption, np.concatenate(list(rows)), len(rows[0]))
