"""From what a person typed to what is measured: runs and folders of pictures become subjects, and the real ones the
reference. Whatever is odd about a folder is said in words, not by a crash."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from ganzoo.runs import BEST, CONFIG, SUMMARY, Run, find_folder, load_model
from ganzoo.training import Job
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.evaluate import Reference, Subject
from ganzoo_evaluation.sets import DataPictures, FilePictures, ModelPictures, all_labels, labels_like
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
    remarks: list[str] = field(default_factory=list)

    @property
    def alike(self) -> bool:
        """Whether all pictures have one size."""
        return len({(facts.width, facts.height) for facts in self.data.facts}) == 1


Target = RunTarget | FolderTarget


def open_target(registry: Registry, word: str | None, root: Path, progress: Progress | None = None) -> Target:
    """What a word on the command line means: a run (its folder or name; None: the newest), or a folder or zip.

    Raises:
        UserError: when it is none of these.
    """
    if word is not None and not (Path(word) / CONFIG).is_file() and not (root / word / CONFIG).is_file():
        path = Path(word)
        if path.suffix == SUFFIX and path.is_file():
            raise UserError(f"{word} is a file of statistics; it can be the reference: ganzoo eval RUN --real {word}")
        if path.exists():
            return open_folder(path, progress)
    folder = find_folder(word, root)
    run, job = training.resume_run(registry, folder, {})
    return RunTarget(run=run, job=job)


def open_folder(path: Path, progress: Progress | None = None) -> FolderTarget:
    """A folder or zip of pictures from anywhere, every picture at its own size when they are all alike.

    Raises:
        UserError: when there is nothing there that can be used, or only one picture.
    """
    data = open_path(path, DataRequest(optional=("label",), progress=progress))
    rows, broken = _decodable(data, progress)
    if len(rows) < 2:
        raise UserError(
            f"{path} holds {len(rows)} picture(s) that can be read; expected a set of them (a thousand or more)",
            *describe_skipped([*data.skipped, *broken]),
        )
    remarks = [f"{path}: {line}" for line in describe_skipped([*data.skipped, *broken])]
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
    formats = Counter(facts.format for facts in data.facts)
    if len(formats) > 1 or formats.get("JPEG"):
        listed = ", ".join(f"{count:,} {name}" for name, count in formats.most_common())
        if formats.get("JPEG"):
            remarks.append(f"{path}: {listed}; JPEG alone moves such distances by several points: save samples as PNG")
    if len(rows) < FEW:
        remarks.append(f"{path}: {len(rows)} pictures are too few to say much; a thousand is a beginning")
    return FolderTarget(path=path, data=data, rows=rows, remarks=remarks)


def _decodable(data: FileData, progress: Progress | None) -> tuple[list[int], list[Skipped]]:
    """Rows whose pixels can be decoded, and the files of the others: an evaluation puts nothing in their place."""
    rows, broken = [], []

    def attempt(row: int) -> BrokenPicture | None:
        try:
            data.native(row)
        except BrokenPicture as error:
            return error
        return None

    found = parallel(attempt, range(len(data)), progress, f"decoding {data.spec.name}")
    for row, error in zip(range(len(data)), found, strict=True):
        if error is None:
            rows.append(row)
        else:
            broken.append(Skipped(error.name, error.reason))
    return rows, broken


def folder_pictures(target: FolderTarget, channels: int, count: int | None) -> DataPictures:
    """The pictures of a folder, as many as asked for."""
    data = target.data.resized(channels=channels)
    rows = target.rows[:count]
    return (FilePictures if target.alike else DataPictures)(data, str(target.path), rows)


def open_real(
    registry: Registry, source: str, like: Target | None, progress: Progress | None = None
) -> tuple[Reference, list[str]]:
    """The reference that `--real` names (a data set, a folder, a zip, a file of statistics), at the size of what is to
    be measured, and remarks on it.

    Raises:
        UserError: when it is not there or cannot be used.
    """
    path = Path(source)
    name, _, rest = source.partition(":")
    if name not in registry.datasets and path.suffix == SUFFIX:
        if not path.is_file():
            raise UserError(f"--real {source}: there is no such file")
        return Reference(source, None, statistics=path), []
    size, channels = _shape(like)
    if name in registry.datasets:
        card = registry.datasets[name]
        fields = tuple(field for field in ("image", "label") if field in card.fields)
        if "image" not in fields:
            raise UserError(f"--real {source}: {name} has no single pictures, only {', '.join(card.fields)}")
        request = DataRequest(fields=fields, subset=rest, size=size, progress=progress)
        if rest and rest not in card.subsets:
            there = f"; it has {', '.join(card.subsets)}" if card.subsets else "; it has none"
            raise UserError(f"--real {source}: {name} has no subset {rest!r}{did_you_mean(rest, card.subsets)}{there}")
        train: Data = resolve(card.load)(request)
        return Reference(source, DataPictures(train, source), _held_out(registry, source, request)), []
    if not path.exists():
        raise UserError(
            f"--real {source}: no data set, folder, zip or .npz of that name{did_you_mean(name, registry.datasets)}; "
            "`ganzoo data list` shows the sets"
        )
    folder = open_folder(path, progress)
    if size is None:
        pictures = folder_pictures(folder, channels or folder.data.spec.channels, None)
        return Reference(source, pictures), folder.remarks
    data = folder.data.resized(size=size)
    if data.spec.size != folder.data.spec.size:
        folder.remarks.append(f"{path}: brought to {size} x {size}, the size of what is measured")
    held = None
    if "test" in splits_of(open_store(path).entries):
        held = DataPictures(open_path(path, DataRequest(split="test", size=size)), f"{source} (test)")
    return Reference(source, DataPictures(data, source, folder.rows), held), folder.remarks


def _shape(like: Target | None) -> tuple[int | None, int | None]:
    """The size at which real pictures are to be read so that they match (None: their own), and channels."""
    if isinstance(like, RunTarget):
        return like.run.data.size, like.run.data.channels
    if isinstance(like, FolderTarget):
        first = like.data.facts[0]
        size = (first.width if first.square else None) if like.alike else like.data.spec.size
        return size, like.data.spec.channels
    return None, None


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
    train = training.open_data(registry, job, progress=progress)
    held = None
    try:
        if _has_test(registry, job):
            test = training.open_data(registry, job, split="test", progress=progress)
            held = DataPictures(test, f"{run.data.name} (test)", field=output_field(target))
    except UserError:  # a subset may have no test pictures
        held = None
    return Reference(run.data.name, DataPictures(train, run.data.name, field=output_field(target)), held), []


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
) -> list[Subject]:
    """The final weights of a run, its best where these are others, and where a model has a prior of its own also its
    final weights with z from N(0, 1)."""
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
            name = run.name + (f" ({weights})" if weights != "final" else "") + (f", {PLAIN}" if plain else "")
            facts = facts_of_run(registry, run, weights) | ({"prior": PLAIN} if plain else {})
            pictures = ModelPictures(model, name, count, seed=seed, truncation=truncation, labels=wanted, plain=plain)
            subjects.append(
                Subject(name=name, kind="model", pictures=pictures, model=model, weights=weights, facts=facts)
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


def digests(pictures: Pictures) -> list[bytes]:
    """A hash of the pixels of every picture of a set."""
    found = []
    for block in pictures.blocks(0, pictures.count):
        pixels = block.pictures.contiguous().numpy()
        found += [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in pixels]
    return found


def suspicions(fake: Pictures, reference: Reference) -> list[str]:
    """What looks wrong about a set of pictures beside the real ones: copies, overlap, swapped, too few."""
    lines = []
    marks = digests(fake)
    repeated = len(marks) - len(set(marks))
    if repeated:
        lines.append(f"{fake.name}: {repeated:,} of {len(marks):,} pictures are exact copies of others in it")
    train = reference.train
    if train is None:
        return lines
    real = set(digests(train))
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
