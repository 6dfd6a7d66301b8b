"""What is published: the wheel and the source distribution hold what they should, and work where they land."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCE_ROOTS = ("plugins", "evaluation")


def build(source: Path, out: Path, *kinds: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *kinds, str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the working tree."""
    out = tmp_path_factory.mktemp("wheel")
    build(ROOT, out, "--wheel")
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    out = tmp_path_factory.mktemp("sdist")
    build(ROOT, out, "--sdist")
    (path,) = out.glob("*.tar.gz")
    return path


def contents(wheel: Path) -> Mapping[str, str]:
    """Every file of a wheel with the hash of what is in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def source_packages() -> set[str]:
    """The packages that stand in the source roots: what the wheel has at its top, beside ganzoo itself."""
    folders = (folder for root in SOURCE_ROOTS if (ROOT / root).is_dir() for folder in (ROOT / root).iterdir())
    return {folder.name for folder in folders if (folder / "__init__.py").is_file()}


def test_the_top_of_the_wheel_is_ganzoo_and_the_packages_of_the_source_roots(wheel: Path) -> None:
    tops = {PurePosixPath(name).parts[0] for name in contents(wheel)}
    assert tops == {"ganzoo", f"ganzoo-{PROJECT['version']}.dist-info", *source_packages()}
    assert {"ganzoo_dcgan", "ganzoo_data"} <= tops


def test_the_wheel_has_recipes_types_and_data_with_their_licences(wheel: Path) -> None:
    names = set(contents(wheel))
    assert {"ganzoo/zoo.yaml", "ganzoo/py.typed"} <= names
    sources = ("plugins/ganzoo_data", "plugins/ganzoo_attributes", "evaluation/ganzoo_evaluation")
    folders = [f"{source}/files" for source in sources]
    files = {f"{folder}/{name}" for folder in folders for name in os.listdir(ROOT / folder)}
    assert {name.partition("/")[2] for name in files} <= names
    licences = {name.partition(".dist-info/licenses/")[2] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", *(name for name in files if Path(name).name.startswith(("LICENSE-", "CREDITS-")))}


def test_the_wheel_has_every_module_and_no_litter(wheel: Path) -> None:
    names = set(contents(wheel))
    for root in ("ganzoo", *SOURCE_ROOTS):
        for path in (ROOT / root).rglob("*.py"):
            assert path.relative_to(ROOT / root if root in SOURCE_ROOTS else ROOT).as_posix() in names
    assert [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".tmp"))] == []


def test_the_wheel_has_every_file_that_a_new_plugin_is_written_from(wheel: Path) -> None:
    names = set(contents(wheel))
    files = [path for path in (ROOT / "ganzoo/scaffold/package").iterdir() if path.is_file()]
    assert {f"ganzoo/scaffold/package/{path.name}" for path in files} <= names
    assert {"project.toml", "gitignore", "LICENSE", "test.yml"} <= {path.name for path in files}


def test_the_zoo_yaml_of_the_wheel_is_that_of_the_tree(wheel: Path) -> None:
    assert contents(wheel)["ganzoo/zoo.yaml"] == hashlib.sha256((ROOT / "zoo.yaml").read_bytes()).hexdigest()


def test_the_wheel_says_what_pyproject_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        information = f"ganzoo-{PROJECT['version']}.dist-info"
        points = archive.read(f"{information}/entry_points.txt").decode()
        metadata = archive.read(f"{information}/METADATA").decode()
    for name, value in {**PROJECT["entry-points"]["ganzoo"], **PROJECT["scripts"]}.items():
        assert f"{name} = {value}\n" in points
    for line in ("License-Expression: MIT", "Requires-Python: >=3.11", "Provides-Extra: test"):
        assert line in metadata


def test_the_source_distribution_has_what_a_packager_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "zoo.yaml", "tests/conftest.py", ".ci/run", "ganzoo/cards.py"}
    assert wanted <= names
    assert [name for name in names if name.startswith((".git/", "runs/", ".ci/venv")) or "__pycache__" in name] == []


def test_the_wheel_of_the_source_distribution_is_the_wheel_of_the_tree(
    wheel: Path, sdist: Path, tmp_path: Path
) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (tree,) = (tmp_path / "unpacked").iterdir()
    build(tree, tmp_path / "out", "--wheel")
    (again,) = (tmp_path / "out").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_an_installed_wheel_lists_the_zoo_and_opens_its_data_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    program = """
        import importlib.metadata, json, pathlib, sys
        import ganzoo, ganzoo_dcgan
        from ganzoo import recipes
        from ganzoo.cards import resolve
        from ganzoo.data.base import DataRequest

        registry = ganzoo.get_registry()
        data = resolve(registry.datasets["fashion"].load)(DataRequest(fields=("image",)))
        distribution = importlib.metadata.distribution("ganzoo").locate_file("ganzoo")
        print(json.dumps({
            "files": [ganzoo.__file__, ganzoo_dcgan.__file__, str(recipes.packaged_file()), str(distribution)],
            "architectures": list(registry.architectures),
            "recipes": sorted(recipes.packaged()),
            "problems": registry.problems(),
            "pictures": len(data),
        }))
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(Path(path).is_relative_to(site) for path in found["files"]), "another copy was imported"
    assert found["problems"] == []
    assert found["architectures"] == sorted(found["architectures"]) != []
    assert "dcgan.fashion" in found["recipes"]
    assert found["pictures"] == 5000

    script = site / "bin" / "ganzoo"
    listed = subprocess.run(
        [sys.executable, str(script), "list", "--json"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [row["name"] for row in json.loads(listed.stdout)] == found["architectures"]


def test_every_plugin_in_the_tree_is_an_entry_point() -> None:
    declared = set(PROJECT["entry-points"]["ganzoo"].values())
    assert {name for name in source_packages() if name.startswith("ganzoo_")} <= declared
