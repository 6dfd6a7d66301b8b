"""A run whose plugin is missing, switched off, broken or of another version says so in one line; switching off."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Answer, TinyRuns
from test_registry import ONE_CARD

import ganzoo
from ganzoo.cli.doctor import of_plugins
from ganzoo.registry import Registry

Call = Callable[..., Answer]
OKAPI = ONE_CARD.format(name="okapi")
COMMANDS = (("generate",), ("eval",), ("train", "--resume", "runs/okapi"), ("interpolate",))
FROM_OKAPI = {"plugin": {"distribution": "ganzoo-okapi", "version": "1.0"}}


def finished(tiny_run: TinyRuns, cwd: Path, name: str) -> Path:
    """The folder runs/NAME of a finished run."""
    (cwd / "runs").mkdir()
    made = tiny_run("dcgan", folder=cwd / "runs" / name, steps=1)
    made.trainer.run()
    return made.run.folder


@pytest.fixture
def run(tiny_run: TinyRuns, cwd: Path) -> Path:
    """A finished run of the architecture `okapi`, which ganzoo-okapi 1.0 brought."""
    folder = finished(tiny_run, cwd, "okapi")
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"architecture": "okapi"} | FROM_OKAPI))
    return folder


def only_line(answer: Answer) -> str:
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    return line.removeprefix("ganzoo: runs/okapi: ")


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_without_the_package_every_command_says_which_to_install(run: Path, anew: Call, words: tuple[str, ...]) -> None:
    assert only_line(anew(*words)) == (
        "its architecture 'okapi' came from ganzoo-okapi 1.0, which is not installed; try: pip install ganzoo-okapi"
    )


def test_runs_lists_it_with_what_it_needs(run: Path, anew: Call) -> None:
    answer = anew("runs")
    assert (answer.code, answer.err) == (0, "")
    assert "came from ganzoo-okapi 1.0, which is not installed; try: pip install ganzoo-okapi" in answer.out
    (row,) = json.loads(anew("runs", "--json").out)
    assert row["missing"].endswith("pip install ganzoo-okapi")


def test_with_the_package_it_draws_and_nothing_is_missing(run: Path, anew: Call, install: Call) -> None:
    install("ganzoo-okapi", OKAPI)
    answer = anew("generate", "-n", "2")
    assert (answer.code, answer.err) == (0, "")
    (row,) = json.loads(anew("runs", "--json").out)
    assert row["missing"] == ""


def test_another_version_is_one_warning(run: Path, anew: Call, install: Call) -> None:
    install("ganzoo-okapi", OKAPI, version="2.5")
    answer = anew("generate", "-n", "2")
    assert answer.code == 0
    assert answer.err == (
        "ganzoo: warning: runs/okapi was trained with ganzoo-okapi 1.0, and okapi is now that of ganzoo-okapi 2.5: "
        "what it draws may differ\n"
    )


@pytest.mark.parametrize("name", ["okapi", "ganzoo-okapi", "Ganzoo_Okapi"])
def test_switched_off_it_says_by_what(
    run: Path, anew: Call, install: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    install("ganzoo-okapi", OKAPI)
    monkeypatch.setenv("GANZOO_DISABLE", name)
    said = only_line(anew("generate"))
    assert said.endswith(f"came from ganzoo-okapi 1.0, which is switched off by GANZOO_DISABLE={name}; leave that out")


def test_a_broken_package_says_why(run: Path, anew: Call, install: Call) -> None:
    install("ganzoo-okapi", "import nowhere_to_be_found", version="1.1")
    said = only_line(anew("generate"))
    assert "which is broken: ModuleNotFoundError: No module named 'nowhere_to_be_found'; try: " in said
    assert "pip install --upgrade ganzoo-okapi" in said


def test_a_package_that_has_it_no_more_names_the_version_that_had(run: Path, anew: Call, install: Call) -> None:
    install("ganzoo-okapi", ONE_CARD.format(name="giraffe"), version="2.0")
    assert only_line(anew("generate")).endswith(
        "came from ganzoo-okapi 1.0; ganzoo-okapi 2.0 has it no more; try: pip install ganzoo-okapi==1.0"
    )


@pytest.fixture
def on_okapis(tiny_run: TinyRuns, cwd: Path) -> Path:
    """A finished run on the data set `okapis`, which ganzoo-okapi 1.0 brought."""
    folder = finished(tiny_run, cwd, "drawn")
    config = folder / "config.json"
    document = json.loads(config.read_text())
    assert document["data"]["plugin"] == {"distribution": "ganzoo", "version": ganzoo.__version__}
    document["data"] |= {"source": "okapis:calves"} | FROM_OKAPI
    config.write_text(json.dumps(document))
    return folder


def test_without_the_package_of_its_data_a_run_draws_and_says_what_is_missing(on_okapis: Path, anew: Call) -> None:
    assert anew("generate", "-n", "2").code == 0
    missing = (
        "ganzoo: runs/drawn: its data set 'okapis' came from ganzoo-okapi 1.0, which is not installed; "
        "try: pip install ganzoo-okapi"
    )
    resumed, measured = anew("train", "--resume", "runs/drawn", "--steps", "2"), anew("eval")
    assert (resumed.code, resumed.err) == (2, f"{missing}\n")
    assert (measured.code, measured.out) == (2, "")
    assert measured.err.startswith(f"{missing}; where the data are now, or others to measure it against: ganzoo eval")


def test_data_of_an_older_run_that_says_no_package_are_not_there_any_more(on_okapis: Path, anew: Call) -> None:
    config = on_okapis / "config.json"
    document = json.loads(config.read_text())
    del document["data"]["plugin"]
    config.write_text(json.dumps(document))
    answer = anew("train", "--resume", "runs/drawn", "--steps", "2")
    assert (answer.code, answer.err) == (
        2,
        "ganzoo: runs/drawn was trained on okapis:calves, which is not there any more\n",
    )


def test_a_run_that_holds_escape_codes_is_printed_harmlessly(run: Path, anew: Call) -> None:
    config = run / "config.json"
    config.write_text(config.read_text().replace("ganzoo-okapi", "\\u001b[2Jganzoo"))
    for words in (("generate",), ("runs",)):
        answer = anew(*words)
        assert "\x1b" not in answer.out + answer.err
        assert r"\x1b[2Jganzoo" in answer.out + answer.err


# --- switching off ----------------------------------------------------------------------------------------------------


def test_no_plugins_leaves_only_what_comes_with_ganzoo(anew: Call, here: Call, install: Call) -> None:
    install("ganzoo-okapi", OKAPI)
    install("ganzoo-bad", "import nowhere_to_be_found")
    plain = anew("--no-plugins", "list", "--json")
    names = {row["name"] for row in json.loads(plain.out)}
    assert ("okapi" in names, "dcgan" in names, plain.err) == (False, True, "")
    assert here("--no-plugins", "eval", "--help").code == 0
    after = here("list", "--json")
    assert "okapi" in {row["name"] for row in json.loads(after.out)}, "it is for one command"
    assert "ganzoo-bad" in after.err
    assert "GANZOO_NO_PLUGINS" not in os.environ


def test_no_plugins_names_what_a_word_may_come_from(anew: Call, install: Call) -> None:
    install("ganzoo-okapi", OKAPI)
    answer = anew("--no-plugins", "show", "okapi")
    assert answer.code == 2
    assert "it may come from ganzoo-okapi 1.0 (okapi), switched off by --no-plugins" in answer.err


def test_plugins_lists_what_is_off(anew: Call, install: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    install("ganzoo-okapi", OKAPI)
    monkeypatch.setenv("GANZOO_DISABLE", "okapi")
    assert "off: ganzoo-okapi 1.0 (okapi), switched off by GANZOO_DISABLE=okapi" in anew("plugins").out


def test_a_name_in_ganzoo_disable_that_nothing_has_is_one_warning(anew: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_DISABLE", "vanila,dcgan")
    answer = anew("list", "--json")
    assert answer.code == 0
    assert answer.err == (
        "ganzoo: warning: GANZOO_DISABLE names 'vanila', which no installed plugin or distribution is called "
        "(did you mean 'vanilla'?)\n"
    )


# --- what `ganzoo plugins` says ---------------------------------------------------------------------------------------


def test_plugins_says_what_each_adds(anew: Call, install: Call, registry: Registry) -> None:
    install("ganzoo-okapi", OKAPI, version="2.5")
    rows = {row["name"]: row for row in json.loads(anew("plugins", "--json").out)}
    assert set(rows) == {*registry.plugins, "okapi"}
    assert next(iter(rows)) == "okapi", "those of others come first"
    okapi = rows["okapi"]
    assert (okapi["distribution"], okapi["version"], okapi["module"]) == ("ganzoo-okapi", "2.5", "ganzoo_okapi")
    assert (okapi["adds"], okapi["state"], okapi["errors"]) == ({"architecture": ["okapi"]}, "loaded", [])
    assert okapi["seconds"] > 0
    assert rows["evaluation"]["adds"]["command"] == ["eval"]
    assert "fd" in rows["evaluation"]["adds"]["metric"]
    assert rows["tensorboard"]["adds"] == {"hook": ["ganzoo_run_started", "ganzoo_step_done", "ganzoo_run_finished"]}
    table = anew("plugins").out.splitlines()
    assert table[2].split()[:3] == ["okapi", "ganzoo-okapi", "2.5"]
    assert table[2].rstrip().endswith("architecture okapi")


def test_doctor_names_what_is_left_out(install: Call) -> None:
    install("ganzoo-thief", ONE_CARD.format(name="dcgan"))
    registry = Registry()
    registry.load_entry_points()
    (finding,) = [finding for finding in of_plugins(registry) if finding.state == "broken"]
    assert "the architecture 'dcgan' of ganzoo-thief 1.0 is left out" in finding.found
    assert finding.mend == "pip uninstall ganzoo-thief, or GANZOO_DISABLE=thief in the environment"
