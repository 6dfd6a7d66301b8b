"""Which plugins this environment holds: the entry points of the group `ganzoo`, and which of them are switched off.

Nothing is imported here. What is wrong with one distribution's metadata is told of that distribution alone.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ganzoo.strangers import EXPECTED_NAME, NAME, printable, shown, told

GROUP = "ganzoo"
OWN = "ganzoo"
"""The distribution whose plugins are the zoo's own."""
DISABLE = "GANZOO_DISABLE"
"""Names plugins that are not loaded, by entry point or distribution, with commas between."""
NO_PLUGINS = "GANZOO_NO_PLUGINS"
"""Set (by `ganzoo --no-plugins`, and so for its child processes too): only the zoo's own plugins are loaded."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One plugin that was loaded: its entry point's name and module, its distribution, and what its import cost."""

    name: str
    module: str
    distribution: str
    version: str
    seconds: float
    imported_torch: bool

    @property
    def owner(self) -> str:
        """`ganzoo-foo 0.2`."""
        return f"{self.distribution} {self.version}"

    @property
    def built_in(self) -> bool:
        """Whether it comes with ganzoo."""
        return normalised(self.distribution) == OWN


@dataclass(frozen=True, kw_only=True)
class BrokenPlugin:
    """One plugin, or one hook of it, that could not be used, and why."""

    name: str
    distribution: str
    version: str
    error: str

    def __str__(self) -> str:
        return f"broken: {self.distribution} {self.version} ({self.name}), {self.error}"

    @property
    def mend(self) -> str:
        """What a person can do about it."""
        if normalised(self.distribution) == OWN:
            return "reinstall ganzoo: pip install --force-reinstall --no-deps ganzoo"
        name = self.name if NAME.fullmatch(self.name) else self.distribution
        known = bool(NAME.fullmatch(normalised(self.distribution)))
        upgrade = f"pip install --upgrade {self.distribution}, pip uninstall {self.distribution}, or " if known else ""
        return f"{upgrade}{DISABLE}={name} in the environment"


@dataclass(frozen=True, kw_only=True)
class SwitchedOff:
    """One plugin that is installed and was not imported; `why` is what a person set or typed."""

    name: str
    distribution: str
    version: str
    why: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.name}), switched off by {self.why}"


@dataclass(frozen=True, kw_only=True)
class EntryPoint:
    """One entry point that can be imported with `load`; `module` is what its distribution says is to be imported."""

    name: str
    module: str
    distribution: str
    version: str
    load: Callable[[], object]


@dataclass(kw_only=True)
class Installed:
    """What was found: the zoo's own first, then by name; `unknown` are names in GANZOO_DISABLE that nothing has."""

    entries: list[EntryPoint] = field(default_factory=list)
    off: list[SwitchedOff] = field(default_factory=list)
    broken: list[BrokenPlugin] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def normalised(distribution: str) -> str:
    """A distribution's name as package indexes compare them: `Ganzoo_Foo` is `ganzoo-foo`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def disabled_names() -> list[str]:
    """What GANZOO_DISABLE holds."""
    return [name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()]


def only_own() -> bool:
    """Whether `--no-plugins` was typed, here or in the process that started this one."""
    return bool(os.environ.get(NO_PLUGINS))


def installed(disabled: Iterable[str] = (), own: bool = False) -> Installed:
    """Every plugin of the environment but those in `disabled`, or (`own`) only those that come with ganzoo."""
    found = Installed()
    skip = {normalised(name): name for name in disabled}
    used = set()
    for entry in _entry_points(found.broken):
        distribution, version = _owner(entry)
        names = {normalised(entry.name), normalised(distribution)}
        used |= names
        facts = {"name": printable(entry.name, 80), "distribution": distribution, "version": version}
        if names & skip.keys():
            why = f"{DISABLE}={next(skip[name] for name in sorted(names & skip.keys()))}"
            found.off.append(SwitchedOff(**facts, why=why))
        elif own and normalised(distribution) != OWN:
            found.off.append(SwitchedOff(**facts, why="--no-plugins"))
        elif not NAME.fullmatch(entry.name):
            error = f"its entry point is called {shown(entry.name)}, expected {EXPECTED_NAME}"
            found.broken.append(BrokenPlugin(**facts, error=error))
        elif not entry.pattern.match(entry.value):
            error = f"its entry point names {shown(entry.value)}, expected a module"
            found.broken.append(BrokenPlugin(**facts, error=error))
        else:
            found.entries.append(EntryPoint(**facts, module=entry.module, load=entry.load))
    found.entries.sort(key=lambda entry: (normalised(entry.distribution) != OWN, entry.name, entry.distribution))
    found.unknown = [name for key, name in skip.items() if key not in used]
    return found


def _entry_points(broken: list[BrokenPlugin]) -> Sequence[importlib.metadata.EntryPoint]:
    try:
        return tuple(importlib.metadata.entry_points(group=GROUP))
    except Exception:  # one distribution's file that cannot be read ends the search in all
        return _one_by_one(broken)


def _one_by_one(broken: list[BrokenPlugin]) -> Sequence[importlib.metadata.EntryPoint]:
    """The entry points of every distribution whose metadata can be read; the others become rows of `broken`."""
    entries, seen = [], set()
    for distribution in importlib.metadata.distributions():
        name, version = _describe(distribution)
        if normalised(name) in seen:  # the first on the path is the one that is imported
            continue
        seen.add(normalised(name))
        try:
            entries += [entry for entry in distribution.entry_points if entry.group == GROUP]
        except Exception as error:
            told_of = f"its entry_points.txt cannot be read: {told(error)}"
            broken.append(BrokenPlugin(name="?", distribution=name, version=version, error=told_of))
    return entries


def _owner(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    return _describe(entry.dist) if entry.dist is not None else ("?", "?")


def _describe(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    """Name and version, printable; `?` for what the metadata do not tell."""
    facts = []
    for key in ("Name", "Version"):
        try:
            value = distribution.metadata[key]
        except Exception:  # metadata that are missing or damaged, in whatever way the reader puts it
            value = None
        facts.append(printable(value, 80) if value else "?")
    return facts[0], facts[1]
