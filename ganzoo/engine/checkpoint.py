"""Checkpoints: the whole state of a run in one file of tensors and plain containers. No pickle is ever loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from ganzoo.engine.files import write_atomic
from ganzoo.errors import UserError

NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
FORMAT = "ganzoo-checkpoint-1"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` as the run's checkpoint; the one before it is kept.

    Raises:
        RunError: when the disk does not take it; both older checkpoints stay.
    """
    document = {"format": FORMAT, **state}
    write_atomic(folder / NAME, lambda stream: torch.save(document, stream), keep=folder / PREVIOUS)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint that `save` wrote: every byte is checked, and nothing in it is executed.

    Raises:
        UserError: when it is missing, cut off, damaged, or not a checkpoint of ganzoo.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise UserError(f"{path} is damaged: the checksum of {damaged} is wrong")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # whatever a foreign or damaged file provokes in the reader
        raise UserError(f"{path} is not a whole checkpoint of ganzoo ({type(error).__name__})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of ganzoo: expected format {FORMAT!r}")
    return state


def load_run(folder: Path, previous: bool = False) -> dict[str, Any]:
    """The checkpoint of a run folder, or the one before it.

    Raises:
        UserError: when it cannot be used; the message offers the previous one where that is whole.
    """
    try:
        return load(folder / (PREVIOUS if previous else NAME))
    except UserError as error:
        if previous:
            raise
        try:
            spare = load(folder / PREVIOUS)
        except UserError:
            raise error from None
        raise UserError(
            f"{error.lines[0]}; the one before it (step {spare['step']}) is whole: "
            f"ganzoo train --resume {folder} --previous"
        ) from error
