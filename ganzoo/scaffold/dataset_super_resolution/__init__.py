"""newborn: discs, small and large."""

from __future__ import annotations

from ganzoo import Dataset, hookimpl


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    """The card. Nothing here may import what is slow: the sets are listed without it."""
    return [
        Dataset(
            name="newborn",
            title="New Born",
            summary="discs, small and large",
            fields=("low", "high"),
            load="ganzoo.scaffold.dataset_super_resolution.load:load",
            licence="MIT",
            source="drawn when it is asked for",
            size=32,
            count=1000,
            # Nothing has to be downloaded; of a set that has, `download` says how much ("160 MB").
            embedded=True,
        )
    ]
