"""A plugin of small models with an intermediate latent w, whose pictures are linear in w, so that answers are known.

Their weights hardly move in training (`toys_still`). `toy-style` has three layers with a w each, and noise for its
layers; `toy-either` has one w, in whose place each layer can be given its own; `toy-shared` has one w for all of its
layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from toys_still import Config, cards_of

from ganzoo import hookimpl
from ganzoo.cards import Architecture, Dataset
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.model import Batch, Model, Phase, SampleRequest

SIZE = 8
LATENT = 6
LAYERS = 3
PIXELS = 3 * SIZE * SIZE
COUNT = 12
MODELS = {
    "toy-style": ("Style", "generation"),
    "toy-either": ("Either", "generation"),
    "toy-shared": ("Shared", "generation"),
}


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return cards_of("toys_latents", MODELS)


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    return [
        Dataset(
            name="toy-colours",
            title="noise",
            summary="random pictures",
            fields=("image",),
            load="toys_latents:load",
            licence="CC0",
            source="none",
            size=SIZE,
            count=COUNT,
            embedded=True,
        )
    ]


def spec() -> DataSpec:
    """What the models are built for."""
    image = Field(name="image", kind="image", channels=3, size=SIZE)
    return DataSpec(name="toy-colours", split="train", count=COUNT, fields=(image,), fingerprint="toy colours")


def load(request: DataRequest) -> ArrayData:
    """What the data set's card names: random colours."""
    return ArrayData(
        spec(), {"image": np.random.default_rng(0).integers(0, 256, (COUNT, 3, SIZE, SIZE), dtype=np.uint8)}
    )


class Mapping_(nn.Module):
    """z (n, d) to w (n, d) about a mean that is not 0."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, LATENT)
        self.register_buffer("mean", torch.linspace(-0.5, 0.5, LATENT))

    def forward(self, z: Tensor) -> Tensor:
        return self.mean + 0.5 * torch.tanh(self.layer(z))


class Style(Model):
    """Every layer adds what it makes of its w to the picture."""

    sampling = ("mapping", "generator")
    layers: int = LAYERS

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.mapping = Mapping_()
        self.generator = nn.ModuleList([nn.Linear(LATENT, PIXELS) for _ in range(LAYERS)])
        for index, layer in enumerate(self.generator):
            generator = torch.Generator().manual_seed(index)
            layer.weight.data = torch.randn(PIXELS, LATENT, generator=generator) * 0.1  # type: ignore[union-attr]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def phases(self) -> Sequence[Phase]:
        return [Phase("only", trains=("mapping", "generator"))]

    def only_loss(self, batch: Batch) -> dict[str, Tensor]:
        made = self.generate({"w": self._spread(self.mapping(batch.randn(LATENT)))})
        return {"error": (made - batch.image).square().mean()}

    def _spread(self, w: Tensor) -> Tensor:
        return w[:, None].expand(-1, self.layers, -1)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        given: dict[str, Any] = {"z": request.noise.randn(LATENT), "noise": request.noise.randn(3, stream="noise")}
        if request.truncation is not None:
            mean = self.mapping.mean
            given["w"] = self._spread(mean + request.truncation * (self.mapping(given["z"]) - mean))
        return given

    def intermediate(self, inputs: Mapping[str, Any]) -> Tensor:
        return self._spread(self.mapping(inputs["z"]))

    def _sum(self, w: Tensor) -> Tensor:
        made: Tensor = sum(layer(w[:, index]) for index, layer in enumerate(self.generator))  # type: ignore[assignment]
        return made

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        w = inputs["w"] if "w" in inputs else self.intermediate(inputs)
        made = self._sum(w).view(-1, 3, SIZE, SIZE)
        if "noise" in inputs:
            made = made + 0.01 * inputs["noise"][:, :, None, None]
        return made


class Either(Style):
    """z is mapped to one w for all layers; each can be given one of its own. Truncation is left to `intermediate`."""

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        given: dict[str, Any] = {"z": request.noise.randn(LATENT)}
        if request.truncation is not None:
            given["psi"] = torch.full((request.count,), request.truncation, device=given["z"].device)
        return given

    def intermediate(self, inputs: Mapping[str, Any]) -> Tensor:
        w: Tensor = self.mapping(inputs["z"])
        return w if "psi" not in inputs else self.mapping.mean + inputs["psi"][:, None] * (w - self.mapping.mean)

    def _sum(self, w: Tensor) -> Tensor:
        return super()._sum(self._spread(w) if w.dim() == 2 else w)

    def affine(self) -> Sequence[Tensor]:
        return [layer.weight for layer in self.generator]  # type: ignore[misc]


class Shared(Style):
    """All layers read the same w."""

    def _spread(self, w: Tensor) -> Tensor:
        return w

    def _sum(self, w: Tensor) -> Tensor:
        made: Tensor = sum(layer(w) for layer in self.generator)  # type: ignore[assignment]
        return made
