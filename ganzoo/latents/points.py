"""Points of a model's latent space: those of seeds, those of a file, and the pictures that they give.

A point is what `Model.generate` takes, one row for each picture: the latent `z`, where a model has an intermediate one
also `w`, and whatever else it needs (labels, captions as a list of strings, the noise of its layers).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ganzoo.engine.files import write_atomic
from ganzoo.engine.noise import Noise
from ganzoo.errors import UserError
from ganzoo.model import Model, SampleRequest
from ganzoo.sampling import BLOCK, given_to

Space = Literal["z", "w"]
Inputs = dict[str, Any]

FORMAT = "ganzoo-latents-1"
HEADER = "ganzoo"
SAMPLES = 1024
"""Random latents from which mean and spread of a space are found."""


@dataclass(frozen=True)
class Pick:
    """Picture `number`, counted from 0, of `ganzoo generate --seed SEED`."""

    seed: int
    number: int = 0

    def __str__(self) -> str:
        return f"{self.seed}:{self.number}" if self.number else str(self.seed)


def draw(
    model: Model,
    picks: Sequence[Pick],
    *,
    label: Sequence[int] | None = None,
    text: Sequence[str] | None = None,
    truncation: float | None = None,
) -> Inputs:
    """The inputs of these pictures, a row each: what `ganzoo.sampling.blocks` makes them from.

    `label` is the class of each; a conditional model without them has the classes in turn, by the picture's number.
    `text` is the caption of each; a model that reads captions has without them those that it remembers, in turn.

    Raises:
        UserError: when the model has no latent `z`, or reads captions and there are none.
    """
    device = next(model.parameters()).device
    noises: dict[tuple[int, int], Noise] = {}
    rows: list[Inputs] = []
    for index, pick in enumerate(picks):
        block, row = divmod(pick.number, BLOCK)
        key = (pick.seed, block)
        if key not in noises:
            noises[key] = Noise(pick.seed, "generate", block, count=BLOCK, device=device)
        given = given_to(
            model,
            [pick.number] * BLOCK,
            label=[label[index]] if label is not None and "label" in model.takes else None,
            text=None if text is None else text[index],
        )
        request = SampleRequest(count=BLOCK, noise=noises[key], given=given, truncation=truncation)
        rows.append(rows_of(_inputs(model, request), [row]))
    return joined(rows)


def many(model: Model, count: int, *, seed: int = 0, label: Tensor | None = None, text: str | None = None) -> Inputs:
    """Inputs of `count` random pictures, of the classes of `label` (count,) or of all in turn; of the caption `text`,
    or of those that the model remembers in turn (empty ones where it remembers none: it has latents all the same).

    Raises:
        UserError: when the model has no latent `z`.
    """
    if text is None and "text" in model.takes and not model.data.examples:
        text = ""
    known = label.tolist() if label is not None and "label" in model.takes else None
    given = given_to(model, range(count), label=known, text=text)
    noise = Noise(seed, "latents", count=count, device=next(model.parameters()).device)
    return _inputs(model, SampleRequest(count=count, noise=noise, given=given))


def _inputs(model: Model, request: SampleRequest) -> Inputs:
    if others := sorted(set(model.takes) - {"label", "text"}):
        raise UserError(
            f"{type(model).__name__} has no latent of its own: it makes its pictures from {' and '.join(others)}"
        )
    with torch.no_grad():
        inputs = dict(model.inputs(request))
    if "z" not in inputs:
        raise UserError(f"{type(model).__name__} has no latent z; its pictures come from {', '.join(inputs)}")
    return inputs


def lasting(model: Model, inputs: Mapping[str, Any]) -> Inputs:
    """What has to be kept of inputs to have their pictures again: without a `z` that a `w` supersedes, and without what
    only a truncated request has."""
    known = {"w", *many(model, 1)} - ({"z"} if "w" in inputs else set())
    return {name: values for name, values in inputs.items() if name in known}


def rows_of(inputs: Mapping[str, Any], rows: Sequence[int]) -> Inputs:
    """These rows of every input."""
    return {
        name: [values[row] for row in rows] if isinstance(values, list) else values[list(rows)]
        for name, values in inputs.items()
    }


def joined(parts: Sequence[Mapping[str, Any]]) -> Inputs:
    """The rows of all parts, one below the other."""
    return {
        name: [one for part in parts for one in part[name]]
        if isinstance(values, list)
        else torch.cat([part[name] for part in parts])
        for name, values in parts[0].items()
    }


def understood(model: Model, inputs: Mapping[str, Any]) -> Inputs:
    """The inputs with what their captions mean (`Model.sentences`) in place of the words, where the model can be told
    that: then there is a way from one caption to another, and the words need not be read again."""
    if "text" not in inputs:
        return dict(inputs)
    with torch.no_grad():
        meaning = model.sentences(inputs["text"])
    others = {name: values for name, values in inputs.items() if name != "text"}
    return dict(inputs) if meaning is None else {**others, "sentence": meaning}


def count_of(inputs: Mapping[str, Any]) -> int:
    """How many pictures the inputs are for."""
    return len(next(iter(inputs.values())))


def has_intermediate(model: Model) -> bool:
    """Whether the model has a `w` between `z` and its pictures."""
    return intermediate(model, many(model, 1)) is not None


def intermediate(model: Model, inputs: Mapping[str, Any]) -> Tensor | None:
    """The `w` of these inputs: what stands there, or what the model makes of their `z`."""
    if inputs.get("w") is not None:
        found: Tensor = inputs["w"]
        return found
    with torch.no_grad():
        return model.intermediate(inputs)


def at(model: Model, inputs: Mapping[str, Any], space: Space) -> Inputs:
    """The inputs with their latent in that space: with `w` where that is asked for, without where `z` is, so that the
    latent that is changed is the one that counts. Where layers can read a `w` of their own, it is (n, layers, d).

    Raises:
        UserError: when the model has no `w`, or a truncated `w` would be dropped.
    """
    if space == "w":
        w = intermediate(model, inputs)
        if w is None:
            raise UserError(f"{type(model).__name__} has no intermediate latent w; use --space z")
        if w.dim() == 2 and (layers := len(model.affine())) > 1:
            w = w[:, None].expand(-1, layers, -1)
        return {**inputs, "w": w}
    if "w" in inputs and "z" not in inputs:
        raise UserError("these latents are of the space w; use --space w")
    return {name: values for name, values in inputs.items() if name != "w"}


def pictures(model: Model, inputs: Mapping[str, Any], *, progress: Callable[[int, int], None] | None = None) -> Tensor:
    """The pictures of inputs of n rows, (n, C, H, W) float32 in [-1, 1] on the CPU, made `BLOCK` at a time.

    `progress(done, total)` is called after each block.
    """
    total, made = count_of(inputs), []
    for start in range(0, total, BLOCK):
        part = {name: values[start : start + BLOCK] for name, values in inputs.items()}
        with torch.inference_mode():
            made.append(model.generate(part).float().cpu())
        if progress is not None:
            progress(min(start + BLOCK, total), total)
    return torch.cat(made)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Where the latents of a space lie: `sample` (count, ..., d), their `mean` (1, ..., d), and the `spread`, the root
    of the mean variance of their values. Rows of `w` that differ by layer are kept apart."""

    sample: Tensor = field(repr=False)
    mean: Tensor
    spread: float

    def along(self, direction: Tensor) -> float:
        """The standard deviation of the latents along a direction (d,) of unit length."""
        return float((self.sample @ direction.to(self.sample)).reshape(len(self.sample), -1).std(0).mean())


def statistics(
    model: Model, space: Space, *, label: int | None = None, text: str | None = None, seed: int = 0
) -> Statistics:
    """Mean and spread of `SAMPLES` random latents; of a conditional model of that class or caption, or of all.

    Raises:
        UserError: when the model has no such latent.
    """
    labels = None if label is None else torch.full((SAMPLES,), label)
    sample = at(model, many(model, SAMPLES, seed=seed, label=labels, text=text), space)[space].float()
    mean = sample.mean(0, keepdim=True)
    spread = float((sample - mean).square().mean().sqrt())
    if space == "z" and model.prior_is_normal:
        mean, spread = torch.zeros_like(mean), 1.0
    return Statistics(sample=sample, mean=mean, spread=spread or 1.0)


# -------------------------------------------------------------------------------------------------------------- files


def save_latents(path: Path, inputs: Mapping[str, Any], names: Sequence[str], **facts: str) -> None:
    """Write inputs of `generate` as .safetensors; `names` is what the rows are called, `facts` go into the header, and
    so do captions."""
    from safetensors.torch import save

    words = {name: values for name, values in inputs.items() if isinstance(values, list)}
    tensors = {name: v.detach().cpu().contiguous().clone() for name, v in inputs.items() if name not in words}
    header = {"format": FORMAT, "names": list(names), **facts, **({"words": words} if words else {})}
    # One entry: of several, safetensors does not keep the order, and the same latents would be other bytes.
    content = save(tensors, {HEADER: json.dumps(header)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, lambda stream: stream.write(content))


def load_latents(path: Path, model: Model) -> tuple[Inputs, list[str]]:
    """The inputs in a file of `save_latents`, on the model's device, and what their rows are called.

    Raises:
        UserError: when the file cannot be read, is another, or belongs to a model of another shape.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise UserError(f"{path}: no such file; `ganzoo project RUN --input PICTURE` writes one")
    device = next(model.parameters()).device
    try:
        with safe_open(path, "pt") as stream:
            facts = json.loads((stream.metadata() or {}).get(HEADER, "{}"))
            inputs = {name: stream.get_tensor(name).to(device) for name in stream.keys()}  # noqa: SIM118 (no mapping)
        if facts.get("format") != FORMAT:
            raise ValueError(f"its format is {facts.get('format')!r}, expected {FORMAT!r}")
        names = [str(name) for name in facts["names"]]
        inputs |= {name: [str(text) for text in texts] for name, texts in facts.get("words", {}).items()}
        if any(len(values) != len(names) for values in inputs.values()):
            raise ValueError(f"not every input has the {len(names)} rows that it names")
    except Exception as error:  # a damaged file, in whatever way the reader puts it
        raise UserError(f"{path} cannot be read as latents: {type(error).__name__}: {error}") from error
    _refuse_misfits(path, inputs, model)
    return inputs, names


def _refuse_misfits(path: Path, inputs: Mapping[str, Any], model: Model) -> None:
    """Raise unless a fresh input of the model has the same names and shapes."""
    fresh = many(model, 1)
    if intermediate(model, fresh) is not None:
        fresh = at(model, fresh, "w")
    for name in inputs:
        found, there = (_shape(given.get(name)) for given in (inputs, fresh))
        if found != there:
            raise UserError(f"{path} is of another model: its {name} has shape {found}, this model's {there}")
    latent = {"z", "w"} & set(inputs)
    missing = sorted(set(fresh) - set(inputs) - {"z", "w"})
    if not latent or missing:
        raise UserError(f"{path} is of another model: it has no {'z' if not latent else missing[0]}")


def _shape(values: Tensor | list[str] | None) -> tuple[int, ...] | str:
    """The shape of a row of an input, in words where it is no tensor."""
    if values is None:
        return "none"
    return "(words)" if isinstance(values, list) else tuple(values.shape[1:])
