"""What every architecture promises as something that is trained: phases, gradients, saving, resuming, precision."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ganzoo.engine import checkpoint
from ganzoo.engine.noise import seed_globals
from ganzoo.engine.trainer import Trainer
from ganzoo.errors import GanzooError
from ganzoo.model import Phase
from ganzoo.runs import Scores, load_model
from ganzoo.testing.architectures import TOLERANCE
from ganzoo.testing.check import CheckFailed
from ganzoo.testing.compare import differences
from ganzoo.testing.specimen import Specimen

ROUNDS = 3
"""Times that every phase is run before a weight that has not moved counts as out of reach."""
NOT_THE_RUN = ("seconds", "evaluation_seconds")
"""What of a checkpoint may differ between two runs that are the same."""
SHORT = (50, 100, 200, 400)
"""Steps of a short training after which it is looked whether it has become better."""
MEASURED = 256
"""Samples that are measured then."""
CLEARLY = 0.05
"""Share by which a number without a standard error must be better."""


def phases(specimen: Specimen) -> str:
    """Every phase moves the networks that it names and no other, by finite losses; every weight of them is reached."""
    trainer = specimen.trainer()
    _check_left_out(specimen, trainer)
    reached: set[str] = set()
    for _ in range(ROUNDS):
        for start in sorted({phase.start for phase in trainer.phases}):
            seed_globals(trainer.settings.seed, start)
            trainer.step = start
            batches = trainer.batches(start)
            for phase in trainer.phases:
                if phase.active(start):
                    before = _weights(trainer)
                    trainer.run_phase(phase, batches)
                    moved = {name for name, value in _weights(trainer).items() if not torch.equal(value, before[name])}
                    _check_moved(phase, moved, trainer)
                    reached |= moved
    trained = {network for phase in trainer.phases for network in phase.trains}
    missed = [name for name in _weights(trainer) if name.split(".")[0] in trained and name not in reached]
    if missed:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        raise CheckFailed(
            f"{missed[0]}{more}: no gradient reached it in {ROUNDS} rounds of all phases",
            "use it in a loss, or leave it out of the network",
        )
    return ""


def _weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters()}


def _check_left_out(specimen: Specimen, trainer: Trainer) -> None:
    """Whether every weight that wants a gradient is in a network, and every such network in a phase."""
    fresh = specimen.build()
    bare = [name for name, _ in fresh.named_parameters(recurse=False)]
    if bare:
        raise CheckFailed(
            f"the parameter {bare[0]!r} sits on the model itself, where no phase can train it",
            "put it into a network: a sub-module of the model",
        )
    trained = {network for phase in trainer.phases for network in phase.trains}
    for name, network in fresh.named_children():
        if name not in trained and any(parameter.requires_grad for parameter in network.parameters()):
            raise CheckFailed(
                f"the network {name!r} wants gradients, and no phase trains it",
                f"name it in a phase: trains=(..., {name!r}), or freeze it: self.{name}.requires_grad_(False)",
            )
    missing = [name for name in fresh.sampling if not hasattr(fresh, name)]
    if missing:
        there = ", ".join(name for name, _ in fresh.named_children())
        raise CheckFailed(
            f"sampling names {missing[0]!r}, and there is no such network; there are {there}",
            "name in `sampling` the networks that generate() reads",
        )


def _check_moved(phase: Phase, moved: set[str], trainer: Trainer) -> None:
    networks = {name.split(".")[0] for name in moved}
    stray, still = sorted(networks - set(phase.trains)), sorted(set(phase.trains) - networks)
    if stray:
        raise CheckFailed(
            f"the phase {phase.name!r} moves {stray[0]!r}, which it does not train",
            "change no weights in a loss: the trainer does it for the networks of `trains`",
        )
    if still:
        raise CheckFailed(
            f"the phase {phase.name!r} trains {still[0]!r}, and its loss does not move it",
            "see that the loss depends on it and that nothing on the way is detached, or leave it out of `trains`",
        )
    broken = next((name for name in moved if not bool(torch.isfinite(trainer.model.get_parameter(name)).all())), None)
    if broken is not None:
        raise CheckFailed(f"after one {phase.name!r} step {broken} is not finite", "look at the loss of that phase")


def save_and_load(specimen: Specimen) -> str:
    """What a run writes is enough to make the same samples."""
    trainer = specimen.trained
    expected, inputs = trainer.sample(4)
    model = load_model(trainer.run_folder.folder, specimen.registry)
    with torch.no_grad():
        apart = float((model.generate(inputs).float() - expected).abs().max())
    if apart > TOLERANCE:
        raise CheckFailed(
            f"loaded anew, the model makes samples that differ by {apart:.2g}",
            "what generate() reads must be weights or buffers of the networks in `sampling`",
        )
    return ""


def resume(specimen: Specimen) -> str:
    """Training four steps is training two, stopping, and going on: bit for bit."""
    whole = specimen.trainer(steps=4)
    whole.run()
    first = specimen.trainer(steps=4)
    first.run(until=2)
    second = specimen.trainer(first.run_folder.folder, steps=4)
    second.run()
    one, other = (_state(trainer) for trainer in (whole, second))
    apart = differences(one, other)
    if apart:
        raise CheckFailed(
            f"a run that was stopped and went on differs in {len(apart)} places, the first is {apart[0].strip('/')}",
            "keep state of the training in buffers or get_extra_state of a sub-module, and draw noise from the batch "
            "(batch.randn, batch.rand)",
        )
    return ""


def _state(trainer: Trainer) -> dict[str, Any]:
    state = checkpoint.load_run(trainer.run_folder.folder)
    return {name: value for name, value in state.items() if name not in NOT_THE_RUN}


def precisions(specimen: Specimen) -> str:
    """It trains in float32 and in bfloat16."""
    for precision in ("fp32", "bf16"):
        try:
            specimen.trainer(steps=2, precision=precision).run()
        except (GanzooError, RuntimeError) as error:
            raise CheckFailed(
                f"--precision {precision}: {' '.join(str(error).split())[:300]}",
                "compute what needs the range of float32 under torch.autocast(device, enabled=False)",
            ) from error
    return ""


def improves(specimen: Specimen) -> str:
    """A short training makes it better by the metric that says which weights of a run are the best."""
    settings = {**specimen.card.short, "ema_kimg": 0, "eval_count": MEASURED, "steps": SHORT[-1]}
    first = specimen.trainer(evaluated=True, **{**settings, "steps": 1, "eval_every": 1})
    if first.evaluator is None:
        return f"the task {specimen.task.name} has no metric that says which weights are better"
    first.run()
    trainer = specimen.trainer(evaluated=True, **settings, eval_every=SHORT[0])
    for steps in SHORT:
        trainer.run(until=steps)
        if first.scores is not None and trainer.scores is not None and _clearly_better(trainer.scores, first.scores):
            found = trainer.scores.best
            return f"{first.scores.name} {first.scores.final.text} after 1 step, {found.text} after {found.step}"
    begun, best = ("nothing" if scores is None else scores.best.text for scores in (first.scores, trainer.scores))
    raise CheckFailed(
        f"{first.evaluator.headline} is {begun} after one step, and {best} at best of {SHORT[-1]} steps",
        "look at its samples: ganzoo train with the settings of the card's `tiny`; if it learns with larger ones, name "
        "them in the card's `short`",
    )


def _clearly_better(now: Scores, before: Scores) -> bool:
    """Whether the best so far is better than before by two standard errors, or where there are none by a share."""
    old, new = before.final, now.best
    gain = (old.value - new.value) * (-1 if before.better == "higher" else 1)
    if old.error is None or new.error is None:
        return gain > CLEARLY * abs(old.value)
    return gain > 2 * math.hypot(old.error, new.error)
