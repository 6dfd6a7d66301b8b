"""Where things are drawn: a rich console that never reads markup in what it is given."""

from __future__ import annotations

from functools import cache

from rich.console import Console


@cache
def console(stderr: bool = False) -> Console:
    """The console of standard output (or error); piped, it is wide enough that no table is cut."""
    made = Console(stderr=stderr, markup=False, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = 1000
    return made
