"""A task of its own, as a stranger's package brings it: numbers drawn from a mixture of Gaussians.

Everything that the zoo must know is on this page; nothing here needs torch.
"""

from __future__ import annotations

from ganzoo import Architecture, Dataset, Metric, Task, hookimpl

MEANS = (-3.0, 0.0, 3.0)
"""Where the modes are; all of them are as likely."""
DEVIATION = 0.5
"""Their standard deviation."""
COUNTS = {"train": 2000, "test": 600}


@hookimpl
def ganzoo_tasks() -> list[Task]:
    return [
        Task(
            name="mixture",
            title="Sampling of numbers",
            summary="noise in, a number out",
            batch=("points",),
            inputs=("z",),
            output="points",
            show="ganzoo_mixture.drawing:show",
            save="ganzoo_mixture.drawing:save",
            suffix=".json",
            open="ganzoo_mixture.data:open_table",
            metrics=("wasserstein", "modes_found", "parameters"),
            headline="wasserstein",
            pipeline="other",
        )
    ]


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return [
        Architecture(
            name="mixture-gan",
            title="GAN of numbers",
            task="mixture",
            year=2014,
            paper="arXiv:1406.2661",
            summary="two small perceptrons",
            config="ganzoo_mixture.config:Config",
            model="ganzoo_mixture.model:MixtureGAN",
            licence="MIT",
            tiny={"steps": 4, "batch": 32, "hidden": 8, "samples": 64},
        )
    ]


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    return [
        Dataset(
            name="three-modes",
            title="Three Gaussians",
            summary="numbers from three Gaussians that hardly overlap",
            fields=("points",),
            load="ganzoo_mixture.data:load",
            licence="CC0",
            source="drawn when it is opened",
            channels=0,
            count=COUNTS["train"],
            embedded=True,
        )
    ]


@hookimpl
def ganzoo_metrics() -> list[Metric]:
    return [
        Metric(
            name="wasserstein",
            title="Wasserstein-1 distance",
            summary="how far numbers must be moved, on average, to become the real ones",
            paper="",
            better="lower",
            compute="ganzoo_mixture.metrics:wasserstein",
            needs=("ganzoo_mixture.metrics:Points",),
            network=False,
        ),
        Metric(
            name="modes_found",
            title="Modes found",
            summary="modes that have a fair part of the samples",
            paper="",
            better="higher",
            compute="ganzoo_mixture.metrics:modes_found",
            needs=("ganzoo_mixture.metrics:Points",),
            network=False,
            group="coverage",
            catches=("one sample", "Gaussian samples"),
        ),
    ]
