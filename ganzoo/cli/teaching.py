"""Commands whose help shows examples with the zoo's default architecture, which the code itself does not name."""

from __future__ import annotations

import re

import click

EXAMPLE = "EXAMPLE"
"""Stands in a help text for the name of the default architecture."""


class TeachingCommand(click.Command):
    """A command with examples in its help."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = with_example(self.help)
        super().format_help_text(ctx, formatter)


class TeachingGroup(TeachingCommand, click.Group):
    """A group with examples in its help."""


def with_example(text: str | None) -> str | None:
    """The text with the default architecture's name in place of `EXAMPLE`; columns that follow it stay aligned."""
    from ganzoo.recipes import default_architecture

    if text is None or EXAMPLE not in text:
        return text
    name = default_architecture()
    lines = []
    for line in text.splitlines():
        columns = re.match(r"(\s*\S.*?)(\s{3,})(\S.*)", line)
        if columns and EXAMPLE in columns[1]:
            left = columns[1].replace(EXAMPLE, name)
            line = left + columns[2] + " " * (len(columns[1]) - len(left)) + columns[3]
        lines.append(line.replace(EXAMPLE, name))
    return "\n".join(lines)
