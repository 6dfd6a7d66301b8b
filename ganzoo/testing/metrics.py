"""What every metric promises: sums that do not depend on how the work is shared, and a sense of better and worse.

It is shown made-up pictures of blobs, with all that may stand beside pictures in an evaluation, or the samples of its
own task; the failures are noise, and one picture over and over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.cards import Metric, resolve
from ganzoo.data.base import DataRequest
from ganzoo.errors import UserError
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo.testing.cards import Carded
from ganzoo.testing.check import CheckFailed
from ganzoo.testing.specimen import Specimen
from ganzoo_evaluation.base import BLOCK, Block, Comparison, Measured, NotApplicable, Plan, Value
from ganzoo_evaluation.measure import reads

COUNT = 256
SIZE = 32
DIMENSIONS = 16
CLASSES = 8
READABLE = ("pictures", "samples", "truth", "back", "text", "features", "logits")


def _card(carded: Carded) -> Metric:
    if not isinstance(carded.card, Metric):
        raise TypeError(f"{carded.card.name} is no metric")
    return carded.card


def blobs(seed: int, kind: str = "blobs") -> list[Block]:
    """`COUNT` pictures in blocks: a bright blob each, whose place is its class; or `noise`, or `one` over and over."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, CLASSES, (COUNT,), generator=generator)
    angle = 2 * math.pi * (label + 0.3 * torch.rand(COUNT, generator=generator)) / CLASSES
    colour = torch.rand(COUNT, 3, 1, 1, generator=generator) * 0.5 + 0.5
    place = torch.arange(SIZE) / (SIZE - 1) * 2 - 1
    across = place.view(1, 1, SIZE) - 0.6 * angle.cos().view(-1, 1, 1)
    down = place.view(1, SIZE, 1) - 0.6 * angle.sin().view(-1, 1, 1)
    light = torch.exp(-(across.square() + down.square()) / 0.08).unsqueeze(1) * colour
    truth = (light * 255).round().byte()
    pictures = truth
    if kind == "noise":
        pictures = torch.randint(0, 256, truth.shape, generator=generator, dtype=torch.uint8)
    if kind == "one":
        pictures = truth[:1].expand_as(truth).clone()
    look = torch.randn(3 * 8 * 8, DIMENSIONS + CLASSES, generator=torch.Generator().manual_seed(0)) / 8
    seen = torch.nn.functional.adaptive_avg_pool2d(pictures.float() / 127.5 - 1, 8).flatten(1) @ look
    blocks = []
    for start in range(0, COUNT, BLOCK):
        part = slice(start, start + BLOCK)
        blocks.append(
            Block(
                start=start,
                pictures=pictures[part],
                label=label[part],
                text=tuple(f"a blob number {number}" for number in label[part].tolist()),
                truth=truth[part],
                source=truth[part],
                back=pictures[part],
                features=seen[part, :DIMENSIONS].relu(),
                logits=seen[part, DIMENSIONS:],
            )
        )
    return blocks


@dataclass(frozen=True)
class Sets:
    """What a metric is shown: two sets of real pictures (or of other samples), and failures by name."""

    plan: Plan
    real: list[Block]
    other: list[Block]
    failures: Mapping[str, list[Block]]


def sets_for(registry: Registry, card: Metric) -> Sets:
    """Pictures of blobs; for a metric of other samples the rows of a set that ships with a package, of its task.

    Raises:
        UserError: when there is no such set.
    """
    if "samples" not in reads(card):
        plan = Plan(count=COUNT, dimensions=DIMENSIONS, classes=CLASSES, shape=(3, SIZE, SIZE))
        return Sets(plan, blobs(0), blobs(1), {kind: blobs(1, kind) for kind in ("noise", "one")})
    for task in registry.tasks.values():
        for entry in registry.datasets.values():
            if card.name in task.metrics and entry.embedded and set(task.batch) <= set(entry.fields):
                data = resolve(entry.load)(DataRequest(fields=task.batch))
                column = data.read(range(min(2 * COUNT, len(data))))[task.output]
                return _of_samples(torch.from_numpy(column))
    raise UserError(f"no task of which a set ships with a package names {card.name} among its metrics")


def _of_samples(rows: Tensor) -> Sets:
    half = len(rows) // 2
    real, other = rows[:half], rows[half : 2 * half]
    generator = torch.Generator().manual_seed(0)
    spread = real.double().std().clamp(min=1e-3)
    noise = 4 * spread * torch.randn(real.shape, generator=generator, dtype=torch.float64) + real.double().mean()
    failures = {"noise": noise.to(real.dtype), "one": real[:1].expand_as(real).clone()}

    def blocks(values: Tensor) -> list[Block]:
        return [Block(start=start, pictures=values[start : start + BLOCK]) for start in range(0, half, BLOCK)]

    plan = Plan(count=half, shape=tuple(real.shape[1:]))
    return Sets(plan, blocks(real), blocks(other), {name: blocks(values) for name, values in failures.items()})


def _collected(card: Metric, plan: Plan, blocks: list[Block]) -> dict[type[Any], Any]:
    collected: dict[type[Any], Any] = {kind: kind(plan) for kind in map(resolve, card.needs)}
    for collector in collected.values():
        for block in blocks:
            collector.update(block)
    return collected


def collectors(carded: Carded) -> str:
    """What its collectors gather is the same in one go and in shares that are merged, and survives being written."""
    card = _card(carded)
    unknown = [what for what in reads(card) if what not in READABLE]
    if unknown:
        raise CheckFailed(f"a collector reads {unknown[0]!r}", f"expected one of {', '.join(READABLE)}")
    shown = sets_for(carded.registry, card)
    blocks, plan = shown.real, shown.plan
    for reference in card.needs:
        kind = resolve(reference)
        whole, first, second = kind(plan), kind(plan), kind(plan)
        for index, block in enumerate(blocks):
            whole.update(block)
            (first if index < len(blocks) // 2 else second).update(block)
        written = second.arrays()
        odd = [name for name, array in written.items() if not isinstance(array, np.ndarray) or array.dtype == object]
        if odd:
            raise CheckFailed(f"{reference}: arrays() gives {odd[0]!r} as no plain array", "give numpy arrays only")
        first.merge(kind.from_arrays(written))
        _check_alike(whole.arrays(), first.arrays(), reference)
    return "" if card.needs else "it looks at no pictures"


def _check_alike(whole: Mapping[str, Any], shared: Mapping[str, Any], reference: str) -> None:
    change = "see that merge() and from_arrays() carry all of its state, and that no sum depends on the order"
    if whole.keys() != shared.keys():
        raise CheckFailed(f"{reference}: two merged shares have other arrays than the whole", change)
    for name, array in whole.items():
        other = shared[name]
        if array.shape != other.shape or array.dtype != other.dtype:
            raise CheckFailed(
                f"{reference}: {name!r} is {array.dtype} {array.shape} in one go and {other.dtype} {other.shape} of "
                "two merged shares",
                change,
            )
        same = (
            np.allclose(array, other, rtol=1e-6, atol=1e-9, equal_nan=True)
            if array.dtype.kind in "fc"
            else (array == other).all()
        )
        if not same:
            raise CheckFailed(f"{reference}: {name!r} is another when two shares are merged", change)


def values(carded: Carded) -> str:
    """It gives a finite number, the same twice, and does not call failures better than real pictures."""
    card = _card(carded)
    resolve(card.compute)
    shown = sets_for(carded.registry, card)
    try:
        real = _value(carded.registry, card, shown, shown.other)
        again = _value(carded.registry, card, shown, shown.other)
    except (NotApplicable, UserError) as reason:
        return f"not for these pictures: {reason}"
    if not isinstance(real, Value) or not math.isfinite(real.value):
        raise CheckFailed(
            f"compute gives {real!r}",
            "let it give a Value with a finite number, or raise NotApplicable with the reason",
        )
    if card.needs and real.value != again.value:
        raise CheckFailed(f"compute gives {real.value} and then {again.value}", "draw from the seed of the comparison")
    if card.better not in ("", "lower", "higher"):
        raise CheckFailed(f"better is {card.better!r}", 'expected "lower", "higher" or ""')
    if not card.needs or not card.better:
        return f"{real.value:.4g}"
    worse = {}
    for kind, blocks in shown.failures.items():
        try:
            worse[kind] = _value(carded.registry, card, shown, blocks).value
        except NotApplicable:
            continue
    sign = 1 if card.better == "lower" else -1
    if worse and all(sign * value < sign * real.value for value in worse.values()):
        found = ", ".join(f"{kind} {value:.4g}" for kind, value in worse.items())
        raise CheckFailed(
            f"real pictures have {real.value:.4g}; {found}: all better, for {card.better} is better",
            "mend compute, or `better` of the card",
        )
    return f"real {real.value:.4g}, " + ", ".join(f"{kind} {value:.4g}" for kind, value in worse.items())


def _value(registry: Registry, card: Metric, shown: Sets, fake: list[Block]) -> Value:
    model = None
    if not card.needs:
        name = next(iter(sorted(n for n, c in registry.architectures.items() if c.task == "generation")))
        model = Specimen(registry, registry.architectures[name]).build()
    classes = tuple(map(str, range(CLASSES)))
    plain = [replace(block, truth=None, back=None) for block in shown.real]
    alone = not {"truth", "back"} & set(reads(card))

    def measured(name: str, blocks: list[Block], model: Model | None = None) -> Measured:
        collected = _collected(card, shown.plan, blocks)
        return Measured(name=name, count=shown.plan.count, collected=collected, model=model, classes=classes)

    comparison = Comparison(
        fake=measured("fake", fake, model),
        real=measured("real", shown.real),
        train=measured("train", plain) if alone else None,
        metric=card.name,
    )
    found: Value = resolve(card.compute)(comparison)
    return found
