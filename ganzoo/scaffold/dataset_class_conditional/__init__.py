"""newborn: discs of three colours, a class each."""

from __future__ import annotations

from ganzoo import Dataset, hookimpl


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    """The card. Nothing here may import what is slow: the sets are listed without it."""
    return [
        Dataset(
            name="newborn",
            title="New Born",
            summary="discs of three colours, a class each",
            fields=("image", "label"),
            load="ganzoo.scaffold.dataset_class_conditional.load:load",
            licence="MIT",
            source="drawn when it is asked for",
            size=32,
            count=1000,
            classes=("red", "green", "blue"),
            # Nothing has to be downloaded; of a set that has, `download` says how much ("160 MB").
            embedded=True,
        )
    ]
