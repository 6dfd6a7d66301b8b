"""`ganzoo generate`: pictures from a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from ganzoo.cli.naming import generated
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry, get_registry

if TYPE_CHECKING:
    from ganzoo.cards import Task
    from ganzoo.model import Model
    from ganzoo.runs import Run

COUNT = 64
"""How many pictures are made when nobody says."""


class How(TypedDict):
    """What `ganzoo.sampling.blocks` is told beside the number."""

    seed: int
    label: list[int] | None
    truncation: float | None


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help="How many pictures [64]; with --input the first N [all]; of each --text [8].",
)
@click.option(
    "--text", "texts", multiple=True, metavar="CAPTION", help="What a model that reads captions draws; repeatable."
)
@click.option("--texts", "file", type=click.Path(path_type=Path), metavar="FILE", help="Captions, one a line.")
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="What a model that takes pictures in gets: a picture, or a folder or zip of some.",
)
@click.option("--direction", default="", metavar="NAME", help="Of a model that goes two ways: which (a2b or b2a).")
@click.option("--keep-size", is_flag=True, help="Pictures as large as they are, not brought to the size of training.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="NAME.png: a grid (of one --input: the picture); anything else: a folder of files.",
)
@click.option("--best", is_flag=True, help="The weights that did best while it trained, not the last.")
@click.option("--after", metavar="PHASE", help="The weights as they were when that phase of the training ended.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other pictures.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME", help="Only this class (a name or number); repeatable."
)
@click.option("--per-class", type=click.IntRange(1), metavar="N", help="N pictures of every class.")
@click.option(
    "--truncation",
    type=click.FloatRange(0, min_open=True),
    metavar="PSI",
    help="Keep the noise within PSI: fewer odd pictures, less variety.",
)
@click.option("--columns", type=click.IntRange(1), metavar="N", help="Columns of the grid.")
@click.option("--overwrite", is_flag=True, help="Replace pictures that are there already.")
@click.option("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.", show_default=True)
def generate(
    run: str | None,
    count: int | None,
    texts: tuple[str, ...],
    file: Path | None,
    source: Path | None,
    direction: str,
    keep_size: bool,
    out: Path | None,
    best: bool,
    after: str | None,
    seed: int,
    labels: tuple[str, ...],
    per_class: int | None,
    truncation: float | None,
    columns: int | None,
    overwrite: bool,
    device: str,
) -> None:
    """Pictures from a trained model: a grid, or a folder of files. RUN is a folder or a name in runs/ [the newest].

    \b
    ganzoo generate -n 64                                       a grid from the newest run
    ganzoo generate RUN --label sneaker -n 16 --out sneakers/   one class, as files
    ganzoo generate RUN --per-class 100 --out pictures/         a sub-folder for each class

    A model that reads captions draws what --text says, or captions that it remembers of its data. All captions get
    the same noise: in the grid, what changes down a column is due to the words, and along a row to the noise. Files are
    named after their captions, and a captions.jsonl beside them makes the folder a data set.

    \b
    ganzoo generate RUN --text "a large red circle above a small blue square" -n 8 --out grid.png
    ganzoo generate RUN --text "a red star" --text "a blue star"   a row each, with the same noise
    ganzoo generate RUN --texts captions.txt -n 4 --out pictures/  four of each line, as files

    A model that takes pictures in (translation, super-resolution) gets them by --input; without, it shows what it
    makes of pictures that its training held out.

    \b
    ganzoo generate RUN --input photo.png                       one picture
    ganzoo generate RUN --input photos/ --out answers/          a folder or a zip, under the same names
    ganzoo generate RUN --input photos/ --direction b2a         the other way, where a model goes two
    ganzoo generate RUN --input photos/ -n 16 --out grid.png    the first 16 beside what becomes of them

    Samples that are no pictures are drawn as their task shows them, or written into a folder, a file for each.
    """
    registry = get_registry()
    from ganzoo.data.images import SUFFIXES
    from ganzoo.runs import find_folder, open_run

    try:
        folder = find_folder(run, Path("runs"))
    except UserError as error:
        if run is None or " " not in run:
            raise
        hint = f'to have that drawn: ganzoo generate --text "{run}"'
        raise UserError(*error.lines[:-1], f"{error.lines[-1]}; {hint}") from error
    opened = open_run(folder, registry)
    task = registry.tasks.find(registry.architectures[opened.architecture].task)
    if best and after:
        raise UserError(f"--best and --after {after} are two choices of weights; use one of them")
    if out is not None and out.suffix.lower() in SUFFIXES - {".png"} and not out.is_dir():
        raise UserError(f"--out {out}: pictures are written as PNG; use --out {out.with_suffix('.png')}")
    weights = after or ("best" if best else "final")
    if not opened.data.pictured(task.output):
        beside = {"--input": source, "--direction": direction, "--keep-size": keep_size, "--columns": columns}
        _refuse(beside, f"{folder.name} makes no pictures ({task.summary}); try: ganzoo generate {folder} -n {COUNT}")
        from ganzoo.cli import samples

        asked = samples.Order(
            count=count,
            texts=texts,
            file=file,
            labels=labels,
            per_class=per_class,
            out=out,
            weights=weights,
            seed=seed,
            truncation=truncation,
            overwrite=overwrite,
        )
        samples.make(registry, opened, task, asked, device)
        return
    if task.directions:
        words: dict[str, object] = {"--label": " ".join(labels), "--per-class": per_class, "--truncation": truncation}
        words |= {"--text": bool(texts), "--texts": file}
        _refuse(words, f"{folder.name} makes pictures of pictures ({task.summary})")
        from ganzoo.cli import translate

        order = translate.Order(
            source=source,
            direction=task.direction(direction),
            keep_size=keep_size,
            count=count,
            out=out,
            weights=weights,
            seed=seed,
            columns=columns,
            overwrite=overwrite,
        )
        translate.make(registry, opened, task, order, device)
        return
    beside = {"--input": source, "--direction": direction, "--keep-size": keep_size}
    _refuse(beside, f"{folder.name} takes no pictures in ({task.summary}); try: ganzoo generate {folder} -n {COUNT}")
    if "text" in task.given.values():
        of_classes = {"--label": " ".join(labels), "--per-class": per_class}
        instead = f'try: ganzoo generate {folder} --text "{" ".join(labels) or "..."}"'
        _refuse(of_classes, f"{folder.name} has no classes, it reads captions; {instead}")
        from ganzoo.cli import captions

        wanted = captions.Order(
            texts=texts,
            file=file,
            count=count or (captions.EACH if texts or file else COUNT),
            out=out,
            weights=weights,
            seed=seed,
            truncation=truncation,
            columns=columns,
            overwrite=overwrite,
        )
        captions.make(registry, opened, wanted, device)
        return
    refuse_texts(opened, task, texts, file)
    if per_class and (labels or count):
        raise UserError("--per-class already says how many of which class; leave out -n and --label")
    _from_noise(registry, folder, count, out, weights, seed, labels, per_class, truncation, columns, overwrite, device)


def _from_noise(
    registry: Registry,
    folder: Path,
    count: int | None,
    out: Path | None,
    weights: str,
    seed: int,
    labels: tuple[str, ...],
    per_class: int | None,
    truncation: float | None,
    columns: int | None,
    overwrite: bool,
    device: str,
) -> None:
    """Draw the pictures, write them, and say where they are."""
    from ganzoo.engine import distributed
    from ganzoo.runs import load_model

    group = distributed.join(device)
    model = load_model(folder, registry, group.device, weights)
    chosen = labels_of(folder, model, labels, per_class, count or COUNT)
    total = len(chosen) if chosen is not None else count or COUNT
    how: How = {"seed": seed, "label": chosen, "truncation": truncation}
    psi = f"psi{truncation:g}" if truncation else ""
    target = out or generated(folder, (*labels, f"n{total}", f"seed{seed}", psi), weights)
    if target.suffix.lower() == ".png":
        if target.exists() and out is not None and not overwrite:
            raise UserError(f"--out {target} is there already; choose another name or add --overwrite")
        _write_grid(model, target, total, columns, **how)
        click.echo(f"{total} pictures in {target}")
    else:
        _write_files(model, target, total, bool(per_class), overwrite, **how)
        click.echo(f"{total} pictures in {target}/")


def _refuse(words: Mapping[str, object], why: str) -> None:
    """Raise a line for each option that was given."""
    given = [word if value is True else f"{word} {value}" for word, value in words.items() if value]
    if given:
        raise UserError(*(f"{word}: {why}" for word in given))


def refuse_texts(run: Run, task: Task, texts: Sequence[str], file: Path | None) -> None:
    """Raise when captions are given to a run whose model reads none."""
    given = {f"--text {text!r}": True for text in texts[:1]} | {"--texts": file}
    instead = "--label NAME" if "label" in task.given.values() else f"-n {COUNT}"
    _refuse(given, f"{run.name} reads no captions ({task.summary}); try: ganzoo generate {run.folder} {instead}")


def labels_of(folder: Path, model: Model, labels: Sequence[str], per_class: int | None, count: int) -> list[int] | None:
    """The class of each sample, or None where the model is left to choose.

    Raises:
        UserError: when it takes none, or there is no such class.
    """
    if (labels or per_class) and "label" not in model.takes:
        raise UserError(f"--{'label' if labels else 'per-class'}: {folder.name} takes no label, only noise")
    classes = model.data.classes
    if per_class:
        return [index for index in range(len(classes)) for _ in range(per_class)]
    if not labels:
        return None
    numbers, mistakes = [], []
    for label in labels:
        if label in classes:
            numbers.append(classes.index(label))
        elif label.isdigit() and int(label) < len(classes):
            numbers.append(int(label))
        else:
            mistakes.append(
                f"--label {label}: no such class{did_you_mean(label, classes)}; there are {', '.join(classes)}"
            )
    if mistakes:
        raise UserError(*mistakes)
    return [numbers[index * len(numbers) // count] for index in range(count)]


def _write_grid(model: Model, path: Path, count: int, columns: int | None, **how: Unpack[How]) -> None:
    import torch

    from ganzoo.pictures import columns_for, grid, save_picture
    from ganzoo.sampling import blocks

    made = list(blocks(model, count, **how))
    pictures = torch.cat([block for block, _ in made])
    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(grid(pictures, columns or columns_for(count, made[0][1], model.data)), path)


def _write_files(model: Model, folder: Path, count: int, in_classes: bool, overwrite: bool, **how: Unpack[How]) -> None:
    """The pictures by number, `in_classes` in a folder for each class."""
    from ganzoo.cli.writing import write_files
    from ganzoo.sampling import blocks

    names = file_names(model, count, how["label"] if in_classes else None, ".png")
    write_files((pictures for pictures, _ in blocks(model, count, **how)), folder, names, overwrite=overwrite)


def file_names(model: Model, count: int, labels: Sequence[int] | None, suffix: str) -> list[str]:
    """Names of files by number; with `labels`, in a folder for each class."""
    names = [f"{index:06d}{suffix}" for index in range(count)]
    if labels:
        names = [f"{model.data.classes[label]}/{name}" for label, name in zip(labels, names, strict=True)]
    return names
