"""`ganzoo generate RUN --input PATH`: pictures of a person's own through a model that takes pictures in."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from ganzoo.cards import Direction, Task
from ganzoo.cli.naming import generated
from ganzoo.errors import UserError, nearest

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.data.base import Data
    from ganzoo.data.store import Skipped, Store
    from ganzoo.model import Model
    from ganzoo.pictures import Pixels
    from ganzoo.registry import Registry
    from ganzoo.runs import Run
    from ganzoo.tiling import Translator

EXAMPLES = 15
"""How many held-out pictures are shown when nobody gives any."""
CELL = 512
"""Pixels that a picture has at most in a grid of given pictures; larger ones are reduced."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted of a model that takes pictures in: `source` is what was given, `weights` as `load_model` has it,
    `count` how many of several (None: all)."""

    source: Path | None
    direction: Direction
    keep_size: bool
    count: int | None
    out: Path | None
    weights: str
    seed: int
    columns: int | None
    overwrite: bool

    @property
    def marks(self) -> list[str]:
        """What tells the files of this order from those of another, for their names."""
        return [self.direction.name, "keep-size" if self.keep_size else "", f"seed{self.seed}" if self.seed else ""]


@dataclass(frozen=True)
class Given:
    """The pictures that were given: `names` in order, each read by `read`, and what was left out already."""

    source: Path
    names: list[str]
    read: Callable[[str], bytes | Path]
    skipped: Sequence[Skipped] = ()
    several: bool = True


def make(registry: Registry, run: Run, task: Task, order: Order, device: str) -> None:
    """Make the pictures, write them, and say where they are.

    Raises:
        UserError: when something of the order cannot be had.
    """
    given = open_given(order.source, order.count) if order.source is not None else None
    target = order.out or _target(run, order, given)
    paths = _paths(given, target) if given is not None else [target]
    _refuse_what_is_there(order, target, paths)
    from ganzoo.engine import distributed
    from ganzoo.runs import load_model

    group = distributed.join(device)
    model = load_model(run.folder, registry, group.device, order.weights)
    if order.direction.input not in model.takes:
        raise UserError(f"{run.name} takes no {order.direction.input!r} in; it takes {', '.join(model.takes)}")
    if given is None:
        _show_examples(registry, run, task, model, order, target)
        return
    from ganzoo.tiling import Translator

    if order.keep_size and model.multiple is None:
        size = model.data.field(order.direction.input).size
        raise UserError(f"--keep-size: {run.name} takes pictures of {size} x {size} pixels only; leave --keep-size out")
    translator = Translator(model, order.direction.input, keep_size=order.keep_size, seed=order.seed)
    if given.several and target.suffix.lower() == ".png":
        _write_grid(translator, given, order, target)
    else:
        _write_files(translator, given, paths, target)


def open_given(source: Path, count: int | None = None) -> Given:
    """Find the picture at `source`, or the first `count` of a folder or a zip; none is read yet.

    Raises:
        UserError: when there is nothing, no picture in it, or fewer than `count`.
    """
    from ganzoo.data.names import is_picture
    from ganzoo.data.store import describe_skipped, open_store, read_file

    if not source.exists():
        near = nearest(source.name, (path.name for path in source.parent.iterdir())) if source.parent.is_dir() else []
        hint = f" (did you mean {source.parent / near[0]}?)" if near else ""
        raise UserError(
            f"--input {source}: no such file or folder{hint}; expected a picture, or a folder or zip of some"
        )
    zipped = source.suffix.lower() == ".zip" or (not is_picture(source.name) and zipfile.is_zipfile(source))
    if source.is_file() and not zipped:
        return Given(source, [source.name], lambda name: source, several=False)
    store: Store = open_store(source)
    names = [name for name in store.entries if is_picture(name)]
    if not names:
        raise UserError(f"--input {source}: there is no picture in it", *describe_skipped(store.refused))
    if count is not None and count > len(names):
        there = f"{len(names):,} picture{'s' if len(names) > 1 else ''}"
        raise UserError(f"-n {count}: there are only {there} in --input {source}; leave -n out to take all")
    return Given(source, names[:count], lambda name: read_file(store, name), store.refused)


def _target(run: Run, order: Order, given: Given | None) -> Path:
    """Where the pictures go when nobody says."""
    what = f"n{order.count or EXAMPLES}" if given is None else given.source.resolve().stem or "pictures"
    suffix = "" if given is not None and given.several else ".png"
    return generated(run.folder, (what, *order.marks), order.weights, suffix)


def _paths(given: Given, target: Path) -> list[Path]:
    """Where the answer to each picture goes; all to one place where that is a PNG.

    Raises:
        UserError: when that would be among the pictures that were given, or in their place.
    """
    if target.suffix.lower() == ".png":
        paths = [target]
    else:
        paths = [target / name for name in file_names(given.names)]
        inside, outside = target.resolve(), given.source.resolve()
        if given.several and (inside == outside or outside in inside.parents):
            raise UserError(f"--out {target} lies within --input {given.source}; choose a folder beside it")
    if paths[0].exists() and paths[0].samefile(given.source):
        raise UserError(f"--out {target}: {paths[0]} is what --input names; choose another name")
    return paths


def file_names(names: Sequence[str]) -> list[str]:
    """A PNG's name for each picture, in the same folders, no two alike on any file system.

    `a.jpg` becomes `a.png`; where there is an `a.png` too, they become `a.jpg.png` and `a.png.png`.
    """
    plain = [str(PurePosixPath(name).with_suffix(".png")) for name in names]
    shared = Counter(name.casefold() for name in plain)
    taken: set[str] = set()
    found = []
    for name, short in zip(names, plain, strict=True):
        wanted = base = short if shared[short.casefold()] == 1 else f"{name}.png"
        number = 2
        while wanted.casefold() in taken:
            wanted, number = f"{base.removesuffix('.png')}-{number}.png", number + 1
        taken.add(wanted.casefold())
        found.append(wanted)
    return found


def _refuse_what_is_there(order: Order, target: Path, paths: Sequence[Path]) -> None:
    if order.overwrite or order.out is None:
        return
    there = next((path for path in paths if path.exists()), None)
    if there is not None:
        which = f"{target} is" if there == target else f"{target}: {there} is"
        raise UserError(f"--out {which} there already; choose another name or add --overwrite")


def _answers(translator: Translator, given: Given) -> Iterator[tuple[int, Pixels, Pixels]]:
    """The number of each picture, the picture (C, H, W) and what was made of it (H, W, C); at the end, what was left
    out is named.

    Raises:
        UserError: when no picture is left.
    """
    from ganzoo.cli.progress import loading
    from ganzoo.data.images import BrokenPicture
    from ganzoo.data.names import printable
    from ganzoo.data.store import Skipped, describe_skipped
    from ganzoo.tiling import TooLarge

    skipped, made = list(given.skipped), 0
    with loading() as progress:

        def parts(done: int, total: int) -> None:
            if total > 1:
                progress("parts of a picture", done, total)

        for number, name in enumerate(given.names):
            try:
                picture = translator.prepare(given.read(name), name)
                answer = translator(picture, number=number, progress=parts)
            except BrokenPicture as error:
                skipped.append(Skipped(name, error.reason))
            except TooLarge as error:
                skipped.append(Skipped(name, error.lines[0]))
            else:
                made += 1
                yield number, picture, answer
            if given.several:
                progress("pictures", number + 1, len(given.names))
    if not made and not given.several:
        raise UserError(f"--input {printable(str(given.source))}: {skipped[-1].reason}")
    if not made:
        raise UserError(f"--input {given.source}: no picture can be used", *describe_skipped(skipped))
    for line in describe_skipped(skipped):
        click.echo(f"ganzoo: {line}", err=True)


def _write_files(translator: Translator, given: Given, paths: Sequence[Path], target: Path) -> None:
    from ganzoo.pictures import save_picture

    count, sizes = 0, ""
    for number, picture, answer in _answers(translator, given):
        paths[number].parent.mkdir(parents=True, exist_ok=True)
        save_picture(answer, paths[number])
        count += 1
        sizes = f"{picture.shape[2]} x {picture.shape[1]} -> {answer.shape[1]} x {answer.shape[0]} pixels"
    if given.several:
        click.echo(f"{count:,} picture{'s' if count > 1 else ''} in {target}/")
    else:
        click.echo(f"{paths[0]}: {sizes}")


def _write_grid(translator: Translator, given: Given, order: Order, target: Path) -> None:
    from ganzoo.pictures import groups, save_picture

    rows = []
    for _, picture, answer in _answers(translator, given):
        before, after = picture.transpose(1, 2, 0), answer
        if max(after.shape) > CELL:
            before, after = _reduced(before, after.shape), _reduced(after, after.shape)
        rows.append((before, after))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_picture(groups(rows, order.columns), target)
    click.echo(f"{len(rows):,} pictures beside what became of them in {target}")


def _rows(data: Data, field: str, count: int) -> Tensor:
    """That field of `count` rows of the data, evenly spread, as float in [-1, 1]."""
    import torch

    from ganzoo.data.base import Columns

    there = data.spec.field(field).rows or len(data)
    indices = [index * there // count for index in range(count)]
    values = data.column(field, indices) if isinstance(data, Columns) else data.read(indices)[field]
    return torch.from_numpy(values).float().div(127.5).sub(1)


def _reduced(picture: Pixels, largest: tuple[int, ...]) -> Pixels:
    """A picture (H, W, C) at the size that one of `largest` has when it is reduced to `CELL`; where that is larger, its
    pixels are repeated."""
    import numpy as np
    from PIL import Image

    factor = CELL / max(largest[:2])
    size = (max(1, round(largest[1] * factor)), max(1, round(largest[0] * factor)))
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    how = Image.Resampling.NEAREST if image.width < size[0] else Image.Resampling.LANCZOS
    return np.asarray(image.resize(size, how)).reshape(size[1], size[0], -1)


def _show_examples(registry: Registry, run: Run, task: Task, model: Model, order: Order, target: Path) -> None:
    """What the model makes of pictures that its run held out, or else of those that it was trained on."""
    import torch

    from ganzoo.pictures import groups, save_picture, to_bytes
    from ganzoo.sampling import answers

    data = _examples(registry, run)
    count = min(order.count or EXAMPLES, data.spec.field(order.direction.input).rows or len(data))
    given = _rows(data, order.direction.input, count)
    made = torch.cat(
        [
            answers(model, order.direction.input, given[start : start + 8], seed=order.seed, first=start)
            for start in range(0, count, 8)
        ]
    )
    if target.suffix.lower() != ".png":
        target.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(to_bytes(made)):
            save_picture(picture, target / f"{index:06d}.png")
        click.echo(f"{count:,} pictures in {target}/")
        return
    columns = [given, made]
    known = data.spec.aligned or not data.spec.field(order.direction.output).rows
    if known:
        columns.append(_rows(data, order.direction.output, count))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_picture(groups(list(zip(*map(to_bytes, columns), strict=True)), order.columns), target)
    split = "held-out" if data.spec.split == "test" else "training"
    shown = "input, output, truth" if known else "input, output"
    click.echo(f"{count:,} {split} pictures of {run.data.name} ({shown}) in {target}")


def _examples(registry: Registry, run: Run) -> Data:
    from ganzoo import training
    from ganzoo.cli.progress import loading

    instead = f"give it pictures: ganzoo generate {run.folder} --input photo.png"
    try:
        _, job = training.resume_run(registry, run.folder, {})
        with loading() as progress:
            return training.open_held_out(registry, job, progress) or training.open_data(
                registry, job, progress=progress
            )
    except UserError as error:
        raise UserError("; ".join([*error.lines, instead])) from error
