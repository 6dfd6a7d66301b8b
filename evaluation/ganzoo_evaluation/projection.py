"""The latent that comes closest to a picture: what a generator without an encoder has for a reconstruction.

Zhu et al. (2016, arXiv:1609.03552, section 3.1) look for the z whose picture is nearest, by gradient descent. So do we,
with Adam, from the nearest of several random latents, a rate that falls to 0 along a cosine, and, if asked, a
perceptual distance beside the squared error of the pixels. Any model with a latent `z` in its inputs will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Progress
from ganzoo.engine.noise import Noise
from ganzoo.model import Model, SampleRequest
from ganzoo.modes import evaluating


@dataclass(frozen=True, kw_only=True)
class Projection:
    """`pictures` float32 (n, C, H, W) in [-1, 1], the nearest that were found; `inputs` that give them; `losses`
    float32 (steps + 1, n) of every step, the first of which belongs to the random latent that it began with."""

    pictures: Tensor
    inputs: dict[str, Any]
    losses: Tensor


def project(
    model: Model,
    pictures: Tensor,
    *,
    label: Sequence[int] | Tensor | None = None,
    steps: int = 200,
    lr: float = 0.1,
    starts: int = 16,
    seed: int = 0,
    distance: Callable[[Tensor, Tensor], Tensor] | None = None,
    weight: float = 1.0,
    progress: Progress | None = None,
) -> Projection:
    """The latents whose pictures come nearest to `pictures` float (n, C, H, W) in [-1, 1]; all n are worked on at once.

    The loss of a picture is the mean squared error over its values, plus `weight` times `distance(made, pictures)`
    (n,) where one is given. `label` is the class of each picture, for a conditional model; `starts` is the number of
    random latents that are tried before the nearest is improved for `steps` steps of Adam at rate `lr`. The best latent
    of all steps is kept. z is free to go where no random z would be: this asks what the model can show at all, not what
    it is likely to. The model is left as it was found; the same arguments give the same result.

    Raises:
        ValueError: when the model has no latent, needs labels and got none, or makes pictures of another shape.
    """
    device = next(model.parameters()).device
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model, frozen=True):
        truth = pictures.detach().to(device, torch.float32).clone()
        labels = None if label is None else torch.as_tensor(label, device=device).clone()

        def losses_of(made: Tensor) -> Tensor:
            losses = (made - truth).square().flatten(1).mean(1)
            return losses if distance is None else losses + weight * distance(made, truth)

        inputs = _nearest_start(model, truth, labels, starts, seed, losses_of)
        best = inputs["z"].clone()
        z = inputs["z"].clone().requires_grad_(True)
        adam = torch.optim.Adam([z], lr=lr, betas=(0.9, 0.99))
        lowest = torch.full((len(truth),), math.inf, device=device)
        history = []
        for step in range(steps + 1):
            losses = losses_of(model.generate({**inputs, "z": z}).float())
            history.append(losses.detach())
            better = losses.detach() < lowest
            lowest = torch.where(better, losses.detach(), lowest)
            best = torch.where(better.view(-1, *[1] * (z.dim() - 1)), z.detach(), best)
            if progress:
                progress("project", step, steps)
            if step < steps:
                # A sum, not a mean: each picture goes its own way, whoever is in the batch with it.
                (z.grad,) = torch.autograd.grad(losses.sum(), z)
                adam.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
                adam.step()
        inputs["z"] = best
        with torch.no_grad():
            made = model.generate(inputs).float()
        return Projection(pictures=made.cpu(), inputs=inputs, losses=torch.stack(history).cpu())


def _nearest_start(
    model: Model,
    truth: Tensor,
    labels: Tensor | None,
    starts: int,
    seed: int,
    losses_of: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """For each picture the inputs, of `starts` random ones, that come nearest."""
    if "label" in model.takes and labels is None:
        raise ValueError(f"{type(model).__name__} needs the label of each picture")
    if starts < 1:
        raise ValueError(f"{starts} starts: at least one latent has to be tried")
    chosen: dict[str, Any] = {}
    lowest = torch.full((len(truth),), math.inf, device=truth.device)
    for attempt in range(starts):
        noise = Noise(seed, "project", attempt, count=len(truth), device=truth.device)
        given = {"label": labels} if "label" in model.takes else {}
        inputs = model.inputs(SampleRequest(count=len(truth), noise=noise, given=given))
        if "z" not in inputs:
            raise ValueError(f"{type(model).__name__} has no latent z to look for")
        with torch.no_grad():
            made = model.generate(inputs).float()
            if made.shape != truth.shape:
                raise ValueError(f"the model makes pictures of {tuple(made.shape[1:])}, found {tuple(truth.shape[1:])}")
            losses = losses_of(made)
        better = losses < lowest
        lowest = torch.where(better, losses, lowest)
        if not chosen:
            chosen = dict(inputs)
        chosen["z"] = torch.where(better.view(-1, *[1] * (inputs["z"].dim() - 1)), inputs["z"], chosen["z"])
    return chosen
