"""A small classifier of Fashion-MNIST: the feature network for grey pictures of clothes of 28 or 32 pixels.

ImageNet networks see little in such pictures. This one was trained on the 5,000 embedded training pictures by
`tools/train_fashionnet.py` in two minutes; its accuracy on the 1,000 held-out ones stands in the metadata of
`files/fashionnet.safetensors`. Four convolutions, the mean of the last one's 128 channels as features, and 10 logits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, relu

from ganzoo_evaluation.backbone import Backbone, embedded_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.resize import choose

NAME = "fashionnet"
SIZE = 28
BORDERED = 32
"""At this size the data set has the same pictures with 2 pixels of black around them, which are cut off again."""
RESIZE = "crop-clean"
DIMENSIONS = 128
CLASSES = 10
LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in grey (ITU-R BT.601), as Pillow has it."""


class Unit(nn.Module):
    """3x3 convolution, batch norm (only while it is trained: later it is part of the convolution), ReLU."""

    def __init__(self, before: int, after: int, *, norm: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, 3, padding=1)
        self.norm = nn.BatchNorm2d(after) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.norm(self.convolution(x)), inplace=True)


class Body(nn.Module):
    """Pictures (n, 1, 28, 28) in [-1, 1] to features (n, 128), not negative, and logits (n, 10)."""

    def __init__(self, *, norm: bool = False) -> None:
        """`norm`: with batch norms, for training."""
        super().__init__()
        self.first = Unit(1, 32, norm=norm)
        self.second = Unit(32, 64, norm=norm)
        self.third = Unit(64, 64, norm=norm)
        self.fourth = Unit(64, DIMENSIONS, norm=norm)
        self.head = nn.Linear(DIMENSIONS, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = max_pool2d(self.first(x), 2)
        x = max_pool2d(self.third(self.second(x)), 2)
        features = self.fourth(x).mean((2, 3))
        return features, self.head(features)


def prepare(pictures: Tensor) -> Tensor:
    """uint8 (n, C, H, W) to (n, 1, 28, 28) in [-1, 1]: RGB as its luma; of 32 pixels the middle 28; any other size by
    antialiased bicubic."""
    grey = pictures.float()
    if grey.shape[1] == 3:
        grey = (grey * torch.tensor(LUMA, device=grey.device)[:, None, None]).sum(1, keepdim=True)
    if grey.shape[2:] == (BORDERED, BORDERED):
        border = (BORDERED - SIZE) // 2
        grey = grey[:, :, border:-border, border:-border]
    elif grey.shape[2:] != (SIZE, SIZE):
        grey = interpolate(grey, (SIZE, SIZE), mode="bicubic", align_corners=False, antialias=True).clamp_(0, 255)
    return grey / 127.5 - 1


def load(request: NetworkRequest) -> Backbone:
    """`fashionnet` as a `Network`: 128 features, 10 logits in the order of the data set's classes.

    Raises:
        UserError: when other weights, another resize or an unknown precision was asked for.
    """
    resize = choose(request.resize, (RESIZE,), NAME)
    tensors, sha256 = embedded_weights(NAME, request)
    body = Body()
    body.load_state_dict(tensors, strict=True)
    return Backbone(
        body,
        prepare,
        name=NAME,
        request=request,
        sha256=sha256,
        resize=resize,
        size=SIZE,
        dimensions=DIMENSIONS,
        classes=CLASSES,
    )
