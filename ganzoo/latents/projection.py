"""Projection: the latent whose picture comes nearest to a given one.

Zhu et al. (2016, arXiv:1609.03552, section 3.1) look for it by gradient descent, through what a network sees and not
through pixels alone; Karras et al. (2020, arXiv:1912.04958, section 5 and appendix D) do so in the intermediate latent
w, from the mean of w; Abdal et al. (2019, arXiv:1904.03189) with a w of its own for each layer (w+). Here: Adam, from
the nearest of the mean and of some random latents (and of what a model's own encoder says, where it has one), in units
of the latents' spread, with a rate that grows over the first twentieth of the steps and then falls to 0 along a cosine.
The best latent of all steps is kept. Noise of a model's layers stays as it was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ganzoo.errors import UserError
from ganzoo.latents.distance import Look, far
from ganzoo.latents.points import Inputs, Space, at, joined, lasting, many, rows_of, statistics, understood
from ganzoo.model import Model
from ganzoo.modes import evaluating

Freedom = Literal["z", "w", "w+"]

STEPS = 400
LR = 0.1
STARTS = 32
"""Random latents that are tried before the nearest is improved; at least `A_CLASS` of each class where the class is not
known."""
A_CLASS = 4
WARM_UP = 0.05
"""Share of the steps over which the rate grows."""
AT_ONCE = 16
"""Pictures that are worked on together."""
PIXELS = 1.0
"""What the mean squared error of pixels counts beside the perceptual distance."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """`inputs` of the nearest pictures, and the `pictures` float32 (n, C, H, W) that they give, on the CPU.

    `perceptual` (n,) and `pixels` (n,), the mean squared error, are their distances from what was asked for; `start`
    (n,) is the loss with which the search began and `loss` (n,) the one with which it ended.
    """

    inputs: Inputs
    pictures: Tensor
    perceptual: Tensor
    pixels: Tensor
    start: Tensor
    loss: Tensor


@dataclass(frozen=True, kw_only=True)
class Search:
    """How to look: `space` is what is free to move, `steps` of Adam at rate `lr` (in units of the latents' spread) from
    the nearest of `starts` random latents and their mean, `pixels` the weight of the squared error of pixels."""

    space: Freedom
    steps: int = STEPS
    lr: float = LR
    starts: int = STARTS
    pixels: float = PIXELS
    seed: int = 0


def project(
    model: Model,
    truth: Tensor,
    search: Search,
    look: Look | None = None,
    *,
    label: int | Tensor | None = None,
    text: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """The latents whose pictures come nearest to `truth`, float (n, C, H, W) in [-1, 1].

    The loss of a picture is its perceptual distance through `look` plus `search.pixels` times the mean squared error of
    its values; without `look` the latter alone. What is found for a picture does not depend on the others. `label` is
    the class of all, or of each (n,); a conditional model without it takes that of the nearest start. `text` is the
    caption of all; a model that reads captions takes without it that of the nearest start, of those that it remembers.
    `progress(done, total)` is called after each step.

    Raises:
        UserError: when the model has no such latent, or there is nothing to compare by.
        ValueError: when the pictures are not of the model's shape.
    """
    if look is None and not search.pixels:
        raise UserError("there is nothing to compare by: a feature network, or a weight above 0 for pixels, is needed")
    device = next(model.parameters()).device
    rows = torch.arange(len(truth))
    if isinstance(label, Tensor):  # each class by itself, with starts of its own
        classes: list[int | None] = label.unique().tolist()
        groups = [rows[label.cpu() == each] for each in classes]
    else:
        classes, groups = [label], [rows]
    blocks = [(each, block) for each, group in zip(classes, groups, strict=True) for block in group.split(AT_ONCE)]
    found: list[Found] = []
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model, frozen=True):
        starts = {each: _Start.of(model, search, each, text) for each in classes}
        for each, block in blocks:

            def step(done: int, first: int = len(found) * search.steps) -> None:
                if progress is not None:
                    progress(first + done, len(blocks) * search.steps)

            goal = _Goal(truth[block].detach().to(device, torch.float32).clone(), look, search.pixels)
            found.append(_improve(model, goal, starts[each], search, step))
    back = torch.cat(groups).argsort()
    return Found(
        inputs=rows_of(joined([part.inputs for part in found]), back.tolist()),
        **{
            name: torch.cat([getattr(part, name) for part in found])[back]
            for name in ("pictures", "perceptual", "pixels", "start", "loss")
        },
    )


class _Goal:
    """What a picture should be like, and how far others are from it."""

    def __init__(self, truth: Tensor, look: Look | None, weight: float) -> None:
        self.truth, self.look, self.weight = truth, look, weight
        with torch.no_grad():
            self.seen = look(truth) if look else []

    def terms(self, made: Tensor) -> tuple[Tensor, Tensor]:
        """Perceptual distance and mean squared error of (n, C, H, W), each (n,)."""
        pixels = (made - self.truth).square().flatten(1).mean(1)
        return (far(self.look(made), self.seen) if self.look else torch.zeros_like(pixels)), pixels

    def loss(self, terms: tuple[Tensor, Tensor]) -> Tensor:
        """(n,)."""
        return terms[0] + self.weight * terms[1]

    def to_each(self, made: Tensor) -> Tensor:
        """The losses of k pictures for each of the n goals, (n, k)."""
        seen = self.look(made) if self.look else []
        rows = []
        for index, truth in enumerate(self.truth):
            pixels = (made - truth).square().flatten(1).mean(1)
            wanted = [activations[index : index + 1] for activations in self.seen]
            rows.append(self.loss((far(seen, wanted) if self.look else torch.zeros_like(pixels), pixels)))
        return torch.stack(rows)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """The latents to begin from: `inputs` of k candidates, their `pictures`, and where the latents lie."""

    inputs: Inputs
    pictures: Tensor
    mean: Tensor
    spread: float

    @classmethod
    def of(cls, model: Model, search: Search, label: int | None, text: str | None) -> _Start:
        """The mean latent, and `search.starts` random ones; where the class or the caption is open, of every one in
        turn."""
        space = space_of(search.space)
        classes = len(model.data.classes) if "label" in model.takes and label is None else 1
        if "text" in model.takes and text is None:
            classes = max(classes, len(model.data.examples))
        count = max(search.starts, A_CLASS * classes) if classes > 1 else search.starts
        labels = None if label is None else torch.full((count + classes,), label)
        inputs = at(model, many(model, count + classes, seed=search.seed, label=labels, text=text), space)
        where = statistics(model, space, label=label, text=text, seed=search.seed)
        inputs[space] = inputs[space].clone()
        inputs[space][:classes] = where.mean.to(inputs[space])
        with torch.no_grad():
            pictures = torch.cat(
                [
                    model.generate(rows_of(inputs, part.tolist())).float()
                    for part in torch.arange(count + classes).split(64)
                ]
            )
        return cls(inputs=inputs, pictures=pictures, mean=where.mean, spread=where.spread)


def space_of(freedom: Freedom) -> Space:
    """The latent that is moved."""
    return "z" if freedom == "z" else "w"


def _improve(model: Model, goal: _Goal, begin: _Start, search: Search, step: Callable[[int], None]) -> Found:
    """Descend from the nearest start of each picture."""
    space = space_of(search.space)
    if begin.pictures.shape[1:] != goal.truth.shape[1:]:
        shapes = [tuple(values.shape[1:]) for values in (begin.pictures, goal.truth)]
        raise ValueError(f"the model makes pictures of {shapes[0]}, found {shapes[1]}")
    with torch.no_grad():
        inputs = rows_of(begin.inputs, goal.to_each(begin.pictures).argmin(1).tolist())
        inputs[space] = _encoded(model, goal, inputs, space)
    told = understood(model, inputs)
    tied = search.space == "w" and inputs[space].dim() == 3
    begun = (inputs[space] - begin.mean) / begin.spread
    moved = (begun.mean(1, keepdim=True) if tied else begun).detach().clone().requires_grad_(True)

    def latent() -> Tensor:
        values: Tensor = begin.mean + begin.spread * moved
        return values.expand_as(begun)

    best, lowest = latent().detach(), torch.full((len(goal.truth),), math.inf, device=goal.truth.device)
    start = lowest
    adam = torch.optim.Adam([moved], lr=search.lr, betas=(0.9, 0.99))
    for done in range(search.steps + 1):
        now = latent()
        losses = goal.loss(goal.terms(model.generate({**told, space: now}).float()))
        better = losses.detach() < lowest
        lowest = torch.where(better, losses.detach(), lowest)
        best = torch.where(better.view(-1, *[1] * (best.dim() - 1)), now.detach(), best)
        start = losses.detach() if done == 0 else start
        if done < search.steps:
            # A sum, not a mean: each picture goes its own way, whoever is worked on together with it.
            (moved.grad,) = torch.autograd.grad(losses.sum(), moved)
            adam.param_groups[0]["lr"] = search.lr * rate(done / search.steps)
            adam.step()
            step(done + 1)
    inputs = lasting(model, {**inputs, space: best})
    with torch.no_grad():
        made = model.generate(inputs).float()
        perceptual, pixels = goal.terms(made)
    return Found(
        inputs=inputs,
        pictures=made.cpu(),
        perceptual=perceptual.cpu(),
        pixels=pixels.cpu(),
        start=start.cpu(),
        loss=goal.loss((perceptual, pixels)).cpu(),
    )


def rate(share: float) -> float:
    """What the rate is multiplied by after that share of the steps."""
    return min(1.0, (share + 1e-3) / WARM_UP) * (1 + math.cos(math.pi * share)) / 2


def _encoded(model: Model, goal: _Goal, inputs: Mapping[str, Any], space: Space) -> Tensor:
    """The latents of `inputs`, or where those of the model's own encoder are nearer, these."""
    chosen: Tensor = inputs[space]
    if type(model).encode is Model.encode:
        return chosen
    mean, _ = model.encode(goal.truth, inputs.get("label"))
    coded: Tensor = at(model, {**at(model, inputs, "z"), "z": mean}, space)[space]
    losses = [goal.loss(goal.terms(model.generate({**inputs, space: values}).float())) for values in (coded, chosen)]
    return torch.where((losses[0] < losses[1]).view(-1, *[1] * (chosen.dim() - 1)), coded, chosen)
