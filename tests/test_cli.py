"""The command line: what each command prints, for people and as JSON, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Answer

import ganzoo
from ganzoo import recipes
from ganzoo.cards import resolve
from ganzoo.cli import COMMANDS
from ganzoo.config import facts
from ganzoo.registry import Registry, get_registry
from ganzoo.training import lock

Call = Callable[..., Answer]

TWO_CLAIM_ONE = """
    from ganzoo import hookimpl
    from ganzoo.cards import Architecture

    @hookimpl
    def ganzoo_architectures():
        return [
            Architecture(
                name="okapi", title="A test", task="generation", year=2020, paper="none", summary="for tests",
                config="ganzoo_dcgan.config:Config", model="ganzoo_dcgan.model:DCGAN", licence="MIT",
            )
        ]
"""


# --- the program ------------------------------------------------------------------------------------------------------


def test_python_m_ganzoo_is_the_command(process: Call) -> None:
    answer = process("--version")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"ganzoo, version {ganzoo.__version__}\n"


def test_help_names_every_command_with_a_line_about_it(here: Call) -> None:
    answer = here("--help")
    assert answer.code == 0
    _, _, listing = answer.out.partition("Commands:\n")
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in listing.splitlines() if line.startswith("  ")}
    assert set(COMMANDS) <= set(lines)
    assert all(lines.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(here: Call, command: str) -> None:
    answer = here(command, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"Usage: ganzoo {command}")


def test_an_unknown_command_gets_the_near_one(here: Call) -> None:
    answer = here("lst")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "ganzoo: there is no command 'lst' (did you mean 'list'?); `ganzoo --help` shows them all\n"


def test_an_unknown_command_points_at_the_broken_plugin_that_it_may_come_from(install: Call, process: Call) -> None:
    install("ganzoo-tail", "import nowhere_to_be_found")
    answer = process("tail")
    assert answer.code == 2
    assert "it may come from broken: ganzoo-tail 1.0 (tail), ModuleNotFoundError" in answer.err


def test_an_unknown_option_is_a_mistake_of_the_user(here: Call) -> None:
    answer = here("list", "--jsn")
    assert (answer.code, answer.out) == (2, "")
    assert "--jsn" in answer.err


def test_a_reader_that_goes_away_is_no_traceback(cwd: Path) -> None:
    program = [sys.executable, "-m", "ganzoo", "data", "list", "--json"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        said = running.stderr.read()
    assert "Traceback" not in said
    assert "Exception ignored" not in said


# --- list -------------------------------------------------------------------------------------------------------------


def test_list_shows_every_architecture_in_one_row(here: Call, registry: Registry) -> None:
    answer = here("list")
    assert (answer.code, answer.err) == (0, "")
    rows = {line.split()[0]: line for line in answer.out.splitlines() if line.strip()}
    for name, card in registry.architectures.items():
        assert {card.task, str(card.year), "ganzoo"} <= set(rows[name].split())
        assert card.title in rows[name]


def test_list_takes_a_glob(here: Call) -> None:
    answer = here("list", "*cgan", "--json")
    assert [row["name"] for row in json.loads(answer.out)] == ["cgan", "dcgan"]


def test_list_with_a_pattern_that_matches_nothing_names_what_is_near(here: Call) -> None:
    answer = here("list", "dcgna")
    assert (answer.code, answer.out) == (0, "")
    assert "no architecture matches 'dcgna' (did you mean 'dcgan'" in answer.err


def test_list_takes_a_task(here: Call, registry: Registry) -> None:
    rows = json.loads(here("list", "--task", "class-conditional", "--json").out)
    wanted = [name for name, card in registry.architectures.items() if card.task == "class-conditional"]
    assert [row["name"] for row in rows] == wanted != []


def test_list_with_an_unknown_task_names_the_near_one(here: Call) -> None:
    answer = here("list", "--task", "class-conditionnal")
    assert (answer.code, answer.out) == (2, "")
    assert "no task 'class-conditionnal' (did you mean 'class-conditional'" in answer.err


def test_list_as_json_holds_the_cards_and_who_brought_them(here: Call, registry: Registry) -> None:
    rows = json.loads(here("list", "--json").out)
    assert [row["name"] for row in rows] == list(registry.architectures)
    assert [set(row) for row in rows] == [
        {
            "name",
            "title",
            "task",
            "year",
            "paper",
            "summary",
            "config",
            "model",
            "licence",
            "sizes",
            "yardstick",
            "plugin",
        }
    ] * len(rows)
    assert {row["plugin"]["distribution"] for row in rows} == {"ganzoo"}
    assert {row["plugin"]["version"] for row in rows} == {registry.architectures.plugin("dcgan").version}


def test_list_as_json_is_a_list_even_when_nothing_matches(here: Call) -> None:
    assert json.loads(here("list", "zzz", "--json").out) == []


def test_list_names_broken_plugins_and_clashes_on_standard_error(install: Call, process: Call) -> None:
    install("ganzoo-one", TWO_CLAIM_ONE)
    install("ganzoo-two", TWO_CLAIM_ONE)
    install("ganzoo-bad", "import nowhere_to_be_found", version="0.2")
    answer = process("list", "--json")
    assert answer.code == 0
    assert "dcgan" in [row["name"] for row in json.loads(answer.out)]
    assert "broken: ganzoo-bad 0.2 (bad), ModuleNotFoundError" in answer.err
    assert "the architecture 'okapi' is claimed by ganzoo-one 1.0 and ganzoo-two 1.0" in answer.err

    used = process("show", "okapi")
    assert (used.code, used.out) == (2, "")
    assert "ganzoo-one 1.0 (one) and ganzoo-two 1.0 (two)" in used.err
    assert process("show", "okapi", GANZOO_DISABLE="two").code == 0


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_tells_everything_about_an_architecture(here: Call) -> None:
    answer = here("show", "dcgan")
    assert (answer.code, answer.err) == (0, "")
    for part in ("Deep Convolutional GAN", "arXiv:1511.06434 (2016)", "licence  MIT", "dcgan.fashion (default)"):
        assert part in answer.out
    assert "train it: ganzoo train dcgan\n" in answer.out
    assert "data it takes: " in answer.out
    assert "fashion" in answer.out.partition("data it takes: ")[2]


@pytest.mark.parametrize("name", get_registry().architectures)
def test_show_lists_every_setting_with_its_type_and_help(here: Call, registry: Registry, name: str) -> None:
    rows = {line.split()[0]: line for line in here("show", name).out.splitlines() if line.strip()}
    for fact in facts(resolve(registry.architectures[name].config)):
        assert fact.help in rows[fact.name]
        assert fact.type.replace("|", " | ") in rows[fact.name]


def test_show_of_a_recipe_adds_what_it_resolves_to(here: Call) -> None:
    answer = here("show", "dcgan.fashion")
    assert answer.code == 0
    width = next(line.split() for line in answer.out.splitlines() if line.startswith("width "))
    assert width[:4] == ["width", "int", "64", "32"]
    assert "train it: ganzoo train dcgan.fashion\n" in answer.out


def test_show_as_json(here: Call) -> None:
    document = json.loads(here("show", "dcgan.fashion", "--json").out)
    assert document["name"] == "dcgan"
    assert document["resolved"]["width"] == 32
    assert {"name": "dcgan.fashion", "default": True}.items() <= document["recipes"][0].items()
    lr = next(row for row in document["settings"] if row["name"] == "lr")
    assert lr == {
        "name": "lr",
        "type": "float",
        "default": 0.0002,
        "help": "learning rate of Adam",
        "owner": "trainer",
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dcgna", "there is no architecture 'dcgna' (did you mean 'dcgan'"),
        ("dcgan.fashoin", "there is no recipe 'dcgan.fashoin' (did you mean 'dcgan.fashion'"),
        ("dcgna.fashion", "there is no architecture 'dcgna' (did you mean 'dcgan'"),
    ],
)
def test_show_of_an_unknown_name(here: Call, name: str, said: str) -> None:
    answer = here("show", name)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


# --- runs -------------------------------------------------------------------------------------------------------------


def make_run(folder: Path, config: object, summary: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


CONFIG = {"architecture": "dcgan", "data": {"name": "fashion"}, "settings": {"steps": 100}}


def test_runs_where_there_are_none(here: Call) -> None:
    answer = here("runs")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "no runs in runs/ yet; make one: ganzoo train dcgan\n"
    assert json.loads(here("runs", "--json").out) == []
    assert list(Path.cwd().iterdir()) == []


def test_runs_shows_how_far_each_came_and_how_it_ended(here: Call) -> None:
    make_run(
        Path("runs/done"), CONFIG, {"state": "finished", "step": 100, "seconds": 120.0, "warnings": ["collapsed?"]}
    )
    make_run(Path("runs/halted"), CONFIG, {"state": "stopped", "step": 40, "seconds": 6.0})
    make_run(Path("runs/failed"), CONFIG, {"state": "failed", "step": 7, "error": "a loss is not finite"})
    rows = {line.split()[0]: line for line in here("runs").out.splitlines() if line.strip()}
    assert rows["done"].split()[:7] == ["done", "dcgan", "fashion", "finished", "100/100", "2.0", "min"]
    assert "collapsed?" in rows["done"]
    assert "ganzoo train --resume runs/halted" in rows["halted"]
    assert "a loss is not finite" in rows["failed"]


def test_runs_tells_a_run_that_is_going_on_from_one_that_was_killed(process: Call) -> None:
    make_run(Path("runs/going"), CONFIG, {"state": "running", "step": 1})
    make_run(Path("runs/killed"), CONFIG, {"state": "running", "step": 2})
    with lock(Path("runs/going")):
        rows = {row["run"]: row for row in json.loads(process("runs", "--json").out)}
    assert {name: row["state"] for name, row in rows.items()} == {"going": "running", "killed": "killed"}


@pytest.mark.parametrize(
    "config", ["{", "[]", "{}", {"data": "fashion", "settings": [1]}, {"data": None, "settings": None}, "\x00"]
)
@pytest.mark.parametrize("summary", [None, [], {"seconds": "long", "warnings": "none", "state": "stopped"}])
def test_runs_lists_a_folder_whose_files_are_damaged(here: Call, config: object, summary: object) -> None:
    make_run(Path("elsewhere/odd"), config, summary)
    answer = here("runs", "--root", "elsewhere")
    assert (answer.code, answer.err) == (0, "")
    assert "odd" in answer.out
    assert len(json.loads(here("runs", "--root", "elsewhere", "--json").out)) == 1


def test_runs_passes_over_folders_that_are_no_runs(here: Call) -> None:
    Path("runs/notes").mkdir(parents=True)
    Path("runs/file").touch()
    make_run(Path("runs/real"), CONFIG, None)
    (row,) = json.loads(here("runs", "--json").out)
    assert (row["run"], row["state"], row["step"], row["steps"]) == ("real", "new", 0, 100)


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_says_what_is_there(here: Call) -> None:
    answer = here("doctor", "--json")
    findings = {row["what"]: row for row in json.loads(answer.out)}
    assert {"python", "torch", "torchvision", "device cpu", "plugins", "data fashion", "runs", "cache"} <= set(findings)
    assert all(set(row) == {"what", "state", "found", "mend"} for row in findings.values())
    broken = [row for row in findings.values() if row["state"] == "broken"]
    assert (answer.code, broken) == (0, [])


def test_doctor_names_what_is_broken_with_a_way_to_mend_it_and_ends_with_1(install: Call, process: Call) -> None:
    install("ganzoo-bad", "import nowhere_to_be_found", version="0.2")
    answer = process("doctor")
    assert answer.code == 1
    lines = answer.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("BROKEN"))
    assert "ganzoo-bad 0.2 (bad), ModuleNotFoundError" in lines[at]
    assert "GANZOO_DISABLE" in lines[at + 1]
    assert "Traceback" not in answer.err


def test_the_core_names_no_architecture(registry: Registry) -> None:
    root = Path(__file__).resolve().parent.parent
    files = [path for folder in ("ganzoo", "evaluation") for path in (root / folder).rglob("*.py")]
    named = {
        f"{path.relative_to(root)}: {name}"
        for path in files
        for name in registry.architectures
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", path.read_text(encoding="utf-8"))
    }
    assert named == set()


def test_help_shows_examples_with_the_default_architecture(here: Call) -> None:
    for words in ([], ["train"], ["data"], ["show"], ["generate"]):
        answer = here(*words, "--help")
        assert "EXAMPLE" not in answer.out
    assert f"ganzoo train {recipes.default_architecture()} " in here("train", "--help").out
