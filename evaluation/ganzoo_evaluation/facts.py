"""What a comparison asks beside the metrics: how well each side reconstructs, and what the log of its training says."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ganzoo.cards import Metric
from ganzoo.latents.projection import Search, project
from ganzoo.model import Model
from ganzoo.pictures import to_bytes
from ganzoo.runs import METRICS, Run
from ganzoo_evaluation.base import Value
from ganzoo_evaluation.evaluate import Evaluation
from ganzoo_evaluation.paired import CAP, WINDOW, psnr, ssim
from ganzoo_evaluation.panels import rows_panel
from ganzoo_evaluation.passport import Estimate, estimate
from ganzoo_evaluation.perceptual import embedded_distance
from ganzoo_evaluation.results import Panel, Row
from ganzoo_evaluation.run_subjects import summary_of
from ganzoo_evaluation.sets import DataPictures, Reconstructions, as_floats, as_levels, choose
from ganzoo_evaluation.subjects import Subject
from ganzoo_evaluation.targets import RunTarget

PROJECTED = 64
"""Held-out pictures that both models are asked to reconstruct by projection."""
SEARCHED = 200
"""Steps of that search."""
ACTIVE = 0.01
"""Variance of the latent means above which a unit is active (Burda et al., 2016, arXiv:1509.00519, section 5.2)."""
SPIKE = 10.0
"""Times the median of the lines before it, from which on a gradient norm is a spike."""


def _fact(name: str, title: str, summary: str, better: str, group: str, version: int = 1) -> Metric:
    return Metric(
        name=name,
        title=title,
        summary=summary,
        paper="",
        better=better,
        compute="",
        network=False,
        group=group,
        version=version,
    )


FACTS = {
    card.name: card
    for card in (
        _fact(
            "psnr_encode",
            "PSNR of reconstructions, by encoder",
            "held-out pictures through the encoder and back",
            "higher",
            "reconstruction",
        ),
        _fact(
            "ssim_encode", "SSIM of reconstructions, by encoder", "the same, by structure", "higher", "reconstruction"
        ),
        _fact(
            "fd_encode",
            "Frechet distance of reconstructions",
            "held-out pictures through the encoder and back, as a set",
            "lower",
            "reconstruction",
        ),
        _fact(
            "psnr_project",
            "PSNR of reconstructions, by projection",
            "the nearest picture that a search through the latent space finds: what the model can show at all",
            "higher",
            "reconstruction",
            version=2,
        ),
        _fact(
            "perceptual_project",
            "Perceptual distance of projections",
            "the same, in the stages of EfficientNet-lite0",
            "lower",
            "reconstruction",
            version=2,
        ),
        _fact(
            "prior_gap",
            "Prior gap",
            "how much worse samples are than reconstructions: the prior draws where the encoder never was",
            "lower",
            "reconstruction",
        ),
        _fact(
            "active_units",
            "Active latent units",
            "dimensions of the latent that the encoder uses",
            "",
            "reconstruction",
        ),
        _fact("warnings", "Collapse warnings", "from the watch over the training", "lower", "stability"),
        _fact(
            "spikes",
            "Gradient spikes",
            f"lines of the log on which a gradient norm was {SPIKE:g} times its median before",
            "lower",
            "stability",
        ),
        _fact("training_minutes", "Training time", "minutes, on whatever it ran on", "", "cost"),
        _fact(
            "seeds_spread",
            "Spread over seeds",
            "standard deviation of the distance over trainings",
            "lower",
            "stability",
        ),
    )
}


@dataclass(kw_only=True)
class Side:
    """One of the two: its run, its final weights as subject, its row."""

    target: RunTarget
    subject: Subject
    row: Row

    @property
    def model(self) -> Model:
        """With the final weights."""
        assert self.subject.model is not None
        return self.subject.model

    @property
    def run(self) -> Run:
        return self.target.run


def _estimate(evaluation: Evaluation, side: Side, name: str, value: Value) -> Estimate:
    card, reference = FACTS[name], evaluation.reference
    passport = evaluation.passport(card, "", side.subject, value.protocol)
    if card.group == "reconstruction":  # of held-out pictures, so these belong to what it depends on
        passport = replace(
            passport,
            count=int(value.protocol.get("pictures", evaluation.count)),
            reference=reference.name,
            reference_hash=reference.content,
            reference_count=reference.count,
        )
    return estimate(card, value, passport)


def stability(evaluation: Evaluation, side: Side, spread: dict[str, float]) -> dict[str, Estimate]:
    """What the log of the training says."""
    found = summary_of(side.run)
    warnings = [str(text) for text in found.get("warnings") or []]
    values = {
        "warnings": Value(value=float(len(warnings)), note="; ".join(warnings)[:200]),
        "training_minutes": Value(
            value=round(float(found.get("seconds") or 0.0) / 60, 2),
            protocol={"device": str(found.get("device", "")), "precision": str(found.get("precision", ""))},
        ),
    }
    norms = norms_of(side.run)
    if norms:
        values["spikes"] = Value(value=float(sum(count_spikes(series) for series in norms.values())))
    if side.run.architecture in spread:
        values["seeds_spread"] = Value(value=spread[side.run.architecture])
    return {name: _estimate(evaluation, side, name, value) for name, value in values.items()}


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a .jsonl file that can be read; none where there is no file."""
    found = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def norms_of(run: Run) -> dict[str, list[float]]:
    """The gradient norms in a run's log, by their names there (`PHASE/gradient_norm`)."""
    norms: dict[str, list[float]] = {}
    for line in lines_of(run.folder / METRICS):
        for name, value in line.items():
            if name.endswith("/gradient_norm"):
                norms.setdefault(name, []).append(float(value))
    return norms


def count_spikes(series: Sequence[float], window: int = 20) -> int:
    """How many values are `SPIKE` times the median of the (up to `window`) values before them."""
    count = 0
    for place in range(5, len(series)):
        before = statistics.median(series[max(0, place - window) : place])
        count += series[place] > SPIKE * max(before, 1e-12)
    return count


def _held_out(evaluation: Evaluation) -> DataPictures | None:
    reference = evaluation.reference
    if reference.held_out is not None and reference.held_out.count:
        return reference.held_out
    return None


def reconstructions(evaluation: Evaluation, side: Side) -> dict[str, Estimate]:
    """By the encoder, where there is one: how near, how good as a set, and how much worse samples are."""
    real = _held_out(evaluation)
    if real is None or type(side.model).reconstruct is Model.reconstruct:
        return {}
    rows = choose(real.count, evaluation.count, evaluation.how.seed, "held-out")
    chosen = DataPictures(real.data, real.name, [int(real.rows[row]) for row in rows])
    pictures = Reconstructions(side.model, chosen, f"{side.row.name}, reconstructions")
    made, truth = [], []
    for block in pictures.blocks(0, pictures.count):
        made.append(block.pictures)
        truth.append(block.truth)
    both = (torch.cat(made), torch.cat([one for one in truth if one is not None]))
    values = {"psnr_encode": _mean_of(psnr(*both), {"pictures": len(both[0])})}
    if min(both[0].shape[2:]) >= WINDOW:  # smaller pictures have no structure to compare
        values["ssim_encode"] = _mean_of(ssim(*both), {"pictures": len(both[0])})
    subject = replace(side.subject, name=pictures.name, pictures=pictures)
    sample = side.row.estimates.get("fd")
    if sample is not None and sample.value is not None:
        again = evaluation.row(subject).estimates["fd"]
        if again.value is not None:
            network: dict[str, str | int | float] = {"network": again.passport.network}
            values["fd_encode"] = Value(value=again.value, error=again.error, protocol=network)
            if pictures.count == evaluation.count:
                values["prior_gap"] = _gap(sample, again, network)
    active = _active_units(side.model, chosen)
    if active is not None:
        values["active_units"] = active
    return {name: _estimate(evaluation, side, name, value) for name, value in values.items()}


def _gap(sample: Estimate, reconstruction: Estimate, protocol: dict[str, str | int | float]) -> Value:
    assert sample.value is not None
    assert reconstruction.value is not None
    error = math.hypot(sample.error or 0.0, reconstruction.error or 0.0)
    return Value(value=sample.value - reconstruction.value, error=error, protocol=protocol)


def plain_prior_gap(evaluation: Evaluation, side: Side, plain: Row) -> Estimate | None:
    """The prior gap of the same weights with z from N(0, 1); None where nothing reconstructs."""
    sample, again = plain.estimates.get("fd"), side.row.estimates.get("fd_encode")
    if sample is None or again is None or sample.value is None or again.value is None:
        return None
    return _estimate(evaluation, side, "prior_gap", _gap(sample, again, {"network": sample.passport.network}))


def _mean_of(values: torch.Tensor, protocol: dict[str, str | int | float]) -> Value:
    found = values.double().clamp(max=CAP)
    return Value(
        value=float(found.mean()),
        error=float(found.std() / len(found) ** 0.5) if len(found) > 1 else None,
        protocol=protocol,
    )


def _active_units(model: Model, real: DataPictures) -> Value | None:
    if type(model).encode is Model.encode:
        return None
    device = next(model.parameters()).device
    means = []
    for block in real.blocks(0, real.count):
        label = block.label.to(device) if block.label is not None and "label" in model.takes else None
        with torch.inference_mode():
            mean, _ = model.encode(as_floats(block.pictures).to(device), label)
        means.append(mean.float().cpu())
    spread = torch.cat(means).var(0)
    return Value(
        value=float((spread > ACTIVE).sum()), protocol={"threshold": ACTIVE}, details={"dimensions": len(spread)}
    )


def projections(evaluation: Evaluation, sides: Sequence[Side]) -> list[Panel]:
    """Both models look for the same held-out pictures in their latent spaces."""
    real = _held_out(evaluation)
    if real is None:
        return []
    rows = choose(real.count, PROJECTED, evaluation.how.seed, "projection")
    chosen = DataPictures(real.data, real.name, [int(real.rows[row]) for row in rows])
    blocks = list(chosen.blocks(0, PROJECTED))
    truth = torch.cat([block.pictures for block in blocks])
    labels = torch.cat([b.label for b in blocks if b.label is not None]) if blocks[0].label is not None else None
    floats = as_floats(truth)
    distance = embedded_distance()
    shown = [truth[:16].permute(0, 2, 3, 1).numpy()]
    caption = ["held-out pictures"]
    for side in sides:
        takes = "label" in side.model.takes
        if (takes and labels is None) or "text" in side.model.takes:  # each picture would need its own caption
            continue
        search = Search(space="z", steps=SEARCHED, seed=evaluation.how.seed)
        found = project(side.model, floats, search, label=labels if takes else None)
        protocol: dict[str, str | int | float] = {"pictures": len(truth), "steps": SEARCHED}
        with torch.inference_mode():
            apart = distance(found.pictures, floats)
        for name, value in (
            ("psnr_project", _mean_of(psnr(as_levels(found.pictures), truth), protocol)),
            ("perceptual_project", _mean_of(apart, protocol)),
        ):
            side.row.estimates[name] = _estimate(evaluation, side, name, value)
        shown.append(to_bytes(found.pictures[:16]))
        caption.append(f"what {side.row.name} finds for them")
        if type(side.model).reconstruct is not Model.reconstruct:
            device = next(side.model.parameters()).device
            label = labels[:16].to(device) if takes and labels is not None else None
            with torch.inference_mode():
                again = side.model.reconstruct(floats[:16].to(device), label)
            shown.append(to_bytes(again))
            caption.append(f"what its encoder and decoder make of them ({side.row.name})")
    return [rows_panel("Reconstruction", "from above: " + "; ".join(caption), shown)]


def describe_facts() -> dict[str, str]:
    """What each fact of a comparison means."""
    return {card.name: card.summary for card in FACTS.values()}
