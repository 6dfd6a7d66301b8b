"""Cards by name, and who has a name that several plugins claim."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from ganzoo.cards import Card, Metric
from ganzoo.discovery import DISABLE, Plugin
from ganzoo.errors import UserError, did_you_mean

C = TypeVar("C", bound=Card)


class Cards(Mapping[str, C], Generic[C]):
    """Cards of one kind by name, sorted. Looking up a name that two plugins claim, or that is not there, explains.

    A name that the zoo has itself is its own, whoever else claims it. Going through the cards (`for name in cards`,
    `cards.values()`) passes over names that two other plugins claim.
    """

    def __init__(self, kind: str, suspects: Callable[[str], list[str]] = lambda name: []) -> None:
        """`suspects(name)`: which plugins that are not loaded a name may come from, one line each."""
        self.kind = kind
        self._claims: dict[str, list[tuple[C, Plugin]]] = {}
        self._reserved: dict[str, Plugin] = {}
        self._suspects = suspects

    def add(self, card: C, plugin: Plugin) -> None:
        """Enter `card`, which `plugin` brought."""
        self._claims.setdefault(card.name, []).append((card, plugin))
        if isinstance(card, Metric) and plugin.built_in:
            self._reserved.update(dict.fromkeys(card.synonyms, plugin))

    def _valid(self, name: str) -> list[tuple[C, Plugin]]:
        """The claims to a name, the zoo's own alone where it has one."""
        claims = self._claims.get(name, [])
        own = [claim for claim in claims if claim[1].built_in]
        return own or ([] if name in self._reserved else claims)

    def _claim(self, name: str) -> tuple[C, Plugin]:
        claims = self._valid(name)
        if not claims:
            raise KeyError(name)
        if len(claims) > 1:
            owners = " and ".join(f"{plugin.owner} ({plugin.name})" for _, plugin in claims)
            raise UserError(
                f"the {self.kind} {name!r} is claimed by {owners}; uninstall one of them or switch one off with "
                f"{DISABLE}={claims[-1][1].name}"
            )
        return claims[0]

    def __getitem__(self, name: str) -> C:
        return self._claim(name)[0]

    def plugin(self, name: str) -> Plugin:
        """The plugin that brought the card of that name."""
        return self._claim(name)[1]

    def of(self, plugin: Plugin) -> list[str]:
        """The names that a plugin claims, sorted, whether it gets them or not."""
        return sorted(name for name, claims in self._claims.items() if any(owner is plugin for _, owner in claims))

    def held_by(self, plugin: Plugin) -> list[str]:
        """The names that are a plugin's alone, sorted."""
        return [name for name in self.of(plugin) if [owner for _, owner in self._valid(name)] == [plugin]]

    def find(self, name: str, command: str = "ganzoo list") -> C:
        """The card of that name.

        Raises:
            UserError: when there is none, with near names; `command` is where to see them all.
        """
        if self._valid(name):
            return self[name]
        near = did_you_mean(name, self._claims) or f"; there are {', '.join(self)}" * (0 < len(self) <= 10)
        message = f"there is no {self.kind} {name!r}{near}; `{command}` shows them all"
        raise UserError(message, *(f"it may come from {suspect}" for suspect in self._suspects(name)))

    def claimed(self, name: str) -> bool:
        """Whether any plugin brings a card of that name, be it more than one."""
        return name in self._claims

    def matching(self, pattern: str) -> list[C]:
        """The cards whose name matches a shell pattern, sorted; names that two plugins claim are left out."""
        return [card for name, card in self.items() if fnmatch.fnmatch(name, pattern)]

    def clashes(self) -> list[tuple[Plugin, str]]:
        """One line for each name that several plugins claim, with the plugin that does not get it."""
        lines = []
        for name, claims in sorted(self._claims.items()):
            valid = self._valid(name)
            if len(valid) > 1:
                owners = " and ".join(plugin.owner for _, plugin in claims)
                lines.append((claims[-1][1], f"the {self.kind} {name!r} is claimed by {owners}"))
                continue
            for claim in claims:
                if claim not in valid:
                    holder = valid[0][1] if valid else self._reserved[name]
                    left_out = f"the {self.kind} {name!r} of {claim[1].owner} is left out: {holder.owner} has that name"
                    lines.append((claim[1], left_out))
        return lines

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(name for name in self._claims if len(self._valid(name)) == 1))

    def __len__(self) -> int:
        return sum(len(self._valid(name)) == 1 for name in self._claims)
