"""Directions in which pictures change most, read from a trained model's weights alone.

Closed-form factorisation (Shen and Zhou, 2021, arXiv:2007.06600, section 3): where a layer reads its latent by A z + b,
a step along the unit vector n changes its output by A n, whatever z is. The directions of the largest change are the
eigenvectors of A^T A with the largest eigenvalues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo.engine.noise import Noise
from ganzoo.errors import UserError
from ganzoo.latents.points import intermediate, many
from ganzoo.model import Model
from ganzoo.modes import evaluating

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
PROBES = 3
"""Random latents by which a layer that reads them is known."""


@dataclass(frozen=True, kw_only=True)
class Directions:
    """`vectors` float64 (d, d), a direction of unit length a row, the strongest first; `changes` (d,), how far a step
    of length 1 along each moves the layers' outputs: the roots of the eigenvalues."""

    vectors: Tensor
    changes: Tensor


def factorise(weights: Sequence[Tensor]) -> Directions:
    """The directions of these weights, (outputs, d) each, as if they were one below the other.

    An eigenvector is one with either sign; here, the component that is the largest in size is positive.

    Raises:
        ValueError: when there is no weight, or they do not agree in d.
    """
    if not weights or any(weight.dim() != 2 or weight.shape[1] != weights[0].shape[1] for weight in weights):
        raise ValueError(f"expected weights (outputs, d), found {[tuple(weight.shape) for weight in weights]}")
    stacked = torch.cat([weight.detach().cpu().double() for weight in weights])
    values, vectors = torch.linalg.eigh(stacked.T @ stacked)
    vectors = vectors.flip(1).T
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return Directions(vectors=vectors * largest.sign(), changes=values.flip(0).clamp_min(0).sqrt())


def directions(model: Model, layers: Sequence[int] | None = None) -> Directions:
    """The directions of a model's (intermediate) latent; `layers` are those of its layers whose weights count.

    Raises:
        UserError: when the layers that read its latent are not known.
    """
    weights = list(model.affine())
    if layers is not None and len(weights) > max(layers):
        weights = [weights[layer] for layer in layers]
    if not weights:
        raise UserError(
            f"{type(model).__name__}: no layer is known that reads its latent as it is, so there are no directions to "
            "read from the weights; its plugin can name the weights in Model.affine"
        )
    return factorise(weights)


def affine_layers(model: Model) -> list[Tensor]:
    """The weights, (outputs, d) each, of the linear and convolutional layers that are given the latent as it is, alone
    or beside other values: of z, or of w where the model has one, there one for each of its layers.

    A few random latents are sent through `generate`, in eval mode, and the layers in whose input they are found are the
    ones. Of a convolution every tap is an output.
    """
    with torch.no_grad(), evaluating(model):
        inputs = many(model, PROBES)
        latent = intermediate(model, inputs)
        if latent is None:
            latent = inputs["z"]
            rows = [latent.flatten(1)]
        else:
            noise = Noise(0, "affine", count=PROBES, device=latent.device)
            inputs["w"] = latent = noise.randn(*latent.shape[1:]).to(latent.dtype)
            rows = [latent] if latent.dim() == 2 else list(latent.unbind(1))
        found: list[list[Tensor]] = [[] for _ in rows]

        def watch(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
            for place, row in enumerate(rows):
                offset = _offset(given[0], row)
                if offset is not None:
                    found[place].append(_columns(layer, offset, row.shape[1]))

        modules = [layer for layer in model.modules() if isinstance(layer, LAYERS) and getattr(layer, "groups", 1) == 1]
        hooks = [layer.register_forward_pre_hook(watch) for layer in modules]
        try:
            model.generate(inputs)
        finally:
            for hook in hooks:
                hook.remove()
    if not any(found):
        return []
    return [
        torch.cat(weights) if weights else row.new_zeros(0, row.shape[1])
        for weights, row in zip(found, rows, strict=True)
    ]


def _offset(given: Tensor, latent: Tensor) -> int | None:
    """From which channel on a layer's input (n, channels, ...) is the latent (n, d); None where it is not."""
    if given.dim() < 2 or len(given) != len(latent):
        return None
    channels = given if given.dim() == 2 else given.flatten(2)[..., 0]
    for offset in range(channels.shape[1] - latent.shape[1] + 1):
        if torch.equal(channels[:, offset : offset + latent.shape[1]].to(latent.dtype), latent):
            return offset
    return None


def _columns(layer: nn.Module, offset: int, width: int) -> Tensor:
    """The part of a layer's weight that reads these of its inputs, (outputs, width)."""
    weight: Tensor = layer.weight.detach()  # type: ignore[operator]
    if type(layer).__name__.startswith("ConvTranspose"):
        weight = weight.transpose(0, 1)
    return weight[:, offset : offset + width].movedim(1, -1).reshape(-1, width)
