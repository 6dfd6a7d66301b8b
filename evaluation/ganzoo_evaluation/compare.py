"""One model against another: `ganzoo eval --compare ARCH` trains the other alike and asks of both what textbooks claim.

Against a yardstick (an architecture whose card says so) the other is built of the same generator and trained on the
same data with the same number of pictures; then the two differ in nothing but how they learn. Beside a model that reads
captions a yardstick has networks of its own, and draws pictures of the set without being told which.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ganzoo.cards import Task
from ganzoo.cli.progress import loading
from ganzoo.engine.noise import Noise
from ganzoo.errors import UserError, did_you_mean
from ganzoo.model import SampleRequest
from ganzoo.pictures import to_bytes
from ganzoo.runs import CONFIG, EVALUATIONS, METRICS, list_runs
from ganzoo.sampling import given_to
from ganzoo_evaluation.alike import spread_over_seeds, trained_alike
from ganzoo_evaluation.drawings import check_kinds, kind_of, pictured
from ganzoo_evaluation.facts import (
    FACTS,
    Side,
    lines_of,
    norms_of,
    plain_prior_gap,
    projections,
    reconstructions,
    stability,
)
from ganzoo_evaluation.panels import captions_panels, neighbours_panel, rows_panel
from ganzoo_evaluation.results import Curve, Panel, Report, Series
from ganzoo_evaluation.run_subjects import PLAIN
from ganzoo_evaluation.session import Session
from ganzoo_evaluation.significance import p_text
from ganzoo_evaluation.targets import RunTarget, open_target, reads_captions
from ganzoo_evaluation.while_training import HEADLINES

WALKS, WALK_STEPS = 4, 8
"""Lines through the latent space in the report, and pictures on each."""


def compare_with(session: Session, other: str, seeds: int, root: Path, command: str) -> Report:
    """The session's run against `other`, an architecture's name or a run.

    Raises:
        UserError: when that makes no sense for the task, or `other` is neither.
    """
    started = time.monotonic()
    registry = session.registry
    target = session.targets[0]
    if not isinstance(target, RunTarget):
        raise UserError(
            f"--compare {other}: {target.path} is a folder of pictures and no run; give two folders instead: "
            f"ganzoo eval {target.path} OTHER --real NAME"
        )
    check_task(target.job.task, other)
    if other in registry.architectures:
        _check_architecture(session, target, other)
        session.evaluation()  # a mistake in the metrics is said before a training begins
        target_other = trained_alike(session, target, registry.architectures[other], root)
        session.join(target_other, root)
        spread = spread_over_seeds(session, target, registry.architectures[other], seeds, root)
    else:
        if not (Path(other) / CONFIG).is_file() and not (root / other / CONFIG).is_file():
            near = did_you_mean(other, [*registry.architectures, *(path.name for path in list_runs(root))])
            raise UserError(f"--compare {other}: neither an architecture nor a run{near}")
        opened = open_target(registry, other, root)
        assert isinstance(opened, RunTarget)
        if seeds > 1:
            raise UserError(f"--seeds {seeds}: {other} is one run; name its architecture to train more")
        target_other, spread = opened, {}
        check_kinds([target, opened])
        if (opened.run.data.size, opened.run.data.channels) != (target.run.data.size, target.run.data.channels):
            raise UserError(
                f"--compare {other}: {opened.run.name} makes pictures of {opened.run.data.size} px, {target.run.name} "
                f"of {target.run.data.size} px; nothing can be said of two kinds of pictures"
            )
        session.join(target_other, root)
    session.remarks += _unequal(target, target_other)
    with loading() as progress:
        session.progress = progress
        return _report(session, command, started, spread)


def _unequal(*targets: RunTarget) -> list[str]:
    """What is to be said of a side that reads captions beside one that does not."""
    reader = next((target for target in targets if reads_captions(target)), None)
    other = next((target for target in targets if not reads_captions(target)), None)
    if reader is None or other is None:
        return []
    alone = other.job.card.yardstick and not getattr(other.run.settings, "like", "")
    own = " and has networks of its own" if alone else ""
    return [
        f"{other.run.name} reads no captions{own}: it is measured by its pictures as a set, and only {reader.run.name} "
        "by whether each is what was asked for"
    ]


def check_task(task: Task, other: str) -> None:
    """Whether a comparison by this protocol makes sense for the task.

    Raises:
        UserError: when pictures are not drawn from a latent; it says what to compare instead.
    """
    if "z" not in task.inputs:
        raise UserError(
            f"--compare {other}: {task.title.lower()} draws no pictures from noise, so there is no prior, no latent "
            "space and no encoder to compare; compare two runs of the task instead: ganzoo eval RUN OTHER-RUN"
        )


def _check_architecture(session: Session, target: RunTarget, other: str) -> None:
    """Whether the other architecture makes what the run makes.

    Raises:
        UserError: when one of the two makes no pictures, and the other something else.
    """
    registry = session.registry
    task, theirs = target.job.task, registry.tasks.find(registry.architectures[other].task)
    if not pictured(target) and theirs.output != task.output:
        own = [card.name for card in registry.architectures.values() if card.task == task.name]
        raise UserError(
            f"--compare {other}: makes {theirs.output} ({theirs.summary}) and {target.run.name} {kind_of(target)}, "
            f"which no metric compares; architectures of its own task: {', '.join(own)}"
        )


def _report(session: Session, command: str, started: float, spread: dict[str, float]) -> Report:
    evaluation = session.evaluation()
    rows, panels, sides = [], [], []
    for target in session.targets:
        assert isinstance(target, RunTarget)
        subjects = session.subjects_of(target, evaluation.count)
        mine = [evaluation.row(subject) for subject in subjects]
        side = Side(target=target, subject=subjects[0], row=mine[0])
        nearest = neighbours_panel(evaluation, subjects[0], mine[0])
        panels += [nearest] if nearest is not None else []
        panels += captions_panels(evaluation, subjects[0])
        side.row.estimates |= stability(evaluation, side, spread)
        if evaluation.reference.pictured:
            side.row.estimates |= reconstructions(evaluation, side)
        for row in mine[1:]:
            gap = plain_prior_gap(evaluation, side, row) if row.name.endswith(PLAIN) else None
            row.estimates |= {} if gap is None else {"prior_gap": gap}
        rows += mine
        sides.append(side)
    walks = evaluation.reference.pictured
    pictures = [*projections(evaluation, sides), *map(_walk, sides)] if walks else []
    names = " and ".join(side.row.name for side in sides)
    report = evaluation.report(f"{names} compared", command, rows, started)
    there = {name for row in rows for name in row.estimates}
    report.columns += [name for name in FACTS if name in there and name not in report.columns]
    report.panels = [*panels, *pictures]
    report.curves = _curves(sides, evaluation.reference.noun)
    report.remarks = [*session.remarks, *report.remarks]
    report.summary = summary(report, sides)
    report.seconds = time.monotonic() - started
    return report


def _walk(side: Side) -> Panel:
    """Straight lines through the latent space, from one random latent to another."""
    device = next(side.model.parameters()).device
    noise = Noise(0, "walk", count=2 * WALKS, device=device)
    given = given_to(side.model, [*range(WALKS), *range(WALKS)])
    inputs = side.model.inputs(SampleRequest(count=2 * WALKS, noise=noise, given=given))
    z = inputs["z"]
    rows = []
    for start, end in zip(range(WALKS), range(WALKS, 2 * WALKS), strict=True):
        t = torch.linspace(0, 1, WALK_STEPS, device=device).view(-1, *[1] * (z.dim() - 1))
        between = z[start] * (1 - t) + z[end] * t
        chosen = {name: _again(values[start : start + 1]) for name, values in inputs.items() if name != "z"}
        with torch.inference_mode():
            rows.append(to_bytes(side.model.generate({**chosen, "z": between})))
    return rows_panel(
        f"{side.row.name}: between two latents",
        "each row goes in equal steps along a straight line from one random latent to another",
        rows,
    )


def _again(values: Any) -> Any:
    """One row of an input, for every step of a walk."""
    return values * WALK_STEPS if isinstance(values, list) else values.expand(WALK_STEPS)


def _curves(sides: Sequence[Side], noun: str) -> list[Curve]:
    """The headline of the evaluations on the way, and the gradient norms; `noun` is what was seen."""
    curves = []
    series: dict[str, list[Series]] = {}
    for side in sides:
        points: dict[str, list[tuple[float, float, float]]] = {}
        for line in lines_of(side.run.folder / EVALUATIONS):
            for found in line.get("estimates", []):
                headlines = (*HEADLINES, side.target.job.task.headline)
                if found.get("metric") in headlines and isinstance(found.get("value"), (int, float)):
                    error = found.get("error")
                    known = float(error) if isinstance(error, (int, float)) else 0.0
                    points.setdefault(found["name"], []).append((float(line["kimg"]), float(found["value"]), known))
        for name, values in points.items():
            x, y, e = zip(*values, strict=True)
            series.setdefault(name, []).append(Series(name=side.row.name, x=x, y=y, errors=e))
    for name, lines in series.items():
        curves.append(
            Curve(
                title=f"{name} during training",
                x_label=f"thousand {noun} seen",
                y_label=name,
                series=tuple(lines),
                caption="measured on the way, with the averaged weights",
            )
        )
    logs = [(side, name) for side in sides for name in norms_of(side.run) if not name.startswith("penalty")]
    norms = []
    for side, name in logs:
        phase = name.removesuffix("/gradient_norm")
        shared = sum(other == name for _, other in logs) > 1
        log = [line for line in lines_of(side.run.folder / METRICS) if name in line]
        norms.append(
            Series(
                name=f"{phase} of {side.row.name}" if shared else phase,
                x=tuple(line["kimg"] for line in log),
                y=tuple(line[name] for line in log),
            )
        )
    if norms:
        curves.append(
            Curve(
                title="Gradient norms",
                x_label=f"thousand {noun} seen",
                y_label="gradient norm",
                series=tuple(norms),
                caption="a quiet line is a stable training; spikes are steps that threw it off",
            )
        )
    return curves


# --- in words ---------------------------------------------------------------------------------------------------------


def summary(report: Report, sides: Sequence[Side]) -> list[str]:
    """What the table comes to, in sentences; only what the passports and errors allow to be said."""
    first, second = sides[0].row, sides[1].row
    verdicts = {v.metric: v for v in report.verdicts if (v.first, v.second) == (first.name, second.name)}
    lines = []

    def both(metric: str) -> tuple[float, float] | None:
        a, b = first.estimates.get(metric), second.estimates.get(metric)
        return (
            (a.value, b.value)
            if a is not None and b is not None and a.value is not None and b.value is not None
            else None
        )

    def tell(metric: str, winning: str, undecided: str) -> None:
        """Say who wins by a metric, or that nobody does."""
        found = verdicts.get(metric)
        if found is None:
            return
        name = found.name.partition("@")[0]
        texts = f"{first.estimates[metric].text} against {second.estimates[metric].text}"
        if found.winner:
            winner, loser = (first, second) if found.winner == first.name else (second, first)
            texts = f"{winner.estimates[metric].text} against {loser.estimates[metric].text}"
            lines.append(f"{winning.format(winner=winner.name, loser=loser.name)} ({name} {texts}, {p_text(found.p)}).")
        else:
            lines.append(f"{undecided} ({name} {texts}, {p_text(found.p)}).")

    tell("fd", "{winner} draws the better pictures", "Neither draws better pictures than the other")
    headline = sides[0].target.job.task.headline
    if headline != "fd":
        tell(headline, "{winner} is the better one", "Neither is better than the other")
    sharp = both("sharpness")
    if sharp is not None:
        lines.append(
            f"Sharpness: {first.name} has {sharp[0]:.0%} of the real pictures' variance of the Laplacian, "
            f"{second.name} {sharp[1]:.0%}."
        )
    tell("coverage", "Variety: {winner} covers more of the data", "Variety: both cover as much of the data")
    tell("authpct", "Memorising: {winner} keeps further from the training pictures", "Memorising: no difference")
    tell("ppl", "Latent space: that of {winner} is smoother", "Latent space: both are as smooth")
    found = both("psnr_project")
    if found is not None:
        better, other = (first, second) if found[0] > found[1] else (second, first)
        lines.append(
            f"Reconstruction: a search through its latent space brings {better.name} to {max(found):.1f} dB of "
            f"held-out pictures, {other.name} to {min(found):.1f} dB."
        )
    for row in report.models:
        gap = row.estimates.get("prior_gap")
        if gap is None or gap.value is None:
            continue
        told = gap.value > 2 * (gap.error or 0.0)
        text = f"draws worse than it reconstructs, by {gap.text}" if told else "draws as well as it reconstructs"
        lines.append(f"Prior: {row.name} {text} in Frechet distance.")
    return lines
