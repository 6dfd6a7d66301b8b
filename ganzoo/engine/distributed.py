"""One process a device, and the few collectives that training needs.

There is no wrapper around a network: parameters and buffers are broadcast once, and after a phase's backward pass its
gradients go through one flat all-reduce. A wrapper's hooks miss a loss that is made of gradients only (a lazy R1
phase), and the processes drift apart without an error; a flat all-reduce cannot miss anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganzoo.engine.launch import LOST
from ganzoo.errors import GanzooError, UserError

T = TypeVar("T")


class LostProcess(GanzooError):
    """Another process of the run ended while this one waited for it."""

    exit_code = LOST


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
        """Mean of every gradient over the processes, in one collective.

        A gradient that only some processes have counts as zeros in the others. One that none has stays missing, as it
        does in a single process: Adam would move a weight with a gradient of zeros by its momentum.
        """
        if self.world == 1:
            return
        trained = list(parameters)
        missing = [parameter.grad is None for parameter in trained]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        there = torch.tensor([not absent for absent in missing], dtype=torch.float32, device=self.device)
        self._average([*gradients, there])
        if any(missing):
            for parameter, gradient, share in zip(trained, gradients, there.tolist(), strict=True):
                parameter.grad = gradient if share > 0 else None

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Mean of every tensor over the processes, in place, in one collective."""
        if self.world > 1:
            self._average(list(tensors))

    def _average(self, tensors: list[Tensor]) -> None:
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        with _together():
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
                with _together():
                    dist.broadcast(contiguous, src=0)
                tensor.detach().copy_(contiguous)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process raises it; one collective for all of them."""
        if self.world == 1:
            return flags
        value = torch.tensor([float(flag) for flag in flags], device=self.device)
        with _together():
            dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in value.tolist())

    def broadcast_text(self, text: str) -> str:
        """The first process's text to all."""
        if self.world == 1:
            return text
        payload = torch.zeros(4096, dtype=torch.uint8, device=self.device)
        encoded = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        payload[: len(encoded)] = encoded
        with _together():
            dist.broadcast(payload, src=0)
        return bytes(payload.tolist()).rstrip(b"\0").decode()

    def gather(self, value: T) -> list[T]:
        """What every process gives (arrays, plain values), by rank; on every process."""
        if self.world == 1:
            return [value]
        everyone: list[Any] = [None] * self.world
        with _together():
            dist.all_gather_object(everyone, value)
        return everyone

    def gather_rows(self, values: Tensor) -> Tensor:
        """The rows (n, ...) of every process below each other, by rank, on every process; no gradient flows."""
        if self.world == 1:
            return values.detach()
        everyone = [torch.empty_like(values) for _ in range(self.world)]
        with _together():
            dist.all_gather(everyone, values.detach().contiguous())
        return torch.cat(everyone)

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            with _together():
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


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo and nccl say so when a peer has closed its connection
        raise LostProcess("another process of this run has ended") from error


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
        number = name.partition(":")[2] or str(local)
        if not number.isdigit():
            raise UserError(f"--device {name}: expected cuda or cuda:N, such as cuda:0")
        index = int(number)
        if index >= count:
            raise UserError(f"--device {name}: found {count} CUDA device(s); use --device cpu or see `ganzoo doctor`")
        torch.cuda.set_device(index)
        return torch.device("cuda", index)
    if kind == "cpu":
        return torch.device("cpu")
    raise UserError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
