"""Stops a run at the first loss term or gradient that is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ganzoo.errors import RunError


class FiniteCheck:
    """Looks at every loss term and every gradient norm.

    On a CPU it looks at once, before the optimizer steps. On a GPU that would make every step wait, so the first bad
    step of each term is kept on the device and looked at when metrics are read or a checkpoint is due.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._first_bad: dict[str, Tensor] = {}

    def terms(self, phase: str, terms: Mapping[str, Tensor], step: int) -> None:
        """See the loss terms of a phase on that step (counted from 0)."""
        for name, term in terms.items():
            self._see(f"the loss {name!r} of phase {phase!r}", term, step)

    def gradient(self, phase: str, norm: Tensor, step: int) -> None:
        """See the norm of a phase's gradient."""
        self._see(f"the gradient of phase {phase!r}", norm, step)

    def _see(self, what: str, value: Tensor, step: int) -> None:
        if self.device.type == "cpu":
            if not math.isfinite(value.item()):
                self._stop(what, step)
            return
        if what not in self._first_bad:
            self._first_bad[what] = torch.full((), -1, dtype=torch.int64, device=self.device)
        bad = ~torch.isfinite(value.detach()) & (self._first_bad[what] < 0)
        self._first_bad[what].masked_fill_(bad, step)

    def check(self) -> None:
        """Look at what was kept on the device.

        Raises:
            RunError: naming phase, term and step of the first that was not finite.
        """
        found = {what: int(step) for what, step in self._first_bad.items() if int(step) >= 0}
        if found:
            what = min(found, key=lambda name: found[name])
            self._stop(what, found[what])

    def _stop(self, what: str, step: int) -> None:
        raise RunError(f"{what} is not finite at step {step + 1}")
