"""newborn: how far the contrast of pictures is from that of real ones."""

from __future__ import annotations

from ganzoo import Metric, hookimpl


@hookimpl
def ganzoo_metrics() -> list[Metric]:
    """The card. Nothing here may import torch: metrics are listed without it."""
    return [
        Metric(
            name="newborn",
            title="New Born",
            summary="how far the mean contrast is from that of the real pictures, on a scale from 0 to 1",
            paper="none",
            better="lower",
            compute="ganzoo.scaffold.metric.measure:compute",
            needs=("ganzoo.scaffold.metric.measure:Contrasts",),
            # It looks at pixels and not through a feature network.
            network=False,
            # The control rows that it must tell from real pictures.
            catches=("blurred",),
        )
    ]
