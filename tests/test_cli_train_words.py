"""Mistakes in the words of `ganzoo train`: all of them named, exit code 2, no traceback, and nothing left behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Answer

Call = Callable[..., Answer]


@pytest.fixture
def refused(here: Call, cwd: Path) -> Callable[..., list[str]]:
    """Type `ganzoo train ...`, be refused, and get the lines that say why."""

    def call(*words: str) -> list[str]:
        before = sorted(cwd.rglob("*"))
        answer = here("train", *words)
        assert (answer.code, answer.out) == (2, "")
        assert "Traceback" not in answer.err
        assert sorted(cwd.rglob("*")) == before, "a command that is refused leaves no file"
        return [line.removeprefix("ganzoo: ") for line in answer.err.splitlines()]

    return call


Refused = Callable[..., list[str]]


# --- what to train ----------------------------------------------------------------------------------------------------


def test_in_a_process_of_its_own_too(process: Call, cwd: Path) -> None:
    answer = process("train", "dcgan", "--set", "widht=32", "--set", "lr=-1")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.splitlines() == [
        "ganzoo: widht: no such setting (did you mean 'width'?) [--set]",
        "ganzoo: lr: -1.0 must be > 0 [--set]",
    ]
    assert list(cwd.iterdir()) == []


def test_nothing_to_train(refused: Refused) -> None:
    (line,) = refused()
    assert line.startswith("say what to train: ganzoo train dcgan")


@pytest.mark.parametrize("words", [["dcgna"], ["dcgna.fashion"], ["dcgna", "--plan"], ["dcgna", "--devices", "2"]])
def test_an_unknown_architecture(refused: Refused, words: list[str]) -> None:
    (line,) = refused(*words)
    assert line.startswith("there is no architecture 'dcgna' (did you mean 'dcgan'")


@pytest.mark.parametrize("name", ["dcgan.fashoin", "dcgan."])
def test_an_unknown_recipe(refused: Refused, name: str) -> None:
    (line,) = refused(name)
    assert line.startswith(f"there is no recipe {name!r}")
    assert "dcgan has dcgan.fashion" in line


# --- settings ---------------------------------------------------------------------------------------------------------


def test_all_mistakes_of_settings_and_data_come_at_once(refused: Refused) -> None:
    lines = refused("dcgan", "--data", "fashon", "--set", "widht=32", "--set", "lr=-1", "--steps", "0")
    assert len(lines) == 4
    assert lines[0].startswith("--data fashon: no data set, folder or zip of that name (did you mean 'fashion'")
    assert lines[1:3] == ["widht: no such setting (did you mean 'width'?) [--set]", "lr: -1.0 must be > 0 [--set]"]
    assert lines[3].startswith("steps: 0 must be >= 1")


def test_an_assignment_without_a_value(refused: Refused) -> None:
    assert refused("dcgan", "--set", "lr") == ["--set lr: expected NAME=VALUE, for example --set lr=0.0002"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--steps", "5", "--set", "steps=6"], "steps"),
        (["--seed", "5", "--set", "seed=6"], "seed"),
        (["--precision", "fp32", "--set", "precision=bf16"], "precision"),
        (["--compile", "--set", "compile=off"], "compile"),
    ],
)
def test_a_setting_given_by_flag_and_by_set(refused: Refused, words: list[str], name: str) -> None:
    (line,) = refused("dcgan", *words)
    assert line.startswith(f"{name} is given twice: --{name}")


def test_a_flag_that_is_zero_is_given_all_the_same(refused: Refused) -> None:
    (line,) = refused("dcgan", "--seed", "0", "--set", "seed=6")
    assert line.startswith("seed is given twice")


def test_settings_that_cannot_be_together(refused: Refused) -> None:
    lines = refused("dcgan", "--set", "r1=1", "--set", "discriminator_norm=batch", "--set", "accumulate=7")
    assert [line.partition(":")[0] for line in lines] == ["accumulate", "discriminator_norm"]


def test_a_size_that_cannot_be_built(refused: Refused) -> None:
    (line,) = refused("dcgan", "--set", "size=30")
    assert "dcgan is built for pictures of 28, 32" in line
    assert "add --set size=28" in line or "add --set size=32" in line


# --- the config file --------------------------------------------------------------------------------------------------


def test_a_config_file_that_is_not_there(refused: Refused) -> None:
    (line,) = refused("dcgan", "--config", "nowhere.yaml")
    assert line.startswith("--config nowhere.yaml cannot be read: ")


@pytest.mark.parametrize("text", ["{", "- 1", "just words", "\x00"])
def test_a_config_file_that_holds_no_settings(refused: Refused, text: str) -> None:
    Path("my.yaml").write_text(text)
    (line,) = refused("dcgan", "--config", "my.yaml")
    assert line.startswith("--config my.yaml")


def test_mistakes_name_the_config_file_or_the_command_line(refused: Refused) -> None:
    Path("my.yaml").write_text("lr: fast\nbatch: 16\n")
    lines = refused("dcgan", "--config", "my.yaml", "--set", "batch=0")
    assert lines == ["lr: 'fast' is not a number [my.yaml]", "batch: 0 must be >= 1 [--set]"]


# --- the data ---------------------------------------------------------------------------------------------------------


def test_an_unknown_data_set(refused: Refused) -> None:
    (line,) = refused("dcgan", "--data", "fashon")
    assert "did you mean 'fashion'" in line
    assert "`ganzoo data list` shows the sets" in line


def test_an_unknown_subset(refused: Refused) -> None:
    (line,) = refused("dcgan", "--data", "fashion:drss")
    assert "fashion has no subset 'drss' (did you mean 'dress'" in line


def test_a_folder_that_is_not_there(refused: Refused) -> None:
    (line,) = refused("dcgan", "--data", "photos/")
    assert line.startswith("--data photos/: no data set, folder or zip of that name")


def test_a_folder_without_a_picture(refused: Refused) -> None:
    Path("photos").mkdir()
    Path("photos/notes.txt").write_text("none yet")
    lines = refused("dcgan", "--data", "photos")
    assert any("photos" in line for line in lines)


def test_data_that_lack_what_the_task_needs(refused: Refused) -> None:
    (line,) = refused("cgan", "--data", "lsun:bedroom")
    assert re.match("--data lsun has no label, which cgan needs; sets that have: .*fashion", line)


# --- words that do not go together ------------------------------------------------------------------------------------


def test_resume_of_nothing(refused: Refused) -> None:
    assert refused("--resume") == ["there are no runs in runs/ yet; make one: ganzoo train dcgan"]


def test_resume_of_an_unknown_run_names_the_near_one(refused: Refused) -> None:
    run = Path("runs/dcgan-fashion-1")
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    (line,) = refused("--resume", "dcgan-fashoin-1")
    assert line.startswith("there is no run 'dcgan-fashoin-1' (did you mean 'dcgan-fashion-1'?)")


def test_resume_of_a_folder_that_is_no_run(refused: Refused) -> None:
    Path("photos").mkdir()
    assert refused("--resume", "photos") == ["photos is not a run: it has no config.json"]


def test_resume_keeps_its_own_and_every_word_against_it_is_named(refused: Refused) -> None:
    lines = refused("dcgan", "--resume", "r", "--data", "fashion", "--run", "x", "--config", "c.yaml", "--plan")
    assert [line.partition(":")[0] for line in lines] == [
        "ARCH dcgan",
        "--data fashion",
        "--run x",
        "--config c.yaml",
        "--plan does not go with --resume",
    ]


def test_previous_and_json_want_their_partners(refused: Refused) -> None:
    lines = refused("dcgan", "--previous", "--json")
    assert lines[0] == "--previous goes with --resume RUN"
    assert lines[1].startswith("--json goes with --plan")


def test_a_run_folder_that_is_taken(refused: Refused) -> None:
    Path("mine").mkdir()
    Path("mine/config.json").write_text("{}")
    assert refused("dcgan", "--run", "mine") == [
        "--run mine holds a run already; go on with: ganzoo train --resume mine"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "gpu"], "--device gpu: expected auto, cpu, cuda or cuda:N"),
        (["--device", "cuda:99"], "--device cuda:99: found "),
    ],
)
def test_a_device_that_is_not_there(refused: Refused, words: list[str], said: str) -> None:
    (line,) = refused("dcgan", *words)
    assert line.startswith(said)


@pytest.mark.parametrize("words", [["--steps", "many"], ["--devices", "0"], ["--precision", "fp16"], ["--stepz", "3"]])
def test_words_that_click_refuses(here: Call, cwd: Path, words: list[str]) -> None:
    answer = here("train", "dcgan", *words)
    assert (answer.code, answer.out) == (2, "")
    assert words[0] in answer.err
    assert list(cwd.iterdir()) == []
