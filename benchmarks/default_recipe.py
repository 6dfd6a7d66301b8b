"""How fast the default recipe gets to good clothes, against a plain tutorial DCGAN on the same machine.

Prints the Frechet distance of a small classifier's features (2,000 samples against the held-out test set) and the
seconds of training at several steps, for a recipe of the zoo and for the textbook loop, one after the other:

    python benchmarks/default_recipe.py dcgan.fashion --plain
    python benchmarks/default_recipe.py cgan.fashion            (prints the class accuracy too)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from fashion_classifier import Classifier, Moments, classifier, frechet, load_split, moments
from textbook import TextbookGAN
from torch import Tensor

from ganzoo import training
from ganzoo.config import parse_assignments
from ganzoo.engine.distributed import join
from ganzoo.engine.listeners import Quiet
from ganzoo.engine.noise import Noise
from ganzoo.model import SampleRequest
from ganzoo.registry import get_registry

SAMPLES = 2000


def score(model: Classifier, reference: Moments, pictures: Tensor, label: Tensor | None) -> str:
    """Distance, accuracy of the class asked for where there is one, and how many classes are drawn."""
    pictures = pictures.clamp(-1, 1)
    if pictures.shape[-1] == 32:
        pictures = pictures[:, :, 2:30, 2:30]
    text = f"FD {frechet(moments(model, pictures), reference):7.2f}"
    with torch.inference_mode():
        found = torch.cat([model(block).argmax(1) for block in pictures.split(500)])
    counts = torch.bincount(found, minlength=10) / len(found)
    text += f"  classes above 2 %: {int((counts > 0.02).sum())}"
    if label is not None:
        text += f"  label found {float((found == label.cpu()).float().mean()):.3f}"
    return text


def zoo(name: str, assignments: list[str], steps: list[int], model: Classifier, reference: Moments) -> None:
    """Train a recipe, stopping to measure."""
    registry = get_registry()
    job = training.plan_job(registry, name, None, None, parse_assignments(assignments))
    data = training.open_data(registry, job)
    with tempfile.TemporaryDirectory() as folder:
        run = training.make_run(registry, job, data, Path(folder) / "run", Path(folder))
        trainer = training.make_trainer(registry, run, job, data, join("cpu"), Quiet())
        for step in sorted({min(step, job.settings.steps) for step in [*steps, job.settings.steps]}):
            trainer.run(until=step)
            trainer.model.eval()
            pictures, labels = [], []
            with trainer.ema.applied(), torch.inference_mode():
                for block in range(SAMPLES // 250):
                    noise = Noise(0, "score", block, count=250)
                    inputs = trainer.model.inputs(SampleRequest(count=250, noise=noise))
                    pictures.append(trainer.model.generate(inputs).float())
                    if "label" in inputs:
                        labels.append(inputs["label"])
            trainer.model.train()
            label = torch.cat(labels) if labels else None
            seconds = trainer.seconds
            text = score(model, reference, torch.cat(pictures), label)
            print(
                f"{name:<16} step {step:>5}  {seconds:6.1f} s  {seconds / step * 1000:5.1f} ms/step  {text}", flush=True
            )


def plain(steps: list[int], model: Classifier, reference: Moments, bf16: bool) -> None:
    """The tutorial's DCGAN: 32 wide, batch 64, 32 x 32 pictures."""
    pictures, _ = load_split("train")
    gan = TextbookGAN(width=32, size=32, channels=1, bf16=bf16, seed=0)
    padded = torch.nn.functional.pad(pictures, (2, 2, 2, 2), value=-1.0)
    spent, done = 0.0, 0
    generator = torch.Generator().manual_seed(0)
    for step in steps:
        start = time.monotonic()
        while done < step:
            rows = torch.randint(len(padded), (64,), generator=generator)
            gan.step(padded[rows])
            done += 1
        spent += time.monotonic() - start
        text = score(model, reference, gan.sample(SAMPLES), None)
        print(f"{'plain':<16} step {step:>5}  {spent:6.1f} s  {spent / step * 1000:5.1f} ms/step  {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="dcgan.fashion")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--at", default="500,1000,2000,4000", help="steps at which to measure")
    parser.add_argument("--plain", action="store_true", help="the tutorial's DCGAN as well, in bf16")
    arguments = parser.parse_args()
    steps = [int(step) for step in arguments.at.split(",")]
    model, accuracy = classifier()
    reference = moments(model, load_split("test")[0])
    floor = frechet(moments(model, load_split("train")[0]), reference)
    print(f"classifier: {accuracy:.3f} on held-out pictures; FD of the training pictures {floor:.2f}")
    if arguments.plain:
        plain(steps, model, reference, bf16=True)
    zoo(arguments.recipe, arguments.assignments, steps, model, reference)


if __name__ == "__main__":
    main()
