"""What adaptive augmentation is worth when pictures are few.

Trains a recipe on a share of the pictures of its data set, drawn at random, with its adaptive augmentation and without,
from several seeds, and measures all of them against all the pictures of the set, as Karras et al. (2020,
arXiv:2006.06676, figure 7) do. The same pictures, seeds and number of pictures seen for both:

    python benchmarks/few_pictures.py stylegan.emoji --share 0.1 --steps 3000 --out few
    python benchmarks/few_pictures.py dcgan.emoji --set diffaug=none --with ada=blit,geometric,color --out few-dcgan

A run that is there already is gone on with, and not trained twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from ganzoo import training
from ganzoo.registry import get_registry

METRICS = ("fd", "kid", "recall", "coverage")


def export(recipe: str, share: float, out: Path) -> tuple[Path, Path, int]:
    """Folders with all training pictures of a recipe's data and with a share of them, and how many the share is."""
    registry = get_registry()
    job = training.plan_job(registry, recipe, None, None, {})
    data = training.open_data(registry, job)
    rows = list(range(data.spec.count))
    chosen = set(random.Random(0).sample(rows, round(len(rows) * share)))
    everything, few = out / "all", out / "few"
    for folder in (everything, few):
        folder.mkdir(parents=True, exist_ok=True)
    for row, values in zip(rows, data.read(rows)["image"], strict=True):
        picture = Image.fromarray(values.transpose(1, 2, 0).squeeze())
        picture.save(everything / f"{row:05}.png")
        if row in chosen:
            picture.save(few / f"{row:05}.png")
    return everything, few, len(chosen)


def ganzoo(arguments: Sequence[str]) -> str:
    """What a command prints; one thread, for several run beside each other.

    Raises:
        SystemExit: when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "ganzoo", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"ganzoo {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def train(recipe: str, few: Path, run: Path, seed: int, assignments: Sequence[str]) -> None:
    """Train a run to its end, from where it is."""
    if run.exists():
        if json.loads((run / "summary.json").read_text())["state"] != "finished":
            ganzoo(["train", "--resume", str(run)])
        return
    sets = [word for assignment in assignments for word in ("--set", assignment)]
    ganzoo(["train", recipe, "--data", str(few), "--run", str(run), "--seed", str(seed), *sets])


def measure(run: Path, everything: Path, count: int) -> dict[str, float]:
    """The metrics of a run by name, against all the pictures."""
    names = ["--metrics", ",".join(METRICS), "--no-controls", "--json"]
    report: dict[str, Any] = json.loads(ganzoo(["eval", str(run), "--real", str(everything), "-n", str(count), *names]))
    (row,) = (row for row in report["rows"] if row["kind"] == "model")
    return {estimate["metric"]: estimate["value"] for estimate in row["estimates"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="stylegan.emoji")
    parser.add_argument("--share", type=float, default=0.1, help="of the pictures that are trained on")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--with", dest="extra", action="append", default=[], metavar="KEY=VALUE", help="only with ada")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--count", type=int, default=2000, help="pictures generated for an evaluation")
    parser.add_argument("--jobs", type=int, default=2, help="trainings beside each other")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    everything, few, chosen = export(arguments.recipe, arguments.share, arguments.out)
    print(f"{arguments.recipe}: {chosen} pictures, {arguments.steps} steps", flush=True)

    def one(task: tuple[str, int]) -> dict[str, float]:
        kind, seed = task
        run = arguments.out / f"{kind}-{seed}"
        sets = [f"steps={arguments.steps}", *arguments.assignments]
        sets += arguments.extra if kind == "ada" else ["ada=none"]
        train(arguments.recipe, few, run, seed, sets)
        found = measure(run, everything, arguments.count)
        print(kind, seed, {name: round(value, 4) for name, value in found.items()}, flush=True)
        return found

    tasks = [(kind, seed) for seed in range(arguments.seeds) for kind in ("ada", "none")]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = dict(zip(tasks, pool.map(one, tasks), strict=True))
    for kind in ("ada", "none"):
        rows = [results[kind, seed] for seed in range(arguments.seeds)]
        for name in METRICS:
            values = [row[name] for row in rows]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            print(f"{kind:<6}{name:<10}{statistics.mean(values):10.4f} +- {spread:.4f}", flush=True)


if __name__ == "__main__":
    main()
