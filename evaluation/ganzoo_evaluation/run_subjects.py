"""What is measured of a run: its final weights, its best, and those with which a phase of its training ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ganzoo.figures import described
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo.runs import BEST, SUMMARY, Run, load_model, milestone, milestones
from ganzoo_evaluation.base import Reads
from ganzoo_evaluation.captions import Captions
from ganzoo_evaluation.drawings import pictured
from ganzoo_evaluation.given import Answers, First, Made, Remembered
from ganzoo_evaluation.sets import ModelPictures, all_labels, labels_like
from ganzoo_evaluation.subjects import Reference, Subject
from ganzoo_evaluation.targets import RunTarget
from ganzoo_evaluation.ways import Way

PLAIN = "z from N(0, 1)"
"""What is added to the name of a model that is not drawn from its own prior."""


def subjects_of_run(
    registry: Registry,
    target: RunTarget,
    reference: Reference,
    count: int,
    *,
    seed: int,
    truncation: float | None,
    device: torch.device,
    called: str = "",
    captions: Captions | None = None,
) -> list[Subject]:
    """The final weights of a run, its best where these are others, those with which a phase ended, and where a model
    has a prior of its own also its final weights with z from N(0, 1). `called`: what the rows are to be named after, by
    default the run. `captions`: what a model that reads captions is asked to draw."""
    run = target.run
    subjects = []
    labels = all_labels(reference.train) if reference.train is not None else None
    for weights in weights_to_measure(run):
        model = load_model(run.folder, registry, device, weights=weights)
        wanted = None
        if "label" in model.takes:
            known = reference.train.classes if reference.train is not None else ()
            wanted = labels_like(labels, count, seed) if labels is not None and known == model.data.classes else None
        reader = "text" in model.takes
        texts = captions.texts if reader and captions is not None else None
        for plain in (False,) if model.prior_is_normal or weights != "final" else (False, True):
            name = _name(called or run.name, weights) + (f", {PLAIN}" if plain else "")
            facts = facts_of_run(registry, run, weights) | ({"prior": PLAIN} if plain else {})
            facts |= {"captions": captions.source} if texts is not None and captions is not None else {}
            pictures = ModelPictures(
                model,
                name,
                count,
                seed=seed,
                truncation=truncation,
                labels=wanted,
                texts=texts,
                plain=plain,
                pictured=pictured(target),
            )
            subjects.append(
                Subject(
                    name=name,
                    kind="model",
                    pictures=pictures,
                    model=model,
                    weights=weights,
                    facts=facts,
                    beside=("text",) if reader else (),
                    variant=plain or weights != "final",
                )
            )
    return subjects


def answers_of_run(
    registry: Registry,
    target: RunTarget,
    way: Way,
    own: Way,
    count: int,
    *,
    seed: int,
    device: torch.device,
    called: str = "",
) -> list[Subject]:
    """The same of a run whose model takes pictures in: what each of its weights makes of the first `count` pictures
    that are given, the truth beside it where it is known, and what it makes of that on the way back.

    `way` holds the pictures; `own` is the same way in the words of the run's task.
    """
    run = target.run
    subjects = []
    for weights in weights_to_measure(run):
        model = load_model(run.folder, registry, device, weights=weights)
        name = _name(called or run.name, weights)
        made = answers_of(model, way, own, name, seed)
        subjects.append(
            Subject(
                name=name,
                kind="model",
                pictures=Remembered(First(made, count)),
                model=model,
                weights=weights,
                facts=facts_of_run(registry, run, weights),
                variant=weights != "final",
                beside=beside(way, own),
                # A phase that ended before the last one had losses of its own: pixels alone, in a warm-up.
                trained_through=model.trained_through if weights in ("final", "best") else (),
            )
        )
    return subjects


def answers_of(model: Model, way: Way, own: Way, name: str, seed: int) -> Made:
    """What a model makes of all pictures that are given; see `answers_of_run`."""
    back = None if own.back is None else Answers(model, own.back, seed=seed)
    return Made(way.inputs, way.truth, name, Answers(model, own.direction, seed=seed), back=back)


def beside(way: Way, own: Way) -> tuple[Reads, ...]:
    """What stands beside the pictures that a model makes that way."""
    truth: tuple[Reads, ...] = () if way.truth is None else ("truth",)
    return truth if own.back is None else (*truth, "back")


def _name(run: str, weights: str) -> str:
    """`run`, `run (best)`, `run (after warmup)`."""
    if weights == "final":
        return run
    return f"{run} ({weights})" if weights == "best" else f"{run} (after {weights})"


def weights_to_measure(run: Run) -> list[str]:
    """`final`, `best` where the best evaluation of the training was not the last, and the phases that have ended."""
    found = summary_of(run).get("evaluation") or {}
    best, final = found.get("best") or {}, found.get("final") or {}
    other = (run.folder / BEST).is_file() and best.get("step") != final.get("step")
    return ["final", *(["best"] if other else []), *milestones(run.folder)]


def summary_of(run: Run) -> dict[str, Any]:
    """summary.json, empty when it cannot be read."""
    try:
        document = json.loads((run.folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def step_of(weights: Path) -> int | None:
    """The step after which a file of averaged weights was written; None where it does not say."""
    try:
        with safe_open(weights, "pt") as stream:
            return int((stream.metadata() or {})["step"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def facts_of_run(registry: Registry, run: Run, weights: str) -> dict[str, str]:
    """What a reader of the report wants to know of a run."""
    summary = summary_of(run)
    step = int(summary.get("step") or 0)
    if weights == "best":
        step = int(((summary.get("evaluation") or {}).get("best") or {}).get("step") or step)
    elif weights != "final":
        step = step_of(run.folder / milestone(weights)) or step
    seconds = float(summary.get("seconds") or 0.0)
    data = run.data
    seen = "pictures seen" if data.channels else "samples seen"
    return {
        "architecture": registry.architectures[run.architecture].title,
        "run": str(run.folder),
        "data": f"{data.name}, {data.count:,} pictures of {data.size} x {data.size}"
        if data.channels
        else f"{data.name}, {described(data)}",
        "weights": f"{weights if weights in ('final', 'best') else f'after {weights}'}, averaged",
        "steps": f"{step:,}",
        seen: f"{step * run.settings.batch:,}",
        "training time": f"{seconds / 60:.1f} min on {summary.get('device', '?')}, {summary.get('precision', '?')}",
        "seed": str(run.settings.seed),
    }
