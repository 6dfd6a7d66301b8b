"""Whether pictures show what captions of the set `shapes` say, attribute by attribute, read by a small classifier."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Metric
from ganzoo_attributes.questions import ATTRIBUTES, QUESTIONS


@hookimpl
def ganzoo_metrics() -> list[Metric]:
    return [
        Metric(
            name=name,
            title=f"{question.attribute.capitalize()} ({question.captions})",
            summary=ATTRIBUTES[question.attribute],
            paper="",
            better="higher",
            compute="ganzoo_attributes.agreement:compute",
            tasks=("text-to-image",),
            needs=("ganzoo_attributes.agreement:Agreements",),
            network=False,
            group="captions",
            catches=("one picture", "wrong captions"),
            suits=("shapes",) if question.usual else (),
        )
        for name, question in QUESTIONS.items()
    ]
