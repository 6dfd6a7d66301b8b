"""Where pictures go when nobody says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def generated(run: Path, marks: Iterable[str], weights: str, suffix: str = ".png") -> Path:
    """A path in a run's folder, named after `marks` (empty ones left out) and which weights the pictures are of:
    "final", "best" or the name of a phase."""
    last = {"final": "", "best": "best"}.get(weights, f"after-{weights}")
    name = "-".join(part.replace("/", "_") for part in (*marks, last) if part)
    return run / "generated" / f"{name}{suffix}"
