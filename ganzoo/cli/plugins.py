"""`ganzoo plugins`: what is installed, what it adds, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click

from ganzoo.cli import COMMANDS
from ganzoo.discovery import DISABLE, Plugin
from ganzoo.registry import Registry, get_registry

SLOW = 0.5
"""Seconds of import above which a plugin is called heavy, whatever it imports."""
SHORT = 6
"""Names of one kind in the table, before the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One plugin: `state` is loaded, broken or off; `adds` has names by kind; `errors` are what is wrong, one line
    each, `mend` what to do."""

    name: str
    distribution: str
    version: str
    state: str
    module: str | None = None
    seconds: float | None = None
    imported_torch: bool = False
    heavy: bool = False
    adds: dict[str, list[str]]
    errors: list[str]
    mend: list[str]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def plugins(as_json: bool) -> None:
    """The plugins: from which package and version, what each adds, what its import costs.

    Those that are broken, heavy or switched off are named with what to do about it. `ganzoo --no-plugins COMMAND` does
    without all that do not come with ganzoo; GANZOO_DISABLE=a,b in the environment switches off single ones, by their
    name or that of their package.
    """
    rows = survey(get_registry())
    if as_json:
        click.echo(json.dumps([vars(row) for row in rows], indent=2))
        return
    _print([row for row in rows if row.state != "off" and row.module])
    for row in rows:
        label = f"{row.distribution} {row.version} ({row.name})"
        if row.state == "off":
            click.echo(f"off: {label}, {row.errors[0]}")
            continue
        for error in row.errors:
            click.secho(f"{'broken' if row.state == 'broken' else 'note'}: {label}, {error}", fg="yellow")
        for mend in row.mend:
            click.echo(f"  -> {mend}")


def survey(registry: Registry) -> list[Row]:
    """A row for each plugin, those of other packages first, then by name."""
    commands: dict[str, list[str]] = {}
    for name, (_, owner) in registry.commands(COMMANDS).items():
        commands.setdefault(owner.name, []).append(name)
    clashes: dict[str, list[str]] = {}
    for cards in registry.kinds():
        for owner, line in cards.clashes():
            clashes.setdefault(owner.name, []).append(line)
    rows = []
    for plugin in registry.plugins.values():
        adds = {cards.kind: cards.held_by(plugin) for cards in registry.kinds()}
        adds["command"] = sorted(commands.get(plugin.name, []))
        adds["hook"] = registry.events(plugin)
        rows.append(_loaded(registry, plugin, {kind: names for kind, names in adds.items() if names}, clashes))
    for broken in registry.broken:
        if not any((broken.name, broken.distribution) == (row.name, row.distribution) for row in rows):
            whole = Row(
                name=broken.name,
                distribution=broken.distribution,
                version=broken.version,
                state="broken",
                adds={},
                errors=[broken.error],
                mend=[broken.mend],
            )
            rows.append(whole)
    for off in registry.off:
        facts: dict[str, Any] = {"name": off.name, "distribution": off.distribution, "version": off.version}
        rows.append(Row(**facts, state="off", adds={}, errors=[f"switched off by {off.why}"], mend=[]))
    return sorted(rows, key=lambda row: (row.distribution == "ganzoo", row.distribution, row.name))


def _loaded(registry: Registry, plugin: Plugin, adds: dict[str, list[str]], clashes: dict[str, list[str]]) -> Row:
    broken = [b for b in registry.broken if (b.name, b.distribution) == (plugin.name, plugin.distribution)]
    errors = [row.error for row in broken] + clashes.get(plugin.name, [])
    mend = [row.mend for row in broken[:1]]
    if errors and not mend:
        mend = [f"pip uninstall {plugin.distribution}, or {DISABLE}={plugin.name} in the environment"]
    heavy = plugin.imported_torch or plugin.seconds > SLOW
    state = "broken" if errors else "loaded"
    if heavy:
        what = "imports torch" if plugin.imported_torch else "takes long to import"
        errors.append(f"heavy: {what} whenever the zoo is listed ({plugin.seconds:.1f} s)")
        mend.append(f"tell the author of {plugin.distribution}: the module of a plugin should hold only cards")
    return Row(
        name=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        state=state,
        module=plugin.module,
        seconds=round(plugin.seconds, 4),
        imported_torch=plugin.imported_torch,
        heavy=heavy,
        adds=adds,
        errors=errors,
        mend=mend,
    )


def _print(rows: list[Row]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("plugin", "package", "import", "what it adds"):
        table.add_column(heading, no_wrap=heading != "what it adds", justify="right" if heading == "import" else "left")
    for row in rows:
        cells = (f"{row.distribution} {row.version}", f"{(row.seconds or 0) * 1000:.0f} ms", _told(row.adds))
        table.add_row(Text(row.name, style="bold"), *map(Text, cells))
    console().print(table)


def _told(adds: dict[str, list[str]]) -> str:
    """`architecture wgan, metrics a, b`; long lists are cut."""
    parts = []
    for kind, names in adds.items():
        there = ", ".join(names[:SHORT]) + (f" and {len(names) - SHORT} more" if len(names) > SHORT else "")
        parts.append(f"{kind}{'s' * (len(names) > 1)} {there}")
    return "; ".join(parts) or "nothing"
