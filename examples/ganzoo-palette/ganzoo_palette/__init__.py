"""A metric: do generated pictures use the colours of real ones?"""

from __future__ import annotations

from ganzoo import Metric, hookimpl


@hookimpl
def ganzoo_metrics() -> list[Metric]:
    return [
        Metric(
            name="palette",
            title="Palette distance",
            summary="share of the pixels that would need another colour for both sets to use the same, of 64 colours",
            paper="",
            better="lower",
            compute="ganzoo_palette.colours:compute",
            needs=("ganzoo_palette.colours:Palette",),
            network=False,
            catches=("one picture", "Gaussian pixels"),
            tasks=("generation", "class-conditional", "text-to-image"),
            suits=("rings",),
        )
    ]
