"""Training the other side of a comparison alike: the same data, as many pictures seen, and for a yardstick the same
networks. What was trained before is found again; what was stopped goes on."""

from __future__ import annotations

import json
import statistics
import warnings
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ganzoo import training
from ganzoo.cards import Architecture
from ganzoo.cli.train_run import at_work, carry_out, load_last, new_run, open_all
from ganzoo.config import RUNTIME, Settings, facts
from ganzoo.data.base import DataSpec
from ganzoo.errors import GanzooError, GanzooWarning, UserError
from ganzoo.registry import Registry
from ganzoo.runs import CONFIG, Run, list_runs, open_run
from ganzoo.training import Job
from ganzoo_evaluation.run_subjects import summary_of
from ganzoo_evaluation.session import Session
from ganzoo_evaluation.targets import RunTarget, reads_captions


class Stopped(GanzooError):
    """A signal stopped the training of the other side, which is saved."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(f"the training of {folder} was stopped and saved; the same command goes on with it")
        self.exit_code = 128 + number


def newest_of_others(architecture: str, root: Path) -> list[str]:
    """The newest run that is not of that architecture: what was trained to be compared with is newer than what it is
    compared with. Empty where there is none."""
    for folder in reversed(list_runs(root) if root.is_dir() else []):
        try:
            document = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and document.get("architecture") != architecture:
            return [str(folder)]
    return []


def trained_alike(
    session: Session, target: RunTarget, card: Architecture, root: Path, seed: int | None = None
) -> RunTarget:
    """A run of `card` on the target's data with as many pictures seen, of the same networks where it is a yardstick.

    Raises:
        UserError: when it cannot be trained on these data.
        Stopped: when a signal stopped the training.
    """
    job = job_alike(session.registry, target, card, seed)
    try:
        return trained(session, job, root)
    except UserError as error:
        raise _of_comparison(card, error) from error


def trained_with_seed(session: Session, target: RunTarget, root: Path, seed: int) -> RunTarget:
    """The target's own job with another seed.

    Raises:
        Stopped: when a signal stopped the training.
    """
    if seed == target.run.settings.seed:
        return target
    return trained(session, replace(target.job, settings=replace(target.run.settings, seed=seed)), root)


def trained(session: Session, job: Job, root: Path) -> RunTarget:
    """A finished run of the job: one that is there already, one that was stopped and goes on, or a new one.

    Raises:
        UserError: when it cannot be built for these data.
        Stopped: when a signal stopped the training.
    """
    registry, group = session.registry, session.group
    job = training.pin_precision(job, group.device)
    data, examples = open_all(registry, job)
    run = find_alike(registry, job, data.spec, root)
    if run is not None and summary_of(run).get("state") == "finished":
        return RunTarget(run=run, job=job)
    begun = run is not None
    run = run or new_run(registry, job, data, examples, group, None, root)
    with (
        training.lock(run.folder) if group.first else nullcontext(),
        at_work(registry, run, job, data, examples, group) as (trainer, reporter),
    ):
        if begun:
            load_last(trainer, run)
        outcome = carry_out(trainer, run, reporter)
    if outcome.signal is not None:
        raise Stopped(run.folder, outcome.signal)
    return RunTarget(run=run, job=job)


def spread_over_seeds(
    session: Session, target: RunTarget, card: Architecture, seeds: int, root: Path
) -> dict[str, float]:
    """Architecture -> standard deviation of the first metric over `seeds` trainings; nothing for one.

    Raises:
        Stopped: when a signal stopped a training.
    """
    if seeds < 2:
        return {}
    values: dict[str, list[float]] = {}
    first = target.run.settings.seed
    for seed in range(first, first + seeds):
        for one in (trained_with_seed(session, target, root, seed), trained_alike(session, target, card, root, seed)):
            evaluation = session.evaluation()
            subject = session.subjects_of(one, evaluation.count)[0]
            found = (estimate.value for estimate in evaluation.row(subject).estimates.values())
            values.setdefault(one.run.architecture, []).append(next(value for value in found if value is not None))
    return {name: statistics.stdev(found) for name, found in values.items()}


def job_alike(registry: Registry, target: RunTarget, card: Architecture, seed: int | None = None) -> Job:
    """What to train: the other architecture on the run's data, with the recipe that it has for them, as many pictures,
    the same size; a yardstick takes the run's networks, unless these read captions, for which it has no place.

    Raises:
        UserError: when the settings do not go together.
    """
    run = target.run
    settings = run.settings
    wanted: dict[str, Any] = {
        "size": run.data.size or None,
        "batch": settings.batch,
        "steps": int(summary_of(run).get("step") or settings.steps),
        "fit": settings.fit,
        "flip": settings.flip,
        "seed": settings.seed if seed is None else seed,
        "eval_every": settings.eval_every,
        "eval_count": settings.eval_count,
        "precision": settings.precision,
    }
    if card.yardstick and not reads_captions(target):
        wanted["like"] = run.architecture
        wanted["like_settings"] = own_settings(settings)
    try:
        return training.plan_job(registry, card.name, target.job.source, None, wanted)
    except UserError as error:
        raise _of_comparison(card, error) from error


def _of_comparison(card: Architecture, error: UserError) -> UserError:
    return UserError(*(f"--compare {card.name}: {line.removeprefix('--data ')}" for line in error.lines))


def own_settings(settings: Settings) -> tuple[str, ...]:
    """The settings that the architecture itself declares and that are not at their default, as `name=value`."""
    shared = {field.name for field in fields(Settings)}
    found = []
    for fact in facts(type(settings)):
        value = getattr(settings, fact.name)
        if fact.name not in shared and value != fact.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            found.append(f"{fact.name}={text}")
    return tuple(found)


def find_alike(registry: Registry, job: Job, data: DataSpec, root: Path) -> Run | None:
    """A run of the same job on the same `data`, the newest; settings that change nothing may differ."""
    wanted = _comparable(job.settings)
    for folder in reversed(list_runs(root)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GanzooWarning)  # nobody asked for these
                found = open_run(folder, registry)
        except UserError:
            continue
        same = found.architecture == job.card.name and found.data.fingerprint == data.fingerprint
        if same and _comparable(found.settings) == wanted:
            return found
    return None


def _comparable(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if name not in RUNTIME}
