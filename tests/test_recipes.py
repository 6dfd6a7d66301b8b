"""Recipes: every packaged one holds together, other packages and a user's file add to them, and malformed entries are
all named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from conftest import Answer

from ganzoo import hookimpl, recipes, training
from ganzoo.cards import Architecture, Recipe, resolve
from ganzoo.config import Layer, build
from ganzoo.errors import UserError
from ganzoo.registry import Registry

PACKAGED = recipes.packaged()


def write(folder: Path, text: str) -> Path:
    path = folder / recipes.FILE
    path.write_text(dedent(text))
    return path


# --- the packaged ones ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", PACKAGED.values(), ids=list(PACKAGED))
def test_a_packaged_recipe_holds_together(recipe: recipes.Recipe, registry: Registry) -> None:
    card = registry.architectures.find(recipe.architecture)
    settings, origins = build(resolve(card.config), [Layer(recipe.name, recipe.settings)])
    assert {name for name, origin in origins.items() if origin == recipe.name} == set(recipe.settings)
    assert settings.size is None or not card.sizes or settings.size in card.sizes
    if recipe.data == recipes.ANY:
        return
    name, _, subset = recipe.data.partition(":")
    data = registry.datasets.find(name, "ganzoo data list")
    assert not subset or subset in data.subsets
    assert set(registry.tasks.find(card.task).batch) <= set(data.fields)


def test_every_architecture_with_recipes_has_exactly_one_default() -> None:
    architectures = {recipe.architecture for recipe in PACKAGED.values()}
    defaults = Counter(recipe.architecture for recipe in PACKAGED.values() if recipe.default)
    assert dict(defaults) == dict.fromkeys(architectures, 1)


def test_every_architecture_can_be_trained_by_its_name_alone_without_a_download(registry: Registry) -> None:
    for name in registry.architectures:
        default = recipes.default_recipe(name, recipes.shipped(registry))
        assert default is not None, name
        assert registry.datasets[default.data.partition(":")[0]].embedded, name


def test_recipes_are_resolved_without_torch() -> None:
    program = """
        import json, sys
        from ganzoo import recipes
        from ganzoo.cards import resolve
        from ganzoo.config import Layer, build
        from ganzoo.registry import get_registry

        for recipe in recipes.packaged().values():
            card = get_registry().architectures.find(recipe.architecture)
            build(resolve(card.config), [Layer(recipe.name, recipe.settings)])
        print(json.dumps([name for name in ("torch", "torchvision", "timm", "scipy") if name in sys.modules]))
    """
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


# --- a user's own -----------------------------------------------------------------------------------------------------


def test_a_zoo_yaml_in_the_working_directory_adds_to_the_packaged_ones(cwd: Path) -> None:
    write(cwd, "recipes: {dcgan.mine: {data: photos/, settings: {lr: 1e-4}, notes: of the\n  sea}}")
    known = recipes.all_recipes()
    assert set(known) == {*PACKAGED, "dcgan.mine"}
    mine = recipes.find("dcgan.mine", known, ["dcgan"])
    assert (mine.architecture, mine.tag, mine.data, mine.notes) == ("dcgan", "mine", "photos/", "of the sea")
    assert recipes.default_recipe("dcgan", known) == PACKAGED["dcgan.fashion"]


def test_without_one_there_are_only_the_packaged_ones(cwd: Path) -> None:
    assert recipes.all_recipes() == PACKAGED


@pytest.mark.parametrize("entry", ["{data: fashion, settings: {lr: 0.1}}", "{data: emoji-flat, settings: {size: 28}}"])
def test_a_packaged_name_cannot_be_given_to_something_else(cwd: Path, entry: str) -> None:
    write(cwd, f"recipes:\n  dcgan.fashion: {entry}\n  dcgan.fine: {{data: fashion}}")
    with pytest.raises(UserError, match=r"dcgan\.fashion is a packaged recipe; give yours another tag") as caught:
        recipes.all_recipes()
    assert len(caught.value.lines) == 1


def test_the_same_settings_on_other_data_are_something_else(cwd: Path) -> None:
    settings = json.dumps(dict(PACKAGED["dcgan.fashion"].settings))
    write(cwd, f"recipes: {{dcgan.fashion: {{data: emoji-flat, settings: {settings}}}}}")
    with pytest.raises(UserError, match="give yours another tag"):
        recipes.all_recipes()


def test_a_copy_of_the_packaged_file_may_be_kept_and_added_to(cwd: Path) -> None:
    text = recipes.packaged_file().read_text()
    write(cwd, text + "\n  dcgan.mine: {data: fashion}\n")
    assert set(recipes.all_recipes()) == {*PACKAGED, "dcgan.mine"}


def test_what_an_architectures_name_means_cannot_be_changed(cwd: Path) -> None:
    write(cwd, "recipes: {dcgan.mine: {data: fashion, default: true}}")
    with pytest.raises(
        UserError, match=r"the default of dcgan is dcgan\.fashion; train yours by its name, dcgan\.mine"
    ):
        recipes.all_recipes()


def test_an_architecture_without_recipes_can_be_given_a_default(cwd: Path) -> None:
    write(cwd, "recipes:\n  okapi.a: {data: fashion}\n  okapi.b: {data: fashion, default: true}")
    default = recipes.default_recipe("okapi", recipes.all_recipes())
    assert default is not None
    assert default.name == "okapi.b"
    assert [recipe.name for recipe in recipes.of_architecture("okapi", recipes.all_recipes())] == ["okapi.b", "okapi.a"]


# --- those of another package -----------------------------------------------------------------------------------------


def okapi(*own: Recipe, name: str = "okapi") -> Architecture:
    return Architecture(
        name=name,
        title="A test",
        task="generation",
        year=2020,
        paper="none",
        summary="the vanilla GAN under another name",
        config="ganzoo_vanilla.config:Config",
        model="ganzoo_vanilla.model:VanillaGAN",
        licence="MIT",
        recipes=own,
    )


def registry_with(make: Callable[[], Architecture]) -> Registry:
    """The registry of this environment and a package `ganzoo-okapi`, whose hook makes a card."""
    module = ModuleType("ganzoo_okapi")
    module.ganzoo_architectures = hookimpl(lambda: [make()])  # type: ignore[attr-defined]
    made = Registry()
    made.load_entry_points()
    made.load("okapi", "ganzoo-okapi", "1.0", lambda: module)
    return made


EMOJI = Recipe(name="okapi.emoji", data="emoji-flat")
FASHION = Recipe(name="okapi.fashion", data="fashion", settings={"width": 8}, default=True)


def test_an_architecture_of_another_package_is_trained_by_its_name_with_the_recipe_on_its_card(cwd: Path) -> None:
    registry = registry_with(lambda: okapi(EMOJI, FASHION))
    job = training.plan_job(registry, "okapi", None, None, {})
    assert (job.recipe, job.source, job.settings.width, job.origins["width"]) == (
        "okapi.fashion",
        "fashion",
        8,
        "okapi.fashion",
    )
    assert training.plan_job(registry, "okapi.emoji", None, None, {}).source == "emoji-flat"
    assert recipes.shipped(registry)["okapi.emoji"].origin == "ganzoo-okapi"
    assert set(recipes.shipped(registry)) == {*PACKAGED, "okapi.emoji", "okapi.fashion"}


def test_a_zoo_yaml_may_add_to_the_recipes_of_a_card_but_not_replace_them(cwd: Path) -> None:
    registry = registry_with(lambda: okapi(EMOJI, FASHION))
    write(cwd, "recipes: {okapi.mine: {data: photos/}}")
    assert "okapi.mine" in recipes.all_recipes(registry=registry)
    write(cwd, "recipes:\n  okapi.emoji: {data: fashion}\n  okapi.mine: {data: fashion, default: true}")
    with pytest.raises(UserError) as caught:
        recipes.all_recipes(registry=registry)
    assert [line.partition(": ")[2] for line in caught.value.lines] == [
        "okapi.emoji is a packaged recipe; give yours another tag",
        "the default of okapi is okapi.fashion; train yours by its name, okapi.mine",
    ]


def test_what_the_packaged_file_says_of_an_architecture_is_not_changed_by_its_card() -> None:
    own = (Recipe(name="vanilla.fashion", data="mnist"), Recipe(name="vanilla.more", data="mnist", default=True))
    module = ModuleType("ganzoo_vanilla_again")
    module.ganzoo_architectures = hookimpl(lambda: [okapi(*own, name="vanilla")])  # type: ignore[attr-defined]
    registry = Registry()
    registry.load("vanilla", "ganzoo-vanilla-again", "1.0", lambda: module)
    known = recipes.shipped(registry)
    assert known["vanilla.fashion"] == PACKAGED["vanilla.fashion"]
    assert known["vanilla.more"].data == "mnist"
    default = recipes.default_recipe("vanilla", known)
    assert default is not None
    assert default.name == "vanilla.fashion"


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (("okapi.fashion",), "expected ganzoo.Recipe, found str"),
        ((Recipe(name="other.fashion", data="fashion"),), "'other.fashion' is not of the form okapi.TAG"),
        ((Recipe(name="okapi", data="fashion"),), "'okapi' is not of the form okapi.TAG"),
        ((EMOJI, EMOJI), "okapi.emoji stands there twice"),
        ((FASHION, Recipe(name="okapi.b", data="fashion", default=True)), "only one can be the default, found okapi.f"),
    ],
    ids=["not-one", "of-another", "no-tag", "twice", "two-defaults"],
)
def test_a_card_with_impossible_recipes_is_a_broken_row_and_stops_nothing_else(
    own: tuple[Recipe, ...], line: str
) -> None:
    registry = registry_with(lambda: okapi(*own))
    assert [row.distribution for row in registry.broken] == ["ganzoo-okapi"]
    assert f"ValueError: recipes of okapi: {line}" in registry.broken[0].error
    assert recipes.shipped(registry) == PACKAGED


def test_show_prints_the_recipes_of_a_card(install: Callable[..., Path], process: Callable[..., Answer]) -> None:
    install(
        "ganzoo-okapi",
        """
        from ganzoo import Architecture, Recipe, hookimpl

        @hookimpl
        def ganzoo_architectures():
            recipe = Recipe(name="okapi.fashion", data="fashion", settings={"width": 9}, notes="clothes", default=True)
            return [Architecture(name="okapi", title="Okapi", task="generation", year=2020, paper="-", summary="-",
                                 config="ganzoo_vanilla.config:Config", model="ganzoo_vanilla.model:VanillaGAN",
                                 licence="MIT", recipes=(recipe,))]
        """,
    )
    said = process("show", "okapi.fashion", "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert document["resolved"] == {"width": 9}
    assert document["recipes"] == [
        {
            "name": "okapi.fashion",
            "data": "fashion",
            "settings": {"width": 9},
            "notes": "clothes",
            "default": True,
            "origin": "ganzoo-okapi",
        }
    ]


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_every_malformed_entry_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        recipes:
          dcgan: {data: fashion}
          dcgan.: {data: fashion}
          dcgan.nodata: {settings: {lr: 0.1}}
          dcgan.list: [fashion]
          dcgan.typo: {data: fashion, setings: {lr: 0.1}, 7: x}
          dcgan.settings: {data: fashion, settings: [lr]}
          dcgan.fine: {data: fashion}
        """,
    )
    with pytest.raises(UserError) as caught:
        recipes.read(path)
    lines = caught.value.lines
    assert all(line.startswith(f"{path}: ") for line in lines)
    wrong = (
        "'dcgan' is not",
        "'dcgan.' is not",
        "dcgan.nodata needs",
        "dcgan.list needs",
        "dcgan.typo",
        "dcgan.settings",
    )
    assert len(lines) == len(wrong)
    for part, line in zip(wrong, lines, strict=True):
        assert part in line
    assert "7, setings (did you mean 'settings'?)" in lines[4]


@pytest.mark.parametrize("text", ["recipes: [1]", "- dcgan", "", "recipes:", "dcgan.x: {data: fashion}"])
def test_a_file_without_a_mapping_of_recipes(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError, match="expected a mapping `recipes:` at the top"):
        recipes.read(path)


@pytest.mark.parametrize("content", [b"recipes: {", b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / recipes.FILE
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as caught:
        recipes.read(path)
    assert len(caught.value.lines) == 1
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_gets_the_near_ones_and_those_of_its_architecture() -> None:
    with pytest.raises(UserError) as caught:
        recipes.find("dcgan.fashoin", PACKAGED, ["dcgan"])
    assert "did you mean 'dcgan.fashion'" in str(caught.value)
    assert "dcgan has dcgan.fashion" in str(caught.value)


def test_a_settings_name_that_yaml_reads_as_a_number_is_a_mistake_like_any_other(cwd: Path, registry: Registry) -> None:
    write(cwd, "recipes: {dcgan.odd: {data: fashion, settings: {3: 4}}}")
    recipe = recipes.all_recipes()["dcgan.odd"]
    with pytest.raises(UserError, match="3: no such setting"):
        build(resolve(registry.architectures["dcgan"].config), [Layer(recipe.name, recipe.settings)])
