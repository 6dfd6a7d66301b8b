"""`ganzoo plugin new`: a package that adds an architecture, a data set or a metric, complete and working."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
from pathlib import Path
from typing import Any

import click

from ganzoo import recipes
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Cards, Registry, get_registry
from ganzoo.scaffolding import KINDS, LONGEST, NAME, PREFIX, TASKS, Author, Names, files, git_user, this_year, write


@click.command()
@click.argument("name")
@click.option("--kind", default="architecture", show_default=True, help=f"What it adds: {', '.join(KINDS)}.")
@click.option("--task", help=f"Of an architecture or a data set: {', '.join(TASKS)}.  [default: {TASKS[0]}]")
@click.option("--out", type=click.Path(path_type=Path), help="Its folder.  [default: ganzoo-NAME]")
@click.option("--author", help="Who holds the rights.  [default: git's user.name]")
def new(name: str, kind: str, task: str | None, out: Path | None, author: str | None) -> None:
    """Write the package ganzoo-NAME, which installs, trains and passes its tests as it is written.

    It is a small working architecture of a task, made to be changed line by line; or a data set, or a metric. Nothing
    that is there already is overwritten.

    \b
    Examples:
      ganzoo plugin new okapi
      ganzoo plugin new okapi --task paired-translation
      ganzoo plugin new okapi-photos --kind dataset
    """
    registry = get_registry()
    plain = _plain(name)
    if plain != name:
        click.echo(f"the package is called {PREFIX}NAME by itself: NAME is {plain!r}", err=True)
    names = Names(name=plain)
    folder = out or Path(names.distribution)
    mistakes = [
        *_kind_mistakes(kind),
        *_task_mistakes(registry, kind, task),
        *_name_mistakes(registry, names),
        *_folder_mistakes(folder, out is not None),
        *_author_mistakes(author),
    ]
    if mistakes:
        raise UserError(*mistakes)
    task = task or TASKS[0]
    holder = (author or git_user() or f"the authors of {names.distribution}").strip()
    example = _architecture_of(registry, task)
    texts = files(kind, task, names, Author(name=holder, year=this_year()), example)
    try:
        write(folder, texts)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    click.echo(f"{folder}: {len(texts)} files, {KINDS[kind].lower()} called {plain}")
    use = {
        "architecture": f"ganzoo train {plain}",
        "dataset": f"ganzoo train {example or 'ARCHITECTURE'} --data {plain}",
        "metric": f"ganzoo eval --metrics {plain}",
    }[kind]
    click.echo(f"next: cd {shlex.quote(str(folder))} && pip install -e '.[test]'")
    click.echo(f"      {use}")
    click.echo(f"      ganzoo plugin check {plain}")


def _plain(name: str) -> str:
    """NAME without the prefix that every package has anyway."""
    lowered = name.lower().replace("_", "-")
    return lowered.removeprefix(PREFIX) if lowered.startswith(PREFIX) else name


def _kind_mistakes(kind: str) -> list[str]:
    if kind in KINDS:
        return []
    return [f"--kind {kind}: there is no such kind{did_you_mean(kind, KINDS)}; there are {', '.join(KINDS)}"]


def _task_mistakes(registry: Registry, kind: str, task: str | None) -> list[str]:
    if task is None or (kind != "metric" and task in TASKS):
        return []
    if kind == "metric":
        return [f"--task {task}: a metric is of no task by itself; leave it away (the card's `tasks` can say some)"]
    templates = f"there are templates for {', '.join(TASKS)}"
    if task in registry.tasks:
        return [f"--task {task}: no template yet; {templates}; that of {TASKS[0]} can be changed: --task {TASKS[0]}"]
    return [f"--task {task}: there is no such task{did_you_mean(task, {*registry.tasks, *TASKS})}; {templates}"]


def _name_mistakes(registry: Registry, names: Names) -> list[str]:
    name = names.name
    if not NAME.fullmatch(name):
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789").rstrip("-")
        hint = f"; for example {better}" if NAME.fullmatch(better) else ""
        return [f"NAME {name!r}: expected lower-case letters, digits and single hyphens, a letter first{hint}"]
    if len(name) > LONGEST:
        return [f"NAME {name}: expected at most {LONGEST} letters, found {len(name)}"]
    kinds: dict[str, Cards[Any]] = {
        "an architecture": registry.architectures,
        "a data set": registry.datasets,
        "a metric": registry.metrics,
    }
    modules = {plugin.module for plugin in registry.plugins.values()}
    found = next((kind for kind, cards in kinds.items() if cards.claimed(name)), "")
    if not found and (name in registry.plugins or names.module in modules):
        found = "a plugin"
    if found:
        return [f"NAME {name}: there is {found} of that name already; take another"]
    try:
        version = importlib.metadata.version(names.distribution)
    except importlib.metadata.PackageNotFoundError:
        return []
    return [f"NAME {name}: {names.distribution} {version} is installed already; take another name, or uninstall it"]


def _folder_mistakes(folder: Path, asked: bool) -> list[str]:
    try:
        free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        return [f"{folder} cannot be read: {error.strerror or error}"]
    if free:
        return []
    what = f"--out {folder}" if asked else str(folder)
    return [f"{what} is there already and is not overwritten; choose another with --out FOLDER"]


def _author_mistakes(author: str | None) -> list[str]:
    if author is None or (author.strip() and author.isprintable()):
        return []
    return [f"--author {author!r}: expected a name"]


def _architecture_of(registry: Registry, task: str) -> str:
    """An architecture to try a data set of that task with: the default one where it fits; empty where there is none."""
    there = [card.name for card in registry.architectures.values() if card.task == task and not card.yardstick]
    usual = recipes.default_architecture()
    return usual if usual in there else next(iter(there), "")
