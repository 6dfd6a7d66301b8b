"""WGAN-GP (Gulrajani et al., 2017, arXiv:1704.00028): algorithm 1, and the residual networks for CIFAR-10.

From the paper: the critic's loss is E[D(fake)] - E[D(real)] + lambda E[(|grad D(between)| - 1)^2], where `between` lies
at a uniform place on the line from a real picture to a fake one (equation 3 and section 4); five updates of the critic
for one of the generator; Adam with beta1 0 and beta2 0.9; batch normalisation in the generator only, layer
normalisation where a critic is to have any (section 4). The networks are made of residual blocks of two 3 x 3
convolutions, ReLU before each, the same number of channels everywhere; pictures grow by nearest neighbours before a
convolution and shrink by mean pooling after one, and the critic ends in a mean over places and one linear layer.

Where we differ: the innermost map is 4 to 7 pixels wide, so that there are as many growing blocks as the size needs (of
the paper's 32 pixels: three), and the critic shrinks to 8 pixels or fewer (of 32: twice, as there); a convolution of
its own takes a picture to the critic's channels before the first block, which takes it there itself in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from ganzoo import Batch, Model, Phase
from ganzoo.data.base import DataSpec
from ganzoo.model import SampleRequest, truncated_normal
from ganzoo.nn.layers import he_init, resolutions
from ganzoo.nn.penalties import eager_float32
from ganzoo_wgan_gp.config import Config

Norm = Literal["batch", "layer", "none"]
Resample = Literal["up", "down", "none"]


class Block(nn.Module):
    """x + f(x), with f two 3 x 3 convolutions: (N, inputs, S, S) to (N, outputs, S', S'), S' being 2 S, S / 2 or S."""

    def __init__(self, inputs: int, outputs: int, resample: Resample, norm: Norm) -> None:
        super().__init__()
        self.resample = resample
        self.first_norm, self.second_norm = _norm(norm, inputs), _norm(norm, outputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        plain = inputs == outputs and resample == "none"
        self.shortcut: nn.Module = nn.Identity() if plain else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        inside = relu(self.first_norm(x))
        if self.resample == "up":
            x, inside = (interpolate(side, scale_factor=2.0) for side in (x, inside))
        inside = self.second(relu(self.second_norm(self.first(inside))))
        x = self.shortcut(x)
        if self.resample == "down":
            x, inside = (avg_pool2d(side, 2) for side in (x, inside))
        return x + inside


class Generator(nn.Module):
    """z (N, latent) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, latent: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        sizes = resolutions(size)
        self.from_z = nn.Linear(latent, width * sizes[0] ** 2)
        self.unflatten = nn.Unflatten(1, (width, sizes[0], sizes[0]))
        self.blocks = nn.Sequential(*(Block(width, width, "up", "batch") for _ in sizes[1:]))
        self.norm = nn.BatchNorm2d(width)
        self.to_picture = nn.Conv2d(width, channels, 3, padding=1)
        self.apply(_start)

    def forward(self, z: Tensor) -> Tensor:
        inside = self.blocks(self.unflatten(self.from_z(z)))
        return torch.tanh(self.to_picture(relu(self.norm(inside))))


class Critic(nn.Module):
    """Pictures (N, channels, size, size) to scores (N,), or to (N, outputs) where a picture has more than one."""

    def __init__(self, width: int, size: int, channels: int, norm: Norm, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs
        blocks = [Block(width, width, "down", norm) for side in resolutions(size) if side > 8]
        blocks += [Block(width, width, "none", norm) for _ in range(2)]
        self.from_picture = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*blocks)
        # A score means something beside other scores only: a bias would cancel, and no gradient would ever reach it.
        self.score = nn.Linear(width, outputs, bias=outputs > 1)
        self.apply(_start)

    def forward(self, pictures: Tensor) -> Tensor:
        inside = relu(self.blocks(self.from_picture(pictures)))
        return torch.flatten(self.score(inside.mean((2, 3))), 0 if self.outputs == 1 else 1)


def _norm(norm: Norm, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()  # one group: all of a picture


def _start(module: nn.Module) -> None:
    he_init(module, slope=0.0)  # ReLU


class WGANGP(Model):
    """Algorithm 1, for pictures of 28, 32 or 64 pixels."""

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        self.generator = Generator(config.latent, config.width, data.size, data.channels)
        self.critic = Critic(config.width, data.size, data.channels, config.critic_norm)

    def phases(self) -> Sequence[Phase]:
        weights = {"gradient_penalty": self.config.gradient_penalty}
        return [
            Phase("critic", trains=("critic",), repeat=self.config.critic_steps, weights=weights),
            Phase("generator", trains=("generator",)),
        ]

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        """How far apart the scores of fake and real pictures are, and how far the critic's slope is from 1."""
        fake = self.generator(batch.randn(self.config.latent)).detach()
        distance = self.critic(fake).float().mean() - self.critic(batch.image).float().mean()
        place = batch.rand(stream="place")
        return {"adversarial": distance, "gradient_penalty": self.gradient_penalty(batch.image, fake, place)}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        fake = self.generator(batch.randn(self.config.latent))
        return {"adversarial": -self.critic(fake).float().mean()}

    def gradient_penalty(self, real: Tensor, fake: Tensor, place: Tensor) -> Tensor:
        """Mean of (|grad D| - 1)^2 at the points that lie `place` (N,), in [0, 1), of the way from real to fake.

        `ganzoo.nn.penalties` has it ready, and how it is kept in float32 and away from compiled code.
        """
        with eager_float32(real.device):
            between = torch.lerp(real.float(), fake.float(), place.view(-1, 1, 1, 1)).requires_grad_(True)
            (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
            return ((slope.square().flatten(1).sum(1) + 1e-12).sqrt() - 1).square().mean()

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": truncated_normal(request, self.config.latent)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        pictures: Tensor = self.generator(inputs["z"])
        return pictures

    def mirror(self, outputs: int) -> nn.Module:
        """A network like the critic: what `ganzoo eval --compare` makes an encoder of."""
        return Critic(self.config.width, self.data.size, self.data.channels, self.config.critic_norm, outputs)
