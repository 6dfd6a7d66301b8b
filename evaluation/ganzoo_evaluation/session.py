"""One call of `ganzoo eval`: targets opened, their reference found, everything measured and put into a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ganzoo.data.base import Progress
from ganzoo.engine.distributed import Group
from ganzoo.errors import UserError
from ganzoo.figures import listed
from ganzoo.registry import Registry
from ganzoo_evaluation.asking import HELD_OUT, How, Wanted, trained_through, wanted_metrics
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.captions import Captions, captions_for
from ganzoo_evaluation.drawings import Drawing, askable, check_kinds, pictured
from ganzoo_evaluation.evaluate import Evaluation
from ganzoo_evaluation.frechet import Gaussian, gaussian_of
from ganzoo_evaluation.measure import reads
from ganzoo_evaluation.moments import Moments
from ganzoo_evaluation.networks import AUTO, choose_network
from ganzoo_evaluation.panels import answers_panels, captions_panels, neighbours_panel
from ganzoo_evaluation.references import (
    MOST,
    is_source,
    open_real,
    open_real_samples,
    reference_of,
    usual_count,
)
from ganzoo_evaluation.results import Report
from ganzoo_evaluation.run_subjects import answers_of_run, subjects_of_run
from ganzoo_evaluation.statistics_files import open_statistics, write_statistics
from ganzoo_evaluation.subjects import Reference, Subject
from ganzoo_evaluation.suspicions import looks, of_folder, suspicions, unlike
from ganzoo_evaluation.targets import (
    FolderTarget,
    RunTarget,
    Target,
    folder_pictures,
    open_target,
    reads_captions,
    task_of,
)
from ganzoo_evaluation.tradeoff import tradeoffs
from ganzoo_evaluation.ways import Way, direction_of, open_ways


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
    ways: list[Way] = field(default_factory=list)
    """Of runs whose models take pictures in: the way of each run, in their order."""
    real: str | None = None
    """What `--real` named, if it did."""

    @property
    def folder(self) -> Path | None:
        """The run that the report belongs to: the first."""
        return next((target.run.folder for target in self.targets if isinstance(target, RunTarget)), None)

    @property
    def count(self) -> int:
        """How many pictures of each: as asked, or as many as usual; a folder of fewer decides for all, and so do the
        pictures that models are given."""
        folders = [len(target.rows) for target in self.targets if isinstance(target, FolderTarget)]
        if self.ways:
            return min(self.ways[0].count, *folders, self.how.count or MOST)
        if self.how.count is not None:
            return self.how.count
        runs = [usual_count(self.reference)] if len(folders) < len(self.targets) else []
        return min([*folders, *runs])

    @cached_property
    def way(self) -> Way | None:
        """What the models are given, where they take pictures in: as many pictures as are measured."""
        return self.ways[0].taken(self.count, self.how.seed) if self.ways else None

    @cached_property
    def captions(self) -> Captions | None:
        """What the models are asked to draw, where they read captions: as many as pictures are measured."""
        reader = next((target for target in self.runs if reads_captions(target)), None)
        if reader is None:
            return None
        reference, run = self.reference, reader.run
        held_out = reference.held_out if self.how.captions == HELD_OUT else None
        return captions_for(held_out, reference.train, run.name, run.data, self.count)

    def join(self, other: RunTarget, root: Path) -> None:
        """Take in a run to compare with. Where it is the first that reads captions, they are read with the reference.

        Raises:
            UserError: when the data are gone.
        """
        first, unread = self.runs[0], not any(map(reads_captions, self.runs))
        self.targets = [*self.targets, other]
        if not unread or not reads_captions(other):
            return
        self.__dict__.pop("captions", None)  # it was None until now
        if self.real is not None and not is_source(first.run, self.real):
            trained_on = self.reference.trained_on
            self.reference, _ = open_real(self.registry, self.real, self.targets, root, self.progress)
            self.reference.trained_on = trained_on
        elif first.run.data_source == other.run.data_source:
            self.reference, _ = reference_of(self.registry, self.runs, self.progress)

    def evaluation(self) -> Evaluation:
        """The evaluation, its networks open.

        Raises:
            UserError: when a metric or network is not known or its weights cannot be had.
        """
        how, task = self._how_of_networks(), task_of(self.registry, self.targets)
        metrics = wanted_metrics(self.registry, task, how, self.reference.data_names)
        if self.way is not None:
            metrics = self._of_way(metrics, self.way)
        if not self.reference.pictured:
            metrics = askable(metrics, self.reference, by_name=bool(how.metrics or how.preset))
        made = Evaluation(
            self.registry,
            self.reference,
            metrics,
            how,
            self.count,
            self.group,
            self.progress,
            self.way,
            self.captions,
            self._drawing,
        )
        if self.reference.statistics is not None:
            self._check_statistics(made)
        return made

    @property
    def _drawing(self) -> Drawing | None:
        """How samples are drawn that are no pictures: as many as in a grid of the first run."""
        if self.reference.pictured:
            return None
        first = self.runs[0]
        return Drawing(show=first.job.task.show, data=first.run.data, count=first.run.settings.samples)

    def _how_of_networks(self) -> How:
        """How to measure, with `auto` resolved where a model's training looked through the network that it means."""
        through = {name for target in self.runs for name in trained_through(target.job, target.run)}
        if self.how.features != AUTO or self.how.preset is not None or not through:
            return self.how
        return replace(self.how, features=choose_network(self.registry, self.reference.data_names, through))

    def _of_way(self, metrics: Sequence[Wanted], way: Way) -> list[Wanted]:
        """Those of the metrics that can be asked of what is given; what is left out is said.

        Raises:
            UserError: when one was asked for by name that cannot.
        """
        kept, impossible = [], []
        back = any(one.back is not None for one in self.ways)
        for wanted in metrics:
            needs = set(reads(wanted.card))
            if way.whole and needs and needs != {"truth"}:
                impossible.append(wanted.card.name)
            elif ("truth" in needs and way.truth is None) or ("back" in needs and not back):
                continue
            else:
                kept.append(wanted)
        few = f"the {way.count:,} pictures of {way.name} are measured one by one: too few, and of too many sizes, for"
        if impossible and self.how.metrics:
            raise UserError(f"--metrics {','.join(impossible)}: {few} a distance of sets")
        if impossible:
            self.remarks.append(f"{few} {listed(impossible)}")
        if not kept:
            names = ",".join(wanted.card.name for wanted in metrics)
            raise UserError(f"--metrics {names}: {way.name} has no true answers beside its pictures to compare with")
        return kept

    @property
    def runs(self) -> list[RunTarget]:
        """Those of the targets that are runs."""
        return [target for target in self.targets if isinstance(target, RunTarget)]

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
        if self.way is not None:
            return answers_of_run(
                self.registry,
                target,
                self.way,
                self.ways[self.runs.index(target)],
                count,
                seed=self.how.seed,
                device=self.group.device,
                called=self._name_of(target),
            )
        return subjects_of_run(
            self.registry,
            target,
            self.reference,
            count,
            seed=self.how.seed,
            truncation=self.how.truncation,
            device=self.group.device,
            called=self._name_of(target),
            captions=self.captions,
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
        rows, panels, subjects = [], [], []
        for subject in self.subjects(evaluation.count):
            row = evaluation.row(subject)
            rows.append(row)
            subjects.append(subject)
            nearest = neighbours_panel(evaluation, subject, row) if self.way is None else None
            panels += [nearest] if nearest is not None else []
            panels += captions_panels(evaluation, subject)
        names = listed([row.name for row in rows])
        report = evaluation.report(f"Evaluation of {names}", command, rows, started)
        if self.way is not None:
            report.reference = f"{report.reference}. {self.way.sentence}."
            report.planes = tradeoffs(report)
            panels = answers_panels(evaluation, self.way, subjects, rows)
        report.panels = panels
        found = [*self.remarks, *self._suspicions(evaluation.count), *unlike(rows, self.reference), *report.remarks]
        report.remarks = list(dict.fromkeys(found))
        report.seconds = time.monotonic() - started
        return report

    def _suspicions(self, count: int) -> list[str]:
        found = []
        for target in self.targets:
            if isinstance(target, FolderTarget):
                found += of_folder(target, count, self.reference)
                found += suspicions(self._folder(target, count).pictures, self.reference, self.progress)
        return found

    def doctor(self) -> list[str]:
        """What is suspicious about the pictures, fake and real; empty when nothing is."""
        lines = list(self.remarks)
        for target in self.targets:
            if isinstance(target, FolderTarget):
                lines += of_folder(target, self.count, self.reference) + looks(target.path, self.progress)
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
    check_kinds(targets)
    runs = [target for target in targets if isinstance(target, RunTarget)]
    remarks = [remark for target in targets if isinstance(target, FolderTarget) for remark in target.remarks]
    sources = {run.run.data_source for run in runs}
    sizes = {(run.run.data.size, run.run.data.channels) for run in runs}
    alike = len(sources) == 1 and len(sizes) == 1
    ways: list[Way] = []
    if how.direction and not runs:
        raise UserError(f"--direction {how.direction}: goes with a run whose model takes pictures in, not with folders")
    if how.direction:
        for run in runs:
            direction_of(runs, run, how.direction)
    if how.captions != HELD_OUT and not any(map(reads_captions, runs)):
        raise UserError(f"--captions {how.captions}: goes with a run whose model reads captions; leave it out")
    if any(run.job.task.directions for run in runs):
        _check_given(how, runs)
        reference, ways, more = open_ways(registry, targets, how.direction, real, progress)
        if how.count is not None and how.count > ways[0].count:
            more.append(f"{ways[0].name} has {ways[0].count:,} pictures to give, not the {how.count:,} of -n")
    elif runs and alike and (real is None or is_source(runs[0].run, real)):
        reference, more = reference_of(registry, runs, progress)
    elif runs and real is not None and not pictured(runs[0]):
        reference, more = open_real_samples(registry, real, runs, progress)
    elif real is not None:
        reference, more = open_real(registry, real, targets, root, progress)
        reference.trained_on = reference.train is not None and all(is_source(run.run, real) for run in runs)
    elif runs:
        listed = "; ".join(f"{run.run.name}: {_data_of(run)}" for run in runs)
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
    if reference.statistics is not None and how.features == AUTO and how.preset is None:
        how = replace(how, features=open_statistics(reference.statistics).network or AUTO)
    return Session(
        registry=registry,
        group=group,
        how=how,
        targets=targets,
        reference=reference,
        remarks=remarks,
        progress=progress,
        ways=ways,
        real=real,
    )


def _data_of(target: RunTarget) -> str:
    data = target.run.data
    return f"{data.name} at {data.size} px" if pictured(target) else data.name


def _check_given(how: How, runs: Sequence[RunTarget]) -> None:
    """Refuse what is asked of models that draw from noise."""
    if how.truncation is not None:
        raise UserError(
            f"--truncation {how.truncation:g}: {runs[0].run.name} draws no pictures from noise that could be truncated"
        )
