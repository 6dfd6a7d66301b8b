"""From what a person typed to what is measured: runs and folders of pictures become subjects, and the real ones the
reference. Whatever is odd about a folder is said in words, not by a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from ganzoo.cards import Task
from ganzoo.data.base import DataRequest, Progress
from ganzoo.data.images import BrokenPicture
from ganzoo.data.parallel import parallel
from ganzoo.data.sources import FileData, open_files
from ganzoo.data.store import Skipped, describe_skipped
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry
from ganzoo.runs import CONFIG, SAMPLES, Run, find_folder, list_runs, open_run
from ganzoo.training import Job
from ganzoo_evaluation.sets import DataPictures, FilePictures
from ganzoo_evaluation.statistics_files import SUFFIX

MOST = 10_000
"""Pictures that are generated when nobody says how many and there are as many held-out ones."""
ENOUGH = 500
"""Held-out pictures from which on their number decides how many are generated."""
PLAIN = "z from N(0, 1)"
"""What is added to the name of a model that is not drawn from its own prior."""
FEW = 50
"""Pictures below which hardly anything can be said."""


@dataclass(kw_only=True)
class RunTarget:
    """A run, and the job that it was."""

    run: Run
    job: Job


@dataclass(kw_only=True)
class FolderTarget:
    """A folder or zip of pictures."""

    path: Path
    data: FileData
    rows: list[int]
    """Rows whose pictures can be decoded."""
    coloured: int = 0
    """How many of them hold a colour, whatever their headers say."""
    remarks: list[str] = field(default_factory=list)

    @property
    def alike(self) -> bool:
        """Whether all pictures have one size."""
        return len({(facts.width, facts.height) for facts in self.data.facts}) == 1

    @property
    def size(self) -> int:
        """The short side in pixels at which they are read."""
        return self.data.facts[0].short if self.alike else self.data.spec.size


Target = RunTarget | FolderTarget


def open_target(registry: Registry, word: str | None, root: Path, progress: Progress | None = None) -> Target:
    """What a word on the command line means: a run (its folder or name; None: the newest), or a folder or zip.

    Raises:
        UserError: when it is none of these.
    """
    if word is not None and not is_run(word, root):
        path = Path(word)
        if path.suffix == SUFFIX and path.is_file():
            raise UserError(f"{word} is a file of statistics; it can be the reference: ganzoo eval RUN --real {word}")
        if word and path.exists():
            _check_no_run(path)
            folder = open_folder(path, progress)
            jpegs = sum(facts.format == "JPEG" for facts in folder.data.facts)
            if jpegs:
                folder.remarks.append(
                    f"{path}: {jpegs:,} of {len(folder.data.facts):,} pictures are JPEG, which alone moves distances "
                    "by several points: save samples as PNG"
                )
            return folder
        if word.partition(":")[0] in registry.datasets:
            raise UserError(f"{word} is a data set; it can be the reference: ganzoo eval RUN --real {word}")
        near = did_you_mean(word, [path.name for path in list_runs(root)]) if root.is_dir() else ""
        raise UserError(f"there is no run {word!r}{near} and no folder or zip of that name; see `ganzoo runs`")
    run = open_run(find_folder(word, root), registry)
    job = Job(
        card=registry.architectures[run.architecture],
        task=registry.tasks.find(registry.architectures[run.architecture].task),
        recipe=run.recipe,
        settings=run.settings,
        origins={each.name: str(run.folder / CONFIG) for each in fields(run.settings)},
        source=run.data_source,
    )
    return RunTarget(run=run, job=job)


def reads_captions(target: Target) -> bool:
    """Whether it is a run whose model is told in words what to draw."""
    return isinstance(target, RunTarget) and "text" in target.job.task.given.values()


def is_run(word: str, root: Path) -> bool:
    """Whether that is the folder or the name of a run."""
    return bool(word) and ((Path(word) / CONFIG).is_file() or (root / word / CONFIG).is_file())


def _check_no_run(path: Path) -> None:
    """Refuse folders and files that only runs have: measured as if they were samples, they would give a number."""
    if path.is_dir() and list_runs(path):
        raise UserError(f"{path} holds runs and no samples; name one: ganzoo eval {list_runs(path)[-1]}")
    inside = path.name == SAMPLES or not path.is_dir()
    if inside and (path.parent / CONFIG).is_file():
        what = "holds grids of many pictures each" if path.is_dir() else "is a file of a run"
        raise UserError(f"{path} {what}; measure the run itself: ganzoo eval {path.parent}")


def open_folder(path: Path, progress: Progress | None = None, split: str = "train") -> FolderTarget:
    """A folder or zip of pictures from anywhere, every picture at its own size when they are all alike.

    Raises:
        UserError: when there is nothing there that can be used, or only one picture.
    """
    data = open_files(path, DataRequest(optional=("label",), split=split, progress=progress))
    rows, coloured, broken = _decodable(data, progress)
    left_out = describe_skipped([*data.skipped, *broken])
    if len(rows) < 2:
        found = "only one of its pictures" if rows else "none of its pictures"
        raise UserError(f"{path}: {found} can be read; expected a set of them, a thousand or more", *left_out)
    remarks = [f"{path}: {line}" for line in left_out]
    shapes = Counter((facts.width, facts.height) for facts in data.facts)
    if len(shapes) > 1:
        (width, height), most = shapes.most_common(1)[0]
        size = min(width, height)
        data = data.resized(size=size)
        remarks.append(
            f"{path}: its pictures have {len(shapes)} sizes ({most:,} of {len(data.facts):,} are {width} x {height}); "
            f"all were brought to {size} x {size}, the middle cut out of those that are not square"
        )
    alpha = sum(facts.alpha for facts in data.facts)
    if alpha:
        remarks.append(f"{path}: {alpha:,} pictures may be transparent; they were put on white")
    if len(rows) < FEW:
        remarks.append(f"{path}: {len(rows)} pictures are too few to say much; a thousand is a beginning")
    return FolderTarget(path=path, data=data, rows=rows, coloured=coloured, remarks=remarks)


def _decodable(data: FileData, progress: Progress | None) -> tuple[list[int], int, list[Skipped]]:
    """Rows whose pixels can be decoded, how many of them hold a colour, and the files of the others: an evaluation puts
    nothing in their place."""
    rows, coloured, broken = [], 0, []

    def attempt(row: int) -> bool | BrokenPicture:
        try:
            pixels = data.native(row)
        except BrokenPicture as error:
            return error
        return bool((pixels != pixels[:1]).any())

    found = parallel(attempt, range(len(data)), progress, f"decoding {data.spec.name}")
    for row, colour in zip(range(len(data)), found, strict=True):
        if isinstance(colour, BrokenPicture):
            broken.append(Skipped(colour.name, colour.reason))
        else:
            rows.append(row)
            coloured += colour
    return rows, coloured, broken


def folder_pictures(target: FolderTarget, channels: int, count: int | None) -> DataPictures:
    """The pictures of a folder, as many as asked for."""
    data = target.data.resized(channels=channels)
    rows = target.rows[:count]
    return (FilePictures if target.alike else DataPictures)(data, str(target.path), rows)


def task_of(registry: Registry, targets: Sequence[Target]) -> Task:
    """The task whose metrics are asked: that of the first run, with the metrics of the first that reads captions added;
    for folders, plain generation."""
    runs = [target for target in targets if isinstance(target, RunTarget)]
    if not runs:
        return registry.tasks.find("generation")
    task = runs[0].job.task
    more = next((run.job.task.metrics for run in runs if reads_captions(run)), ())
    return replace(task, metrics=tuple(dict.fromkeys((*task.metrics, *more))))
