"""A data set: coloured rings around one centre, as many as the class says."""

from __future__ import annotations

from ganzoo import Dataset, hookimpl

CLASSES = ("one", "two", "three", "four")


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    return [
        Dataset(
            name="rings",
            title="Rings",
            summary="one to four coloured rings on black, drawn at any size",
            fields=("image", "label"),
            load="ganzoo_rings.drawing:load",
            licence="MIT",
            source="drawn by ganzoo-rings",
            size=32,
            count=4000,
            classes=CLASSES,
            embedded=True,
        )
    ]
