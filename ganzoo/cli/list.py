"""`ganzoo list`: the architectures of the zoo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from ganzoo.cards import Architecture
from ganzoo.errors import did_you_mean
from ganzoo.registry import Registry, get_registry


@click.command()
@click.argument("pattern", metavar="[GLOB]", default="*")
@click.option("--task", help="Only the architectures of this task (for example class-conditional).")
@click.option("--json", "as_json", is_flag=True, help="Print the cards as JSON.")
def list(pattern: str, task: str | None, as_json: bool) -> None:
    """The architectures: name, task, year and one line about each.

    GLOB narrows the list: `ganzoo list '*gan'`. Plugins that are broken are named on standard error.
    """
    registry = get_registry()
    if task is not None:
        registry.tasks.find(task, "ganzoo list --json")
    cards = [card for card in registry.architectures.matching(pattern) if task in (None, card.task)]
    if as_json:
        rows = []
        for card in cards:
            plugin = registry.architectures.plugin(card.name)
            row = asdict(card)
            for name in ("tiny", "short", "recipes"):
                row.pop(name)
            rows.append({**row, "plugin": {"distribution": plugin.distribution, "version": plugin.version}})
        click.echo(json.dumps(rows, indent=2))
    elif not cards:
        near = did_you_mean(pattern, registry.architectures)
        click.echo(f"no architecture matches {pattern!r}" + (f" with task {task}" if task else near), err=True)
    else:
        _print(cards, registry)
    for problem in registry.problems():
        click.secho(problem, fg="yellow", err=True)


def _print(cards: Sequence[Architecture], registry: Registry) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("name", "task", "year", "what it is", "plugin"):
        table.add_column(column, no_wrap=column != "what it is")
    for card in cards:
        plugin = registry.architectures.plugin(card.name)
        row = (card.name, card.task, str(card.year), f"{card.title}: {card.summary}", plugin.distribution)
        table.add_row(Text(row[0], style="bold"), *(Text(cell) for cell in row[1:]))
    console().print(table)
