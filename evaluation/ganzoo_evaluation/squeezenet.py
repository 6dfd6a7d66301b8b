"""SqueezeNet 1.1, a second feature network that ships inside the package.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size" (2016,
arXiv:1602.07360, section 3), in the authors' version 1.1: a smaller first layer, and the maxima after it and after the
third and the fifth layer. It has no batch norm, no skip connection and no depthwise convolution, and was trained by
others than EfficientNet-lite0, so what was trained through one of the two can be judged by the other. Trained on
ImageNet-1k; weights under BSD-2-Clause, kept in fp16 (`files/SOURCES.json` says from what,
`tools/build_squeezenet_weights.py` how).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from ganzoo_evaluation.backbone import Backbone, embedded_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.resize import choose, clean

NAME = "squeezenet"
SIZE = 128
"""Pixels at which it looks at every picture, larger or smaller: as many as `efflite0`, and for the same reasons. It was
trained at 227."""
DIMENSIONS = 512
CLASSES = 1000
SCALE = 1 / 8
"""What the pooled features are multiplied by. Their mean square is then about 1/2, as that of the other networks. The
kernel of `kid` is made for such features; of larger ones it is little but the cube, and tells less."""
MEAN = (123.0, 117.0, 104.0)
"""Grey levels of red, green and blue that were taken away in training; there was no scaling."""

STEM = 64
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Channels of fire2 to fire9: of the squeeze layer, and of each half of the expand layer."""
POOLED = (0, 2, 4)
"""The fires before which the sides are halved: fire2, fire4 and fire6."""
TAPS = (1, 3, 4, 5, 6, 7)
"""The fires after which `Stages` looks, besides conv1: fire3, fire5, fire6, fire7, fire8 and fire9, as LPIPS does
(Zhang et al., 2018, arXiv:1801.03924)."""
STAGE_CHANNELS = (STEM, *(2 * FIRES[i][1] for i in TAPS))


class Fire(nn.Module):
    """Section 3.2: a 1x1 convolution to few channels, then 1x1 and 3x3 ones side by side, all rectified."""

    def __init__(self, before: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.squeeze(x), inplace=True)
        return relu(torch.cat([self.expand1(x), self.expand3(x)], 1), inplace=True)


class Body(nn.Module):
    """The whole network, with its classifier. It takes grey levels: float (n, 3, H, W) in [0, 255]."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.stem = nn.Conv2d(3, STEM, 3, stride=2)
        self.fires = nn.ModuleList()
        before = STEM
        for squeeze, expand in FIRES:
            self.fires.append(Fire(before, squeeze, expand))
            before = 2 * expand
        self.classifier = nn.Conv2d(before, CLASSES, 1)

    def activations(self, x: Tensor) -> list[Tensor]:
        """What conv1 and each of the eight fires give; none is negative.

        No padding in conv1, and maxima that keep an incomplete last window, as in Caffe.
        """
        x = relu(self.stem(x - self.mean), inplace=True)
        found = [x]
        for index, fire in enumerate(self.fires):
            if index in POOLED:
                x = max_pool2d(x, 3, stride=2, ceil_mode=True)
            x = fire(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 512), fire9 averaged over the places and scaled, and logits (n, 1000).

        The logits are averages of what was rectified, as the network was trained: none is negative.
        """
        last = self.activations(x)[-1]
        logits = relu(self.classifier(last), inplace=True).float().mean((2, 3))
        return SCALE * last.float().mean((2, 3)), logits


def load(request: NetworkRequest) -> Backbone:
    """`squeezenet` as a `Network`: 512 pooled features and the logits of the 1,000 classes of ImageNet-1k.

    Raises:
        UserError: when other weights, another resize or an unknown precision was asked for.
    """
    resize = choose(request.resize, ("clean",), NAME)
    tensors, sha256 = embedded_weights(NAME, request)
    return Backbone(
        _body(tensors),
        lambda pictures: clean(pictures, SIZE),
        name=NAME,
        request=request,
        sha256=sha256,
        resize=resize,
        size=SIZE,
        dimensions=DIMENSIONS,
        classes=CLASSES,
    )


class Stages(nn.Module):
    """What seven depths of the network see in float pictures: for perceptual distances and losses.

    Weights are frozen; gradients flow to the pictures.
    """

    channels = STAGE_CHANNELS

    def __init__(self) -> None:
        super().__init__()
        tensors, _ = embedded_weights(NAME, NetworkRequest(name=NAME))
        self.body = _body(tensors).requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (n, C, H, W) in [-1, 1], C 1 or 3, at least 32 pixels a side and not resized, to seven activations:
        (n, 64, H/2, W/2), (n, 128, H/4, W/4), (n, 256, H/8, W/8), and 384, 384, 512 and 512 channels of (H/16, W/16),
        sides rounded down. None is negative, and they are not bounded.

        Raises:
            ValueError: for other shapes.
        """
        if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or min(pictures.shape[2:]) < 32:
            raise ValueError(f"expected (n, 1 or 3, >= 32, >= 32), found {tuple(pictures.shape)}")
        levels = (pictures.expand(-1, 3, -1, -1) + 1) * 127.5
        # Without padding, conv1 never sees the last row and column of even sides: nothing would hold them in a loss.
        for side in (2, 3):
            if levels.shape[side] % 2 == 0:
                levels = torch.cat([levels, levels.narrow(side, -1, 1)], side)
        found = self.body.activations(levels)
        return [found[0], *(found[1 + i] for i in TAPS)]


def stages(device: torch.device | str = "cpu") -> Stages:
    """`Stages` on a device, in evaluation mode."""
    return Stages().to(device).to(memory_format=torch.channels_last).eval()


def _body(tensors: dict[str, Tensor]) -> Body:
    body = Body()
    body.load_state_dict(tensors, strict=True)
    return body
