"""One architecture at the size of its card's `tiny`, built, given something and trained for a few steps."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo import recipes, training
from ganzoo.cards import Architecture, Task, resolve
from ganzoo.config import Layer, Settings, build
from ganzoo.data.base import Data, DataSpec, Field
from ganzoo.data.captions import remembering
from ganzoo.engine import checkpoint, distributed
from ganzoo.engine.listeners import Evaluator, Quiet
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.engine.trainer import Trainer
from ganzoo.errors import UserError
from ganzoo.model import Model, SampleRequest
from ganzoo.registry import Registry
from ganzoo.runs import build_model, open_run
from ganzoo.sampling import given_to
from ganzoo.training import Job

REFERENCE = 2000
"""Training rows that samples are measured against: enough to see whether a model becomes better."""
UNNAMED = (32, 64)
"""Sizes in pixels that are tried of an architecture which claims to do any."""


def embedded_data(registry: Registry, card: Architecture) -> str | None:
    """What a test trains that architecture on: None where its default recipe says it, and that needs no download, else
    the first set that ships with a package and has what the task needs.

    Raises:
        UserError: when there is none.
    """
    recipe = recipes.default_recipe(card.name, recipes.shipped(registry))
    named = None if recipe is None else registry.datasets.get(recipe.data.partition(":")[0])
    if named is not None and named.embedded:
        return None
    needed = registry.tasks.find(card.task).batch
    sets = registry.datasets.values()
    found = next((other.name for other in sets if other.embedded and set(needed) <= set(other.fields)), None)
    if found is None:
        raise UserError(
            f"no data set that ships with a package has {' and '.join(needed)}, which {card.name} needs; "
            "bring a small one: a card with embedded=True from the hook ganzoo_datasets"
        )
    return found


class Specimen:
    """An architecture as the checks look at it. What is costly is made once, and its folders go when it goes."""

    def __init__(self, registry: Registry, card: Architecture) -> None:
        self.registry, self.card = registry, card
        self.root = Path(tempfile.mkdtemp(prefix="ganzoo-check-"))
        weakref.finalize(self, shutil.rmtree, self.root, ignore_errors=True)

    @cached_property
    def task(self) -> Task:
        """The card of its task."""
        return self.registry.tasks.find(self.card.task)

    def job(self, **settings: Any) -> Job:
        """A job with the settings of `tiny`, and these above them."""
        values = {"precision": "fp32", "log_every": 1, **self.card.tiny, "eval_every": 0, **settings}
        return training.plan_job(self.registry, self.card.name, embedded_data(self.registry, self.card), None, values)

    @cached_property
    def data(self) -> Data:
        """The training data of its jobs, opened once."""
        return training.open_data(self.registry, self.job())

    # --- building ---------------------------------------------------------------------------------------------------

    def settings(self, size: int | None = None, **settings: Any) -> Settings:
        """The settings of `tiny` with these above them."""
        values = {**self.card.tiny, **settings, **({"size": size} if size else {})}
        built: Settings = build(resolve(self.card.config), [Layer("tiny", values)])[0]
        return built

    def spec(self, size: int | None = None, channels: int | None = None) -> DataSpec:
        """What its training data are, with pictures of another size and another number of channels."""
        spec = self.data.spec
        base = spec.size

        def other(field: Field) -> Field:
            if field.kind != "image":
                return field
            made = field.size if size is None else max(1, size * field.size // base)
            return replace(field, size=made, channels=channels or field.channels)

        return remembering(replace(spec, fields=tuple(map(other, spec.fields))), self.data)

    def build(self, size: int | None = None, channels: int | None = None, **settings: Any) -> Model:
        """The model in eval mode, with weights that are a function of the seed."""
        spec = self.spec(size, channels)
        chosen = self.settings(spec.size or None, **settings)
        seed_globals(chosen.seed, "weights")
        return build_model(self.card, chosen, spec).eval()

    def request(self, model: Model, count: int, seed: int = 0) -> SampleRequest:
        """What is asked of a model: noise, and whatever else it is to be given."""
        noise = Noise(seed, "check", count=count)
        given = given_to(model, range(count))
        if self.task.directions:
            field = model.data.field(self.task.direction().input)
            given[field.name] = made_up(field, count)
        return SampleRequest(count=count, noise=noise, given=given)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Sizes in pixels that it must be able to do; 0 stands for data that are no pictures."""
        if not any(field.kind == "image" for field in self.data.spec.fields):
            return (0,)
        return self.card.sizes or UNNAMED

    # --- training ---------------------------------------------------------------------------------------------------

    def trainer(self, folder: Path | None = None, *, evaluated: bool = False, **settings: Any) -> Trainer:
        """The trainer of a new run, or of the one in `folder`, which goes on from its checkpoint. `evaluated`: measured
        on the way, by the setting `eval_every`."""
        job, data, group = self.job(**settings), self.data, distributed.join("cpu")
        there = folder is not None
        if folder is None:
            folder = Path(tempfile.mkdtemp(dir=self.root))
            run = training.make_run(self.registry, job, data, folder, self.root)
        else:
            run = replace(open_run(folder, self.registry), settings=replace(job.settings, size=data.spec.size or None))
        evaluator: Evaluator | None = None
        if evaluated:
            make = resolve("ganzoo_evaluation.while_training:make_evaluator")
            found = make(self.registry, run, job, data, group, most=REFERENCE)
            if found is not None:
                found.narrow()
            evaluator = found
        trainer = training.make_trainer(self.registry, run, job, data, group, Quiet(), evaluator=evaluator)
        if there:
            trainer.load_state(checkpoint.load_run(folder))
        return trainer

    @cached_property
    def trained(self) -> Trainer:
        """A trainer whose short run is done: three steps."""
        trainer = self.trainer(steps=3)
        trainer.run()
        return trainer


def made_up(field: Field, count: int) -> Tensor:
    """Rows of a field that a model is given: pictures float32 in [-1, 1], numbers of the field's shape and dtype."""
    generator = torch.Generator().manual_seed(1)
    if field.kind == "image":
        return torch.rand(count, field.channels, field.size, field.size, generator=generator) * 2 - 1
    shape = (count, *field.shape)
    if "float" in field.dtype:
        return torch.randn(shape, generator=generator).to(getattr(torch, field.dtype))
    return torch.randint(0, 2, shape, generator=generator).to(getattr(torch, field.dtype))
