"""One call of `ganzoo eval`: targets opened, their reference found, everything measured and put into a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganzoo.data.base import Progress
from ganzoo.engine.distributed import Group
from ganzoo.errors import UserError
from ganzoo.figures import listed
from ganzoo.registry import Registry
from ganzoo_evaluation.asking import How, wanted_metrics
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.evaluate import Evaluation, first_pictures
from ganzoo_evaluation.frechet import Gaussian, gaussian_of
from ganzoo_evaluation.moments import Moments
from ganzoo_evaluation.networks import AUTO
from ganzoo_evaluation.panels import neighbours_panel
from ganzoo_evaluation.results import Report, Row
from ganzoo_evaluation.statistics_files import open_statistics, write_statistics
from ganzoo_evaluation.subjects import Reference, Subject
from ganzoo_evaluation.targets import (
    FolderTarget,
    RunTarget,
    Target,
    folder_pictures,
    is_source,
    open_real,
    open_target,
    reference_of,
    subjects_of_run,
    suspicions,
    task_of,
    usual_count,
)


@dataclass(kw_only=True)
class Session:
    """What was typed, opened: targets and the reference that they share."""

    registry: Registry
    group: Group
    how: How
    targets: list[Target]
    reference: Reference
    remarks: list[str] = field(default_factory=list)
    progress: Progress | None = None

    @property
    def folder(self) -> Path | None:
        """The run that the report belongs to: the first."""
        return next((target.run.folder for target in self.targets if isinstance(target, RunTarget)), None)

    @property
    def count(self) -> int:
        """How many pictures of each: as asked, or as many as usual; a folder of fewer decides for all."""
        if self.how.count is not None:
            return self.how.count
        folders = [len(target.rows) for target in self.targets if isinstance(target, FolderTarget)]
        runs = [usual_count(self.reference)] if len(folders) < len(self.targets) else []
        return min([*folders, *runs])

    def evaluation(self) -> Evaluation:
        """The evaluation, its networks open.

        Raises:
            UserError: when a metric or network is not known or its weights cannot be had.
        """
        metrics = wanted_metrics(
            self.registry, task_of(self.registry, self.targets), self.how, self.reference.data_names
        )
        made = Evaluation(self.registry, self.reference, metrics, self.how, self.count, self.group, self.progress)
        if self.reference.train is None:
            self._check_statistics(made)
        return made

    def _check_statistics(self, evaluation: Evaluation) -> None:
        """Whether a file of statistics can be from the networks that are to look."""
        there = len(self.reference.measured().collected[Gaussian].mean)
        for name, network in evaluation.networks.items():
            if network is not None and network.dimensions != there:
                cards = [card.name for card in self.registry.features.values() if card.dimensions == there]
                hint = f"; made with {' or '.join(cards)}? then add --features {cards[0]}" if cards else ""
                raise UserError(
                    f"--real {self.reference.name}: mu and sigma are of {there:,} features, {name} gives "
                    f"{network.dimensions:,}{hint}"
                )

    def subjects(self, count: int) -> Iterator[Subject]:
        """What is measured, in the order in which it was typed."""
        for target in self.targets:
            if isinstance(target, RunTarget):
                yield from self.subjects_of(target, count)
            else:
                yield self._folder(target, count)

    def subjects_of(self, target: RunTarget, count: int) -> list[Subject]:
        """What is measured of a run."""
        return subjects_of_run(
            self.registry,
            target,
            self.reference,
            count,
            seed=self.how.seed,
            truncation=self.how.truncation,
            device=self.group.device,
            called=self._name_of(target),
        )

    def _name_of(self, target: RunTarget) -> str:
        """The run's name, or its folder where another run has the same name."""
        names = [other.run.name for other in self.targets if isinstance(other, RunTarget)]
        return target.run.name if names.count(target.run.name) == 1 else str(target.run.folder)

    def _folder(self, target: FolderTarget, count: int | None) -> Subject:
        train = self.reference.train
        channels = train.data.spec.channels if train is not None else target.data.spec.channels
        pictures = folder_pictures(target, channels, count)
        facts = {"pictures": f"{len(target.rows):,}", "folder": str(target.path)}
        return Subject(name=pictures.name, kind="pictures", pictures=pictures, facts=facts)

    def report(self, command: str, started: float) -> Report:
        """Measure everything."""
        evaluation = self.evaluation()
        if self.reference.train is not None:
            self.reference.train.contents(self.progress)  # under the bar: all that follows needs its hash
        rows, panels = [], []
        for subject in self.subjects(evaluation.count):
            row = evaluation.row(subject)
            rows.append(row)
            nearest = neighbours_panel(evaluation, subject, row)
            panels += [nearest] if nearest is not None else []
        names = listed([row.name for row in rows])
        report = evaluation.report(f"Evaluation of {names}", command, rows, started)
        report.panels = panels
        found = [*self.remarks, *self._suspicions(evaluation.count), *self._unlike(rows), *report.remarks]
        report.remarks = list(dict.fromkeys(found))
        report.seconds = time.monotonic() - started
        return report

    def _suspicions(self, count: int) -> list[str]:
        found = []
        for target in self.targets:
            if isinstance(target, FolderTarget):
                found += self._of_folder(target, count)
                found += suspicions(self._folder(target, count).pictures, self.reference, self.progress)
        return found

    def _of_folder(self, target: FolderTarget, count: int) -> list[str]:
        """What a folder lacks or loses in this evaluation."""
        lines = []
        if len(target.rows) < count:
            lines.append(f"{target.path}: it has {len(target.rows):,} pictures, not the {count:,} that were asked for")
        train = self.reference.train
        if target.coloured and train is not None and train.data.spec.channels == 1:
            lines.append(
                f"{target.path}: {target.coloured:,} pictures have colours; they were made grey, as the real ones are"
            )
        if not target.coloured and train is not None and train.data.spec.channels == 3:
            lines.append(f"{target.path}: none of its pictures has a colour, the real ones are kept with 3 channels")
        return lines

    def _unlike(self, rows: Sequence[Row]) -> list[str]:
        """In what the pictures of a row differ in kind from the real ones."""
        train = self.reference.train
        if train is None:
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

    def doctor(self) -> list[str]:
        """What is suspicious about the pictures, fake and real; empty when nothing is."""
        lines = list(self.remarks)
        for target in self.targets:
            if isinstance(target, FolderTarget):
                lines += self._of_folder(target, self.count) + looks(target.path, self.progress)
        pictures: list[Pictures] = [subject.pictures for subject in self.subjects(self.count)]
        for one in pictures:
            lines += suspicions(one, self.reference, self.progress)
        return list(dict.fromkeys(lines))

    def save_statistics(self, report: Report, path: Path) -> None:
        """Write the mean and covariance of the first row's features.

        Raises:
            UserError: when no metric has asked for them.
        """
        for measured in report.models[0].measured.values():
            if Moments in measured.collected or Gaussian in measured.collected:
                name = measured.network.name if measured.network is not None else ""
                write_statistics(path, gaussian_of(measured), name)
                return
        raise UserError(f"--save-stats {path}: no features were looked at; add --metrics fd")


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


def open_session(
    registry: Registry,
    group: Group,
    how: How,
    words: Sequence[str],
    real: str | None,
    root: Path,
    progress: Progress | None = None,
) -> Session:
    """Open what was typed.

    Raises:
        UserError: when something is not there, or there is nothing to compare it with.
    """
    asked: Sequence[str | None] = words or [None]
    targets = [open_target(registry, word, root, progress) for word in asked]
    places = [(target.run.folder if isinstance(target, RunTarget) else target.path).resolve() for target in targets]
    twice = [str(word) for place, word in zip(places, asked, strict=True) if places.count(place) > 1]
    if twice:
        raise UserError(f"{' and '.join(dict.fromkeys(twice))}: the same twice; once is enough")
    runs = [target for target in targets if isinstance(target, RunTarget)]
    remarks = [remark for target in targets if isinstance(target, FolderTarget) for remark in target.remarks]
    sources = {run.run.data_source for run in runs}
    sizes = {(run.run.data.size, run.run.data.channels) for run in runs}
    alike = len(sources) == 1 and len(sizes) == 1
    if runs and alike and (real is None or is_source(runs[0].run, real)):
        reference, more = reference_of(registry, runs[0], progress)
    elif real is not None:
        reference, more = open_real(registry, real, targets, root, progress)
        reference.trained_on = reference.train is not None and all(is_source(run.run, real) for run in runs)
    elif runs:
        listed = "; ".join(f"{run.run.name}: {run.run.data.name} at {run.run.data.size} px" for run in runs)
        name = runs[0].run.data_source if len(sources) == 1 else "NAME"
        raise UserError(
            f"these runs were trained on different data ({listed}); say what to measure them against: ganzoo eval "
            f"{' '.join(words)} --real {name}"
        )
    else:
        word = words[0]
        raise UserError(
            f"{word} is a folder of pictures; say what they are to be like: ganzoo eval {word} --real NAME (a data "
            "set of `ganzoo data list`, or a folder)"
        )
    remarks += more
    if reference.train is None and real is not None and how.features == AUTO and how.preset is None:
        how = replace(how, features=open_statistics(Path(real)).network or AUTO)
    return Session(
        registry=registry,
        group=group,
        how=how,
        targets=targets,
        reference=reference,
        remarks=remarks,
        progress=progress,
    )
