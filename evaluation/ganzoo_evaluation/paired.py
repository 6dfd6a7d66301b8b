"""How close pictures come to what they should have been: L1, PSNR and SSIM, in float64.

PSNR as usual for 8 bits (peak 255, over all channels of a picture). SSIM is that of Wang et al. (2004, "Image quality
assessment: from error visibility to structural similarity"): an 11 x 11 Gaussian window of sigma 1.5 that lies wholly
inside the picture, K1 = 0.01, K2 = 0.03, variances without Bessel's correction, channels averaged. The `_y` variants
are those of the super-resolution literature: on the luma of MATLAB's `rgb2ycbcr` (ITU-R BT.601, 16 to 235), which is
not rounded here. That literature also leaves out as many pixels at each border as the scale of the task (`Plan.crop`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ganzoo_evaluation.base import Array, Block, Comparison, NotApplicable, Plan, Reads, Value
from ganzoo_evaluation.tally import Each, mean_of

PEAK = 255.0
WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03
CAP = 100.0
"""Decibels that one picture counts for at most. The PSNR of an identical picture is infinite, and so would be every
mean that it enters; pictures that differ in one step of one value out of 200,000 have 101 dB."""


def luma(pictures: Tensor) -> Tensor:
    """Luma Y in [16, 235] (ITU-R BT.601, as in MATLAB), float64 (n, 1, H, W), of uint8 pictures (n, C, H, W).

    Grey pictures come back as they are, in [0, 255]: they have no colour to take the luma of.
    """
    values = pictures.to(torch.float64)
    if values.shape[1] == 1:
        return values
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64, device=values.device) / 255
    brightness: Tensor = 16 + torch.einsum("nchw,c->nhw", values, weights)[:, None]
    return brightness


def l1(a: Tensor, b: Tensor, crop: int = 0) -> Tensor:
    """Mean absolute difference over 255, float64 (n,) in [0, 1], of pictures (n, C, H, W) in [0, 255].

    Raises:
        ValueError: when the shapes differ or nothing is left after `crop` pixels are cut at each side.
    """
    a, b = _prepare(a, b, crop, smallest=1)
    return (a - b).abs().mean((1, 2, 3)) / PEAK


def psnr(a: Tensor, b: Tensor, crop: int = 0) -> Tensor:
    """Peak signal to noise ratio in dB, float64 (n,), of pictures (n, C, H, W) in [0, 255]; infinite where identical.

    Raises:
        ValueError: when the shapes differ or nothing is left after `crop` pixels are cut at each side.
    """
    a, b = _prepare(a, b, crop, smallest=1)
    return 10 * torch.log10(PEAK**2 / (a - b).square().mean((1, 2, 3)))


def ssim(a: Tensor, b: Tensor, crop: int = 0) -> Tensor:
    """Structural similarity, float64 (n,), at most 1, of pictures (n, C, H, W) in [0, 255].

    Raises:
        ValueError: when the shapes differ or fewer than 11 pixels are left after `crop` are cut at each side.
    """
    a, b = _prepare(a, b, crop, smallest=WINDOW)
    # One picture at a time: its maps stay in the processor's cache.
    return torch.cat([_ssim(*pair) for pair in zip(a.split(1), b.split(1), strict=True)]) if len(a) else a.new_zeros(0)


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of float64 pictures (n, C, H, W), (n,)."""
    mean_a, mean_b, aa, bb, ab = _window_means(torch.stack([a, b, a * a, b * b, a * b]))
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    covariance, variances = ab - mean_a * mean_b, aa - mean_a**2 + bb - mean_b**2
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (variances + c2)
    similarity: Tensor = (above / below).mean((1, 2, 3))
    return similarity


def _window_means(maps: Tensor) -> Tensor:
    """The Gaussian window's mean at every place where it lies inside, (..., H - 10, W - 10) of (..., H, W).

    Sums of shifted copies: PyTorch's convolution takes ten times as long in float64.
    """
    place = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(place**2) / (2 * SIGMA**2))
    for axis in (-2, -1):
        length = maps.shape[axis] - WINDOW + 1
        blurred = torch.zeros_like(maps.narrow(axis, 0, length))
        for shift, tap in enumerate((taps / taps.sum()).tolist()):
            blurred.add_(maps.narrow(axis, shift, length), alpha=tap)
        maps = blurred
    return maps


def _prepare(a: Tensor, b: Tensor, crop: int, smallest: int) -> tuple[Tensor, Tensor]:
    """Both in float64, without their borders."""
    if a.shape != b.shape:
        raise ValueError(f"pictures of {tuple(a.shape)} and {tuple(b.shape)} do not compare")
    height, width = a.shape[2:]
    if min(height, width) - 2 * crop < smallest:
        raise ValueError(f"{height} x {width} pixels without {crop} at each side are fewer than {smallest}")
    inside = (..., slice(crop, height - crop), slice(crop, width - crop))
    return a[inside].to(torch.float64), b[inside].to(torch.float64)


class Pairs:
    """Distances of every picture of a set from `Block.truth`, in colour and of the luma; blocks without are passed by.

    Pictures may differ in size. SSIM is left out where fewer than 11 pixels remain after the crop.
    """

    reads: ClassVar[Reads] = "truth"
    MEASURES: ClassVar = ("psnr", "psnr_y", "ssim", "ssim_y", "l1")

    def __init__(self, plan: Plan) -> None:
        self.crop = plan.crop
        self.identical = 0
        self.each = Each(plan.count, len(self.MEASURES))

    def update(self, block: Block) -> None:
        if block.truth is None:
            return
        made, truth = block.pictures.cpu(), block.truth.cpu()  # not every device has float64
        brightness = luma(made), luma(truth)
        decibels = psnr(made, truth, self.crop)
        self.identical += int(decibels.isinf().sum())
        measures = {
            "psnr": decibels.clamp(max=CAP),
            "psnr_y": psnr(*brightness, self.crop).clamp(max=CAP),
            "ssim": torch.full_like(decibels, torch.nan),
            "ssim_y": torch.full_like(decibels, torch.nan),
            "l1": l1(made, truth, self.crop),
        }
        if min(made.shape[2:]) - 2 * self.crop >= WINDOW:
            measures |= {"ssim": ssim(made, truth, self.crop), "ssim_y": ssim(*brightness, self.crop)}
        self.each.add(block.start, torch.stack([measures[name] for name in self.MEASURES], 1))

    def merge(self, other: Self) -> None:
        self.identical += other.identical
        self.each.merge(other.each)

    def arrays(self) -> dict[str, Array]:
        return {**self.each.arrays(), "crop": np.array(self.crop), "identical": np.array(self.identical)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0, crop=int(arrays["crop"])))
        made.identical = int(arrays["identical"])
        made.each = Each.from_arrays(arrays)
        return made

    def measure(self, name: str) -> Array:
        """One of `MEASURES` of every picture that has it, (n,).

        Raises:
            NotApplicable: when there were no pairs, or too small ones.
        """
        found = self.each.column(self.MEASURES.index(name))
        if len(found):
            return found
        if len(self.each.column()):
            raise NotApplicable(f"SSIM needs {WINDOW} pixels; fewer are left")
        raise NotApplicable("these pictures have no true ones beside them")


def compute_l1(c: Comparison) -> Value:
    """Mean absolute difference, on a scale from 0 to 1."""
    return _value(c, "l1")


def compute_psnr(c: Comparison) -> Value:
    """Mean PSNR in dB over all channels (see `Pairs` and `CAP`)."""
    return _value(c, "psnr")


def compute_psnr_y(c: Comparison) -> Value:
    """Mean PSNR in dB of the luma."""
    return _value(c, "psnr_y")


def compute_ssim(c: Comparison) -> Value:
    """Mean SSIM, averaged over the channels."""
    return _value(c, "ssim")


def compute_ssim_y(c: Comparison) -> Value:
    """Mean SSIM of the luma."""
    return _value(c, "ssim_y")


def _value(c: Comparison, name: str) -> Value:
    pairs = c.fake[Pairs]
    each = pairs.measure(name)
    mean, error = mean_of(each)
    if not name.startswith("psnr"):
        return Value(value=mean, error=error, protocol={"crop": pairs.crop}, each=each)
    share = pairs.identical / len(each)
    same = f"{pairs.identical:,} of {len(each):,} pictures are identical to the truth and count as {CAP:g} dB"
    details = {"identical": share}
    protocol: dict[str, str | int | float] = {"crop": pairs.crop, "cap": CAP}
    return Value(value=mean, error=error, protocol=protocol, details=details, note=same if share else "", each=each)
