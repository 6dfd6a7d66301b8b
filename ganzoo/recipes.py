"""Recipes: for each architecture the data sets that it is known to do well on, and with what settings.

A recipe is `architecture.tag`. The packaged zoo.yaml is read first; architectures of other packages bring theirs on
their cards; a `zoo.yaml` in the working directory adds to them and may not silently replace what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ganzoo.cards import Recipe
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry, get_registry

FILE = "zoo.yaml"
ANY = "any"
"""Stands as `data` of the recipe that is meant for whatever has none of its own."""


def packaged_file() -> Path:
    """zoo.yaml beside the package (a wheel), or one folder up (a checkout)."""
    here = Path(__file__).resolve().parent
    source = here.parent / FILE
    return source if (here.parent / "pyproject.toml").is_file() and source.is_file() else here / FILE


def read_yaml(path: Path, what: str) -> Any:
    """What a YAML (or JSON) file holds; an empty one holds an empty mapping.

    Raises:
        UserError: when it cannot be read; `what` names the file in the message.
    """
    import yaml  # not at the top: it adds a quarter to the time of `ganzoo --help`

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{what} cannot be read: {' '.join(str(error).split())}") from error


def read(path: Path) -> dict[str, Recipe]:
    """The recipes of one file.

    Raises:
        UserError: one line for each entry that is not a recipe.
    """
    document = read_yaml(path, str(path))
    entries = document.get("recipes") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected a mapping `recipes:` at the top")
    recipes, mistakes = {}, []
    allowed = {"data", "settings", "notes", "default"}
    for name, entry in entries.items():
        _, dot, tag = str(name).partition(".")
        if not (dot and tag):
            mistakes.append(f"{path}: {name!r} is not of the form architecture.tag")
        elif not isinstance(entry, dict) or not isinstance(entry.get("data"), str):
            mistakes.append(f"{path}: {name} needs `data:`, the name of a data set")
        elif unknown := sorted(set(map(str, entry)) - allowed):
            hints = ", ".join(f"{key}{did_you_mean(key, allowed)}" for key in unknown)
            mistakes.append(f"{path}: {name} has unknown keys {hints}")
        elif not isinstance(entry.get("settings") or {}, dict):
            mistakes.append(f"{path}: {name}: `settings:` must be a mapping")
        else:
            recipes[str(name)] = Recipe(
                name=str(name),
                data=entry["data"],
                settings={str(key): value for key, value in (entry.get("settings") or {}).items()},
                notes=" ".join(str(entry.get("notes", "")).split()),
                default=bool(entry.get("default", False)),
                origin=str(path.name),
            )
    if mistakes:
        raise UserError(*mistakes)
    return recipes


def default_architecture() -> str:
    """The architecture that examples and messages name: `default:` of the packaged file."""
    found = re.search(r"^default: ([\w-]+)$", packaged_file().read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise UserError(f"{packaged_file()} has no line `default: ARCHITECTURE`")
    return found[1]


@cache
def packaged() -> dict[str, Recipe]:
    """The recipes that ship with ganzoo."""
    return read(packaged_file())


def shipped(registry: Registry | None = None) -> dict[str, Recipe]:
    """The recipes that ship with ganzoo, and those that other packages bring with their architectures.

    What zoo.yaml says of an architecture stands: of its card's recipes those of the same name are left out, and none of
    them takes the place of its default.
    """
    registry = registry or get_registry()
    ours = packaged()
    recipes = dict(ours)
    for card in registry.architectures.values():
        settled = any(recipe.default for recipe in of_architecture(card.name, ours))
        origin = registry.architectures.plugin(card.name).distribution
        for recipe in card.recipes:
            if recipe.name not in ours:
                recipes[recipe.name] = replace(recipe, default=recipe.default and not settled, origin=origin)
    return recipes


def all_recipes(folder: Path | None = None, registry: Registry | None = None) -> dict[str, Recipe]:
    """The recipes that ship with ganzoo and other packages, and those of `folder`/zoo.yaml (the working directory's by
    default).

    Raises:
        UserError: when the user's file gives a shipped name to something else, or marks a second default.
    """
    recipes = shipped(registry)
    own = (folder or Path.cwd()) / FILE
    if own.is_file() and own.resolve() != packaged_file().resolve():
        added = read(own)
        mistakes = []
        for name, recipe in added.items():
            same = recipes.get(name, recipe)
            default = default_recipe(recipe.architecture, recipes)
            if (recipe.data, recipe.settings) != (same.data, same.settings):
                mistakes.append(f"{own}: {name} is a packaged recipe; give yours another tag")
            elif recipe.default and default is not None and default.default and default.name != name:
                mistakes.append(
                    f"{own}: the default of {recipe.architecture} is {default.name}; train yours by its name, {name}"
                )
        if mistakes:
            raise UserError(*mistakes)
        recipes.update(added)
    return recipes


def of_architecture(name: str, recipes: Mapping[str, Recipe]) -> list[Recipe]:
    """The recipes of one architecture, the default first."""
    found = [recipe for recipe in recipes.values() if recipe.architecture == name]
    return sorted(found, key=lambda recipe: (not recipe.default, recipe.name))


def default_recipe(name: str, recipes: Mapping[str, Recipe]) -> Recipe | None:
    """What `ganzoo train NAME` means, or None for an architecture without recipes."""
    found = of_architecture(name, recipes)
    return found[0] if found else None


def find(name: str, recipes: Mapping[str, Recipe], architectures: Iterable[str]) -> Recipe:
    """The recipe `architecture.tag`.

    Raises:
        UserError: when there is none, naming those of that architecture.
    """
    if name in recipes:
        return recipes[name]
    architecture = name.partition(".")[0]
    known = [recipe.name for recipe in of_architecture(architecture, recipes)]
    there = f"; {architecture} has {', '.join(known)}" if known else ""
    raise UserError(f"there is no recipe {name!r}{did_you_mean(name, [*recipes, *architectures])}{there}")
