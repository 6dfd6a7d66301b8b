"""One pass over a set of pictures: through a feature network, into collectors, shared out over the processes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ganzoo.cards import Metric, resolve
from ganzoo.data.base import Progress
from ganzoo.engine.distributed import Group
from ganzoo.errors import UserError
from ganzoo.model import Model
from ganzoo_evaluation.base import BLOCK, Block, Measured, Network, Pictures, Plan, Reads

VALUES = 64 * 3 * 512 * 512
"""Most pixel values that are looked at at a time: a block of large pictures goes through in several pieces."""


def measure(
    pictures: Pictures,
    network: Network | None,
    collectors: Sequence[type[Any]],
    *,
    seed: int = 0,
    crop: int = 0,
    group: Group | None = None,
    progress: Progress | None = None,
    model: Model | None = None,
    classes: tuple[str, ...] = (),
) -> Measured:
    """Read `pictures` once and give every block to every collector; every process of `group` ends with the whole.

    Raises:
        UserError: when the set is empty.
    """
    if pictures.count < 1:
        raise UserError(f"{pictures.name} holds no pictures")
    first = next(iter(pictures.blocks(0, 1)))
    shape = tuple(int(extent) for extent in first.pictures.shape[1:])
    plan = Plan(
        count=pictures.count,
        dimensions=network.dimensions if network else 0,
        classes=network.classes if network else 0,
        shape=shape,
        crop=crop,
        seed=seed,
    )
    collected = {kind: kind(plan) for kind in collectors}
    start, stop = share(pictures.count, group)
    for block in pictures.blocks(start, stop):
        for piece in pieces(block):
            if network is not None:
                features, logits = network(piece.pictures)
                piece = replace(piece, features=features, logits=logits)
            for collector in collected.values():
                collector.update(piece)
        if progress is not None:
            progress(pictures.name, min(block.start + len(block), stop) - start, stop - start)
    if group is not None and group.world > 1:
        collected = _merged(collected, group)
    return Measured(
        name=pictures.name, count=pictures.count, collected=collected, network=network, model=model, classes=classes
    )


def pieces(block: Block) -> Iterator[Block]:
    """The block, in pieces of at most `VALUES` pixel values (but of whole pictures)."""
    size = max(1, VALUES // max(1, block.pictures[0].numel()))
    if size >= len(block):
        yield block
        return
    for first in range(0, len(block), size):
        yield block.part(first, first + size)


def share(count: int, group: Group | None) -> tuple[int, int]:
    """Which pictures of a set this process looks at: whole blocks, as evenly as it goes."""
    world, rank = (group.world, group.rank) if group is not None else (1, 0)
    blocks = math.ceil(count / BLOCK)
    borders = [min(count, BLOCK * (blocks * i // world)) for i in range(world + 1)]
    return list(pairwise(borders))[rank]


def _merged(collected: dict[type[Any], Any], group: Group) -> dict[type[Any], Any]:
    """The collectors of all processes in one, by rank, so that every process adds up in the same order."""
    everyone = group.gather([collector.arrays() for collector in collected.values()])
    result = {}
    for place, kind in enumerate(collected):
        parts = [kind.from_arrays(arrays[place]) for arrays in everyone]
        for part in parts[1:]:
            parts[0].merge(part)
        result[kind] = parts[0]
    return result


def reads(card: Metric) -> list[Reads]:
    """What the collectors of a metric read."""
    return [resolve(reference).reads for reference in card.needs]


def collectors_of(
    cards: Iterable[Metric], network: Network | None, beside: Collection[Reads] = (), *, pictured: bool = True
) -> list[type[Any]]:
    """The collectors that these metrics need, each once and in a fixed order, as far as there is something for them to
    read: features with a network, logits where it has some, and what stands `beside` the pictures (`truth`, `back`,
    `text`). `pictured`: whether they are pictures."""
    there: set[Reads] = {"pictures" if pictured else "samples", *beside}
    if network is not None:
        there |= {"features", "logits"} if network.classes else {"features"}
    references = sorted({reference for card in cards for reference in card.needs})
    return [kind for kind in map(resolve, references) if kind.reads in there]
