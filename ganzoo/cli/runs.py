"""`ganzoo runs`: what has been trained here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.errors import UserError

if TYPE_CHECKING:
    from ganzoo.runs import Scores


@click.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where to look.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def runs(root: Path, as_json: bool) -> None:
    """What was trained here, oldest first: how far, how it ended, how it did where it was evaluated."""
    from ganzoo.recipes import default_architecture
    from ganzoo.runs import list_runs

    rows = [_row(folder) for folder in list_runs(root)] if root.is_dir() else []
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(f"no runs in {root}/ yet; make one: ganzoo train {default_architecture()}", err=True)
    else:
        _print(rows)


def _row(folder: Path) -> dict[str, Any]:
    from ganzoo.runs import CONFIG, SUMMARY, Scores
    from ganzoo.training import is_locked

    config, summary = _read(folder / CONFIG), _read(folder / SUMMARY)
    seconds, warnings = summary.get("seconds"), summary.get("warnings")
    state = summary.get("state", "new")
    if state == "running" and not is_locked(folder):
        state = "killed"
    return {
        "run": folder.name,
        "folder": str(folder),
        "architecture": config.get("architecture", "?"),
        "data": _mapping(config.get("data")).get("name", "?"),
        "state": state,
        "step": summary.get("step", 0),
        "steps": _mapping(config.get("settings")).get("steps"),
        "seconds": seconds if isinstance(seconds, (int, float)) else 0.0,
        "warnings": warnings if isinstance(warnings, list) else [],
        "error": summary.get("error"),
        "missing": _missing(config),
        "evaluation": asdict(scores) if (scores := Scores.from_json(summary.get("evaluation"))) else None,
        "bytes": sum(map(_size, folder.rglob("*"))),
    }


def _missing(config: dict[str, Any]) -> str:
    """Which package a run needs whose architecture is not here; empty where it is."""
    from ganzoo.registry import get_registry

    registry, name = get_registry(), config.get("architecture")
    try:
        if not isinstance(name, str) or name in registry.architectures:
            return ""
    except UserError as error:  # two plugins claim it
        return str(error)
    plugin = _mapping(config.get("plugin"))
    return registry.why_missing(
        "architecture", name, str(plugin.get("distribution", "?")), str(plugin.get("version", "?"))
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # a training run has just renamed it
        return 0


def _print(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.console import console
    from ganzoo.runs import Scores

    all_scores = [Scores.from_json(row["evaluation"]) for row in rows]
    measured = ("best", "final") if any(all_scores) else ()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("run", "architecture", "data", "state", "steps", "time", "size", *measured, "note"):
        table.add_column(heading)
    for row, scores in zip(rows, all_scores, strict=True):
        note = row["error"] or row["missing"] or (row["warnings"][-1] if row["warnings"] else "")
        if row["state"] in ("killed", "stopped"):
            note = note or f"ganzoo train --resume {row['folder']}"
        cells = (
            row["run"],
            row["architecture"],
            row["data"],
            row["state"],
            f"{row['step']}/{row['steps']}",
            f"{row['seconds'] / 60:.1f} min",
            f"{row['bytes'] / 2**20:.0f} MiB",
            *(_told(scores, which) for which in measured),
            note,
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    console().print(table)


def _told(scores: Scores | None, which: str) -> str:
    """`fd[...]@2k 23.41 ± 0.52 (step 1000)`: with its name, since the runs of a table need not share one."""
    if scores is None:
        return ""
    score = scores.best if which == "best" else scores.final
    return f"{scores.name} {score.text} (step {score.step})"
