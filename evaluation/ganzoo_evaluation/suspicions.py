"""What looks wrong about pictures: copies, overlap with the real ones, exchanged sides, other sizes or colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganzoo.data.base import Progress
from ganzoo.data.sources import FileData
from ganzoo.runs import CONFIG
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.evaluate import first_pictures
from ganzoo_evaluation.results import Row
from ganzoo_evaluation.sets import contents_of
from ganzoo_evaluation.subjects import Reference
from ganzoo_evaluation.targets import FolderTarget


def suspicions(fake: Pictures, reference: Reference, progress: Progress | None = None) -> list[str]:
    """What looks wrong about a set of pictures beside the real ones: copies, overlap, swapped, too few."""
    lines = []
    marks = contents_of(fake, progress).marks
    repeated = len(marks) - len(set(marks))
    if repeated:
        lines.append(f"{fake.name}: {repeated:,} of {len(marks):,} {reference.noun} are exact copies of others in it")
    train = reference.train
    if train is None:
        return lines
    real = set(train.contents(progress).marks)
    shared = sum(mark in real for mark in marks)
    if shared:
        share = shared / len(marks)
        copied = f"copied training {reference.noun}?"
        what = "is this the real set itself, or are the two swapped?" if share > 0.5 else copied
        found = f"{shared:,} of {len(marks):,} {reference.noun} are in the real set too, bit for bit"
        lines.append(f"{fake.name}: {found}; {what}")
    if train.count * 2 < fake.count:
        lines.append(
            f"the real set has {train.count:,} {reference.noun} and {fake.name} {fake.count:,}: if they are swapped, "
            "exchange the two on the command line"
        )
    if isinstance(train.data, FileData) and _inside_run(train.data.path):
        lines.append(f"--real {train.data.path} lies inside a run: are real and fake swapped?")
    return lines


def _inside_run(path: Path) -> bool:
    return any((parent / CONFIG).is_file() for parent in path.resolve().parents)


def of_folder(target: FolderTarget, count: int, reference: Reference) -> list[str]:
    """What a folder lacks or loses in this evaluation."""
    lines = []
    if len(target.rows) < count:
        lines.append(f"{target.path}: it has {len(target.rows):,} pictures, not the {count:,} that were asked for")
    train = reference.train
    if target.coloured and train is not None and train.data.spec.channels == 1:
        lines.append(
            f"{target.path}: {target.coloured:,} pictures have colours; they were made grey, as the real ones are"
        )
    if not target.coloured and train is not None and train.data.spec.channels == 3:
        lines.append(f"{target.path}: none of its pictures has a colour, the real ones are kept with 3 channels")
    return lines


def unlike(rows: Sequence[Row], reference: Reference) -> list[str]:
    """In what the pictures of a row differ in kind from the real ones."""
    train = reference.train
    if train is None or not train.pictured:
        return []
    _, height, width, channels = first_pictures(train, 1).shape
    lines = []
    for row in rows:
        if row.samples is None:
            continue
        _, high, wide, deep = row.samples.shape
        if (wide, high) != (width, height):
            lines.append(
                f"{row.name}: its pictures are {wide} x {high}, the real ones {width} x {height}; feature networks "
                "bring both to one size, but what looks at pixels (sharpness, spectrum) sees the difference"
            )
        if deep < channels:
            lines.append(f"{row.name}: its pictures are grey, the real ones have {channels} channels")
    return lines


def looks(path: Path, progress: Progress | None = None) -> list[str]:
    """What one look at every picture of a folder or zip finds odd about samples."""
    from ganzoo.data.check import check

    found = check(path, progress)
    lines = []
    if found.one_colour:
        lines.append(f"{path}: {len(found.one_colour):,} pictures are of one colour (first: {found.one_colour[0]})")
    if found.near_duplicates:
        first = ", ".join(found.near_duplicates[0][:3])
        lines.append(f"{path}: groups of near duplicates: {len(found.near_duplicates):,} (first: {first})")
    if found.deep:
        lines.append(f"{path}: {found.deep:,} pictures have more than 8 bits a channel; 8 of them are read")
    if found.animated:
        lines.append(f"{path}: {found.animated:,} files are animations; the first frame of each counts")
    return lines
