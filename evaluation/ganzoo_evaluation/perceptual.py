"""How different two pictures look: distances between what a network sees in them.

Zhang et al. (2018, arXiv:1801.03924, section 3, equation 1): activations at several depths, scaled to unit length at
each place; squared differences, weighted by channel, averaged over the places. Two kinds of them are here.

`perceptual[efflite0]` and `perceptual[squeezenet]` are the paper's uncalibrated baseline (all channels weigh the same)
on the two networks that ship with the zoo, averaged over their five and seven depths. They need no download. A model
that was trained through one of the two is judged by the other. Neither is LPIPS, not even the second: the weights that
LPIPS has for SqueezeNet were fitted to another training of it, whose channels mean other things.

`lpips[alex]` and `lpips[vgg]` are LPIPS v0.1: the weights of the channels, fitted to what people said, ship with the
zoo; AlexNet and VGG16 themselves are torchvision's files, which are downloaded only when that is asked for.

Pictures are float in [-1, 1], grey ones count as colour. Those below 32 pixels are doubled in size until they are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo.data.base import Progress
from ganzoo.data.download import cache_dir, fetch
from ganzoo.errors import UserError
from ganzoo.nn.perceptual import directions, large_enough
from ganzoo_evaluation import efflite0, squeezenet
from ganzoo_evaluation.backbone import FILES, read_weights
from ganzoo_evaluation.base import Array, Block, Comparison, NotApplicable, Plan, Reads, Value
from ganzoo_evaluation.modes import full_precision
from ganzoo_evaluation.sets import as_floats
from ganzoo_evaluation.tally import Each, mean_of

CHUNK = 16
"""Pairs that a collector looks at together."""
EMBEDDED: dict[str, Callable[[torch.device | str], nn.Module]] = {
    efflite0.NAME: efflite0.stages,
    squeezenet.NAME: squeezenet.stages,
}
"""The stages that `embedded_distance` can look through."""
VARIABLE = "GANZOO_LPIPS_BACKBONE"
"""The environment variable that names the file of AlexNet or VGG16."""


class StageDistance(nn.Module):
    """Distance of two batches of pictures, float (n, C, H, W) in [-1, 1], C 1 or 3, as (n,); 0 where they are equal.

    `stages` gives the activations at several depths, each (n, channels, h, w). `heads`, where there are any, weigh the
    channels of each depth, and the depths are added; without, the channels are added and the depths averaged.
    Differentiable in both pictures; `name` says what it is (`network` the part in brackets), `sha256` hashes the
    weights of a file from outside.
    """

    def __init__(
        self,
        name: str,
        stages: Callable[[Tensor], Sequence[Tensor]],
        heads: Sequence[Tensor] | None = None,
        sha256: str = "",
    ) -> None:
        super().__init__()
        self.name = name
        self.sha256 = sha256
        self.network = name.partition("[")[2].rstrip("]")
        self.stages = stages
        self.calibrated = heads is not None
        for index, head in enumerate(heads or ()):
            self.register_buffer(f"head_{index}", head.view(1, -1, 1, 1))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if a.shape != b.shape:
            raise ValueError(f"pictures of {tuple(a.shape)} and {tuple(b.shape)} do not compare")
        seen = self.stages(large_enough(torch.cat([a, b])))
        each = []
        for index, activations in enumerate(seen):
            mine, theirs = directions(activations).chunk(2)
            squares = (mine - theirs).square()
            if self.calibrated:
                squares = squares * self.get_buffer(f"head_{index}")
            each.append(squares.sum(1).mean((1, 2)))
        depths = torch.stack(each)
        return depths.sum(0) if self.calibrated else depths.mean(0)


def embedded_distance(device: torch.device | str = "cpu", network: str = efflite0.NAME) -> StageDistance:
    """`perceptual[NETWORK]`, frozen, on a device; `network` is one of `EMBEDDED`.

    Raises:
        UserError: for another network.
    """
    if network not in EMBEDDED:
        raise UserError(f"the distances that need no download look through {' or '.join(EMBEDDED)}, not {network!r}")
    return StageDistance(f"perceptual[{network}]", EMBEDDED[network](device)).to(device).eval()


# --------------------------------------------------------------------------------------------------------- LPIPS v0.1


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A network of LPIPS: torchvision's file, and its layers. A number is a convolution's output channels, `pool` a
    maximum; `taps` counts the convolutions after which LPIPS looks, behind their rectifier."""

    file: str
    layers: tuple[int | Literal["pool"], ...]
    kernels: tuple[int, ...]
    taps: tuple[int, ...]
    pool: int
    first_stride: int = 1


NETWORKS = {
    # Krizhevsky (2014, arXiv:1404.5997), one tower.
    "alex": _Plan(
        file="alexnet-owt-7be5be79.pth",
        layers=(64, "pool", 192, "pool", 384, 256, 256),
        kernels=(11, 5, 3, 3, 3),
        taps=(1, 2, 3, 4, 5),
        pool=3,
        first_stride=4,
    ),
    # Simonyan and Zisserman (2015, arXiv:1409.1556), configuration D.
    "vgg": _Plan(
        file="vgg16-397923af.pth",
        layers=(64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512),
        kernels=(3,) * 13,
        taps=(2, 4, 7, 10, 13),
        pool=2,
    ),
}
ADDRESS = "https://download.pytorch.org/models/"


class LpipsStages(nn.Module):
    """The five depths of AlexNet (`alex`) or VGG16 (`vgg`) that LPIPS looks at; weights frozen.

    `features` has the layers, and the names of the weights, of torchvision's files.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, network: str) -> None:
        super().__init__()
        plan = NETWORKS[network]
        self.features = nn.Sequential()
        self.taps: list[int] = []
        before, convolutions = 3, 0
        for layer in plan.layers:
            if layer == "pool":
                self.features.append(nn.MaxPool2d(plan.pool, 2))
                continue
            kernel = plan.kernels[convolutions]
            stride = 1 if convolutions else plan.first_stride
            # The first layer of AlexNet alone has less padding than would keep the size: 2 for 11.
            padding = 2 if kernel == 11 else kernel // 2
            self.features.append(nn.Conv2d(before, layer, kernel, stride, padding))
            self.features.append(nn.ReLU())
            before, convolutions = layer, convolutions + 1
            if convolutions in plan.taps:
                self.taps.append(len(self.features) - 1)
        # The means and deviations of ImageNet, for pictures in [-1, 1].
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (n, C, H, W) in [-1, 1], C 1 or 3, at least 32 pixels a side, to five activations."""
        x = (pictures.expand(-1, 3, -1, -1) - self.shift) / self.scale
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found


def lpips_distance(
    weights: Path | None = None,
    *,
    network: str = "alex",
    device: torch.device | str = "cpu",
    download: bool = False,
    progress: Progress | None = None,
) -> StageDistance:
    """LPIPS v0.1, frozen, on a device.

    `weights` is torchvision's file of AlexNet or VGG16 (which of them, its first layer tells); without, it is the file
    that `GANZOO_LPIPS_BACKBONE` names, else that of `network` (`alex` or `vgg`) in the cache, which is downloaded there
    when `download` permits it.

    Raises:
        UserError: when there are no weights, or they are of something else.
    """
    if network not in NETWORKS:
        raise UserError(f"LPIPS looks through {' or '.join(NETWORKS)}, not through {network!r}")
    path = weights or lpips_weights(network)
    if path is None:
        if not download:
            raise UserError(f"LPIPS has no weights of its network: {_how_to_give(network)}")
        path = _download(network, progress)
    tensors, sha256 = read_weights(path)
    first = list(tensors["features.0.weight"].shape) if "features.0.weight" in tensors else []
    found = {11: "alex", 3: "vgg"}.get(first[-1]) if len(first) == 4 else None
    stages = LpipsStages(found) if found else None
    own = {name: value for name, value in tensors.items() if name.startswith("features.")}
    if stages is None or {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in stages.state_dict().items()}:
        raise UserError(
            f"{path}: expected torchvision's weights of AlexNet or VGG16, found something else; {_how_to_give(network)}"
        )
    stages.load_state_dict(own)
    heads, _ = read_weights(FILES / "lpips-heads.safetensors")
    weighing = [heads[f"{found}.{index}"] for index in range(5)]
    return StageDistance(f"lpips[{found}]", stages, weighing, sha256).to(device).eval()


def lpips_weights(network: str = "alex") -> Path | None:
    """Where the weights of LPIPS's network are at hand: what `GANZOO_LPIPS_BACKBONE` names, else the cache; or None."""
    if own := os.environ.get(VARIABLE):
        return Path(own).expanduser()
    cached = _cached(network)
    return cached if cached.is_file() else None


def _cached(network: str) -> Path:
    return cache_dir() / "weights" / NETWORKS[network].file


def _how_to_give(network: str) -> str:
    return f"fetch {ADDRESS}{NETWORKS[network].file} and set {VARIABLE} to its path"


def _download(network: str, progress: Progress | None) -> Path:
    path = fetch(f"{ADDRESS}{NETWORKS[network].file}", _cached(network), progress=progress)
    _, sha256 = read_weights(path)
    # torchvision's files carry the first eight digits of their sha256 in their name.
    expected = path.stem.rpartition("-")[2]
    if not sha256.startswith(expected):
        path.unlink()
        raise UserError(
            f"{path.name} from {ADDRESS} has sha256 {sha256}, expected {expected}...; {_how_to_give(network)}"
        )
    return path


# ---------------------------------------------------------------------------------------------- pairs of an evaluation


class _PairDistances:
    """Distances of every picture of a set from `Block.truth`; blocks without truth are passed by.

    `distance` is its name and `sha256` that of weights from outside; both empty until there was a pair.
    """

    reads: ClassVar[Reads] = "truth"

    def __init__(self, plan: Plan) -> None:
        self.each = Each(plan.count)
        self.distance = self.sha256 = ""

    def _open(self, device: str) -> StageDistance | None:
        """The distance on a device; None when it is not to be had."""
        raise NotImplementedError

    def update(self, block: Block) -> None:
        distance = None if block.truth is None else self._open(str(block.pictures.device))
        if block.truth is None or distance is None:
            return
        self.distance, self.sha256 = distance.name, distance.sha256
        with torch.inference_mode(), full_precision():
            pairs = zip(block.pictures.split(CHUNK), block.truth.split(CHUNK), strict=True)
            found = [distance(as_floats(made), as_floats(truth.to(made.device))) for made, truth in pairs]
        self.each.add(block.start, torch.cat(found))

    def merge(self, other: Self) -> None:
        self.each.merge(other.each)
        self.distance, self.sha256 = self.distance or other.distance, self.sha256 or other.sha256

    def arrays(self) -> dict[str, Array]:
        return {**self.each.arrays(), "distance": np.array(self.distance), "sha256": np.array(self.sha256)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0))
        made.each = Each.from_arrays(arrays)
        made.distance, made.sha256 = str(arrays["distance"]), str(arrays["sha256"])
        return made

    def value(self) -> Value:
        """Mean and standard error.

        Raises:
            NotApplicable: when there were no pairs.
        """
        each = self.each.column()
        if not len(each):
            raise NotApplicable("these pictures have no true ones beside them")
        mean, error = mean_of(each)
        protocol: dict[str, str | int | float] = {"network": self.distance.partition("[")[2].rstrip("]")}
        if self.sha256:
            protocol["sha256"] = self.sha256
        return Value(value=mean, error=error, protocol=protocol, each=each)


class PerceptualPairs(_PairDistances):
    """`perceptual[efflite0]` between the pictures and the truth."""

    def _open(self, device: str) -> StageDistance | None:
        return _shared_embedded(device, efflite0.NAME)


class SqueezePairs(_PairDistances):
    """`perceptual[squeezenet]` between the pictures and the truth."""

    def _open(self, device: str) -> StageDistance | None:
        return _shared_embedded(device, squeezenet.NAME)


class LpipsPairs(_PairDistances):
    """LPIPS between the pictures and the truth, where the weights are at hand (`lpips_weights`)."""

    def _open(self, device: str) -> StageDistance | None:
        path = lpips_weights()
        return None if path is None else _shared_lpips(path, device)


@cache
def _shared_embedded(device: str, network: str) -> StageDistance:
    return embedded_distance(device, network)


@cache
def _shared_lpips(path: Path, device: str) -> StageDistance:
    return lpips_distance(path, device=device)


def compute_perceptual(c: Comparison) -> Value:
    """Mean `perceptual[efflite0]` between the pictures and what they should have been.

    Raises:
        NotApplicable: when there were no pairs.
    """
    return c.fake[PerceptualPairs].value()


def compute_perceptual_squeeze(c: Comparison) -> Value:
    """Mean `perceptual[squeezenet]` between the pictures and what they should have been.

    Raises:
        NotApplicable: when there were no pairs.
    """
    return c.fake[SqueezePairs].value()


def compute_lpips(c: Comparison) -> Value:
    """Mean LPIPS v0.1 between the pictures and what they should have been.

    Raises:
        NotApplicable: when there were no pairs, or no weights of AlexNet or VGG16; the message says how to give them.
    """
    pairs = c.fake[LpipsPairs]
    if not len(pairs.each.column()) and lpips_weights() is None:
        raise NotApplicable(f"no weights: {_how_to_give('alex')}")
    return pairs.value()
