"""The same measurement while a run goes on: what `ganzoo train` calls every `eval_every` steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ganzoo import training
from ganzoo.data.base import Data, Progress
from ganzoo.engine.distributed import Group
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo.runs import Run
from ganzoo.training import Job
from ganzoo_evaluation.asking import How, trained_through, wanted_metrics
from ganzoo_evaluation.base import Pictures, Reads
from ganzoo_evaluation.captions import captions_for
from ganzoo_evaluation.drawings import of_samples
from ganzoo_evaluation.evaluate import Evaluation
from ganzoo_evaluation.given import Remembered
from ganzoo_evaluation.measure import reads
from ganzoo_evaluation.networks import choose_network
from ganzoo_evaluation.references import output_field
from ganzoo_evaluation.run_subjects import answers_of, beside
from ganzoo_evaluation.sets import DataPictures, ModelPictures, all_labels, choose, labels_like
from ganzoo_evaluation.subjects import Reference, Subject
from ganzoo_evaluation.targets import RunTarget
from ganzoo_evaluation.ways import reference_for, way_through

HEADLINES = ("fd", "kid")
"""The metrics that may say which weights are the best: the Frechet distance where there are enough pictures for its
covariance, else the kernel distance, which small samples do not bias."""
BY_ANSWERS = {"perceptual_squeeze": "squeezenet", "perceptual": "efflite0"}
"""The metrics that say it where a model is trained on pairs: how the outputs look beside the true answers. The first
whose network (its value here) no loss of the training looks through. PSNR and SSIM would choose the most blurred
weights."""
ENOUGH = 2
"""Pictures for each dimension of the features from which on a covariance says something."""
COSTLY = ("fd_inf", "fd_classes", "lpips")
"""Left out on the way where pictures are few: then they are mostly chance, or take longer than all others together."""


class WhileTraining:
    """Measures a model against the data that it is trained on, by the metrics of its task that look at pictures."""

    def __init__(self, evaluation: Evaluation, run: Run, headline: str, labels: list[int] | None = None) -> None:
        """`headline`: the metric that says which weights are the best; `labels`: what a conditional model is asked
        for."""
        self._evaluation, self._run, self._labels, self._chosen = evaluation, run, labels, headline
        chosen = next(wanted for wanted in evaluation.metrics if wanted.card.name == headline)
        own = {"network": BY_ANSWERS[headline]} if headline in BY_ANSWERS else None
        self.headline = evaluation.name_of(chosen.card, chosen.network, evaluation.count, own)
        self.better = chosen.card.better

    def __call__(self, model: Model, step: int, group: Group) -> Sequence[Mapping[str, Any]]:
        """The estimates for these weights, ready for JSON."""
        name = self._run.recipe or self._run.architecture  # not the folder's: two runs of one job measure the same
        pictures = self._pictures(model, name)
        way = self._evaluation.way
        there: tuple[Reads, ...] = () if way is None else beside(way, way)
        there += ("text",) if "text" in model.takes else ()
        subject = Subject(name=name, kind="model", pictures=pictures, model=model, weights=f"step {step}", beside=there)
        row = self._evaluation.row(subject)
        return [found.to_json() for found in row.estimates.values()]

    def narrow(self) -> None:
        """Measure nothing but the headline from now on."""
        evaluation = self._evaluation
        evaluation.metrics = [wanted for wanted in evaluation.metrics if wanted.card.name == self._chosen]

    def _pictures(self, model: Model, name: str) -> Pictures:
        count, seed, way = self._evaluation.count, self._evaluation.how.seed, self._evaluation.way
        if way is not None:
            return Remembered(answers_of(model, way, way, name, seed))
        labels = self._labels if "label" in model.takes else None
        texts = None if self._evaluation.captions is None else self._evaluation.captions.texts
        pictured = self._evaluation.reference.pictured
        return ModelPictures(model, name, count, seed=seed, labels=labels, texts=texts, pictured=pictured)


def make_evaluator(
    registry: Registry,
    run: Run,
    job: Job,
    data: Data,
    group: Group,
    progress: Progress | None = None,
    most: int | None = None,
) -> WhileTraining | None:
    """The evaluator of a run; None where its task has no metric that could say which weights are the best.

    `most`: of the training rows at most that many, chosen at random, are what samples are measured against; without,
    all of them.

    Raises:
        UserError: when the feature network cannot be had.
    """
    names = [
        name
        for name in job.task.metrics
        if name in registry.metrics and registry.metrics[name].needs and registry.metrics[name].group != "truth"
    ]
    pictured = run.data.pictured(job.task.output)
    if not pictured:
        names = [name for name in names if of_samples(registry.metrics[name])]
    if job.task.directions:
        both = pictured and run.data.pictured(job.task.direction().input)
        return _of_answers(registry, run, job, data, group, progress) if both else None
    usual = set(HEADLINES) <= set(names)
    if not usual and not (job.task.headline in names and registry.metrics[job.task.headline].better):
        return None
    train = DataPictures(data, run.data.name, field=output_field(RunTarget(run=run, job=job)))
    if most is not None:
        train = train.at(choose(train.count, most, run.settings.seed, "reference"))
    count = run.settings.eval_count
    how = How(metrics=tuple(names), count=count, controls=False)
    reference = Reference(run.data.name, train)
    metrics = wanted_metrics(registry, job.task, how, reference.data_names)
    captions = None
    if "text" in job.task.given.values():
        held = training.open_examples(registry, job, progress)
        other = None if held is None else DataPictures(held, f"{run.data.name} (test)")
        captions = captions_for(other, train, run.name, run.data, count)
    evaluation = Evaluation(registry, reference, metrics, how, count, group, progress, captions=captions)
    headline = _of_sets(evaluation) if usual else job.task.headline
    for network in evaluation.networks:
        evaluation.real(network)  # now, under the bar that shows data being read, not at the first evaluation
    labels = all_labels(train)
    return WhileTraining(evaluation, run, headline, None if labels is None else labels_like(labels, count, how.seed))


def _of_sets(evaluation: Evaluation) -> str:
    """Which of `HEADLINES` there are enough pictures for; with few, what then is chance is left out."""
    dimensions = max((network.dimensions for network in evaluation.networks.values() if network), default=0)
    if evaluation.count >= ENOUGH * dimensions:
        return HEADLINES[0]
    evaluation.metrics = [wanted for wanted in evaluation.metrics if wanted.card.name not in COSTLY]
    return HEADLINES[1]


def _of_answers(
    registry: Registry, run: Run, job: Job, data: Data, group: Group, progress: Progress | None
) -> WhileTraining | None:
    """The evaluator of a model that takes pictures in: it is given pictures that were held out, in the usual direction.

    Where it is trained on pairs, every output is compared with its own answer, and nothing else is measured: that is
    cheap. Where it is not, the answers decide nothing, even if the set knows them: they are for scoring. Then it is the
    kernel distance that does, or the Frechet distance where there are enough pictures.
    """
    direction = job.task.direction()
    held = training.open_held_out(registry, job, progress)
    way = way_through(data, held, direction, job.task)
    how = How(count=min(run.settings.eval_count, way.count), controls=False)
    way = way.taken(how.count or way.count, how.seed)
    there = [registry.metrics[name] for name in job.task.metrics if name in registry.metrics]
    through = trained_through(job, run)
    pairs = not data.spec.field(direction.output).rows
    one_by_one = [card.name for card in there if set(reads(card)) & set(beside(way, way)) and card.name not in COSTLY]
    by_answers = [name for name in BY_ANSWERS if name in one_by_one]
    if pairs and by_answers:
        names, headlines = one_by_one, by_answers
    elif set(HEADLINES) <= {card.name for card in there}:
        names, headlines = [*one_by_one, *HEADLINES], []
    else:
        return None
    reference = reference_for(data, held, direction, job)
    how = replace(how, metrics=tuple(names), features=choose_network(registry, reference.data_names, through))
    metrics = wanted_metrics(registry, job.task, how, reference.data_names)
    evaluation = Evaluation(registry, reference, metrics, how, way.count, group, progress, way)
    if not headlines:
        for network in evaluation.networks:
            evaluation.real(network)
        return WhileTraining(evaluation, run, _of_sets(evaluation))
    impartial = [name for name in headlines if BY_ANSWERS[name] not in through]
    return WhileTraining(evaluation, run, (impartial or headlines)[0])
