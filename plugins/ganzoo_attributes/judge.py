"""The judge: a small classifier that reads from a picture of the set `shapes` what is in it.

It says for each of the nine places whether nothing is there or which shape, in which colour and how large, and what the
background is: six convolutions down to a map of 3 x 3, to which its mean is added (how large "large" is depends on
whether a thing is alone), and linear heads. `tools/train_shapes_judge.py` trained it on pictures drawn on the fly, with
every shape, colour, size and place as often as every other and independently of each other, the combinations that the
set holds out of training among them: the judge must not have the gap that it measures. Half of them were blurred,
noisy, or changed in contrast and colour, so that it can read what a generator has not drawn quite right.

On clean pictures that it was not trained on it makes hardly a mistake: of 4,000 with seen combinations it read all as
they are, of 4,000 with held-out ones all but one (a size). `Judge.accuracy` has the figures, as the script measured
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from ganzoo_data.shapes import BACKGROUNDS, COLOURS, PLACES, SHAPES, SIZES, Scene, Thing
from ganzoo_evaluation.backbone import Backbone, read_weights
from ganzoo_evaluation.base import NetworkRequest

NAME = "shapes-judge"
FILE = Path(__file__).resolve().parent / "files" / f"{NAME}.safetensors"
SIZE = 32
"""Side in pixels at which it looks."""
WIDTH = 56
HEADS = (1 + len(SHAPES), len(COLOURS), len(SIZES))
"""Answers at each place: nothing or which shape, which colour, which size."""
ANSWERS = len(PLACES) * sum(HEADS) + len(BACKGROUNDS)


class Unit(nn.Module):
    """Convolution, batch norm (only while it is trained: later it is part of the convolution), ReLU."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, padding: int, *, norm: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel, stride, padding)
        self.norm = nn.BatchNorm2d(after) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.norm(self.convolution(x)), inplace=True)


class Body(nn.Module):
    """Pictures (n, 3, 32, 32) in [-1, 1] to the features of the whole (n, 56) and all answers (n, `ANSWERS`)."""

    def __init__(self, *, norm: bool = False) -> None:
        """`norm`: with batch norms, for training."""
        super().__init__()
        self.trunk = nn.Sequential(
            Unit(3, 16, 3, 1, 1, norm=norm),
            Unit(16, 32, 4, 2, 1, norm=norm),
            Unit(32, 48, 3, 1, 1, norm=norm),
            Unit(48, 56, 3, 2, 1, norm=norm),
            Unit(56, 48, 3, 1, 1, norm=norm),
            Unit(48, WIDTH, 4, 2, 0, norm=norm),
        )
        self.context = nn.Linear(WIDTH, WIDTH)
        self.places = nn.Linear(WIDTH, sum(HEADS))
        self.background = nn.Linear(WIDTH, len(BACKGROUNDS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        places = self.trunk(x).flatten(2).transpose(1, 2)
        whole = places.mean(1)
        places = relu(places + self.context(whole)[:, None])
        return whole, torch.cat([self.places(places).flatten(1), self.background(whole)], 1)


def split(answers: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits of the shapes (n, 9, 6), of which the first is nothing, the colours (n, 9, 8), the sizes (n, 9, 2) and the
    background (n, 3), of answers (n, `ANSWERS`)."""
    places, background = answers.split([ANSWERS - len(BACKGROUNDS), len(BACKGROUNDS)], 1)
    shape, colour, size = places.view(len(answers), len(PLACES), sum(HEADS)).split(HEADS, 2)
    return shape, colour, size, background


def prepare(pictures: Tensor) -> Tensor:
    """uint8 (n, C, H, W), C 1 or 3, to (n, 3, 32, 32) in [-1, 1]; another size by antialiased bicubic."""
    levels = pictures.expand(-1, 3, -1, -1).float()
    if levels.shape[2:] != (SIZE, SIZE):
        levels = interpolate(levels, (SIZE, SIZE), mode="bicubic", align_corners=False, antialias=True).clamp_(0, 255)
    return levels / 127.5 - 1


class Judge:
    """Reads pictures. `sha256` is that of its weights; `accuracy` how often it is right itself, on clean pictures:
    `{"seen": {"shape": 0.999, ...}, "held-out": {...}}`, shape, colour and size of the things that it finds, `place`
    the share of pictures in which it finds something at exactly the right places, `whole` that of pictures of which
    nothing is read wrongly."""

    def __init__(self, body: Body, sha256: str, accuracy: Mapping[str, Mapping[str, float]]) -> None:
        self.sha256, self.accuracy = sha256, accuracy
        self._network = Backbone(
            body,
            prepare,
            name=NAME,
            request=NetworkRequest(name=NAME),
            sha256=sha256,
            resize="bicubic",
            size=SIZE,
            dimensions=WIDTH,
            classes=ANSWERS,
        )

    def __call__(self, pictures: Tensor) -> list[Scene]:
        """What is in each of the pictures uint8 (n, C, H, W), C 1 or 3, of any size: as many things as there seem to
        be, none or nine of them too. What is said of a picture does not depend on the others."""
        _, answers = self._network(pictures)
        assert answers is not None
        return scenes_of(answers)


def scenes_of(answers: Tensor) -> list[Scene]:
    """The scenes that answers (n, `ANSWERS`) speak of, by the likeliest answer to each question."""
    shapes, colours, sizes, backgrounds = (logits.argmax(-1).tolist() for logits in split(answers))
    return [_scene(*found) for found in zip(shapes, colours, sizes, backgrounds, strict=True)]


def _scene(shapes: Sequence[int], colours: Sequence[int], sizes: Sequence[int], background: int) -> Scene:
    things = tuple(
        Thing(shape=SHAPES[shape - 1], colour=tuple(COLOURS)[colour], size=SIZES[size], row=row, column=column)
        for (row, column), shape, colour, size in zip(PLACES, shapes, colours, sizes, strict=True)
        if shape
    )
    return Scene(things=things, relation=None, background=tuple(BACKGROUNDS)[background])


@cache
def open_judge() -> Judge:
    """The judge that ships inside the package; it looks on the CPU."""
    tensors, sha256 = read_weights(FILE)
    body = Body()
    body.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    with safe_open(FILE, "pt") as stream:
        accuracy = json.loads((stream.metadata() or {})["accuracy"])
    return Judge(body, sha256, accuracy)
