"""From a word to the checks that it means: a plugin, a distribution, or something that one of them adds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from ganzoo.cards import Architecture, Card, Dataset, FeatureNetwork, Metric, Task, TextEncoder, resolve
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Cards, Plugin, Registry, get_registry
from ganzoo.testing.cards import Carded
from ganzoo.testing.check import Check, Promise

CARD = (
    Promise("light", "listing it imports no torch", "ganzoo.testing.cards:light"),
    Promise("card", "the card is complete", "ganzoo.testing.cards:complete"),
)
SETTINGS = Promise("settings", "settings have help and bounds", "ganzoo.testing.cards:settings")
ARCHITECTURE = (
    Promise("model", "the model's class says what it is", "ganzoo.testing.architectures:model_class"),
    Promise("sizes", "it builds at the sizes it claims", "ganzoo.testing.architectures:sizes"),
    Promise("seed", "samples are a function of the seed", "ganzoo.testing.architectures:same_seed"),
    Promise("alone", "a sample does not depend on its batch", "ganzoo.testing.architectures:alone_or_together"),
    Promise("differentiable", "generate() hands gradients on", "ganzoo.testing.architectures:differentiable"),
    Promise("truncation", "a truncated latent keeps its bound", "ganzoo.testing.architectures:truncation"),
    Promise("phases", "phases move what they name and all of it", "ganzoo.testing.training:phases"),
    Promise("save", "what is saved loads into the same samples", "ganzoo.testing.training:save_and_load"),
    Promise("resume", "a run that was stopped goes on to the same bits", "ganzoo.testing.training:resume"),
    Promise("precision", "it trains in float32 and bfloat16", "ganzoo.testing.training:precisions"),
    Promise("export", "the exported program does what the model does", "ganzoo.testing.architectures:export"),
    Promise("processes", "two processes end with equal weights", "ganzoo.testing.processes:agree"),
    Promise("improves", "a short training makes it better", "ganzoo.testing.training:improves"),
)
DATASET = (
    Promise("task", "a task can train on it", "ganzoo.testing.cards:named_in_a_task"),
    Promise("rows", "rows are as its card says", "ganzoo.testing.datasets:rows"),
    Promise("reading", "reading is a function of the indices", "ganzoo.testing.datasets:reading"),
    Promise("held out", "no test row is a training row", "ganzoo.testing.datasets:held_out"),
    Promise("sizes", "other sizes and colours are given or refused", "ganzoo.testing.datasets:sizes"),
    Promise("splits", "an unknown split is refused", "ganzoo.testing.datasets:unknown_split"),
)
METRIC = (
    Promise("collectors", "shares of the work merge into the whole", "ganzoo.testing.metrics:collectors"),
    Promise("values", "it tells failures from real pictures", "ganzoo.testing.metrics:values"),
)
NETWORK = (Promise("features", "vectors as its card says, of each picture alone", "ganzoo.testing.networks:features"),)
ENCODER = (Promise("sentences", "any caption is read, each by itself", "ganzoo.testing.networks:sentences"),)
TASK = (Promise("words", "its fields, inputs and metrics fit each other", "ganzoo.testing.cards:task"),)


def checks_of(name: str, registry: Registry | None = None) -> list[Check]:
    """The checks of an installed plugin (the name of its entry point), of a distribution, or of one architecture, data
    set, metric or task. Nothing is looked at yet, and torch is not imported.

    Raises:
        UserError: when there is nothing of that name, or it does not load.
    """
    registry = registry or get_registry()
    for row in registry.broken:
        if name in (row.name, row.distribution):
            raise UserError(str(row))
    plugins = [plugin for plugin in registry.plugins.values() if name in (plugin.name, plugin.distribution)]
    named = {plugin.name for plugin in plugins}
    found = list(_of_plugins(registry, named)) if plugins else list(_of_card(registry, name))
    if not found:
        if plugins:
            raise UserError(f"{name}: the plugin adds nothing that could be checked (architectures, data sets, ...)")
        known = {entry for cards in registry.kinds() for entry in cards}
        known |= {word for plugin in registry.plugins.values() for word in (plugin.name, plugin.distribution)}
        raise UserError(
            f"there is no plugin, architecture, data set, metric or task {name!r}{did_you_mean(name, known)}; "
            "for a package that is not installed: ganzoo plugin check PATH"
        )
    return found


def _of_plugins(registry: Registry, names: set[str]) -> Iterator[Check]:
    for cards in registry.kinds():
        for name in cards:
            plugin = cards.plugin(name)
            if plugin.name in names:
                yield from _of(registry, plugin, cards, cards[name])


def _of_card(registry: Registry, name: str) -> Iterator[Check]:
    for cards in registry.kinds():
        if name in cards:
            yield from _of(registry, cards.plugin(name), cards, cards[name])


def _of(registry: Registry, plugin: Plugin, cards: Cards[Any], card: Card) -> Iterator[Check]:
    subject = f"{cards.kind} {card.name}"
    carded = Carded(registry, plugin, card)
    more: tuple[Promise, ...] = ()
    if isinstance(card, Dataset):
        more = DATASET
    elif isinstance(card, Metric):
        more = METRIC
    elif isinstance(card, Task):
        more = TASK
    elif isinstance(card, FeatureNetwork):
        more = NETWORK
    elif isinstance(card, TextEncoder):
        more = ENCODER
    elif isinstance(card, Architecture):
        more = (SETTINGS,)
    for promise in (*CARD, *more):
        yield Check(subject, promise, lambda: carded)
    if isinstance(card, Architecture):
        specimen = cache(lambda: resolve("ganzoo.testing.specimen:Specimen")(registry, card))
        for promise in ARCHITECTURE:
            yield Check(subject, promise, specimen)
