"""Every hook, seen from a plugin: what it is given, when it is called, and that it cannot hurt anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Answer, TinyRuns
from safetensors.torch import load_file

from ganzoo import hookimpl, hookspecs
from ganzoo.cards import Architecture, Dataset, FeatureNetwork, Metric, Task
from ganzoo.engine.listeners import Quiet
from ganzoo.registry import HOOKS, Registry
from ganzoo.runs import Run


def test_every_hook_has_a_docstring_and_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = set(re.findall(r"^def test_hook_(\w+)\(", tests, re.MULTILINE))
    assert {hook.removeprefix("ganzoo_") for hook in HOOKS} <= tested
    for hook in HOOKS:
        assert getattr(hookspecs, hook).__doc__, hook


def with_hooks(**hooks: Callable[..., Any]) -> Registry:
    """The registry of this environment, and a plugin `watcher` with these hooks."""
    module = ModuleType("ganzoo_watcher")
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    registry = Registry()
    registry.load_entry_points()
    registry.load("watcher", "ganzoo-watcher", "1.0", lambda: module)
    return registry


# --- cards ------------------------------------------------------------------------------------------------------------


def test_hook_architectures(tiny_run: TinyRuns) -> None:
    """A stranger's architecture trains like a built-in one, on data that it was never told of."""
    card = Architecture(
        name="okapi",
        title="A test",
        task="generation",
        year=2020,
        paper="none",
        summary="the vanilla GAN under another name",
        config="ganzoo_vanilla.config:Config",
        model="ganzoo_vanilla.model:VanillaGAN",
        licence="MIT",
        tiny={"width": 8, "maxout_units": 4, "latent": 4, "batch": 4, "samples": 4},
    )
    registry = with_hooks(ganzoo_architectures=lambda: [card])
    assert registry.architectures.find("okapi") is card
    made = tiny_run("okapi", registry=registry, steps=2)
    assert made.trainer.run().step == 2
    document = json.loads((made.run.folder / "config.json").read_text())
    assert document["plugin"] == {"distribution": "ganzoo-watcher", "version": "1.0"}


def test_hook_tasks() -> None:
    card = Task(name="music", title="Music", summary="noise in, sound out", batch=("a",), inputs=("z",), output="a")
    registry = with_hooks(ganzoo_tasks=lambda: [card])
    assert registry.tasks.find("music") is card
    assert "generation" in registry.tasks


def test_hook_datasets(tiny_run: TinyRuns) -> None:
    """A stranger's data set can be trained on by its name."""
    card = Dataset(
        name="garments",
        title="Clothes",
        summary="the embedded clothes under another name",
        fields=("image", "label"),
        load="ganzoo_data.embedded_sets:fashion",
        licence="MIT",
        source="none",
        size=28,
        channels=1,
        subsets=("dress",),
    )
    registry = with_hooks(ganzoo_datasets=lambda: [card])
    made = tiny_run("vanilla", data="garments:dress", registry=registry, steps=1)
    assert made.data.spec.count == 500
    assert made.run.data_source == "garments:dress"
    assert made.run.name == "vanilla-garments-dress-1"


def test_hook_metrics() -> None:
    card = Metric(name="m", title="M", summary="", paper="none", better="lower", compute="ganzoo_watcher:compute")
    registry = with_hooks(ganzoo_metrics=lambda: [card])
    assert registry.metrics.find("m") is card
    assert registry.metrics.plugin("m").distribution == "ganzoo-watcher"


def test_hook_features() -> None:
    card = FeatureNetwork(name="f", title="F", summary="", load="ganzoo_watcher:load", licence="MIT", dimensions=8)
    registry = with_hooks(ganzoo_features=lambda: [card])
    assert registry.features.find("f") is card


# --- commands ---------------------------------------------------------------------------------------------------------

HELLO = """
    import click
    from ganzoo import hookimpl

    @hookimpl
    def ganzoo_commands(cli):
        @cli.command()
        @click.option("--name", required=True)
        def hello(name):
            "Greet somebody."
            click.echo(f"hello {name}")
            return 7

        @cli.command("list")
        def fake():
            click.echo("not the list")
"""


def test_hook_commands(install: Callable[..., Path], process: Callable[..., Answer]) -> None:
    install("ganzoo-hello", HELLO)
    assert re.search(r"^  hello +Greet somebody\.$", process("--help").out, re.MULTILINE)
    answer = process("hello", "--name", "zoo")
    assert (answer.code, answer.out, answer.err) == (7, "hello zoo\n", "")
    assert process("hello").code == 2


def test_a_plugins_command_cannot_take_the_place_of_a_built_in_one(
    install: Callable[..., Path], process: Callable[..., Answer]
) -> None:
    install("ganzoo-hello", HELLO)
    assert "not the list" not in process("list").out


def test_a_plugin_that_fails_to_add_its_commands_costs_the_others_nothing(
    install: Callable[..., Path], process: Callable[..., Answer]
) -> None:
    install("ganzoo-hello", HELLO)
    install("ganzoo-bad", "from ganzoo import hookimpl\n\n@hookimpl\ndef ganzoo_commands(cli):\n    1 / 0\n")
    shown = process("--help")
    assert shown.code == 0
    assert "Greet somebody." in shown.out
    unknown = process("bad")
    assert unknown.code == 2
    assert "ganzoo_commands raised ZeroDivisionError" in unknown.err


# --- a run ------------------------------------------------------------------------------------------------------------


def test_hook_run_started(tiny_run: TinyRuns) -> None:
    seen: list[tuple[Run, bool, list[str]]] = []

    def started(run: Run) -> None:
        files = sorted(path.name for path in run.folder.iterdir())
        seen.append((run, "config.json" in files, [name for name in files if name.endswith(".pt")]))

    made = tiny_run("vanilla", registry=with_hooks(ganzoo_run_started=started))
    assert seen == []
    made.trainer.run()
    assert seen == [(made.run, True, [])]


def test_hook_step_done(tiny_run: TinyRuns) -> None:
    seen: list[tuple[int, dict[str, float], Path | None]] = []

    def done(run: Run, step: int, scalars: Mapping[str, float], samples: Path | None) -> None:
        assert samples is None or samples.is_file()
        seen.append((step, dict(scalars), samples))

    registry = with_hooks(ganzoo_step_done=done)
    made = tiny_run("vanilla", registry=registry, steps=6, log_every=2, sample_every=3)
    made.trainer.run()
    lines = [json.loads(line) for line in (made.run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [step for step, _, _ in seen] == [line["step"] for line in lines] == [1, 2, 3, 4, 6]
    assert [step for step, _, samples in seen if samples] == [3, 6]
    for (_, scalars, _), line in zip(seen, lines, strict=True):
        assert scalars.items() <= line.items()
        assert "generator/adversarial" in scalars


def test_hook_run_finished(tiny_run: TinyRuns) -> None:
    seen: list[BaseException | None] = []
    registry = with_hooks(ganzoo_run_finished=lambda error: seen.append(error))
    tiny_run("vanilla", registry=registry).trainer.run()
    assert seen == [None]

    class Tripping(Quiet):
        def stepped(self, step: int, scalars: Mapping[str, float] | None) -> None:
            raise OSError("the terminal went away")

    with pytest.raises(OSError, match="the terminal went away") as caught:
        tiny_run("vanilla", registry=registry, reporter=Tripping()).trainer.run()
    assert seen == [None, caught.value]


class Listening(Quiet):
    """A reporter that keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warned(self, step: int, message: str) -> None:
        self.warnings.append(message)


@pytest.mark.parametrize("hook", ["ganzoo_run_started", "ganzoo_step_done", "ganzoo_run_finished"])
@pytest.mark.parametrize("error", [RuntimeError("no disk"), SystemExit(3)])
def test_a_run_hook_that_fails_is_named_once_and_costs_the_run_nothing(
    tiny_run: TinyRuns, hook: str, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    listening = Listening()
    made = tiny_run("vanilla", registry=with_hooks(**{hook: fail}), reporter=listening, log_every=1)
    assert made.trainer.run().step == 4
    (warning,) = listening.warnings
    assert warning == f"broken: ganzoo-watcher 1.0 (watcher), {hook} raised {type(error).__name__}: {error}"

    plain = tiny_run("vanilla", registry=with_hooks(), log_every=1)
    plain.trainer.run()
    weights, expected = (load_file(run.folder / "model.safetensors") for run in (made.run, plain.run))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert json.loads((made.run.folder / "summary.json").read_text())["state"] == "finished"
