"""The usual tutorial's GAN loop, as the thing to be compared with: nothing of ganzoo is in it.

Adam, a backward pass of the discriminator on real and one on fake pictures, a pass of the generator through the
discriminator whose weights gather gradients for nothing, `.item()` on every loss at every step, and an average of the
weights in a Python loop.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn


def networks(width: int, size: int, channels: int, latent: int = 100) -> tuple[nn.Sequential, nn.Sequential]:
    """The DCGAN pair of the tutorials for 28, 32 or 64 pixels: generator of (N, latent, 1, 1), discriminator."""
    inner, doublings = size, 0
    while inner > 7:
        inner, doublings = inner // 2, doublings + 1
    widths = [width * 2**i for i in range(doublings)]
    generator: list[nn.Module] = [
        nn.ConvTranspose2d(latent, widths[-1], inner, bias=False),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(True),
    ]
    discriminator: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for i in range(doublings - 1):
        inside, outside = widths[doublings - 1 - i], widths[doublings - 2 - i]
        generator += [
            nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(True),
        ]
        discriminator += [
            nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1, bias=False),
            nn.BatchNorm2d(widths[i + 1]),
            nn.LeakyReLU(0.2, True),
        ]
    generator += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
    discriminator.append(nn.Conv2d(widths[-1], 1, inner))
    pair = nn.Sequential(*generator), nn.Sequential(*discriminator)
    for network in pair:
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
    return pair


class TextbookGAN:
    """One tutorial GAN: `step(real)` trains on a batch in [-1, 1]."""

    def __init__(
        self, width: int, size: int, channels: int, bf16: bool = False, seed: int = 0, latent: int = 100
    ) -> None:
        torch.manual_seed(seed)
        self.latent = latent
        self.generator, self.discriminator = networks(width, size, channels, latent)
        self.average = copy.deepcopy(self.generator)
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.loss = nn.BCEWithLogitsLoss()
        self.bf16 = bf16
        self.losses: list[tuple[float, float, float]] = []

    def step(self, real: Tensor) -> None:
        """One tutorial step."""
        count = len(real)
        ones, zeros = torch.ones(count), torch.zeros(count)
        cast = (lambda: torch.autocast("cpu", dtype=torch.bfloat16)) if self.bf16 else nullcontext
        self.discriminator.zero_grad()
        with cast():
            loss_real = self.loss(self.discriminator(real).view(-1).float(), ones)
        loss_real.backward()
        z = torch.randn(count, self.latent, 1, 1)
        with cast():
            fake = self.generator(z)
            loss_fake = self.loss(self.discriminator(fake.detach()).view(-1).float(), zeros)
        loss_fake.backward()
        self.optimizer_d.step()
        self.generator.zero_grad()
        with cast():
            loss_g = self.loss(self.discriminator(fake).view(-1).float(), ones)
        loss_g.backward()
        self.optimizer_g.step()
        self.losses.append((loss_real.item(), loss_fake.item(), loss_g.item()))
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                old.mul_(0.999).add_(new, alpha=0.001)
            for copied, latest in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                copied.copy_(latest)

    @torch.inference_mode()
    def sample(self, count: int) -> Tensor:
        """Pictures of the generator as it is trained (tutorials show these), (count, C, H, W)."""
        generator = torch.Generator().manual_seed(1)
        self.generator.eval()
        blocks = [
            self.generator(torch.randn(250, self.latent, 1, 1, generator=generator)).float()
            for _ in range(count // 250)
        ]
        self.generator.train()
        return torch.cat(blocks)
