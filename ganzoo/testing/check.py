"""What a check is: a promise, and a function that finds out whether it is kept. No torch in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ganzoo.cards import resolve
from ganzoo.errors import UserError


class CheckFailed(AssertionError):
    """A promise that is not kept: what was found, and what to change."""

    def __init__(self, found: str, change: str) -> None:
        super().__init__(f"{found}; {change}")
        self.found, self.change = found, change


@dataclass(frozen=True)
class Promise:
    """One thing that every plugin of a kind keeps to.

    `function` names the check, `"module:function"`, which is called with the subject and returns a remark for a person
    (mostly empty): what could not be looked at, and why.
    """

    name: str
    sentence: str
    function: str


@dataclass(frozen=True)
class Check:
    """A promise of one card (or of one plugin), ready to be looked at: call it."""

    subject: str
    promise: Promise
    about: Callable[[], Any] = field(repr=False)
    """Makes what the check's function is called with; torch is imported here at the earliest."""

    def __call__(self) -> str:
        """Look; the remark that there is, mostly none.

        Raises:
            CheckFailed: when the promise is not kept.
        """
        try:
            remark: str = resolve(self.promise.function)(self.about())
        except UserError as error:
            raise CheckFailed(" ".join(error.lines), "mend what the message names") from error
        return remark

    def __str__(self) -> str:
        return f"{self.subject}: {self.promise.name}"
