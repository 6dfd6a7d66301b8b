"""`ganzoo train --plan`: the bill, before anything is trained."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.registry import Registry

if TYPE_CHECKING:
    from ganzoo.training import Job

WARM_UP = 3
TIMED = 12
SECONDS = 15.0


def print_plan(registry: Registry, job: Job, device: str, as_json: bool) -> None:
    """Build the job, time a few real steps, and print what the whole would cost; nothing is kept."""
    from ganzoo.cli.progress import duration_text, rate_text

    bill = measure(registry, job, device)
    if as_json:
        click.echo(json.dumps(bill, indent=2))
        return
    click.echo(
        f"{bill['recipe']} on {bill['data']}: {', '.join(filter(None, (bill['amount'], bill['shape'])))}, "
        f"{bill['data_mib']:.0f} MiB {bill['held']}"
    )
    for name, count in bill["parameters"].items():
        click.echo(f"  {name:<24} {count:>12,} parameters")
    what = "pictures" if bill["pictured"] else "rows"
    rows = {
        "device": f"{bill['device']}, {bill['precision']}",
        "batch": f"{bill['batch']} {what}",
        "time of a step": f"{rate_text(bill['seconds_per_step'])} ({bill['images_per_second']:.0f} {what}/s)",
        "steps": f"{bill['steps']:,}",
        "time in all": duration_text(bill["seconds"]),
        "peak memory": f"{bill['peak_memory_mib']:,.0f} MiB",
        "checkpoint": f"{bill['checkpoint_mib']:.0f} MiB, two are kept",
    }
    for label, value in rows.items():
        click.echo(f"  {label:<24} {value:>12}")
    click.echo(f"train it: ganzoo train {' '.join(a for a in sys.argv[2:] if a not in ('--plan',))}")


def measure(registry: Registry, job: Job, device: str) -> dict[str, Any]:
    """The bill as plain values: seconds, MiB and counts."""
    import torch

    from ganzoo import training
    from ganzoo.cli.progress import loading
    from ganzoo.engine import distributed
    from ganzoo.engine.listeners import Quiet
    from ganzoo.figures import amount, extent

    group = distributed.join(device)
    with loading() as progress:
        data = training.open_data(registry, job, progress=progress)
    training.check_buildable(job, data)
    with tempfile.TemporaryDirectory() as folder:
        run = training.make_run(registry, job, data, Path(folder) / "plan", Path(folder))
        with loading() as progress:
            trainer = training.make_trainer(registry, run, job, data, group, Quiet(), progress)
        times: list[float] = []
        begun = time.monotonic()
        while len(times) < WARM_UP + TIMED and (len(times) < WARM_UP + 2 or time.monotonic() - begun < SECONDS):
            start = time.perf_counter()
            trainer.train_step()
            if group.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        state_bytes = sum(_bytes(value) for value in trainer.state().values())
        trainer.feed.close()
    step = statistics.median(times[WARM_UP:])
    settings = run.settings
    return {
        "recipe": job.recipe or job.card.name,
        "data": data.spec.name,
        "pictures": data.spec.count,
        "pictured": data.spec.pictured(job.task.output),
        "amount": amount(data.spec),
        "shape": extent(data.spec),
        "data_mib": data.nbytes / 2**20,
        "held": "held on the device" if trainer.feed.resident else "streamed",
        "parameters": {n: sum(p.numel() for p in net.parameters()) for n, net in trainer.networks.items()},
        "device": str(group.device),
        "precision": trainer.precision_name,
        "batch": settings.batch,
        "steps": settings.steps,
        "seconds_per_step": step,
        "images_per_second": settings.batch / step,
        "seconds": step * settings.steps,
        "peak_memory_mib": _peak_memory(group.device.type) / 2**20,
        "checkpoint_mib": state_bytes / 2**20,
    }


def _bytes(value: Any) -> int:
    import torch

    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_bytes(entry) for entry in value.values())
    return 0


def _peak_memory(device: str) -> int:
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
