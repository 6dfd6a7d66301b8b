"""Metrics that no network looks at: PSNR and SSIM against slow references, sharpness against closed forms."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ganzoo.engine.noise import derive
from ganzoo_data.embedded import photos
from ganzoo_evaluation import cycle, paired, sharpness
from ganzoo_evaluation.base import Block, Comparison, Measured, NotApplicable, Plan
from ganzoo_evaluation.cycle import Returns
from ganzoo_evaluation.paired import CAP, Pairs, psnr, ssim
from ganzoo_evaluation.sharpness import FLOOR, Sharpness, laplacian_variance, log_spectrum
from ganzoo_evaluation.tally import Tally


def random(*shape: int, stream: str = "pictures", low: int = 0, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(derive(0, stream))
    return torch.randint(low, high, shape, generator=generator, dtype=torch.uint8)


def photographs(size: int = 96) -> list[Image.Image]:
    """The centres of the photographs that ship with the zoo."""
    found = []
    for _, content in photos():
        whole = Image.open(io.BytesIO(content)).convert("RGB")
        left, top = (whole.width - size) // 2, (whole.height - size) // 2
        found.append(whole.crop((left, top, left + size, top + size)))
    return found


def tensor(pictures: list[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)


def collect(kind: Any, pictures: Tensor, truth: Tensor | None = None, parts: int = 1, crop: int = 0) -> Any:
    """What a collector has of the pictures; with `parts`, from as many collectors, last part first, through arrays."""
    plan = Plan(count=len(pictures), shape=(pictures.shape[1], pictures.shape[2], pictures.shape[3]), crop=crop)
    borders = [len(pictures) * part // parts for part in range(parts + 1)]
    whole = kind(plan)
    for part in reversed(range(parts)):
        start, stop = borders[part], borders[part + 1]
        collector = kind(plan)
        beside = None if truth is None else truth[start:stop]
        collector.update(Block(start=start, pictures=pictures[start:stop], truth=beside))
        whole.merge(kind.from_arrays(collector.arrays()))
    return whole


def compare(kind: Any, fake: Any, real: Any = None) -> Comparison:
    def measured(name: str, found: Any) -> Measured:
        return Measured(name=name, count=1, collected={} if found is None else {kind: found})

    return Comparison(fake=measured("fake", fake), real=measured("real", real))


# --- PSNR and SSIM ----------------------------------------------------------------------------------------------------


def slow_ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """SSIM of two (H, W) as Wang et al. write it: at each place the weighted moments of the window around it."""
    place = np.arange(11) - 5
    window = np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = a[top : top + 11, left : left + 11], b[top : top + 11, left : left + 11]
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            vxy = (window * (x - mx) * (y - my)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            values.append((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(values))


def test_psnr_of_a_constant_difference_has_its_closed_form() -> None:
    a = random(2, 3, 9, 7, high=200)
    for step in (1, 5, 51):
        assert psnr(a, a + step).tolist() == pytest.approx([20 * math.log10(255 / step)] * 2)


def test_psnr_of_one_wrong_picture_does_not_touch_its_neighbour() -> None:
    a = random(2, 1, 8, 8)
    b = a.clone()
    b[1, 0, 0, 0] ^= 255
    assert psnr(a, b)[0] == math.inf
    assert float(psnr(a, b)[1]) < 60


def test_ssim_is_that_of_a_direct_loop() -> None:
    a, b = random(2, 3, 17, 14), random(2, 3, 17, 14, stream="others")
    b = (0.7 * a + 0.3 * b).to(torch.uint8)
    for n in range(2):
        expected = np.mean([slow_ssim(a[n, c].double().numpy(), b[n, c].double().numpy()) for c in range(3)])
        assert float(ssim(a, b)[n]) == pytest.approx(expected, abs=1e-12)


def test_ssim_is_that_of_scipys_gaussian_filter_on_photographs() -> None:
    pictures = photographs(64)
    blurred = [picture.filter(ImageFilter.GaussianBlur(1)) for picture in pictures]
    found = ssim(tensor(pictures), tensor(blurred))
    for n, (a, b) in enumerate(zip(tensor(pictures).double().numpy(), tensor(blurred).double().numpy(), strict=True)):
        blur = [gaussian_filter(x, 1.5, radius=5, axes=(1, 2))[:, 5:-5, 5:-5] for x in (a, b, a * a, b * b, a * b)]
        ma, mb, aa, bb, ab = blur
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        similarity = (2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2)
        similarity /= (ma**2 + mb**2 + c1) * (aa - ma**2 + bb - mb**2 + c2)
        assert float(found[n]) == pytest.approx(float(similarity.mean()), abs=1e-10)


def test_luma_runs_from_16_to_235_and_leaves_grey_alone() -> None:
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)
    found = paired.luma(colours[:, :, None, None]).flatten().tolist()
    assert found == pytest.approx([16, 235, 81.481, 144.553, 40.966])
    grey = random(2, 1, 4, 4)
    assert torch.equal(paired.luma(grey), grey.double())


def test_crop_leaves_the_borders_out() -> None:
    a, b = random(1, 3, 20, 18), random(1, 3, 20, 18, stream="others")
    inside = (..., slice(3, -3), slice(3, -3))
    assert torch.equal(psnr(a, b, 3), psnr(a[inside], b[inside]))
    assert torch.equal(ssim(a, b, 3), ssim(a[inside], b[inside]))
    with pytest.raises(ValueError, match="20 x 18 pixels without 4 at each side"):
        ssim(a, b, 4)
    with pytest.raises(ValueError, match="do not compare"):
        psnr(a, b[:, :1])


def test_pairs_are_the_mean_and_its_error_in_whatever_parts_they_come() -> None:
    a, b = random(9, 3, 16, 16), random(9, 3, 16, 16, stream="others")
    c = compare(Pairs, collect(Pairs, a, b, parts=3, crop=2))
    each = {
        paired.compute_psnr: psnr(a, b, 2),
        paired.compute_psnr_y: psnr(paired.luma(a), paired.luma(b), 2),
        paired.compute_ssim: ssim(a, b, 2),
        paired.compute_ssim_y: ssim(paired.luma(a), paired.luma(b), 2),
        paired.compute_l1: paired.l1(a, b, 2),
    }
    for compute, values in each.items():
        found = compute(c)
        assert found.value == pytest.approx(float(values.mean()), rel=1e-12)
        assert found.error == pytest.approx(float(values.std()) / 3, rel=1e-9)
        assert found.protocol["crop"] == 2


def test_the_absolute_error_of_a_constant_difference_has_its_closed_form() -> None:
    a = random(2, 3, 9, 7, high=200)
    assert paired.l1(a, a + 51).tolist() == pytest.approx([0.2, 0.2])


def test_every_picture_keeps_its_own_number_in_its_own_place() -> None:
    a, b = random(9, 3, 16, 16), random(9, 3, 16, 16, stream="others")
    found = paired.compute_l1(compare(Pairs, collect(Pairs, a, b, parts=4)))
    assert found.each is not None
    np.testing.assert_allclose(found.each, paired.l1(a, b))


def test_pairs_may_differ_in_size() -> None:
    collector = Pairs(Plan(count=2))
    sizes = [(20, 30), (16, 12)]
    each = []
    for start, (height, width) in enumerate(sizes):
        a, b = random(1, 3, height, width), random(1, 3, height, width, stream="others")
        collector.update(Block(start=start, pictures=a, truth=b))
        each.append(float(psnr(a, b)))
    assert paired.compute_psnr(compare(Pairs, collector)).value == pytest.approx(np.mean(each))


def test_the_way_back_is_compared_with_where_it_began() -> None:
    source, back = random(6, 3, 8, 8), random(6, 3, 8, 8, stream="others")
    parts = []
    for first in (0, 4):
        part = Returns(Plan(count=6))
        rows = slice(first, first + 4)
        part.update(Block(start=first, pictures=source[rows], source=source[rows], back=back[rows]))
        parts.append(part)
    parts[0].merge(Returns.from_arrays(parts[1].arrays()))
    found = cycle.compute(compare(Returns, parts[0]))
    assert found.value == pytest.approx(float(paired.l1(source, back).mean()))
    none = Returns(Plan(count=6))
    none.update(Block(start=0, pictures=source, source=source))
    with pytest.raises(NotApplicable, match="nothing leads back"):
        cycle.compute(compare(Returns, none))


def test_identical_pictures_count_for_the_cap_and_their_share_is_told() -> None:
    a = random(4, 1, 16, 16)
    b = a.clone()
    b[0] = 255 - b[0]
    found = paired.compute_psnr(compare(Pairs, collect(Pairs, a, b)))
    assert found.value == pytest.approx((3 * CAP + float(psnr(a[:1], b[:1]))) / 4)
    assert found.details["identical"] == 0.75
    assert found.note == "3 of 4 pictures are identical to the truth and count as 100 dB"
    assert paired.compute_ssim(compare(Pairs, collect(Pairs, a, a))).value == pytest.approx(1)


def test_without_pairs_or_with_tiny_ones_there_is_nothing_to_say() -> None:
    a = random(2, 1, 8, 8)
    with pytest.raises(NotApplicable, match="no true ones"):
        paired.compute_psnr(compare(Pairs, collect(Pairs, a)))
    assert paired.compute_psnr(compare(Pairs, collect(Pairs, a, a))).value == CAP
    with pytest.raises(NotApplicable, match="SSIM needs 11 pixels"):
        paired.compute_ssim(compare(Pairs, collect(Pairs, a, a)))


# --- sharpness --------------------------------------------------------------------------------------------------------


def test_laplacian_of_a_ramp_is_0_and_of_a_chessboard_is_64_times_its_variance() -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    ramp, board = 0.02 * rows.double() + 0.05 * columns.double(), ((rows + columns) % 2).double()
    ramp_found, board_found = laplacian_variance(torch.stack([ramp, board])).tolist()
    assert ramp_found == pytest.approx(0, abs=1e-28)
    # Each place differs by 1 from all four neighbours: the Laplacian is 4 or -4 in equal numbers.
    assert board_found == pytest.approx(16)


def test_white_noise_has_a_flat_spectrum_at_its_variance() -> None:
    generator = torch.Generator().manual_seed(derive(0, "noise"))
    noise = 0.5 + 0.1 * torch.randn(200, 64, 48, generator=generator, dtype=torch.float64)
    levels = log_spectrum(noise).mean(0)
    assert levels.shape == (24,)
    assert (levels[4:] - 10 * math.log10(0.01)).abs().max() < 0.3


def test_a_wave_peaks_at_its_frequency_and_the_brightness_does_not_show() -> None:
    wave = 0.5 + 0.3 * torch.cos(2 * math.pi * torch.arange(64.0, dtype=torch.float64) * 8 / 64)
    for picture in (wave.expand(64, 64), wave.expand(64, 64).T):
        levels = log_spectrum(picture[None])[0]
        assert int(levels.argmax()) == 7
        assert float(levels[20:].max()) == pytest.approx(10 * math.log10(FLOOR), abs=0.1)
        assert torch.allclose(log_spectrum(picture[None] + 0.1)[0], levels)


def test_blur_lowers_and_noise_raises_the_sharpness_of_photographs() -> None:
    real = photographs()
    blurred = [picture.filter(ImageFilter.GaussianBlur(1.5)) for picture in real]
    noisy = (tensor(real).int() + random(5, 3, 96, 96, high=41).int() - 20).clamp(0, 255).to(torch.uint8)
    collected = collect(Sharpness, tensor(real))
    found = {}
    for name, pictures in {"same": tensor(real), "blurred": tensor(blurred), "noisy": noisy}.items():
        c = compare(Sharpness, collect(Sharpness, pictures), collected)
        ratio, gap, spectrum = (
            f(c) for f in (sharpness.compute_laplacian, sharpness.compute_gap, sharpness.compute_spectrum)
        )
        assert gap.value == pytest.approx(abs(math.log(ratio.value)))
        assert ratio.error is not None
        assert gap.error == pytest.approx(ratio.error / ratio.value)
        found[name] = (ratio.value, spectrum.value)
    assert found["same"] == (1, 0)
    assert found["blurred"][0] < 0.2 < 1 < found["noisy"][0]
    assert min(found["blurred"][1], found["noisy"][1]) > 2


def test_sharpness_is_the_same_in_whatever_parts_it_is_collected() -> None:
    pictures = random(37, 3, 16, 24)
    whole, parts = collect(Sharpness, pictures), collect(Sharpness, pictures, parts=4)
    assert parts.spectrum() == pytest.approx(whole.spectrum(), rel=1e-12)
    assert parts.spectrum(without=3) == pytest.approx(whole.spectrum(without=3), rel=1e-12)
    assert parts.laplacian.mean == pytest.approx(whole.laplacian.mean, rel=1e-12)
    assert parts.laplacian.error == pytest.approx(whole.laplacian.error, rel=1e-9)


def test_the_errors_of_sharpness_are_the_spread_of_repeated_measurement() -> None:
    """Textures of varying strength: 60 draws of 50 pictures against one reference of 400."""
    generator = torch.Generator().manual_seed(derive(0, "textures"))

    def textures(count: int) -> Tensor:
        contrast = torch.rand(count, 1, 1, 1, generator=generator) * 40 + 10
        noise = torch.randn(count, 1, 16, 16, generator=generator)
        smooth = noise + 0.5 * noise.roll(1, 2)
        return (128 + contrast * smooth).clamp(0, 255).to(torch.uint8)

    real = collect(Sharpness, textures(400))
    mean = [sharpness.compute_laplacian(compare(Sharpness, collect(Sharpness, textures(50)), real)) for _ in range(60)]
    spread = float(np.std([value.value for value in mean]))
    predicted = float(np.median([value.error or 0 for value in mean]))
    # The error covers the reference as well, which does not change here: it may be somewhat larger than the spread.
    assert 0.8 * spread < predicted < 1.5 * spread
    spectra = [
        sharpness.compute_spectrum(compare(Sharpness, collect(Sharpness, textures(50)), real)) for _ in range(60)
    ]
    typical = float(np.median([value.value for value in spectra]))
    chance = float(np.median([value.details["chance"] for value in spectra]))
    # The same textures: as far from 0 as chance says.
    assert 0.5 * chance < typical < 1.5 * chance


def test_sharpness_says_when_it_cannot_be_told() -> None:
    flat, small, pictures = torch.full((2, 1, 16, 16), 9, dtype=torch.uint8), random(2, 1, 2, 2), random(2, 1, 16, 16)
    of_flat, of_pictures = collect(Sharpness, flat), collect(Sharpness, pictures)
    assert sharpness.compute_laplacian(compare(Sharpness, of_flat, of_pictures)).value == 0
    with pytest.raises(NotApplicable, match="flat"):
        sharpness.compute_gap(compare(Sharpness, of_flat, of_pictures))
    with pytest.raises(NotApplicable, match="flat"):
        sharpness.compute_laplacian(compare(Sharpness, of_pictures, of_flat))
    of_small = collect(Sharpness, small)
    with pytest.raises(NotApplicable, match="below 3"):
        sharpness.compute_laplacian(compare(Sharpness, of_small, of_pictures))
    with pytest.raises(NotApplicable, match="below 8"):
        sharpness.compute_spectrum(compare(Sharpness, of_small, of_small))
    with pytest.raises(NotApplicable, match="2 x 2 and 16 x 16"):
        sharpness.compute_spectrum(compare(Sharpness, of_small, of_pictures))


def test_a_tally_is_the_textbook_mean_and_error(tmp_path: Path) -> None:
    values = torch.randn(101, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1e-6 + 1
    tally = Tally(2, about=1)
    for part in values.split(10):
        tally.add(part)
    np.savez(tmp_path / "tally.npz", **tally.arrays())
    with np.load(tmp_path / "tally.npz", allow_pickle=False) as stored:
        again = Tally.from_arrays(stored)
    again.merge(Tally(2, about=1))
    assert again.mean == pytest.approx(values.mean(0).numpy(), rel=1e-14)
    assert again.error == pytest.approx(values.std(0).numpy() / math.sqrt(101), rel=1e-9)
    one = Tally()
    one.add(values[:1, 0])
    assert one.error is None
