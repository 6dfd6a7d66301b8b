"""`ganzoo plugin check`, as an author types it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Answer

MIXTURE = Path(__file__).parent / "mixture"
Zoo = Callable[..., Answer]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that is being written: a task of its own with an architecture, a data set and metrics."""
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(MIXTURE, tmp_path / "ganzoo-mixture", ignore=ignore))


def change(package: Path, file: str, old: str, new: str) -> None:
    path = package / "ganzoo_mixture" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_package_of_ones_own_is_checked_where_it_lies(package: Path, process: Zoo) -> None:
    """All of it, with a task that the core has never heard of."""
    answer = process("plugin", "check", str(package))
    assert (answer.code, answer.err) == (0, "")
    assert "architecture mixture-gan\n" in answer.out
    assert "  ok     two processes end with equal weights\n" in answer.out
    assert "  ok     a short training makes it better  (wasserstein@256" in answer.out
    assert answer.out.splitlines()[-1].startswith("35 of 35 checks passed in ")


def test_what_fails_is_said_with_what_to_change_and_the_exit_code_is_1(package: Path, process: Zoo) -> None:
    change(package, "model.py", 'trains=("generator",)', 'trains=("discriminator",)')
    change(package, "data.py", 'raise UserError(f"three', 'raise KeyError(f"three')
    answer = process("plugin", "check", str(package), "-k", "s")
    assert answer.code == 1
    assert "  FAILED phases move what they name and all of it\n" in answer.out
    assert (
        "the network 'generator' wants gradients, and no phase trains it\n         -> name it in a phase" in answer.out
    )
    assert '  ERROR  an unknown split is refused\n         KeyError: "three-modes has no split' in answer.out
    assert f'-> see where: ganzoo plugin check {package} -k "data set three-modes: splits"' in answer.out
    shown = process("plugin", "check", str(package), "-k", "data set three-modes: splits", "--traceback")
    assert shown.code == 1
    assert "data.py" in shown.err


def test_json_has_one_entry_for_each_check(package: Path, process: Zoo) -> None:
    answer = process("plugin", "check", str(package), "-k", "card", "--json")
    found = json.loads(answer.out)
    assert [entry["check"] for entry in found] == ["card"] * 5
    assert {entry["state"] for entry in found} == {"ok"}


def test_list_says_what_would_be_looked_at_and_imports_no_torch(process: Zoo) -> None:
    answer = process("plugin", "check", "vae", "--list")
    assert "architecture vae: resume: a run that was stopped goes on to the same bits\n" in answer.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("vaee",), "ganzoo: there is no plugin, architecture, data set, metric or task 'vaee' (did you mean 'vae'?)"),
        (("vae", "-k", "okapi"), "ganzoo: -k okapi: no check of vae has it in its name"),
        (("./nothing",), "ganzoo: nothing is no package: it has no pyproject.toml"),
        (("tensorboard",), "ganzoo: tensorboard: the plugin adds nothing that could be checked"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], line: str, process: Zoo) -> None:
    answer = process("plugin", "check", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(line)
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[project\n", "cannot be read"),
        ('[project]\nname = "x"\n', "names no plugin"),
        ('[project]\nname = "x"\n[project.entry-points.ganzoo]\nx = "nosuch"\n', "the module nosuch is neither in"),
    ],
)
def test_a_package_that_is_none_is_one_line(text: str, found: str, tmp_path: Path, process: Zoo) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    answer = process("plugin", "check", str(tmp_path))
    assert answer.code == 2
    assert found in answer.err
    assert len(answer.err.splitlines()) == 1
