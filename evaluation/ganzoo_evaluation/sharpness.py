"""How sharp pictures are: the variance of their Laplacian, and their power spectrum. No network looks.

The Laplacian's variance is the usual measure of focus (Pech-Pacheco et al., 2000, "Diatom autofocusing in brightfield
microscopy"); blur lowers it, noise raises it. The spectrum shows at which scales detail is missing or made up: that
generated pictures differ from photographs there was found by Durall et al. (2020, arXiv:2003.01826), whose azimuthal
integration we take over. Where we differ: a Hann window, because pictures do not repeat beyond their borders, and
without one the jump from right to left leaks into all high frequencies and hides what is there; and the logarithm is
taken of each picture, so that the few with the strongest contrast do not speak for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ganzoo_evaluation.base import Array, Block, Comparison, NotApplicable, Plan, Reads, Value
from ganzoo_evaluation.tally import Tally

SPLITS = 10
"""Parts that the spectra of a set are summed in; their spread gives the error."""
SMALLEST = 8
"""Pixels on the shorter side below which a picture has no spectrum to speak of."""
FLOOR = (1 / 255) ** 2 / 12
"""Power of the rounding to 8 bits, added to every spectrum: what lies below it no 8-bit picture can show."""


def luma(pictures: Tensor) -> Tensor:
    """Luma (ITU-R BT.601, full range) in [0, 1], float64 (n, H, W), of uint8 pictures (n, C, H, W), C 1 or 3."""
    scaled = pictures.cpu().to(torch.float64) / 255
    if scaled.shape[1] == 1:
        return scaled[:, 0]
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    return torch.einsum("nchw,c->nhw", scaled, weights)


def laplacian_variance(grey: Tensor) -> Tensor:
    """Variance over the pixels of the 4-neighbour Laplacian, (n,), of pictures (n, H, W); borders are left out."""
    inside, above, below = grey[:, 1:-1, 1:-1], grey[:, :-2, 1:-1], grey[:, 2:, 1:-1]
    left, right = grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]
    return (above + below + left + right - 4 * inside).flatten(1).var(1, correction=0)


def log_spectrum(grey: Tensor) -> Tensor:
    """Radially averaged power spectrum in dB, (n, min(H, W) // 2), of pictures (n, H, W).

    Entry k belongs to frequencies around (k + 1) / min(H, W) cycles per pixel, up to Nyquist. White noise of variance v
    gives 10 log10(v) everywhere, before `FLOOR` is added.
    """
    height, width = grey.shape[1:]
    window, ring, weight = _rings(height, width)
    window, ring, weight = window.to(grey), ring, weight.to(grey)
    centred = grey - (grey * window).sum((1, 2), keepdim=True) / window.sum()
    power = torch.fft.rfft2(centred * window).abs().square() / window.square().sum()
    count = min(height, width) // 2
    sums = grey.new_zeros(len(grey), count + 2).index_add_(1, ring, (power * weight).flatten(1))
    members = grey.new_zeros(count + 2).index_add_(0, ring, weight.flatten())
    return 10 * torch.log10(sums[:, 1:-1] / members[1:-1] + FLOOR)


@cache
def _rings(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The Hann window (H, W), the ring of each entry of `rfft2` (flat; 0 for the mean, the last for what is beyond
    Nyquist), and how often the entry stands in the whole spectrum (H, W // 2 + 1)."""
    down, across = (torch.hann_window(size, periodic=True, dtype=torch.float64) for size in (height, width))
    frequency = torch.hypot(
        torch.fft.fftfreq(height, dtype=torch.float64)[:, None], torch.fft.rfftfreq(width, dtype=torch.float64)
    )
    shorter = min(height, width)
    ring = (frequency * shorter).round().long().clamp(max=shorter // 2 + 1)
    weight = torch.full_like(frequency, 2.0)
    weight[:, 0] = 1.0
    if width % 2 == 0:
        weight[:, -1] = 1.0
    return torch.outer(down, across), ring.flatten(), weight


class Sharpness:
    """Sums over a set of the Laplacian's variance and of the log spectrum, the latter in `SPLITS` parts."""

    reads: ClassVar[Reads] = "pictures"

    def __init__(self, plan: Plan) -> None:
        height, width = plan.shape[1:]
        self.total = plan.count
        self.shape = (height, width)
        self.laplacian = Tally()
        rings = min(height, width) // 2 if min(height, width) >= SMALLEST else 0
        self._counts = np.zeros(SPLITS, dtype=np.int64)
        self._spectra = np.zeros((SPLITS, rings))

    def update(self, block: Block) -> None:
        grey = luma(block.pictures)
        if min(grey.shape[1:]) >= 3:
            self.laplacian.add(laplacian_variance(grey))
        if self._spectra.shape[1]:
            split = (torch.arange(block.start, block.start + len(block)) * SPLITS // self.total).numpy()
            np.add.at(self._counts, split, 1)
            np.add.at(self._spectra, split, log_spectrum(grey).numpy())

    def merge(self, other: Self) -> None:
        self.laplacian.merge(other.laplacian)
        self._counts += other._counts
        self._spectra += other._spectra

    def arrays(self) -> dict[str, Array]:
        state = {f"laplacian_{name}": value for name, value in self.laplacian.arrays().items()}
        return {
            **state,
            "total": np.array(self.total),
            "shape": np.array(self.shape),
            "counts": self._counts,
            "spectra": self._spectra,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        height, width = (int(size) for size in arrays["shape"])
        made = cls(Plan(count=int(arrays["total"]), shape=(0, height, width)))
        state = {key.removeprefix("laplacian_"): value for key, value in arrays.items() if key.startswith("laplacian_")}
        made.laplacian = Tally.from_arrays(state)
        made._counts = np.array(arrays["counts"], dtype=np.int64)
        made._spectra = np.array(arrays["spectra"], dtype=np.float64)
        return made

    @property
    def frequencies(self) -> Array:
        """Cycles per pixel of each entry of the spectrum, (min(H, W) // 2,)."""
        found: Array = np.arange(1, self._spectra.shape[1] + 1) / max(1, min(self.shape))
        return found

    def spectrum(self, without: int | None = None) -> Array:
        """Mean log spectrum in dB, (min(H, W) // 2,), of all or of all but one split."""
        kept = np.arange(SPLITS) != without
        found: Array = self._spectra[kept].sum(0) / self._counts[kept].sum()
        return found

    @property
    def splits(self) -> list[int]:
        """The splits that pictures fell into."""
        return [int(split) for split in np.flatnonzero(self._counts)]


def compute_laplacian(c: Comparison) -> Value:
    """Mean Laplacian variance of the pictures divided by the reference's: below 1 is blurred, above 1 noisy.

    Raises:
        NotApplicable: when the reference is flat, or pictures are below 3 pixels.
    """
    ratio, relative, details = _ratio(c)
    return Value(value=ratio, error=None if relative is None else ratio * relative, details=details)


def compute_gap(c: Comparison) -> Value:
    """|log(ratio)| of `compute_laplacian`: 0 is as sharp as the reference; half and double are equally far from it.

    Raises:
        NotApplicable: when either side is flat, or pictures are below 3 pixels.
    """
    ratio, relative, details = _ratio(c)
    if ratio == 0:
        raise NotApplicable("every picture is flat")
    return Value(value=abs(math.log(ratio)), error=relative, details={"ratio": ratio, **details})


def compute_spectrum(c: Comparison) -> Value:
    """Root mean square over the frequencies of the difference between the mean log spectra, in dB.

    The error is a jackknife over the splits of both sides. Two samples of the same pictures are not at 0 but near
    `details["chance"]`, which is estimated from the spread of the splits.

    Raises:
        NotApplicable: when the two sides differ in size, or pictures are below `SMALLEST` pixels.
    """
    fake, real = c.fake[Sharpness], c.real[Sharpness]
    if fake.shape != real.shape:
        sizes = " and ".join(f"{height} x {width}" for height, width in (fake.shape, real.shape))
        raise NotApplicable(f"spectra of {sizes} pixels do not compare")
    if not fake.splits or not real.splits:
        raise NotApplicable(f"pictures below {SMALLEST} pixels have no spectrum")

    def distance(of_fake: Array, of_real: Array) -> float:
        return float(np.sqrt(np.mean(np.square(of_fake - of_real))))

    mine, theirs = fake.spectrum(), real.spectrum()
    error = chance = None
    if min(len(fake.splits), len(real.splits)) > 1:
        from_fake = _jackknife(fake, lambda spectrum: distance(spectrum, theirs))
        from_real = _jackknife(real, lambda spectrum: distance(mine, spectrum))
        error = math.sqrt(from_fake + from_real)
        noise = _jackknife(fake, lambda spectrum: spectrum) + _jackknife(real, lambda spectrum: spectrum)
        chance = math.sqrt(float(noise.mean()))
    return Value(
        value=distance(mine, theirs),
        error=error,
        protocol={"window": "hann", "pixels": min(fake.shape)},
        details={
            "chance": chance,
            "frequencies": [round(float(value), 6) for value in fake.frequencies],
            "decibels": [round(float(value), 4) for value in mine],
            "reference_decibels": [round(float(value), 4) for value in theirs],
        },
    )


def _ratio(c: Comparison) -> tuple[float, float | None, dict[str, float]]:
    """The ratio of mean Laplacian variances, its relative standard error (delta method), and both means."""
    fake, real = c.fake[Sharpness].laplacian, c.real[Sharpness].laplacian
    if not fake.count or not real.count:
        raise NotApplicable("pictures below 3 pixels have no Laplacian")
    mine, theirs = float(fake.mean[0]), float(real.mean[0])
    if theirs == 0:
        raise NotApplicable("every picture of the reference is flat")
    details = {"laplacian_variance": mine, "reference_laplacian_variance": theirs}
    if fake.error is None or real.error is None or mine == 0:
        return mine / theirs, None, details
    relative = math.hypot(float(fake.error[0]) / mine, float(real.error[0]) / theirs)
    return mine / theirs, relative, details


def _jackknife(side: Sharpness, statistic: Callable[[Array], Any]) -> Any:
    """Variance of `statistic` of a side's mean spectrum, by leaving out one split at a time (Efron and Stein, 1981)."""
    values = np.array([statistic(side.spectrum(without=split)) for split in side.splits])
    return (len(values) - 1) * values.var(axis=0)
