"""What reading the captions costs: the share of a training step that the text encoder takes, in CPU time.

After each step of the recipe comes what the encoder does in it, once more and on the same captions: it takes notice of
the words, reads them for the generator without gradients and for the discriminator with, and its weights are moved. So
a machine whose speed drifts treats both alike. `share` is by how much the encoder makes a step without it longer. The
process's own CPU time is taken, which other processes disturb less than the clock.

    python benchmarks/text_encoder.py text2image.shapes --steps 60
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ganzoo import training
from ganzoo.engine import distributed
from ganzoo.engine.listeners import Quiet
from ganzoo.engine.trainer import Trainer
from ganzoo.model import Batch
from ganzoo.registry import get_registry
from ganzoo.text.base import Encoder


def make_trainer(recipe: str, folder: Path) -> Trainer:
    """A trainer of a recipe of a model with a text encoder, ready for its first step."""
    registry = get_registry()
    job = training.plan_job(registry, recipe, None, None, {})
    job = training.pin_precision(job, torch.device("cpu"))
    data = training.open_data(registry, job)
    run = training.make_run(registry, job, data, folder / "run", folder)
    return training.make_trainer(registry, run, job, data, distributed.join("cpu"), Quiet())


def encoder_of(trainer: Trainer) -> Encoder:
    found = [network for network in trainer.networks.values() if isinstance(network, Encoder)]
    if len(found) != 1:
        raise SystemExit(f"{trainer.run_folder.architecture} has {len(found)} text encoders, expected one")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        trainer = make_trainer(asked.recipe, Path(folder))
        encoder = encoder_of(trainer)
        name = next(name for name, network in trainer.networks.items() if network is encoder)
        optimizer = trainer.optimizers.get(name)
        whole, reading = [], []
        for number in range(asked.warmup + asked.steps):
            begun = time.process_time()
            batch = trainer.train_step()[0]
            stepped = time.process_time()
            read(encoder, batch, optimizer)
            ended = time.process_time()
            if number >= asked.warmup:
                whole.append(stepped - begun)
                reading.append(ended - stepped)
    result = {
        "recipe": asked.recipe,
        "step_ms": round(1000 * statistics.mean(whole), 1),
        "encoder_ms": round(1000 * statistics.mean(reading), 1),
        "share": round(sum(reading) / (sum(whole) - sum(reading)), 3),
    }
    print(json.dumps(result))


def read(encoder: Encoder, batch: Batch, optimizer: torch.optim.Optimizer | None) -> None:
    """What the encoder does in a step, once more."""
    encoder.note(batch.text, batch)
    with torch.no_grad():
        encoder.sentence(batch.text)
    if optimizer is not None:
        encoder.requires_grad_(True)
        encoder.zero_grad(set_to_none=True)
        encoder.sentence(batch.text).sum().backward()
        optimizer.step()


if __name__ == "__main__":
    main()
