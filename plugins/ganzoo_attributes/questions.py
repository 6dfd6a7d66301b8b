"""What can be asked about pictures of captions of `shapes`: one metric for each question. No torch in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ATTRIBUTES: Mapping[str, str] = {
    "shape": "share of the named things that have the shape which the caption says",
    "colour": "share of the named things that have the colour which the caption says",
    "size": "share of the things whose size the caption says that have it",
    "place": "share of the things whose place the caption says that are there",
    "relation": "share of the captions with a relation (above, left of, ...) whose things lie so",
    "background": "share of the captions with a background that have it",
    "whole": "share of the captions of which all is true, the number of things too",
}
"""What is asked, and in words."""
THINGS: Mapping[int, str] = {1: "one", 2: "two", 3: "three"}
"""How many things captions name."""
USUAL: Mapping[int, tuple[str, ...]] = {
    1: ("shape", "colour", "place", "whole"),
    2: ("shape", "colour", "place", "relation", "whole"),
    3: ("whole",),
}
"""What stands in the table without being asked for."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One of `ATTRIBUTES`, over the captions that name so many `things`: those that state a combination which training
    never shows, or the others."""

    attribute: str
    things: int
    held_out: bool

    @property
    def name(self) -> str:
        """`colour_one`, `whole_two_held_out`."""
        return f"{self.attribute}_{THINGS[self.things]}" + ("_held_out" if self.held_out else "")

    @property
    def captions(self) -> str:
        """Whose captions, in words."""
        number = THINGS[self.things]
        return f"{number} thing{'' if self.things == 1 else 's'}, " + ("held-out" if self.held_out else "seen")

    @property
    def usual(self) -> bool:
        """Whether it stands in the table without being asked for."""
        return self.attribute in USUAL[self.things]


QUESTIONS: Mapping[str, Question] = {
    question.name: question
    for things in THINGS
    for attribute in ATTRIBUTES
    if (attribute, things) != ("relation", 1)
    for question in (Question(attribute=attribute, things=things, held_out=held_out) for held_out in (False, True))
}
"""All of them, by name."""
