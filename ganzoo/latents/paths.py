"""Ways between latents: straight ones, arcs, and walks over several stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from ganzoo.latents.points import Inputs, Space, count_of

Way = Literal["lerp", "slerp"]
PARALLEL = 1e-4
"""Below this sine of the angle between two vectors, an arc is not told from a straight line."""


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The point at the share `t` (n,) of the straight way from `a` to `b`, both (n, ...); at 0 exactly `a`."""
    return torch.lerp(a, b, _column(t, a))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake, 1985) of vectors (n, ...), each row one vector, at the shares `t` (n,).

    (sin((1 - t) angle) a + sin(t angle) b) / sin(angle): the direction turns at constant speed. Between two independent
    normal vectors all of the way is as likely as its ends, where a straight one passes through a middle that is
    shorter than any sample (White, 2016, arXiv:1609.04468). Where the two are parallel, or one of them is 0, there is
    no arc, and the way is straight.
    """
    first, second = a.flatten(1).double(), b.flatten(1).double()
    lengths = first.norm(dim=1) * second.norm(dim=1)
    cosine = (first * second).sum(1) / lengths.clamp_min(1e-30)
    angle = torch.acos(cosine.clamp(-1, 1))
    sine = torch.sin(angle)
    share = t.to(sine)
    straight = (sine < PARALLEL) | (lengths == 0)
    safe = torch.where(straight, 1.0, sine)
    from_a = torch.where(straight, 1 - share, torch.sin((1 - share) * angle) / safe)
    to_b = torch.where(straight, share, torch.sin(share * angle) / safe)
    return (from_a[:, None] * first + to_b[:, None] * second).to(a.dtype).view_as(a)


def positions(stops: int, frames: int, *, closed: bool = False) -> Tensor:
    """Where the pictures of a walk lie: 0 is the first stop, 1 the second, `frames` steps from each to the next.

    Float64. The last is the last stop, or with `closed` the first one again, as the number of stops.
    """
    legs = stops if closed else stops - 1
    return torch.arange(legs * frames + 1, dtype=torch.float64) / frames


def walk(stops: Mapping[str, Any], places: Tensor, *, space: Space, way: Way) -> Inputs:
    """The inputs at these `positions` of a walk over the rows of `stops`; the row behind the last is the first again.

    The latent of `space` goes the `way` that is asked for. The noise of a model's layers goes on an arc, on which it
    stays normal; other numbers go straight; what cannot lie between two values (a class, a caption in words) is that of
    the nearer stop. At a stop, everything is exactly what it is there.
    """
    count = count_of(stops)
    near = places.floor().long().clamp_max(max(int(places.max().ceil()) - 1, 0))
    share = places - near
    made: Inputs = {}
    for name, values in stops.items():
        if isinstance(values, list):
            nearer = (near + (share >= 0.5)) % count
            made[name] = [values[stop] for stop in nearer.tolist()]
            continue
        a, b = values[(near % count).to(values.device)], values[((near + 1) % count).to(values.device)]
        t = share.to(values.device)
        if not values.is_floating_point():
            made[name] = torch.where(_column(t < 0.5, a), a, b)
        elif name == "noise" or (name == space and way == "slerp"):
            made[name] = slerp(a, b, t)
        else:
            made[name] = lerp(a, b, t)
    return made


def _column(t: Tensor, values: Tensor) -> Tensor:
    shape = (-1, *[1] * (values.dim() - 1))
    return t.view(shape) if t.dtype == torch.bool else t.to(values.dtype).view(shape)
