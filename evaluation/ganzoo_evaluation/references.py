"""What a set of pictures is measured against: the data that a run was trained on, or what `--real` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganzoo import training
from ganzoo.cards import resolve
from ganzoo.data.base import Data, DataRequest, Progress
from ganzoo.data.names import splits_of
from ganzoo.data.store import open_store
from ganzoo.errors import UserError, did_you_mean
from ganzoo.figures import numbers
from ganzoo.registry import Registry
from ganzoo.runs import Run
from ganzoo.training import Job
from ganzoo_evaluation.sets import DataPictures, FilePictures
from ganzoo_evaluation.statistics_files import SUFFIX
from ganzoo_evaluation.subjects import Reference
from ganzoo_evaluation.targets import (
    FEW,
    FolderTarget,
    RunTarget,
    Target,
    folder_pictures,
    is_run,
    open_folder,
    reads_captions,
)

MOST = 10_000
"""Pictures that are made when nobody says how many and there are as many held-out ones, or as many to be given."""
ENOUGH = 500
"""Held-out pictures from which on their number decides how many are generated."""


def open_real(
    registry: Registry, source: str, targets: Sequence[Target], root: Path, progress: Progress | None = None
) -> tuple[Reference, list[str]]:
    """The reference that `--real` names (a data set, a folder, a zip, a file of statistics), and remarks on it.

    Pictures that are larger than what is to be measured are brought to its size. Smaller ones are enlarged for runs,
    as they would have been for their training, and not for folders.

    Raises:
        UserError: when it is not there or cannot be used.
    """
    path = Path(source)
    name, _, rest = source.partition(":")
    if name not in registry.datasets and path.suffix == SUFFIX:
        if not path.is_file():
            raise UserError(f"--real {source}: there is no such file")
        return Reference(source, None, statistics=path), []
    size, enlarge = _size_of(targets)
    if name in registry.datasets:
        card = registry.datasets[name]
        words = ("text",) if any(map(reads_captions, targets)) else ()
        wanted = tuple(each for each in ("image", "label", *words) if each in card.fields)
        if "image" not in wanted:
            raise UserError(f"--real {source}: {name} has no single pictures, only {', '.join(card.fields)}")
        if size is not None and card.size and not enlarge:
            size = min(size, card.size)
        request = DataRequest(fields=wanted, subset=rest, size=size, progress=progress)
        if rest and rest not in card.subsets:
            there = f"; it has {', '.join(card.subsets)}" if card.subsets else "; it has none"
            raise UserError(f"--real {source}: {name} has no subset {rest!r}{did_you_mean(rest, card.subsets)}{there}")
        train: Data = resolve(card.load)(request)
        return Reference(source, DataPictures(train, source), _held_out(registry, source, request)), []
    if is_run(source, root):
        raise UserError(
            f"--real {source} is a run; real pictures are expected. Two runs side by side: ganzoo eval RUN {source}"
        )
    if not source or not path.exists():
        raise UserError(
            f"--real {source}: no data set, folder, zip or .npz of that name{did_you_mean(name, registry.datasets)}; "
            "`ganzoo data list` shows the sets"
        )
    folder = open_folder(path, progress)
    if size is not None and not enlarge:
        size = min(size, folder.size)
    return _real_folder(folder, source, size, progress)


def open_real_samples(
    registry: Registry, source: str, targets: Sequence[RunTarget], progress: Progress | None = None
) -> tuple[Reference, list[str]]:
    """The same for runs whose samples are no pictures: a data set, or what their task reads of a path.

    Raises:
        UserError: when it is not there, lacks what the runs make, or its rows have another shape.
    """
    first = targets[0]
    job = replace(_with_fields(first, targets), source=source)
    try:
        training.check_source(registry, source)
        data = training.open_data(registry, job, progress=progress)
        held = training.open_held_out(registry, job, progress)
    except UserError as error:
        raise UserError(*(line.replace("--data", "--real", 1) for line in error.lines)) from error
    output = output_field(first)
    train = DataPictures(data, source, field=output)
    wanted = first.run.data.field(output).shape
    if train.shape != wanted:
        theirs = f"those of {first.run.name} {numbers(wanted)}"
        raise UserError(f"--real {source}: its {output} are {numbers(train.shape)} each, {theirs}")
    test = None if held is None else DataPictures(held, f"{source} (test)", field=output)
    trained_on = all(is_source(target.run, source) for target in targets)
    return Reference(source, train, test, trained_on=trained_on), []


def _real_folder(
    folder: FolderTarget, source: str, size: int | None, progress: Progress | None
) -> tuple[Reference, list[str]]:
    path, first = folder.path, folder.data.facts[0]
    if size is None or (folder.alike and first.square and folder.size == size):
        size = None
        train = folder_pictures(folder, folder.data.spec.channels, None)
    else:
        train = DataPictures(folder.data.resized(size=size), source, folder.rows)
        if folder.alike or size != folder.size:
            middle = ", the middle cut out" if folder.alike and not first.square else ""
            folder.remarks.append(f"{path}: brought to {size} x {size} for what is measured{middle}")
    held = None
    if "test" in splits_of(open_store(path).entries):
        try:
            test = open_folder(path, progress, split="test")
        except UserError as error:
            folder.remarks += [f"no held-out pictures: {line}" for line in error.lines]
        else:
            data = test.data.resized(channels=folder.data.spec.channels, size=size or folder.size)
            shapes = {(facts.width, facts.height) for facts in (*folder.data.facts, *test.data.facts)}
            kind = FilePictures if size is None and len(shapes) == 1 else DataPictures
            held = kind(data, f"{source} (test)", test.rows)
    return Reference(source, train, held), folder.remarks


def _size_of(targets: Sequence[Target]) -> tuple[int | None, bool]:
    """The side in pixels of the smallest of the pictures that are to be measured (None where some are not square), and
    whether all come from runs of that one size."""
    sizes = []
    for target in targets:
        if isinstance(target, RunTarget):
            sizes.append(target.run.data.size)
        elif target.alike and not target.data.facts[0].square:
            return None, False
        else:
            sizes.append(target.size)
    return min(sizes), len(set(sizes)) == 1 and all(isinstance(target, RunTarget) for target in targets)


def is_source(run: Run, source: str) -> bool:
    """Whether `--real SOURCE` means the data that the run was trained on."""
    if run.data_source == source:
        return True
    path = Path(source)
    return path.exists() and path.resolve() == Path(run.data_source).resolve()


def _held_out(registry: Registry, source: str, request: DataRequest) -> DataPictures | None:
    name = source.partition(":")[0]
    card = registry.datasets[name]
    if "test" not in card.splits:
        return None
    try:
        test: Data = resolve(card.load)(replace(request, split="test"))
    except UserError:  # a subset may have no test pictures
        return None
    return DataPictures(test, f"{source} (test)")


def check_own_data(registry: Registry, run: Run, preposition: str) -> None:
    """Whether what a run was trained on is still there; it is measured `against` it, or `on` it where it is given some.

    Raises:
        UserError: when it is not, with how to name something else.
    """
    try:
        training.check_data(registry, run)
    except UserError as error:
        other = f"where the data are now, or others to measure it {preposition}"
        raise UserError(f"{error}; {other}: ganzoo eval {run.folder} --real NAME") from error


def reference_of(
    registry: Registry, targets: Sequence[RunTarget], progress: Progress | None = None
) -> tuple[Reference, list[str]]:
    """What runs of one set were trained on, and what it holds out, with all that any of them needs: captions, labels.

    Raises:
        UserError: when the data are gone.
    """
    target = next(filter(reads_captions, targets), targets[0])
    job, run = _with_fields(target, targets), target.run
    check_own_data(registry, run, "against")
    train = training.open_data(registry, job, progress=progress)
    remarks = []
    as_then = [field.name for field in train.spec.fields] == [field.name for field in run.data.fields]
    if as_then and train.spec.fingerprint != run.data.fingerprint:
        remarks.append(f"{job.source} has changed since {run.name} was trained on it")
    found = training.open_held_out(registry, job, progress)
    output = output_field(target)
    held = None if found is None else DataPictures(found, f"{run.data.name} (test)", field=output)
    return Reference(run.data.name, DataPictures(train, run.data.name, field=output), held), remarks


def _with_fields(target: RunTarget, targets: Sequence[RunTarget]) -> Job:
    """The job of a run, which reads what the others need too where its data have it."""
    task = target.job.task
    needed = [field for other in targets for field in (*other.job.task.batch, *other.job.task.optional)]
    more = tuple(field for field in dict.fromkeys(needed) if field not in (*task.batch, *task.optional))
    return replace(target.job, task=replace(task, optional=(*task.optional, *more))) if more else target.job


def output_field(target: RunTarget) -> str:
    """The field of the data that the model's pictures are to be like."""
    return target.job.task.output if target.run.data.has(target.job.task.output) else target.run.data.image.name


def usual_count(reference: Reference) -> int:
    """How many pictures are generated when nobody says: as many as were held out, so that every row has the same
    count; where there are hardly any, as many as the model was trained on."""
    held = reference.held_out.count if reference.held_out is not None else 0
    return min(MOST, held if held >= ENOUGH else max(reference.count, FEW))
