"""Settings: frozen dataclasses with help and bounds, built from layers, with every mistake reported at once.

A plugin subclasses `Settings` and adds its own fields with `setting(...)`. Values come from dataclass defaults <
recipe < `--config file` < `--set key=value`, and are coerced by the declared type, never by what YAML guessed.
"""

from __future__ import annotations

import dataclasses
import operator
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union

from ganzoo.cards import Architecture, resolve
from ganzoo.errors import UserError, did_you_mean
from ganzoo.strangers import shown

if TYPE_CHECKING:
    from ganzoo.data.base import DataRequest

S = TypeVar("S", bound="Settings")
LossName = Literal["minimax", "non-saturating", "least-squares", "hinge", "wasserstein", "relativistic"]


def setting(
    default: Any,
    *,
    help: str,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> Any:
    """A field of a settings dataclass: its default, one line of help, and the bounds of a number."""
    bounds = {name: value for name, value in (("gt", gt), ("ge", ge), ("lt", lt), ("le", le)) if value is not None}
    return dataclasses.field(default=default, metadata={"help": help, **bounds})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every architecture can be told: the trainer's settings. Plugins add their own by subclassing."""

    steps: int = setting(2000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(64, ge=1, help="pictures a step, over all processes")
    seed: int = setting(0, ge=0, lt=2**63, help="seed of weights, order, noise and augmentation")
    lr: float = setting(2e-4, gt=0, help="learning rate of Adam")
    beta1: float = setting(0.5, ge=0, lt=1, help="Adam's decay of the first moment")
    beta2: float = setting(0.999, ge=0, lt=1, help="Adam's decay of the second moment")
    weight_decay: float = setting(0.0, ge=0, help="decoupled weight decay (AdamW)")
    warmup: int = setting(0, ge=0, help="steps over which the learning rate rises linearly to its value")
    schedule: Literal["constant", "linear", "cosine"] = setting("constant", help="how the learning rate falls to 0")
    decay_start: float = setting(0.5, ge=0, le=1, help="share of the steps after which it begins to fall")
    accumulate: int = setting(1, ge=1, help="micro-batches that one step's batch is cut into, to save memory")
    clip: float = setting(0.0, ge=0, help="largest gradient norm of a phase (0: no clipping)")
    ema_kimg: float = setting(10.0, ge=0, help="half-life of the averaged weights in thousands of pictures (0: none)")
    ema_rampup: float = setting(0.05, ge=0, help="at most this share of the pictures seen so far as half-life (0: off)")
    size: int | None = setting(None, ge=1, help="height and width of the pictures in pixels (none: chosen by the data)")
    fit: Literal["crop", "pad", "stretch"] = setting("crop", help="how a picture that is not square becomes square")
    flip: bool = setting(False, help="mirror each picture left to right with probability 1/2")
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "auto", help="auto: bf16 where the hardware computes in it natively, else fp32"
    )
    compile: bool = setting(False, help="torch.compile the networks; slower on a CPU")
    workers: int = setting(2, ge=0, help="processes that read a streamed data set")
    memory: float = setting(4.0, ge=0, help="GiB up to which a data set is held on the device; a larger one streams")
    log_every: int = setting(50, ge=1, help="steps between two lines of metrics")
    sample_every: int = setting(0, ge=0, help="steps between two sample grids (0: twelve in a run, closer at first)")
    samples: int = setting(64, ge=1, help="pictures in a sample grid")
    eval_every: int = setting(0, ge=0, help="steps between two evaluations (0: none; else one at the end too)")
    eval_count: int = setting(2000, ge=2, help="pictures that are generated for an evaluation on the way")
    checkpoint_every: int = setting(0, ge=0, help="steps between two checkpoints (0: one a minute)")

    def wants(self, request: DataRequest) -> DataRequest:
        """The request for the data, with what a subclass asks of them beside size and fit."""
        return request

    def mistakes(self) -> list[str]:
        """What is wrong with the settings taken together, one line each; a subclass adds its own rules."""
        lines = []
        if self.batch % self.accumulate:
            lines.append(f"accumulate: {self.accumulate} does not divide batch={self.batch}")
        return lines


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings(Settings):
    """Settings of an `AdversarialModel`: the loss and what keeps it in balance."""

    loss: LossName = setting("non-saturating", help="the adversarial loss")
    lr_discriminator: float | None = setting(
        None, gt=0, help="learning rate of the discriminator (none: the same as lr)"
    )
    critic_steps: int = setting(1, ge=1, help="discriminator updates a step, each on fresh pictures")
    gradient_penalty: float = setting(10.0, ge=0, help="weight of the WGAN gradient penalty (with loss=wasserstein)")
    r1: float = setting(0.0, ge=0, help="weight (gamma) of the R1 penalty at real pictures (0: off)")
    r2: float = setting(0.0, ge=0, help="weight (gamma) of the R2 penalty at fakes (0: off)")
    penalty_every: int = setting(16, ge=1, help="steps between two R1/R2 penalties, each that much stronger")
    diffaug: tuple[Literal["color", "translation", "cutout"], ...] = setting(
        (), help="differentiable augmentation: color, translation, cutout (for small data sets)"
    )
    ada: tuple[Literal["blit", "geometric", "color", "filter", "noise", "cutout"], ...] = setting(
        (), help="adaptive augmentation: blit, geometric, color; also filter, noise, cutout (for small data sets)"
    )
    ada_target: float = setting(0.6, gt=-1, lt=1, help="mean sign of the logits of real pictures that ada keeps to")
    ada_kimg: float = setting(500.0, gt=0, help="thousands of pictures in which ada's probability can go from 0 to 1")
    ada_probability: float | None = setting(
        None, ge=0, le=1, help="probability of each change of ada (none: it adapts, from 0)"
    )


@dataclass(frozen=True, kw_only=True)
class AdversarialConvSettings(AdversarialSettings):
    """Settings of an `AdversarialModel` whose discriminator is convolutional, with a choice of its normalisation."""

    discriminator_norm: Literal["auto", "batch", "spectral", "none"] = setting(
        "auto", help="normalisation in the discriminator (auto: batch, or none under a gradient penalty)"
    )

    @property
    def penalised(self) -> bool:
        """Whether the loss looks at the discriminator's gradient picture by picture."""
        return self.loss == "wasserstein" or self.r1 > 0 or self.r2 > 0

    @property
    def norm(self) -> Literal["batch", "spectral", "none"]:
        """The discriminator's normalisation, resolved."""
        if self.discriminator_norm == "auto":
            return "none" if self.penalised else "batch"
        return self.discriminator_norm

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        if self.penalised and self.norm == "batch":
            lines.append(
                "discriminator_norm: batch normalisation mixes the pictures of a batch, which a gradient penalty takes "
                "one by one; use discriminator_norm=none or spectral"
            )
        return lines


def settings_of(card: Architecture) -> type[Settings]:
    """The dataclass of an architecture's settings.

    Raises:
        UserError: when what the card names cannot be imported, or is something else.
    """
    found = resolve(card.config)
    if not (isinstance(found, type) and issubclass(found, Settings) and dataclasses.is_dataclass(found)):
        expected = "a dataclass made from ganzoo.Settings"
        raise UserError(f"{card.name}: its settings {card.config} are {shown(found)}, expected {expected}")
    return found


RUNTIME = frozenset({"workers", "log_every", "checkpoint_every", "eval_every", "eval_count"})
"""Settings that may differ when a run goes on: they change how it runs, not what it computes."""


@dataclass(frozen=True)
class Layer:
    """One source of values: where they come from (as a person would name it) and what they are."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Fact:
    """One setting, for tables: name, type as text, default, help, and the class that declares it."""

    name: str
    type: str
    default: Any
    help: str
    owner: str


def build(settings: type[S], layers: Sequence[Layer]) -> tuple[S, dict[str, str]]:
    """Settings from layers, the later above the earlier, and where each value came from.

    Raises:
        UserError: with one line for each unknown name, wrong type, value out of bounds or impossible combination.
    """
    hints = typing.get_type_hints(settings)
    fields = {field.name: field for field in dataclasses.fields(settings)}
    values: dict[str, Any] = {}
    origins = dict.fromkeys(fields, "default")
    mistakes = []
    for layer in layers:
        for name, raw in layer.values.items():
            if name not in fields:
                mistakes.append(f"{name}: no such setting{did_you_mean(name, fields)} [{layer.origin}]")
                continue
            try:
                value = coerce(raw, hints[name])
                _check_bounds(value, fields[name].metadata)
            except ValueError as error:
                mistakes.append(f"{name}: {error} [{layer.origin}]")
                continue
            values[name], origins[name] = value, layer.origin
    built = settings(**values)
    if not mistakes:
        mistakes = built.mistakes()
    if mistakes:
        raise UserError(*mistakes)
    return built, origins


def check_divisible(settings: Settings, processes: int) -> None:
    """Whether a batch can be cut into equal parts for that many processes and the settings' micro-batches.

    Raises:
        UserError: when it cannot.
    """
    parts = processes * settings.accumulate
    if settings.batch % parts:
        raise UserError(
            f"batch: {settings.batch} cannot be cut into {processes} process(es) x {settings.accumulate} "
            f"micro-batch(es); add --set batch={-(-settings.batch // parts) * parts}"
        )


def coerce(raw: Any, hint: Any) -> Any:
    """`raw` (a string, or what YAML or JSON read) as the declared type.

    Raises:
        ValueError: saying what was found and what was expected.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if raw is None or (isinstance(raw, str) and raw.lower() in ("none", "null", "")):
            return None
        return coerce(raw, next(argument for argument in arguments if argument is not type(None)))
    if origin is Literal:
        text = {True: "on", False: "off"}[raw] if isinstance(raw, bool) else str(raw)
        for choice in arguments:
            if str(choice) == text:
                return choice
        choices = [str(choice) for choice in arguments]
        raise ValueError(f"{raw!r} is not one of {', '.join(choices)}{did_you_mean(text, choices)}")
    if origin is tuple:
        items = [item.strip() for item in raw.split(",")] if isinstance(raw, str) else raw
        if items in ([""], ["none"], None):
            return ()
        if not isinstance(items, (list, tuple)):
            raise ValueError(f"{raw!r} is not a list")
        return tuple(coerce(item, arguments[0]) for item in items)
    if hint is bool:
        text = str(raw).lower()
        if text in ("true", "yes", "on", "1"):
            return True
        if text in ("false", "no", "off", "0"):
            return False
        raise ValueError(f"{raw!r} is neither true nor false")
    if isinstance(raw, bool):
        raise ValueError(f"{raw!r} is not {_type_name(hint)}")
    if hint is int:
        try:
            number = float(raw)
            if number == int(number):
                return int(raw) if isinstance(raw, (int, str)) and str(raw).lstrip("+-").isdigit() else int(number)
        except (TypeError, ValueError, OverflowError):
            pass
        raise ValueError(f"{raw!r} is not a whole number")
    if hint is float:
        try:
            number = float(raw)
        except (TypeError, ValueError):
            raise ValueError(f"{raw!r} is not a number") from None
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError(f"{raw!r} is not a finite number")
        return number
    if hint is str:
        return str(raw)
    raise TypeError(f"settings of type {hint} are not supported")


def _check_bounds(value: Any, bounds: Mapping[str, Any]) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for name, sign, holds in (
            ("gt", ">", operator.gt),
            ("ge", ">=", operator.ge),
            ("lt", "<", operator.lt),
            ("le", "<=", operator.le),
        ):
            if name in bounds and not holds(value, bounds[name]):
                raise ValueError(f"{value} must be {sign} {bounds[name]}")


def _type_name(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else _type_name(a) for a in arguments)
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    return str(hint.__name__)


def facts(settings: type[Settings]) -> list[Fact]:
    """Every setting of the class, an architecture's own first."""
    hints = typing.get_type_hints(settings)
    owners = {name: owner for owner in reversed(settings.__mro__) for name in vars(owner).get("__annotations__", {})}
    rows = [
        Fact(
            name=field.name,
            type=_type_name(hints[field.name]),
            default=field.default,
            help=field.metadata.get("help", ""),
            owner="trainer" if owners[field.name] is Settings else "architecture",
        )
        for field in dataclasses.fields(settings)
    ]
    return sorted(rows, key=lambda row: row.owner == "trainer")


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """`["lr=1e-4", "width=32"]` as a dictionary.

    Raises:
        UserError: one line for each that is not `name=value` or that names a setting twice.
    """
    values: dict[str, str] = {}
    mistakes = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            mistakes.append(f"--set {assignment}: expected NAME=VALUE, for example --set lr=0.0002")
        elif name.strip() in values:
            mistakes.append(f"--set {assignment}: {name.strip()} is set twice")
        values[name.strip()] = value.strip()
    if mistakes:
        raise UserError(*mistakes)
    return values
