"""Penalties on a discriminator's gradient with respect to its input.

They run in float32 and on the uncompiled network whatever the rest of a step does: bfloat16 is too coarse for squared
gradient norms, and compiled code does not differentiate twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Discriminator = Callable[[Tensor], Tensor]


@contextmanager
def eager_float32(device: torch.device) -> Iterator[None]:
    """float32 without autocast, and compiled networks run as they are written."""
    with torch.autocast(device.type, enabled=False), torch.compiler.set_stance("force_eager"):
        yield


def squared_gradient_norms(discriminator: Discriminator, pictures: Tensor) -> Tensor:
    """Squared L2 norm of the gradient of each picture's logit, (N,); differentiable in the network's weights.

    `pictures`: (N, C, H, W). A discriminator that gives several logits a picture has them summed.
    """
    with eager_float32(pictures.device):
        point = pictures.detach().float().requires_grad_(True)
        logits = discriminator(point)
        (gradient,) = torch.autograd.grad(logits.sum(), point, create_graph=True)
        return gradient.square().flatten(1).sum(1)


def r1_penalty(discriminator: Discriminator, real: Tensor) -> Tensor:
    """Half the mean squared gradient norm at real pictures (Mescheder et al., 2018, arXiv:1801.04406, equation 9)."""
    return 0.5 * squared_gradient_norms(discriminator, real).mean()


def r2_penalty(discriminator: Discriminator, fake: Tensor) -> Tensor:
    """Half the mean squared gradient norm at generated pictures (the same paper, equation 10)."""
    return 0.5 * squared_gradient_norms(discriminator, fake).mean()


def gradient_penalty(discriminator: Discriminator, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean squared distance of the gradient norm from 1, between real and fake (Gulrajani et al., 2017,
    arXiv:1704.00028, equation 3). `mix`: uniform in [0, 1), (N,)."""
    weight = mix.view(-1, *[1] * (real.ndim - 1))
    between = real.detach().float().lerp(fake.detach().float(), weight)
    norms = (squared_gradient_norms(discriminator, between) + 1e-12).sqrt()
    return (norms - 1).square().mean()
