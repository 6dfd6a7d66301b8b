"""The author's guide says what is true: its code is quoted, its commands run, and the reference is that of the code."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from ganzoo.registry import HOOKS

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/plugin-reference.md").read_text(encoding="utf-8")
WALK = re.compile(r"<!-- walk -->\n+```console\n(.*?)```\n+<!-- /walk -->", re.DOTALL)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/plugin_docs.py."""
    spec = importlib.util.spec_from_file_location("plugin_docs", ROOT / "tools/plugin_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_that_of_the_code(tool: ModuleType) -> None:
    assert tool.page() == REFERENCE, "run: python tools/plugin_docs.py --write"


def test_every_hook_is_in_the_reference_with_its_arguments() -> None:
    for hook in HOOKS:
        assert f"### `{hook}(" in REFERENCE, hook


def test_every_block_of_python_in_the_guide_is_quoted_from_a_file(tool: ModuleType) -> None:
    assert tool.filled(GUIDE) == GUIDE, "run: python tools/plugin_docs.py --write"
    assert GUIDE.count("```python") == len(tool.QUOTED.findall(GUIDE)) > 5


def test_a_quotation_that_is_not_there_is_an_error(tool: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"ganzoo/model\.py has no Model\.okapi"):
        tool.quotation("ganzoo/model.py", "Phase, Model.okapi")


def test_the_links_of_both_pages_lead_somewhere() -> None:
    for page in (GUIDE, REFERENCE):
        for target in re.findall(r"\]\(([^)#]+)\)", page):
            assert (ROOT / "docs" / target).exists(), target


def environment(folder: Path) -> dict[str, str]:
    """A virtual environment of its own above that of the tests, so that what is installed goes when the folder goes."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "tests.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for name, module in (("pip", "pip"), ("ganzoo", "ganzoo"), ("pytest", "pytest")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m {module} "$@"\n')
        script.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PIP_NO_BUILD_ISOLATION": "0",  # what builds is there already, and the network may not be
        "PIP_NO_DEPS": "1",
        "PIP_QUIET": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.long
def test_whoever_follows_the_guide_has_an_architecture_of_their_own(tmp_path: Path) -> None:
    """Every command of the guide, literally and in order, in an empty folder."""
    commands = [
        line.removeprefix("$ ") for block in WALK.findall(GUIDE) for line in block.splitlines() if line.startswith("$ ")
    ]
    assert len(commands) >= 10
    place = tmp_path / "empty"
    place.mkdir()
    told = ["set -e", *(f"echo '{command}' >&2\n{command}" for command in commands), "ganzoo list okapi --json"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(told)],
        cwd=place,
        env=environment(tmp_path / "environment"),
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"name": "okapi"' in done.stdout
    assert "checks passed" in done.stdout
    folder = place / "ganzoo-okapi"
    assert (folder / "runs/okapi-fashion-1/model.safetensors").is_file()
    assert (folder / "runs/okapi-fashion-1/evaluation/report.html").is_file()
    assert (folder / "runs/okapi-fashion-2/summary.json").is_file()
