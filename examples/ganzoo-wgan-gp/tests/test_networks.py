"""The networks are the paper's, and the penalty is its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ganzoo.data.base import DataSpec, Field
from ganzoo_wgan_gp.config import Config
from ganzoo_wgan_gp.model import WGANGP, Block, Critic


def model(size: int = 32, channels: int = 3, **settings: Any) -> WGANGP:
    field = Field(name="image", kind="image", channels=channels, size=size)
    spec = DataSpec(name="made-up", split="train", count=8, fields=(field,))
    torch.manual_seed(0)
    return WGANGP(Config(**{"width": 8, "latent": 4, **settings}), spec)


def resampling(network: nn.Module) -> list[str]:
    return [block.resample for block in network.modules() if isinstance(block, Block)]


def test_at_32_pixels_it_is_the_papers_network_for_cifar10() -> None:
    made = model(width=128, latent=128)
    assert resampling(made.generator) == ["up", "up", "up"]
    assert resampling(made.critic) == ["down", "down", "none", "none"]
    assert made.generator.from_z.out_features == 128 * 4 * 4
    assert {m.out_channels for m in made.critic.modules() if isinstance(m, nn.Conv2d)} == {128}
    assert sum(isinstance(m, nn.BatchNorm2d) for m in made.generator.modules()) == 2 * 3 + 1
    assert not any(isinstance(m, nn.BatchNorm2d) for m in made.critic.modules())


@pytest.mark.parametrize(("size", "innermost"), [(28, 7), (32, 8), (64, 8)])
def test_pictures_come_out_at_the_size_they_go_in(size: int, innermost: int) -> None:
    made = model(size, 1)
    pictures = made.generate({"z": torch.randn(2, 4)})
    assert pictures.shape == (2, 1, size, size)
    assert made.critic(pictures).shape == (2,)
    assert made.mirror(6)(pictures).shape == (2, 6)
    assert made.critic.blocks(made.critic.from_picture(pictures)).shape[-1] == innermost


def test_the_penalty_of_a_linear_critic_is_the_distance_of_its_slope_from_1() -> None:
    """D(x) = sum(a x) has the gradient a everywhere."""

    class Linear(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return 3 * pictures[:, 0, 0, 0] + 4 * pictures[:, 0, 0, 1]

    made = model()
    made.critic = Linear()
    real, fake = torch.rand(2, 5, 3, 32, 32)
    assert made.gradient_penalty(real, fake, torch.rand(5)).item() == pytest.approx((5 - 1) ** 2)


def test_the_penalty_looks_between_real_and_fake() -> None:
    """D(x) = |x|^2 / 2 has the gradient x, so that the penalty shows where it was taken."""

    class Square(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.square().flatten(1).sum(1) / 2

    made = model()
    made.critic = Square()
    real, fake = torch.randn(2, 2, 3, 32, 32)
    place = torch.tensor([0.0, 0.25])
    points = real + place.view(2, 1, 1, 1) * (fake - real)
    expected = (points.flatten(1).norm(dim=1) - 1).square().mean()
    assert made.gradient_penalty(real, fake, place).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_a_score_does_not_depend_on_the_other_pictures(norm: Any) -> None:
    critic = Critic(8, 32, 3, norm)
    pictures = torch.randn(4, 3, 32, 32)
    assert torch.allclose(critic(pictures)[1:2], critic(pictures[1:2]), atol=1e-5)
