"""`ganzoo data`: which data sets there are, and what is in a folder or zip of one's own."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.teaching import TeachingGroup
from ganzoo.recipes import default_architecture

if TYPE_CHECKING:
    from rich.console import Console

    from ganzoo.cards import Dataset
    from ganzoo.data.check import Report


@click.group(cls=TeachingGroup)
def data() -> None:
    """Data sets by name, and pictures of your own.

    Wherever a command takes --data you can give a name from `ganzoo data list`, or the path of a folder or a zip of
    pictures.

    \b
    Examples:
      ganzoo data list
      ganzoo data check ~/pictures/faces
      ganzoo train EXAMPLE --data ~/pictures/faces
    """


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON, for other programs.")
def list_datasets(as_json: bool) -> None:
    """The data sets that can be had by name.

    "embedded" ones ship with the program and work on an aeroplane; the others are downloaded once, when they are
    first used.

    \b
    Examples:
      ganzoo data list
      ganzoo data list --json | jq '.[].name'
    """
    from dataclasses import asdict

    from ganzoo.registry import get_registry

    datasets = get_registry().datasets
    cards = [datasets[name] for name in sorted(datasets)]
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console

    out = console()
    gap = 2 if out.width >= 96 else 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("pictures", no_wrap=True, justify="right")
    table.add_column("pixels", no_wrap=True)
    table.add_column("holds", no_wrap=out.width >= 80)
    table.add_column("what it is", min_width=15)
    table.add_column("download", min_width=8, max_width=13)
    for card in cards:
        table.add_row(*(Text(cell) for cell in _dataset_row(card)))
    out.print(table)
    example = next((card for card in cards if card.embedded and card.subsets), None)
    if example is not None:
        train = f"ganzoo train {default_architecture()} --data {example.name}"
        out.print(f"\nTrain on a set:    {train}", soft_wrap=True)
        out.print(f"on a part of it:   {train}:{example.subsets[0]}", soft_wrap=True)


def _dataset_row(card: Dataset) -> tuple[str, ...]:
    return (
        card.name,
        f"{card.count:,}{'' if card.channels else ' rows'}" if card.count else "",
        f"{card.size or 'any'} {'grey' if card.channels == 1 else 'RGB'}" if card.channels else "none",
        ", ".join(card.fields),
        card.title,
        "embedded" if card.embedded else card.download or "yes",
    )


@data.command("check")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON, for other programs.")
def check_path(path: Path, as_json: bool) -> None:
    """Look at every picture in PATH, a folder or a zip, before you train on it.

    Decodes everything once and reports sizes, formats, transparency, broken files, copies, class counts, and test
    pictures that are in the training split too, with what to do about each. Nothing is changed. Exit code 2 when not
    one picture can be used.

    \b
    Layouts:
      PATH/1.jpg ...                    pictures
      PATH/cat/1.jpg PATH/dog/1.jpg     classes (or labels.csv: file,label)
      PATH/1.jpg PATH/1.txt             pictures with captions (or captions.jsonl)
      PATH/source/1.png PATH/target/1.png   pairs (or files twice as wide as high)
      PATH/A/x.jpg PATH/B/y.jpg         two domains (or trainA/ trainB/ testA/ testB/)
      PATH/large.jpg ...                large pictures, to learn enlarging from
      PATH/train/... PATH/test/...      any of these, with a held-out split

    \b
    Examples:
      ganzoo data check ~/pictures/faces
      ganzoo data check faces.zip --json > faces.json
    """
    from ganzoo.cli.progress import loading
    from ganzoo.data.check import check

    with loading() as progress:
        report = check(path, progress)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        _print_report(report)
    if report.usable == 0:
        sys.exit(2)


def _print_report(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console
    from ganzoo.data.store import describe_skipped

    out = console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(report):
        table.add_row(Text(name), Text(value))
    out.print(table)
    if report.broken:
        out.print()
    for line in describe_skipped(report.broken, examples=10):
        print_wrapped(out, line, "")
    if report.advice:
        out.print("\nWhat to do:", style="bold")
        for line in report.advice:
            print_wrapped(out, line, "- ")
    elif report.usable:
        out.print("\nNothing to mend.")


def print_wrapped(out: Console, line: str, bullet: str) -> None:
    """One line that breaks between words, never within `--set NAME=VALUE`; piped, it stays whole."""
    if not out.is_terminal:
        out.print(bullet + line, soft_wrap=True)
        return
    wrapped = textwrap.wrap(
        line.replace("--set ", "--set\0"),
        width=out.width,
        initial_indent=bullet,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for part in wrapped:
        out.print(part.replace("\0", " "), soft_wrap=True)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    """The rows of the table: what is there, without what to do about it."""
    from ganzoo.data.names import printable

    yield report.kind, printable(report.path)
    yield "pictures", f"{report.usable:,} usable of {report.count:,}"
    if report.splits:
        yield "splits", ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    if report.uses:
        yield "laid out for", ", ".join(f"{task} ({count:,})" for task, count in report.uses.items())
        yield from _trainable(report)
    if report.domains:
        yield "domains", ", ".join(f"{name} {count:,}" for name, count in report.domains.items())
    if report.partnerless:
        yield "no partner", f"{len(report.partnerless):,}"
    if "super-resolution" in report.uses:
        from ganzoo.data.check import PATCH

        yield "patches", f"{report.patches:,} of {PATCH} x {PATCH} pixels side by side"
    if report.classes:
        shown = list(report.classes.items())[:12]
        more = f" and {len(report.classes) - 12:,} more" if len(report.classes) > 12 else ""
        listing = ", ".join(f"{printable(name)} {count:,}" for name, count in shown)
        yield f"{len(report.classes)} classes", listing + more
    if report.sizes is None:
        return
    sizes = report.sizes
    yield "formats", ", ".join(f"{name} {count:,}" for name, count in report.formats.items())
    yield "modes", ", ".join(f"{name} {count:,}" for name, count in report.modes.items())
    if sizes.distinct == 1:
        yield "size", f"{sizes.widths[0]} x {sizes.heights[0]}, all alike"
    else:
        yield "sizes", f"{sizes.distinct:,} different ones"
        yield "  width", "min {}, median {}, max {}".format(*sizes.widths)
        yield "  height", "min {}, median {}, max {}".format(*sizes.heights)
    if sizes.not_square:
        yield "not square", f"{sizes.not_square:,} (width / height from {sizes.narrowest:.2f} to {sizes.widest:.2f})"
    if report.grey or report.grey_stored_as_colour:
        stored = f", and {report.grey_stored_as_colour:,} stored as colour" if report.grey_stored_as_colour else ""
        yield "grey", f"{report.grey:,}{stored}"
    kinds = {
        "transparency": report.alpha,
        "over 8 bits": report.deep,
        "animated": report.animated,
        "one colour": len(report.one_colour),
    }
    yield from ((kind, f"{count:,}") for kind, count in kinds.items() if count)
    yield "exact copies", _copies(report.duplicates)
    yield "near copies", _copies(report.near_duplicates)
    if "test" in report.splits:
        yield "test in train", f"{len(report.leaked):,}"


def _trainable(report: Report) -> Iterator[tuple[str, str]]:
    """Which architectures the pictures can train, by use."""
    from ganzoo.data.check import USES
    from ganzoo.registry import get_registry

    registry = get_registry()
    uses = {}
    for use in report.uses:
        tasks = {task.name for task in registry.tasks.values() if set(task.batch) == set(USES[use])}
        uses[use] = sorted(card.name for card in registry.architectures.values() if card.task in tasks)
    if any(uses.values()):
        yield "can train", "; ".join(f"{use}: {', '.join(names)}" for use, names in uses.items() if names)


def _copies(groups: Sequence[tuple[str, ...]]) -> str:
    """How many pictures are copies of another one."""
    if not groups:
        return "none"
    extra = sum(len(group) - 1 for group in groups)
    return f"{extra:,} in {len(groups):,} {'group' if len(groups) == 1 else 'groups'}"
