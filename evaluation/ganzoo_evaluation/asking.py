"""What is asked: how to measure, and which metrics through which networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ganzoo.cards import Metric, Task
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry
from ganzoo.runs import Run, build_model
from ganzoo.training import Job
from ganzoo_evaluation.aliases import ALIASES
from ganzoo_evaluation.networks import AUTO, choose_network
from ganzoo_evaluation.presets import Preset

HELD_OUT = "held-out"


@dataclass(frozen=True, kw_only=True)
class How:
    """How to measure. `metrics` empty: the task's. `count` None: as many as there are held-out pictures, up to 10,000.

    `features` names the network of metrics that do not say theirs (`kid[efflite0]`); `weights` is its file; `download`
    permits the network; `controls` adds the control rows; `direction` is the way of models that take pictures
    in, empty: the usual one; `captions` says whose a model that reads some is asked for: those of held-out pictures,
    where there are any (`HELD_OUT`), or of training pictures (`train`).
    """

    metrics: tuple[str, ...] = ()
    features: str = AUTO
    weights: Path | None = None
    count: int | None = None
    seed: int = 0
    truncation: float | None = None
    precision: str = "fp32"
    resize: str = ""
    preset: Preset | None = None
    controls: bool = True
    download: bool = True
    direction: str = ""
    captions: str = HELD_OUT


def trained_through(job: Job, run: Run) -> tuple[str, ...]:
    """Feature networks that a loss of a run's training looked through; the model is built without any numbers."""
    with torch.device("meta"):
        return build_model(job.card, run.settings, run.data).trained_through


@dataclass(frozen=True)
class Wanted:
    """A metric and the name of the network that it is to look through (empty: none)."""

    card: Metric
    network: str


def usual_metrics(registry: Registry, task: Task | None, data: set[str]) -> tuple[str, ...]:
    """The metrics of a task's table, and those that suit data sets of these names."""
    if task is None:
        return ()
    # A task may name metrics of a plugin that is not installed.
    named = [name for name in task.metrics if name in registry.metrics]
    sets = {name.partition(":")[0] for name in data}
    suiting = [card.name for card in registry.metrics.values() if task.name in card.tasks and sets & set(card.suits)]
    return tuple(dict.fromkeys([*named, *suiting]))


def wanted_metrics(registry: Registry, task: Task | None, how: How, data: set[str]) -> list[Wanted]:
    """The metrics of a request (`fd`, `kid[efflite0]`, `fid`), or those of the task, with their networks.

    Raises:
        UserError: one line for each that is not known.
    """
    names = how.metrics or (how.preset.metrics if how.preset else ()) or usual_metrics(registry, task, data)
    default = how.preset.network if how.preset and how.features == AUTO else how.features
    mistakes: list[str] = []
    found: list[Wanted] = []
    for name in names:
        base, _, network = name.partition("[")
        network = network.removesuffix("]")
        base, network = ALIASES.get(base, (base, network)) if not network else (base, network)
        if base not in registry.metrics:
            known = [*registry.metrics, *ALIASES]
            mistakes.append(
                f"--metrics {name}: no such metric{did_you_mean(base, known)}; there are {', '.join(known)}"
            )
            continue
        card = registry.metrics[base]
        if card.network and not network:
            network = card.through
        if card.network and not network:
            network = how.preset.networks.get(base, default) if how.preset else default
            network = choose_network(registry, data) if network == AUTO else network
        wanted = Wanted(card, network if card.network else "")
        if any(other.card.name == card.name for other in found):
            mistakes.append(f"--metrics {name}: {card.name} is there twice; evaluate twice for two networks")
            continue
        found.append(wanted)
    if mistakes:
        raise UserError(*mistakes)
    if not found:
        raise UserError("no metrics: name some with --metrics fd,kid (`ganzoo eval --list` shows them all)")
    return found
