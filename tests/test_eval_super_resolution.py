"""`ganzoo eval` of super-resolution: on held-out patches, and on the whole pictures of another set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Answer, TinyRuns
from PIL import Image
from toys_pictures import SCALE, Enlarge

from ganzoo.cards import resolve
from ganzoo.data.base import DataRequest
from ganzoo.data.degrade import bicubic, reduced
from ganzoo.registry import Registry, get_registry
from ganzoo_evaluation import given
from ganzoo_evaluation.base import Block

Call = Callable[..., Answer]
Report = dict[str, Any]
SIDE = 32
COUNT = 40
SETS = ("fd", "kid", "precision", "sharpness", "spectrum")


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_pictures`, in which `toy-enlarge` repeats every pixel."""
    install("ganzoo-toy-pictures", "from toys_pictures import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture
def run(zoo: Registry, tiny_run: TinyRuns, cwd: Path) -> Path:
    """A finished run of `toy-enlarge` on the embedded patches, runs/toy."""
    (cwd / "runs").mkdir()
    settings = {"size": SIDE, "eval_every": 0, "steps": 2}
    tiny = tiny_run("toy-enlarge", data="emoji-photos:photos", folder=cwd / "runs/toy", registry=zoo, **settings)
    tiny.trainer.run()
    return tiny.run.folder


def estimates(here: Call, *words: str) -> tuple[Report, dict[str, Report]]:
    """What `ganzoo eval --json` says, and its estimates by row and metric."""
    answer = here("eval", *words, "--json")
    assert answer.code == 0, answer.err
    document: Report = json.loads(answer.out)
    rows = {row["name"]: {found["metric"]: found for found in row["estimates"]} for row in document["rows"]}
    return document, rows


def luma(picture: np.ndarray) -> np.ndarray:
    """Y of MATLAB's rgb2ycbcr, of a picture (3, H, W)."""
    red, green, blue = picture.astype(float)
    return np.asarray(16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255)


def psnr_y(made: np.ndarray, truth: np.ndarray) -> float:
    """As papers give it: of Y, without as many pixels at each border as the scale."""
    inside = (slice(SCALE, -SCALE), slice(SCALE, -SCALE))
    error = np.square(luma(made)[inside] - luma(truth)[inside]).mean()
    return float(10 * np.log10(255**2 / error)) if error else 100.0


def repeated(picture: np.ndarray) -> np.ndarray:
    return picture.repeat(SCALE, axis=1).repeat(SCALE, axis=2)


def enlarged(picture: np.ndarray) -> np.ndarray:
    return bicubic(picture, picture.shape[1] * SCALE, picture.shape[2] * SCALE)


def test_all_held_out_patches_are_enlarged_and_beside_them_are_those_that_need_no_model(
    run: Path, zoo: Registry, here: Call
) -> None:
    document, rows = estimates(here, "--metrics", "psnr_y,ssim_y")
    request = DataRequest(fields=("low", "high"), split="test", subset="photos", size=SIDE, scale=SCALE)
    data = resolve(zoo.datasets["emoji-photos"].load)(request)
    columns = data.read(range(len(data)))
    for row, make in {"toy": repeated, "nearest": repeated, "bicubic": enlarged}.items():
        each = [psnr_y(make(low), high) for low, high in zip(columns["low"], columns["high"], strict=True)]
        found = rows[row]["psnr_y"]
        assert found["value"] == pytest.approx(np.mean(each), rel=1e-6), row
        assert found["error"] == pytest.approx(np.std(each, ddof=1) / len(each) ** 0.5, rel=1e-6), row
        assert found["passport"]["protocol"]["crop"] == SCALE
        assert found["passport"]["protocol"]["scale"] == SCALE
    assert list(rows) == ["toy", "toy (after warmup)", "real, held out", "bicubic", "nearest"]
    assert document["rows"][0]["count"] == len(data)
    assert rows["real, held out"]["psnr_y"]["value"] is None
    assert f"asked for is high, {SCALE} times as large" in document["reference"]


def test_a_distance_of_sets_tells_the_controls_from_real_pictures(run: Path, here: Call) -> None:
    document, rows = estimates(here, "--metrics", "kid,spectrum", "-n", "100")
    assert rows["nearest"]["kid"]["value"] == pytest.approx(rows["toy"]["kid"]["value"], rel=1e-9)
    assert rows["real, held out"]["kid"]["value"] < rows["bicubic"]["kid"]["value"]
    assert not document["blind"]


def whole_pictures(folder: Path) -> dict[str, np.ndarray]:
    """Smooth pictures of sizes that the scale does not divide, written as PNG; (3, H, W) each."""
    folder.mkdir()
    rng, found = np.random.default_rng(0), {}
    for name, (height, width) in {"a": (51, 70), "b": (64, 45), "c": (40, 40)}.items():
        picture = bicubic(rng.integers(0, 256, (3, 9, 9), dtype=np.uint8), height, width)
        Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{name}.png")
        found[name] = picture
    return found


def test_another_set_is_measured_picture_by_picture_whole(run: Path, here: Call, cwd: Path) -> None:
    pictures = whole_pictures(cwd / "benchmark")
    document, rows = estimates(here, "--real", "benchmark", "--metrics", "psnr_y,perceptual_squeeze")
    each: dict[str, list[float]] = {"toy": [], "bicubic": []}
    for picture in pictures.values():
        height, width = (extent // SCALE * SCALE for extent in picture.shape[1:])
        high = picture[:, :height, :width]
        low = reduced(high, SCALE)
        each["toy"].append(psnr_y(repeated(low), high))
        each["bicubic"].append(psnr_y(enlarged(low), high))
    for row, values in each.items():
        assert rows[row]["psnr_y"]["value"] == pytest.approx(np.mean(values), rel=1e-6)
    assert list(rows) == ["toy", "toy (after warmup)", "bicubic", "nearest"], "there is no set to be like"
    assert rows["nearest"]["psnr_y"]["value"] == rows["toy"]["psnr_y"]["value"]
    assert rows["toy"]["perceptual_squeeze"]["value"] > rows["bicubic"]["perceptual_squeeze"]["value"] > 0
    assert document["reference"].startswith("3 pictures of benchmark")
    page = (run / "evaluation/report.html").read_text()
    assert "All of them" in page
    assert (
        "in each group from the left: given, each pixel repeated; bicubic; toy; toy (after warmup); the truth" in page
    )


def test_pictures_smaller_than_a_patch_are_left_out_and_named(run: Path, here: Call, cwd: Path) -> None:
    whole_pictures(cwd / "benchmark")
    Image.new("RGB", (SIDE - 1, 60)).save(cwd / "benchmark/narrow.png")
    document, _ = estimates(here, "--real", "benchmark", "--metrics", "psnr_y", "--no-controls")
    assert document["rows"][0]["count"] == 3
    assert any("narrow.png" in remark for remark in document["remarks"])


def test_of_whole_pictures_a_distance_of_sets_is_left_out_with_the_reason(run: Path, here: Call, cwd: Path) -> None:
    whole_pictures(cwd / "benchmark")
    document, rows = estimates(here, "--real", "benchmark", "--no-controls")
    assert not set(SETS) & set(rows["toy"])
    assert {"psnr_y", "ssim_y", "perceptual", "perceptual_squeeze", "parameters"} <= set(rows["toy"])
    reason = "the 3 pictures of benchmark are measured one by one: too few, and of too many sizes, for"
    assert [one for one in document["remarks"] if one.startswith(reason)] == [
        f"{reason} fd, kid, precision, sharpness and spectrum"
    ]
    answer = here("eval", "--real", "benchmark", "--metrics", "fd,psnr_y")
    assert (answer.code, answer.err) == (2, f"ganzoo: --metrics fd: {reason} a distance of sets\n")


def test_grey_pictures_are_no_benchmark_of_a_model_for_coloured_ones(run: Path, here: Call, cwd: Path) -> None:
    (cwd / "grey").mkdir()
    Image.new("L", (64, 64), 7).save(cwd / "grey/one.png")
    answer = here("eval", "--real", "grey")
    assert answer.code == 2
    assert answer.err == "ganzoo: --real grey is grey, and toy was trained on pictures that are in colour\n"


def test_a_set_for_something_else_is_refused(run: Path, here: Call) -> None:
    answer = here("eval", "--real", "emoji-flat")
    assert answer.code == 2
    assert "--real emoji-flat has no low and no high, which toy-enlarge is measured by" in answer.err


def test_a_picture_of_another_size_is_enlarged_as_generate_does_it(run: Path, zoo: Registry) -> None:
    from ganzoo.runs import load_model

    model = load_model(run, zoo)
    assert isinstance(model, Enlarge)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 13), dtype=np.uint8)
    direction = zoo.tasks["super-resolution"].direction()
    made = given.Answers(model, direction)(Block(start=0, pictures=torch.from_numpy(pixels)))
    assert np.array_equal(made.numpy(), pixels.repeat(SCALE, 2).repeat(SCALE, 3))
