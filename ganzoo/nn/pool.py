"""The image pool: a discriminator is shown earlier fakes again, so that it does not forget what it has learnt of them.

Shrivastava et al., 2017 (arXiv:1612.07828), section 2.3; in the form of Zhu et al., 2017 (arXiv:1703.10593), section 4:
a buffer of 50 pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ganzoo.model import Batch


class ImagePool(nn.Module):
    """Up to `capacity` earlier fakes of `shape` (C, H, W); it has no weights, and its buffers belong to the run.

    Fakes go through it one after the other. While there is room each one is kept and comes out as it is. Then, with
    probability 1/2, one comes out as it is and is not kept; else it takes the place of one in the pool, drawn at
    random, which comes out in its stead. A capacity of 0 lets everything through.

    What is drawn is a pure function of (seed, step), and every process puts in the fakes of all of them: the pool is
    the same everywhere, and after a resume. Nothing is read back from the device.
    """

    pictures: Tensor
    seen: Tensor

    def __init__(self, capacity: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("pictures", torch.zeros(capacity, *shape))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, fakes: Tensor, batch: Batch, stream: str) -> Tensor:
        """Put in this batch's fakes (size, C, H, W) and its peers'; what comes out for this batch's, detached.

        `stream` names the draw, so that two pools of one model differ.
        """
        fakes = fakes.detach()
        if not self.capacity:
            return fakes
        everyone, rows = batch.gather(fakes.float())
        coins = batch.noise.rand(2, stream=f"pool-{stream}")[rows]
        position = torch.zeros(batch.noise.count, dtype=torch.int64, device=fakes.device)
        position[rows] = torch.arange(len(rows), device=fakes.device)
        return self._pass(everyone, coins)[position[batch.rows]].to(fakes.dtype)

    def _pass(self, fakes: Tensor, coins: Tensor) -> Tensor:
        """All fakes (n, C, H, W) in turn, as the loop over them would do it, by index arithmetic: which picture each
        slot holds when a fake's turn comes is that of the last one before it that took the slot."""
        turn = torch.arange(len(fakes), device=fakes.device)
        filling = self.seen + turn < self.capacity
        taken = (coins[:, 1] * self.capacity).long().clamp_(max=self.capacity - 1)
        slot = torch.where(filling, (self.seen + turn).clamp(max=self.capacity - 1), taken)
        writes = filling | (coins[:, 0] < 0.5)
        same = writes & (slot[:, None] == slot[None, :])  # (i, j): fake j takes the slot of fake i
        before = torch.where(same & (turn[None, :] < turn[:, None]), turn, -1).amax(1)
        held = _choose(before, fakes, self.pictures, slot)
        shown = torch.where((writes & ~filling).view(-1, 1, 1, 1), held, fakes)
        last = torch.where(same, turn, -1).amax(1)  # every row of one slot writes the same, in whatever order
        self.pictures.index_copy_(0, slot, _choose(last, fakes, self.pictures, slot))
        self.seen += len(fakes)
        return shown


def _choose(turn: Tensor, fakes: Tensor, kept: Tensor, slot: Tensor) -> Tensor:
    """For each row the fake of that turn, or where there is none (-1) what is kept in its slot."""
    return torch.where((turn < 0).view(-1, 1, 1, 1), kept[slot], fakes[turn.clamp(min=0)])
