"""Randomness as a pure function of (seed, step, stream).

Nothing random is carried from one step to the next, so there is nothing to save and nothing to lose: the noise of step
17 is the same whether the run came there in one go or was killed three times. It is made for the whole batch, and every
process takes its rows, so the number of processes does not change it either.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch
from torch import Tensor

Key = str | int


def derive(seed: int, *keys: Key) -> int:
    """A 63-bit seed for the stream that `keys` name; different keys give unrelated seeds."""
    text = "/".join([str(seed), *map(str, keys)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def seed_globals(seed: int, *keys: Key) -> None:
    """Seed the global generators (python, numpy, torch), for dropout and for whatever a plugin draws from them."""
    value = derive(seed, "global", *keys)
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)


class Noise:
    """Random tensors of `count` rows; each stream is drawn once and remembered, so asking again gives the same."""

    def __init__(self, seed: int, *keys: Key, count: int, device: torch.device | str = "cpu") -> None:
        self.count = count
        self.device = torch.device(device)
        self._seed = derive(seed, *keys)
        self._drawn: dict[tuple[Key, ...], Tensor] = {}

    def _generator(self, *keys: Key) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(derive(self._seed, *keys))

    def randn(self, *shape: int, stream: str = "z") -> Tensor:
        """Standard normal, (count, *shape), float32."""
        key: tuple[Key, ...] = ("randn", stream, *shape)
        if key not in self._drawn:
            generator = self._generator("randn", stream)
            self._drawn[key] = torch.randn(self.count, *shape, generator=generator, device=self.device)
        return self._drawn[key]

    def rand(self, *shape: int, stream: str) -> Tensor:
        """Uniform in [0, 1), (count, *shape), float32."""
        key: tuple[Key, ...] = ("rand", stream, *shape)
        if key not in self._drawn:
            generator = self._generator("rand", stream)
            self._drawn[key] = torch.rand(self.count, *shape, generator=generator, device=self.device)
        return self._drawn[key]

    def randint(self, high: int, *shape: int, stream: str) -> Tensor:
        """Integers in [0, high), (count, *shape), int64."""
        key: tuple[Key, ...] = ("randint", stream, high, *shape)
        if key not in self._drawn:
            generator = self._generator("randint", stream)
            self._drawn[key] = torch.randint(high, (self.count, *shape), generator=generator, device=self.device)
        return self._drawn[key]
