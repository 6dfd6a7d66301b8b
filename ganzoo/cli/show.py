"""`ganzoo show`: everything about one architecture."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from ganzoo import recipes
from ganzoo.cards import Architecture, Recipe, Task
from ganzoo.cli.teaching import TeachingCommand
from ganzoo.config import Fact, Layer, build, facts, settings_of
from ganzoo.registry import get_registry


@click.command(cls=TeachingCommand)
@click.argument("name", metavar="NAME[.TAG]")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, as_json: bool) -> None:
    """One architecture: its paper, settings, recipes, data and licence.

    With a recipe (`ganzoo show EXAMPLE.TAG`) the column `value` holds what that recipe resolves to.
    """
    registry = get_registry()
    architecture, _, tag = name.partition(".")
    card = registry.architectures.find(architecture)
    known = recipes.all_recipes()
    settings_type = settings_of(card)
    rows = facts(settings_type)
    recipe = recipes.find(name, known, registry.architectures) if tag else None
    values: dict[str, Any] = {}
    if recipe is not None:
        built, origins = build(settings_type, [Layer(recipe.name, recipe.settings)])
        values = {field: getattr(built, field) for field, origin in origins.items() if origin != "default"}
    plugin = registry.architectures.plugin(card.name)
    own = recipes.of_architecture(card.name, known)
    if as_json:
        document = {
            **dataclasses.asdict(card),
            "plugin": {"distribution": plugin.distribution, "version": plugin.version, "module": plugin.module},
            "settings": [dataclasses.asdict(row) for row in rows],
            "recipes": [dataclasses.asdict(entry) for entry in own],
            "resolved": values,
        }
        click.echo(json.dumps(document, indent=2))
        return
    task = registry.tasks.find(card.task)
    sets = [data for data in registry.datasets.values() if set(task.batch) <= set(data.fields)]
    fitting = [data.name for data in sets]
    pictured = not sets or any(data.channels for data in sets)
    _print(card, task, rows, own, values, f"{plugin.distribution} {plugin.version}", pictured)
    click.echo(f"\ndata it takes: {', '.join(fitting) or 'none of the named sets'}")
    own_pictures = _layout(task.batch)
    if task.open:
        click.echo("data of your own: --data PATH")
    elif own_pictures:
        click.echo(f"pictures of your own: --data FOLDER, with {own_pictures}")
    usual = next((data.name for data in sets if data.embedded), "NAME")
    on = "" if own else f" --data {usual}"
    click.echo(f"train it: ganzoo train {recipe.name if recipe else card.name}{on}")
    for index, way in enumerate(task.directions):
        start = "        " if index else "use it: "
        click.echo(f"{start}ganzoo generate RUN --input photo.png{f' --direction {way.name}' if way.name else ''}")


def _print(
    card: Architecture,
    task: Task,
    rows: list[Fact],
    own: list[Recipe],
    values: dict[str, Any],
    plugin: str,
    pictured: bool,
) -> None:
    """`pictured`: whether the sets of its task have pictures, so that it has sizes."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console

    out = console()
    out.print(Text(f"{card.name}: {card.title}", style="bold"))
    out.print(f"{card.summary}\n")
    sizes = ", ".join(map(str, card.sizes)) or "any"
    for label, text in (
        ("task", f"{task.name}: {task.summary}"),
        ("paper", f"{card.paper} ({card.year})"),
        *([("sizes", f"{sizes} px")] if pictured else []),
        ("plugin", plugin),
        ("licence", card.licence),
    ):
        out.print(f"{label:<8} {text}")
    for owner, title in (("architecture", "settings of the architecture"), ("trainer", "settings of the trainer")):
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=title, title_justify="left")
        headings = ["setting", "type", "default", *(["value"] if values else []), "help"]
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            if row.owner == owner:
                value = [_text(values[row.name]) if row.name in values else ""] if values else []
                table.add_row(
                    Text(row.name, style="bold"),
                    *map(Text, [row.type.replace("|", " | "), _text(row.default), *value, row.help]),
                )
        out.print(table)
    if own:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title="recipes", title_justify="left")
        for heading in ("recipe", "data", "notes"):
            table.add_column(heading, overflow="fold")
        for entry in own:
            name = f"{entry.name} (default)" if entry.default else entry.name
            table.add_row(Text(name, style="bold"), Text(entry.data), Text(entry.notes))
        out.print(table)


def _layout(fields: tuple[str, ...]) -> str:
    """How a folder holds these fields; empty where none can."""
    from ganzoo.data.layout import example_of

    try:
        return example_of(fields).removeprefix("expected ")
    except KeyError:
        return ""


def _text(value: Any) -> str:
    if value is None or value == ():
        return "none"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
