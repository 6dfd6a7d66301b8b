"""`ganzoo doctor`: is everything there that training needs, and what would mend it?"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from ganzoo.cli import COMMANDS
from ganzoo.discovery import DISABLE
from ganzoo.registry import Registry, get_registry
from ganzoo.strangers import told


@dataclass(frozen=True)
class Finding:
    """One line of the report: `state` is ok, note or broken; `mend` says what to do."""

    what: str
    state: str
    found: str
    mend: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def doctor(as_json: bool) -> int:
    """Look at this installation and say what would mend it.

    Versions that fit each other, devices, precision, plugins, embedded data, disk.

    Exits with 1 when something is broken; each finding says how to mend it.
    """
    findings = list(examine())
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.what) for finding in findings) + 2
        marks = {"ok": ("ok", "green"), "note": ("note", "yellow"), "broken": ("BROKEN", "red")}
        for finding in findings:
            mark, colour = marks[finding.state]
            click.echo(f"{click.style(f'{mark:<7}', fg=colour)}{finding.what:<{width}}{finding.found}")
            if finding.mend:
                click.echo(f"{'':<{width + 7}}-> {finding.mend}")
    return 1 if any(finding.state == "broken" for finding in findings) else 0


def examine() -> Iterator[Finding]:
    """All findings, one after the other."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from _torch()
    yield from of_plugins(get_registry())
    yield from _data()
    yield from _disk()


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # a broken installation fails in many ways
        yield Finding(
            "torch", "broken", f"{type(error).__name__}: {error}", "pip install --force-reinstall torch torchvision"
        )
        return
    yield Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")
    try:
        import torchvision
    except Exception as error:
        yield Finding(
            "torchvision",
            "broken",
            f"does not fit torch {torch.__version__}: {' '.join(str(error).split())[:120]}",
            "install both anew from one place, unpinned: pip install --force-reinstall torch torchvision",
        )
    else:
        yield Finding("torchvision", "ok", torchvision.__version__)
    from ganzoo.engine.precision import cpu_name, native_bf16

    devices = [torch.device("cpu"), *(torch.device("cuda", i) for i in range(torch.cuda.device_count()))]
    for device in devices:
        name = cpu_name()
        if device.type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            name = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        auto = "bf16" if native_bf16(device) else "fp32"
        yield Finding(f"device {device}", "ok", f"{name}; precision auto means {auto}")
    if len(devices) == 1:
        built = f"; this torch was built for CUDA {torch.version.cuda}" if torch.version.cuda else ""
        yield Finding(
            "gpu", "note", f"none found{built}", "the default recipes are made for a CPU; full-size ones want a GPU"
        )


def of_plugins(registry: Registry) -> Iterator[Finding]:
    """What is loaded, and each plugin that is heavy, broken, left out or switched off."""
    yield Finding("plugins", "ok", f"{len(registry.plugins)} loaded, {len(registry.architectures)} architectures")
    for plugin in registry.plugins.values():
        if plugin.imported_torch:
            yield Finding(
                "plugins",
                "note",
                f"{plugin.name} imports torch when the zoo is listed ({plugin.seconds:.1f} s)",
                f"tell its author ({plugin.distribution}): the plugin module should hold only cards",
            )
    registry.commands(COMMANDS)
    for row in registry.broken:
        yield Finding("plugins", "broken", str(row), row.mend)
    for cards in registry.kinds():
        for plugin, clash in cards.clashes():
            mend = f"pip uninstall {plugin.distribution}, or {DISABLE}={plugin.name} in the environment"
            yield Finding("plugins", "broken", clash, mend)
    for off in registry.off:
        yield Finding("plugins", "note", str(off))


def _data() -> Iterator[Finding]:
    from ganzoo.cards import resolve
    from ganzoo.data.base import DataRequest

    registry = get_registry()
    for card in registry.datasets.values():
        if not card.embedded:
            continue
        there = set(card.fields)
        fields = next((task.batch for task in registry.tasks.values() if set(task.batch) <= there), card.fields)
        try:
            data = resolve(card.load)(DataRequest(fields=fields))
        except (Exception, SystemExit) as error:
            owner = registry.datasets.plugin(card.name).distribution
            yield Finding(f"data {card.name}", "broken", told(error), f"reinstall {owner}")
        else:
            yield Finding(f"data {card.name}", "ok", f"{len(data):,} pictures, embedded")


def _disk() -> Iterator[Finding]:
    from ganzoo.data.download import cache_dir

    for what, folder in (("runs", Path.cwd()), ("cache", cache_dir())):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free / 2**30
        if not os.access(existing, os.W_OK):
            yield Finding(
                what, "broken", f"{existing} is not writable", "choose another folder (GANZOO_CACHE for the cache)"
            )
        elif free < 1:
            yield Finding(what, "note", f"{free:.1f} GiB free at {existing}", "a run needs some 0.1 to 1 GiB")
        else:
            yield Finding(what, "ok", f"{free:.0f} GiB free at {existing}")
