"""What a picture costs, on a model whose price is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo.config import Settings
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.noise import derive
from ganzoo.model import Model, SampleRequest
from ganzoo.modes import evaluating
from ganzoo_evaluation import cost
from ganzoo_evaluation.base import Comparison, Measured, NotApplicable


class Sleeper(Model):
    """Takes `fixed` seconds for a batch and `each` for every picture of it."""

    def __init__(self, fixed: float = 0.002, each: float = 0.0) -> None:
        fields = (Field(name="image", kind="image", channels=1, size=4),)
        super().__init__(Settings(), DataSpec(name="made-up", split="train", count=1, fields=fields))
        self.generator = nn.Linear(3, 5)
        self.discriminator = nn.Linear(100, 100)
        self.fixed, self.each = fixed, each
        self.modes: set[bool] = set()

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": request.noise.randn(3)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        self.modes.add(self.training or torch.is_grad_enabled())
        time.sleep(self.fixed + self.each * len(inputs["z"]))
        made: Tensor = self.generator(inputs["z"])
        return made


class Translator(Sleeper):
    takes = ("source",)


def row(model: Model | None) -> Comparison:
    nothing = Measured(name="real", count=1, collected={})
    return Comparison(fake=Measured(name="fake", count=1, collected={}, model=model), real=nothing)


def test_only_the_networks_that_generate_are_counted() -> None:
    found = cost.compute_parameters(row(Sleeper()))
    assert (found.value, found.details) == (20, {"each": {"generator": 20}})


def test_latency_is_the_time_of_one_picture_and_is_taken_as_models_are_used() -> None:
    model = Sleeper(fixed=0.02).train()
    found = cost.compute_latency(row(model))
    # A busy machine may take longer, never less.
    assert 20 <= found.value < 60
    assert found.error is not None
    assert found.details["fastest"] <= found.value <= found.details["slowest"]
    assert found.protocol["threads"] == torch.get_num_threads()
    assert model.modes == {False}
    assert model.training


def test_throughput_is_that_of_the_best_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.05)
    found = cost.compute_throughput(row(Sleeper(fixed=0.004)))
    assert found.details["batch"] >= 32
    assert 2000 < found.value <= 64 / 0.004
    assert list(found.details["each"]) == [str(batch) for batch in cost.BATCHES]
    slow = cost.compute_throughput(row(Sleeper(fixed=0.0, each=0.002)))
    assert slow.value < 1.1 / 0.002


def test_the_error_of_a_median_is_its_spread() -> None:
    draw = np.random.default_rng(derive(0, "median"))
    samples = draw.exponential(size=(2000, 101))
    spread = float(np.median(samples, axis=1).std())
    predicted = float(np.mean([cost._error_of_median(sample.tolist()) for sample in samples]))
    assert predicted == pytest.approx(spread, rel=0.15)


def test_a_model_that_takes_pictures_in_is_timed_on_pictures_of_its_training(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    class Mirror(Sleeper):
        takes = ("image",)

        def inputs(self, request: SampleRequest) -> dict[str, Any]:
            shapes.append(tuple(request.given["image"].shape))
            assert -1 <= float(request.given["image"].min()) < float(request.given["image"].max()) <= 1
            return {"z": request.noise.randn(3)}

    monkeypatch.setattr(cost, "SECONDS", 0.01)
    assert cost.compute_latency(row(Mirror(fixed=0.001))).value >= 1
    field = Mirror().data.image
    assert shapes == [(1, field.channels, field.size, field.size)]


def test_without_a_model_or_what_it_makes_its_pictures_of_there_is_no_cost() -> None:
    for compute in (cost.compute_parameters, cost.compute_latency, cost.compute_throughput):
        with pytest.raises(NotApplicable, match="only pictures"):
            compute(row(None))
    assert cost.compute_parameters(row(Translator())).value == 20
    with pytest.raises(NotApplicable, match="from source"):
        cost.compute_latency(row(Translator()))


def test_a_model_comes_back_as_it_was() -> None:
    model = Sleeper().train()
    model.discriminator.eval()
    model.generator.bias.requires_grad_(False)
    with evaluating(model, frozen=True):
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert (model.training, model.generator.training, model.discriminator.training) == (True, True, False)
    assert [p.requires_grad for p in model.generator.parameters()] == [True, False]
