"""Resampling and modulated convolution against their naive forms, forward and backward, interleaved in one run.

Naive resampling inserts zeros, filters everything with the two-dimensional filter and drops what decimation drops;
naive modulated convolution makes each picture's weights and runs a convolution with a group for each picture. They run
in both memory layouts, and count with the faster one; ours is given channels_last. Before the clock starts all must
give the same, gradients included. A pair is one block of calls of each, one after the other, so that a machine whose
speed drifts treats all alike; the ratio is taken pair by pair.

    python benchmarks/stylegan_ops.py --shapes 32x256x4,32x128x8,32x64x16,32x32x32 --precisions fp32,bf16

In bf16 the naive resampling is left out: depthwise convolutions in it are tens of times slower still on a CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, pad

from ganzoo.nn.modulated import modulated_conv2d
from ganzoo.nn.resample import downsample, kernel, upsample

TAPS = kernel()
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

Operation = Callable[..., Tensor]


def full_filter(x: Tensor, gain: float) -> Tensor:
    """Every place of every channel, with all 16 taps."""
    return conv2d(x, (torch.outer(TAPS, TAPS) * gain).to(x).expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def naive_up(x: Tensor) -> Tensor:
    """Zeros between the pixels, then the filter over all of it."""
    count, channels, height, width = x.shape
    spread = pad(x.view(count, channels, height, 1, width, 1), (0, 1, 0, 0, 0, 1))
    return full_filter(pad(spread.view(count, channels, 2 * height, 2 * width), (2, 1, 2, 1)), 4)


def naive_down(x: Tensor) -> Tensor:
    """The filter over all of it, then every other row and column."""
    return full_filter(pad(x, (1, 1, 1, 1)), 1)[:, :, ::2, ::2]


def naive_modulated(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """Weights (N, O, I, k, k), and a group for each picture."""
    count, inside, height, width = x.shape
    own = own_weights(weight, styles)
    out = conv2d(x.reshape(1, count * inside, height, width), own.flatten(0, 1), padding=1, groups=count)
    return out.view(count, -1, height, width)


def naive_modulated_up(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """The same, transposed with a stride of 2, then the filter."""
    count, inside, height, width = x.shape
    own = own_weights(weight, styles).transpose(1, 2).flatten(0, 1)
    out = conv_transpose2d(x.reshape(1, count * inside, height, width), own, stride=2, groups=count)
    return full_filter(pad(out.view(count, -1, *out.shape[2:]), (1, 1, 1, 1)), 4)


def own_weights(weight: Tensor, styles: Tensor) -> Tensor:
    """Modulated and demodulated, (N, O, I, k, k)."""
    own = weight[None] * styles[:, None, :, None, None]
    return own * (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()


def ours_modulated(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    return modulated_conv2d(x, weight, styles)


def ours_modulated_up(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    return modulated_conv2d(x, weight, styles, up=True, kernel=TAPS)


OPERATIONS: dict[str, tuple[Operation, Operation]] = {
    "up": (lambda x: upsample(x, TAPS), naive_up),
    "down": (lambda x: downsample(x, TAPS), naive_down),
    "modulated": (ours_modulated, naive_modulated),
    "modulated up": (ours_modulated_up, naive_modulated_up),
}


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An operation with what it is given; `run` gives what came out and the seconds forward and backward."""

    operation: Operation
    given: Sequence[Tensor]
    towards: Tensor
    bf16: bool

    def cast(self) -> AbstractContextManager[object]:
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def run(self) -> tuple[list[Tensor], float, float]:
        start = time.perf_counter()
        with self.cast():
            out = self.operation(*self.given)
        between = time.perf_counter()
        gradients = torch.autograd.grad(out, self.given, self.towards.to(out.dtype))
        return [out.detach(), *gradients], between - start, time.perf_counter() - between

    def block(self, count: int) -> tuple[float, float]:
        """Seconds a call, forward and backward."""
        times = [self.run()[1:] for _ in range(count)]
        return sum(there for there, _ in times) / count, sum(back for _, back in times) / count


def contenders(name: str, shape: tuple[int, int, int], precision: str) -> dict[str, Contender]:
    """Ours and the naive form in both layouts, given the same random numbers."""
    count, channels, size = shape
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    x = torch.randn(count, channels, size, size, generator=generator).to(dtype)
    weight = torch.randn(channels, channels, 3, 3, generator=generator)
    styles = 1 + 0.5 * torch.randn(count, channels, generator=generator)
    out = size // 2 if name == "down" else 2 * size if name.endswith("up") else size
    towards = torch.randn(count, channels, out, out, generator=generator)
    ours, naive = OPERATIONS[name]
    made = {}
    for label, operation, layout in (
        ("ours", ours, torch.channels_last),
        *((f"naive {label}", naive, layout) for label, layout in LAYOUTS.items()),
    ):
        given = [x.contiguous(memory_format=layout), *((weight, styles) if name.startswith("modulated") else ())]
        made[label] = Contender(
            operation=operation,
            given=[each.detach().clone().requires_grad_(True) for each in given],
            towards=towards.contiguous(memory_format=layout),
            bf16=precision == "bf16",
        )
    return made


def check(name: str, made: dict[str, Contender], precision: str) -> None:
    """All give the same.

    Raises:
        SystemExit: when they do not.
    """
    expected = made["ours"].run()[0]
    for label, contender in made.items():
        for mine, other in zip(expected, contender.run()[0], strict=True):
            mine, other = mine.float(), other.float()
            error = ((mine - other).square().mean() / other.square().mean()).sqrt().item()
            if not error < (2e-2 if precision == "bf16" else 1e-4):
                raise SystemExit(f"{name}, {label}: a relative error of {error:.1e} against ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="32x256x4,32x128x8,32x64x16,32x32x32", help="pictures x channels x side")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--block", type=int, default=2, help="calls in a block")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, str | float]] = []
    for precision in arguments.precisions.split(","):
        for name in OPERATIONS:
            if precision == "bf16" and not name.startswith("modulated"):
                continue
            for shape in arguments.shapes.split(","):
                count, channels, size = map(int, shape.split("x"))
                made = contenders(name, (count, channels, size), precision)
                check(name, made, precision)
                times: dict[str, list[tuple[float, float]]] = {label: [] for label in made}
                for _ in range(arguments.pairs):
                    for label, contender in made.items():
                        times[label].append(contender.block(arguments.block))
                rows.append({"operation": name, "shape": shape, "precision": precision, **compared(times)})
    totals = together(rows)
    if arguments.json:
        print(json.dumps({"rows": rows, "together": totals}, indent=2))
        return
    print(
        f"{'operation':<12} {'shape':<9} {'type':<4}  {'times as fast':>13}  {'spread':<13} {'forward':>7} "
        f"{'backward':>8}  {'ms':>6}  {'naive':>6}  layout of the naive form"
    )
    for row in rows:
        spread = f"{row['lowest']:.2f} - {row['highest']:.2f}"
        print(
            f"{row['operation']:<12} {row['shape']:<9} {row['precision']:<4}  {row['ratio']:>13.2f}  {spread:<13} "
            f"{row['forward']:>7.2f} {row['backward']:>8.2f}  {row['milliseconds']:>6.2f}  "
            f"{row['naive_milliseconds']:>6.1f}  {row['layout']}"
        )
    for operation, ratio in totals.items():
        print(f"{operation}, all shapes together: {ratio:.2f}")


def together(rows: Sequence[dict[str, str | float]]) -> dict[str, float]:
    """How many times as fast each operation is when its shapes run one after the other, as in a network: the ratio of
    the sums of the medians."""
    spent: dict[str, tuple[float, float]] = {}
    for row in rows:
        operation = f"{row['operation']}, {row['precision']}"
        own, naive = spent.get(operation, (0.0, 0.0))
        spent[operation] = own + float(row["milliseconds"]), naive + float(row["naive_milliseconds"])
    return {operation: naive / own for operation, (own, naive) in spent.items()}


def compared(times: dict[str, list[tuple[float, float]]]) -> dict[str, str | float]:
    """Ours against the naive form in its faster layout: medians, and the ratio pair by pair."""
    whole = {label: [there + back for there, back in pairs] for label, pairs in times.items()}
    faster = min((label for label in whole if label != "ours"), key=lambda label: statistics.median(whole[label]))
    ratios = [naive / own for naive, own in zip(whole[faster], whole["ours"], strict=True)]
    ways = list(zip(times[faster], times["ours"], strict=True))
    return {
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "forward": statistics.median(naive[0] / own[0] for naive, own in ways),
        "backward": statistics.median(naive[1] / own[1] for naive, own in ways),
        "milliseconds": 1e3 * statistics.median(whole["ours"]),
        "naive_milliseconds": 1e3 * statistics.median(whole[faster]),
        "layout": faster.removeprefix("naive "),
    }


if __name__ == "__main__":
    main()
