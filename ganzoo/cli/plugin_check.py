"""`ganzoo plugin check`: does a plugin keep what it promises?"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.teaching import TeachingCommand
from ganzoo.errors import UserError

if TYPE_CHECKING:
    from ganzoo.testing import Check


@dataclass(frozen=True)
class Result:
    """How one check went: `state` is ok, failed or error (an exception that the plugin let out); `change` says what to
    do."""

    subject: str
    check: str
    promise: str
    state: str
    found: str
    change: str
    seconds: float


@click.command(cls=TeachingCommand)
@click.argument("name", metavar="NAME|PATH")
@click.option("-k", "pattern", default="", metavar="WORD", help="Only checks with WORD in their name.")
@click.option("--list", "list_", is_flag=True, help="Only say what would be looked at.")
@click.option("--traceback", is_flag=True, help="Let the first exception of the plugin's own through, to see where.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def check(name: str, pattern: str, list_: bool, traceback: bool, as_json: bool) -> int:
    """Look whether a plugin keeps what every plugin promises, and say what to change where it does not.

    NAME is a plugin, a distribution, or one architecture, data set, metric or task; PATH the folder of a package that
    is not installed. Exits with 1 when a check fails.

    \b
    ganzoo plugin check EXAMPLE        one that is installed
    ganzoo plugin check ./ganzoo-mine  a package that is being written
    ganzoo plugin check mine -k resume one check alone

    An architecture is built at the sizes of its card and trained for moments at its `tiny` settings, on data that ship
    with a package; of a small model that takes some fifteen seconds on two cores, of a large one up to two minutes.
    """
    with ExitStack() as stack:
        checks = [one for one in _checks(name, stack) if pattern in str(one)]
        if not checks:
            raise UserError(
                f"-k {pattern}: no check of {name} has it in its name; see: ganzoo plugin check {name} --list"
            )
        if list_:
            for one in checks:
                click.echo(f"{one}: {one.promise.sentence}")
            return 0
        results = _run(name, checks, as_json, traceback)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
    else:
        failed = [result for result in results if result.state != "ok"]
        seconds = sum(result.seconds for result in results)
        click.echo(f"{len(results) - len(failed)} of {len(results)} checks passed in {seconds:.0f} s")
    return 1 if any(result.state != "ok" for result in results) else 0


def _checks(name: str, stack: ExitStack) -> list[Check]:
    from ganzoo.registry import get_registry
    from ganzoo.testing import checks_of

    path = Path(name)
    if not (path.is_dir() and (path / "pyproject.toml").is_file()) and path.name == name:
        return checks_of(name)
    from ganzoo.testing.package import as_installed, read_package

    package = read_package(path)
    stack.enter_context(as_installed(package))
    get_registry.cache_clear()
    stack.callback(get_registry.cache_clear)
    return checks_of(package.distribution)


def _run(name: str, checks: Sequence[Check], quiet: bool, traceback: bool) -> list[Result]:
    results: list[Result] = []
    subject = ""
    for one in checks:
        if not quiet and one.subject != subject:
            subject = one.subject
            click.echo(click.style(subject, bold=True))
        result = _look(name, one, traceback)
        results.append(result)
        if not quiet:
            mark, colour = {"ok": ("ok", "green"), "failed": ("FAILED", "red"), "error": ("ERROR", "red")}[result.state]
            remark = f"  ({result.found})" if result.state == "ok" and result.found else ""
            click.echo(f"  {click.style(f'{mark:<7}', fg=colour)}{result.promise}{remark}")
            if result.state != "ok":
                click.echo(f"         {result.found}")
                click.echo(f"         -> {result.change}")
    return results


def _look(name: str, one: Check, traceback: bool) -> Result:
    from ganzoo.testing import CheckFailed

    begun = time.monotonic()
    state, change = "ok", ""
    try:
        found = one()
    except CheckFailed as error:
        state, found, change = "failed", error.found, error.change
    except Exception as error:  # whatever a stranger's code lets out
        if traceback:
            raise
        state = "error"
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        word = f'"{one}"'
        change = f"see where: ganzoo plugin check {name} -k {word} --traceback"
    return Result(
        subject=one.subject,
        check=one.promise.name,
        promise=one.promise.sentence,
        state=state,
        found=found,
        change=change,
        seconds=round(time.monotonic() - begun, 2),
    )
