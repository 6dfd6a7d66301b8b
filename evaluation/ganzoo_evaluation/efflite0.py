"""EfficientNet-lite0, the feature network that ships inside the package, so that evaluation needs no download.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019), table 1, in its
*lite* form (Google, 2020): no squeeze-and-excitation, ReLU6 for swish, stem and head not scaled. Trained on
ImageNet-1k; weights under Apache-2.0, kept in fp16 with every batch norm folded into its convolution
(`files/SOURCES.json` says from what, `tools/build_feature_weights.py` how). Its distances are its own: nothing measured
with it is a FID.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

from ganzoo_evaluation.backbone import Backbone, embedded_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.resize import choose, clean

NAME = "efflite0"
SIZE = 128
"""Pixels at which it looks at every picture, larger or smaller. A quarter of the price of the 224 that it was trained
at, and the generators of this zoo seldom make more."""
DIMENSIONS = 1280


@dataclass(frozen=True)
class Stage:
    """One row of table 1: `repeats` blocks of `channels`, the first with `stride`."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    repeats: int


STEM = 32
STAGES = (
    Stage(expansion=1, kernel=3, stride=1, channels=16, repeats=1),
    Stage(expansion=6, kernel=3, stride=2, channels=24, repeats=2),
    Stage(expansion=6, kernel=5, stride=2, channels=40, repeats=2),
    Stage(expansion=6, kernel=3, stride=2, channels=80, repeats=3),
    Stage(expansion=6, kernel=5, stride=1, channels=112, repeats=3),
    Stage(expansion=6, kernel=5, stride=2, channels=192, repeats=4),
    Stage(expansion=6, kernel=3, stride=1, channels=320, repeats=1),
)
TAPS = (0, 1, 2, 4, 6)
"""The last stage at each resolution: 1/2, 1/4, 1/8, 1/16 and 1/32 of the input."""
STAGE_CHANNELS = tuple(STAGES[i].channels for i in TAPS)


class Convolution(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: of an odd number of zeros, the extra one comes last."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in input.shape[2:])
        if height % 2 or width % 2:
            input = pad(input, (0, width % 2, 0, height % 2))
        padding = (height // 2, width // 2)
        return conv2d(input, self.weight, self.bias, self.stride, padding, groups=self.groups)


class Block(nn.Module):
    """Inverted residual (Sandler et al., MobileNetV2, 2018): expand, filter each channel, project linearly."""

    def __init__(self, before: int, after: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand = Convolution(before, inner) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, after)
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else relu6(self.expand(x), inplace=True)
        result: Tensor = self.project(relu6(self.depthwise(inner), inplace=True))
        return x + result if self.residual else result


class Body(nn.Module):
    """The network without its classifier. Every convolution has a bias, into which its batch norm went."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        before = STEM
        for stage in STAGES:
            blocks = nn.Sequential()
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                options = {"expansion": stage.expansion, "kernel": stage.kernel, "stride": stride}
                blocks.append(Block(before, stage.channels, **options))
                before = stage.channels
            self.stages.append(blocks)
        self.head = Convolution(before, DIMENSIONS)

    def activations(self, x: Tensor) -> list[Tensor]:
        """What each of the seven stages gives for an input (n, 3, H, W), already normalised."""
        x = relu6(self.stem(x), inplace=True)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Features (n, 1280) of an input (n, 3, H, W), and no logits."""
        return relu6(self.head(self.activations(x)[-1]), inplace=True).float().mean((2, 3)), None


def normalise(levels: Tensor) -> Tensor:
    """Grey levels [0, 255] to what the network was trained on."""
    return (levels - 127) / 128


def load(request: NetworkRequest) -> Backbone:
    """`efflite0` as a `Network`: 1,280 pooled features, no logits.

    Raises:
        UserError: when other weights, another resize or an unknown precision was asked for.
    """
    resize = choose(request.resize, ("clean",), NAME)
    tensors, sha256 = embedded_weights(NAME, request)
    return Backbone(
        _body(tensors),
        lambda pictures: normalise(clean(pictures, SIZE)),
        name=NAME,
        request=request,
        sha256=sha256,
        resize=resize,
        size=SIZE,
        dimensions=DIMENSIONS,
    )


class Stages(nn.Module):
    """What five depths of the network see in float pictures: for perceptual distances and losses.

    Weights are frozen; gradients flow to the pictures.
    """

    channels = STAGE_CHANNELS

    def __init__(self) -> None:
        super().__init__()
        tensors, _ = embedded_weights(NAME, NetworkRequest(name=NAME))
        self.body = _body(tensors).requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (n, C, H, W) in [-1, 1], C 1 or 3, at least 32 pixels a side and not resized, to five activations
        (n, 16, H/2, W/2), (n, 24, H/4, W/4), (n, 40, H/8, W/8), (n, 112, H/16, W/16) and (n, 320, H/32, W/32), sides
        rounded up. They are the linear ends of their stages: of either sign, not bounded.

        Raises:
            ValueError: for other shapes.
        """
        if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or min(pictures.shape[2:]) < 32:
            raise ValueError(f"expected (n, 1 or 3, >= 32, >= 32), found {tuple(pictures.shape)}")
        levels = (pictures.expand(-1, 3, -1, -1) + 1) * 127.5
        found = self.body.activations(normalise(levels))
        return [found[i] for i in TAPS]


def stages(device: torch.device | str = "cpu") -> Stages:
    """`Stages` on a device, in evaluation mode."""
    return Stages().to(device).to(memory_format=torch.channels_last).eval()


def _body(tensors: dict[str, Tensor]) -> Body:
    body = Body()
    body.load_state_dict(tensors, strict=True)
    return body
