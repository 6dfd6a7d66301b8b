"""The training loop, for every model of the zoo.

Read it from `Trainer.run` downwards: a step draws its batches, runs the model's phases, averages weights; around it
are lines of metrics, sample grids, evaluations, checkpoints and signals.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.cards import Direction, Task, resolve
from ganzoo.config import check_divisible
from ganzoo.data.base import Data, Progress
from ganzoo.data.captions import captions_of, spread, text_field
from ganzoo.data.feed import Feed
from ganzoo.engine import checkpoint, precision, schedule
from ganzoo.engine.distributed import Group, LostProcess
from ganzoo.engine.ema import EMA
from ganzoo.engine.files import remove_leftovers, write_atomic, write_text
from ganzoo.engine.finite import FiniteCheck
from ganzoo.engine.listeners import Evaluator, Outcome, Reporter
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.engine.record import Record
from ganzoo.engine.watch import EVERY as LOOK_EVERY
from ganzoo.engine.watch import CollapseWatch
from ganzoo.errors import GanzooError, RunError, UserError
from ganzoo.model import Batch, Model, Phase, SampleRequest
from ganzoo.registry import Registry
from ganzoo.runs import BEST, WEIGHTS, Run, Score, Scores, best_step, milestone, weights_of
from ganzoo.sampling import finished

CHECKPOINT_SECONDS = 60.0
GRIDS = (0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of a run after which a sample grid is drawn, beside the one at the end."""


@dataclass(frozen=True)
class _Unfinished:
    """The averaged weights, and the model's buffers, as they were before `Model.finish`."""

    average: dict[str, Tensor]
    buffers: dict[str, Tensor]


class Trainer:
    """Trains one model in one run folder; every process of a group has its own."""

    def __init__(
        self,
        run: Run,
        model: Model,
        data: Data,
        task: Task,
        group: Group,
        registry: Registry,
        reporter: Reporter,
        progress: Progress | None = None,
        evaluator: Evaluator | None = None,
        examples: Data | None = None,
    ) -> None:
        """`progress` is called while data are decoded onto the device, `evaluator` every `eval_every` steps. `examples`
        are what the sample grids of a model that is given pictures or captions are made from, by default the training
        data."""
        self.run_folder = run
        self.settings = settings = run.settings
        self.task, self.group, self.registry, self.reporter = task, group, registry, reporter
        self.evaluator = evaluator
        self.device = group.device
        check_divisible(settings, group.world)
        # Of 3-D convolutions torch knows no such format.
        last = all(value.ndim < 5 for value in (*model.parameters(), *model.buffers()))
        self.model = model.to(self.device, memory_format=torch.channels_last if last else None)  # type: ignore[call-overload]
        self.phases = list(model.phases())
        self.networks = self._networks()
        self._train_mode()
        self.dtype = precision.resolve(settings.precision, self.device)
        self.optimizers = {name: self._optimizer(name) for name in self.networks if self._trained(name)}
        self.base_lr = {name: optimizer.param_groups[0]["lr"] for name, optimizer in self.optimizers.items()}
        self.feed = Feed(data, settings, group, progress)
        self._examples = data if examples is None else examples
        self.draws = max(phase.repeat for phase in self.phases)
        group.broadcast([*model.parameters(), *model.buffers()])
        averaged = {name: getattr(model, name) for name in model.sampling}
        self.ema = EMA(averaged, settings.ema_kimg * 1000, settings.ema_rampup)
        self.watch = CollapseWatch()
        self.statistics = [
            value
            for module in model.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
            for value in module.buffers()
            if value.is_floating_point()
        ]
        self.step = 0
        self.seconds = 0.0
        self.evaluation_seconds = 0.0
        self.scores: Scores | None = None
        self.warnings: list[str] = []
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._finite = FiniteCheck(self.device)
        self._asked: int | None = None
        self._unfinished: _Unfinished | None = None
        self.record = Record(run, registry, active=group.first)
        if settings.compile:
            for network in self.networks.values():
                network.compile()

    # --- one step ---------------------------------------------------------------------------------------------------

    def train_step(self) -> list[Batch]:
        """One pass through the phases; the first draw's micro-batches, with what the phases left on them."""
        settings, step = self.settings, self.step
        seed_globals(settings.seed, step, self.group.rank)
        factor = schedule.factor(settings, step)
        for name, optimizer in self.optimizers.items():
            optimizer.param_groups[0]["lr"] = self.base_lr[name] * factor
        draws: dict[int, list[Batch]] = {}
        for phase in self.phases:
            if phase.active(step):
                for repetition in range(phase.repeat):
                    if repetition not in draws:
                        draws[repetition] = self.batches(step, repetition)
                    self.run_phase(phase, draws[repetition])
        if self.group.world > 1 and self.statistics:
            self.group.average(self.statistics)
        self.step = step + 1
        self.ema.update(settings.batch, self.step * settings.batch)
        return draws.get(0, [])

    def batches(self, step: int, repetition: int = 0) -> list[Batch]:
        """The micro-batches of a step's draw; a phase that repeats has a draw for each repetition."""
        settings, group = self.settings, self.group
        noise = Noise(settings.seed, "step", step, repetition, count=settings.batch, device=self.device)
        fields = self.feed.draw(step * self.draws + repetition, noise)
        size = settings.batch // (group.world * settings.accumulate)
        batches = []
        for micro in range(settings.accumulate):
            mine = slice(micro * size, (micro + 1) * size)
            start = group.rank * self.feed.local + mine.start
            cut = fields if settings.accumulate == 1 else {name: values[mine] for name, values in fields.items()}
            starts = [rank * self.feed.local + mine.start for rank in range(group.world)]
            peers = [slice(first, first + size) for first in starts]
            batches.append(Batch(cut, noise, slice(start, start + size), step, group, peers))
        return batches

    def run_phase(self, phase: Phase, batches: list[Batch]) -> None:
        """One update of the networks that the phase trains."""
        for name, network in self.networks.items():
            network.requires_grad_(name in phase.trains)
        parameters = [p for name in phase.trains for p in self.networks[name].parameters()]
        for parameter in parameters:
            parameter.grad = None
        for batch in batches:
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
                terms = self.model.loss(phase, batch)
            loss = torch.stack([phase.weights.get(name, 1.0) * term.float() for name, term in terms.items()]).sum()
            self._finite.terms(phase.name, terms, self.step)
            (loss / len(batches) if len(batches) > 1 else loss).backward()
            for name, term in terms.items():
                self._add(f"{phase.name}/{name}", term.detach())
        self.group.average_gradients(parameters)
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._finite.gradient(phase.name, norm, self.step)
        self._add(f"{phase.name}/gradient_norm", norm)
        if self.settings.clip > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.settings.clip, norm)
        for name in phase.trains:
            self.optimizers[name].step()

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums[name] + value.float() if name in self._sums else value.float()
        self._counts[name] = self._counts.get(name, 0) + 1

    # --- the run ----------------------------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Outcome:
        """Train up to `settings.steps` (or stop cleanly at `until`), saving on the way and on a signal.

        Raises:
            RunError: on a loss or gradient that is not finite, or when the disk is full; the last checkpoint stays.
        """
        steps = self.settings.steps
        until = steps if until is None else min(until, steps)
        begun = saved = time.monotonic()
        before, stopped, interrupted = self.seconds, False, False
        grids, evaluations = self._grid_steps(), self._evaluation_steps()
        self.record.begin(self.step, has_best=self.scores is not None)
        self._summarise("running")
        error: BaseException | None = None
        try:
            with self._signals():
                while self.step < until and not stopped:
                    batches = self.train_step()
                    step = self.step
                    self.seconds = before + time.monotonic() - begun
                    self._keep_milestones()
                    if step % LOOK_EVERY == 0 and batches:
                        self._look(batches[-1])
                    told = step % self.settings.log_every == 0 or step == 1 or step in grids or step in evaluations
                    scalars = self._tick() if told else None
                    if step >= steps or (self.evaluator is not None and step in evaluations):
                        self._finish()
                    samples = self._sample(step) if step in grids else None
                    if scalars is not None and self.evaluator is not None and step in evaluations:
                        scalars |= self._evaluate(step, self.evaluator)
                    if step < steps:
                        self._unfinish()
                    if scalars is not None:
                        self.record.line(step, scalars, samples)
                    self._pass_on_complaints()
                    self.reporter.stepped(step, scalars)
                    now = time.monotonic()
                    self.seconds = before + now - begun
                    every = self.settings.checkpoint_every
                    due = step % every == 0 if every else now - saved >= CHECKPOINT_SECONDS
                    due = due or step in evaluations  # best weights and the state that knows of them stay together
                    due, interrupted, terminated = self.group.any(
                        due, self._asked == signal.SIGINT, self._asked == signal.SIGTERM
                    )
                    stopped = interrupted or terminated
                    if due and not stopped and step < until:
                        self.save()
                        saved = time.monotonic()
                self.save()
            self._summarise("finished" if self.step >= steps else "stopped")
        except LostProcess as caught:
            error = caught
            self._summarise("failed", error=str(caught))
            again = f"ganzoo train --resume {self.run_folder.folder}"
            raise LostProcess(f"{caught}; go on from the last checkpoint with: {again}") from caught
        except BaseException as caught:
            error = caught
            self._summarise("failed", error=str(caught) or type(caught).__name__)
            raise
        finally:
            self.feed.close()
            self.record.end(error)
            self._pass_on_complaints()
        if not stopped or self.step >= steps:  # a signal during the last step changes nothing: the run is done
            number = None
        else:
            number = signal.SIGINT if interrupted else signal.SIGTERM
        return Outcome(self.step, number, tuple(self.warnings), self.seconds, self.scores)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the run after the step; a second SIGINT ends it at once."""

        def stop(number: int, _frame: object) -> None:
            if self._asked is not None and number == signal.SIGINT:
                raise KeyboardInterrupt
            self._asked = number

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    # --- what is written --------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the averaged weights and the checkpoint, once everything is known to be finite.

        The checkpoint comes last: a run that is killed in between goes on from the older one and writes both again,
        whereas a finished checkpoint beside old weights would never be mended.
        """
        self._finite.check()
        if self.group.first:
            self.save_weights()
            checkpoint.save(self.run_folder.folder, self.state())
        self.group.barrier()

    def save_weights(self) -> None:
        """Write model.safetensors (averaged weights) and the model card."""
        from ganzoo.modelcard import model_card

        self._write_averaged(WEIGHTS)
        card = self.registry.architectures[self.run_folder.architecture]
        text = model_card(self.run_folder, card, self.task, self.step, self.scores)
        write_text(self.run_folder.folder / "README.md", text)

    def _keep_milestones(self) -> None:
        """Keep the averaged weights with which a phase ends: a warm-up is a result of its own."""
        ended = [phase.name for phase in self.phases if phase.stop == self.step < self.settings.steps]
        if ended and self.group.first:
            self._finite.check()
            for name in ended:
                self._write_averaged(milestone(name))

    def _write_averaged(self, name: str) -> None:
        from safetensors.torch import save as to_bytes

        payload = to_bytes(weights_of(self.ema.average), metadata={"format": "pt", "step": str(self.step)})
        write_atomic(self.run_folder.folder / name, lambda stream: stream.write(payload))

    def state(self) -> dict[str, Any]:
        """Everything that a run needs to go on to the same bits."""
        frozen = {name for name in self.networks if self._frozen(name)}
        weights = {n: v for n, v in self.model.state_dict().items() if n.split(".")[0] not in frozen}
        average = self.ema.average
        if self._unfinished is not None:  # a run that goes further goes on as if it had never been finished
            weights |= {name: value for name, value in self._unfinished.buffers.items() if name in weights}
            average = self._unfinished.average
        return {
            "step": self.step,
            "seconds": self.seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "scores": None if self.scores is None else asdict(self.scores),
            "data": self.run_folder.data.fingerprint,
            "model": weights,
            "ema": average,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "watch": self.watch.state_dict(),
            "warnings": self.warnings,
            "sums": self._sums,
            "counts": self._counts,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's state.

        Raises:
            UserError: when it belongs to another architecture, other settings or other data.
        """
        if state["data"] != self.run_folder.data.fingerprint:
            raise UserError(
                f"{self.run_folder.folder}: the data have changed since its checkpoint was written "
                f"({self.run_folder.data_source}); put them back, or begin anew without --resume"
            )
        try:
            missing, unexpected = self.model.load_state_dict(state["model"], strict=False)
            frozen = tuple(f"{name}." for name in self.networks if self._frozen(name))
            if unexpected or any(not name.startswith(frozen) for name in missing):
                raise KeyError((unexpected or missing)[0])
            self.ema.load(state["ema"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise UserError(
                f"{self.run_folder.folder}: its checkpoint does not fit the networks "
                f"({' '.join(str(error).split())[:160]}); the settings of a run cannot change when it goes on"
            ) from error
        self.watch.load_state_dict(dict(state["watch"]))
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.evaluation_seconds = float(state.get("evaluation_seconds", 0.0))
        self.scores = Scores.from_json(state.get("scores"))
        if self.scores is not None and best_step(self.run_folder.folder) != self.scores.best.step:
            self.scores = None  # its weights are gone: overwritten just before the run was killed, or deleted
        self.warnings = list(state["warnings"])
        self._sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self._counts = dict(state["counts"])
        if self.step >= self.settings.steps and self.group.first:
            remove_leftovers(self.run_folder.folder, self.run_folder.samples)
            self._summarise("finished")  # killed after its last checkpoint, it may not have come to say so

    @contextmanager
    def _as_used(self) -> Iterator[None]:
        """The model as it will be used: averaged weights, eval mode, no gradients."""
        self.model.eval()
        try:
            with torch.no_grad(), self.ema.applied():
                yield
        finally:
            self._train_mode()

    def sample(self, count: int | None = None, direction: Direction | None = None) -> tuple[Tensor, Mapping[str, Any]]:
        """Samples of the averaged weights from latents (or pictures or captions, where the model is given such) that
        stay the same all run, and the inputs they came from. There may be fewer than `count` where there are fewer
        examples."""
        count = count or self.settings.samples
        given: dict[str, Any] = {}
        if self.task.directions:
            field = (direction or self.task.direction()).input
            given = {field: self._example(field, count).to(self.device)}
            count = len(given[field])
        elif self._captioned:
            given = {"text": captions_of(self._examples, spread(len(self._examples), count))}
            count = len(given["text"])
        noise = Noise(self.settings.seed, "samples", count=count, device=self.device)
        with self._as_used():
            inputs = self.model.inputs(SampleRequest(count=count, noise=noise, given=given))
            return finished(self.model.generate(inputs)), inputs

    @property
    def _captioned(self) -> bool:
        """Whether the model takes captions and the examples have some."""
        return "text" in self.model.takes and text_field(self._examples.spec) is not None

    def _example(self, field: str, count: int) -> Tensor:
        """That field of up to `count` rows of the examples, evenly spread, on the CPU: pictures as float in [-1, 1],
        arrays as they are."""
        values = torch.from_numpy(self._examples.read(spread(len(self._examples), count))[field])
        return values.float().div(127.5).sub(1) if self._examples.spec.pictured(field) else values

    def _sample(self, step: int) -> Path | None:
        """Draw the sample grid of a step; of a task with several directions one for each, the others beside it."""
        if not self.group.first:
            return None
        first = self.run_folder.samples / f"step-{step:07d}.png"
        show, spec = resolve(self.task.show), self._examples.spec
        for direction in self.task.directions or (None,):
            samples, inputs = self.sample(direction=direction)
            path = first
            if direction is not None:
                path = (
                    first if direction == self.task.direction() else first.with_stem(f"{first.stem}-{direction.name}")
                )
                if spec.aligned or not spec.field(direction.output).rows:
                    inputs = {**inputs, "truth": self._example(direction.output, len(samples))}
            elif self._captioned:
                inputs = {**inputs, "truth": self._example(self.task.output, len(samples))}
            show(samples, path, inputs, self.run_folder.data)
            self.reporter.sampled(step, path)
        return first

    def _evaluate(self, step: int, evaluator: Evaluator) -> dict[str, float]:
        """Have the averaged weights measured and keep them if they are the best so far; the headline as a scalar."""
        begun = time.monotonic()
        seed_globals(self.settings.seed, "evaluation", step, self.group.rank)
        try:
            with self._as_used():
                estimates = evaluator(self.model, step, self.group)
        except LostProcess:
            raise
        except GanzooError as error:
            message = f"the evaluation at step {step} failed (--set eval_every=0 trains without): {error.lines[-1]}"
            raise RunError(*error.lines[:-1], message) from error
        seconds = time.monotonic() - begun
        self.evaluation_seconds += seconds
        if not self.group.first:
            return {}
        self.record.evaluation(step, seconds, estimates)
        headline = next((found for found in estimates if found["name"] == evaluator.headline), None)
        if headline is None:
            raise ValueError(f"the evaluator's headline {evaluator.headline!r} is not among its estimates")
        name, value = str(headline["name"]), headline["value"]
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            self.reporter.evaluated(step, estimates, None)
            return {}
        score = Score.from_json({**headline, "step": step})
        key = str(headline["passport"].get("key", ""))
        self.scores = Scores.after(self.scores, name, key, evaluator.better, score)
        if self.scores.best == score:
            self._write_averaged(BEST)
        self._summarise("running")
        self.reporter.evaluated(step, estimates, self.scores)
        return {f"eval/{name}": score.value}

    def _evaluation_steps(self) -> set[int]:
        steps, every = self.settings.steps, self.settings.eval_every
        return {*range(every, steps, every), steps} if every and self.evaluator is not None else set()

    def _finish(self) -> None:
        """Let the model compute what it wants from the trained networks and all data.

        Only what is written and shown from here on has it; the checkpoint keeps the state before.
        """
        if type(self.model).finish is Model.finish:
            return
        self._unfinished = _Unfinished(
            average={name: value.clone() for name, value in self.ema.average.items()},
            buffers={name: value.clone() for name, value in self.model.named_buffers()},
        )
        seed_globals(self.settings.seed, "finish")
        with self._as_used():
            self.model.finish(self._all_batches)
            self.group.broadcast(self.model.buffers())

    def _unfinish(self) -> None:
        """Take back what finishing for an evaluation on the way has changed: training goes on as if without it."""
        if self._unfinished is None:
            return
        with torch.no_grad():
            for name, value in self._unfinished.average.items():
                self.ema.average[name].copy_(value)
            for name, buffer in self.model.named_buffers():
                buffer.copy_(self._unfinished.buffers[name])
        self._unfinished = None

    def _all_batches(self) -> Iterator[Batch]:
        for fields, noise in self.feed.all():
            yield Batch(fields, noise, slice(0, noise.count), self.step)

    def _grid_steps(self) -> set[int]:
        steps, every = self.settings.steps, self.settings.sample_every
        if every:
            return {*range(every, steps, every), steps}
        return {*(max(1, math.ceil(share * steps)) for share in GRIDS), steps}

    def _tick(self) -> dict[str, float]:
        """Means since the last line, and how fast it goes."""
        self._finite.check()
        self.group.average(self._sums.values())
        scalars = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        scalars["lr_factor"] = schedule.factor(self.settings, self.step - 1)
        scalars["diversity"], scalars["separation"] = self.watch.diversity, self.watch.separation
        scalars["seconds"] = self.seconds
        return scalars

    def _look(self, batch: Batch) -> None:
        found = self.watch.look(
            batch.get(self.task.output), batch.get("fake"), batch.get("real_logits"), batch.get("fake_logits")
        )
        for message in found:
            self.warnings.append(f"step {self.step}: {message}")
            self.reporter.warned(self.step, message)

    def _summarise(self, state: str, **values: Any) -> None:
        self.record.summary(
            state,
            step=self.step,
            steps=self.settings.steps,
            seconds=round(self.seconds, 1),
            device=str(self.device),
            precision=self.precision_name,
            processes=self.group.world,
            warnings=self.warnings,
            **({"evaluation": asdict(self.scores)} if self.scores else {}),
            **({"evaluation_seconds": round(self.evaluation_seconds, 1)} if self.evaluation_seconds else {}),
            **values,
        )

    def _pass_on_complaints(self) -> None:
        while self.record.complaints:
            self.reporter.warned(self.step, self.record.complaints.pop(0))

    @property
    def precision_name(self) -> str:
        """`fp32` or `bf16`."""
        return "bf16" if self.dtype is torch.bfloat16 else "fp32"

    # --- building ---------------------------------------------------------------------------------------------------

    def _networks(self) -> dict[str, nn.Module]:
        networks = dict(self.model.named_children())
        for phase in self.phases:
            for name in phase.trains:
                if name not in networks:
                    model = type(self.model).__name__
                    raise TypeError(f"phase {phase.name!r} trains {name!r}, which is not a network of {model}")
        return networks

    def _trained(self, name: str) -> bool:
        return any(name in phase.trains for phase in self.phases)

    def _frozen(self, name: str) -> bool:
        """Whether no phase trains it. A module without weights (an image pool) is state of the run, so it is not."""
        return not self._trained(name) and any(True for _ in self.networks[name].parameters())

    def _train_mode(self) -> None:
        """Train mode, but for frozen networks: their running statistics must not move."""
        self.model.train()
        for name, network in self.networks.items():
            if self._frozen(name):
                network.eval()

    def _optimizer(self, name: str) -> torch.optim.Optimizer:
        how = self.model.optimizer(name)
        parameters = list(self.networks[name].parameters())
        make: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW if how.weight_decay else torch.optim.Adam
        return make(
            parameters,
            lr=how.lr,
            betas=(how.beta1, how.beta2),
            eps=how.eps,
            weight_decay=how.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )
