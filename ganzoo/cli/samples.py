"""`ganzoo generate RUN` of a task whose samples are no pictures: a drawing of them all, or a file for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cards import Task, resolve
from ganzoo.cli.naming import generated
from ganzoo.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.model import Model
    from ganzoo.registry import Registry
    from ganzoo.runs import Run

    Made = Iterable[tuple[Tensor, Mapping[str, Any]]]
    """Samples and the inputs that they came from, some at a time, as `ganzoo.sampling.blocks` gives them."""

NUMPY = ".npy"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted: `count` samples; of each caption in `texts` or `file`, where the model reads captions."""

    count: int | None
    texts: tuple[str, ...]
    file: Path | None
    labels: tuple[str, ...]
    per_class: int | None
    out: Path | None
    weights: str
    seed: int
    truncation: float | None
    overwrite: bool


def make(registry: Registry, run: Run, task: Task, order: Order, device: str) -> None:
    """Make the samples, draw or write them, and say where they are.

    Raises:
        UserError: when something of the order cannot be had, or is there already.
    """
    from ganzoo.cli.captions import EACH, name_of
    from ganzoo.cli.generate import COUNT, file_names, labels_of
    from ganzoo.engine import distributed
    from ganzoo.runs import load_model
    from ganzoo.sampling import blocks

    suffix = task.suffix if task.save else NUMPY
    _check(run, task, order, suffix)
    captions = _captions(order)
    model = load_model(run.folder, registry, distributed.join(device).device, order.weights)
    labels = labels_of(run.folder, model, order.labels, order.per_class, order.count or COUNT)
    texts = [caption for caption in captions for _ in range(order.count or EACH)]
    count = len(labels or texts) or order.count or COUNT
    made = blocks(model, count, seed=order.seed, label=labels, text=texts or None, truncation=order.truncation)
    psi = f"psi{order.truncation:g}" if order.truncation else ""
    marks = (*order.labels, name_of(captions), f"n{count}", f"seed{order.seed}", psi)
    target = order.out or generated(run.folder, marks, order.weights)
    if target.suffix.lower() == ".png":
        if target.exists() and order.out is not None and not order.overwrite:
            raise UserError(f"--out {target} is there already; choose another name or add --overwrite")
        draw(made, target, task, model)
        click.echo(f"{count} samples in {target}")
    else:
        names = file_names(model, count, labels if order.per_class else None, suffix)
        write(made, target, names, task, overwrite=order.overwrite)
        click.echo(f"{count} samples in {target}/")


def draw(made: Made, path: Path, task: Task, model: Model) -> None:
    """Draw all of them into one PNG, as the task shows samples."""
    import torch

    blocks = list(made)
    inputs = joined([inputs for _, inputs in blocks])
    path.parent.mkdir(parents=True, exist_ok=True)
    resolve(task.show)(torch.cat([samples for samples, _ in blocks]), path, inputs, model.data)


def joined(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The inputs of several blocks in one: tensors and lists row after row."""
    import torch

    everything: dict[str, Any] = {}
    for name, first in inputs[0].items():
        parts = [block[name] for block in inputs]
        tensors = isinstance(first, torch.Tensor)
        everything[name] = torch.cat(parts) if tensors else [row for part in parts for row in part]
    return everything


def write(made: Made, folder: Path, names: Sequence[str], task: Task, *, overwrite: bool) -> None:
    """Write each into a file of its own, by `Task.save` or as NumPy's .npy, and draw a bar.

    Raises:
        UserError: when one of them is there already and is not to be replaced; nothing is made then.
    """
    from ganzoo.cli.progress import loading
    from ganzoo.cli.writing import check_new

    paths = [folder / name for name in names]
    check_new(folder, paths, overwrite)
    for parent in {path.parent for path in paths}:
        parent.mkdir(parents=True, exist_ok=True)
    save = resolve(task.save) if task.save else save_arrays
    done = 0
    with loading() as progress:
        for samples, _ in made:
            save(samples, paths[done : done + len(samples)])
            done += len(samples)
            progress("generating", done, len(paths))


def save_arrays(samples: Tensor, paths: Sequence[Path]) -> None:
    """How single samples are written where a task does not say: each as an array in NumPy's .npy."""
    from functools import partial

    import numpy as np

    from ganzoo.engine.files import write_atomic

    for sample, path in zip(samples.numpy(), paths, strict=True):
        write_atomic(path, partial(np.save, arr=sample))


def _check(run: Run, task: Task, order: Order, suffix: str) -> None:
    """What can be said before the model is loaded.

    Raises:
        UserError: one line for each mistake.
    """
    from ganzoo.cli.generate import refuse_texts

    if task.directions:
        raise UserError(
            f"{run.name} makes its samples of {task.direction().input} ({task.summary}), which --input cannot give; "
            f"what it makes of its own data is in {run.samples}/"
        )
    if "text" not in task.given.values():
        refuse_texts(run, task, order.texts, order.file)
    mistakes = []
    if order.texts and order.file is not None:
        mistakes.append(f"--text and --texts {order.file} are two ways to give captions; use one of them")
    if order.per_class and (order.labels or order.count):
        mistakes.append("--per-class already says how many of which class; leave out -n and --label")
    if (order.texts or order.file) and (order.labels or order.per_class):
        mistakes.append("captions and classes are two ways to say what is wanted; use --text or --label")
    if order.out is not None and not order.out.is_dir() and order.out.suffix.lower() == suffix != ".png":
        folder, picture = order.out.with_suffix(""), order.out.with_suffix(".png")
        mistakes.append(f"--out {order.out}: samples are written into a folder, or drawn; use {folder}/ or {picture}")
    if mistakes:
        raise UserError(*mistakes)


def _captions(order: Order) -> list[str]:
    """The captions that were given, each of one line."""
    from ganzoo.cli.captions import line_of, read_file

    return read_file(order.file) if order.file is not None else [line_of(text) for text in order.texts]
