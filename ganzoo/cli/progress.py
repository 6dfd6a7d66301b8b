"""How a run looks while it goes on: a bar with s/step and ETA on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from ganzoo.cards import Direction
    from ganzoo.engine.listeners import Outcome
    from ganzoo.engine.trainer import Trainer
    from ganzoo.runs import Run, Scores

PLAIN_SECONDS = 10.0


@contextmanager
def loading() -> Iterator[Callable[[str, int, int], None]]:
    """A callback (what, done, total) that draws a bar on a terminal while data are read or downloaded."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.cli.console import console

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console(stderr=True), transient=True) as bar:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)  # type: ignore[arg-type]

        yield show


class TrainingReporter:
    """Tells a person how a run goes. On other processes than the first it is silent (`run` None)."""

    def __init__(self, run: Run | None) -> None:
        self.run = run
        self.terminal = run is not None and sys.stdout.isatty()
        self._bar: Progress | None = None
        self._task = 0
        self._steps = 0
        self._first_step = 0
        self._can_evaluate = False
        self._directions: tuple[Direction, ...] = ()
        self._reads_captions = False
        self._start = self._spoken = time.monotonic()

    def __enter__(self) -> TrainingReporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        elif self.run is not None:
            click.echo(text)

    def begun(self, trainer: Trainer) -> None:
        """Say what is trained on what, and open the bar."""
        if self.run is None:
            return
        from ganzoo.data.store import describe_skipped
        from ganzoo.figures import amount, extent

        run, settings = self.run, trainer.settings
        self._can_evaluate = "evaluation" in trainer.registry.plugins
        self._directions = trainer.task.directions
        self._reads_captions = "text" in trainer.task.given.values()
        self._first_step, self._steps = trainer.step, settings.steps
        self._start = self._spoken = time.monotonic()
        sizes = {name: sum(p.numel() for p in network.parameters()) for name, network in trainer.networks.items()}
        parameters = ", ".join(f"{name} {size / 1e6:.2f} M" for name, size in sizes.items() if size)
        where = f"{trainer.device}" + (f" x {trainer.group.world}" if trainer.group.world > 1 else "")
        how = (amount(trainer.feed.spec), extent(run.data), "" if trainer.feed.resident else "streamed")
        self._say(f"{run.recipe or run.architecture} on {run.data.name}: {', '.join(filter(None, how))}")
        for line in describe_skipped(trainer.feed.skipped):
            self._say(line)
        self._say(f"{parameters} parameters; {where}, {trainer.precision_name}, batch {settings.batch}")
        self._say(f"run folder {run.folder}" + (f", from step {trainer.step}" if trainer.step else ""))
        if self.terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from ganzoo.cli.console import console

            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}", markup=False),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}", markup=False),
                console=console(),
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=settings.steps, completed=trainer.step, rate="", losses="")

    def stepped(self, step: int, scalars: Mapping[str, float] | None) -> None:
        if self.run is None:
            return
        now = time.monotonic()
        rate = (now - self._start) / max(1, step - self._first_step)
        if self._bar is not None:
            if scalars is not None:
                self._bar.update(self._task, losses=_losses(scalars))  # type: ignore[arg-type]
            self._bar.update(self._task, completed=step, rate=rate_text(rate))  # type: ignore[arg-type]
        elif scalars is not None and (now - self._spoken >= PLAIN_SECONDS or step in (1, self._steps)):
            self._spoken = now
            left = duration_text(rate * (self._steps - step))
            self._say(f"step {step}/{self._steps}  {rate_text(rate)}  {left} left  {_losses(scalars)}")

    def sampled(self, step: int, path: Path) -> None:
        self._say(f"step {step}: pictures in {path}")

    def evaluated(self, step: int, estimates: Sequence[Mapping[str, Any]], scores: Scores | None) -> None:
        if scores is None:
            self._say(f"step {step}: evaluated, and the headline has no value; the reason is in evaluations.jsonl")
        else:
            best = " (best)" if scores.best.step == step else f" (best {scores.best.text} at step {scores.best.step})"
            self._say(f"step {step}: {scores.name} {scores.final.text}{best}")

    def warned(self, step: int, message: str) -> None:
        self._say(f"step {step}: warning: {message}")

    def ended(self, outcome: Outcome) -> None:
        """Say where the pictures are and which command comes next."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self.run is None:
            return
        folder = self.run.folder
        if outcome.signal is not None:
            self._say(f"stopped at step {outcome.step} and saved; go on with: ganzoo train --resume {folder}")
            return
        pictures = sorted(self.run.samples.glob("*.png"))
        self._say(f"done: {outcome.step} steps in {duration_text(outcome.seconds)}")
        for warning in outcome.warnings:
            self._say(f"warning: {warning}")
        if pictures:
            self._say(f"pictures: {pictures[-1]}")
        scores = outcome.scores
        if scores is not None and scores.best.step != scores.final.step:
            better = f"{scores.name} was {scores.best.text} at step {scores.best.step}, {scores.final.text} at the end"
            self._say(f"{better}; the better weights: ganzoo generate {folder} --best")
        what = "--input photo.png" if self._directions else "-n 64"
        if self._reads_captions:
            from ganzoo.modelcard import simple

            what = f'--text "{simple(self.run.data.examples)}"'
        self._say(f"next: ganzoo generate {folder} {what}")
        for direction in self._directions[1:]:
            self._say(f"      ganzoo generate {folder} --input photo.png --direction {direction.name}")
        if self._can_evaluate:
            self._say(f"      ganzoo eval {folder}")


def reporter_for(run: Run, first: bool) -> TrainingReporter:
    """The reporter of this process."""
    return TrainingReporter(run if first else None)


def rate_text(seconds: float) -> str:
    """Seconds a step as a person reads them."""
    return f"{seconds * 1000:.0f} ms/step" if seconds < 1 else f"{seconds:.2f} s/step"


def duration_text(seconds: float) -> str:
    """A duration in the two largest units that matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _losses(scalars: Mapping[str, float]) -> str:
    shown = {name: value for name, value in scalars.items() if _is_loss(name)}
    return "  ".join(f"{name.removesuffix('/adversarial')} {value:.3f}" for name, value in shown.items())


def _is_loss(name: str) -> bool:
    return "/" in name and not name.endswith("gradient_norm") and not name.startswith("eval/")
