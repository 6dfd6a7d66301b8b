"""The same measurement while a run goes on: what `ganzoo train` calls every `eval_every` steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganzoo.data.base import Data, Progress
from ganzoo.engine.distributed import Group
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo.runs import Run
from ganzoo.training import Job
from ganzoo_evaluation.asking import How, wanted_metrics
from ganzoo_evaluation.evaluate import Evaluation
from ganzoo_evaluation.sets import DataPictures, ModelPictures, all_labels, labels_like
from ganzoo_evaluation.subjects import Reference, Subject
from ganzoo_evaluation.targets import RunTarget, output_field

HEADLINES = ("fd", "kid")
"""The metrics that may say which weights are the best: the Frechet distance where there are enough pictures for its
covariance, else the kernel distance, which small samples do not bias."""
ENOUGH = 2
"""Pictures for each dimension of the features from which on a covariance says something."""
COSTLY = ("fd_inf", "fd_classes")
"""Left out on the way where pictures are few: then they are mostly chance, and take longer than all others together."""


class WhileTraining:
    """Measures a model against the data that it is trained on, by the metrics of its task that look at pictures."""

    def __init__(self, evaluation: Evaluation, run: Run, labels: list[int] | None) -> None:
        self._evaluation, self._run, self._labels = evaluation, run, labels
        dimensions = max((network.dimensions for network in evaluation.networks.values() if network), default=0)
        enough = evaluation.count >= ENOUGH * dimensions
        if not enough:
            evaluation.metrics = [wanted for wanted in evaluation.metrics if wanted.card.name not in COSTLY]
        metric = HEADLINES[0] if enough else HEADLINES[1]
        chosen = next(wanted for wanted in evaluation.metrics if wanted.card.name == metric)
        self.headline = evaluation.name_of(chosen.card, chosen.network, evaluation.count)
        self.better = chosen.card.better

    def __call__(self, model: Model, step: int, group: Group) -> Sequence[Mapping[str, Any]]:
        """The estimates for these weights, ready for JSON."""
        how = self._evaluation.how
        labels = self._labels if "label" in model.takes else None
        name = self._run.recipe or self._run.architecture  # not the folder's: two runs of one job measure the same
        pictures = ModelPictures(model, name, self._evaluation.count, seed=how.seed, labels=labels)
        subject = Subject(name=name, kind="model", pictures=pictures, model=model, weights=f"step {step}")
        row = self._evaluation.row(subject)
        return [found.to_json() for found in row.estimates.values()]


def make_evaluator(
    registry: Registry, run: Run, job: Job, data: Data, group: Group, progress: Progress | None = None
) -> WhileTraining | None:
    """The evaluator of a run; None where its task has no metric that could say which weights are the best.

    Raises:
        UserError: when the feature network cannot be had.
    """
    train = DataPictures(data, run.data.name, field=output_field(RunTarget(run=run, job=job)))
    names = [
        name
        for name in job.task.metrics
        if name in registry.metrics and registry.metrics[name].needs and registry.metrics[name].group != "truth"
    ]
    if not set(HEADLINES) <= set(names):
        return None
    count = run.settings.eval_count
    how = How(metrics=tuple(names), count=count, controls=False)
    reference = Reference(run.data.name, train)
    metrics = wanted_metrics(registry, job.task, how, reference.data_names)
    evaluation = Evaluation(registry, reference, metrics, how, count, group, progress)
    for network in evaluation.networks:
        evaluation.real(network)  # now, under the bar that shows data being read, not at the first evaluation
    labels = all_labels(train)
    return WhileTraining(evaluation, run, None if labels is None else labels_like(labels, count, how.seed))
