"""Plugins that are broken, heavy, duplicate or malicious-looking: the source of each, and what is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

CARD = """
import click
from ganzoo import hookimpl
from ganzoo.cards import Architecture, Dataset, FeatureNetwork, Metric, Task

def architecture(name, **changes):
    facts = dict(name=name, title="A test", task="generation", year=2020, paper="none", summary="for tests",
                 config="ganzoo_dcgan.config:Config", model="ganzoo_dcgan.model:DCGAN", licence="MIT")
    return Architecture(**{**facts, **changes})

def metric(name):
    return Metric(name=name, title="M", summary="", paper="none", better="lower", compute="nowhere:compute")
"""
"""Stands before every source that hands over cards."""


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One plugin: its source, what `ganzoo plugins` says of it, and its entry point's name where it has another."""

    source: str
    says: str
    entry: str | None = None


def bad(source: str, says: str, entry: str | None = None) -> Bad:
    """A plugin that cannot be imported."""
    return Bad(source=dedent(source), says=says, entry=entry)


def cards(source: str, says: str, hook: str = "ganzoo_architectures") -> Bad:
    """A plugin whose hook has this body."""
    body = dedent(source).strip().replace("\n", "\n    ")
    argument = "cli" if hook == "ganzoo_commands" else ""
    return Bad(source=f"{CARD}\n@hookimpl\ndef {hook}({argument}):\n    {body}\n", says=says)


ESCAPES = "\\x1b[2J\\x1b]0;owned\\x07"
"""What clears a screen and renames a window, as it stands in a source."""

BROKEN = {
    "absent": bad("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "syntax": bad("def broken(:", "SyntaxError"),
    "exits": bad("import sys; sys.exit(3)", "SystemExit: 3"),
    "odd-exception": bad(
        "class Odd(BaseException):\n    __str__ = None\nraise Odd", "Odd: (its message cannot be read)"
    ),
    "screen": bad(f"raise RuntimeError('{ESCAPES}[red]two\\nlines')", r"RuntimeError: \x1b[2J\x1b]0;owned\x07[red]two"),
    "endless-error": bad("raise RuntimeError('a' * 10**7)", "aaaa…"),
    "hook-raises": cards("1 / 0", "ganzoo_architectures raised ZeroDivisionError: division by zero"),
    "hook-exits": cards("raise SystemExit(4)", "ganzoo_architectures raised SystemExit: 4"),
    "hook-none": cards("pass", "ganzoo_architectures returned NoneType, expected a list of Architecture"),
    "raising-card": cards(
        """
        class Trap(Architecture):
            def __getattribute__(self, name):
                raise RuntimeError("boo")
        return [Trap.__new__(Trap)]
        """,
        "ganzoo_architectures returned a list with Trap in it, expected a list of Architecture",
    ),
    "raising-field": cards(
        """
        class Trap(str):
            def __repr__(self):
                raise RuntimeError("boo")
        return [architecture("raising-field", title=Trap("x"))]
        """,
        "name is 'raising-field'; title is something of type Trap, expected text",
    ),
    "half-made": cards(
        "return [Architecture.__new__(Architecture)]", "cannot be read: AttributeError: 'Architecture' object has no"
    ),
    "path-name": cards("return [architecture('../../etc/cron')]", "name is '../../etc/cron', expected at most 64"),
    "bracket-name": cards("return [architecture('[red]x[/red]')]", "name is '[red]x[/red]', expected at most 64"),
    "upper-name": cards("return [architecture('DCGAN')]", "name is 'DCGAN', expected at most 64 of a-z"),
    "look-alike": cards("return [architecture('d\\u0441gan')]", "name is 'dсgan', expected at most 64 of a-z"),
    "line-name": cards("return [architecture('two\\nlines')]", r"name is 'two\nlines', expected at most 64"),
    "long-name": cards("return [architecture('a' * 10**6)]", "a…, expected at most 64"),
    "escape-title": cards(
        f"return [architecture('escape-title', title='{ESCAPES}')]",
        r"name is 'escape-title'; title is '\x1b[2J\x1b]0;owned\x07', expected one line of printable characters",
    ),
    "long-summary": cards(
        "return [architecture('long-summary', summary='a' * 10**6)]",
        "expected at most 2,000 characters, found 1,000,000",
    ),
    "odd-types": cards(
        "return [architecture('odd-types', year='2020', sizes=[28], tiny={'width': object})]",
        "year is '2020', expected a whole number below 2**63; sizes is [28], expected a tuple; "
        "tiny is {'width': <class 'object'>}, expected a dict, each of it text, numbers and lists of them",
    ),
    "endless-year": cards(
        "return [architecture('endless-year', year=10**5000)]",
        "year is something of type int, expected a whole number below 2**63",
    ),
    "recipe-notes": cards(
        f"""
        from ganzoo.cards import Recipe
        recipe = Recipe(name="recipe-notes.x", data="fashion", notes="{ESCAPES}")
        return [architecture("recipe-notes", recipes=(recipe,))]
        """,
        "expected a tuple, each of it a Recipe of plain text",
    ),
    "no-reference": cards(
        "return [architecture('no-reference', model='os.system(\"true\")')]",
        "model is 'os.system(\"true\")', expected 'module:attribute'",
    ),
    "twins": cards(
        "return [architecture('twin'), architecture('twin')]",
        "ganzoo_architectures returned two cards with the name 'twin'",
    ),
    "colon-set": cards(
        "return [Dataset(name='set:part', title='', summary='', fields=('image',), load='a:b', licence='', source='')]",
        "name is 'set:part', expected at most 64",
        hook="ganzoo_datasets",
    ),
    "star-metric": cards("return [metric('all:*')]", "name is 'all:*', expected at most 64", hook="ganzoo_metrics"),
    "path-entry": bad("", "its entry point is called '../x', expected at most 64", entry="../x"),
    "escape-entry": bad("", r"its entry point is called 'a\x1b[2Jb', expected", entry="a\x1b[2Jb"),
}
"""Broken in one way each, and each a row of its own."""

COMMANDS = {
    "command-train": cards(
        "cli.command('train')(lambda: None)",
        "ganzoo_commands added the command 'train', which is that of ganzoo itself",
        hook="ganzoo_commands",
    ),
    "command-eval": cards(
        "cli.command('eval')(lambda: None)",
        "ganzoo_commands added the command 'eval', which is that of ganzoo 0.1.0",
        hook="ganzoo_commands",
    ),
    "command-name": cards(
        "cli.command('../[red]')(lambda: None)",
        "ganzoo_commands added a command called '../[red]', expected at most 64",
        hook="ganzoo_commands",
    ),
    "command-text": cards(
        "cli.commands['hello'] = 'hello'",
        "ganzoo_commands added the command 'hello' that is 'hello', expected one of click's",
        hook="ganzoo_commands",
    ),
    "command-help": cards(
        f"cli.command('clear', short_help='{ESCAPES}')(lambda: None)",
        "the command 'clear' whose help has characters that are not printable",
        hook="ganzoo_commands",
    ),
    "command-raises": cards("sys.exit(7)", "ganzoo_commands raised NameError", hook="ganzoo_commands"),
    "command-thief": cards("cli.commands.clear(); cli.commands['thief'] = 3", "'thief' that is 3", "ganzoo_commands"),
}
"""Broken where commands are added, which is asked only when one is typed that is not built in, or with --help."""

CLASHES = {
    "a-dcgan": cards(
        "return [architecture('dcgan', title='not the one')]",
        "the architecture 'dcgan' of ganzoo-a-dcgan 1.0 is left out: ganzoo 0.1.0 has that name",
    ),
    "a-fid": cards(
        "return [metric('fid')]",
        "the metric 'fid' of ganzoo-a-fid 1.0 is left out: ganzoo 0.1.0 has that name",
        hook="ganzoo_metrics",
    ),
    "a-vae": bad("", "its entry point 'vae' is taken by ganzoo 0.1.0", entry="vae"),
}
"""They claim what is the zoo's own."""

LOUD = Bad(
    source=f"print('{{ not JSON')\n{CARD}\n@hookimpl\ndef ganzoo_architectures():\n"
    "    print('nor this')\n    return [architecture('loud', model='os:system', config='os:system')]\n",
    says="",
)
"""Sound in all but that it prints, and that what its card names is no model."""

HEAVY = "import torch\n"
"""Imports torch at its top."""
