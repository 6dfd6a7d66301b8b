"""What the commands that work on latents share: which run, which of its pictures, where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ganzoo.cli.captions import line_of, name_of, tell_of
from ganzoo.cli.naming import generated
from ganzoo.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ganzoo.latents.points import Pick, Space
    from ganzoo.model import Model
    from ganzoo.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

FILMS = frozenset((".mp4", ".webm", ".mov", ".avi", ".mkv", ".m4v"))


def of_a_run(command: F) -> F:
    """The argument RUN, and which weights of it on which device."""
    for option in (
        click.option("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.", show_default=True),
        click.option("--after", metavar="PHASE", help="The weights as they were when that phase of training ended."),
        click.option("--best", is_flag=True, help="The weights that did best while it trained, not the last."),
        click.argument("run", required=False, metavar="[RUN]"),
    ):
        command = option(command)
    return command


def of_seeds(command: F) -> F:
    """Which pictures are meant, in the words of `ganzoo generate`."""
    for option in (
        click.option(
            "--truncation",
            type=float,
            metavar="PSI",
            help="Keep the noise (or w) within PSI: fewer odd pictures, less variety.",
        ),
        click.option("--label", "labels", multiple=True, metavar="NAME", help="Of this class (a name or number)."),
        click.option(
            "--text",
            "texts",
            multiple=True,
            metavar="CAPTION",
            help="Of this caption, from a model that reads captions; several are for one picture each, in turn.",
        ),
        click.option(
            "--pick",
            metavar="LIST",
            help="Pictures of that seed by number, from 0, as generate makes them: 12 or 0-3,17.",
        ),
        click.option(
            "--seed",
            "seeds",
            type=click.IntRange(0),
            multiple=True,
            metavar="N",
            help="Pictures of `ganzoo generate --seed N` [0]; repeatable.",
        ),
    ):
        command = option(command)
    return command


def to_a_file(command: F) -> F:
    """May what is there be replaced."""
    return click.option("--overwrite", is_flag=True, help="Replace what is there already.")(command)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A run whose model draws its pictures from a latent; `weights` is which weights they are."""

    folder: Path
    model: Model
    registry: Registry
    weights: str

    def default(self, *marks: str, suffix: str = ".png") -> Path:
        """Where pictures go when nobody says: in the run's folder, under a name of these marks."""
        return generated(self.folder, marks, self.weights, suffix)


def open_model(run: str | None, best: bool, after: str | None, device: str, command: str) -> Opened:
    """The run that is meant, its model loaded.

    Raises:
        UserError: when there is none, or its model has no latent: it takes pictures in; or makes none. `command` is who
            asks.
    """
    from ganzoo.registry import get_registry
    from ganzoo.runs import find_folder, open_run

    registry = get_registry()
    folder = find_folder(run, Path("runs"))
    opened = open_run(folder, registry)
    task = registry.tasks.find(registry.architectures[opened.architecture].task)
    if task.directions:
        raise UserError(
            f"ganzoo {command}: {folder.name} has no latent, it makes pictures of pictures ({task.summary}); "
            f"try: ganzoo generate {folder} --input photo.png"
        )
    if not opened.data.pictured(task.output):
        raise UserError(
            f"ganzoo {command}: is for models that make pictures, and {folder.name} makes none ({task.summary}); "
            f"try: ganzoo generate {folder}"
        )
    if best and after:
        raise UserError(f"--best and --after {after} are two choices of weights; use one of them")
    from ganzoo.engine import distributed
    from ganzoo.runs import load_model

    weights = after or ("best" if best else "final")
    model = load_model(folder, registry, distributed.join(device).device, weights)
    return Opened(folder=folder, model=model, registry=registry, weights=weights)


def numbers(text: str, option: str) -> list[int]:
    """The numbers that `"12"` or `"0-3,17"` means.

    Raises:
        UserError: when it means none.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) < int(first):
            raise UserError(f"{option} {text}: expected numbers of pictures, such as 12 or 0-3,17")
        found += range(int(first), int(last or first) + 1)
    return found


def picks_of(seeds: Sequence[int], pick: str | None, count: int | None, default: int) -> list[Pick]:
    """The pictures that are meant: of each seed those in `pick`, or the first `count`; where nobody says, the first
    `default` of one seed, or the first of each of several."""
    from ganzoo.latents.points import Pick

    if pick is not None and count is not None:
        raise UserError(f"--pick {pick} says which pictures, and so how many; leave out the number {count}")
    chosen = numbers(pick, "--pick") if pick is not None else range(count or (1 if len(seeds) > 1 else default))
    return [Pick(seed, number) for seed in seeds or (0,) for number in chosen]


def named(
    seeds: Sequence[int], pick: str | None, texts: Sequence[str], labels: Sequence[str], truncation: float | None
) -> list[str]:
    """What tells the pictures of these options from others, for the name of a file."""
    which = [f"seed{'+'.join(map(str, seeds or (0,)))}", f"pick{pick}" if pick else ""]
    psi = "" if truncation is None else f"psi{truncation:g}"
    return [part for part in (name_of(texts), *labels, *which, psi) if part]


def class_numbers(opened: Opened, labels: Sequence[str]) -> list[int]:
    """The numbers of classes that were named.

    Raises:
        UserError: when the model takes none, or there is no such class.
    """
    classes = opened.model.data.classes
    if labels and "label" not in opened.model.takes:
        raise UserError(f"--label {labels[0]}: {opened.folder.name} takes no label, only noise")
    found, mistakes = [], []
    for label in labels:
        if label in classes:
            found.append(classes.index(label))
        elif label.isdigit() and int(label) < len(classes):
            found.append(int(label))
        else:
            there = ", ".join(classes)
            mistakes.append(f"--label {label}: no such class{did_you_mean(label, classes)}; there are {there}")
    if mistakes:
        raise UserError(*mistakes)
    return found


def class_of_each(opened: Opened, labels: Sequence[str], count: int) -> list[int] | None:
    """The class of each of `count` pictures: the ones that were named, in turn; None where none was."""
    found = class_numbers(opened, labels)
    return [found[index % len(found)] for index in range(count)] if found else None


def caption_of_each(opened: Opened, texts: Sequence[str], count: int) -> list[str] | None:
    """The caption of each of `count` pictures: those that were given, in turn; None where none was, and the model has
    those that it remembers. What it does not know of them is said.

    Raises:
        UserError: when the model reads no captions, there are none, or more than pictures.
    """
    model = opened.model
    if texts and "text" not in model.takes:
        instead = "use --label NAME" if "label" in model.takes else "leave --text out"
        raise UserError(f"--text {texts[0]!r}: {opened.folder.name} reads no captions; {instead}")
    if len(texts) > count:
        pictures = f"{count} picture{'' if count == 1 else 's'}"
        raise UserError(
            f"--text {texts[count]!r}: {len(texts)} captions for {pictures}; name more pictures, for example "
            f"--pick 0-{len(texts) - 1}"
        )
    if "text" in model.takes and not texts and not model.data.examples:
        raise UserError(f'{opened.folder.name} remembers no captions; say what it is to draw: --text "..."')
    found = [line_of(text) for text in texts]
    tell_of(opened.folder.name, model, found)
    return [found[index % len(found)] for index in range(count)] if found else None


def check_truncation(opened: Opened, psi: float | None, option: str = "--truncation") -> None:
    """Raise when that truncation makes no sense: noise cannot be kept within 0 or less, where w can be moved to its
    mean and beyond."""
    from ganzoo.latents.points import has_intermediate

    if psi is not None and psi <= 0 and not has_intermediate(opened.model):
        raise UserError(f"{option} {psi:g}: the noise z of {opened.folder.name} is kept within PSI, which is above 0")


def space_of(opened: Opened, space: str | None) -> Space:
    """The space that was asked for; where nobody says, w where the model has one, else z.

    Raises:
        UserError: when the model has no w.
    """
    from ganzoo.latents.points import has_intermediate

    has = has_intermediate(opened.model)
    if space is None:
        return "w" if has else "z"
    if space != "z" and not has:
        raise UserError(f"--space {space}: {opened.folder.name} has no intermediate latent w; use --space z")
    return "z" if space == "z" else "w"


def check_target(target: Path, asked: bool, overwrite: bool, films: Sequence[str] = ()) -> None:
    """Raise when something cannot be written to `target`: a format that is not `.png` nor one of `films`, or there is
    something already; `asked`: it was named by a person."""
    from ganzoo.data.images import SUFFIXES

    kinds = (".png", *films)
    if target.suffix.lower() in (SUFFIXES | FILMS) - set(kinds) and not target.is_dir():
        raise UserError(f"--out {target}: expected {' or '.join(kinds)}; use --out {target.with_suffix(kinds[0])}")
    if asked and target.exists() and not overwrite and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"--out {target} is there already; choose another name or add --overwrite")
    if target.suffix.lower() in kinds and target.is_dir():
        raise UserError(f"--out {target} is a folder; name a file in it: --out {target / ('it' + target.suffix)}")
