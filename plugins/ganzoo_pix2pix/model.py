"""pix2pix (Isola, Zhu, Zhou and Efros, 2017, arXiv:1611.07004): sections 3.1 to 3.3, appendix 6.1 and 6.2.

From the paper: the generator is a U-Net, an encoder and a decoder of 4 x 4 convolutions with stride 2, in which layer i
also hands its activations over to layer n - i; the discriminator is a PatchGAN, which sees the source beside the
picture and judges each patch of it (70 x 70 at 256 pixels) by itself; the generator minimises its adversarial loss
(equation 1, non-saturating) plus 100 times the mean absolute error (equations 3 and 4), the discriminator half of its
own. The noise z is dropout in the first three layers of the decoder, when training and when sampling alike. Weights
from N(0, 0.02). The innermost layer of the encoder is not normalised: at 1 x 1 pixels and one picture a batch that
would make zeros of everything.

Where we differ: which values the dropout keeps is drawn as uniform noise and handed to the network, so that a picture
is a function of its source, the seed and its number. Batch normalisation over more than one picture uses the running
statistics when sampling, rather than those of the batch that a picture happens to be made in; with one picture a batch
it is that of each picture by itself, as in the paper. The depth of the U-Net, down to one pixel where the size is a
power of two, and the size of the patches, about half the picture's below 128 pixels, follow the size. Networks without
normalisation start from He's weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec, Field
from ganzoo.errors import UserError
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest
from ganzoo.nn.jitter import jitter
from ganzoo.nn.layers import he_init, maybe_spectral, normal_init, patch_halvings
from ganzoo_pix2pix.config import Config, Norm

DEEPEST = 8
"""Halvings of the paper's U-Net, which makes one pixel of 256."""
NOISY = 3
"""Layers of the decoder that have dropout, from the innermost on."""
HALVED = 0.5
"""Share of its objective that the discriminator minimises (section 3.3), which slows it down beside the generator."""


def halvings(size: int) -> int:
    """How often `size` can be halved, at most 8 times: 8 for 256, 6 for 64, 4 for 48."""
    return min(DEEPEST, (size & -size).bit_length() - 1)


class UNet(nn.Module):
    """Pictures (N, inputs, H, W), both sides multiples of 2**depth, to pictures (N, outputs, H, W) in [-1, 1].

    At depth 8: C64-C128-C256-C512-C512-C512-C512-C512, then CD512-CD512-CD512-C512-C256-C128-C64, whose inputs from the
    second on have the encoder's activations beside them, and one more to the picture. `noise`, uniform in [0, 1) and of
    `noise_size(H, W)` numbers a picture, says what the dropout keeps; without it nothing is dropped.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.depth, self.dropout = depth, dropout
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.encoder = nn.ModuleList()
        for level, outside in enumerate([inputs, *widths[:-1]]):
            normed = 0 < level < depth - 1 and norm != "none"
            convolution = nn.Conv2d(outside, widths[level], 4, stride=2, padding=1, bias=not normed)
            self.encoder.append(nn.Sequential(convolution, *_normalised(widths[level], norm if normed else "none")))
        self.decoder = nn.ModuleList()
        for level in reversed(range(1, depth)):
            beside = 0 if level == depth - 1 else widths[level]
            inside, outside = widths[level] + beside, widths[level - 1]
            enlarging = nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=norm == "none")
            self.decoder.append(nn.Sequential(enlarging, *_normalised(outside, norm)))
        self.noisy = [widths[level - 1] for level in reversed(range(1, depth))][:NOISY]
        self.last = nn.ConvTranspose2d(2 * width, outputs, 4, stride=2, padding=1)
        self.apply(_normal if norm != "none" else he_init)

    def noise_size(self, height: int, width: int) -> int:
        """Numbers of noise for a picture of that size."""
        return sum(math.prod(shape) for shape in self._noise_shapes(height, width))

    def _noise_shapes(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """(h, w, channels) of each layer with dropout, the innermost first."""
        if not self.dropout:
            return []
        steps = [2 ** (self.depth - 1 - index) for index in range(len(self.noisy))]
        return [(height // step, width // step, channels) for step, channels in zip(steps, self.noisy, strict=True)]

    def forward(self, pictures: Tensor, noise: Tensor | None = None) -> Tensor:
        kept = self._kept(pictures, noise)
        x, beside = pictures, []
        for layer in self.encoder:
            x = leaky_relu(layer(x), 0.2)
            beside.append(x)
        x = relu(beside.pop())
        for index, layer in enumerate(self.decoder):
            x = layer(x)
            if index < len(kept):
                x = x * kept[index].to(x.dtype)
            x = torch.cat([relu(x), beside.pop()], 1)
        made: Tensor = torch.tanh(self.last(x))
        return made

    def _kept(self, pictures: Tensor, noise: Tensor | None) -> list[Tensor]:
        """Factors (N, channels, h, w) of the layers with dropout: 0, or what keeps the mean."""
        if noise is None:
            return []
        shapes = self._noise_shapes(*pictures.shape[2:])
        parts = noise.split([math.prod(shape) for shape in shapes], 1)
        factors = ((part >= self.dropout).float().mul(1 / (1 - self.dropout)) for part in parts)
        return [each.unflatten(1, shape).permute(0, 3, 1, 2) for each, shape in zip(factors, shapes, strict=True)]


class PatchDiscriminator(nn.Module):
    """Pictures (N, channels, H, W) to a logit for each patch, (N, 1, h, w); with 0 halvings for each pixel.

    With 3 halvings C64-C128-C256-C512, of which the last has stride 1, and a convolution to the logits.

    Raises:
        UserError: when pictures of `size` pixels are too small for that many halvings.
    """

    def __init__(
        self, channels: int, width: int, layers: int, norm: Literal["batch", "instance", "spectral", "none"], size: int
    ) -> None:
        super().__init__()
        if layers and size // 2**layers < 4:  # two more convolutions take a pixel each, and one has no statistics
            most = max(0, int(math.log2(size / 4)))
            raise UserError(
                f"patch_layers: {layers} halvings leave too little of {size} px; use --set patch_layers={most} or less"
            )
        kernel, padding = (4, 1) if layers else (1, 0)
        plan = [(channels, width, 2 if layers else 1)]
        for level in range(1, layers + 1 if layers else 2):
            stride = 2 if level < layers else 1
            plan.append((width * min(2 ** (level - 1), 8), width * min(2**level, 8), stride))
        made: list[nn.Module] = []
        for level, (outside, inside, stride) in enumerate(plan):
            normed = level > 0 and norm in ("batch", "instance")
            convolution = nn.Conv2d(outside, inside, kernel, stride=stride, padding=padding, bias=not normed)
            made.append(maybe_spectral(convolution, "spectral" if norm == "spectral" else "none"))
            made += _normalised(inside, norm) if normed else ()
            made.append(nn.LeakyReLU(0.2, inplace=True))
        last = nn.Conv2d(plan[-1][1], 1, kernel, padding=padding)
        made.append(maybe_spectral(last, "spectral" if norm == "spectral" else "none"))
        self.layers = nn.Sequential(*made)
        if norm != "spectral":
            self.apply(he_init if norm == "none" else _normal)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.layers(pictures)
        return logits


def _normalised(channels: int, norm: str) -> tuple[nn.Module, ...]:
    if norm == "batch":
        return (nn.BatchNorm2d(channels),)
    return (nn.InstanceNorm2d(channels, affine=True),) if norm == "instance" else ()


def _normal(module: nn.Module) -> None:
    normal_init(module)
    if isinstance(module, nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Pix2Pix(Model):
    """Figure 2 of the paper: the source goes through the U-Net, the discriminator sees pairs."""

    takes = ("source",)

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        source, target = data.field("source"), data.field("target")
        if source.size != target.size:
            raise UserError(f"{data.name}: sources of {source.size} px and targets of {target.size} px are no pairs")
        depth = _depth(config.depth, source)
        self.multiple = 2**depth
        self.generator = UNet(
            source.channels, target.channels, config.width, depth, config.generator_norm, config.dropout
        )
        seen = target.channels + (source.channels if config.conditional else 0)
        layers = patch_halvings(target.size) if config.patch_layers is None else config.patch_layers
        self.discriminator = PatchDiscriminator(seen, config.width, layers, config.judging_norm, target.size)
        parts = (source.channels, target.channels) if config.conditional else ()
        self.judge = Judge(config, lambda pictures, batch: self.discriminator(pictures), parts=parts)

    def phases(self) -> Sequence[Phase]:
        weights = {
            "generator": {"l1": self.config.l1},
            "discriminator": {"adversarial": HALVED, "gradient_penalty": HALVED * self.config.gradient_penalty},
        }
        phases = adversarial_phases(self.config, ["generator"], ["discriminator"])
        return [replace(phase, weights={**phase.weights, **weights.get(phase.name, {})}) for phase in phases]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return discriminator_adam(how, self.config) if network == "discriminator" else how

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        source, target = self._pair(batch)
        batch.fake = self._fakes(batch)
        adversarial = self.judge.generator_loss(self._seen(source, target), self._seen(source, batch.fake), batch)
        return {"adversarial": adversarial, "l1": (batch.fake.float() - target).abs().mean()}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        source, target = self._pair(batch)
        return self.judge.discriminator_loss(self._seen(source, target), self._seen(source, self._fakes(batch)), batch)

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        source, target = self._pair(batch)
        return self.judge.penalties(
            self._seen(source, target), lambda: self._seen(source, self._fakes(batch).detach()), batch
        )

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Source and target of the batch, jittered as the settings say, the same in all phases of a step."""
        if not self.config.jitter:
            return batch.source, batch.target
        if batch.get("jittered") is None:
            batch.jittered = jitter([batch.source, batch.target], batch)
        source, target = batch.jittered
        return source, target

    def _fakes(self, batch: Batch) -> Tensor:
        """The fakes of this batch, (N, C, H, W): those that its generator phase made, or new ones."""
        made: Tensor | None = batch.get("fake")
        if made is not None:
            return made
        source, _ = self._pair(batch)
        size = self.generator.noise_size(*source.shape[2:])
        noise = batch.rand(size, stream="dropout") if size else None
        fakes: Tensor = self.generator(source, noise)
        return fakes

    def _seen(self, source: Tensor, picture: Tensor) -> Tensor:
        """What the discriminator is shown: joined, so that whatever is done to the one is done to the other."""
        return torch.cat([source, picture], 1) if self.config.conditional else picture

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`source` (count, C, H, W) as given, and `dropout` (count, k), the noise for pictures of that size.

        Raises:
            UserError: when no source is given, or its channels or size do not fit.
        """
        source = request.given.get("source")
        if source is None:
            raise UserError("pix2pix makes pictures of pictures and was given none; give it some with --input FOLDER")
        field = self.data.field("source")
        channels, (height, width) = source.shape[1], source.shape[2:]
        if channels != field.channels:
            raise UserError(f"source: pictures of {channels} channel(s), but this model takes {field.channels}")
        multiple = 2**self.generator.depth
        if height % multiple or width % multiple:
            raise UserError(
                f"source: pictures of {width} x {height} px, but this model takes multiples of {multiple} px only"
            )
        size = self.generator.noise_size(height, width)
        noise = {"dropout": request.noise.rand(size, stream="dropout")} if size else {}
        return {"source": source, **noise}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        made: Tensor = self.generator(inputs["source"], inputs.get("dropout"))
        return made


def _depth(chosen: int | None, field: Field) -> int:
    """Halvings of a U-Net for pictures of that field.

    Raises:
        UserError: when they cannot be halved that often, or not even twice.
    """
    most = halvings(field.size)
    if chosen is None and most < 2:
        nearest = max(32, round(field.size / 32) * 32)
        raise UserError(
            f"pix2pix halves pictures again and again, and {field.size} px is no multiple of 4; "
            f"add --set size={nearest}"
        )
    if chosen is not None and field.size % 2**chosen:
        raise UserError(f"depth: {field.size} px cannot be halved {chosen} times; use --set depth={most}")
    return most if chosen is None else chosen
