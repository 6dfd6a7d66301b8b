"""Batch normalisation taken into the convolution in front of it.

At evaluation a batch norm is the fixed map `gamma * (x - mean) / sqrt(var + eps) + beta`, so it can be multiplied into
the weights once. Products are made in float64 and rounded once, so that the network's answers change by rounding only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def folded(
    weight: Tensor,
    *,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(weight, bias) of the one convolution that equals `weight` (out, in, kh, kw) with `bias` and the batch norm
    (vectors of `out`) behind it, in float64."""
    scale = gamma.double() / (variance.double() + eps).sqrt()
    before = torch.zeros_like(scale) if bias is None else bias.double()
    return weight.double() * scale[:, None, None, None], beta.double() + (before - mean.double()) * scale


def fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Make `convolution` compute, in place, what it and `norm` behind it compute in evaluation mode."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics has nothing fixed to fold")
    ones, zeros = torch.ones_like(norm.running_var), torch.zeros_like(norm.running_mean)
    weight, bias = folded(
        convolution.weight.detach(),
        gamma=ones if norm.weight is None else norm.weight.detach(),
        beta=zeros if norm.bias is None else norm.bias.detach(),
        mean=norm.running_mean,
        variance=norm.running_var,
        eps=norm.eps,
        bias=None if convolution.bias is None else convolution.bias.detach(),
    )
    convolution.weight = nn.Parameter(weight.to(convolution.weight.dtype), requires_grad=False)
    convolution.bias = nn.Parameter(bias.to(convolution.weight.dtype), requires_grad=False)


def fold_pairs(module: nn.Module) -> nn.Module:
    """Fold, in place, every batch norm that stands right behind a convolution among the children of one module.

    "Right behind" is the order of registration, which is the order of computing in the networks that this is called
    for (`conv`, `bn`); the norm becomes an `nn.Identity`. Subclasses that do more than normalise are left alone.
    Returns the module.
    """
    for parent in module.modules():
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d and isinstance(before, nn.Conv2d):
                fold(before, child)
                setattr(parent, name, nn.Identity())
            before = child
    return module
