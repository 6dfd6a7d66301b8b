"""What models that take pictures in are given in an evaluation, and what they are measured against.

Every model is given the same pictures: those that the data hold out, else the training pictures. Where a set knows the
true answers (pairs, or an unpaired set whose rows are aligned after all), these stand beside; they are for scoring, and
an unpaired model never saw which belongs to which. As a set, what the models make is measured against the target field
of the training data.

Another set that `--real` names is read in the same fields. Of a set of large pictures it is the whole ones that count,
each at its own size, as papers on super-resolution do it; these are too few for a distance of sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ganzoo import training
from ganzoo.cards import Direction, Task
from ganzoo.data.base import Data, Held, Progress
from ganzoo.data.names import splits_of
from ganzoo.data.patches import Patches
from ganzoo.data.store import describe_skipped, open_store
from ganzoo.data.whole import PictureRows
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry
from ganzoo.training import Job
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.given import Remembered, WholePictures
from ganzoo_evaluation.references import check_own_data, is_source
from ganzoo_evaluation.sets import DataPictures, choose, contents_of
from ganzoo_evaluation.subjects import Reference
from ganzoo_evaluation.targets import FolderTarget, RunTarget, Target

PATCHES = 20_000
"""Most patches that a reference consists of: large pictures have more than are needed to know how they look."""
Rows = DataPictures | WholePictures


@dataclass(frozen=True, kw_only=True)
class Way:
    """One direction of a task, the pictures that are given, and the answers where they are known, row by row.

    `name` is what the pictures are called, `scale` how many pixels are made of each; `held_out` says that no model was
    trained on them, `whole` that each has a size of its own.
    """

    task: Task
    direction: Direction
    name: str
    given: Rows
    answers: Rows | None
    scale: int
    held_out: bool
    whole: bool = False

    @property
    def count(self) -> int:
        """Pictures that are given."""
        return self.given.count

    @property
    def back(self) -> Direction | None:
        """The direction that leads back, where the task has one."""
        there = (self.direction.output, self.direction.input)
        return next((way for way in self.task.directions if (way.input, way.output) == there), None)

    @cached_property
    def inputs(self) -> Pictures:
        """The given pictures, for several to read."""
        return Remembered(self.given)

    @cached_property
    def truth(self) -> Pictures | None:
        """The answers, for several to read."""
        return None if self.answers is None else Remembered(self.answers)

    @cached_property
    def content(self) -> str:
        """Hash of the given pictures and of the answers."""
        parts = [contents_of(one).sha256 for one in (self.inputs, self.truth) if one is not None]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @property
    def protocol(self) -> dict[str, str | int | float]:
        """What every number depends on that was measured this way."""
        return {"given": self.content[:16], "scale": self.scale}

    def taken(self, count: int, seed: int) -> Way:
        """The same with `count` of the pictures, chosen at random."""
        if count >= self.count:
            return self
        places = choose(self.count, count, seed, "given")
        answers = None if self.answers is None else self.answers.at(places)
        return replace(self, given=self.given.at(places), answers=answers)

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        kind = "held-out " if self.held_out else "" if self.whole else "training "
        whole = ", whole" if self.whole else ""
        enlarged = f", {self.scale} times as large" if self.scale > 1 else ""
        text = f"Given are {self.count:,} {kind}pictures of {self.name} ({self.direction.input}{whole}); "
        text += f"asked for is {self.direction.output}{enlarged}"
        if self.direction.name:
            others = [f"--direction {way.name}" for way in self.task.directions if way != self.direction]
            text += f" (direction {self.direction.name}; the other way: {', '.join(others)})"
        return text + ("" if self.truth is not None else "; nobody knows the true answers")


def direction_of(targets: Sequence[RunTarget], target: RunTarget, name: str) -> Direction:
    """The way of that name of a run's task; of runs of several tasks, one that has only one way takes that.

    Raises:
        UserError: when its task takes no pictures in, or has no such way.
    """
    task = target.job.task
    if not task.directions:
        takers = [other.run.name for other in targets if other.job.task.directions]
        if not takers:
            return task.direction(name)
        raise UserError(
            f"{takers[0]} is given pictures and {target.run.name} makes its own of noise: nothing compares the two; "
            f"evaluate them one at a time: ganzoo eval {target.run.folder}"
        )
    named = any(way.name for other in targets for way in other.job.task.directions)
    only = len(task.directions) == 1 and named
    return task.direction("" if only else name)


def open_ways(
    registry: Registry, targets: Sequence[Target], name: str, real: str | None, progress: Progress | None = None
) -> tuple[Reference, list[Way], list[str]]:
    """The reference of runs whose models take pictures in, the way of each, and remarks.

    Raises:
        UserError: when the data are not there or do not fit, or the runs are not given the same pictures.
    """
    runs = [target for target in targets if isinstance(target, RunTarget)]
    directions = [direction_of(runs, target, name) for target in runs]
    first = runs[0]
    if real is None or is_source(first.run, real):
        reference, way, remarks = _own(registry, first, directions[0], progress)
    else:
        reference, way, remarks = _other(registry, first, directions[0], real, progress)
        if way.whole and any(isinstance(target, FolderTarget) for target in targets):
            raise UserError(f"--real {real}: its pictures are measured one by one, and a folder has none that belong")
    ways = [way]
    for target, direction in zip(runs[1:], directions[1:], strict=True):
        if _same(first, directions[0], target, direction):
            ways.append(replace(way, task=target.job.task, direction=direction))
            continue
        if real is None or is_source(target.run, real):
            _, other, _ = _own(registry, target, direction, progress)
        else:
            _, other, _ = _other(registry, target, direction, real, progress)
        if other.content != way.content:
            raise UserError(
                f"{first.run.name} and {target.run.name} are not given the same pictures for the same answers "
                f"({_pictures(way)}; {_pictures(other)}); evaluate them one at a time"
            )
        ways.append(replace(way, task=target.job.task, direction=direction))
    return reference, ways, remarks


def _same(first: RunTarget, way: Direction, target: RunTarget, other: Direction) -> bool:
    """Whether two runs are given the same without a look at it."""
    one, two = first.run, target.run
    return (one.data.fingerprint, one.data_source, way) == (two.data.fingerprint, two.data_source, other)


def _pictures(way: Way) -> str:
    block = next(iter(way.given.blocks(0, 1)))
    height, width = block.pictures.shape[2:]
    made = f"{width * way.scale} x {height * way.scale}"
    return f"{way.count:,} of {way.name}, {width} x {height} to {made}, {way.direction.input} to {way.direction.output}"


def _own(
    registry: Registry, target: RunTarget, direction: Direction, progress: Progress | None
) -> tuple[Reference, Way, list[str]]:
    """What a run was trained on, and what its data hold out."""
    job, run = target.job, target.run
    check_own_data(registry, run, "on")
    train = _held_in_memory(training.open_data(registry, job, progress=progress), job, progress)
    held = training.open_held_out(registry, job, progress)
    remarks = []
    if train.spec.fingerprint != run.data.fingerprint:
        remarks.append(f"{job.source} has changed since {run.name} was trained on it")
    if train.spec.aligned and training.is_path(registry, job.source):
        remarks.append(
            f"{run.data.name}: its two folders hold the same names, which are taken to belong together; if they are "
            "mere numbers, only --metrics kid,fd,cycle say anything"
        )
    if held is None:
        remarks.append(
            f"{run.data.name} holds no pictures out: {run.name} is given those that it was trained on, and may know "
            "them by heart"
        )
    else:
        held = _held_in_memory(held, job, progress)
    return reference_for(train, held, direction, job), way_through(train, held, direction, job.task), remarks


def reference_for(train: Data, held: Data | None, direction: Direction, job: Job) -> Reference:
    """The target field of the training data, and of those that were held out."""
    targets = DataPictures(train, f"{train.spec.name}, {direction.output}", field=direction.output)
    if train.spec.places and targets.count > PATCHES:
        targets = targets.at(choose(targets.count, PATCHES, job.settings.seed, "reference"))
    floor = None
    if held is not None:
        floor = DataPictures(held, f"{held.spec.name} ({held.spec.split}), {direction.output}", field=direction.output)
    return Reference(targets.name, targets, floor)


def way_through(train: Data, held: Data | None, direction: Direction, task: Task) -> Way:
    """That direction of a task with the pictures that were held out, else with the training pictures."""
    data = train if held is None else held
    given, wanted = (data.spec.field(name) for name in (direction.input, direction.output))
    rows = None if data.spec.aligned or not wanted.rows else min(given.rows, wanted.rows)
    known = rows is None
    return Way(
        task=task,
        direction=direction,
        name=data.spec.name,
        given=DataPictures(data, data.spec.name, field=direction.input),
        answers=DataPictures(data, data.spec.name, field=direction.output) if known else None,
        scale=max(1, wanted.size // given.size),
        held_out=held is not None,
    )


def _other(
    registry: Registry, target: RunTarget, direction: Direction, real: str, progress: Progress | None
) -> tuple[Reference, Way, list[str]]:
    """Another set with the fields of the run's task: its test pictures are given where it has some, else all."""
    job = replace(target.job, source=real)
    splits = _splits(registry, job, real)
    given = _open(registry, job, "test" if "test" in splits else "train", progress)
    wanted, found = target.run.data.channels, given.spec.channels
    if wanted != found:
        kinds = {1: "grey", 3: "in colour"}
        raise UserError(
            f"--real {real} is {kinds[found]}, and {target.run.name} was trained on pictures that are {kinds[wanted]}"
        )
    remarks = []
    if isinstance(given, PictureRows):
        remarks = [f"{real}: {line}" for line in describe_skipped(given.skipped)]
    if isinstance(given, Patches):
        way = Way(
            task=job.task,
            direction=direction,
            name=given.spec.name,
            given=WholePictures(given, given.spec.name, low=True),
            answers=WholePictures(given, given.spec.name, low=False),
            scale=given.scale,
            held_out=False,
            whole=True,
        )
        return Reference(given.spec.name, None, whole=way.answers, trained_on=False), way, remarks
    train = given
    if {"train", "test"} <= set(splits):
        train = _open(registry, job, "train", progress)
    else:
        remarks.append(f"{real} holds no pictures out: all of them are given, and are the reference too")
    held = None if train is given else given
    reference = reference_for(train, held, direction, job)
    reference.trained_on = False
    return reference, way_through(train, held, direction, job.task), remarks


def _splits(registry: Registry, job: Job, real: str) -> Sequence[str]:
    """The splits of what `--real` names.

    Raises:
        UserError: when it is not there, or has not the fields of the task.
    """
    name, _, subset = real.partition(":")
    if name in registry.datasets:
        card = registry.datasets[name]
        lacking = [field for field in job.task.batch if field not in card.fields]
        if lacking:
            fitting = [other.name for other in registry.datasets.values() if set(job.task.batch) <= set(other.fields)]
            raise UserError(
                f"--real {real} has no {' and no '.join(lacking)}, which {job.card.name} is measured by; sets that "
                f"have: {', '.join(fitting)}"
            )
        if subset and subset not in card.subsets:
            there = f"; it has {', '.join(card.subsets)}" if card.subsets else "; it has none"
            near = did_you_mean(subset, card.subsets)
            raise UserError(f"--real {real}: {name} has no subset {subset!r}{near}{there}")
        return card.splits
    if not real or not Path(real).exists():
        raise UserError(
            f"--real {real}: no data set, folder or zip of that name{did_you_mean(name, registry.datasets)}; "
            "`ganzoo data list` shows the sets"
        )
    return list(splits_of(open_store(Path(real)).entries)) or ["train"]


def _open(registry: Registry, job: Job, split: str, progress: Progress | None) -> Data:
    return _held_in_memory(training.open_data(registry, job, split=split, progress=progress), job, progress)


def _held_in_memory(data: Data, job: Job, progress: Progress | None) -> Data:
    """The same, decoded where that fits into the memory that the run allows itself."""
    if isinstance(data, Held) and data.nbytes <= job.settings.memory * 2**30:
        data.hold(progress)
    return data
