"""What is slow to import is imported only by what needs it: looked up in `sys.modules` of a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "torchvision", "timm", "scipy"}
NUMERIC = {"numpy", "PIL"}

PROGRAM = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    {statement}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def modules_after(statement: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def after(words: list[str], cwd: Path) -> set[str]:
    found = modules_after(f"import ganzoo.cli; ganzoo.cli.main({words!r})", cwd)
    assert "ganzoo" in found
    return found


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["list"], ["list", "--json"], ["list", "*gan"]], ids=" ".join
)
def test_the_zoo_is_listed_without_torch_and_without_numpy(words: list[str], cwd: Path) -> None:
    assert after(words, cwd) & (HEAVY | NUMERIC) == set()


@pytest.mark.parametrize(
    "words",
    [
        ["show", "dcgan"],
        ["show", "dcgan.fashion", "--json"],
        ["data", "list"],
        ["runs"],
        ["train", "--help"],
        ["generate", "--help"],
        ["train"],
        ["nosuch"],
        ["plugin", "new", "--help"],
        ["plugin", "new", "okapi"],
        ["eval", "--help"],
        ["eval", "--list"],
        ["eval", "--list", "--json"],
        ["eval", "--fail-if", "nosuch>1"],
    ],
    ids=" ".join,
)
def test_what_only_reads_cards_needs_no_torch(words: list[str], cwd: Path) -> None:
    assert after(words, cwd) & HEAVY == set()


def test_a_table_is_drawn_by_rich_and_json_is_not(cwd: Path) -> None:
    assert "rich" in after(["list"], cwd)
    assert "rich" not in after(["list", "--json"], cwd)


def test_import_ganzoo_is_light_and_still_has_everything(cwd: Path) -> None:
    assert modules_after("import ganzoo", cwd) & (HEAVY | NUMERIC) == set()
    assert "torch" in modules_after("from ganzoo import Model", cwd)


def test_every_public_name_can_be_had() -> None:
    import ganzoo

    for name in ganzoo.__all__:
        assert getattr(ganzoo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Okapi'"):
        _ = ganzoo.Okapi
