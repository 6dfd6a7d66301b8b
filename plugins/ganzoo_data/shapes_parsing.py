"""What a sentence about a scene of the set `shapes` states, and whether it is true of a scene.

`parse` reads every caption that `shapes_captions.captions` gives, and others that are built of the same parts ("in the
centre, there is a small black star").
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ganzoo.errors import did_you_mean
from ganzoo_data.shapes_scenes import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    HELD_OUT,
    INVERSE,
    NEVER_ABOVE,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    Place,
    Scene,
    Thing,
    related,
)

ARTICLES = frozenset(("a", "an", "the"))
SPELLINGS: Mapping[str, str] = {"gray": "grey", "center": "centre", "middle": "centre"}
VOCABULARY = frozenset(
    (
        *(*SHAPES, *COLOURS, *SIZES, *BACKGROUNDS, *ARTICLES, *SPELLINGS),
        *("background", "there", "is", "are", "with", "and", "on", "in", "at", "to"),
        *(word for words in (*PLACES.values(), *RELATIONS) for word in words.split()),
    )
)
"""Every word that `parse` understands."""
MOST = max(COUNTS)
"""The most things that a scene has."""


@dataclass(frozen=True, kw_only=True)
class StatedThing:
    """What a caption says of one thing; None is what it leaves open."""

    shape: str
    colour: str
    size: str | None = None
    place: Place | None = None
    """Row and column."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Which of the things that a caption states hold in a scene, thing by thing in the caption's order; None where it
    states nothing."""

    count: bool
    """Whether the scene has as many things as the caption names."""
    shape: tuple[bool, ...]
    colour: tuple[bool, ...]
    size: tuple[bool | None, ...]
    place: tuple[bool | None, ...]
    relation: bool | None
    background: bool | None

    @property
    def facts(self) -> tuple[bool, ...]:
        """All that is stated, in one row: whether each holds."""
        every = (self.count, *self.shape, *self.colour, *self.size, *self.place, self.relation, self.background)
        return tuple(fact for fact in every if fact is not None)

    @property
    def whole(self) -> bool:
        """Whether all of it holds."""
        return all(self.facts)


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a caption states. `relation` is how the first thing that it names lies to the second one."""

    things: tuple[StatedThing, ...]
    relation: str | None = None
    background: str | None = None

    @property
    def held_out(self) -> bool:
        """Whether it states a combination that training never shows: a pair of `HELD_OUT`, or `NEVER_ABOVE` above
        another thing. What a caption leaves open is not held out: of a picture with such a combination it may say
        nothing that training has not said too."""
        if any(HELD_OUT[thing.shape] == thing.colour for thing in self.things):
            return True
        if self.relation == "above" and _never_above(self.things[0]):
            return True
        if self.relation == INVERSE["above"] and _never_above(self.things[1]):
            return True
        return any(
            _never_above(upper) and upper.place and lower.place and _over(upper.place, lower.place)
            for upper, lower in itertools.permutations(self.things, 2)
        )

    def compare(self, scene: Scene) -> Agreement:
        """What of it holds in a scene, whose things may be in any order: each stated thing is taken to be another thing
        of the scene, so that as much as possible holds. What is stated of a thing that has no partner does not hold."""
        partners: list[Thing | None] = [*scene.things]
        partners += [None] * (len(self.things) - len(partners))
        orders = itertools.permutations(partners, len(self.things))
        return max((self._compare(scene, order) for order in orders), key=lambda found: sum(found.facts))

    def matches(self, scene: Scene) -> bool:
        """Whether all that is stated holds in a scene, and it has as many things as are named."""
        return self.compare(scene).whole

    def _compare(self, scene: Scene, partners: Sequence[Thing | None]) -> Agreement:
        pairs = list(zip(self.things, partners, strict=True))
        relation = None
        if self.relation is not None:
            first, second = partners[:2]
            relation = first is not None and second is not None and related(self.relation, first, second)
        return Agreement(
            count=len(self.things) == len(scene.things),
            shape=tuple(thing is not None and thing.shape == said.shape for said, thing in pairs),
            colour=tuple(thing is not None and thing.colour == said.colour for said, thing in pairs),
            size=tuple(None if s.size is None else t is not None and t.size == s.size for s, t in pairs),
            place=tuple(None if s.place is None else t is not None and t.place == s.place for s, t in pairs),
            relation=relation,
            background=None if self.background is None else self.background == scene.background,
        )


def _never_above(thing: StatedThing) -> bool:
    return (thing.shape, thing.colour) == NEVER_ABOVE


def _over(upper: Place, lower: Place) -> bool:
    return upper[0] < lower[0] and upper[1] == lower[1]


def parse(caption: str) -> Stated:
    """What a caption states.

    Large and small letters, spaces, articles, commas between the parts and a full stop at the end make no difference.

    Raises:
        ValueError: one line that names what is not understood.
    """
    unknown = unknown_words(caption)
    if unknown:
        hints = ", ".join(f"{word!r}{did_you_mean(word, VOCABULARY)}" for word in unknown)
        raise ValueError(f"the caption {caption!r}: it is not known what is meant by {hints}")
    return _Reader(caption, [word for word in _words(caption) if word not in ARTICLES]).sentence()


def unknown_words(caption: str) -> list[str]:
    """Words of a caption that `parse` does not understand, each once: a cheap look at captions of anything."""
    return [word for word in dict.fromkeys(_words(caption)) if word != "," and word not in VOCABULARY]


def _words(caption: str) -> list[str]:
    """Words and commas, in the spelling of this module."""
    parts = re.findall(r",|[^\s,]+", caption.strip().lower().removesuffix("."))
    return [SPELLINGS.get(word, word) for word in parts]


@dataclass(frozen=True)
class _Noun:
    """A thing as it is read: its colour may follow at the end ("the circle is red")."""

    shape: str
    colour: str | None
    size: str | None
    place: Place | None


class _Reader:
    """Reads one caption from left to right; articles are gone."""

    def __init__(self, caption: str, words: Sequence[str]) -> None:
        self.caption = caption
        self.words = words
        self.at = 0

    def sentence(self) -> Stated:
        background, place = None, None
        if self.sees(BACKGROUNDS, "background"):
            background = self.background()
            self.need("with")
        else:
            place = self.place()
            if place is not None:
                self.take(",")
                if not self.sees("there"):
                    raise self.error("'there is'")
            if self.take("there") and not (self.take("is") or self.take("are")):
                raise self.error("'is' or 'are'")
        nouns, relation = self.nouns()
        if place is not None:
            if nouns[0].place is not None:
                raise ValueError(f"the caption {self.caption!r} says twice where the {nouns[0].shape} is")
            nouns[0] = replace(nouns[0], place=place)
        self.take(",")
        if self.sees(("on",), BACKGROUNDS):
            if background is not None:
                raise ValueError(f"the caption {self.caption!r} says twice what the background is")
            self.at += 1
            background = self.background()
        if self.at < len(self.words):
            raise self.error("the end")
        return Stated(things=tuple(map(self.stated, nouns)), relation=relation, background=background)

    def nouns(self) -> tuple[list[_Noun], str | None]:
        """The things, and how the first lies to the second."""
        nouns, relation = [self.noun()], None
        if self.take("is"):
            relation = self.relation()
            if relation is None:
                nouns[0] = self.described(nouns[0])
        else:
            relation = self.relation()
        if relation is not None:
            nouns.append(self.noun())
        while self.at < len(self.words) and not self.sees(("on",), BACKGROUNDS):
            comma, also = self.take(","), self.take("and")
            if comma and not also and self.sees(("on",), BACKGROUNDS):
                break
            if not comma and not also:
                raise self.error("', and', 'on a ... background' or the end")
            nouns.append(self.noun())
        if len(nouns) > MOST:
            raise ValueError(f"the caption {self.caption!r} names {len(nouns)} things, expected at most {MOST}")
        return nouns, relation

    def noun(self) -> _Noun:
        size, colour = self.adjectives(None, None)
        shape = self.one_of(SHAPES)
        if shape is None:
            raise self.error(f"a shape ({', '.join(SHAPES)})" if size or colour else "a thing, such as 'a red circle'")
        before = self.at
        self.take(",")
        place = self.place()
        if place is None:
            self.at = before
        return _Noun(shape, colour, size, place)

    def described(self, noun: _Noun) -> _Noun:
        """What follows "is": the colour and perhaps the size."""
        size, colour = self.adjectives(noun.size, noun.colour)
        if (size, colour) == (noun.size, noun.colour):
            raise self.error("a colour, a size or 'above', 'below', 'to the left of', 'to the right of'")
        return replace(noun, size=size, colour=colour)

    def adjectives(self, size: str | None, colour: str | None) -> tuple[str | None, str | None]:
        while True:
            if size is None and (found := self.one_of(SIZES)):
                size = found
            elif colour is None and (found := self.one_of(COLOURS)):
                colour = found
            else:
                return size, colour

    def place(self) -> Place | None:
        """Row and column of "in the top left" (or "at the top", ...), None without one."""
        words = self.words[self.at : self.at + 4]
        if not words or words[0] not in ("in", "at", "on"):
            return None
        for length in (2, 1):
            name = " ".join(words[1 : 1 + length])
            if name in PLACES.values() and words[1 + length : 2 + length] != ["of"]:
                self.at += 1 + length
                return next(place for place, known in PLACES.items() if known == name)
        if words[1:2] and (words[1] in BACKGROUNDS or words[2:3] == ["of"]):
            return None
        self.at += 1
        if words[2:3] == ["background"]:
            self.background()
        raise self.error(f"a place ({', '.join(PLACES.values())})")

    def relation(self) -> str | None:
        """Which of `RELATIONS` comes next, None without one."""
        if found := self.one_of(RELATIONS[:2]):
            return found
        words = self.words[self.at : self.at + 3]
        if words[:1] in (["to"], ["on"]) and words[1:2] in (["left"], ["right"]):
            self.at += 2
            self.need("of")
            return f"{words[1]} of"
        if words[:2] in (["left", "of"], ["right", "of"]):
            self.at += 2
            return f"{words[0]} of"
        return None

    def background(self) -> str:
        found = self.one_of(BACKGROUNDS)
        if found is None:
            raise self.error(f"a background ({', '.join(BACKGROUNDS)})")
        self.need("background")
        return found

    def stated(self, noun: _Noun) -> StatedThing:
        if noun.colour is None:
            raise ValueError(f"the caption {self.caption!r} does not say what colour the {noun.shape} has")
        return StatedThing(shape=noun.shape, colour=noun.colour, size=noun.size, place=noun.place)

    def sees(self, *following: str | Sequence[str] | Mapping[str, object]) -> bool:
        """Whether the next words are these: each a word, or one of several."""
        words = self.words[self.at : self.at + len(following)]
        return len(words) == len(following) and all(
            word == wanted if isinstance(wanted, str) else word in wanted
            for word, wanted in zip(words, following, strict=True)
        )

    def take(self, word: str) -> bool:
        found = self.sees(word)
        self.at += found
        return found

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.error(repr(word))

    def one_of(self, words: Sequence[str] | Mapping[str, object]) -> str | None:
        if not self.sees(words):
            return None
        self.at += 1
        return self.words[self.at - 1]

    def error(self, expected: str) -> ValueError:
        found = repr(self.words[self.at]) if self.at < len(self.words) else "nothing"
        after = f" after {self.words[self.at - 1]!r}" if self.at else " at its beginning"
        return ValueError(f"the caption {self.caption!r}: expected {expected}{after}, found {found}")
