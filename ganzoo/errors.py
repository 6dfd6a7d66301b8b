"""The two ways a command can end badly.

A `UserError` is a mistake that the person at the keyboard can mend: it is printed as it stands, without a traceback,
and the process exits with 2. A `RunError` is a failure of the run itself (a loss that is not finite, a full disk): it
is printed the same way and exits with 1. Anything else is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanzooError(Exception):
    """Base of both: `lines` holds one printed line per finding."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class UserError(GanzooError):
    """A mistake in what was asked for; every line names the thing, what was found and what to type instead."""

    exit_code = 2


class NothingThere(UserError):
    """What was asked for exists, and nothing is in it: a split or a subset without pictures."""


class RunError(GanzooError):
    """A run that could not go on, through no mistake in the command."""


class GanzooWarning(UserWarning):
    """Something that a person should know of; the command line prints it as one line."""


def nearest(word: str, choices: Iterable[str], limit: int = 3) -> list[str]:
    """The choices that look most like `word`, best first (at most `limit`)."""
    return difflib.get_close_matches(word, sorted(choices), n=limit, cutoff=0.55)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`" (did you mean 'that'?)"`, or an empty string when nothing is near."""
    near = nearest(word, choices)
    return f" (did you mean {' or '.join(repr(name) for name in near)}?)" if near else ""
