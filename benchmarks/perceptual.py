"""Whether the two perceptual distances that need no download order distortions alike, and what they cost.

Held-out patches of the embedded large pictures are distorted in one way after another. Every distortion is compared
with the patch through both networks, and by PSNR, inside a border of 8 pixels, so that shifts bring nothing in from
outside. A distance is given as a share of that to another picture. `agreement`: Spearman's rank correlation of the two
over the distortions, of the means and, averaged, of each patch alone; and how often, of two distortions of one patch
that lie a tenth apart or more through either network, both call the same one worse.

    python benchmarks/perceptual.py [-n 400] [--threads 1] [--json]
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.stats import spearmanr

from ganzoo.cards import resolve
from ganzoo.data.base import Data, DataRequest
from ganzoo.data.degrade import bicubic, reduced
from ganzoo.engine.noise import derive
from ganzoo.registry import get_registry
from ganzoo_evaluation.paired import psnr
from ganzoo_evaluation.perceptual import CHUNK, EMBEDDED, StageDistance, embedded_distance
from ganzoo_evaluation.sets import as_floats

Pixels = NDArray[np.uint8]
BORDER = 8
APART = 0.1
"""Of the larger of two distances: what is closer is not counted as an order."""


def noise(pictures: Pixels, sigma: float) -> Pixels:
    drawn = np.random.default_rng(derive(0, "benchmark", "noise")).normal(0, sigma, pictures.shape)
    return (pictures + drawn).round().clip(0, 255).astype(np.uint8)


def each(pictures: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """Every picture through Pillow."""
    made = [np.asarray(change(Image.fromarray(picture.transpose(1, 2, 0)))) for picture in pictures]
    return np.stack(made).transpose(0, 3, 1, 2)


def blur(pictures: Pixels, sigma: float) -> Pixels:
    return each(pictures, lambda picture: picture.filter(ImageFilter.GaussianBlur(sigma)))


def jpeg(pictures: Pixels, quality: float) -> Pixels:
    def change(picture: Image.Image) -> Image.Image:
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=int(quality))
        return Image.open(content).convert("RGB")

    return each(pictures, change)


def shift(pictures: Pixels, by: float) -> Pixels:
    """To the left."""
    return np.roll(pictures, -int(by), axis=3)


def nearest(pictures: Pixels, scale: float) -> Pixels:
    small = reduced(pictures, int(scale))
    return small.repeat(int(scale), axis=2).repeat(int(scale), axis=3)


def cubic(pictures: Pixels, scale: float) -> Pixels:
    return bicubic(reduced(pictures, int(scale)), *pictures.shape[2:])


DISTORTIONS: dict[str, tuple[Callable[[Pixels, float], Pixels], float]] = {
    "noise, sigma 5": (noise, 5),
    "noise, sigma 15": (noise, 15),
    "noise, sigma 40": (noise, 40),
    "blur, sigma 0.5": (blur, 0.5),
    "blur, sigma 1": (blur, 1),
    "blur, sigma 2": (blur, 2),
    "JPEG, quality 80": (jpeg, 80),
    "JPEG, quality 30": (jpeg, 30),
    "JPEG, quality 10": (jpeg, 10),
    "shift by 1 pixel": (shift, 1),
    "shift by 2 pixels": (shift, 2),
    "shift by 4 pixels": (shift, 4),
    "x2, bicubic": (cubic, 2),
    "x4, bicubic": (cubic, 4),
    "x4, nearest": (nearest, 4),
}


@dataclass(frozen=True)
class Row:
    """One distortion: its mean distance through each network, as a share of that to another picture, and its PSNR."""

    distortion: str
    shares: dict[str, float]
    psnr: float


@dataclass(frozen=True)
class Agreement:
    """Of the two networks: rank correlations over the distortions, and the share of clear pairs in the same order."""

    means: float
    patches: float
    pairs: float


def patches(count: int) -> Pixels:
    """Held-out patches, evenly spread over all of them, uint8 (count, 3, 64, 64)."""
    data: Data = resolve(get_registry().datasets["emoji-photos"].load)(DataRequest(fields=("high",), split="test"))
    rows = np.linspace(0, data.spec.count - 1, count).astype(int)
    return np.ascontiguousarray(data.read(rows.tolist())["high"])


def inside(pictures: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures[:, :, BORDER:-BORDER, BORDER:-BORDER]))


@torch.inference_mode()
def distances(distance: StageDistance, a: torch.Tensor, b: torch.Tensor) -> NDArray[np.float64]:
    """Of every pair, (n,)."""
    pairs = zip(as_floats(a).split(CHUNK), as_floats(b).split(CHUNK), strict=True)
    return torch.cat([distance(x, y) for x, y in pairs]).double().numpy()


def timed(distance: StageDistance, pictures: torch.Tensor) -> float:
    """Seconds for as many pairs."""
    start = time.perf_counter()
    distances(distance, pictures, pictures.flip(0))
    return time.perf_counter() - start


def agree(x: NDArray[np.float64], y: NDArray[np.float64]) -> Agreement:
    """Of distances (distortions, patches) through two networks."""
    same = clear = 0
    for i, j in itertools.combinations(range(len(x)), 2):
        apart = [np.abs(z[i] - z[j]) > APART * np.maximum(z[i], z[j]) for z in (x, y)]
        counted = apart[0] | apart[1]
        clear += int(counted.sum())
        same += int((((x[i] > x[j]) == (y[i] > y[j])) & counted).sum())
    alone = [float(spearmanr(x[:, k], y[:, k]).statistic) for k in range(x.shape[1])]
    return Agreement(
        means=float(spearmanr(x.mean(1), y.mean(1)).statistic), patches=float(np.mean(alone)), pairs=same / clear
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=400, metavar="PATCHES", help="patches, of 1,814 [400]")
    parser.add_argument("--threads", type=int, default=1, help="threads of the networks [1]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pictures = patches(arguments.n)
    truth = inside(pictures)
    made = {name: distort(pictures, amount) for name, (distort, amount) in DISTORTIONS.items()}
    shares, seconds = {}, {}
    for network in EMBEDDED:
        distance = embedded_distance(network=network)
        other = distances(distance, truth, truth.roll(arguments.n // 2, 0)).mean()
        shares[network] = np.stack([distances(distance, inside(made[name]), truth) / other for name in made])
        seconds[network] = 1000 / len(pictures) * min(timed(distance, torch.from_numpy(pictures)) for _ in range(3))
    rows = [
        Row(
            distortion=name,
            shares={network: float(found[index].mean()) for network, found in shares.items()},
            psnr=float(psnr(inside(made[name]), truth).clamp(max=100).mean()),
        )
        for index, name in enumerate(made)
    ]
    agreement = agree(*shares.values())
    if arguments.json:
        print(json.dumps({"rows": [asdict(r) for r in rows], "agreement": asdict(agreement), "seconds": seconds}))
        return
    print(f"{'':20}{''.join(f'{network:>12}' for network in EMBEDDED)}{'PSNR':>10}")
    for row in rows:
        print(f"{row.distortion:20}{''.join(f'{share:12.3f}' for share in row.shares.values())}{row.psnr:10.1f}")
    print(
        f"agreement: rank correlation {agreement.means:.2f} of the means, {agreement.patches:.2f} of a patch; "
        f"{agreement.pairs:.0%} of clear pairs in one order"
    )
    for network, found in seconds.items():
        print(f"{network}: {found:.2f} s for 1,000 pairs of 64 pixels, {arguments.threads} thread(s)")


if __name__ == "__main__":
    main()
