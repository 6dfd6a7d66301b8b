"""Settings: the layers' order, coercion by the declared type, and every mistake in one message."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import yaml

from ganzoo.config import Layer, Settings, build, facts, parse_assignments, setting
from ganzoo.errors import UserError
from ganzoo_dcgan.config import Config as DCGANConfig


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """One setting of each type."""

    width: int = setting(64, ge=1, le=512, help="channels")
    rate: float = setting(0.5, gt=0, lt=1, help="a share")
    noisy: bool = setting(False, help="whether")
    norm: Literal["batch", "none"] = setting("batch", help="which")
    layers: Literal[2, 4] = setting(2, help="how many")
    limit: int | None = setting(None, ge=1, help="at most")
    augment: tuple[Literal["color", "cutout"], ...] = setting((), help="which of them")
    channels: tuple[int, ...] = setting((8, 16), help="a stage")
    note: str = setting("", help="anything")

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        if self.noisy and self.norm == "none":
            lines.append("noisy: needs norm=batch")
        return lines


def value(name: str, raw: object) -> Any:
    """What `--set name=raw` becomes (or the same from a file, where `raw` is not text)."""
    settings, _ = build(Config, [Layer("--set", {name: raw})])
    return getattr(settings, name)


def mistakes(*layers: Layer, settings: type[Settings] = Config) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        build(settings, layers)
    return caught.value.lines


# --- layers -----------------------------------------------------------------------------------------------------------


def test_a_later_layer_wins_and_each_value_knows_where_it_came_from() -> None:
    layers = [
        Layer("demo.recipe", {"width": 1, "rate": 0.1, "lr": 0.1}),
        Layer("my.yaml", {"width": 2, "rate": 0.2}),
        Layer("--set", {"width": "3"}),
    ]
    settings, origins = build(Config, layers)
    assert (settings.lr, settings.rate, settings.width, settings.beta1) == (0.1, 0.2, 3, 0.5)
    assert [origins[name] for name in ("lr", "rate", "width", "beta1")] == [
        "demo.recipe",
        "my.yaml",
        "--set",
        "default",
    ]


def test_an_architecture_may_change_a_default_of_the_trainer() -> None:
    assert build(DCGANConfig, [])[0].batch == 128
    assert build(Config, [])[0].batch == 64


def test_settings_cannot_be_changed_once_built() -> None:
    settings, _ = build(Config, [])
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.width = 3  # type: ignore[misc]


# --- coercion ---------------------------------------------------------------------------------------------------------


def test_yaml_reads_1e_4_as_text_and_we_as_a_number() -> None:
    document = yaml.safe_load("lr: 1e-4")
    assert document == {"lr": "1e-4"}
    assert value("lr", document["lr"]) == 0.0001


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("width", "32", 32),
        ("width", 32.0, 32),
        ("width", "1e2", 100),
        ("steps", "9007199254740993", 9007199254740993),
        ("rate", "1e-3", 0.001),
        ("lr", 1, 1.0),
        ("note", 12, "12"),
    ],
)
def test_numbers_and_text(name: str, raw: object, expected: object) -> None:
    found = value(name, raw)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("raw", ["on", "On", "true", "yes", "1", True, 1])
def test_words_for_true(raw: object) -> None:
    assert value("noisy", raw) is True


@pytest.mark.parametrize("raw", ["off", "FALSE", "no", "0", False, 0])
def test_words_for_false(raw: object) -> None:
    assert value("noisy", raw) is False


def test_compile_on_and_off_are_true_and_false_from_yaml_and_from_the_command_line() -> None:
    assert value("compile", yaml.safe_load("compile: on")["compile"]) is True
    assert value("compile", "on") is True
    assert value("compile", "off") is False


def test_a_choice_of_numbers() -> None:
    assert value("layers", "4") == 4
    assert mistakes(Layer("--set", {"layers": "3"})) == ("layers: '3' is not one of 2, 4 [--set]",)


@pytest.mark.parametrize("raw", [None, "none", "None", "null", ""])
def test_words_for_none(raw: object) -> None:
    assert value("limit", raw) is None


def test_an_optional_number() -> None:
    assert value("limit", "7") == 7


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("color,cutout", ("color", "cutout")),
        ("color", ("color",)),
        (" color , cutout ", ("color", "cutout")),
        (["cutout"], ("cutout",)),
        ("", ()),
        ("none", ()),
        (None, ()),
        ([], ()),
    ],
)
def test_lists(raw: object, expected: tuple[str, ...]) -> None:
    assert value("augment", raw) == expected


def test_a_list_of_numbers_from_the_command_line() -> None:
    assert value("channels", "4,8,16") == (4, 8, 16)


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("width", "3.5", "'3.5' is not a whole number"),
        ("width", "inf", "'inf' is not a whole number"),
        ("width", "nan", "'nan' is not a whole number"),
        ("width", "many", "'many' is not a whole number"),
        ("width", None, "None is not a whole number"),
        ("width", [3], "[3] is not a whole number"),
        ("width", True, "True is not int"),
        ("rate", "half", "'half' is not a number"),
        ("rate", "", "'' is not a number"),
        ("lr", "inf", "'inf' is not a finite number"),
        ("lr", "-inf", "'-inf' is not a finite number"),
        ("lr", "nan", "'nan' is not a finite number"),
        ("lr", float("nan"), "nan is not a finite number"),
        ("noisy", "maybe", "'maybe' is neither true nor false"),
        ("norm", "bacth", "'bacth' is not one of batch, none (did you mean 'batch'?)"),
        ("augment", "colour", "'colour' is not one of color, cutout (did you mean 'color'?)"),
        ("augment", 3, "3 is not a list"),
        ("limit", "lots", "'lots' is not a whole number"),
    ],
)
def test_a_wrong_type_says_what_was_found_and_what_is_expected(name: str, raw: object, message: str) -> None:
    assert mistakes(Layer("--set", {name: raw})) == (f"{name}: {message} [--set]",)


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("width", 0, "0 must be >= 1"),
        ("width", 513, "513 must be <= 512"),
        ("rate", 0, "0.0 must be > 0"),
        ("rate", 1, "1.0 must be < 1"),
        ("limit", 0, "0 must be >= 1"),
        ("lr", "-1", "-1.0 must be > 0"),
    ],
)
def test_a_value_out_of_bounds(name: str, raw: object, message: str) -> None:
    assert mistakes(Layer("--set", {name: raw})) == (f"{name}: {message} [--set]",)


@pytest.mark.parametrize(("name", "raw"), [("width", 1), ("width", 512), ("rate", 0.999), ("limit", 1)])
def test_the_bounds_themselves(name: str, raw: float) -> None:
    assert value(name, raw) == raw


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_all_mistakes_of_all_layers_come_at_once() -> None:
    found = mistakes(
        Layer("demo.recipe", {"norm": "layer"}),
        Layer("my.yaml", {"rate": 2}),
        Layer("--set", {"widht": "32", "lr": "-1"}),
    )
    assert found == (
        "norm: 'layer' is not one of batch, none [demo.recipe]",
        "rate: 2.0 must be < 1 [my.yaml]",
        "widht: no such setting (did you mean 'width'?) [--set]",
        "lr: -1.0 must be > 0 [--set]",
    )


def test_settings_that_cannot_be_together() -> None:
    assert mistakes(Layer("--set", {"noisy": "on", "norm": "none"})) == ("noisy: needs norm=batch",)
    assert mistakes(Layer("--set", {"batch": 10, "accumulate": 3})) == ("accumulate: 3 does not divide batch=10",)


def test_rules_of_the_base_and_of_the_architecture_are_reported_together() -> None:
    found = mistakes(Layer("--set", {"noisy": "on", "norm": "none", "batch": 10, "accumulate": 3}))
    assert len(found) == 2


def test_dcgan_refuses_batch_normalisation_under_a_gradient_penalty() -> None:
    penalised = {"loss": "wasserstein", "discriminator_norm": "batch"}
    (found,) = mistakes(Layer("--set", penalised), settings=DCGANConfig)
    assert found.startswith("discriminator_norm: ")
    built, _ = build(DCGANConfig, [Layer("--set", {"loss": "wasserstein"})])
    assert built.norm == "none"


# --- facts ------------------------------------------------------------------------------------------------------------


def test_facts_say_type_default_help_and_owner_with_the_architectures_own_first() -> None:
    rows = facts(Config)
    by_name = {row.name: row for row in rows}
    assert len(rows) == len(dataclasses.fields(Config))
    width = by_name["width"]
    assert (width.type, width.default, width.help, width.owner) == ("int", 64, "channels", "architecture")
    assert by_name["norm"].type == "batch|none"
    assert by_name["limit"].type == "int or none"
    assert by_name["channels"].type == "list of int"
    assert by_name["augment"].type == "list of color|cutout"
    assert by_name["lr"].owner == "trainer"
    owners = [row.owner for row in rows]
    assert owners == sorted(owners)


def test_a_trainers_setting_that_an_architecture_declares_anew_is_the_architectures() -> None:
    steps = next(row for row in facts(DCGANConfig) if row.name == "steps")
    assert (steps.owner, steps.default) == ("architecture", 20_000)


def test_a_field_without_help_is_no_reason_to_fail() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Plain(Settings):
        depth: int = 3

    Plain.__annotations__["depth"] = int  # a class inside a function: its hints have no module to be looked up in
    assert next(row for row in facts(Plain) if row.name == "depth").help == ""
    assert build(Plain, [Layer("--set", {"depth": "5"})])[0].depth == 5


def test_every_setting_of_the_zoo_has_help(registry: Any) -> None:
    from ganzoo.cards import resolve

    for card in registry.architectures.values():
        for row in facts(resolve(card.config)):
            assert row.help, f"{card.name}.{row.name}"


# --- name=value -------------------------------------------------------------------------------------------------------


def test_assignments() -> None:
    assert parse_assignments(["lr=1e-4", " width = 32 ", "note=a=b", "size="]) == {
        "lr": "1e-4",
        "width": "32",
        "note": "a=b",
        "size": "",
    }


def test_every_assignment_that_is_none_is_named() -> None:
    with pytest.raises(UserError) as caught:
        parse_assignments(["lr", "=3", "width=1", "width=2"])
    assert [line.partition(":")[0] for line in caught.value.lines] == ["--set lr", "--set =3", "--set width=2"]
    assert caught.value.lines[2].endswith("width is set twice")
