"""Discovery: everything comes through entry points, one plugin's failure is one row, and a name explains itself."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest
from conftest import Answer

from ganzoo import hookimpl
from ganzoo.cards import Architecture, Dataset, resolve
from ganzoo.errors import UserError
from ganzoo.registry import HOOKS, Registry

ONE_CARD = """
    from ganzoo import hookimpl
    from ganzoo.cards import Architecture

    @hookimpl
    def ganzoo_architectures():
        return [
            Architecture(
                name="{name}", title="A test", task="generation", year=2020, paper="none", summary="for tests",
                config="ganzoo_dcgan.config:Config", model="ganzoo_dcgan.model:DCGAN", licence="MIT",
            )
        ]
"""


def card(name: str) -> Architecture:
    return Architecture(
        name=name,
        title="A test",
        task="generation",
        year=2020,
        paper="none",
        summary="for tests",
        config="ganzoo_dcgan.config:Config",
        model="ganzoo_dcgan.model:DCGAN",
        licence="MIT",
    )


def plugin(name: str, **hooks: Callable[..., Any]) -> ModuleType:
    """A module with these functions, each marked as a hook's implementation."""
    module = ModuleType(f"ganzoo_{name}")
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return module


def load(registry: Registry, name: str, module: object) -> None:
    registry.load(name, f"ganzoo-{name}", "1.0", lambda: module)


@pytest.fixture
def own() -> Registry:
    """A registry with one sound plugin in it, `good`."""
    registry = Registry()
    load(registry, "good", plugin("good", ganzoo_architectures=lambda: [card("good")]))
    return registry


def only_row(registry: Registry) -> str:
    (row,) = registry.problems()
    return row


# --- what is there ----------------------------------------------------------------------------------------------------


def test_built_in_plugins_come_through_entry_points(registry: Registry) -> None:
    entries = {entry.name: entry.value for entry in importlib.metadata.entry_points(group="ganzoo")}
    assert {"dcgan", "vanilla", "cgan"} <= set(registry.architectures)
    for name in registry.architectures:
        assert registry.architectures.plugin(name).name in entries
    assert registry.architectures.plugin("dcgan").module == entries["dcgan"] == "ganzoo_dcgan"


def test_this_installation_has_no_problems(registry: Registry) -> None:
    assert registry.problems() == []


def test_every_architecture_has_a_task_that_exists_and_a_config_that_builds_its_tiny_settings(
    registry: Registry,
) -> None:
    from ganzoo.config import Layer, build

    for name, entry in registry.architectures.items():
        assert entry.task in registry.tasks, name
        build(resolve(entry.config), [Layer("tiny", entry.tiny)])


def test_a_distribution_on_the_path_is_found(install: Callable[..., Path]) -> None:
    install("ganzoo-okapi", ONE_CARD.format(name="okapi"), version="2.5")
    registry = Registry()
    registry.load_entry_points()
    found = registry.architectures.plugin("okapi")
    assert (found.distribution, found.version, found.name, found.module) == (
        "ganzoo-okapi",
        "2.5",
        "okapi",
        "ganzoo_okapi",
    )
    assert "dcgan" in registry.architectures


def test_a_plugin_that_imports_torch_when_it_is_listed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    del sys.modules["torch"]  # the zoo is listed in a process that has not imported it

    def heavy() -> ModuleType:
        sys.modules["torch"] = ModuleType("torch")
        return ModuleType("ganzoo_heavy")

    registry = Registry()
    load(registry, "light", ModuleType("ganzoo_light"))
    registry.load("heavy", "ganzoo-heavy", "1.0", heavy)
    assert [found.name for found in registry.plugins.values() if found.imported_torch] == ["heavy"]


# --- what is broken is a row, and nothing else is lost ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_plugin_whose_import_fails_is_one_row(install: Callable[..., Path], source: str, error: str) -> None:
    install("ganzoo-bad", source, version="0.2")
    registry = Registry()
    registry.load_entry_points()
    row = only_row(registry)
    assert row.startswith("broken: ganzoo-bad 0.2 (bad), ")
    assert error in row
    assert "\n" not in row
    assert "dcgan" in registry.architectures


@pytest.mark.parametrize(
    ("hook", "error"),
    [
        (lambda: 1 / 0, "ganzoo_architectures raised ZeroDivisionError: division by zero"),
        (lambda: exit(4), "ganzoo_architectures raised SystemExit: 4"),
        (lambda: resolve("ganzoo_nothing:Nothing"), "ganzoo_architectures raised UserError: ganzoo_nothing:Nothing"),
        (lambda: card("odd"), "ganzoo_architectures returned Architecture, expected a list of Architecture"),
        (lambda: "odd", "ganzoo_architectures returned str, expected a list of Architecture"),
        (lambda: (c for c in [card("odd")]), "ganzoo_architectures returned generator, expected a list"),
        (lambda: ["odd"], "ganzoo_architectures returned a list with str in it, expected a list of Architecture"),
        (lambda: [card(7)], "ganzoo_architectures returned a card whose name is 7, expected text"),  # type: ignore[arg-type]
    ],
)
def test_a_hook_that_misbehaves_is_one_row(own: Registry, hook: Callable[[], object], error: str) -> None:
    load(own, "bad", plugin("bad", ganzoo_architectures=hook))
    assert error in only_row(own)
    assert list(own.architectures) == ["good"]


def test_the_sound_cards_of_a_list_with_a_wrong_one_are_kept(own: Registry) -> None:
    load(own, "mixed", plugin("mixed", ganzoo_architectures=lambda: [card("sound"), 3]))
    assert list(own.architectures) == ["good", "sound"]
    assert "a list with int in it" in only_row(own)


def test_collecting_again_says_nothing_twice(own: Registry) -> None:
    load(own, "bad", plugin("bad", ganzoo_architectures=lambda: 1 / 0))
    own.collect()
    own.collect()
    assert len(own.problems()) == 1


def test_a_misspelt_hook_is_named_with_the_near_one(own: Registry) -> None:
    load(own, "typo", plugin("typo", ganzoo_architecture=lambda: [card("lost")]))
    row = only_row(own)
    assert "ganzoo_architecture is no hook of ganzoo" in row
    assert "did you mean 'ganzoo_architectures'" in row
    assert list(own.architectures) == ["good"]


def test_a_hook_of_a_later_ganzoo_can_be_marked_optional(own: Registry) -> None:
    module = ModuleType("ganzoo_new")
    module.ganzoo_telepathy = hookimpl(lambda: [], optionalhook=True)  # type: ignore[attr-defined]
    load(own, "new", module)
    assert own.problems() == []


def test_a_hook_without_its_mark_is_named(own: Registry) -> None:
    module = ModuleType("ganzoo_unmarked")
    module.ganzoo_architectures = lambda: [card("lost")]  # type: ignore[attr-defined]
    load(own, "unmarked", module)
    assert "ganzoo_architectures is not marked with @hookimpl" in only_row(own)


def test_a_wrong_argument_of_a_hook_leaves_nothing_of_the_plugin_behind(own: Registry) -> None:
    """pluggy 1.6 registers the hooks that come first in the alphabet before it finds the wrong one."""
    half = plugin("half", ganzoo_architectures=lambda: [card("half")], ganzoo_tasks=lambda colour: [])
    load(own, "half", half)
    assert "colour" in only_row(own)
    assert "half" not in own.plugins
    own.collect()
    assert list(own.architectures) == ["good"]


def test_a_half_registered_plugin_is_taken_back(own: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, whatever the installed pluggy does: a register that enters the plugin and then raises, as 1.6 does."""
    register = pluggy.PluginManager.register

    def half(self: pluggy.PluginManager, module: object, name: str | None = None) -> str | None:
        register(self, module, name=name)
        raise pluggy.PluginValidationError(module, "found a wrong argument")

    half_plugin = plugin("half", ganzoo_architectures=lambda: [card("half")])
    with monkeypatch.context() as patch:
        patch.setattr(pluggy.PluginManager, "register", half)
        load(own, "half", half_plugin)
    own.collect()
    assert list(own.architectures) == ["good"]
    load(own, "half", half_plugin)
    assert list(own.architectures) == ["good", "half"]


def test_an_entry_point_that_is_no_module_but_an_object_with_surprises_is_one_row(own: Registry) -> None:
    class Surprise:
        def __dir__(self) -> list[str]:
            raise RuntimeError("boo")

    load(own, "surprise", Surprise())
    assert "RuntimeError: boo" in only_row(own)


def test_two_entry_points_of_one_name_keep_the_first_and_name_both(install: Callable[..., Path]) -> None:
    install("ganzoo-one", ONE_CARD.format(name="one"), entry="same", version="1.1")
    install("ganzoo-two", ONE_CARD.format(name="two"), entry="same", version="2.2")
    registry = Registry()
    registry.load_entry_points()
    row = only_row(registry)
    assert "ganzoo-two 2.2" in row
    assert "'same' is taken by ganzoo-one 1.1" in row
    assert "one" in registry.architectures
    assert "two" not in registry.architectures


def test_one_module_under_two_entry_points_is_loaded_once(own: Registry) -> None:
    module = plugin("twin", ganzoo_architectures=lambda: [card("twin")])
    load(own, "twin", module)
    load(own, "again", module)
    assert "broken: ganzoo-again 1.0 (again)" in only_row(own)
    assert own.architectures["twin"].name == "twin"


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clash(own: Registry) -> Registry:
    load(own, "left", plugin("left", ganzoo_architectures=lambda: [card("both")]))
    load(own, "right", plugin("right", ganzoo_architectures=lambda: [card("both"), card("mine")]))
    return own


def test_a_name_claimed_twice_is_an_error_that_names_both_when_it_is_used(clash: Registry) -> None:
    with pytest.raises(UserError, match=r"ganzoo-left 1\.0 \(left\) and ganzoo-right 1\.0 \(right\)") as caught:
        clash.architectures.find("both")
    assert "GANZOO_DISABLE=right" in str(caught.value)


def test_a_name_claimed_twice_costs_the_others_nothing(clash: Registry) -> None:
    assert [entry.name for entry in clash.architectures.matching("*")] == ["good", "mine"]
    assert [entry.name for entry in clash.architectures.values()] == ["good", "mine"]
    assert len(clash.architectures) == 2


def test_a_name_claimed_twice_is_a_problem_that_list_shows(clash: Registry) -> None:
    assert only_row(clash) == "the architecture 'both' is claimed by ganzoo-left 1.0 and ganzoo-right 1.0"


def test_a_clash_of_data_sets_does_not_stop_a_walk_over_them(own: Registry) -> None:
    entry = Dataset(name="x", title="", summary="", fields=("image",), load="a:b", licence="", source="")
    load(own, "first", plugin("first", ganzoo_datasets=lambda: [entry]))
    load(own, "second", plugin("second", ganzoo_datasets=lambda: [entry]))
    assert list(own.datasets.values()) == []
    with pytest.raises(UserError, match="the data set 'x' is claimed by"):
        own.datasets.find("x")


def test_an_unknown_name_gets_the_near_ones(registry: Registry) -> None:
    with pytest.raises(UserError, match=r"no architecture 'dcgna' \(did you mean 'dcgan'"):
        registry.architectures.find("dcgna")


def test_an_unknown_name_with_nothing_near_gets_all_where_they_are_few(registry: Registry) -> None:
    with pytest.raises(UserError, match=r"there are .*class-conditional, generation"):
        registry.tasks.find("zzz")


def test_an_unknown_name_points_at_the_broken_plugin_that_it_may_come_from(own: Registry) -> None:
    def load_it() -> object:
        raise ImportError("no module named okapi_core")

    own.load("okapi", "ganzoo-okapi", "0.3", load_it)
    own.load("other", "ganzoo-other", "0.3", load_it)
    with pytest.raises(UserError) as caught:
        own.architectures.find("okapi")
    assert len(caught.value.lines) == 2
    assert "it may come from broken: ganzoo-okapi 0.3 (okapi), ImportError: no module named okapi_core" in str(
        caught.value
    )


# --- switching off ----------------------------------------------------------------------------------------------------


def test_a_disabled_plugin_is_not_even_imported(install: Callable[..., Path], process: Callable[..., Answer]) -> None:
    install("ganzoo-loud", "import sys\nprint('imported', file=sys.stderr)\n" + "raise RuntimeError('broken')\n")
    assert "imported" in process("list").err
    quiet = process("list", "--json", GANZOO_DISABLE="vanilla, loud")
    assert (quiet.code, quiet.err) == (0, "")
    assert '"dcgan"' in quiet.out
    assert '"vanilla"' not in quiet.out


# --- calling hooks ----------------------------------------------------------------------------------------------------


def test_results_come_sorted_by_plugin_and_may_take_fewer_arguments(own: Registry) -> None:
    seen: list[object] = []
    load(own, "b", plugin("b", ganzoo_step_done=lambda step: seen.append(("b", step))))
    load(own, "a", plugin("a", ganzoo_step_done=lambda scalars, step: seen.append(("a", step, scalars))))
    results = own.call("ganzoo_step_done", run=None, step=3, scalars={"loss": 1.0}, samples=None)
    assert [found.name for found, _ in results] == ["a", "b"]
    assert sorted(seen, key=str) == [("a", 3, {"loss": 1.0}), ("b", 3)]


def test_the_hooks_are_those_of_the_specification() -> None:
    specified = {caller for caller in vars(Registry().manager.hook) if caller.startswith("ganzoo_")}
    assert set(HOOKS) == specified
