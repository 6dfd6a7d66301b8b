"""Which plugins there are and what they add.

Discovery is not trust: a plugin that cannot be imported, or whose hook raises, becomes a row of `broken` and everything
else goes on. Two plugins that claim one name are an error that names both distributions, raised when that name is used.
"""

from __future__ import annotations

import fnmatch
import importlib.metadata
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import pluggy

from ganzoo import hookspecs
from ganzoo.cards import Architecture, Card, Dataset, FeatureNetwork, Metric, Task, TextEncoder
from ganzoo.errors import UserError, did_you_mean

GROUP = "ganzoo"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("ganzoo_"))
"""The names of ganzoo's hooks."""
C = TypeVar("C", bound=Card)


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One plugin that was loaded: its entry point's name and module, its distribution, and what its import cost."""

    name: str
    module: str
    distribution: str
    version: str
    seconds: float
    imported_torch: bool


@dataclass(frozen=True, kw_only=True)
class BrokenPlugin:
    """One plugin, or one hook of it, that could not be used, and why."""

    name: str
    distribution: str
    version: str
    error: str

    def __str__(self) -> str:
        return f"broken: {self.distribution} {self.version} ({self.name}), {self.error}"


class Cards(Mapping[str, C], Generic[C]):
    """Cards of one kind by name, sorted. Looking up a name that two plugins claim, or that is not there, explains.

    Going through them (`for name in cards`, `cards.values()`) passes over names that are claimed twice.
    """

    def __init__(self, kind: str, broken: Iterable[BrokenPlugin]) -> None:
        self.kind = kind
        self._claims: dict[str, list[tuple[C, Plugin]]] = {}
        self._broken = broken

    def add(self, card: C, plugin: Plugin) -> None:
        """Enter `card`, which `plugin` brought."""
        self._claims.setdefault(card.name, []).append((card, plugin))

    def _claim(self, name: str) -> tuple[C, Plugin]:
        if name not in self._claims:
            raise KeyError(name)
        claims = self._claims[name]
        if len(claims) > 1:
            owners = " and ".join(f"{plugin.distribution} {plugin.version} ({plugin.name})" for _, plugin in claims)
            raise UserError(
                f"the {self.kind} {name!r} is claimed by {owners}; uninstall one of them or switch one off with "
                f"GANZOO_DISABLE={claims[-1][1].name}"
            )
        return claims[0]

    def __getitem__(self, name: str) -> C:
        return self._claim(name)[0]

    def plugin(self, name: str) -> Plugin:
        """The plugin that brought the card of that name."""
        return self._claim(name)[1]

    def find(self, name: str, command: str = "ganzoo list") -> C:
        """The card of that name.

        Raises:
            UserError: when there is none, with near names; `command` is where to see them all.
        """
        if name in self._claims:
            return self[name]
        near = did_you_mean(name, self._claims) or f"; there are {', '.join(self)}" * (0 < len(self) <= 10)
        message = f"there is no {self.kind} {name!r}{near}; `{command}` shows them all"
        suspects = [b for b in self._broken if name.replace("-", "_") in f"{b.name} {b.distribution}".replace("-", "_")]
        raise UserError(message, *(f"it may come from {suspect}" for suspect in suspects))

    def claimed(self, name: str) -> bool:
        """Whether any plugin brings a card of that name, be it more than one."""
        return name in self._claims

    def matching(self, pattern: str) -> list[C]:
        """The cards whose name matches a shell pattern, sorted; names that two plugins claim are left out."""
        return [card for name, card in self.items() if fnmatch.fnmatch(name, pattern)]

    def clashes(self) -> list[str]:
        """One line for each name that more than one plugin claims."""
        lines = []
        for name, claims in sorted(self._claims.items()):
            if len(claims) > 1:
                owners = " and ".join(f"{plugin.distribution} {plugin.version}" for _, plugin in claims)
                lines.append(f"the {self.kind} {name!r} is claimed by {owners}")
        return lines

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(name for name, claims in self._claims.items() if len(claims) == 1))

    def __len__(self) -> int:
        return sum(len(claims) == 1 for claims in self._claims.values())


class Registry:
    """Loads plugins and holds their cards. Made once a process by `get_registry`; tests make their own."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: dict[str, Plugin] = {}
        self.broken: list[BrokenPlugin] = []
        self._modules: dict[int, Plugin] = {}
        self.collect()

    def load_entry_points(self, disabled: Iterable[str] = ()) -> None:
        """Import every plugin of the environment, sorted by name, but those in `disabled`; then collect the cards."""
        skip = set(disabled)
        for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
            if entry.name not in skip:
                distribution = entry.dist.name if entry.dist else "?"
                version = entry.dist.version if entry.dist else "?"
                self.load(entry.name, distribution, version, entry.load, collect=False)
        self.collect()

    def load(
        self, name: str, distribution: str, version: str, load: Callable[[], object], collect: bool = True
    ) -> None:
        """Load one plugin with `load`, which returns its module; a failure becomes a row of `broken`."""
        torch_before = "torch" in sys.modules
        start = time.perf_counter()

        def broken(error: str) -> None:
            self.broken.append(BrokenPlugin(name=name, distribution=distribution, version=version, error=error))

        try:
            module = load()
        except (Exception, SystemExit) as error:  # a stranger's module may do anything at import
            return broken(_one_line(error))
        plugin = Plugin(
            name=name,
            module=getattr(module, "__name__", type(module).__name__),
            distribution=distribution,
            version=version,
            seconds=time.perf_counter() - start,
            imported_torch="torch" in sys.modules and not torch_before,
        )
        if name in self.plugins:
            other = self.plugins[name]
            return broken(f"its entry point {name!r} is taken by {other.distribution} {other.version}")
        try:
            self.manager.register(module, name=name)
        except Exception as error:  # a wrong argument of a hook; or whatever an object's attributes do when looked at
            if self.manager.has_plugin(name):  # pluggy 1.6 leaves it half registered
                self.manager.unregister(name=name)
            return broken(_one_line(error))
        self.plugins[name] = plugin
        self._modules[id(module)] = plugin
        for misspelt in self._unknown_hooks(module):
            broken(f"{misspelt} is no hook of ganzoo{did_you_mean(misspelt, HOOKS)}")
        for hook in HOOKS:
            if callable(getattr(module, "__dict__", {}).get(hook)) and not self._implements(module, hook):
                broken(f"{hook} is not marked with @hookimpl, so it is never called")
        if collect:
            self.collect()

    def _unknown_hooks(self, module: object) -> list[str]:
        callers = self.manager.get_hookcallers(module) or []
        return [
            caller.name
            for caller in callers
            if not caller.has_spec()
            and any(found.plugin is module and not found.optionalhook for found in caller.get_hookimpls())
        ]

    def _implements(self, module: object, hook: str) -> bool:
        return any(found.plugin is module for found in getattr(self.manager.hook, hook).get_hookimpls())

    def collect(self) -> None:
        """Ask every plugin for its cards (again)."""
        self.architectures: Cards[Architecture] = self._cards("architecture", "ganzoo_architectures", Architecture)
        self.tasks: Cards[Task] = self._cards("task", "ganzoo_tasks", Task)
        self.datasets: Cards[Dataset] = self._cards("data set", "ganzoo_datasets", Dataset)
        self.metrics: Cards[Metric] = self._cards("metric", "ganzoo_metrics", Metric)
        self.features: Cards[FeatureNetwork] = self._cards("feature network", "ganzoo_features", FeatureNetwork)
        self.text_encoders: Cards[TextEncoder] = self._cards("text encoder", "ganzoo_text_encoders", TextEncoder)

    def _cards(self, kind: str, hook: str, card_type: type[C]) -> Cards[C]:
        cards: Cards[C] = Cards(kind, self.broken)
        for plugin, result in self.call(hook):
            wanted = f"expected a list of {card_type.__name__}"
            if not isinstance(result, (list, tuple)):
                self._break(plugin, f"{hook} returned {type(result).__name__}, {wanted}")
                continue
            for card in result:
                if not isinstance(card, card_type):
                    self._break(plugin, f"{hook} returned a list with {type(card).__name__} in it, {wanted}")
                elif not isinstance(card.name, str) or not card.name:
                    self._break(plugin, f"{hook} returned a card whose name is {card.name!r}, expected text")
                else:
                    cards.add(card, plugin)
        return cards

    def call(self, hook: str, **arguments: object) -> list[tuple[Plugin, Any]]:
        """Call one hook plugin by plugin, so that one failure costs only its own plugin; results with their plugin."""
        results = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            plugin = self._modules[id(implementation.plugin)]
            try:
                wanted = {name: arguments[name] for name in implementation.argnames}
                results.append((plugin, implementation.function(**wanted)))
            except (Exception, SystemExit) as error:
                self._break(plugin, f"{hook} raised {_one_line(error)}")
        return sorted(results, key=lambda pair: pair[0].name)

    def _break(self, plugin: Plugin, error: str) -> None:
        row = BrokenPlugin(name=plugin.name, distribution=plugin.distribution, version=plugin.version, error=error)
        if row not in self.broken:
            self.broken.append(row)

    def problems(self) -> list[str]:
        """One line for each broken plugin and each name claimed twice: what `list` prints on stderr."""
        kinds: tuple[Cards[Any], ...] = (
            self.architectures,
            self.tasks,
            self.datasets,
            self.metrics,
            self.features,
            self.text_encoders,
        )
        return [str(row) for row in self.broken] + [line for cards in kinds for line in cards.clashes()]


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@cache
def get_registry() -> Registry:
    """The registry of this process: every installed plugin but those that GANZOO_DISABLE (a,b) names."""
    registry = Registry()
    disabled = [name.strip() for name in os.environ.get("GANZOO_DISABLE", "").split(",") if name.strip()]
    registry.load_entry_points(disabled)
    return registry
