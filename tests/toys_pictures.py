"""A plugin of small models that take pictures in, one for each task, whose answers are known.

Their one weight begins at 1 and hardly moves (`toys_still`), so that after training too
`toy-unpaired` makes the negative of `a` and half the contrast of `b`, `toy-paired` adds noise to every picture,
`toy-enlarge` doubles every pixel, and `toy-season`, which is of a task of its own, mirrors pictures left to right
(`warm`) or upside down (`cold`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import toys_still
from torch import Tensor, nn
from toys_still import cards_of

from ganzoo import hookimpl
from ganzoo.cards import Architecture, Dataset, Direction, Task
from ganzoo.config import setting
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.model import Batch, Model, Phase, SampleRequest

SIZE = 8
SCALE = 2
FIELDS = ("a", "b", "source", "target", "high", "low", "x", "y")
COUNTS = {"train": 12, "test": 6}
MODELS = {
    "toy-unpaired": ("Unpaired", "unpaired-translation"),
    "toy-paired": ("Paired", "paired-translation"),
    "toy-enlarge": ("Enlarge", "super-resolution"),
    "toy-season": ("Season", "season"),
}


@dataclass(frozen=True, kw_only=True)
class Config(toys_still.Config):
    """The trainer's settings, and how much memory a toy takes."""

    appetite: int = setting(1, ge=1, help="numbers that are held for each pixel")

    def wants(self, request: DataRequest) -> DataRequest:
        return replace(request, scale=SCALE)


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return cards_of("toys_pictures", MODELS, "toys_pictures:Config")


@hookimpl
def ganzoo_tasks() -> list[Task]:
    return [
        Task(
            name="season",
            title="Change of season",
            summary="a picture in, the same in another season out",
            batch=("x", "y"),
            inputs=("x", "y"),
            output="y",
            given={"x": "image", "y": "image"},
            show="ganzoo.pictures:save_answers",
            directions=(Direction(name="warm", input="x", output="y"), Direction(name="cold", input="y", output="x")),
        )
    ]


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    return [
        Dataset(
            name="toy-scenes",
            title="noise",
            summary="random pictures",
            fields=FIELDS,
            load="toys_pictures:load",
            licence="CC0",
            source="none",
            size=SIZE,
            count=COUNTS["train"],
            embedded=True,
        )
    ]


def load(request: DataRequest) -> ArrayData:
    """What the data set's card names: random colours, as many fields as are asked for, all unlike."""
    count = COUNTS[request.split]
    fields, columns = [], {}
    for name in sorted(request.fields, key=FIELDS.index):
        size = SIZE // SCALE if name == "low" else SIZE
        generator = np.random.default_rng([FIELDS.index(name), count])
        columns[name] = generator.integers(0, 256, (count, 3, size, size), dtype=np.uint8)
        rows = count if name in ("a", "b") else 0
        fields.append(Field(name=name, kind="image", channels=3, size=size, rows=rows))
    spec = DataSpec(
        name="toy-scenes", split=request.split, count=count, fields=tuple(fields), fingerprint=f"{request.fields}"
    )
    return ArrayData(spec, columns)


class Weight(nn.Module):
    """One number, 1 at first, by which pictures are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(()))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures * self.value


class Toy(Model):
    """What the toys have in common: a warm-up phase that ends before the last step, and inputs as they are given."""

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        self.generator = Weight()

    def phases(self) -> Sequence[Phase]:
        half = self.settings.steps // 2
        return [
            Phase("warmup", trains=("generator",), stop=half),
            Phase("learn", trains=("generator",), start=half),
        ]

    def learn_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Any loss does."""
        return {"size": self.generate({self.takes[0]: getattr(batch, self.takes[0])}).square().mean()}

    warmup_loss = learn_loss

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return dict(request.given)


class Unpaired(Toy):
    takes = ("a", "b")
    multiple = 4

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        given = inputs.get("a", inputs.get("b"))
        assert given is not None
        assert given.shape[2] % 4 == given.shape[3] % 4 == 0
        assert min(given.shape[2:]) >= SIZE
        given[:1, :1].repeat(1, self.config.appetite, 1, 1)
        return self.generator(given) * (-1.0 if "a" in inputs else 0.5)


class Paired(Toy):
    takes = ("source",)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {**request.given, "noise": request.noise.rand(1, 1, 1, stream="noise")}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        assert inputs["source"].shape[2:] == (SIZE, SIZE)
        made: Tensor = self.generator(inputs["source"]) * 0.5 + inputs.get("noise", 0.0)
        return made


class Enlarge(Toy):
    takes = ("low",)
    multiple = 1
    scale = SCALE
    reach = 0

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return nn.functional.interpolate(self.generator(inputs["low"]), scale_factor=SCALE, mode="nearest")


class Season(Toy):
    takes = ("x", "y")
    multiple = 1

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        if "x" in inputs:
            return self.generator(inputs["x"]).flip(3)
        return self.generator(inputs["y"]).flip(2)
