"""Differentiable augmentation (Zhao et al., 2020, arXiv:2006.10738): the same kinds of change for real and fake.

Applied to everything the discriminator sees, in both phases, it leaves the generator's own pictures unaugmented while
the discriminator of a small data set has much more to learn.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

OPERATIONS = ("color", "translation", "cutout")


class Random(Protocol):
    """Where the coins come from; a `ganzoo.Batch` is one."""

    def rand(self, *shape: int, stream: str) -> Tensor:
        """Uniform in [0, 1), (N, *shape)."""
        ...


def diff_augment(pictures: Tensor, operations: tuple[str, ...], random: Random, stream: str) -> Tensor:
    """Pictures (N, C, H, W) in [-1, 1] changed by each operation in turn; gradients flow through.

    `operations`: any of `color`, `translation`, `cutout`; `stream` names the draw (`"real"`, `"fake"`), so that two
    calls of one step differ.

    Raises:
        KeyError: for an operation of another name.
    """
    for name in operations:
        coins = random.rand(4, stream=f"diffaug-{name}-{stream}")
        pictures = _OPERATIONS[name](pictures, coins)
    return pictures


def _color(x: Tensor, coins: Tensor) -> Tensor:
    """Brightness +-0.5, saturation x 0..2, contrast x 0.5..1.5, as in the paper's policy."""
    brightness, saturation, contrast = (coins[:, i].view(-1, 1, 1, 1) for i in range(3))
    x = x + (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (saturation * 2) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def _translation(x: Tensor, coins: Tensor, share: float = 0.125) -> Tensor:
    """Moved by up to 1/8 of the height and width; what comes in is 0 (mid-grey), as in the paper."""
    count, _, height, width = x.shape
    down, right = int(height * share + 0.5), int(width * share + 0.5)
    padded = pad(x, (right, right, down, down))
    top = (coins[:, 0] * (2 * down + 1)).long().view(-1, 1, 1)
    left = (coins[:, 1] * (2 * right + 1)).long().view(-1, 1, 1)
    rows = top + torch.arange(height, device=x.device).view(1, -1, 1)
    columns = left + torch.arange(width, device=x.device).view(1, 1, -1)
    which = torch.arange(count, device=x.device).view(-1, 1, 1)
    return padded.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2)


def _cutout(x: Tensor, coins: Tensor, share: float = 0.5) -> Tensor:
    """A square of half the height and width set to 0, its centre anywhere in the picture."""
    _, _, height, width = x.shape
    tall, wide = int(height * share + 0.5), int(width * share + 0.5)
    top = (coins[:, 0] * (height + 1 - tall % 2)).long().view(-1, 1, 1, 1) - tall // 2
    left = (coins[:, 1] * (width + 1 - wide % 2)).long().view(-1, 1, 1, 1) - wide // 2
    row = torch.arange(height, device=x.device).view(1, 1, -1, 1)
    column = torch.arange(width, device=x.device).view(1, 1, 1, -1)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    return x * (~inside).to(x.dtype)


_OPERATIONS = {"color": _color, "translation": _translation, "cutout": _cutout}
