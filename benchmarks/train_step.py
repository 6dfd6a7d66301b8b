"""A step of ganzoo's trainer against the textbook loop on the same networks, interleaved in one run.

Both train a DCGAN of the same widths, batch and picture size on the same kind of data; the textbook loop is fp32, as
the tutorials are. A pair is one block of steps of each, one after the other, so that a machine whose speed drifts
treats both alike; the ratio is taken pair by pair.

    python benchmarks/train_step.py --widths 16,32,64
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from textbook import TextbookGAN

from ganzoo import training
from ganzoo.data.base import ArrayData, DataSpec, Field
from ganzoo.engine.distributed import join
from ganzoo.engine.listeners import Quiet
from ganzoo.engine.trainer import Trainer
from ganzoo.registry import get_registry


def trainer(width: int, size: int, batch: int, precision: str, folder: Path) -> Trainer:
    """The zoo's DCGAN on random pictures, under the zoo's trainer."""
    registry = get_registry()
    values = {"width": width, "size": size, "batch": batch, "precision": precision, "steps": 10**6}
    plain = {"r1": 0, "lr": 2e-4, "discriminator_norm": "batch", "loss": "non-saturating", "diffaug": "none"}
    job = training.plan_job(registry, "dcgan", "fashion", None, {**values, **plain})
    pictures = np.random.default_rng(0).integers(0, 256, (2000, 1, size, size), dtype=np.uint8)
    fields = (Field(name="image", kind="image", channels=1, size=size),)
    data = ArrayData(DataSpec(name="noise", split="train", count=2000, fields=fields), {"image": pictures})
    run = training.make_run(registry, job, data, folder / f"{width}-{precision}", folder)
    return training.make_trainer(registry, run, job, data, join("cpu"), Quiet())


def timed(step: Callable[[], object], count: int) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", default="16,32,64")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--block", type=int, default=8, help="steps in a block")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for width in map(int, arguments.widths.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            pictures = torch.rand(2000, 1, arguments.size, arguments.size) * 2 - 1
            book = TextbookGAN(width=width, size=arguments.size, channels=1)
            ours = {p: trainer(width, arguments.size, arguments.batch, p, Path(folder)) for p in ("fp32", "auto")}

            def book_step(book: TextbookGAN = book, pictures: torch.Tensor = pictures) -> None:
                book.step(pictures[torch.randint(len(pictures), (arguments.batch,))])

            contenders: dict[str, Callable[[], object]] = {"textbook": book_step}
            contenders |= {name: trained.train_step for name, trained in ours.items()}
            for step in contenders.values():
                timed(step, 3)
            times: dict[str, list[float]] = {name: [] for name in contenders}
            for _ in range(arguments.pairs):
                for name, step in contenders.items():
                    times[name].append(timed(step, arguments.block))
            for name, trained in ours.items():
                ratios = [book / mine for book, mine in zip(times["textbook"], times[name], strict=True)]
                rows.append(
                    {
                        "width": width,
                        "precision": f"{name} ({trained.precision_name})" if name == "auto" else name,
                        "ratio": statistics.median(ratios),
                        "lowest": min(ratios),
                        "highest": max(ratios),
                        "images_per_second": arguments.batch / statistics.median(times[name]),
                        "textbook_images_per_second": arguments.batch / statistics.median(times["textbook"]),
                    }
                )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'width':>5}  {'precision':<12} {'x textbook':>10}  {'spread':<13} {'pictures/s':>10}  {'textbook':>8}")
    for row in rows:
        spread = f"{row['lowest']:.2f} - {row['highest']:.2f}"
        print(
            f"{row['width']:>5}  {row['precision']:<12} {row['ratio']:>10.2f}  {spread:<13} "
            f"{row['images_per_second']:>10.0f}  {row['textbook_images_per_second']:>8.0f}"
        )


if __name__ == "__main__":
    main()
