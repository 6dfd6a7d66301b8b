"""Style mixing: some layers of a picture read the latent of another (Karras et al., 2019, arXiv:1812.04948, 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ganzoo.errors import UserError
from ganzoo.latents.points import Inputs, at, count_of, intermediate, rows_of
from ganzoo.model import Model

PARTS = ("coarse", "middle", "fine")


def layers_of(text: str, layers: int) -> list[int]:
    """The layers, counted from 0, that `"coarse"`, `"middle"` or `"fine"` (thirds), `"3"`, `"0-3"` or `"0-1,5"` mean.

    Raises:
        UserError: when there are no such layers.
    """
    if text in PARTS:
        place = PARTS.index(text)
        return list(range(layers * place // 3, layers * (place + 1) // 3)) or [min(place, layers - 1)]
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UserError(f"--layers {text}: expected {', '.join(PARTS)}, or numbers such as 3, 0-3 or 0-1,5")
        start, stop = int(first), int(last or first)
        if stop < start or stop >= layers:
            raise UserError(f"--layers {text}: the model's layers are 0 to {layers - 1}")
        found |= set(range(start, stop + 1))
    return sorted(found)


def layer_count(model: Model, inputs: Mapping[str, Any]) -> int:
    """How many layers read a latent of their own.

    Raises:
        UserError: when the model has none such.
    """
    known = intermediate(model, inputs) is not None
    w = at(model, inputs, "w")["w"] if known else None
    if w is None or w.dim() != 3:
        what = "one intermediate latent for all layers" if known else "no intermediate latent"
        raise UserError(f"{type(model).__name__} has {what}: there are no layers to mix")
    return int(w.shape[1])


def mix(model: Model, rows: Mapping[str, Any], columns: Mapping[str, Any], layers: Sequence[int]) -> Inputs:
    """For each of `rows` and each of `columns` the inputs of the row, with these layers of the column's latent instead:
    row by row, in order of the columns."""
    down, across = count_of(rows), count_of(columns)
    given = at(model, rows, "w")
    mixed = rows_of(given, [row for row in range(down) for _ in range(across)])
    other = at(model, columns, "w")["w"].repeat(down, 1, 1)
    chosen = torch.tensor(list(layers), device=other.device)
    mixed["w"] = mixed["w"].index_copy(1, chosen, other[:, chosen])
    return mixed
