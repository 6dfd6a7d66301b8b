"""Commands whose help shows examples with the zoo's default architecture, which the code itself does not name."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

EXAMPLE = "EXAMPLE"
"""Stands in a help text for the name of the default architecture."""
YARDSTICK = "YARDSTICK"
"""Stands in a help text for the name of the architecture that others are measured against."""


class TeachingCommand(click.Command):
    """A command with examples in its help."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = with_example(self.help)
        super().format_help_text(ctx, formatter)


class TeachingGroup(TeachingCommand, click.Group):
    """A group with examples in its help."""


def with_example(text: str | None) -> str | None:
    """The text with architectures' names in place of `EXAMPLE` and `YARDSTICK`; columns that follow stay aligned."""
    from ganzoo.recipes import default_architecture

    if text is None or (EXAMPLE not in text and YARDSTICK not in text):
        return text
    names = {EXAMPLE: default_architecture(), YARDSTICK: yardstick() or default_architecture()}
    lines = []
    for line in text.splitlines():
        columns = re.match(r"(\s*\S.*?)(\s{3,})(\S.*)", line)
        if columns:
            left = _named(columns[1], names)
            line = left + columns[2] + " " * (len(columns[1]) - len(left)) + columns[3]
        lines.append(_named(line, names))
    return "\n".join(lines)


def yardstick() -> str:
    """The architecture that others are measured against; empty where none is installed."""
    from ganzoo.registry import get_registry

    return next((card.name for card in get_registry().architectures.values() if card.yardstick), "")


def _named(text: str, names: Mapping[str, str]) -> str:
    for token, name in names.items():
        text = text.replace(token, name)
    return text
