"""Where pictures and exports go when nobody says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def generated(run: Path, marks: Iterable[str], weights: str, suffix: str = ".png") -> Path:
    """A path in a run's folder, named after `marks` (empty ones left out) and which weights the pictures are of:
    "final", "best" or the name of a phase."""
    return run / "generated" / f"{_name(marks, weights)}{suffix}"


def exported(run: Path, direction: str, weights: str, suffix: str) -> Path:
    """A path in a run's folder, named after the run, the direction where it goes several ways, and which weights."""
    return run / "export" / f"{_name((run.resolve().name, direction), weights)}{suffix}"


def _name(marks: Iterable[str], weights: str) -> str:
    last = {"final": "", "best": "best"}.get(weights, f"after-{weights}")
    return "-".join(part.replace("/", "_") for part in (*marks, last) if part)
