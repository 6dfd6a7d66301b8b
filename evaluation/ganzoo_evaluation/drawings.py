"""Samples that are no pictures: what can be asked of them, whether two kinds are one, and how they are drawn."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganzoo.cards import Metric, resolve
from ganzoo.data.base import DataSpec
from ganzoo.errors import UserError
from ganzoo.figures import numbers
from ganzoo_evaluation.asking import Wanted
from ganzoo_evaluation.base import Pictures
from ganzoo_evaluation.measure import reads
from ganzoo_evaluation.subjects import Reference
from ganzoo_evaluation.targets import FolderTarget, RunTarget, Target

BESIDE = {"samples", "text"}
"""What a metric of samples may read."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draws the first `count` samples of a set by `Task.show`, called with what a run knows of its data."""

    show: str
    data: DataSpec
    count: int

    def __call__(self, samples: Pictures) -> bytes:
        """A PNG."""
        blocks = list(samples.blocks(0, min(self.count, samples.count)))
        inputs: dict[str, Any] = {}
        labels = [block.label for block in blocks if block.label is not None]
        if len(labels) == len(blocks):
            inputs["label"] = torch.cat(labels)
        texts = [text for block in blocks for text in block.text or ()]
        if texts:
            inputs["text"] = texts
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.png"
            resolve(self.show)(torch.cat([block.samples for block in blocks]), path, inputs, self.data)
            return path.read_bytes()


def of_samples(card: Metric) -> bool:
    """Whether a metric can be asked of samples that are no pictures."""
    return not card.network and set(reads(card)) <= BESIDE


def askable(metrics: Sequence[Wanted], reference: Reference, *, by_name: bool) -> list[Wanted]:
    """Those of the metrics that can be asked of samples that are no pictures.

    Raises:
        UserError: when one was asked for `by_name` that cannot, or none is left.
    """
    kept = [wanted for wanted in metrics if of_samples(wanted.card)]
    left_out = ",".join(wanted.card.name for wanted in metrics if wanted not in kept)
    if left_out and by_name:
        raise UserError(
            f"--metrics {left_out}: for pictures, and {reference.name} has none; without --metrics it is those of the "
            "task"
        )
    if not kept:
        raise UserError(f"{reference.name} has no pictures, and its task names no metric that looks at anything else")
    return kept


def pictured(target: Target) -> bool:
    """Whether that is pictures: a folder of them, or a run that makes them."""
    return not isinstance(target, RunTarget) or target.run.data.pictured(target.job.task.output)


def kind_of(target: Target) -> str:
    """What its samples are, in words: `pictures`, `points of 2 numbers`."""
    if pictured(target) or not isinstance(target, RunTarget):
        return "pictures"
    name = target.job.task.output
    field = target.run.data.field(name)
    return f"{name} of {numbers(field.shape)}" if field.kind == "array" else name


def check_kinds(targets: Sequence[Target]) -> None:
    """Whether all targets can stand in one table.

    Raises:
        UserError: when they are of several kinds, or are made of something that is no picture.
    """
    kinds: dict[str, str] = {}
    for target in targets:
        kinds.setdefault(kind_of(target), target.path.name if isinstance(target, FolderTarget) else target.run.name)
    if len(kinds) > 1:
        listed = "; ".join(f"{name}: {kind}" for kind, name in kinds.items())
        raise UserError(f"these are of different kinds, which no metric compares ({listed}); evaluate them apart")
    for target in targets:
        if isinstance(target, RunTarget):
            data, task = target.run.data, target.job.task
            strange = [way.input for way in task.directions if not (data.pictured(way.input) and pictured(target))]
            if strange:
                raise UserError(
                    f"{target.run.name} makes its samples of {strange[0]} ({task.summary}); models that are given "
                    "something are only measured where it and their answers are pictures"
                )
