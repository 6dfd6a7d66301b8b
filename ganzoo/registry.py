"""Which plugins there are and what they add.

Discovery is not trust: a plugin that cannot be imported, or whose hook raises, becomes a row of `broken` and everything
else goes on. A name that the zoo has itself stays its own. Two other plugins that claim one name are an error that
names both distributions, raised when that name is used.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from ganzoo import hookspecs
from ganzoo.cards import Architecture, Card, Dataset, FeatureNetwork, Metric, Task, TextEncoder
from ganzoo.claims import Cards
from ganzoo.discovery import (
    DISABLE,
    GROUP,
    BrokenPlugin,
    Plugin,
    SwitchedOff,
    disabled_names,
    installed,
    normalised,
    only_own,
)
from ganzoo.errors import GanzooWarning, did_you_mean
from ganzoo.strangers import NAME, mistake_in_command, mistakes_in, printable, quiet, shown, told

if TYPE_CHECKING:
    import click

__all__ = ["HOOKS", "BrokenPlugin", "Cards", "Plugin", "Registry", "SwitchedOff", "get_registry"]

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("ganzoo_"))
"""The names of ganzoo's hooks."""
EVENTS = ("ganzoo_run_", "ganzoo_step_")
"""How the names of those begin that are called while a model trains, and collect nothing."""
C = TypeVar("C", bound=Card)


class Registry:
    """Loads plugins and holds their cards. Made once a process by `get_registry`; tests make their own.

    `plugins` were loaded, `broken` are those (or what of them) that could not be used, `off` those that a person has
    switched off; `unknown` are names in GANZOO_DISABLE that no plugin has.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: dict[str, Plugin] = {}
        self.broken: list[BrokenPlugin] = []
        self.off: list[SwitchedOff] = []
        self.unknown: list[str] = []
        self._modules: dict[int, Plugin] = {}
        self.collect()

    def load_entry_points(self, disabled: Iterable[str] = (), own: bool = False) -> None:
        """Import every plugin of the environment but those in `disabled`, or (`own`) only the zoo's own; then collect
        the cards."""
        found = installed(disabled, own)
        self.broken += found.broken
        self.off += found.off
        self.unknown += found.unknown
        for entry in found.entries:
            self.load(entry.name, entry.distribution, entry.version, entry.load, collect=False)
        self.collect()

    def load(
        self, name: str, distribution: str, version: str, load: Callable[[], object], collect: bool = True
    ) -> None:
        """Load one plugin with `load`, which returns its module; a failure becomes a row of `broken`."""
        torch_before = "torch" in sys.modules
        start = time.perf_counter()

        def broken(error: str) -> None:
            self.broken.append(BrokenPlugin(name=name, distribution=distribution, version=version, error=error))

        if name in self.plugins:
            return broken(f"its entry point {name!r} is taken by {self.plugins[name].owner}")
        try:
            with quiet():
                module = load()
                module_name = printable(str(getattr(module, "__name__", type(module).__name__)), 80)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's module may do anything at import
            return broken(told(error))
        plugin = Plugin(
            name=name,
            module=module_name,
            distribution=distribution,
            version=version,
            seconds=time.perf_counter() - start,
            imported_torch="torch" in sys.modules and not torch_before,
        )
        try:
            with quiet():
                self.manager.register(module, name=name)
                mistakes = self._hook_mistakes(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a wrong argument of a hook; or whatever an object's attributes do
            if self.manager.has_plugin(name):  # pluggy 1.6 leaves it half registered
                self.manager.unregister(name=name)
            return broken(told(error))
        self.plugins[name] = plugin
        self._modules[id(module)] = plugin
        for mistake in mistakes:
            broken(mistake)
        if collect:
            self.collect()

    def _hook_mistakes(self, module: object) -> list[str]:
        """Functions of a registered module that look like hooks and are none, one line each."""
        unknown = [f"{name} is no hook of ganzoo{did_you_mean(name, HOOKS)}" for name in self._unknown_hooks(module)]
        attributes = getattr(module, "__dict__", {})
        found = [hook for hook in HOOKS if callable(attributes.get(hook)) and not self._implements(module, hook)]
        return unknown + [f"{hook} is not marked with @hookimpl, so it is never called" for hook in found]

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
        cards: Cards[C] = Cards(kind, self.suspects)
        for plugin, result in self.call(hook):
            wanted = f"expected a list of {card_type.__name__}"
            if type(result) not in (list, tuple):
                self._break(plugin, f"{hook} returned {printable(type(result).__name__)}, {wanted}")
                continue
            for card in result:
                # No subclass: what it does when its fields are read is not known.
                if type(card) is not card_type:
                    self._break(plugin, f"{hook} returned a list with {printable(type(card).__name__)} in it, {wanted}")
                elif mistakes := mistakes_in(card):
                    self._break(plugin, f"{hook} returned a card whose {'; '.join([*_called(card), *mistakes])}")
                elif card.name in cards.of(plugin):
                    self._break(plugin, f"{hook} returned two cards with the name {card.name!r}")
                else:
                    cards.add(card, plugin)
        return cards

    def commands(self, taken: Container[str] = ()) -> dict[str, tuple[click.Command, Plugin]]:
        """The commands that plugins add, by name; one whose name is among `taken`, or another plugin's that comes
        before, is a row of `broken`."""
        import click

        found: dict[str, tuple[click.Command, Plugin]] = {}
        groups: dict[str, click.Group] = {}

        def fresh(plugin: Plugin) -> dict[str, object]:
            return {"cli": groups.setdefault(plugin.name, click.Group())}

        for plugin, _ in sorted(self._call("ganzoo_commands", fresh), key=lambda pair: not pair[0].built_in):
            for name, command in groups[plugin.name].commands.items():
                if mistake := mistake_in_command(name, command):
                    self._break(plugin, f"ganzoo_commands added {mistake}")
                elif name in found or name in taken:
                    holder = found[name][1].owner if name in found else "ganzoo itself"
                    self._break(plugin, f"ganzoo_commands added the command {name!r}, which is that of {holder}")
                else:
                    found[name] = (command, plugin)
        return found

    def call(self, hook: str, **arguments: object) -> list[tuple[Plugin, Any]]:
        """Call one hook plugin by plugin, so that one failure costs only its own plugin; results with their plugin.

        What a plugin prints goes to standard error.
        """
        return self._call(hook, lambda plugin: arguments)

    def _call(self, hook: str, arguments: Callable[[Plugin], Mapping[str, object]]) -> list[tuple[Plugin, Any]]:
        """`call` with arguments for each plugin."""
        results = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            plugin = self._modules[id(implementation.plugin)]
            try:
                with quiet():
                    given = arguments(plugin)
                    wanted = {name: given[name] for name in implementation.argnames}
                    results.append((plugin, implementation.function(**wanted)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._break(plugin, f"{hook} raised {told(error)}")
        return sorted(results, key=lambda pair: pair[0].name)

    def _break(self, plugin: Plugin, error: str) -> None:
        row = BrokenPlugin(name=plugin.name, distribution=plugin.distribution, version=plugin.version, error=error)
        if row not in self.broken:
            self.broken.append(row)

    def kinds(self) -> tuple[Cards[Any], ...]:
        """The cards of every kind."""
        return (
            self.architectures,
            self.tasks,
            self.datasets,
            self.metrics,
            self.features,
            self.text_encoders,
        )

    def events(self, plugin: Plugin) -> list[str]:
        """The run events that a plugin listens to, by their hooks' names."""
        module = self.manager.get_plugin(plugin.name)
        return [hook for hook in HOOKS if hook.startswith(EVENTS) and self._implements(module, hook)]

    def problems(self) -> list[str]:
        """One line for each broken plugin and each name claimed twice: what `list` prints on stderr."""
        clashes = [line for cards in self.kinds() for _, line in cards.clashes()]
        return [str(row) for row in self.broken] + clashes

    def suspects(self, name: str) -> list[str]:
        """Which plugins that are broken or switched off an unknown name may come from, one line each."""
        word = name.replace("-", "_")
        rows = [(f"{row.name} {row.distribution}", str(row)) for row in self.broken]
        rows += [(f"{row.name} {row.distribution}", str(row)) for row in self.off]
        return [line for names, line in rows if word in names.replace("-", "_")]

    def why_missing(self, kind: str, card: str, distribution: str, version: str) -> str:
        """Why a run's card of that kind and name is not here, which that distribution brought in that version, and
        what to do about it: one line."""
        distribution, version = printable(distribution, 80), printable(version, 80)
        wanted = normalised(distribution)
        came = f"its {kind} {shown(card)} came from {distribution} {version}"
        for off in self.off:
            if normalised(off.distribution) == wanted:
                return f"{came}, which is switched off by {off.why}; leave that out"
        for broken in self.broken:
            if normalised(broken.distribution) == wanted:
                return f"{came}, which is broken: {broken.error}; try: {broken.mend}"
        for plugin in self.plugins.values():
            if normalised(plugin.distribution) == wanted:
                return f"{came}; {plugin.owner} has it no more; try: pip install {distribution}=={version}"
        return f"{came}, which is not installed; try: pip install {distribution}"


def _called(card: Card) -> list[str]:
    """`name is 'x'`, where a card has a sound one: which of a list has the mistakes that follow."""
    try:
        return [f"name is {card.name!r}"] if NAME.fullmatch(card.name) else []
    except Exception:
        return []


@cache
def get_registry() -> Registry:
    """The registry of this process: every installed plugin but those that GANZOO_DISABLE (a,b) names, or the zoo's own
    alone after `ganzoo --no-plugins`."""
    registry = Registry()
    registry.load_entry_points(disabled_names(), only_own())
    for name in registry.unknown:
        message = f"{DISABLE} names {shown(name)}, which no installed plugin or distribution is called"
        warnings.warn(message + did_you_mean(name, registry.plugins), GanzooWarning, stacklevel=2)
    return registry
