"""The README tells the truth: its commands are those that are run, its table is what the plugins say."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from ganzoo.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_RUN = "python -m pip install -e . && ganzoo train dcgan"
TESTS = "python -m pip install -e '.[test]' && pytest -n auto --dist loadfile"


def fenced(text: str) -> list[str]:
    """The lines inside the bash fences."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("command", [FIRST_RUN, TESTS])
def test_a_command_that_a_newcomer_copies_stands_there_once_as_a_line_of_its_own(command: str) -> None:
    assert README.splitlines().count(command) == 1
    assert fenced(README).count(command) == 1


# --- .ci/run ----------------------------------------------------------------------------------------------------------


def print_command(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(root / ".ci/run"), "--print-command"], cwd="/", capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with `.ci/run` in it, and room for another README."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    return tmp_path


def test_ci_runs_the_command_of_the_readme() -> None:
    done = print_command(ROOT)
    assert (done.returncode, done.stdout) == (0, f"{TESTS}\n")


def test_ci_takes_the_command_from_the_readme_and_repeats_it_nowhere(copy: Path) -> None:
    other = "pip install '.[test]' && other-tests"
    (copy / "README.md").write_text(f"Text with .[test] in it.\n\n```bash\nls\n{other}\n```\n\n```text\n.[test]\n```\n")
    assert print_command(copy).stdout == f"{other}\n"
    assert "pytest" not in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("readme", ["# ganzoo\n", f"```bash\n{TESTS}\n{TESTS}\n```\n"])
def test_ci_fails_when_the_readme_does_not_say_how(copy: Path, readme: str) -> None:
    (copy / "README.md").write_text(readme)
    done = print_command(copy)
    assert (done.returncode, done.stdout) == (1, "")
    assert "exactly one line" in done.stderr


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)


# --- tables and commands ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """tools/readme_table.py."""
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "tools/readme_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_architectures_is_what_the_plugins_say(generator: ModuleType) -> None:
    _, inside, _ = generator.between_markers(README)
    assert inside.strip() == generator.table().strip(), "run: python tools/readme_table.py --write"


def test_the_table_has_a_row_for_every_architecture(generator: ModuleType) -> None:
    from ganzoo.registry import get_registry

    rows = generator.table().splitlines()[2:]
    assert sorted(line.split("`")[1] for line in rows) == list(get_registry().architectures)
    dcgan = next(line for line in rows if "`dcgan`" in line)
    assert "[arXiv:1511.06434](https://arxiv.org/abs/1511.06434) (2016)" in dcgan
    assert dcgan.count(" | ") == len(generator.HEADINGS) - 1


@pytest.mark.parametrize(
    "text", ["nothing", "<!-- architectures -->\n", "<!-- /architectures -->\n<!-- architectures -->\n"]
)
def test_a_readme_without_its_markers_is_refused(generator: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="needs one line <!-- architectures -->"):
        generator.between_markers(text)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_mentioned(command: str) -> None:
    assert re.search(rf"\bganzoo {command}\b", README)
