"""`ganzoo train`: train an architecture, or go on with a run."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.teaching import TeachingCommand
from ganzoo.config import check_divisible, parse_assignments
from ganzoo.errors import UserError
from ganzoo.recipes import default_architecture
from ganzoo.registry import Registry, get_registry

if TYPE_CHECKING:
    from ganzoo.data.base import Data
    from ganzoo.engine.distributed import Group
    from ganzoo.engine.listeners import Outcome
    from ganzoo.runs import Run
    from ganzoo.training import Job

NEWEST = "newest"


@click.command(cls=TeachingCommand)
@click.argument("name", metavar="ARCH[.TAG]", required=False)
@click.option(
    "--data", "-d", metavar="NAME|PATH", help="A data set (`ganzoo data list`), or a folder or zip of pictures."
)
@click.option("--steps", type=int, metavar="N", help="Training steps (the same as --set steps=N).")
@click.option("--seed", type=int, metavar="N", help="Seed of weights, order and noise.")
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run [runs/ARCH-DATA-N]."
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="Go on with a run: a folder, its name, or the newest.",
)
@click.option("--previous", is_flag=True, help="With --resume: go on from the checkpoint before the last.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting (`ganzoo show ARCH`); repeatable.",
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings from a YAML or JSON file.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Numbers to compute in [auto].")
@click.option("--compile", "compile_", is_flag=True, help="torch.compile the networks.")
@click.option("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.", show_default=True)
@click.option("--devices", type=click.IntRange(1), default=1, metavar="N", help="Train with N processes, one a device.")
@click.option("--plan", is_flag=True, help="Print the bill (parameters, memory, time) and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --plan: print it as JSON.")
def train(
    name: str | None,
    data: str | None,
    steps: int | None,
    seed: int | None,
    folder: Path | None,
    resume: str | None,
    previous: bool,
    assignments: tuple[str, ...],
    config: Path | None,
    precision: str | None,
    compile_: bool,
    device: str,
    devices: int,
    plan: bool,
    as_json: bool,
) -> int:
    """Train an architecture. Without further words it takes the default recipe, whose data ship with ganzoo.

    \b
    ganzoo train EXAMPLE                                    the default recipe
    ganzoo train EXAMPLE.emoji                              another recipe (`ganzoo show EXAMPLE`)
    ganzoo train EXAMPLE --data photos/ --set size=64       pictures of your own
    ganzoo train EXAMPLE --steps 20000 --set lr=1e-4        other settings
    ganzoo train EXAMPLE --set eval_every=500               measure it on the way, and keep the best weights too
    ganzoo train --resume                                   go on with the newest run
    ganzoo train EXAMPLE --plan                             what it would cost

    Ctrl-C saves and stops; a run can be killed at any moment and goes on from its last checkpoint.
    """
    values: dict[str, Any] = dict(parse_assignments(assignments))
    flags = {"steps": steps, "seed": seed, "precision": precision, "compile": compile_ or None}
    for key, value in flags.items():
        if value is not None:
            if key in values:
                raise UserError(f"{key} is given twice: --{key} {value} and --set {key}={values[key]}")
            values[key] = value
    _check_words(name, resume, data, folder, config, previous, as_json, plan)
    registry = get_registry()
    from ganzoo import training
    from ganzoo.runs import find_folder

    # Every mistake that can be found without torch is found before it is imported: that takes seconds.
    root = Path("runs")
    if resume is not None:
        old = find_folder(None if resume == NEWEST else resume, root)
        run, job = training.resume_run(registry, old, values)
    else:
        run = None
        job = training.plan_job(registry, name or "", data, config, values)
    check_divisible(job.settings, devices)
    if plan:
        from ganzoo.cli.plan import print_plan

        print_plan(registry, job, device, as_json)
        return 0
    if devices > 1 and "WORLD_SIZE" not in os.environ:
        from ganzoo.engine.launch import launch

        return launch(devices, sys.argv[1:])

    from ganzoo.cli.train_run import new_run, open_all
    from ganzoo.engine import distributed

    group = distributed.join(device)
    job = training.pin_precision(job, group.device)
    try:
        opened, examples = open_all(registry, job)
        if run is None:
            run = new_run(registry, job, opened, examples, group, folder, root)
        else:
            run = replace(run, settings=job.settings)
        with training.lock(run.folder) if group.first else nullcontext():
            return _train(registry, run, job, opened, examples, group, previous, resumed=resume is not None)
    finally:
        distributed.leave()


def _check_words(
    name: str | None,
    resume: str | None,
    data: str | None,
    folder: Path | None,
    config: Path | None,
    previous: bool,
    as_json: bool,
    plan: bool,
) -> None:
    mistakes = []
    if resume is None and name is None:
        example = f"ganzoo train {default_architecture()}"
        mistakes.append(f"say what to train: {example} (`ganzoo list` shows the zoo), or --resume")
    if resume is not None:
        given = {"ARCH": name, "--data": data, "--run": folder, "--config": config}
        resumption = "--resume" if resume == NEWEST else f"--resume {resume}"
        mistakes += [
            f"{word} {value}: a run that goes on keeps its own; use only {resumption}"
            for word, value in given.items()
            if value is not None
        ]
        if plan:
            mistakes.append("--plan does not go with --resume")
    if previous and resume is None:
        mistakes.append("--previous goes with --resume RUN")
    if as_json and not plan:
        mistakes.append("--json goes with --plan; a run's own figures are in its metrics.jsonl and summary.json")
    if mistakes:
        raise UserError(*mistakes)


def _train(
    registry: Registry,
    run: Run,
    job: Job,
    data: Data,
    examples: Data | None,
    group: Group,
    previous: bool,
    resumed: bool,
) -> int:
    from ganzoo.cli.train_run import at_work, carry_out, load_last

    with at_work(registry, run, job, data, examples, group) as (trainer, reporter):
        if resumed:
            load_last(trainer, run, previous)
            if trainer.step >= run.settings.steps:
                raise UserError(
                    f"{run.folder} is finished ({trainer.step} steps); go further with: "
                    f"ganzoo train --resume {run.folder} --steps {2 * trainer.step}"
                )
            if group.first:
                run.save()
        return _exit_code(carry_out(trainer, run, reporter))


def _exit_code(outcome: Outcome) -> int:
    return 0 if outcome.signal is None else 128 + signal.Signals(outcome.signal)
