"""The conformance kit: everything built in passes it, and every kind of mistake is found and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor, nn

from ganzoo.cards import Architecture, Dataset, Metric
from ganzoo.data.base import ArrayData, DataRequest, DataSpec
from ganzoo.errors import UserError
from ganzoo.model import Batch, Phase, SampleRequest
from ganzoo.registry import Registry, get_registry
from ganzoo.testing import Check, CheckFailed, checks_of
from ganzoo.testing.cards import Carded, complete, light, settings

REGISTRY = get_registry()
OWN = sorted({plugin.name for plugin in REGISTRY.plugins.values() if plugin.distribution == "ganzoo"})


def own_checks() -> list[Check]:
    """The checks of all that ships with ganzoo and has some."""
    found = []
    for name in OWN:
        adds = any(cards.plugin(entry).name == name for cards in REGISTRY.kinds() for entry in cards)
        found += checks_of(name) if adds else []
    return found


@pytest.mark.parametrize("check", own_checks(), ids=str)
def test_everything_built_in_passes(check: Check) -> None:
    check()


# --- what is wrong is found -------------------------------------------------------------------------------------------


def checks(name: str, *cards: Architecture | Dataset | Metric, hook: str = "ganzoo_architectures") -> dict[str, Check]:
    """The checks of a stranger's cards, by name."""
    from types import ModuleType

    from ganzoo import hookimpl

    module = ModuleType("toys")
    setattr(module, hook, hookimpl(lambda: list(cards)))
    registry = Registry()
    registry.load_entry_points()
    registry.load("toys", "ganzoo-toys", "1.0", lambda: toys)
    registry.load("stranger", "ganzoo-stranger", "1.0", lambda: module)
    return {check.promise.name: check for check in checks_of(name, registry)}


def architecture(model: str, **facts: Any) -> Architecture:
    values: dict[str, Any] = {
        "name": "okapi",
        "title": "Okapi",
        "task": "generation",
        "year": 2020,
        "paper": "none",
        "summary": "a toy with a fault",
        "config": "toys:Config",
        "model": f"test_conformance:{model}",
        "licence": "MIT",
        "tiny": {"batch": 8, "samples": 4},
        **facts,
    }
    return Architecture(**values)


class Sound(toys.Toy):
    """A toy for pictures of any size."""

    def __init__(self, config: toys.Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.shape = (data.channels, data.size, data.size)
        pixels = data.channels * data.size**2
        self.encoder, self.critic = nn.Linear(pixels, 8), nn.Linear(pixels, 1)
        self.decoder = toys.Noted(8, pixels)
        self.judge = nn.Sequential(nn.Linear(pixels, 4), nn.BatchNorm1d(4)).requires_grad_(False)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        return toys.Model.loss(self, phase, batch)

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return torch.tanh(self.decoder(inputs["z"])).view(-1, *self.shape)


class Loud(Sound):
    """Beyond [-1, 1]."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return 3 + super().generate(inputs)


class Small(Sound):
    """Of another shape."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return super().generate(inputs)[..., 1:]


class Moody(Sound):
    """Noise of nobody's."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return torch.tanh(super().generate(inputs) + 0.1 * torch.randn(1))


class Deaf(Sound):
    """One picture whatever the seed."""

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": torch.ones(request.count, 8)}


class Sociable(Sound):
    """Mixes the rows of a batch."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return super().generate({"z": inputs["z"] - inputs["z"].mean(0)})


class Cut(Sound):
    """Hands no gradient on."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return super().generate(inputs).detach()


class Forgotten(Sound):
    """A network that no phase trains."""

    def __init__(self, config: toys.Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.extra = nn.Linear(2, 2)


class Bare(Sound):
    """A weight outside of all networks."""

    def __init__(self, config: toys.Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.scale_of_all = nn.Parameter(torch.ones(()))


class Unreached(Sound):
    """A layer that no loss reads."""

    def __init__(self, config: toys.Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.critic.unused = nn.Linear(2, 2)


class Meddling(Sound):
    """Changes a network that its phase does not train."""

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            self.decoder.bias.add_(0.1)
        return super().critic_loss(batch)


class Idle(Sound):
    """A phase whose loss does not reach its network."""

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        wanted = self.critic.weight
        return {"nothing": (wanted * 0).sum()}


class Hoarding(Sound):
    """What it makes depends on something that is not saved."""

    def __init__(self, config: toys.Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.seen = 0.0

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        self.seen += 0.1
        return super().critic_loss(batch)

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return torch.tanh(super().generate(inputs) + self.seen)


class Forgetful(Sound):
    """Trains by something that a checkpoint has not."""

    def __init__(self, config: toys.Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.calls_so_far = 0

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        self.calls_so_far += 1
        return {name: term * self.calls_so_far for name, term in super().critic_loss(batch).items()}


class Stubborn(Sound):
    """Cannot do bfloat16."""

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        terms = super().critic_loss(batch)
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("expected Float but found BFloat16")
        return terms


class Undescribed(Sound):
    __doc__ = None


FAULTS = [
    ("Loud", "sizes", "expected [-1, 1]", "tanh"),
    ("Small", "sizes", "expected (2, 1, 32, 32)", "last layer"),
    ("Moody", "seed", "other samples a second time", "request.noise"),
    ("Deaf", "seed", "another seed gives the same", "request.noise"),
    ("Sociable", "alone", "changes by", "running statistics"),
    ("Cut", "differentiable", "no gradient", "detach"),
    ("Forgotten", "phases", "the network 'extra' wants gradients", "requires_grad_(False)"),
    ("Bare", "phases", "'scale_of_all' sits on the model itself", "sub-module"),
    ("Unreached", "phases", "critic.unused.weight and 1 more", "use it in a loss"),
    ("Meddling", "phases", "'critic' moves 'decoder'", "the trainer does it"),
    ("Idle", "phases", "'critic' trains 'critic', and its loss does not move it", "detached"),
    ("Hoarding", "save", "samples that differ", "buffers"),
    ("Forgetful", "resume", "differs in", "get_extra_state"),
    ("Stubborn", "precision", "--precision bf16", "float32"),
    ("Undescribed", "model", "no docstring", "one line"),
]


@pytest.mark.parametrize(("model", "check", "found", "change"), FAULTS, ids=[f"{m}-{c}" for m, c, _, _ in FAULTS])
def test_a_fault_is_found_and_what_to_change_is_said(model: str, check: str, found: str, change: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        checks("okapi", architecture(model))[check]()
    assert found in caught.value.found
    assert change in caught.value.change


def test_a_sound_model_passes_what_its_faulty_children_fail() -> None:
    found = checks("okapi", architecture("Sound"))
    for name in dict.fromkeys(check for _, check, _, _ in FAULTS):
        found[name]()


# --- cards and settings -----------------------------------------------------------------------------------------------


def carded(card: Architecture) -> Carded:
    return Carded(REGISTRY, REGISTRY.architectures.plugin("vanilla"), card)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"title": ""}, "title is empty"),
        ({"licence": ""}, "licence is empty"),
        ({"summary": "two\nlines"}, "summary has more than one line"),
        ({"summary": "a sentence."}, "without a full stop"),
        ({"paper": "Goodfellow 2014"}, "paper is 'Goodfellow 2014'"),
        ({"year": 14}, "year is 14"),
        ({"sizes": (64, 32)}, "sizes are (64, 32)"),
        ({"task": "generatoin"}, "did you mean 'generation'"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_card_that_lacks_something_is_found(facts: dict[str, Any], found: str) -> None:
    with pytest.raises((CheckFailed, UserError)) as caught:
        complete(carded(architecture("Sound", **facts)))
    assert found in str(caught.value)


def settings_class(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Architecture:
    name = f"settings_{abs(hash(source))}"
    head = "from dataclasses import dataclass\nfrom ganzoo.config import Settings, setting\n\n"
    (tmp_path / f"{name}.py").write_text(
        f"{head}@dataclass(frozen=True, kw_only=True)\nclass Config(Settings):\n    {source}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return architecture("Sound", config=f"{name}:Config", tiny={"batch": 4})


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("width: int = 8", "'width' has no help"),
        ('width: int = setting(8, help="channels of the first layer")', "'width' has no bounds"),
        ('width: float | None = setting(None, help="channels of the first layer")', "'width' has no bounds"),
    ],
)
def test_a_setting_without_help_or_bounds_is_found(
    source: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckFailed) as caught:
        settings(carded(settings_class(source, tmp_path, monkeypatch)))
    assert found in caught.value.found


def test_settings_with_help_and_bounds_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'width: int = setting(8, ge=1, help="channels of the first layer")'
    assert settings(carded(settings_class(source, tmp_path, monkeypatch))).startswith("1 of its own")


def test_tiny_settings_that_are_none_are_found() -> None:
    with pytest.raises(UserError, match="widht: no such setting"):
        settings(carded(architecture("Sound", config="ganzoo.config:Settings", tiny={"widht": 8})))


@pytest.mark.parametrize(
    ("source", "found"),
    [("import torch", "imports torch"), ("print('hello')", "prints 'hello'"), ("import nosuch", "No module named")],
)
def test_a_heavy_or_talking_module_is_found(
    source: str, found: str, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("ganzoo-heavy", source)
    plugin = REGISTRY.architectures.plugin("vanilla")
    from dataclasses import replace

    with pytest.raises(CheckFailed) as caught:
        light(Carded(REGISTRY, replace(plugin, module="ganzoo_heavy"), REGISTRY.tasks["generation"]))
    light.__globals__["imported"].cache_clear()
    assert found in caught.value.found


# --- data sets --------------------------------------------------------------------------------------------------------


def dataset(load: str, **facts: Any) -> Dataset:
    values: dict[str, Any] = {
        "name": "okapis",
        "title": "Okapis",
        "summary": "random pictures",
        "fields": ("image",),
        "load": f"test_conformance:{load}",
        "licence": "CC0",
        "source": "none",
        "size": 4,
        "channels": 1,
        "count": 60,
        "splits": ("train",),
        "embedded": True,
        **facts,
    }
    return Dataset(**values)


def _for(request: DataRequest) -> ArrayData:
    if request.split != "train":
        raise UserError(f"okapis has no split {request.split!r}; it has train")
    if request.size not in (None, 4) or request.channels not in (None, 1):
        raise UserError("okapis are grey and of 4 px")
    return toys.pictures()


def load_sound(request: DataRequest) -> ArrayData:
    return _for(request)


def load_floats(request: DataRequest) -> ArrayData:
    data = _for(request)
    data.columns["image"] = data.columns["image"] / 255
    return data


class Drifting(ArrayData):
    """Rows that change from one reading to the next."""

    def read(self, indices: Any) -> dict[str, Any]:
        rows = super().read(indices)
        return {"image": rows["image"] + np.random.default_rng().integers(1, 9, 1, dtype=np.uint8)}


def load_drifting(request: DataRequest) -> ArrayData:
    data = _for(request)
    return Drifting(data.spec, data.columns)


def load_any_split(request: DataRequest) -> ArrayData:
    return toys.pictures()


def load_same_test(request: DataRequest) -> ArrayData:
    from dataclasses import replace

    data = toys.pictures()
    return ArrayData(replace(data.spec, split=request.split), data.columns)


@pytest.mark.parametrize(
    ("card", "check", "found"),
    [
        (dataset("load_floats"), "rows", "expected uint8"),
        (dataset("load_sound", count=70), "rows", "the card says 70"),
        (dataset("load_drifting"), "reading", "differs from one read() to the next"),
        (dataset("load_any_split"), "splits", "'okapi' it gives rows"),
        (dataset("load_any_split"), "sizes", "asked for 8 px"),
        (dataset("load_same_test", splits=("train", "test")), "held out", "60 of its 60 test rows"),
        (dataset("load_sound", fields=("sound",)), "task", "no task can train on"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_faulty_data_set_is_found(card: Dataset, check: str, found: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        checks("okapis", card, hook="ganzoo_datasets")[check]()
    assert found in caught.value.found


def test_a_sound_data_set_passes() -> None:
    for name, check in checks("okapis", dataset("load_sound"), hook="ganzoo_datasets").items():
        if name != "light":  # this module imports torch
            check()


# --- metrics ----------------------------------------------------------------------------------------------------------


class Brightness:
    """The mean of all pixels."""

    reads = "pictures"

    def __init__(self, plan: Any) -> None:
        self.total, self.count = 0.0, 0

    def update(self, block: Any) -> None:
        self.total += float(block.pictures.double().sum())
        self.count += block.pictures.numel()

    def merge(self, other: Brightness) -> None:
        self.total, self.count = self.total + other.total, self.count + other.count

    def arrays(self) -> dict[str, Any]:
        return {"total": np.asarray(self.total), "count": np.asarray(self.count)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Brightness:
        made = cls(None)
        made.total, made.count = float(arrays["total"]), int(arrays["count"])
        return made


class Overwriting(Brightness):
    """Forgets what it had."""

    def merge(self, other: Brightness) -> None:
        self.total, self.count = other.total, other.count


def brightness(comparison: Any) -> Any:
    from ganzoo_evaluation.base import Value

    one, other = (measured[Brightness] for measured in (comparison.fake, comparison.real))
    return Value(value=abs(one.total / one.count - other.total / other.count))


def endless(comparison: Any) -> Any:
    from ganzoo_evaluation.base import Value

    return Value(value=float("inf"))


def metric(**facts: Any) -> Metric:
    values: dict[str, Any] = {
        "name": "brightness",
        "title": "Brightness",
        "summary": "distance of the mean brightness",
        "paper": "",
        "better": "lower",
        "compute": "test_conformance:brightness",
        "needs": ("test_conformance:Brightness",),
        "network": False,
        **facts,
    }
    return Metric(**values)


@pytest.mark.parametrize(
    ("card", "check", "found"),
    [
        (metric(needs=("test_conformance:Overwriting",)), "collectors", "when two shares are merged"),
        (metric(compute="test_conformance:endless"), "values", "value=inf"),
        (metric(better="higher"), "values", "all better, for higher is better"),
        (metric(better="less"), "values", "better is 'less'"),
        (metric(compute="test_conformance:nosuch"), "values", "cannot be loaded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_faulty_metric_is_found(card: Metric, check: str, found: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        checks("brightness", card, hook="ganzoo_metrics")[check]()
    assert found in caught.value.found


def test_a_sound_metric_passes() -> None:
    found = checks("brightness", metric(), hook="ganzoo_metrics")
    assert found["collectors"]() == ""
    assert found["values"]().startswith("real ")
