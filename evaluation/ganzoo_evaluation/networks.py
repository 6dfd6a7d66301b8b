"""Feature networks by name: which one suits the data, and how its card becomes a network that looks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from fnmatch import fnmatch

from ganzoo.cards import FeatureNetwork, resolve
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry
from ganzoo_evaluation.base import Network, NetworkRequest

AUTO = "auto"


def card_of(registry: Registry, name: str) -> FeatureNetwork:
    """The card of a network, or of the family (`timm:*`) that it belongs to.

    Raises:
        UserError: when there is none, with near names.
    """
    if name in registry.features:
        return registry.features[name]
    family = next((card for card in registry.features.values() if "*" in card.name and fnmatch(name, card.name)), None)
    if family is None:
        there = ", ".join(registry.features)
        raise UserError(
            f"{name}: no such feature network{did_you_mean(name, registry.features)}; there are {there} "
            "(`ganzoo eval --list`)"
        )
    return family


def choose_network(registry: Registry, data: Iterable[str], through: Collection[str] = ()) -> str:
    """The network that `auto` means for pictures of data sets of these names: an embedded one, which needs no download;
    one that suits the data before one that is for any, and, where there is a choice, none of those that a training has
    looked `through`.

    Raises:
        UserError: when no plugin brings an embedded network.
    """
    names = {name.partition(":")[0] for name in data}
    embedded = [card for card in registry.features.values() if card.embedded]
    fitting = [card for card in embedded if names & set(card.suits)] or [c for c in embedded if not c.suits]
    if not fitting:
        raise UserError("no feature network ships with the installed plugins; name one with --features NAME")
    impartial = [card for card in fitting if card.name not in through]
    return (impartial or fitting)[0].name


def open_network(registry: Registry, request: NetworkRequest) -> Network:
    """The network that `request.name` means.

    Raises:
        UserError: when there is none, or its weights cannot be had.
    """
    name = request.name
    network: Network = resolve(card_of(registry, name).load)(replace(request, name=name))
    return network
