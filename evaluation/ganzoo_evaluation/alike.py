"""Training the other side of a comparison alike: the same data, as many pictures seen, and for a yardstick the same
networks. What was trained before is found again; what was stopped goes on."""

from __future__ import annotations

import json
import statistics
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ganzoo import training
from ganzoo.cards import Architecture
from ganzoo.cli.progress import loading, reporter_for
from ganzoo.config import RUNTIME, Settings, facts
from ganzoo.data.base import Data
from ganzoo.engine import checkpoint
from ganzoo.errors import GanzooError, UserError
from ganzoo.registry import Registry
from ganzoo.runs import CONFIG, Run, list_runs, open_run
from ganzoo.training import Job
from ganzoo_evaluation.run_subjects import summary_of
from ganzoo_evaluation.session import Session
from ganzoo_evaluation.targets import RunTarget
from ganzoo_evaluation.while_training import make_evaluator


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
    return trained(session, job_alike(session.registry, target, card, seed), target.run, root)


def trained_with_seed(session: Session, target: RunTarget, root: Path, seed: int) -> RunTarget:
    """The target's own job with another seed.

    Raises:
        Stopped: when a signal stopped the training.
    """
    if seed == target.run.settings.seed:
        return target
    return trained(session, replace(target.job, settings=replace(target.run.settings, seed=seed)), target.run, root)


def trained(session: Session, job: Job, like: Run, root: Path) -> RunTarget:
    """A finished run of the job: one that is there already, one that was stopped and goes on, or a new one.

    Raises:
        UserError: when it cannot be built for these data.
        Stopped: when a signal stopped the training.
    """
    registry, group = session.registry, session.group
    job = training.pin_precision(job, group.device)
    run = find_alike(registry, job, like, root)
    if run is not None and summary_of(run).get("state") == "finished":
        return RunTarget(run=run, job=job)
    with loading() as progress:
        data = training.open_data(registry, job, progress=progress)
    if run is None:
        training.check_buildable(job, data)
        made = training.make_run(registry, job, data, None, root).folder if group.first else Path()
        run = open_run(Path(group.broadcast_text(str(made))), registry)
    with training.lock(run.folder) if group.first else nullcontext():
        number = _train(session, run, job, data)
    if number is not None:
        raise Stopped(run.folder, number)
    return RunTarget(run=run, job=job)


def _train(session: Session, run: Run, job: Job, data: Data) -> int | None:
    """Train to the end; the signal that stopped it before, if one did."""
    registry, group = session.registry, session.group
    reporter = reporter_for(run, group.first)
    with reporter:
        with loading() as progress:
            evaluator = None
            if run.settings.eval_every:
                evaluator = make_evaluator(registry, run, job, data, group, progress)
            trainer = training.make_trainer(registry, run, job, data, group, reporter, progress, evaluator)
        if any((run.folder / name).exists() for name in (checkpoint.NAME, checkpoint.PREVIOUS)):
            trainer.load_state(checkpoint.load_run(run.folder, False))
        reporter.begun(trainer)
        outcome = trainer.run()
        reporter.ended(outcome)
    return outcome.signal


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
    the same size; a yardstick takes the run's networks.

    Raises:
        UserError: when the settings do not go together.
    """
    run = target.run
    settings = run.settings
    wanted: dict[str, Any] = {
        "size": run.data.size,
        "batch": settings.batch,
        "steps": int(summary_of(run).get("step") or settings.steps),
        "fit": settings.fit,
        "flip": settings.flip,
        "seed": settings.seed if seed is None else seed,
        "eval_every": settings.eval_every,
        "eval_count": settings.eval_count,
        "precision": settings.precision,
    }
    if card.yardstick:
        wanted["like"] = run.architecture
        wanted["like_settings"] = own_settings(settings)
    try:
        return training.plan_job(registry, card.name, target.job.source, None, wanted)
    except UserError as error:
        raise UserError(*(f"--compare {card.name}: {line}" for line in error.lines)) from error


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


def find_alike(registry: Registry, job: Job, run: Run, root: Path) -> Run | None:
    """A run of the same job on the same data, the newest; settings that change nothing may differ."""
    wanted = _comparable(job.settings)
    for folder in reversed(list_runs(root)):
        try:
            found = open_run(folder, registry)
        except UserError:
            continue
        same = found.architecture == job.card.name and found.data.fingerprint == run.data.fingerprint
        if same and _comparable(found.settings) == wanted:
            return found
    return None


def _comparable(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if name not in RUNTIME}
