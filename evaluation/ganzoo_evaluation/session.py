"""One call of `ganzoo eval`: targets opened, their reference found, everything measured and put into a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganzoo.data.base import Progress
from ganzoo.engine.distributed import Group
from ganzoo.errors import UserError
from ganzoo.registry import Registry
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.evaluate import Evaluation, How, Reference, Subject, wanted_metrics
from ganzoo_evaluation.frechet import Gaussian, gaussian_of
from ganzoo_evaluation.moments import Moments
from ganzoo_evaluation.panels import neighbours_panel
from ganzoo_evaluation.results import Report
from ganzoo_evaluation.statistics_files import write_statistics
from ganzoo_evaluation.targets import (
    FolderTarget,
    RunTarget,
    Target,
    folder_pictures,
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
        return Evaluation(self.registry, self.reference, metrics, self.how, self.count, self.group, self.progress)

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
        )

    def _folder(self, target: FolderTarget, count: int | None) -> Subject:
        train = self.reference.train
        channels = train.data.spec.channels if train is not None else target.data.spec.channels
        pictures = folder_pictures(target, channels, count)
        facts = {"pictures": f"{len(target.rows):,}", "folder": str(target.path)}
        return Subject(name=pictures.name, kind="pictures", pictures=pictures, facts=facts)

    def report(self, command: str, started: float) -> Report:
        """Measure everything."""
        evaluation = self.evaluation()
        rows, panels = [], []
        for subject in self.subjects(evaluation.count):
            row = evaluation.row(subject)
            rows.append(row)
            nearest = neighbours_panel(evaluation, subject, row)
            panels += [nearest] if nearest is not None else []
        names = " and ".join(row.name for row in rows)
        report = evaluation.report(f"Evaluation of {names}", command, rows, started)
        report.panels = panels
        report.remarks = [*self.remarks, *self._suspicions(evaluation.count), *report.remarks]
        report.seconds = time.monotonic() - started
        return report

    def _suspicions(self, count: int) -> list[str]:
        found = []
        for target in self.targets:
            if isinstance(target, FolderTarget):
                found += suspicions(self._folder(target, count).pictures, self.reference)
        return found

    def doctor(self) -> list[str]:
        """What is suspicious about the pictures, fake and real, and what to do about it."""
        from ganzoo.data.check import check

        lines = list(self.remarks)
        paths = [target.path for target in self.targets if isinstance(target, FolderTarget)]
        for path in paths:
            lines += [f"{path}: {advice}" for advice in check(path, self.progress).advice]
        pictures: list[Pictures] = [subject.pictures for subject in self.subjects(self.count)]
        for one in pictures:
            lines += suspicions(one, self.reference)
        return list(dict.fromkeys(lines)) or ["nothing looks wrong"]

    def save_statistics(self, report: Report, path: Path) -> None:
        """Write the mean and covariance of the first row's features.

        Raises:
            UserError: when no metric has asked for them.
        """
        for measured in report.models[0].measured.values():
            if Moments in measured.collected or Gaussian in measured.collected:
                write_statistics(path, gaussian_of(measured))
                return
        raise UserError(f"--save-stats {path}: no features were looked at; add --metrics fd")


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
    runs = [target for target in targets if isinstance(target, RunTarget)]
    remarks = [remark for target in targets if isinstance(target, FolderTarget) for remark in target.remarks]
    if real is not None:
        reference, more = open_real(registry, real, targets[0], progress)
        reference.trained_on = reference.train is not None and not any(
            run.run.data_source != real and run.run.data.name != real for run in runs
        )
        remarks += more
    elif runs:
        sources = {run.run.data_source: run for run in runs}
        sizes = {(run.run.data.size, run.run.data.channels) for run in runs}
        if len(sources) > 1 or len(sizes) > 1:
            listed = "; ".join(f"{run.run.name}: {run.run.data.name} at {run.run.data.size} px" for run in runs)
            raise UserError(
                f"these runs were trained on different data ({listed}); say what to measure them against: --real NAME"
            )
        reference, more = reference_of(registry, runs[0], progress)
        remarks += more
    else:
        word = words[0]
        raise UserError(
            f"{word} is a folder of pictures; say what they are to be like: ganzoo eval {word} --real NAME (a data "
            "set of `ganzoo data list`, or a folder)"
        )
    return Session(
        registry=registry,
        group=group,
        how=how,
        targets=targets,
        reference=reference,
        remarks=remarks,
        progress=progress,
    )
