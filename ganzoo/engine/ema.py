"""The averaged weights: an exponential moving average with its half-life in pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EXTRA_STATE = "_extra_state"
"""How torch names in a state_dict what a module's `get_extra_state` gives."""


class EMA:
    """An average of networks' weights that forgets half of the past in `half_life` pictures.

    Early in a run the half-life is at most `rampup` times the pictures seen so far (Karras et al., 2020, "Training
    generative adversarial networks with limited data", appendix), so that the first weights are soon forgotten. The
    half-life is in pictures, so that it does not depend on the batch size. Running statistics of normalisation layers
    are averaged like weights: they then belong to the averaged network rather than to the last one.
    """

    def __init__(self, networks: dict[str, nn.Module], half_life: float, rampup: float) -> None:
        self.half_life = half_life
        self.rampup = rampup
        self._live: dict[str, Tensor] = {}
        for name, network in networks.items():
            # A module's extra state is not a weight: there is nothing to average, and the checkpoint has it.
            tensors = {k: v for k, v in network.state_dict(keep_vars=True).items() if not k.endswith(EXTRA_STATE)}
            self._live.update({f"{name}.{key}": value for key, value in tensors.items()})
        self.average = {name: value.detach().clone() for name, value in self._live.items()}
        floats = [name for name, value in self._live.items() if value.is_floating_point()]
        self._floats = floats
        self._others = [name for name in self._live if name not in set(floats)]

    def decay(self, pictures: int, seen: int) -> float:
        """Weight of the old average when `pictures` more have been shown after `seen`."""
        half_life = self.half_life
        if self.rampup > 0:
            half_life = min(half_life, seen * self.rampup)
        return 0.0 if half_life <= 0 else 0.5 ** (pictures / half_life)

    @torch.no_grad()
    def update(self, pictures: int, seen: int) -> None:
        """Move the average towards the live weights, after `pictures` more were shown (`seen` in all)."""
        averages = [self.average[name] for name in self._floats]
        live = [self._live[name].detach() for name in self._floats]
        torch._foreach_lerp_(averages, live, 1.0 - self.decay(pictures, seen))
        for name in self._others:
            self.average[name].copy_(self._live[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The networks carry the averaged weights inside, and their own again afterwards; nothing is copied."""
        self._swap(list(self._live))
        try:
            yield
        finally:
            self._swap(list(reversed(self._live)))  # backwards, so that tied weights get their own again

    def _swap(self, names: Sequence[str]) -> None:
        for name in names:
            value = self._live[name]
            value.data, self.average[name] = self.average[name], value.data

    def load(self, average: dict[str, Tensor]) -> None:
        """Take the average from a checkpoint.

        Raises:
            KeyError: when a tensor is missing.
        """
        for name, value in self.average.items():
            value.copy_(average[name])
