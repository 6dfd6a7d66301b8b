"""Inception-v3 as TensorFlow released it on 2015-12-05: the network of FID, KID and the Inception Score.

Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016, arXiv 1512.00567, table 1 and
figures 5 to 7). The released graph departs from what other libraries call Inception-v3 in three ways, and numbers made
without them do not compare: average pools leave the zeros of their padding out of the mean, the pool of the last block
is a maximum, and there are 1,008 classes, the last eight of them unused. Parameters have the names of the well-known
port to PyTorch (`Conv2d_1a_3x3.conv.weight`), so that its file loads strictly.

Only the file whose sha256 begins as `PUBLISHED` says is called `inception-2015`; with any other the name ends in `?`
and that file's hash, so that its numbers are never taken for FID.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, linear, max_pool2d, relu

from ganzoo_evaluation.backbone import Backbone, Published, load_strictly, published_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.folding import fold_pairs
from ganzoo_evaluation.resize import RESIZERS, Resize, choose

NAME = "inception-2015"
PUBLISHED = Published(
    name=NAME,
    urls=(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    ),
    file="pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d",
    variable="GANZOO_INCEPTION_WEIGHTS",
)
SIZE = 299
DIMENSIONS = 2048
CLASSES = 1008


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.bn(self.conv(x)), inplace=True)


def average_pool(x: Tensor) -> Tensor:
    """Mean of 3x3, stride 1, over the pixels that are there: at a border the padding is not counted."""
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class MixedA(nn.Module):
    """35x35 (figure 5, with 5x5 kept in one branch)."""

    def __init__(self, before: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Unit(before, 64)
        self.branch5x5_1 = Unit(before, 48)
        self.branch5x5_2 = Unit(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Unit(before, 64)
        self.branch3x3dbl_2 = Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, padding=1)
        self.branch_pool = Unit(before, pooled)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(average_pool(x))], 1)


class MixedB(nn.Module):
    """35x35 to 17x17 (figure 10)."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3 = Unit(before, 384, 3, stride=2)
        self.branch3x3dbl_1 = Unit(before, 64)
        self.branch3x3dbl_2 = Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, max_pool2d(x, 3, stride=2)], 1)


class MixedC(nn.Module):
    """17x17 (figure 6, n = 7): 7x7 in two one-dimensional steps."""

    def __init__(self, before: int, inner: int) -> None:
        super().__init__()
        wide = partial(Unit, kernel=(1, 7), padding=(0, 3))
        tall = partial(Unit, kernel=(7, 1), padding=(3, 0))
        self.branch1x1 = Unit(before, 192)
        self.branch7x7_1 = Unit(before, inner)
        self.branch7x7_2 = wide(inner, inner)
        self.branch7x7_3 = tall(inner, 192)
        self.branch7x7dbl_1 = Unit(before, inner)
        self.branch7x7dbl_2 = tall(inner, inner)
        self.branch7x7dbl_3 = wide(inner, inner)
        self.branch7x7dbl_4 = tall(inner, inner)
        self.branch7x7dbl_5 = wide(inner, 192)
        self.branch_pool = Unit(before, 192)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average_pool(x))], 1)


class MixedD(nn.Module):
    """17x17 to 8x8."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3_1 = Unit(before, 192)
        self.branch3x3_2 = Unit(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Unit(before, 192)
        self.branch7x7x3_2 = Unit(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Unit(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Unit(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), self.branch7x7x3_4(seven), max_pool2d(x, 3, 2)], 1)


class MixedE(nn.Module):
    """8x8 (figure 7): filter banks spread out. `maximum` pools by maximum, as the released graph's last block does."""

    def __init__(self, before: int, *, maximum: bool) -> None:
        super().__init__()
        self.branch1x1 = Unit(before, 320)
        self.branch3x3_1 = Unit(before, 384)
        self.branch3x3_2a = Unit(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Unit(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Unit(before, 448)
        self.branch3x3dbl_2 = Unit(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Unit(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Unit(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Unit(before, 192)
        self.maximum = maximum

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = max_pool2d(x, 3, stride=1, padding=1) if self.maximum else average_pool(x)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            1,
        )


class Inception(nn.Module):
    """The network from its input, (n, 3, 299, 299) in about [-1, 1], to features and logits."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Unit(64, 80)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3)
        self.Mixed_5b = MixedA(192, 32)
        self.Mixed_5c = MixedA(256, 64)
        self.Mixed_5d = MixedA(288, 64)
        self.Mixed_6a = MixedB(288)
        self.Mixed_6b = MixedC(768, 128)
        self.Mixed_6c = MixedC(768, 160)
        self.Mixed_6d = MixedC(768, 160)
        self.Mixed_6e = MixedC(768, 192)
        self.Mixed_7a = MixedD(768)
        self.Mixed_7b = MixedE(1280, maximum=False)
        self.Mixed_7c = MixedE(2048, maximum=True)
        self.fc = nn.Linear(DIMENSIONS, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 2048), the mean of the last 8x8, and logits (n, 1008) **without** the bias of the last layer:
        the original code of the Inception Score multiplied by the weights and left the bias out."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_7a(self.Mixed_6e(self.Mixed_6d(x)))
        features = self.Mixed_7c(self.Mixed_7b(x)).float().mean((2, 3))
        return features, linear(features, self.fc.weight)


def prepare(pictures: Tensor, how: str) -> Tensor:
    """uint8 (n, C, H, W) to the input of the network, resized by the name of a resize.

    TensorFlow's graph takes `(x - 128) / 128`; the programs that resize as `legacy-pytorch` does feed `2x - 1` of
    pictures in [0, 1].
    """
    resize: Resize = RESIZERS[how]
    levels = resize(pictures, SIZE)
    return (levels - 127.5) / 127.5 if how == "legacy-pytorch" else (levels - 128) / 128


def load(request: NetworkRequest) -> Backbone:
    """`inception-2015` as a `Network`: 2,048 features, 1,008 logits without bias.

    Where the weights come from: `ganzoo_evaluation.backbone.published_weights`.

    Raises:
        UserError: the file is not there, cannot be downloaded, is not the published one, or holds another network.
    """
    how = choose(request.resize, tuple(RESIZERS), NAME)
    weights = published_weights(PUBLISHED, request)
    body = Inception()
    load_strictly(body, weights.tensors, weights.path, "Inception-v3 of 2015-12-05")
    return Backbone(
        fold_pairs(body.eval()),
        partial(prepare, how=how),
        name=weights.name,
        request=request,
        sha256=weights.sha256,
        resize=how,
        size=SIZE,
        dimensions=DIMENSIONS,
        classes=CLASSES,
        verified=weights.verified,
    )
