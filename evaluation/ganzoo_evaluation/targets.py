"""From what a person typed to what is measured: runs and folders of pictures become subjects, and the real ones the
reference. Whatever is odd about a folder is said in words, not by a crash."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ganzoo import training
from ganzoo.cards import Task, resolve
from ganzoo.data.base import Data, DataRequest, Progress
from ganzoo.data.images import BrokenPicture
from ganzoo.data.names import splits_of
from ganzoo.data.parallel import parallel
from ganzoo.data.sources import FileData, open_path
from ganzoo.data.store import Skipped, describe_skipped, open_store
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry
from ganzoo.runs import BEST, CONFIG, SAMPLES, SUMMARY, Run, find_folder, list_runs, load_model, open_run
from ganzoo.training import Job
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.sets import DataPictures, FilePictures, ModelPictures, all_labels, contents_of, labels_like
from ganzoo_evaluation.statistics_files import SUFFIX
from ganzoo_evaluation.subjects import Reference, Subject

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
    data = open_path(path, DataRequest(optional=("label",), split=split, progress=progress))
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
        wanted = tuple(each for each in ("image", "label") if each in card.fields)
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


def reference_of(
    registry: Registry, target: RunTarget, progress: Progress | None = None
) -> tuple[Reference, list[str]]:
    """What a run was trained on, and what its data set holds out.

    Raises:
        UserError: when the data are gone.
    """
    job, run = target.job, target.run
    try:
        training.check_source(registry, job.source)
    except UserError as error:
        raise UserError(
            f"{run.folder} was trained on {job.source}, which is not there any more; where it is now, or something "
            f"else to measure it against: ganzoo eval {run.folder} --real NAME"
        ) from error
    train = training.open_data(registry, job, progress=progress)
    remarks = []
    if train.spec.fingerprint != run.data.fingerprint:
        remarks.append(f"{job.source} has changed since {run.name} was trained on it")
    held = None
    try:
        if _has_test(registry, job):
            test = training.open_data(registry, job, split="test", progress=progress)
            held = DataPictures(test, f"{run.data.name} (test)", field=output_field(target))
    except UserError:  # a subset may have no test pictures
        held = None
    return Reference(run.data.name, DataPictures(train, run.data.name, field=output_field(target)), held), remarks


def output_field(target: RunTarget) -> str:
    """The field of the data that the model's pictures are to be like."""
    return target.job.task.output if target.run.data.has(target.job.task.output) else target.run.data.image.name


def _has_test(registry: Registry, job: Job) -> bool:
    name = job.source.partition(":")[0]
    if name in registry.datasets:
        return "test" in registry.datasets[name].splits
    return "test" in splits_of(open_store(Path(job.source)).entries)


def usual_count(reference: Reference) -> int:
    """How many pictures are generated when nobody says: as many as were held out, so that every row has the same
    count; where there are hardly any, as many as the model was trained on."""
    held = reference.held_out.count if reference.held_out is not None else 0
    return min(MOST, held if held >= ENOUGH else max(reference.count, FEW))


def subjects_of_run(
    registry: Registry,
    target: RunTarget,
    reference: Reference,
    count: int,
    *,
    seed: int,
    truncation: float | None,
    device: torch.device,
    called: str = "",
) -> list[Subject]:
    """The final weights of a run, its best where these are others, and where a model has a prior of its own also its
    final weights with z from N(0, 1). `called`: what the rows are to be named after, by default the run."""
    run = target.run
    subjects = []
    labels = all_labels(reference.train) if reference.train is not None else None
    for weights in weights_to_measure(run):
        model = load_model(run.folder, registry, device, weights=weights)
        wanted = None
        if "label" in model.takes:
            known = reference.train.classes if reference.train is not None else ()
            wanted = labels_like(labels, count, seed) if labels is not None and known == model.data.classes else None
        for plain in (False,) if model.prior_is_normal or weights != "final" else (False, True):
            name = (
                (called or run.name) + (f" ({weights})" if weights != "final" else "") + (f", {PLAIN}" if plain else "")
            )
            facts = facts_of_run(registry, run, weights) | ({"prior": PLAIN} if plain else {})
            pictures = ModelPictures(model, name, count, seed=seed, truncation=truncation, labels=wanted, plain=plain)
            subjects.append(
                Subject(
                    name=name,
                    kind="model",
                    pictures=pictures,
                    model=model,
                    weights=weights,
                    facts=facts,
                    variant=plain or weights != "final",
                )
            )
    return subjects


def weights_to_measure(run: Run) -> list[Literal["final", "best"]]:
    """`final`, and `best` where the best evaluation of the training was not the last."""
    if not (run.folder / BEST).is_file():
        return ["final"]
    found = summary_of(run).get("evaluation") or {}
    best, final = found.get("best") or {}, found.get("final") or {}
    return ["final"] if best.get("step") == final.get("step") else ["final", "best"]


def summary_of(run: Run) -> dict[str, Any]:
    """summary.json, empty when it cannot be read."""
    try:
        document = json.loads((run.folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def facts_of_run(registry: Registry, run: Run, weights: str) -> dict[str, str]:
    """What a reader of the report wants to know of a run."""
    summary = summary_of(run)
    step = int(summary.get("step") or 0)
    if weights == "best":
        step = int(((summary.get("evaluation") or {}).get("best") or {}).get("step") or step)
    seconds = float(summary.get("seconds") or 0.0)
    return {
        "architecture": registry.architectures[run.architecture].title,
        "run": str(run.folder),
        "data": f"{run.data.name}, {run.data.count:,} pictures of {run.data.size} x {run.data.size}",
        "weights": f"{weights}, averaged",
        "steps": f"{step:,}",
        "pictures seen": f"{step * run.settings.batch:,}",
        "training time": f"{seconds / 60:.1f} min on {summary.get('device', '?')}, {summary.get('precision', '?')}",
        "seed": str(run.settings.seed),
    }


def task_of(registry: Registry, targets: Sequence[Target]) -> Task:
    """The task whose metrics are asked: that of the first run; for folders, plain generation."""
    for target in targets:
        if isinstance(target, RunTarget):
            return target.job.task
    return registry.tasks.find("generation")


# --- what is suspicious -----------------------------------------------------------------------------------------------


def suspicions(fake: Pictures, reference: Reference, progress: Progress | None = None) -> list[str]:
    """What looks wrong about a set of pictures beside the real ones: copies, overlap, swapped, too few."""
    lines = []
    marks = contents_of(fake, progress).marks
    repeated = len(marks) - len(set(marks))
    if repeated:
        lines.append(f"{fake.name}: {repeated:,} of {len(marks):,} pictures are exact copies of others in it")
    train = reference.train
    if train is None:
        return lines
    real = set(train.contents(progress).marks)
    shared = sum(mark in real for mark in marks)
    if shared:
        share = shared / len(marks)
        what = "is this the real set itself, or are the two swapped?" if share > 0.5 else "copied training pictures?"
        lines.append(f"{fake.name}: {shared:,} of {len(marks):,} pictures are in the real set too, bit for bit; {what}")
    if train.count * 2 < fake.count:
        lines.append(
            f"the real set has {train.count:,} pictures and {fake.name} {fake.count:,}: if they are swapped, exchange "
            "the two on the command line"
        )
    if isinstance(train.data, FileData) and _inside_run(train.data.path):
        lines.append(f"--real {train.data.path} lies inside a run: are real and fake swapped?")
    return lines


def _inside_run(path: Path) -> bool:
    return any((parent / CONFIG).is_file() for parent in path.resolve().parents)
