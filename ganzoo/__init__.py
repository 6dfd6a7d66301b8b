"""ganzoo: a zoo of generative adversarial networks.

Every architecture is a plugin, one trainer trains them all, one evaluation measures them all. Names that need torch
are loaded when they are first asked for, so that `import ganzoo` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ganzoo.cards import Architecture, Dataset, FeatureNetwork, Metric, Recipe, Task
    from ganzoo.config import Settings, setting
    from ganzoo.engine.trainer import Trainer
    from ganzoo.errors import RunError, UserError
    from ganzoo.model import Adam, Batch, Model, Phase
    from ganzoo.registry import Registry, get_registry
    from ganzoo.runs import Run, load_model
    from ganzoo.sampling import sample, translate

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("ganzoo")
"""Marks a function as an implementation of one of ganzoo's hooks (see `ganzoo.hookspecs`)."""

_LAZY = {
    "Adam": "ganzoo.model",
    "Architecture": "ganzoo.cards",
    "Batch": "ganzoo.model",
    "Dataset": "ganzoo.cards",
    "FeatureNetwork": "ganzoo.cards",
    "Metric": "ganzoo.cards",
    "Model": "ganzoo.model",
    "Phase": "ganzoo.model",
    "Recipe": "ganzoo.cards",
    "Registry": "ganzoo.registry",
    "Run": "ganzoo.runs",
    "RunError": "ganzoo.errors",
    "Settings": "ganzoo.config",
    "Task": "ganzoo.cards",
    "Trainer": "ganzoo.engine.trainer",
    "UserError": "ganzoo.errors",
    "get_registry": "ganzoo.registry",
    "load_model": "ganzoo.runs",
    "sample": "ganzoo.sampling",
    "setting": "ganzoo.config",
    "translate": "ganzoo.sampling",
}

__all__ = [
    "Adam",
    "Architecture",
    "Batch",
    "Dataset",
    "FeatureNetwork",
    "Metric",
    "Model",
    "Phase",
    "Recipe",
    "Registry",
    "Run",
    "RunError",
    "Settings",
    "Task",
    "Trainer",
    "UserError",
    "__version__",
    "get_registry",
    "hookimpl",
    "load_model",
    "sample",
    "setting",
    "translate",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
