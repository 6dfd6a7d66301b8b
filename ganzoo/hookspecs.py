"""Every hook of ganzoo, on one page.

A plugin is a module (a package's entry point in the group `ganzoo`) with functions of these names, each marked with
`ganzoo.hookimpl`. An implementation may take fewer arguments than its specification. Hooks that collect return lists
of cards; the order in which plugins are asked never matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from ganzoo.cards import Architecture, Dataset, FeatureNetwork, Metric, Task, TextEncoder

if TYPE_CHECKING:
    import click

    from ganzoo.runs import Run

hookspec = pluggy.HookspecMarker("ganzoo")


@hookspec
def ganzoo_architectures() -> list[Architecture]:  # type: ignore[empty-body]
    """The architectures that the plugin adds. Asked whenever the zoo is listed: import nothing heavy."""


@hookspec
def ganzoo_tasks() -> list[Task]:  # type: ignore[empty-body]
    """The tasks that the plugin adds: what batches hold, what a person gives, how a sample is shown."""


@hookspec
def ganzoo_datasets() -> list[Dataset]:  # type: ignore[empty-body]
    """The data sets that the plugin adds."""


@hookspec
def ganzoo_metrics() -> list[Metric]:  # type: ignore[empty-body]
    """The metrics that the plugin adds."""


@hookspec
def ganzoo_features() -> list[FeatureNetwork]:  # type: ignore[empty-body]
    """The feature networks, for metrics to look through, that the plugin adds."""


@hookspec
def ganzoo_text_encoders() -> list[TextEncoder]:  # type: ignore[empty-body]
    """The text encoders, for models that read captions, that the plugin adds."""


@hookspec
def ganzoo_commands(cli: click.Group) -> None:
    """Add commands to `ganzoo`. Called when `--help` is shown or when a command is typed that is not built in.

    `cli` is a group of the plugin's own; a command whose name is taken is left out.
    """


@hookspec
def ganzoo_run_started(run: Run) -> None:
    """A training run begins or goes on, after its folder exists. Only on the first process of a run."""


@hookspec
def ganzoo_step_done(run: Run, step: int, scalars: Mapping[str, float], samples: Path | None) -> None:
    """A line of metrics was written for `step`; `samples` is the sample grid of that step where one was drawn."""


@hookspec
def ganzoo_run_finished(run: Run, error: BaseException | None) -> None:
    """A training run ended: done, stopped by a signal, or with `error`."""
