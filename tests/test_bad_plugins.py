"""Whatever a stranger's plugin does at import, in a hook, in a card or in a name is one row, and stops nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_plugins import BROKEN, CLASHES, COMMANDS, HEAVY, LOUD, Bad
from conftest import Answer

from ganzoo import cli
from ganzoo.registry import Registry, get_registry

Call = Callable[..., Answer]
EVERYTHING = {**BROKEN, **COMMANDS, **CLASHES, "loud": LOUD}


def put(install: Callable[..., Path], name: str, plugin: Bad) -> None:
    install(f"ganzoo-{name}", plugin.source, entry=plugin.entry)


def sound(registry: Registry) -> bool:
    """Whether the zoo's own is all there."""
    return {"dcgan", "vae"} <= set(registry.architectures) and registry.architectures["dcgan"].title != "not the one"


@pytest.mark.parametrize("name", [*BROKEN, *COMMANDS, *CLASHES])
def test_it_is_one_row_that_says_what_is_wrong(install: Callable[..., Path], name: str) -> None:
    plugin = EVERYTHING[name]
    put(install, name, plugin)
    registry = Registry()
    registry.load_entry_points()
    commands = registry.commands(cli.COMMANDS)
    (row,) = registry.problems()
    assert plugin.says in row
    assert f"ganzoo-{name} 1.0" in row
    assert row.isprintable()
    assert len(row) < 700
    assert sound(registry)
    assert set(commands) == {"eval"}
    assert commands["eval"][1].built_in


@pytest.fixture
def crowd(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with all of them at once, and a distribution whose entry points cannot be read."""
    for name, plugin in EVERYTHING.items():
        put(install, name, plugin)
    garbled = install("ganzoo-garbled", "", entry="garbled").parent / "ganzoo_garbled-1.0.dist-info"
    (garbled / "entry_points.txt").write_text("[ganzoo]\nno equals sign\n")
    nameless = install("ganzoo-nameless", "raise RuntimeError").parent / "ganzoo_nameless-1.0.dist-info"
    (nameless / "METADATA").unlink()
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


def test_none_of_them_stops_a_command_or_garbles_what_it_prints(crowd: Registry, here: Call) -> None:
    assert sound(crowd)
    for words in (["list"], ["show", "dcgan"], ["data", "list"], ["plugins"], ["--help"], ["runs"], ["eval", "--list"]):
        answer = here(*words)
        assert answer.code == 0, words
        assert "\x1b" not in answer.out + answer.err
        assert "Traceback" not in answer.err


def test_json_stays_json(crowd: Registry, here: Call) -> None:
    for words in (["list"], ["show", "dcgan"], ["show", "vae"], ["data", "list"], ["plugins"], ["eval", "--list"]):
        assert json.loads(here(*words, "--json").out), words


def test_plugins_names_each_with_why_and_what_to_do(crowd: Registry, here: Call) -> None:
    rows = {row["distribution"]: row for row in json.loads(here("plugins", "--json").out)}
    for name, plugin in {**BROKEN, **COMMANDS, **CLASHES}.items():
        row = rows[f"ganzoo-{name}"]
        assert (row["state"], row["version"]) == ("broken", "1.0")
        assert any(plugin.says in error for error in row["errors"]), row
        assert f"pip uninstall ganzoo-{name}" in row["mend"][0]
    assert "its entry_points.txt cannot be read" in rows["ganzoo-garbled"]["errors"][0]
    assert rows["?"]["errors"] == ["RuntimeError"]
    assert rows["ganzoo-loud"]["state"] == "loaded"
    assert (rows["ganzoo-loud"]["adds"], rows["ganzoo-a-dcgan"]["adds"]) == ({"architecture": ["loud"]}, {})


def test_a_card_that_names_no_model_and_no_settings_is_one_line(crowd: Registry, here: Call) -> None:
    for words in (["show", "loud"], ["train", "loud", "--data", "fashion"]):
        answer = here(*words)
        assert (answer.code, answer.out) == (2, "")
        assert "loud: its settings os:system are <built-in function system>, expected a dataclass" in answer.err


def test_a_command_that_is_taken_stays_what_it_was(crowd: Registry, here: Call) -> None:
    assert here("train", "--help").out.startswith("Usage: ganzoo train")
    assert here("eval", "--help").out.startswith("Usage: ganzoo eval")
    assert (here("thief").code, here("hello").code) == (2, 2)


def test_what_a_plugin_prints_and_imports_does_not_spoil_a_process(install: Callable[..., Path], process: Call) -> None:
    put(install, "loud", LOUD)
    install("ganzoo-heavy", HEAVY)
    answer = process("plugins", "--json")
    rows = {row["name"]: row for row in json.loads(answer.out)}
    assert (rows["heavy"]["imported_torch"], rows["heavy"]["heavy"], rows["heavy"]["state"]) == (True, True, "loaded")
    assert "heavy: imports torch whenever the zoo is listed" in rows["heavy"]["errors"][0]
    assert [name for name, row in rows.items() if row["heavy"]] == ["heavy"]
    assert "{ not JSON" in answer.err


def test_ctrl_c_while_plugins_are_imported_still_ends_the_program(install: Callable[..., Path]) -> None:
    install("ganzoo-interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry().load_entry_points()
