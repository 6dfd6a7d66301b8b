"""Moving latents along directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ganzoo.latents.directions import Directions, directions
from ganzoo.latents.points import Inputs, Space, Statistics, at, has_intermediate, statistics
from ganzoo.model import Model


@dataclass(frozen=True, kw_only=True)
class Editor:
    """The directions of a model, and how far a step goes along each: a strength of 1 is one standard deviation of
    random latents. `layers` are those of w that move (None: all)."""

    model: Model
    space: Space
    directions: Directions
    statistics: Statistics
    layers: tuple[int, ...] | None = None

    @classmethod
    def of(cls, model: Model, layers: Sequence[int] | None = None) -> Editor:
        """The editor of a model, in w where it has one.

        Raises:
            UserError: when its directions cannot be read.
        """
        space: Space = "w" if has_intermediate(model) else "z"
        return cls(
            model=model,
            space=space,
            directions=directions(model, layers),
            statistics=statistics(model, space),
            layers=None if layers is None else tuple(layers),
        )

    def __len__(self) -> int:
        """How many directions there are."""
        return len(self.directions.vectors)

    def step(self, number: int) -> Tensor:
        """Strength 1 of direction `number`, counted from 1, the strongest: (d,)."""
        vector = self.directions.vectors[number - 1].to(self.statistics.mean)
        return vector * self.statistics.along(vector)

    def moved(self, inputs: Mapping[str, Any], strengths: Mapping[int, float]) -> Inputs:
        """The inputs, each row moved along these directions (by number) with these strengths."""
        given = at(self.model, inputs, self.space)
        latent: Tensor = given[self.space].clone()
        for number, strength in strengths.items():
            if self.layers is not None and latent.dim() == 3:
                latent[:, list(self.layers)] += strength * self.step(number)
            else:
                latent += strength * self.step(number)
        return {**given, self.space: latent}
