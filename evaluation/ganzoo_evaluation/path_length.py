"""Perceptual path length: how much pictures change when the latent moves a little.

Karras et al. (2019, arXiv:1812.04948, section 4.1): the distance between the pictures at t and t + epsilon of the way
between two random latents, over epsilon squared. Where we differ: the way is straight in z (linear interpolation),
because z may have any distribution here, and the distance is of the network that ships with the zoo. Pictures are
never rounded to 8 bits on the way.

Epsilon is the paper's 1e-4. In float32 the rounding of pictures and activations then adds up to 5e-4 to the value: at
most 0.2 % of what trained generators of the zoo have (0.3 to 25), but more than there is to an untrained one, whose
pictures hardly change. A larger step is no cure: at 1e-2 there are bends within a step, and values lose up to 13 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.engine.noise import Noise
from ganzoo.model import Model, SampleRequest
from ganzoo.modes import evaluating
from ganzoo.sampling import given_to
from ganzoo_evaluation.base import Comparison, NotApplicable, Value
from ganzoo_evaluation.modes import full_precision
from ganzoo_evaluation.perceptual import embedded_distance

PAIRS = 256
"""Paths that `compute` takes."""
EPSILON = 1e-4
"""Step along the path, as a share of it."""
BLOCK = 32
"""Paths that are drawn and looked at together."""
TRIM = 1
"""Per cent of the steps at each end of the range that do not enter the mean."""


@dataclass(frozen=True, kw_only=True)
class PathLength:
    """`value` is the mean over the `kept` steps of squared-step distances, `error` its standard error."""

    value: float
    error: float
    kept: int


def path_length(
    model: Model,
    count: int,
    seed: int,
    distance: Callable[[Tensor, Tensor], Tensor],
    epsilon: float = EPSILON,
) -> PathLength:
    """Perceptual path length of a model with a latent `z`, over `count` random straight paths.

    `distance` takes two batches of pictures float (n, C, H, W) in [-1, 1] and gives (n,). What a model takes beside z
    is the same at both ends; a conditional model runs through its classes in turn, or through the captions that it
    remembers. The mean is over what lies between
    the 1st and the 99th percentile; the error is that of a trimmed mean (Tukey and McLaughlin, 1963).

    Raises:
        NotApplicable: when the model has no latent, or needs more than a label or a caption to make a picture.
        ValueError: when `count` is below 2.
    """
    if count < 2:
        raise ValueError(f"{count} paths have no error; take 2 or more")
    if others := set(model.takes) - ({"label", "text"} if model.data.examples else {"label"}):
        raise NotApplicable(f"the model makes its pictures from {', '.join(sorted(others))}, not from a latent alone")
    with torch.inference_mode(), full_precision(), evaluating(model):
        steps = torch.cat([_steps(model, start, seed, distance, epsilon) for start in range(0, count, BLOCK)])
    return _trimmed(steps[:count].double().cpu().numpy() / epsilon**2)


def _steps(model: Model, start: int, seed: int, distance: Callable[[Tensor, Tensor], Tensor], epsilon: float) -> Tensor:
    """Distances of one step on each of `BLOCK` paths, (BLOCK,)."""
    device = next(model.parameters()).device
    given = given_to(model, range(start, start + BLOCK))
    drawn = [Noise(seed, "path-length", end, start, count=BLOCK, device=device) for end in ("from", "to")]
    near, far = (model.inputs(SampleRequest(count=BLOCK, noise=noise, given=given)) for noise in drawn)
    if "z" not in near:
        raise NotApplicable("the model has no latent")
    share = drawn[0].rand(stream="share") * (1 - epsilon)
    share = share.view(-1, *[1] * (near["z"].dim() - 1)).to(near["z"].dtype)
    between = [torch.lerp(near["z"], far["z"], place) for place in (share, share + epsilon)]
    pictures = [model.generate({**near, "z": z}) for z in between]
    precision = torch.promote_types(pictures[0].dtype, torch.float32)
    return distance(*(made.to(precision) for made in pictures))


def _trimmed(values: np.ndarray[Any, np.dtype[np.float64]]) -> PathLength:
    """Mean and error of what lies between the percentiles `TRIM` and 100 - `TRIM`, both included."""
    low = np.percentile(values, TRIM, method="lower")
    high = np.percentile(values, 100 - TRIM, method="higher")
    kept = values[(values >= low) & (values <= high)]
    spread = float(np.clip(values, kept.min(), kept.max()).std(ddof=1))
    error = spread * math.sqrt(len(values)) / len(kept)
    return PathLength(value=float(kept.mean()), error=error, kept=len(kept))


def compute(c: Comparison) -> Value:
    """Perceptual path length in z of the row's model, through `perceptual[efflite0]`, over `PAIRS` paths.

    Raises:
        NotApplicable: without a model, or with one that has no latent or makes no pictures.
    """
    model = c.fake.model
    if model is None:
        raise NotApplicable("there is no model to ask, only pictures")
    if not model.data.channels:
        raise NotApplicable("the model makes no pictures")
    distance = embedded_distance(next(model.parameters()).device)
    found = path_length(model, PAIRS, c.seed, distance)
    protocol: dict[str, str | int | float] = {
        "network": distance.network,
        "space": "z",
        "path": "lerp",
        "epsilon": EPSILON,
        "paths": PAIRS,
        "trim": TRIM,
    }
    return Value(value=found.value, error=found.error, protocol=protocol, details={"kept": found.kept})
