"""The learning rate over a run, as a pure function of the step."""

from __future__ import annotations

import math

from ganzoo.config import Settings


def factor(settings: Settings, step: int) -> float:
    """Factor of the learning rate on that step (counted from 0): warm-up, then constant, then a fall to 0."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    start = settings.decay_start * settings.steps
    if settings.schedule == "constant" or step < start:
        return 1.0
    progress = min(1.0, (step - start) / max(1.0, settings.steps - start))
    if settings.schedule == "linear":
        return 1.0 - progress
    return 0.5 * (1.0 + math.cos(math.pi * progress))
