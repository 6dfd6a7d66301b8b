"""VGG16 with the weights that torchvision publishes: the features that precision and recall were first measured in.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR 2015), table 1,
column D. Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models" (NeurIPS 2019),
look at its second fully connected layer in a conversion of the original weights; torchvision trained its own, and
numbers made with the two do not compare.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganzoo_evaluation.backbone import Backbone, Published, load_strictly, published_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.resize import RESIZERS, choose

NAME = "vgg16"
PUBLISHED = Published(
    name=NAME,
    urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
    file="vgg16-397923af.pth",
    sha256="397923af",
    variable="GANZOO_VGG16_WEIGHTS",
)
SIZE = 224
DIMENSIONS = 4096
CLASSES = 1000
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions between two pools."""


def convolutions() -> nn.Sequential:
    """The thirteen convolutions with their ReLUs and five pools, numbered as in torchvision's state dict."""
    layers = nn.Sequential()
    channels = [3, *(after for group in GROUPS for after in group)]
    ends = {sum(map(len, GROUPS[: i + 1])) for i in range(len(GROUPS))}
    for i, (before, after) in enumerate(pairwise(channels), start=1):
        layers.append(nn.Conv2d(before, after, 3, padding=1))
        layers.append(nn.ReLU(inplace=True))
        if i in ends:
            layers.append(nn.MaxPool2d(2))
    return layers


class Body(nn.Module):
    """Normalised pictures (n, 3, 224, 224) to the second fully connected layer behind its ReLU, and logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = convolutions()
        self.classifier = nn.Sequential(
            nn.Linear(GROUPS[-1][-1] * 7 * 7, DIMENSIONS),
            nn.ReLU(inplace=True),
            nn.Identity(),  # dropout, which does nothing here; it keeps the numbers of the state dict
            nn.Linear(DIMENSIONS, DIMENSIONS),
            nn.ReLU(inplace=True),
            nn.Identity(),
            nn.Linear(DIMENSIONS, CLASSES),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.classifier[:6](self.features(x).flatten(1))
        return features, self.classifier[6](features)


def normalise(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1] to what torchvision's networks were trained on."""
    mean, deviation = (torch.tensor(values, device=pictures.device)[:, None, None] for values in (MEAN, DEVIATION))
    return (pictures - mean) / deviation


def load(request: NetworkRequest) -> Backbone:
    """`vgg16` as a `Network`: 4,096 features, 1,000 logits. The weights are torchvision's, 528 MB.

    Raises:
        UserError: the file is not there, cannot be downloaded, is not the published one, or holds another network.
    """
    resize = choose(request.resize, ("clean", "legacy-tf"), NAME)
    weights = published_weights(PUBLISHED, request)
    body = Body()
    load_strictly(body, weights.tensors, weights.path, NAME)
    return Backbone(
        body,
        lambda pictures: normalise(RESIZERS[resize](pictures, SIZE) / 255),
        name=weights.name,
        request=request,
        sha256=weights.sha256,
        resize=resize,
        size=SIZE,
        dimensions=DIMENSIONS,
        classes=CLASSES,
        verified=weights.verified,
    )
