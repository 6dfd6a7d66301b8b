"""Sentences that say what a scene of the set `shapes` shows.

`PHRASINGS` holds the ways to say a scene of one, two and three things. Each says the shapes and colours of all things,
and some of: their sizes, their places, how the first lies to the second, the background. What a phrasing does not say
it leaves open: any picture that agrees with the rest is right. `shapes_parsing.parse` is the inverse of `captions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from ganzoo_data.shapes_scenes import INVERSE, PLACES, RELATIONS, Scene

PREPOSITIONS: Mapping[str, str] = {"top": "at the", "bottom": "at the", "left": "on the", "right": "on the"}
"""What stands before a place where it is not "in the"."""
RELATION_WORDS: Mapping[str, str] = {relation: relation for relation in RELATIONS[:2]} | {
    "left of": "to the left of",
    "right of": "to the right of",
}
STATEMENTS = ("size", "place", "relation", "background")
"""What a caption may state beside shapes and colours."""


@dataclass(frozen=True)
class Phrasing:
    """One way to say a scene.

    The slots of `template`: `{a}` is the first thing without its size, `{A}` with it, `{the}` with "the", `{at_a}` its
    place; `b` and `c` are the second and third thing. `{over}` is how the first thing lies to the second, `{under}` the
    inverse, `{ground}` the background; of a single thing there are `{shape}` and `{colour}`.
    """

    template: str

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots, in order."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.template) if name)

    @property
    def states(self) -> tuple[str, ...]:
        """Which of `STATEMENTS` it states."""
        slots = set(self.slots)
        found = {
            "size": bool(slots & {"A", "B", "C"}),
            "place": any(slot.startswith("at_") for slot in slots),
            "relation": bool(slots & {"over", "under"}),
            "background": "ground" in slots,
        }
        return tuple(name for name in STATEMENTS if found[name])

    @property
    def opens(self) -> tuple[str, ...]:
        """Which of `STATEMENTS` it leaves open. Of three things with a relation, only the third's place is stated."""
        return tuple(name for name in STATEMENTS if name not in self.states)


def _phrasings(*templates: str) -> tuple[Phrasing, ...]:
    return tuple(Phrasing(template) for template in templates)


PHRASINGS: Mapping[int, tuple[Phrasing, ...]] = {
    1: _phrasings(
        "{A} {at_a}",
        "{a} {at_a}",
        "{A} {at_a} on {ground}",
        "{a} {at_a} on {ground}",
        "there is {A} {at_a}",
        "{at_a} there is {A} on {ground}",
        "{ground} with {A} {at_a}",
        "the {shape} {at_a} is {colour}",
        "{A}",
        "{a} on {ground}",
    ),
    2: _phrasings(
        "{A} {over} {B}",
        "{a} {over} {b}",
        "{A} {over} {B} on {ground}",
        "there is {a} {over} {b}",
        "{B} {under} {A}",
        "there is {b} {under} {a} on {ground}",
        "{the} is {over} {the_b}",
        "{ground} with {A} {over} {B}",
        "{A} {at_a} and {B} {at_b}",
        "{a} {at_a} and {b} {at_b} on {ground}",
        "{a} and {b}",
    ),
    3: _phrasings(
        "{A} {over} {B}, and {C} {at_c}",
        "{a} {over} {b}, and {c} {at_c} on {ground}",
        "there is {a} {over} {b}, and {c} {at_c}",
        "{B} {under} {A}, and {C} {at_c} on {ground}",
        "{A} {at_a}, {B} {at_b} and {C} {at_c}",
        "{a} {at_a}, {b} {at_b} and {c} {at_c} on {ground}",
        "{ground} with {a} {over} {b}, and {c} {at_c}",
        "{a}, {b} and {c}",
    ),
}
"""How scenes of one, two and three things are said."""


def captions(scene: Scene) -> tuple[str, ...]:
    """A scene in all phrasings for its number of things, in the order of `PHRASINGS`."""
    words: dict[str, str] = {"ground": _with_article(f"{scene.background} background")}
    for letter, thing in zip("abc", scene.things, strict=False):
        plain = f"{thing.colour} {thing.shape}"
        words[letter] = _with_article(plain)
        words[letter.upper()] = _with_article(f"{thing.size} {plain}")
        words["the" if letter == "a" else f"the_{letter}"] = f"the {plain}"
        place = PLACES[thing.place]
        words[f"at_{letter}"] = f"{PREPOSITIONS.get(place, 'in the')} {place}"
    words["shape"], words["colour"] = scene.things[0].shape, scene.things[0].colour
    if scene.relation is not None:
        words["over"], words["under"] = RELATION_WORDS[scene.relation], RELATION_WORDS[INVERSE[scene.relation]]
    return tuple(phrasing.template.format_map(words) for phrasing in PHRASINGS[len(scene.things)])


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
