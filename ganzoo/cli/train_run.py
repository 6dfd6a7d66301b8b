"""One training from its data to its end, with bars and remarks: what `ganzoo train` and a comparison share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.cards import resolve
from ganzoo.errors import GanzooWarning, RunError

if TYPE_CHECKING:
    from ganzoo.cli.progress import TrainingReporter
    from ganzoo.data.base import Data, Progress
    from ganzoo.engine.distributed import Group
    from ganzoo.engine.listeners import Evaluator, Outcome
    from ganzoo.engine.trainer import Trainer
    from ganzoo.registry import Registry
    from ganzoo.runs import Run
    from ganzoo.training import Job


def open_all(registry: Registry, job: Job) -> tuple[Data, Data | None]:
    """The data, and what sample grids are made from where the model is given something.

    Raises:
        UserError: when they cannot be read, or lack what the task needs.
    """
    from ganzoo import training
    from ganzoo.cli.progress import loading

    with loading() as progress:
        return training.open_data(registry, job, progress=progress), training.open_examples(registry, job, progress)


def new_run(
    registry: Registry, job: Job, data: Data, examples: Data | None, group: Group, folder: Path | None, root: Path
) -> Run:
    """A new run in `folder`, or in a new one in `root`; every process has it when the first has made it.

    Raises:
        UserError: when the architecture cannot be built for these data, or the folder holds a run.
    """
    from ganzoo import training
    from ganzoo.runs import open_run

    training.check_buildable(job, data)
    made = training.make_run(registry, job, data, folder, root, examples).folder if group.first else Path()
    return open_run(Path(group.broadcast_text(str(made))), registry)


@contextmanager
def at_work(
    registry: Registry, run: Run, job: Job, data: Data, examples: Data | None, group: Group
) -> Iterator[tuple[Trainer, TrainingReporter]]:
    """The trainer of a run, with fresh weights and its evaluator, and who tells a person of it."""
    from ganzoo import training
    from ganzoo.cli.progress import loading, reporter_for

    reporter = reporter_for(run, group.first)
    with reporter:
        with loading() as progress:
            evaluator = _evaluator(registry, run, job, data, group, progress)
            trainer = training.make_trainer(registry, run, job, data, group, reporter, progress, evaluator, examples)
        yield trainer, reporter


def load_last(trainer: Trainer, run: Run, previous: bool = False) -> None:
    """Go on from the run's last checkpoint, or from the one before; from the beginning where there is none yet."""
    from ganzoo.engine import checkpoint

    if any((run.folder / name).exists() for name in (checkpoint.NAME, checkpoint.PREVIOUS)):
        trainer.load_state(checkpoint.load_run(run.folder, previous))


def carry_out(trainer: Trainer, run: Run, reporter: TrainingReporter) -> Outcome:
    """Train to the end, or until a signal stops it.

    Raises:
        RunError: when it cannot go on; it says how to go on from the last checkpoint.
    """
    reporter.begun(trainer)
    try:
        outcome = trainer.run()
    except RunError as error:
        where = f"; go on from the last good checkpoint with: ganzoo train --resume {run.folder}"
        raise RunError(*error.lines[:-1], f"{error.lines[-1]}{where}") from error
    reporter.ended(outcome)
    return outcome


def _evaluator(
    registry: Registry, run: Run, job: Job, data: Data, group: Group, progress: Progress
) -> Evaluator | None:
    if not run.settings.eval_every:
        return None
    made: Evaluator | None = None
    if "evaluation" in registry.plugins:
        make_evaluator = resolve("ganzoo_evaluation.while_training:make_evaluator")
        made = make_evaluator(registry, run, job, data, group, progress)
        why = f"the task {job.task.name} has no metric that tells which weights are better"
    else:
        why = "the plugin evaluation is switched off or did not load; see `ganzoo doctor`"
    if made is None and group.first:
        warnings.warn(f"eval_every={run.settings.eval_every} measures nothing: {why}", GanzooWarning, stacklevel=1)
    return made
