"""The perceptual loss: how differently a frozen network sees what was made and what it should have been.

Through `vgg54`, the papers' own: features of VGG19's last convolution, of ImageNet (Ledig et al., equation 5; Wang et
al., section 3.3). Through any other network, whose activations have a scale of their own at each depth, the distance of
Zhang et al. (2018, arXiv:1801.03924, equation 1) without weights: activations scaled to unit length at each place,
squared differences added over the channels, averaged over places and depths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ganzoo.cards import resolve
from ganzoo.data.download import cache_dir, fetch
from ganzoo.errors import UserError
from ganzoo.nn.perceptual import directions, large_enough
from ganzoo.registry import get_registry
from ganzoo_srgan.config import VGG54

FILE = "vgg19-dcbb9e9d.pth"
ADDRESS = f"https://download.pytorch.org/models/{FILE}"
GROUPS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
"""Channels of VGG19's convolutions between two pools (Simonyan and Zisserman, 2015, table 1, column E)."""
RESCALE = 1 / 12.75
"""What VGG's features are multiplied by, so that their error is of the size of that of pixels (Ledig et al., 3.2)."""


class Perceptual(nn.Module):
    """A scalar from pictures (N, C, H, W) in [-1, 1], C 1 or 3, and the truth, as large; 0 where they are equal.

    Gradients flow to the first alone.
    """

    def __init__(self, stages: nn.Module) -> None:
        super().__init__()
        self.stages = stages.requires_grad_(False).eval()
        grouped = [layer for layer in stages.modules() if isinstance(layer, nn.Conv2d) and layer.groups > 1]
        # On a CPU, gradients of strided depthwise convolutions take twenty times as long in bfloat16.
        self._exact = bool(grouped) and next(stages.parameters()).device.type == "cpu"

    def forward(self, made: Tensor, truth: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False) if self._exact else nullcontext():
            with torch.no_grad():
                wanted = self._look(truth)
            depths = [self.distance(*pair) for pair in zip(self._look(made), wanted, strict=True)]
            return torch.stack(depths).mean()

    def distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Of the activations (N, channels, h, w) at one depth, a scalar."""
        return (directions(made) - directions(wanted)).square().sum(1).mean()

    def _look(self, pictures: Tensor) -> Sequence[Tensor]:
        seen: Sequence[Tensor] = self.stages(large_enough(pictures))
        return seen


class PerceptualVgg(Perceptual):
    """The papers' distance: squared (SRGAN) or absolute (ESRGAN) differences of rescaled features."""

    def __init__(self, stages: nn.Module, *, absolute: bool) -> None:
        super().__init__(stages)
        self.absolute = absolute

    def distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        error = l1_loss if self.absolute else mse_loss
        return error(RESCALE * made.float(), RESCALE * wanted.float())


class Vgg54(nn.Module):
    """The last of VGG19's sixteen convolutions, behind its ReLU or before it (`linear`).

    `features` has the layers, and the names of the weights, of torchvision's file.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, *, linear: bool) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = [3, *(after for group in GROUPS for after in group)]
        ends = {sum(map(len, GROUPS[: i + 1])) for i in range(len(GROUPS))}
        for number, (before, after) in enumerate(pairwise(channels), start=1):
            self.features.append(nn.Conv2d(before, after, 3, padding=1))
            self.features.append(nn.ReLU(inplace=True))
            if number in ends:
                self.features.append(nn.MaxPool2d(2))
        self.features = self.features[: -2 if linear else -1]
        # The means and deviations of ImageNet, for pictures in [-1, 1].
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (n, C, H, W) in [-1, 1], C 1 or 3, to (n, 512, H/16, W/16)."""
        return [self.features((pictures.expand(-1, 3, -1, -1) - self.shift) / self.scale)]


def load(name: str, device: torch.device, *, esrgan: bool) -> Perceptual:
    """The perceptual loss through a network by its name, frozen, on a device.

    Raises:
        UserError: when its weights cannot be had.
    """
    if name != VGG54:
        return Perceptual(resolve(get_registry().features[name].stages)(device))
    stages = Vgg54(linear=esrgan)
    stages.load_state_dict({k: v for k, v in _vgg19().items() if k in stages.state_dict()})
    return PerceptualVgg(stages, absolute=esrgan).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _vgg19() -> dict[str, Tensor]:
    """torchvision's weights of VGG19, from the cache or the network."""
    path = fetch(ADDRESS, cache_dir() / "weights" / FILE)
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    # torchvision's files carry the first eight digits of their sha256 in their name.
    expected = path.stem.rpartition("-")[2]
    if not found.startswith(expected):
        raise UserError(
            f"{path} has sha256 {found[:8]}..., expected {expected}...: delete it and run again, or train with "
            "--set perceptual=efflite0"
        )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
