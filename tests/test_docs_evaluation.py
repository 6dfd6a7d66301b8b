"""docs/evaluation.md tells the truth: its tables are what the plugins say, its commands parse, its plugin works."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
import torch
from conftest import Answer
from PIL import Image
from scipy.linalg import sqrtm
from torch.nn.functional import avg_pool2d

from ganzoo.cli import zoo
from ganzoo.registry import Registry
from ganzoo_data import embedded
from ganzoo_evaluation.asking import How, wanted_metrics
from ganzoo_evaluation.base import Block, Plan
from ganzoo_evaluation.networks import card_of
from ganzoo_evaluation.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/evaluation.md")}
PAGE = PAGES["docs/evaluation.md"]
DESIGN = (ROOT / "docs/design.md").read_text(encoding="utf-8")
COUNT = 150


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """tools/metrics_table.py."""
    spec = importlib.util.spec_from_file_location("metrics_table", ROOT / "tools/metrics_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_tables_are_what_the_plugins_say(tables: ModuleType) -> None:
    assert tables.filled(PAGE) == PAGE, "run: python tools/metrics_table.py --write"


def test_every_metric_is_there_with_what_it_is_blind_to(tables: ModuleType, registry: Registry) -> None:
    ours = {name for name in registry.metrics if registry.metrics.plugin(name).name == "evaluation"}
    assert set(tables.BLIND) == ours
    rows = tables.metrics().splitlines()[2:]
    assert {row.split("`")[1] for row in rows} == ours
    assert all(row.count(" | ") == 5 for row in rows)


@pytest.mark.parametrize("text", ["nothing", "<!-- metrics -->\n", "<!-- /metrics -->\n<!-- metrics -->\n"])
def test_a_page_without_its_markers_is_refused(tables: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="needs one line <!-- metrics -->"):
        tables.filled(text)


def test_every_module_of_the_evaluation_has_its_place_in_the_design() -> None:
    modules = {path.stem for path in (ROOT / "evaluation/ganzoo_evaluation").glob("*.py")} - {"__init__"}
    section = DESIGN.partition("## An evaluation")[2]
    told = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if "|" in line)))
    assert modules == told - {"ganzoo_evaluation"}  # which stands in the heading


# --- commands and links -----------------------------------------------------------------------------------------------


def commands() -> list[str]:
    """Every line of the console fences that begins with `$ ganzoo`."""
    blocks = [block for page in PAGES.values() for block in re.findall(r"^```console\n(.*?)^```", page, re.M | re.S)]
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ganzoo")]


def parsed(words: Sequence[str]) -> click.Context:
    """The context of the innermost command, its options parsed; nothing runs.

    Raises:
        click.UsageError: for an option that is not there or has a wrong value.
    """
    context = click.Context(zoo, info_name="ganzoo")
    command: click.Command = zoo
    rest = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, rest[0]
        command, rest = found, rest[1:]
    return command.make_context(words[0], rest, parent=context)


@pytest.mark.parametrize("line", dict.fromkeys(commands()))
def test_a_command_of_the_documentation_is_one(line: str, registry: Registry) -> None:
    words = shlex.split(line, comments=True)[1:]
    given = parsed(words).params
    if words[0] == "train" and given["name"]:
        own = {shlex.split(line)[3] for line in commands() if line.startswith("ganzoo plugin new ")}
        assert given["name"].partition(".")[0] in {*registry.architectures, *own}
    if words[0] == "eval":
        if given["metrics"] and "brightness" not in given["metrics"]:
            wanted_metrics(registry, None, How(metrics=tuple(given["metrics"].split(","))), set())
        assert given["preset"] is None or given["preset"] in PRESETS
        assert given["features"] == "auto" or card_of(registry, given["features"])
        assert given["compare"] in (None, "cgan-fashion-1", *registry.architectures)


def test_every_option_of_eval_that_the_page_names_is_there() -> None:
    options = {name for parameter in parsed(["eval"]).command.params for name in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= options | {"--best", "--set"}  # of other commands


def test_links_between_the_pages_lead_somewhere() -> None:
    for name in (*PAGES, "docs/design.md", "docs/gallery.md"):
        folder = (ROOT / name).parent
        for target in re.findall(r"\]\(([^)#:]+\.md)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert (folder / target).is_file(), f"{name}: {target}"


def test_the_readme_has_the_figures_of_the_page() -> None:
    """They are measured once, and stand in two places."""
    section = PAGES["README.md"].partition("## How good is it?")[2].partition("\n## ")[0]
    text = " ".join(section.split())
    figures = re.findall(r"\d+\.\d+ ± \d+\.\d+", text)
    assert figures
    for figure in figures:
        assert figure in PAGE


# --- the plugin -------------------------------------------------------------------------------------------------------


def fence(path: str) -> str:
    """What the page says is in that file."""
    found = re.search(rf"^`{re.escape(path)}`:\n\n```\w+\n(.*?)^```", PAGE, re.M | re.S)
    assert found is not None, path
    return found[1]


@pytest.fixture
def plugin(install: Callable[..., Path]) -> Path:
    """The package of the page, installed; its folder."""
    module = install("ganzoo-brightness", fence("ganzoo_brightness/__init__.py"))
    folder = module.with_suffix("")
    folder.mkdir()
    module.rename(folder / "__init__.py")
    (folder / "measure.py").write_text(fence("ganzoo_brightness/measure.py"))
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, np.ndarray]]:
    """Two folders of clothes, `darker` of them at half their brightness, and their pixels (n, 28, 28) in [0, 1]."""
    real = embedded.fashion("test")[0].reshape(-1, 28, 28)
    pixels = {"darker": real[:COUNT] // 2, "real": real[COUNT : 2 * COUNT]}
    folders = {}
    for name, pictures in pixels.items():
        folders[name] = tmp_path_factory.mktemp(name)
        for index, picture in enumerate(pictures):
            Image.fromarray(picture).save(folders[name] / f"{index:04}.png")
    return folders, {name: pictures / 255 for name, pictures in pixels.items()}


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """By the formula: |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)) of features (n, d) and (m, d)."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(sqrtm(a @ b))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root))


def pixels8(pictures: np.ndarray) -> np.ndarray:
    """Means over 8 x 8 parts of pictures (n, 28, 28), (n, 64): part i from floor(3.5 i) to ceil(3.5 (i + 1))."""
    borders = [(28 * i // 8, -(-28 * (i + 1) // 8)) for i in range(8)]
    means = [pictures[:, top:bottom, left:right].mean((1, 2)) for top, bottom in borders for left, right in borders]
    return np.stack(means, axis=1)


def test_the_plugin_of_the_page_measures(
    plugin: Path,
    process: Callable[..., Answer],
    sets: tuple[dict[str, Path], dict[str, np.ndarray]],
) -> None:
    """Both stand in the table beside the built-in ones, with the values that one would compute by hand."""
    folders, pixels = sets
    words = ["eval", str(folders["darker"]), "--real", str(folders["real"]), "--metrics", "brightness,fd[pixels8]"]
    answer = process(*words, "--json", "--no-controls")
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out)["rows"]
    found: dict[str, Any] = {estimate["name"]: estimate for estimate in row["estimates"]}
    assert set(found) == {f"brightness@{COUNT}", f"fd[pixels8]@{COUNT}"}

    fake, real = (pixels[name].mean((1, 2)) for name in ("darker", "real"))
    brightness = found[f"brightness@{COUNT}"]
    assert brightness["value"] == pytest.approx(abs(fake.mean() - real.mean()), rel=1e-9)
    assert brightness["error"] == pytest.approx(fake.std(ddof=1) / np.sqrt(COUNT), rel=1e-9)

    distance = found[f"fd[pixels8]@{COUNT}"]
    assert distance["value"] == pytest.approx(frechet(pixels8(pixels["darker"]), pixels8(pixels["real"])), rel=1e-4)
    assert distance["passport"]["network_identity"]["resize"] == "area"


def test_the_collector_of_the_page_can_be_shared_out_and_kept(plugin: Path) -> None:
    collector = importlib.import_module("ganzoo_brightness.measure").Brightness
    try:
        pictures = torch.from_numpy(embedded.fashion("test")[0][:100].reshape(100, 1, 28, 28).copy())
        halves = [collector(Plan(count=100)) for _ in range(2)]
        halves[0].update(Block(start=0, pictures=pictures[:64]))
        halves[1].update(Block(start=64, pictures=pictures[64:]))
        again = collector.from_arrays(halves[0].arrays())
        again.merge(halves[1])
        np.testing.assert_allclose(again.levels, avg_pool2d(pictures.double(), 28).flatten() / 255, rtol=1e-12)
    finally:
        sys.modules.pop("ganzoo_brightness.measure", None)


def test_the_package_of_the_page_names_its_module() -> None:
    project = tomllib.loads(fence("pyproject.toml"))["project"]
    assert project["entry-points"]["ganzoo"] == {"brightness": "ganzoo_brightness"}
