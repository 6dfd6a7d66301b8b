"""The packages in examples/, from their wheels: they are listed, train, are measured, and leave nothing behind."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import Answer

from ganzoo.testing.package import as_installed, read_package

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
MODULES = [path.name.replace("-", "_") for path in EXAMPLES]
Call = Callable[..., Answer]

BUILD = """
import os, sys
from hatchling.build import build_wheel
for folder in sys.argv[2:]:
    os.chdir(folder)
    build_wheel(sys.argv[1])
"""
TINY = [
    word
    for value in ("width=4", "latent=4", "batch=4", "critic_steps=1", "size=28", "samples=4", "steps=2")
    for word in ("--set", value)
]


def wheels(out: Path, folders: Sequence[Path]) -> list[Path]:
    """The wheels of these folders, made by their build backend in this environment."""
    out.mkdir()
    command = [sys.executable, "-c", BUILD, str(out), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sorted(out.glob("*.whl"))


def put(site: Path, built: Sequence[Path]) -> None:
    """Install wheels into a folder as pip does, without what they need."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target"]
    subprocess.run([*pip, str(site), *map(str, built)], check=True, capture_output=True)


def take_away(site: Path, distribution: str) -> None:
    """Delete what the distribution's RECORD lists, which is what `pip uninstall` does (it knows no --target)."""
    (found,) = importlib.metadata.distributions(name=distribution, path=[str(site)])
    folders = set()
    for file in found.files or []:
        path = Path(str(found.locate_file(file)))
        path.unlink()
        for cached in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            cached.unlink()
        folders |= {path.parent, *path.parent.parents}
    below = [folder for folder in folders if site in folder.parents]
    for folder in sorted({*below, *site.rglob("__pycache__")}, key=lambda folder: -len(folder.parts)):
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def passed(answer: Answer) -> str:
    assert answer.code == 0, answer.err
    assert "Traceback" not in answer.err
    return answer.out


def walk(call: Call, site: Path, compare: bool) -> None:
    """What a person does with the three packages, from installing to uninstalling; `compare` with a VAE too, which
    takes most of the time."""
    listed = {row["name"]: row["plugin"] for row in json.loads(passed(call("list", "--json")))}
    assert listed["wgan-gp"] == {"distribution": "ganzoo-wgan-gp", "version": "1.0"}
    found = {row["distribution"]: row for row in json.loads(passed(call("plugins", "--json")))}
    assert found["ganzoo-wgan-gp"]["adds"] == {"architecture": ["wgan-gp"]}
    assert found["ganzoo-rings"]["adds"] == {"data set": ["rings"]}
    assert found["ganzoo-palette"]["adds"] == {"metric": ["palette"]}
    assert not any(found[path.name]["errors"] for path in EXAMPLES)

    passed(call("train", "wgan-gp", "--data", "rings", *TINY))
    passed(call("generate", "-n", "4", "--out", "pictures.png"))
    assert Path("pictures.png").stat().st_size > 0
    measured = ("--metrics", "palette", "-n", "20", "--no-controls", "--json")
    (row,) = json.loads(passed(call("eval", *measured)))["rows"]
    assert 0 <= row["estimates"][0]["value"] <= 1
    if compare:
        passed(call("eval", "wgan-gp-rings-1", "--compare", "vae", *measured))
        rows = json.loads(Path("runs/wgan-gp-rings-1/evaluation/report.json").read_text())["rows"]
        assert {"wgan-gp-rings-1", "vae-rings-1"} <= {row["name"] for row in rows}

    take_away(site, "ganzoo-rings")
    passed(call("generate", "-n", "4", "--out", "more.png"))
    for words in (("eval", "wgan-gp-rings-1"), ("train", "--resume", "runs/wgan-gp-rings-1")):
        answer = call(*words)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert "ganzoo-rings 1.0, which is not installed; try: pip install ganzoo-rings" in answer.err

    take_away(site, "ganzoo-wgan-gp")
    assert [path for path in site.rglob("*") if "wgan" in path.name] == []
    assert "wgan-gp" not in {row["name"] for row in json.loads(passed(call("list", "--json")))}
    assert "pip install ganzoo-wgan-gp" in passed(call("runs"))
    for words in (("generate", "wgan-gp-rings-1"), ("train", "--resume", "runs/wgan-gp-rings-1")):
        answer = call(*words)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert "ganzoo-wgan-gp 1.0, which is not installed; try: pip install ganzoo-wgan-gp" in answer.err


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test has imported of the examples is imported anew by the next."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]


def test_the_wheels_are_listed_train_are_measured_and_leave(
    tmp_path: Path, anew: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the ganzoo of this environment, in this process; the long test below has neither."""
    site = tmp_path / "site"
    put(site, wheels(tmp_path / "wheels", EXAMPLES))
    monkeypatch.syspath_prepend(str(site))
    walk(anew, site, compare=False)


@pytest.mark.long
def test_they_work_beside_the_wheel_of_ganzoo_in_processes_of_their_own(tmp_path: Path, cwd: Path) -> None:
    site = tmp_path / "site"
    put(site, wheels(tmp_path / "wheels", [ROOT, *EXAMPLES]))

    def call(*words: str) -> Answer:
        done = subprocess.run(
            [sys.executable, str(site / "bin" / "ganzoo"), *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            text=True,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    found = json.loads(passed(call("plugins", "--json")))
    assert {row["distribution"] for row in found} == {"ganzoo", *(path.name for path in EXAMPLES)}
    walk(call, site, compare=True)


# --- what stands in the folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_a_package_has_what_a_published_one_has(example: Path) -> None:
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    module = example.name.replace("-", "_")
    assert project["name"] == example.name
    assert project["entry-points"]["ganzoo"] == {example.name.removeprefix("ganzoo-"): module}
    assert any(needed.startswith("ganzoo") for needed in project["dependencies"])
    assert (example / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert f"pip install {example.name}" in (example / "README.md").read_text()
    assert list((example / "tests").glob("test_*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_tests_of_a_package_pass(example: Path) -> None:
    """Its own, and ganzoo's checks among them, as its author runs them."""
    with as_installed(read_package(example)):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
        done = subprocess.run(command, cwd=example, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "passed" in done.stdout


@pytest.mark.parametrize("name", ["ganzoo_rings", "ganzoo_palette"])
def test_a_data_set_and_a_metric_are_short(name: str) -> None:
    (folder,) = (ROOT / "examples").glob(f"*/{name}")
    lines = [line for path in folder.glob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < 60


def test_the_core_names_none_of_them() -> None:
    files = [path for folder in ("ganzoo", "evaluation") for path in (ROOT / folder).rglob("*.py")]
    names = ("wgan-gp", "wgan_gp", "ganzoo_rings", "ganzoo-rings", "ganzoo_palette", "ganzoo-palette")
    assert [f"{path}: {name}" for path in files for name in names if name in path.read_text(encoding="utf-8")] == []
