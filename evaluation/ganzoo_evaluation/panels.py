"""Pictures for a report: nearest training neighbours, and rows of pictures below each other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from ganzoo.pictures import beside, captioned, grid, to_bytes
from ganzoo.sampling import sample
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.captions import different_ones
from ganzoo_evaluation.evaluate import Evaluation, pictures_at
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.given import Made, cubic, nearest
from ganzoo_evaluation.neighbours import nearest as nearest_of
from ganzoo_evaluation.results import Panel, Row
from ganzoo_evaluation.sets import as_floats, choose
from ganzoo_evaluation.subjects import Subject
from ganzoo_evaluation.ways import Way

Bytes = NDArray[np.uint8]
CLOSEST = 12
"""Generated pictures in the panel of nearest neighbours."""
GROUPS = 8
"""Given pictures in a panel of answers."""
MIDDLE = 192
"""Pixels of a side that are shown of larger pictures."""
CAPTIONS = 4
"""Captions that are drawn several times,"""
SEEDS = 8
"""this often; and captions that are drawn with the same noise."""
JUDGES = ("lpips", "perceptual_squeeze", "perceptual", "ssim_y", "ssim", "l1")
"""Metrics that say which answers are good and which are bad."""


def png_of(pictures: Bytes, columns: int) -> tuple[bytes, int]:
    """Pictures uint8 (n, H, W, C) in a grid: the PNG and its width in pixels."""
    sheet = grid(as_floats(torch.from_numpy(pictures).permute(0, 3, 1, 2)), columns)
    return _png(sheet), int(sheet.shape[1])


def _png(sheet: Bytes) -> bytes:
    """A picture uint8 (H, W, C) as the content of a file."""
    stream = io.BytesIO()
    Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(stream, format="PNG")
    return stream.getvalue()


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
    places, distances = nearest_of(fakes.tensor, reals.tensor, 1)
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


def captions_panels(evaluation: Evaluation, subject: Subject) -> list[Panel]:
    """What a model makes of a few captions with several seeds each, and of several captions with one seed: how much is
    left to chance, and whether the words say the rest. None of a model that reads no captions or makes no pictures, or
    of a variant."""
    model, captions, how = subject.model, evaluation.captions, evaluation.how
    pictured = evaluation.reference.pictured
    if model is None or captions is None or "text" not in model.takes or subject.variant or not pictured:
        return []

    def pictures(caption: str, count: int) -> list[Bytes]:
        return list(to_bytes(sample(model, count, seed=how.seed, text=caption, truncation=how.truncation)))

    few, several = (different_ones(captions.texts, wanted) for wanted in (CAPTIONS, SEEDS))
    sheets = {
        f"{subject.name}: the same caption, {SEEDS} times": (
            "a row is one caption with the noise of eight pictures: what differs is left to chance. All rows have the "
            "same noise",
            captioned([pictures(caption, SEEDS) for caption in few], few, 1),
        ),
        f"{subject.name}: the same noise, {len(several)} captions": (
            "every picture begins with the same noise: what differs is due to the words",
            captioned([pictures(caption, 1) for caption in several], several, 4),
        ),
    }
    return [
        Panel(title=title, caption=caption, png=_png(sheet), width=int(sheet.shape[1]))
        for title, (caption, sheet) in sheets.items()
    ]


def answers_panels(evaluation: Evaluation, way: Way, subjects: Sequence[Subject], rows: Sequence[Row]) -> list[Panel]:
    """What the models make of given pictures: those that the first does worst, those that it does best, and some at
    random; without known answers only the last, and of few pictures all.

    Every group is what was given (in super-resolution also enlarged by the cubic filter), what each model makes of it,
    and the truth.
    """
    models = [subject for subject in subjects if subject.model is not None]
    if not models:
        return []
    count = models[0].pictures.count
    judged = _judged(rows[subjects.index(models[0])])
    where = "held out, " if way.held_out else ""
    if count <= GROUPS:
        chosen = {f"{where}all of them": list(range(count))}
    else:
        chosen = {f"{where}at random": choose(count, GROUPS, evaluation.how.seed, "panel")}
    if judged is not None and len(judged.order) == count > GROUPS:
        best, worst = (f"{where}what {models[0].name} does {what} (by {judged.name})" for what in ("best", "worst"))
        chosen = {worst: judged.order[:GROUPS], best: judged.order[::-1][:GROUPS]} | chosen
    if way.scale > 1:
        members: list[tuple[str, Pictures]] = [
            ("given, each pixel repeated", Made(way.inputs, None, "", nearest(way.scale))),
            ("bicubic", Made(way.inputs, None, "", cubic(way.scale))),
        ]
    else:
        members = [("given", way.inputs)]
    members += [(subject.name, subject.pictures) for subject in models]
    members += [] if way.truth is None else [("the truth", way.truth)]
    order = "in each group from the left: " + "; ".join(name for name, _ in members)
    panels = []
    for title, places in chosen.items():
        groups = np.stack([pictures_at(pictures, places) for _, pictures in members], axis=1)
        panels.append(_groups_panel(title[0].upper() + title[1:], order, groups))
    return panels


@dataclass(frozen=True)
class _Judged:
    """Places of pictures, the worst first, by a metric of that full name."""

    name: str
    order: list[int]


def _judged(row: Row) -> _Judged | None:
    """By the first metric that has a number for every single picture, and by which the model was not trained."""
    for metric in JUDGES:
        found = row.estimates.get(metric)
        if found is not None and found.each is not None and metric not in row.flattered:
            sign = -1 if found.better == "lower" else 1
            order = np.argsort(sign * found.each, kind="stable")
            return _Judged(found.name.partition("@")[0], [int(place) for place in order])
    return None


def _groups_panel(title: str, caption: str, groups: Bytes) -> Panel:
    """A panel of groups of pictures uint8 (n, members, H, W, C)."""
    if min(groups.shape[2:4]) > MIDDLE:
        top, left = ((side - MIDDLE) // 2 for side in groups.shape[2:4])
        groups = groups[:, :, top : top + MIDDLE, left : left + MIDDLE]
        caption += f"; the middle {MIDDLE} x {MIDDLE} pixels"
    tensors = [as_floats(torch.from_numpy(part).permute(0, 3, 1, 2)) for part in groups.swapaxes(0, 1)]
    sheet = beside(tensors)
    return Panel(title=title, caption=caption, png=_png(sheet), width=int(sheet.shape[1]))


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
