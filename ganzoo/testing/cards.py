"""What every card promises: that it is complete, and that reading it costs nothing."""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass

from ganzoo.cards import Architecture, Card, Dataset, Task, resolve
from ganzoo.config import Layer, Settings, build, facts
from ganzoo.registry import Plugin, Registry
from ganzoo.testing.check import CheckFailed
from ganzoo.testing.light import imported

PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\S+|https://\S+|none")
"""How the card of an architecture names its paper."""
SLOW = 0.5
"""Seconds that a plugin may add to every command."""


@dataclass(frozen=True)
class Carded:
    """A card, the plugin that brought it, and where it was found."""

    registry: Registry
    plugin: Plugin
    card: Card


def light(carded: Carded) -> str:
    """The plugin's module, and the module of an architecture's settings, are imported without torch and its like."""
    modules: tuple[str, ...] = (carded.plugin.module,)
    if isinstance(carded.card, Architecture):
        modules += (carded.card.config.partition(":")[0],)
    try:
        heavy, seconds, said = imported(modules)
    except RuntimeError as error:
        raise CheckFailed(f"importing {' and '.join(modules)} fails: {error}", "mend the import") from error
    if heavy:
        raise CheckFailed(
            f"importing {' and '.join(modules)} imports {' and '.join(heavy)}, which every `ganzoo list` would pay for",
            "keep only cards and settings there; name what needs it as 'module:attribute'",
        )
    if said.strip():
        raise CheckFailed(
            f"importing {modules[0]} prints {said.strip().splitlines()[0][:60]!r}", "print nothing at import"
        )
    if seconds > SLOW:
        raise CheckFailed(
            f"importing {' and '.join(modules)} takes {seconds:.1f} s",
            f"expected below {SLOW} s: do the work where it is needed",
        )
    return f"{1000 * seconds:.0f} ms"


def complete(carded: Carded) -> str:
    """Everything that a person wants to know of it is on the card."""
    card = carded.card
    optional = {"group", "through", "better", "stages", "download", "extra", "weights", "show", "paper"}
    for field in dataclasses.fields(card):
        value = getattr(card, field.name)
        if isinstance(value, str) and field.default is dataclasses.MISSING and not value and field.name not in optional:
            raise CheckFailed(f"{field.name} is empty", f"fill it in: {type(card).__name__}({field.name}=...)")
        if isinstance(value, str) and "\n" in value:
            raise CheckFailed(f"{field.name} has more than one line", "make it one line")
    if len(card.summary) > 160 or card.summary.endswith("."):
        raise CheckFailed(
            f"the summary is {card.summary[-40:]!r} at its end, {len(card.summary)} letters",
            "expected one line of at most 160 letters without a full stop",
        )
    if isinstance(card, Architecture):
        _check_architecture(carded.registry, card)
    return ""


def _check_architecture(registry: Registry, card: Architecture) -> None:
    registry.tasks.find(card.task, "ganzoo list")
    if not PAPER.fullmatch(card.paper):
        raise CheckFailed(f"paper is {card.paper!r}", "expected arXiv:NNNN.NNNNN, doi:10..., https://... or none")
    if list(card.sizes) != sorted(set(card.sizes)) or any(size < 1 for size in card.sizes):
        raise CheckFailed(f"sizes are {card.sizes}", "expected each size in pixels once, the smallest first")
    if not 1940 <= card.year <= 2100:
        raise CheckFailed(f"year is {card.year}", "expected the year of the paper")


def settings(carded: Carded) -> str:
    """Every setting of an architecture has help, every number bounds, and those of `tiny` are settings."""
    card = carded.card
    if not isinstance(card, Architecture):
        raise TypeError(f"{card.name} is no architecture")
    declared = resolve(card.config)
    if not (isinstance(declared, type) and issubclass(declared, Settings)):
        raise CheckFailed(f"{card.config} is no subclass of ganzoo.Settings", "make it one: class Config(Settings)")
    hints = typing.get_type_hints(declared)
    fields = {field.name: field for field in dataclasses.fields(declared)}
    for fact in facts(declared):
        if len(fact.help) < 9:
            raise CheckFailed(
                f"the setting {fact.name!r} has no help", f'say what it is: {fact.name} = setting(..., help="...")'
            )
        numeric = {int, float} & {hints[fact.name], *typing.get_args(hints[fact.name])}
        if numeric and not {"gt", "ge", "lt", "le"} & set(fields[fact.name].metadata):
            raise CheckFailed(
                f"the setting {fact.name!r} has no bounds",
                f"say which numbers make sense: {fact.name} = setting(..., ge=0, help=...)",
            )
    built, _ = build(declared, [Layer("tiny", dict(card.tiny))])
    build(declared, [Layer("tiny", dict(card.tiny)), Layer("short", dict(card.short))])
    if not card.tiny:
        raise CheckFailed(
            "the card has no `tiny`", 'name settings that make a run of seconds: tiny={"width": 8, "batch": 8}'
        )
    build(declared, [Layer("defaults", {})])
    return f"{len(fields) - len(dataclasses.fields(Settings))} of its own, a batch of {built.batch} when tiny"


def task(carded: Carded) -> str:
    """A task's words fit each other: its output and inputs are known, and what it measures exists."""
    card = carded.card
    if not isinstance(card, Task):
        raise TypeError(f"{card.name} is no task")
    fields = (*card.batch, *card.optional)
    if card.output not in fields:
        raise CheckFailed(f"output is {card.output!r}", f"expected one of its batch: {', '.join(fields)}")
    strangers = [name for name in card.given if name not in card.inputs]
    if strangers:
        raise CheckFailed(f"given names {strangers[0]!r}", f"expected one of its inputs: {', '.join(card.inputs)}")
    for way in card.directions:
        if way.input not in card.inputs or way.output not in fields:
            raise CheckFailed(f"a direction goes from {way.input!r} to {way.output!r}", "expected its own fields")
    resolve(card.show)
    absent = [name for name in card.metrics if name not in carded.registry.metrics]
    return f"without {', '.join(absent)}, which no plugin brings" if absent else ""


def named_in_a_task(carded: Carded) -> str:
    """A data set has all fields of a task, so that something can be trained on it."""
    card = carded.card
    if not isinstance(card, Dataset):
        raise TypeError(f"{card.name} is no data set")
    tasks = [task.name for task in carded.registry.tasks.values() if set(task.batch) <= set(card.fields)]
    if not tasks:
        raise CheckFailed(
            f"its fields are {', '.join(card.fields)}, which no task can train on",
            "a task needs "
            + "; ".join(f"{' and '.join(task.batch)} ({task.name})" for task in carded.registry.tasks.values()),
        )
    return f"for {', '.join(tasks)}"
