"""How different two pictures look to a feature network.

Zhang et al. (2018, arXiv:1801.03924, section 3, equation 1) without weights of channels: activations at several depths,
scaled to unit length at each place; squared differences, added over the channels, averaged over places and depths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganzoo.cards import resolve
from ganzoo.errors import UserError, did_you_mean
from ganzoo.nn.perceptual import directions, large_enough
from ganzoo.registry import Registry

NONE = "none"

Look = Callable[[Tensor], Sequence[Tensor]]


def networks(registry: Registry) -> list[str]:
    """The feature networks that pictures can be compared through, those that need no download first."""
    cards = [card for card in registry.features.values() if card.stages]
    return [card.name for card in sorted(cards, key=lambda card: (not card.embedded, card.name))]


def load_look(registry: Registry, name: str, device: torch.device | str) -> tuple[str, Look | None]:
    """A feature network by its name (empty: the first of `networks`; `"none"`: none), frozen, on a device: what it is
    called, and what it sees of pictures (n, C, H, W) in [-1, 1], as `far` takes it.

    Raises:
        UserError: when there is no such network.
    """
    known = networks(registry)
    if name == NONE:
        return NONE, None
    if not name and not known:
        raise UserError(
            f"no feature network is installed to compare pictures with; add --network {NONE} for pixels alone"
        )
    if name and name not in known:
        there = ", ".join([*known, NONE])
        raise UserError(f"--network {name}: no such network{did_you_mean(name, [*known, NONE])}; there are {there}")
    name = name or known[0]
    stages = resolve(registry.features[name].stages)(device)

    def look(pictures: Tensor) -> list[Tensor]:
        return [directions(activations) for activations in stages(large_enough(pictures))]

    return name, look


def far(seen: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """The distance of two sets of n pictures that `load_look` has seen, (n,); 0 where they are equal."""
    depths = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(seen, wanted, strict=True)]
    return torch.stack(depths).mean(0)
