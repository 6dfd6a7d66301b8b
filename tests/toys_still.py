"""What the toys share that hardly learn, so that what they answer is known after training too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ganzoo.cards import Architecture
from ganzoo.config import Settings, setting


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The trainer's settings."""

    batch: int = setting(4, ge=1, help="pictures a step")
    steps: int = setting(4, ge=1, help="steps")
    lr: float = setting(1e-9, gt=0, help="learning rate")
    samples: int = setting(4, ge=1, help="pictures in a grid")
    precision: Literal["auto", "fp32", "bf16"] = setting("fp32", help="numbers")


def cards_of(
    module: str, models: Mapping[str, tuple[str, str]], config: str = "toys_still:Config"
) -> list[Architecture]:
    """The cards of a module's models: name -> (class, task)."""
    return [
        Architecture(
            name=name,
            title=name,
            task=task,
            year=2000,
            paper="none",
            summary="a toy",
            config=config,
            model=f"{module}:{model}",
            licence="MIT",
        )
        for name, (model, task) in models.items()
    ]
