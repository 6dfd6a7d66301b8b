"""`ganzoo eval`: measure models and folders of pictures by one protocol, and one model against another."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shlex
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.teaching import TeachingCommand
from ganzoo.errors import GanzooWarning, RunError, UserError, did_you_mean
from ganzoo.registry import get_registry

if TYPE_CHECKING:
    from ganzoo.engine.distributed import Group
    from ganzoo.registry import Registry
    from ganzoo_evaluation.asking import How
    from ganzoo_evaluation.results import Report
    from ganzoo_evaluation.session import Session

RUNS = Path("runs")
RULE = re.compile(r"\s*([\w.:@\[\],-]+?)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*")


@click.command(name="eval", cls=TeachingCommand)
@click.argument("targets", nargs=-1, metavar="[RUN|FOLDER ...]")
@click.option(
    "--real", metavar="NAME|PATH", help="Real pictures: a data set, folder, zip or .npz of mu and sigma [the run's]."
)
@click.option("--metrics", metavar="A,B", help="Which metrics (--list shows them) [those of the task].")
@click.option("--features", default="auto", metavar="NET", help="Feature network (--list) [one that ships].")
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help="The feature network's weights.")
@click.option("-n", "count", type=click.IntRange(2), metavar="N", help="Pictures of each [the held-out number].")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the pictures.")
@click.option("--truncation", type=click.FloatRange(0, min_open=True), metavar="PSI", help="Keep the noise within PSI.")
@click.option("--as", "preset", metavar="TOOL", help="Measure as another tool does: torch-fidelity, clean-fid, ...")
@click.option("--direction", default="", metavar="NAME", help="Which way, of a model that goes two: a2b, b2a.")
@click.option(
    "--captions",
    type=click.Choice(["held-out", "train"]),
    default="held-out",
    show_default=True,
    help="Whose captions a model that reads some is to draw.",
)
@click.option("--compare", metavar="ARCH|RUN", help="Against an architecture (trained alike) or another run.")
@click.option("--seeds", type=click.IntRange(1), default=1, help="With --compare ARCH: train K seeds of both.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Where the page goes [in the run].")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write the table as Markdown.")
@click.option(
    "--save-stats", type=click.Path(path_type=Path), metavar="FILE.npz", help="Write mu and sigma of the first row."
)
@click.option("--fail-if", "rules", multiple=True, metavar='"fd>25"', help="Exit with 1 where it holds; repeatable.")
@click.option("--no-controls", is_flag=True, help="Leave out the control rows.")
@click.option("--offline", is_flag=True, help="Never download weights.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", help="Of the feature network.")
@click.option("--resize", default="", metavar="NAME", help="Another resize than the network's own (clean, ...).")
@click.option("--doctor", "doctor_", is_flag=True, help="Only say what is suspicious about the pictures.")
@click.option("--list", "list_", is_flag=True, help="The metrics, feature networks and presets.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.", show_default=True)
@click.option("--devices", type=click.IntRange(1), default=1, metavar="N", help="Share the work over N processes.")
def evaluate(
    targets: tuple[str, ...],
    real: str | None,
    metrics: str | None,
    features: str,
    weights: Path | None,
    count: int | None,
    seed: int,
    truncation: float | None,
    preset: str | None,
    direction: str,
    captions: str,
    compare: str | None,
    seeds: int,
    html: Path | None,
    markdown: Path | None,
    save_stats: Path | None,
    rules: tuple[str, ...],
    no_controls: bool,
    offline: bool,
    precision: str,
    resize: str,
    doctor_: bool,
    list_: bool,
    as_json: bool,
    device: str,
    devices: int,
) -> int:
    """Measure models, or folders of pictures, against real pictures: every number with its error and its passport.

    \b
    ganzoo eval                                    the newest run, against its own data
    ganzoo eval RUN OTHER-RUN                      several in one table
    ganzoo eval --compare YARDSTICK                the newest run against the yardstick, trained alike
    ganzoo eval pictures/ --real fashion           pictures from anywhere
    ganzoo eval RUN --real set5                    super-resolution on whole pictures of another set
    ganzoo eval RUN --captions train -n 1000       of a model that reads captions, those that it was trained on
    ganzoo eval --metrics fid --weights FILE       the original FID (its weights are not shipped)
    ganzoo eval --metrics fd,kid --fail-if "fd>25" exit code 1 when it is too bad

    Nothing is downloaded unless a network is named whose weights do not ship with ganzoo.
    """
    registry = get_registry()
    if list_:
        _list(registry, as_json)
        return 0
    parsed = _rules(registry, rules)
    _check_words(targets, compare, seeds, doctor_)
    _check_outputs({"--html": html, "--markdown": markdown, "--save-stats": save_stats})
    from ganzoo_evaluation.asking import How, wanted_metrics
    from ganzoo_evaluation.presets import find_preset

    how = How(
        metrics=tuple(_metrics(registry, metrics)) if metrics is not None else (),
        features=features,
        weights=weights,
        count=count,
        seed=seed,
        truncation=truncation,
        precision=precision,
        resize=resize,
        preset=find_preset(preset) if preset else None,
        direction=direction,
        captions=captions,
        controls=not no_controls,
        download=not offline,
    )
    if weights is not None and not weights.exists():
        raise UserError(f"--weights {weights}: there is no such file")
    if how.metrics:
        wanted_metrics(registry, None, how, set())  # a misspelt name is said before anything is read
    if devices > 1 and "WORLD_SIZE" not in os.environ:
        from ganzoo.engine.launch import launch

        return launch(devices, sys.argv[1:])
    from ganzoo.engine import distributed

    group = distributed.join(device)
    try:
        if doctor_:
            return _doctor(registry, group, how, targets, real, as_json)
        report, session = _run(registry, group, how, targets, real, compare, seeds, as_json)
    finally:
        distributed.leave()
    if not group.first:
        return 0
    code = _deliver(registry, report, session.folder, html, markdown, as_json, parsed)
    if save_stats is not None:
        save_stats.parent.mkdir(parents=True, exist_ok=True)
        session.save_statistics(report, save_stats)
    return code


def _doctor(registry: Registry, group: Group, how: How, targets: Sequence[str], real: str | None, as_json: bool) -> int:
    from ganzoo.cli.progress import loading
    from ganzoo_evaluation import session

    with loading() as progress:
        found = session.open_session(registry, group, how, targets, real, RUNS, progress).doctor()
    if group.first and as_json:
        click.echo(json.dumps({"findings": found}, indent=2))
    elif group.first:
        for line in found or ["nothing looks wrong"]:
            click.echo(line)
    return 0


def _run(
    registry: Registry,
    group: Group,
    how: How,
    targets: Sequence[str],
    real: str | None,
    compare: str | None,
    seeds: int,
    as_json: bool,
) -> tuple[Report, Session]:
    """The report, and the session that it is of."""
    from ganzoo.cli.progress import loading
    from ganzoo_evaluation import session

    started = time.monotonic()
    if compare is not None and compare in registry.architectures and not targets:
        from ganzoo_evaluation.alike import newest_of_others

        targets = newest_of_others(compare, RUNS)
    with loading() as progress:
        opened = session.open_session(registry, group, how, targets, real, RUNS, progress)
    if compare is not None:
        from ganzoo_evaluation.compare import compare_with

        # A training that the comparison begins tells of itself where nobody reads JSON.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            report = compare_with(opened, compare, seeds, RUNS, _command())
    else:
        with loading() as progress:
            opened.progress = progress
            report = opened.report(_command(), started)
    return report, opened


def _deliver(
    registry: Registry,
    report: Report,
    folder: Path | None,
    html: Path | None,
    markdown: Path | None,
    as_json: bool,
    rules: Sequence[tuple[str, str, float]],
) -> int:
    """Print the report, then write it: what was measured is seen even where nothing can be written."""
    from ganzoo.cli.console import console
    from ganzoo.engine.files import write_text
    from ganzoo_evaluation.facts import describe_facts
    from ganzoo_evaluation.render_html import html as page_of
    from ganzoo_evaluation.render_text import markdown as markdown_of
    from ganzoo_evaluation.render_text import print_report

    document = json.dumps(report.to_json(), indent=2)
    if as_json:
        click.echo(document)
    else:
        print_report(report, console())
    page = html
    text = page_of(report, describe_facts() | {card.name: card.summary for card in registry.metrics.values()})
    if folder is not None:
        place = folder / "evaluation"
        try:
            place.mkdir(exist_ok=True)
            write_text(place / "report.json", document + "\n")
            write_text(place / "report.md", markdown_of(report))
            if html is None:
                write_text(place / "report.html", text)
                page = place / "report.html"
        except (OSError, RunError) as error:
            warnings.warn(f"the report is not kept in the run: {error}", GanzooWarning, stacklevel=2)
    for asked, content in ((html, text), (markdown, markdown_of(report))):
        if asked is not None:
            asked.parent.mkdir(parents=True, exist_ok=True)
            write_text(asked, content)
    if page is not None and not as_json:
        click.echo(f"page: {page}")
    broken = list(_broken(report, rules))
    for line in broken:
        click.echo(f"ganzoo: {line}", err=True)
    return 1 if broken else 0


def _check_words(targets: Sequence[str], compare: str | None, seeds: int, doctor_: bool) -> None:
    mistakes = []
    if compare is not None and len(targets) > 1:
        mistakes.append(f"--compare {compare} goes with one run; found {', '.join(targets)}")
    if seeds > 1 and compare is None:
        mistakes.append(f"--seeds {seeds} goes with --compare ARCH: it trains more runs")
    if doctor_ and compare is not None:
        mistakes.append("--doctor looks at pictures and compares nothing; leave out --compare")
    if mistakes:
        raise UserError(*mistakes)


def _check_outputs(files: dict[str, Path | None]) -> None:
    """Say before the work what could not be written after it.

    Raises:
        UserError: one line for each.
    """
    mistakes = []
    for option, path in files.items():
        if path is None:
            continue
        if path.is_dir():
            mistakes.append(f"{option} {path} is a folder; expected the name of a file in it")
        elif option == "--save-stats" and path.suffix != ".npz":
            mistakes.append(f"{option} {path}: expected a name that ends in .npz: {option} {path}.npz")
        there = next(parent for parent in path.absolute().parents if parent.exists())
        if not there.is_dir():
            mistakes.append(f"{option} {path}: {there} is a file and no folder")
    if mistakes:
        raise UserError(*mistakes)


def _metrics(registry: Registry, text: str) -> Iterator[str]:
    """`fd,kid[a]` at the commas that are not inside brackets.

    Raises:
        UserError: when there is none, brackets do not match, or a metric that looks through no network is given one.
    """
    words = [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]
    if not words:
        raise UserError(f'--metrics "{text}" names none; for example --metrics fd,kid (`ganzoo eval --list`)')
    for word in words:
        match = re.fullmatch(r"([^\[\]]+)(\[[^\[\]]+\])?", word)
        if match is None:
            raise UserError(f"--metrics {word}: expected METRIC or METRIC[NETWORK], for example kid[efflite0]")
        card = registry.metrics.get(match[1])
        if match[2] and card is not None and not card.network:
            raise UserError(f"--metrics {word}: {card.name} looks through no network: --metrics {card.name}")
        yield word


def _rules(registry: Registry, rules: Sequence[str]) -> list[tuple[str, str, float]]:
    """`--fail-if "fd>25"` as (metric, sign, bound).

    Raises:
        UserError: one line for each that is not of that form or names no metric.
    """
    from ganzoo_evaluation.aliases import ALIASES

    found, mistakes = [], []
    known = [*registry.metrics, *ALIASES]
    for rule in rules:
        match = RULE.fullmatch(rule)
        try:
            if match is None:
                raise ValueError
            name, sign, bound = match[1], match[2], float(match[3])
        except ValueError:
            mistakes.append(f'--fail-if "{rule}": expected METRIC>NUMBER or METRIC<NUMBER, for example "fd>25"')
            continue
        base = re.split(r"[\[@]", name)[0]
        if base not in known:
            mistakes.append(f'--fail-if "{rule}": no such metric{did_you_mean(base, known)}')
        found.append((name, sign, bound))
    if mistakes:
        raise UserError(*mistakes)
    return found


def _broken(report: Report, rules: Sequence[tuple[str, str, float]]) -> list[str]:
    """One line for each rule that holds for a row, or that no row can answer."""
    import operator

    from ganzoo_evaluation.aliases import ALIASES

    signs = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
    lines = []
    for name, sign, bound in rules:
        asked = False
        for row in report.models:
            for estimate in row.estimates.values():
                names = {estimate.metric, estimate.name, estimate.name.partition("@")[0]}
                if name in ALIASES:
                    names = {estimate.name.partition("@")[0]}
                if name in names and estimate.value is not None and not math.isnan(estimate.value):
                    asked = True
                    if signs[sign](estimate.value, bound):
                        lines.append(f"{row.name}: {estimate.name} is {estimate.value:.6g}, which is {sign} {bound:g}")
        if not asked:
            lines.append(f'--fail-if "{name}{sign}{bound:g}": no row has {name}, so nobody knows')
    return lines


def _command() -> str:
    return shlex.join(["ganzoo", *sys.argv[1:]]) if "eval" in sys.argv else "ganzoo eval"


def _list(registry: Registry, as_json: bool) -> None:
    from ganzoo_evaluation.presets import PRESETS

    if as_json:
        document: dict[str, Any] = {
            "metrics": [
                {"name": c.name, "title": c.title, "summary": c.summary, "better": c.better, "paper": c.paper}
                for c in registry.metrics.values()
            ],
            "features": [
                {"name": c.name, "title": c.title, "summary": c.summary, "embedded": c.embedded, "licence": c.licence}
                for c in registry.features.values()
            ],
            "presets": [{"name": p.name, "summary": p.summary} for p in PRESETS.values()],
        }
        click.echo(json.dumps(document, indent=2))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console

    def show(title: str, rows: Sequence[tuple[str, ...]], headings: Sequence[str]) -> None:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=title, title_justify="left")
        for heading in headings:
            table.add_column(heading)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console().print(table)
        click.echo()

    arrows = {"lower": "↓", "higher": "↑", "": ""}
    metrics = [(c.name, arrows[c.better], f"{c.title}: {c.summary}", c.paper) for c in registry.metrics.values()]
    show("metrics", metrics, ("name", "", "what it is", "source"))
    networks = [
        (c.name, "ships" if c.embedded else c.download or "by file", f"{c.title}: {c.summary}", c.licence)
        for c in registry.features.values()
    ]
    show("feature networks", networks, ("name", "weights", "what it is", "licence"))
    show("presets (--as)", [(p.name, p.summary) for p in PRESETS.values()], ("name", "what it is"))
