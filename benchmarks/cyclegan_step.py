"""A step of ganzoo's CycleGAN against the textbook loop on the same networks, interleaved in one run.

Both train two ResNet generators and two PatchGAN discriminators of the same widths, batch and picture size, with the
identity loss and the pool of fakes. The textbook loop makes the fakes of a step anew for each use (adversarial loss,
cycle, discriminators), reads every loss with `.item()`, lets the discriminators gather gradients in the generators'
phase, and knows no channels_last; `shared` is the same loop made as well as tutorials make it, with each fake
computed once. A pair is one block of steps of each, one after the other, so that a machine whose speed drifts treats
all alike; the ratio is taken pair by pair.

    python benchmarks/cyclegan_step.py --sizes 32,64 --width 32 --batch 8
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from train_step import timed

from ganzoo import training
from ganzoo.data.base import ArrayData, DataSpec, Field
from ganzoo.engine.distributed import join
from ganzoo.engine.listeners import Quiet
from ganzoo.engine.trainer import Trainer
from ganzoo.registry import get_registry

PICTURES = 500
BLOCKS = 6


class Residual(nn.Module):
    """A residual block as tutorials write it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            nn.InstanceNorm2d(channels),
            nn.ReLU(True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


def generator(width: int, blocks: int) -> nn.Sequential:
    """The ResNet generator of the tutorials."""
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, width, 7, bias=False),
        nn.InstanceNorm2d(width),
        nn.ReLU(True),
    ]
    for inside in (width, 2 * width):
        layers += [
            nn.Conv2d(inside, 2 * inside, 3, 2, 1, bias=False),
            nn.InstanceNorm2d(2 * inside),
            nn.ReLU(True),
        ]
    layers += [Residual(4 * width) for _ in range(blocks)]
    for inside in (4 * width, 2 * width):
        layers += [
            nn.ConvTranspose2d(inside, inside // 2, 3, 2, 1, 1, bias=False),
            nn.InstanceNorm2d(inside // 2),
            nn.ReLU(True),
        ]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int, patch_layers: int) -> nn.Sequential:
    """The PatchGAN of the tutorials."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for i in range(1, patch_layers + 1):
        inside, outside = width * min(2 ** (i - 1), 8), width * min(2**i, 8)
        layers += [
            nn.Conv2d(inside, outside, 4, 2 if i < patch_layers else 1, 1, bias=False),
            nn.InstanceNorm2d(outside),
            nn.LeakyReLU(0.2, True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(width * min(2**patch_layers, 8), 1, 4, 1, 1))


class Pool:
    """The tutorials' buffer of fakes, picture by picture."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.kept: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        out = []
        for fake in fakes.detach():
            if len(self.kept) < self.capacity:
                self.kept.append(fake.clone())
                out.append(fake)
            elif random.random() < 0.5:
                place = random.randrange(self.capacity)
                out.append(self.kept[place].clone())
                self.kept[place] = fake.clone()
            else:
                out.append(fake)
        return torch.stack(out)


class TextbookCycleGAN:
    """One tutorial CycleGAN: `step(a, b)` trains on a batch of each domain in [-1, 1]."""

    def __init__(self, width: int, patch_layers: int, *, bf16: bool = False, shared: bool = False) -> None:
        torch.manual_seed(0)
        self.ab, self.ba = generator(width, BLOCKS), generator(width, BLOCKS)
        self.judge_a, self.judge_b = discriminator(width, patch_layers), discriminator(width, patch_layers)
        for network in (self.ab, self.ba, self.judge_a, self.judge_b):
            for module in network.modules():
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    nn.init.normal_(module.weight, 0.0, 0.02)
        both = itertools.chain(self.ab.parameters(), self.ba.parameters())
        self.optimizer = torch.optim.Adam(both, lr=2e-4, betas=(0.5, 0.999))
        self.optimizer_a = torch.optim.Adam(self.judge_a.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.optimizer_b = torch.optim.Adam(self.judge_b.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.pool_a, self.pool_b = Pool(50), Pool(50)
        self.mse, self.l1 = nn.MSELoss(), nn.L1Loss()
        self.bf16, self.shared = bf16, shared
        self.losses: list[tuple[float, ...]] = []

    def step(self, a: Tensor, b: Tensor) -> None:
        """One tutorial step."""
        cast = (lambda: torch.autocast("cpu", dtype=torch.bfloat16)) if self.bf16 else nullcontext
        self.optimizer.zero_grad()
        with cast():
            identity = self.l1(self.ab(b).float(), b) + self.l1(self.ba(a).float(), a)
            fake_b, fake_a = self.ab(a), self.ba(b)
            verdict_b, verdict_a = self.judge_b(fake_b).float(), self.judge_a(fake_a).float()
            gan = self.mse(verdict_b, torch.ones_like(verdict_b)) + self.mse(verdict_a, torch.ones_like(verdict_a))
            if self.shared:
                again_a, again_b = self.ba(fake_b), self.ab(fake_a)
            else:
                again_a, again_b = self.ba(self.ab(a)), self.ab(self.ba(b))
            cycle = self.l1(again_a.float(), a) + self.l1(again_b.float(), b)
            loss = gan + 10 * cycle + 5 * identity
        loss.backward()
        self.optimizer.step()
        losses = [identity.item(), gan.item(), cycle.item()]
        if not self.shared:
            with cast(), torch.no_grad():
                fake_a, fake_b = self.ba(b), self.ab(a)
        for judge, optimizer, real, fake in (
            (self.judge_a, self.optimizer_a, a, self.pool_a.query(fake_a)),
            (self.judge_b, self.optimizer_b, b, self.pool_b.query(fake_b)),
        ):
            optimizer.zero_grad()
            with cast():
                of_real, of_fake = judge(real).float(), judge(fake).float()
                wrong = self.mse(of_real, torch.ones_like(of_real)) + self.mse(of_fake, torch.zeros_like(of_fake))
            (0.5 * wrong).backward()
            optimizer.step()
            losses.append(wrong.item())
        self.losses.append(tuple(losses))


def pictures(size: int) -> dict[str, np.ndarray]:
    """Two domains of random pictures, uint8."""
    generator = np.random.default_rng(0)
    return {name: generator.integers(0, 256, (PICTURES, 3, size, size), dtype=np.uint8) for name in "ab"}


def trainer(size: int, width: int, batch: int, precision: str, folder: Path) -> Trainer:
    """The zoo's CycleGAN on random pictures, under the zoo's trainer."""
    registry = get_registry()
    values = {"width": width, "size": size, "batch": batch, "blocks": BLOCKS, "precision": precision, "steps": 10**6}
    plain = {"lr": 2e-4, "loss": "least-squares", "cycle": 10, "identity": 0.5, "pool": 50, "flip": False,
             "r1": 0, "diffaug": "none", "jitter": False, "skip": False, "fine_blocks": 0, "detail": 0}  # fmt: skip
    job = training.plan_job(registry, "cyclegan", "emoji-flat-3d", None, {**values, **plain})
    fields = tuple(Field(name=name, kind="image", channels=3, size=size, rows=PICTURES) for name in "ab")
    data = ArrayData(DataSpec(name="noise", split="train", count=PICTURES, fields=fields), pictures(size))
    run = training.make_run(registry, job, data, folder / f"{size}-{precision}", folder)
    return training.make_trainer(registry, run, job, data, join("cpu"), Quiet())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="32,64")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--block", type=int, default=2, help="steps in a block")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for size in map(int, arguments.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            ours = {
                precision: trainer(size, arguments.width, arguments.batch, precision, Path(folder))
                for precision in ("fp32", "bf16")
            }
            layers = sum(isinstance(m, nn.Conv2d) for m in ours["fp32"].model.discriminator_a.modules()) - 2
            books = {
                (precision, shared): TextbookCycleGAN(arguments.width, layers, bf16=precision == "bf16", shared=shared)
                for precision in ("fp32", "bf16")
                for shared in (False, True)
            }
            domains = {name: torch.from_numpy(values) for name, values in pictures(size).items()}

            def book_step(book: TextbookCycleGAN, domains: dict[str, Tensor] = domains) -> None:
                drawn = [values[torch.randint(PICTURES, (arguments.batch,))] for values in domains.values()]
                a, b = (values.float() / 127.5 - 1 for values in drawn)
                book.step(a, b)

            contenders: dict[str, Callable[[], object]] = {
                f"ours {precision}": trained.train_step for precision, trained in ours.items()
            }
            for (precision, shared), book in books.items():
                label = f"{'shared' if shared else 'textbook'} {precision}"
                contenders[label] = lambda book=book, book_step=book_step: book_step(book)  # type: ignore[misc]
            for step in contenders.values():
                timed(step, 3)
            times: dict[str, list[float]] = {name: [] for name in contenders}
            for _ in range(arguments.pairs):
                for name, step in contenders.items():
                    times[name].append(timed(step, arguments.block))
        for mine, other in (
            ("ours fp32", "textbook fp32"),
            ("ours bf16", "textbook bf16"),
            ("ours bf16", "textbook fp32"),
            ("ours fp32", "shared fp32"),
            ("ours bf16", "shared bf16"),
        ):
            ratios = [theirs / own for theirs, own in zip(times[other], times[mine], strict=True)]
            rows.append(
                {
                    "size": size,
                    "ours": mine,
                    "against": other,
                    "ratio": statistics.median(ratios),
                    "lowest": min(ratios),
                    "highest": max(ratios),
                    "milliseconds": 1e3 * statistics.median(times[mine]),
                    "against_milliseconds": 1e3 * statistics.median(times[other]),
                }
            )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'size':>4}  {'ours':<10} {'against':<14} {'times as fast':>13}  {'spread':<13} {'ms':>6}  {'against':>7}")
    for row in rows:
        spread = f"{row['lowest']:.2f} - {row['highest']:.2f}"
        print(
            f"{row['size']:>4}  {row['ours']:<10} {row['against']:<14} {row['ratio']:>13.2f}  {spread:<13} "
            f"{row['milliseconds']:>6.0f}  {row['against_milliseconds']:>7.0f}"
        )


if __name__ == "__main__":
    main()
