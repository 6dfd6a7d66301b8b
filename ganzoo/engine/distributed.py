"""One process a device, and the few collectives that training needs.

There is no wrapper around a network: parameters and buffers are broadcast once, and after a phase's backward pass its
gradients go through one flat all-reduce. A wrapper's hooks miss a loss that is made of gradients only (a lazy R1
phase), and the processes drift apart without an error; a flat all-reduce cannot miss anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganzoo.errors import UserError


@dataclass(frozen=True)
class Group:
    """This process among its peers: rank 0 of 1 without torchrun."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Mean of every gradient over the processes, in one collective. A missing gradient counts as zeros."""
        if self.world == 1:
            return
        trained = list(parameters)
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._average([parameter.grad for parameter in trained if parameter.grad is not None])

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Mean of every tensor over the processes, in place, in one collective."""
        if self.world > 1:
            self._average(list(tensors))

    def _average(self, tensors: list[Tensor]) -> None:
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.world
        offset = 0
        for tensor in tensors:
            tensor.detach().copy_(flat[offset : offset + tensor.numel()].view(tensor.shape))
            offset += tensor.numel()

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """The first process's values to all, in place."""
        if self.world > 1:
            for tensor in tensors:
                contiguous = tensor.detach().contiguous()
                dist.broadcast(contiguous, src=0)
                tensor.detach().copy_(contiguous)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process raises it; one collective for all of them."""
        if self.world == 1:
            return flags
        value = torch.tensor([float(flag) for flag in flags], device=self.device)
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in value.tolist())

    def broadcast_text(self, text: str) -> str:
        """The first process's text to all."""
        if self.world == 1:
            return text
        payload = torch.zeros(4096, dtype=torch.uint8, device=self.device)
        encoded = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        payload[: len(encoded)] = encoded
        dist.broadcast(payload, src=0)
        return bytes(payload.tolist()).rstrip(b"\0").decode()

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            dist.barrier()

    def largest_difference(self, tensors: Iterable[Tensor]) -> float:
        """Largest absolute difference of these tensors between any process and the first (0.0: all equal)."""
        worst = 0.0
        for tensor in tensors:
            reference = tensor.detach().clone().contiguous()
            self.broadcast([reference])
            worst = max(worst, float((reference.double() - tensor.detach().double()).abs().max()))
        return worst


def join(device: str = "auto") -> Group:
    """Join the processes that torchrun (or `--devices`) started; alone, it is a group of one.

    Raises:
        UserError: when the device that was asked for is not there.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = _device(device, local)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Group(rank=rank, world=world, device=chosen)


def leave() -> None:
    """Leave the group, where there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _device(name: str, local: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind = name.partition(":")[0]
    if kind == "cuda":
        count = torch.cuda.device_count()
        index = int(name.partition(":")[2] or local)
        if index >= count:
            raise UserError(f"--device {name}: found {count} CUDA device(s); use --device cpu or see `ganzoo doctor`")
        torch.cuda.set_device(index)
        return torch.device("cuda", index)
    if kind == "cpu":
        return torch.device("cpu")
    raise UserError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
