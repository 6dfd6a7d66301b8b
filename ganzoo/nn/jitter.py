"""Random jitter (Isola et al., 2017, arXiv:1611.07004, section 6.2): pictures a little larger, cut back at random."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.nn.augment import Random

ENLARGE = 286 / 256
"""By how much: the paper makes 286 pixels of 256."""


def jitter(
    pictures: Sequence[Tensor], random: Random, *, enlarge: float = ENLARGE, stream: str = "jitter"
) -> list[Tensor]:
    """Sets of pictures, each (N, C, H, W), enlarged bilinearly and cut back to H x W at a random place.

    The place is drawn for each row and is the same in all sets, so that pairs stay pairs. `stream` names the draw.

    Raises:
        ValueError: when the sets differ in N, H or W.
    """
    count, _, height, width = pictures[0].shape
    if any((len(each), *each.shape[2:]) != (count, height, width) for each in pictures):
        raise ValueError(f"sets of {', '.join(str(tuple(each.shape)) for each in pictures)} cannot move together")
    tall, wide = round(height * enlarge), round(width * enlarge)
    coins = random.rand(2, stream=stream)
    top = (coins[:, 0] * (tall - height + 1)).long().view(-1, 1, 1)
    left = (coins[:, 1] * (wide - width + 1)).long().view(-1, 1, 1)
    rows = top + torch.arange(height, device=coins.device).view(1, -1, 1)
    columns = left + torch.arange(width, device=coins.device).view(1, 1, -1)
    which = torch.arange(count, device=coins.device).view(-1, 1, 1)
    enlarged = (interpolate(each, (tall, wide), mode="bilinear", align_corners=False) for each in pictures)
    return [each.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2) for each in enlarged]
