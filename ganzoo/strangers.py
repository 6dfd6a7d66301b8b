"""What other people's packages hand over, looked at before anything trusts it.

A plugin is a program: once it is installed it may do whatever its user may. What is done here is something else. What
a plugin prints, names and says of itself must not garble a terminal, spoil JSON or end a command that has nothing to
do with it, and a mistake in a card is told in one line where the card is handed over, not as a traceback later.
"""

from __future__ import annotations

import contextlib
import re
import sys
import types
import typing
from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from typing import Any, Union

from ganzoo.cards import Direction, FeatureNetwork, Recipe

NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
"""What a card, an entry point or a command may be called: names become words of commands and parts of paths."""
FAMILY = re.compile(rf"{NAME.pattern}:\*")
"""What a feature network may be called too, where its card stands for many."""
REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
REFERENCES = frozenset({"config", "model", "load", "compute", "show", "make", "stages", "needs", "open", "save"})
"""The fields of cards that name something as `"module:attribute"`."""
LONGEST = 2000
"""Characters in one text of a card."""
EXPECTED_NAME = "at most 64 of a-z, 0-9, - and _, with a letter or digit at both ends"


def printable(text: str, limit: int = 500) -> str:
    """The text on one line with nothing in it that a terminal obeys, cut after `limit` characters."""
    line = " ".join(text[: 4 * limit].split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[:limit]}…"


def told(error: BaseException) -> str:
    """`ImportError: no module named x`: an exception on one line, whatever its own `__str__` does."""
    try:
        text = str(error)
    except BaseException:  # here and below: it is a stranger's code, and may raise what it likes
        text = "(its message cannot be read)"
    return printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def shown(value: object) -> str:
    """The `repr` of a value, short and printable, whatever its own `__repr__` does."""
    try:
        return printable(repr(value), 80)
    except BaseException:
        return f"something of type {printable(type(value).__name__, 80)}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What is printed meanwhile goes to standard error: standard output belongs to the command, which may be writing
    JSON there."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def mistakes_in(card: object) -> list[str]:
    """What is wrong with the fields of a card, its name first; empty where all are of their types and plain text."""
    try:
        return [*_name_mistakes(card), *_field_mistakes(card)]
    except BaseException as error:  # whatever an attribute does when it is looked at
        return [f"cannot be read: {told(error)}"]


def mistake_in_command(name: object, command: Any) -> str:
    """What is wrong with a command that a plugin adds: its name, its kind, or its help; empty where nothing is."""
    import click

    if type(name) is not str or not NAME.fullmatch(name):
        return f"a command called {shown(name)}, expected {EXPECTED_NAME}"
    if not isinstance(command, click.Command):
        return f"the command {name!r} that is {shown(command)}, expected one of click's"
    try:
        text = command.get_short_help_str(limit=80)
    except BaseException as error:
        return f"the command {name!r} whose help cannot be read: {told(error)}"
    return "" if text.isprintable() else f"the command {name!r} whose help has characters that are not printable"


def _name_mistakes(card: Any) -> list[str]:
    name = card.name
    if type(name) is not str or not name:
        return [f"name is {shown(name)}, expected text"]
    if NAME.fullmatch(name) or (isinstance(card, FeatureNetwork) and FAMILY.fullmatch(name)):
        return []
    return [f"name is {shown(name)}, expected {EXPECTED_NAME}"]


def _field_mistakes(card: Any) -> list[str]:
    mistakes = []
    kind: Any = type(card)
    for name, hint in _hints(kind).items():
        if name == "name":
            continue
        value = getattr(card, name)
        expected = _wrong(value, hint)
        texts = value if isinstance(value, tuple) else (value,)
        if not expected and name in REFERENCES and any(text and not REFERENCE.fullmatch(text) for text in texts):
            expected = "'module:attribute'"
        if expected:
            mistakes.append(f"{name} is {shown(value)}, expected {expected}")
    return mistakes


@cache
def _hints(card: Hashable) -> dict[str, Any]:
    """The fields of a card's class with their types."""
    return typing.get_type_hints(card)


def _wrong(value: Any, hint: Any) -> str:
    """What was expected instead of `value`; empty where it is of the type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        found = [_wrong(value, argument) for argument in arguments]
        return "" if "" in found else " or ".join(found)
    if hint is type(None):
        return "" if value is None else "none"
    if hint is str:
        return _wrong_text(value)
    if hint is int:
        # Larger ones cannot even be printed (Python refuses above 4,300 digits).
        return "" if type(value) is int and abs(value) < 2**63 else "a whole number below 2**63"
    if hint in (bool, float):
        return "" if type(value) is hint else f"a {hint.__name__}"
    if origin is tuple:
        if type(value) is not tuple:
            return "a tuple"
        wrong = next(filter(None, (_wrong(item, arguments[0]) for item in value)), "")
        return f"a tuple, each of it {wrong}" if wrong else ""
    if origin is Mapping:
        if type(value) not in (dict, types.MappingProxyType):
            return "a dict"
        pairs = ((key, arguments[0]) for key in value), ((item, arguments[1]) for item in value.values())
        wrong = next(filter(None, (_wrong(item, wanted) for side in pairs for item, wanted in side)), "")
        return f"a dict, each of it {wrong}" if wrong else ""
    if hint is Any:
        return "" if _is_plain(value) else "text, numbers and lists of them"
    if hint in (Direction, Recipe):
        sound = type(value) is hint and not _field_mistakes(value) and not _wrong_text(value.name)
        return "" if sound else f"a {hint.__name__} of plain text"
    return ""


def _wrong_text(value: Any) -> str:
    if type(value) is not str:  # a subclass may print as something else than it compares as
        return "text"
    if len(value) > LONGEST:
        return f"at most {LONGEST:,} characters, found {len(value):,}"
    return "" if value.isprintable() else "one line of printable characters"


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) in (str, int):
        return not _wrong(value, type(value))
    return value is None or type(value) in (bool, float)
