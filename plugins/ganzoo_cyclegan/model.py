"""CycleGAN (Zhu, Park, Isola and Efros, 2017, arXiv:1703.10593): sections 3 to 5 and the networks of section 7.

Two generators, G from domain A to B and F back, learn from pictures of which no two belong together. Beside the
adversarial loss of each, cycle consistency asks that F(G(a)) is a and G(F(b)) is b again (equation 2, in L1), and, as
in section 5.2, the identity loss asks that a picture which is in the target domain already stays as it is.

From the paper: generators c7s1-64, d128, d256, 6 or 9 residual blocks, u128, u64, c7s1-3 with reflection padding and
instance normalisation; discriminators C64-C128-C256-C512 on patches of 70 x 70 pixels; weights from N(0, 0.02); a pool
of 50 earlier fakes for the discriminators; lambda = 10, and the identity loss weighs half as much.

The discriminator's least-squares loss is halved, as in the paper; so is the zoo's for the generator, which therefore
counts twice here: `cycle` and `identity` have the paper's meaning. Where we differ: smaller pictures get
discriminators of fewer layers, because 70 x 70 pixels would be all of them; biases that the following normalisation
would cancel are left out; losses, penalties and augmentation other than the paper's are available. So are changes for
short trainings: generators with shortcuts, which begin as the identity (`skip`, `fine_blocks`), and that double by
resizing (`upsampling`), and discriminators that are shown the fine detail amplified (`detail`). Without that those of
`cyclegan.emoji` marked a flat picture *higher* after noise of 8 grey levels was added to it.

One pass through a generator serves the pictures to be translated and those that should stay as they are: instance
normalisation keeps the pictures of a batch apart, so that the result is the same as of two passes. The discriminators
are shown the fakes that the generators' phase has made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, group_norm, instance_norm, pad

from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec
from ganzoo.errors import UserError
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest
from ganzoo.nn.jitter import jitter
from ganzoo.nn.layers import he_init, maybe_spectral, normal_init, patch_halvings
from ganzoo.nn.pool import ImagePool
from ganzoo_cyclegan.config import Config

MULTIPLE = 4
"""The generators halve a picture twice and double it again."""
SMALLEST = 8
"""Pixels below which the innermost map cannot be mirrored at its borders."""

Upsampling = Literal["transposed", "resize"]


class InstanceNorm(nn.Module):
    """Every channel of every picture to mean 0 and variance 1 (Ulyanov et al., 2016, arXiv:1607.08022): (N, C, H, W) to
    the same."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return instance_norm(x)
        # The same numbers in less time: the kernel is fast on contiguous channels, the convolutions in channels_last.
        return group_norm(x.contiguous(), x.shape[1]).contiguous(memory_format=torch.channels_last)


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: (N, channels, H, W) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return changed + x


class Generator(nn.Module):
    """Pictures (N, channels, H, W) in [-1, 1] to the same shape and range; 4 divides H and W.

    With `skip` two shortcuts spare it from learning to copy: the first layer's map joins the last one, as in a U-Net
    (Ronneberger et al., 2015, arXiv:1505.04597), and what is made is added to the picture. At first that is next to
    nothing. `fine_blocks` residual blocks follow where the maps join.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        blocks: int,
        upsampling: Upsampling = "transposed",
        skip: bool = False,
        fine_blocks: int = 0,
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect", bias=False),
            InstanceNorm(),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for inside in (width, 2 * width):
            layers += [nn.Conv2d(inside, 2 * inside, 3, stride=2, padding=1, bias=False), InstanceNorm()]
            layers.append(nn.ReLU(inplace=True))
        layers += [Residual(4 * width) for _ in range(blocks)]
        for inside in (4 * width, 2 * width):
            layers += [*_doubled(inside, inside // 2, upsampling), InstanceNorm(), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.join: nn.Module | None = None
        if skip:
            joined = nn.Conv2d(2 * width, width, 3, padding=1, padding_mode="reflect", bias=False)
            fine = [Residual(width) for _ in range(fine_blocks)]
            self.join = nn.Sequential(joined, InstanceNorm(), nn.ReLU(inplace=True), *fine)
        self.last = nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect")
        self.apply(normal_init)
        if skip:
            nn.init.normal_(self.last.weight, std=1e-4)  # of zeros no other layer would learn in the first step

    def forward(self, pictures: Tensor) -> Tensor:
        begun = self.first(pictures)
        found = self.layers(begun)
        if self.join is None:
            made: Tensor = self.last(found)
            return made.tanh()
        changed = self.last(self.join(torch.cat([begun, found], 1))).float() + pictures
        # clamp() passes no gradient at -1 and 1 themselves, where the black and white of the input are.
        return torch.where(changed.abs() <= 1, changed, changed.detach().clamp(-1, 1))


def _doubled(inside: int, outside: int, how: Upsampling) -> list[nn.Module]:
    """Layers to twice the height and width. After resizing, every pixel of a convolution sees as many others (Odena et
    al., 2016, "Deconvolution and checkerboard artifacts")."""
    if how == "transposed":
        return [nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=1, bias=False)]
    return [
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(inside, outside, 3, padding=1, padding_mode="reflect", bias=False),
    ]


class Discriminator(nn.Module):
    """Pictures (N, channels, H, W) to a logit for each patch, (N, 1, h, w).

    With a `detail` above 0 it is shown the `fine_detail` of that gain beside them.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        patch_layers: int,
        norm: Literal["instance", "spectral", "none"],
        detail: float = 0.0,
    ) -> None:
        super().__init__()
        self.detail = detail
        kind: Literal["spectral", "none"] = "spectral" if norm == "spectral" else "none"
        widths = [width * min(2**i, 8) for i in range(patch_layers + 1)]
        seen = 2 * channels if detail else channels
        layers: list[nn.Module] = [maybe_spectral(nn.Conv2d(seen, width, 4, stride=2, padding=1), kind)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        for i, (outside, inside) in enumerate(pairwise(widths), 1):
            stride = 2 if i < patch_layers else 1
            convolution = nn.Conv2d(outside, inside, 4, stride=stride, padding=1, bias=norm != "instance")
            layers.append(maybe_spectral(convolution, kind))
            if norm == "instance":
                layers.append(InstanceNorm())
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(maybe_spectral(nn.Conv2d(widths[-1], 1, 4, padding=1), kind))
        self.layers = nn.Sequential(*layers)
        if norm != "spectral":
            self.apply(normal_init if norm == "instance" else he_init)

    def forward(self, pictures: Tensor) -> Tensor:
        if self.detail:
            pictures = torch.cat([pictures, fine_detail(pictures, self.detail)], 1)
        logits: Tensor = self.layers(pictures)
        return logits


def fine_detail(pictures: Tensor, gain: float) -> Tensor:
    """How far each pixel is from the mean of its 3 x 3 neighbourhood, times `gain`, between -1 and 1: (N, C, H, W) to
    the same. Edges saturate, so that a ripple of a few grey levels counts as much as they do."""
    pictures = pictures.float()
    around = avg_pool2d(pad(pictures, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    return (gain * (pictures - around)).tanh()


def residual_blocks(size: int) -> int:
    """The paper's number of residual blocks for pictures of that many pixels (section 7.2)."""
    return 9 if size >= 256 else 6


class CycleGAN(Model):
    """Both generators learn in one phase and both discriminators in another."""

    sampling = ("generator_ab", "generator_ba")
    takes = ("a", "b")
    multiple = MULTIPLE

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        size, channels = data.size, data.channels
        self._check(config, data)
        blocks = config.blocks or residual_blocks(size)
        layers = config.patch_layers or patch_halvings(size)
        judging = config.discriminator_width or config.width
        kind = (config.upsampling, config.skip, config.fine_blocks)
        self.generator_ab = Generator(channels, config.width, blocks, *kind)
        self.generator_ba = Generator(channels, config.width, blocks, *kind)
        judges = (channels, judging, layers, config.discriminator_norm, config.detail)
        self.discriminator_a = Discriminator(*judges)
        self.discriminator_b = Discriminator(*judges)
        self.pool_a = ImagePool(config.pool, (channels, size, size))
        self.pool_b = ImagePool(config.pool, (channels, size, size))
        self.judge_a = Judge(config, self._logits_a, "a")
        self.judge_b = Judge(config, self._logits_b, "b")

    @staticmethod
    def _check(config: Config, data: DataSpec) -> None:
        a, b, size = data.field("a"), data.field("b"), data.size
        if (a.channels, a.size) != (b.channels, b.size):
            raise UserError(
                f"{data.name}: both domains need pictures of one kind, found {a.channels} channels of {a.size} px in a "
                f"and {b.channels} of {b.size} px in b"
            )
        if size % MULTIPLE or size < SMALLEST:
            nearest = max(SMALLEST, round(size / MULTIPLE) * MULTIPLE)
            raise UserError(
                f"the generators halve a picture twice: its size must be at least {SMALLEST} px and {MULTIPLE} must "
                f"divide it, found {size} px ({data.name}); add --set size={nearest}"
            )
        most = max(n for n in range(1, size.bit_length()) if size >> n >= 3)
        if config.patch_layers is not None and config.patch_layers > most:
            raise UserError(
                f"patch_layers: {config.patch_layers} strided layers leave nothing of {size} px; at most {most}: "
                f"add --set patch_layers={most}"
            )

    def phases(self) -> Sequence[Phase]:
        config = self.config
        generators, *rest = adversarial_phases(config, self.sampling, ("discriminator_a", "discriminator_b"))
        weights = {
            "adversarial": 2.0 if config.loss == "least-squares" else 1.0,
            "cycle": config.cycle,
            "identity": config.cycle * config.identity,
        }
        return [replace(generators, weights=weights), *rest]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return how if network in self.sampling else discriminator_adam(how, self.config)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        if self.config.jitter and not batch.get("jittered"):
            (batch.a,), (batch.b,) = (
                jitter([batch.a], batch, stream="jitter-a"),
                jitter([batch.b], batch, stream="jitter-b"),
            )
            batch.jittered = True
        return super().loss(phase, batch)

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """`adversarial`, `cycle` and, where it weighs anything, `identity`, each the sum over both domains."""
        a, b = batch.a, batch.b
        terms = {}
        if self.config.cycle * self.config.identity > 0:
            fake_b, same_b = self.generator_ab(torch.cat([a, b])).chunk(2)
            fake_a, same_a = self.generator_ba(torch.cat([b, a])).chunk(2)
            terms["identity"] = _l1(same_a, a) + _l1(same_b, b)
        else:
            fake_b, fake_a = self.generator_ab(a), self.generator_ba(b)
        self._keep(batch, fake_a, fake_b)
        if self.config.cycle > 0:
            distance = _l1 if self.config.cycle_loss == "l1" else _l2
            terms["cycle"] = distance(self.generator_ba(fake_b), a) + distance(self.generator_ab(fake_a), b)
        fooled_a = self.judge_a.generator_loss(a, fake_a, batch)
        fooled_b = self.judge_b.generator_loss(b, fake_b, batch)
        return {"adversarial": fooled_a + fooled_b, **terms}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of `ganzoo.adversarial.Judge`, each the sum over both discriminators."""
        fake_a, fake_b = self.fakes(batch)
        shown_a = self.pool_a.exchange(fake_a, batch, "a")
        shown_b = self.pool_b.exchange(fake_b, batch, "b")
        return _sum(
            self.judge_a.discriminator_loss(batch.a, shown_a, batch),
            self.judge_b.discriminator_loss(batch.b, shown_b, batch),
        )

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return _sum(
            self.judge_a.penalties(batch.a, lambda: self.fakes(batch)[0], batch),
            self.judge_b.penalties(batch.b, lambda: self.fakes(batch)[1], batch),
        )

    def _logits_a(self, pictures: Tensor, batch: Batch) -> Tensor:
        logits: Tensor = self.discriminator_a(pictures)
        return logits

    def _logits_b(self, pictures: Tensor, batch: Batch) -> Tensor:
        logits: Tensor = self.discriminator_b(pictures)
        return logits

    def fakes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """This batch's fakes of domain A and of domain B, detached: those of its generator phase, or new ones."""
        if batch.get("fake_a") is None:
            with torch.no_grad():
                self._keep(batch, self.generator_ba(batch.b), self.generator_ab(batch.a))
        return batch.fake_a, batch.fake_b

    @staticmethod
    def _keep(batch: Batch, fake_a: Tensor, fake_b: Tensor) -> None:
        batch.fake_a, batch.fake_b = fake_a.detach(), fake_b.detach()
        batch.fake = batch.fake_b  # beside the pictures of B, for whoever watches over collapse

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`a` or `b` as it was given, (count, C, H, W): which of them says in which direction it goes.

        Raises:
            UserError: when none of them is given, or both, or pictures that the generators cannot take.
        """
        given = [name for name in self.takes if request.given.get(name) is not None]
        if len(given) != 1:
            found = "both" if given else "neither"
            raise UserError(f"a translation starts from pictures of domain a or of domain b, found {found}")
        pictures: Tensor = request.given[given[0]]
        channels, (height, width) = self.data.channels, pictures.shape[2:]
        if pictures.shape[1] != channels:
            raise UserError(
                f"{given[0]}: the generators take pictures of {channels} channel(s), found {pictures.shape[1]}"
            )
        if height % MULTIPLE or width % MULTIPLE or min(height, width) < SMALLEST:
            raise UserError(
                f"{given[0]}: height and width must be at least {SMALLEST} px and {MULTIPLE} must divide them, found "
                f"{height} x {width}"
            )
        return {given[0]: pictures}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        pictures: Tensor = self.generator_ab(inputs["a"]) if "a" in inputs else self.generator_ba(inputs["b"])
        return pictures


def _l1(one: Tensor, other: Tensor) -> Tensor:
    return (one.float() - other).abs().mean()


def _l2(one: Tensor, other: Tensor) -> Tensor:
    return (one.float() - other).square().mean()


def _sum(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Their mean, of what is no loss.
    scale = {"ada_probability": 0.5}
    return {name: (value + other[name]) * scale.get(name, 1) for name, value in one.items()}
