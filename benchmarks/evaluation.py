"""What the mathematics of the evaluation costs at 2,048 dimensions, without the networks that make the features.

`frechet`: the distance through a cached root of the reference against the textbook's scipy.linalg.sqrtm, taking turns
in one process; both against a reference value from QR factors and singular values, which never squares a condition
number. `error`: what its error bar and its bias cost. The others: seconds of one call.

    python benchmarks/evaluation.py frechet --counts 1000,5000,10000 --repeats 3 --threads 2
    python benchmarks/evaluation.py error infinity kernel neighbours mind vendi --count 10000
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import qr, sqrtm, svdvals
from torch import Tensor

from ganzoo_evaluation import diversity, frechet, kernel, neighbours
from ganzoo_evaluation.frechet import Gaussian

DIMENSIONS = 2048
GOAL_SECONDS = 1.2
GOAL_RATIO = 8.0
GOAL_ERROR = 1e-5


def features(count: int, seed: int, shift: float = 0.0) -> Tensor:
    """Features (count, 2048), float32, like those behind a ReLU: half zeros, a spectrum that falls as a power, a total
    variance of about 100. `shift` moves and turns the distribution a little."""
    fixed = torch.Generator().manual_seed(1)
    mixing = torch.linalg.qr(torch.randn(DIMENSIONS, DIMENSIONS, generator=fixed, dtype=torch.float64)).Q
    spectrum = torch.arange(1, DIMENSIONS + 1, dtype=torch.float64) ** -1.2
    turn = torch.randn(DIMENSIONS, DIMENSIONS, generator=fixed, dtype=torch.float64) * (shift / math.sqrt(DIMENSIONS))
    mixing = (mixing * spectrum[:, None]) @ (torch.eye(DIMENSIONS, dtype=torch.float64) + turn)
    scales = torch.exp(0.5 * torch.randn(DIMENSIONS, generator=fixed, dtype=torch.float64))
    scales *= math.sqrt(280 / float((mixing**2 * scales**2).sum()))
    latent = torch.randn(count, DIMENSIONS, generator=torch.Generator().manual_seed(seed + 2), dtype=torch.float64)
    found: Tensor = (latent @ (mixing * scales) + 0.02 * shift).relu().float()
    return found


def reference_distance(x: Tensor, y: Tensor) -> float:
    """FD from QR factors of the centred samples."""
    factors = []
    for rows in (x.double().numpy(), y.double().numpy()):
        factor = qr(rows - rows.mean(0), mode="r", overwrite_a=True, check_finite=False)[0]
        factors.append(factor[: min(len(rows), DIMENSIONS)] / math.sqrt(len(rows) - 1))
    overlap = svdvals(factors[0] @ factors[1].T).sum()
    means = ((x.double().mean(0) - y.double().mean(0)) ** 2).sum()
    return float(means) + sum(float((factor**2).sum()) for factor in factors) - 2 * float(overlap)


def textbook_distance(fake: Gaussian, real: Gaussian) -> float:
    """FD as most code has it."""
    root: NDArray[np.complex128] = sqrtm(fake.covariance @ real.covariance)
    return float(((fake.mean - real.mean) ** 2).sum() + fake.trace + real.trace - 2 * np.trace(root).real)


def cached_root_distance(fake: Gaussian, real: Gaussian) -> float:
    return frechet.distance(fake, real).value


def rank(real: Gaussian) -> float:
    """Columns of the root, which is computed for it."""
    return float(real.root.shape[1])


def timed(work: Callable[[], float]) -> tuple[float, float]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


@dataclass(frozen=True)
class FrechetRow:
    """One number of pictures on both sides: median seconds, the median of the ratios turn by turn, errors of both."""

    count: int
    value: float
    seconds: float
    textbook_seconds: float
    ratio: float
    error: float
    textbook_error: float
    root_seconds: float


def bench_frechet(counts: list[int], repeats: int) -> Iterator[FrechetRow]:
    for count in counts:
        x, y = features(count, 0, shift=0.3), features(count, 1)
        fake, real = Gaussian.of(x), Gaussian.of(y)
        expected = reference_distance(x, y)
        root_seconds, _ = timed(partial(rank, real))
        frechet.distance(fake, real)
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(timed(partial(cached_root_distance, fake, real)))
            theirs.append(timed(partial(textbook_distance, fake, real)))
        yield FrechetRow(
            count=count,
            value=expected,
            seconds=statistics.median(seconds for seconds, _ in ours),
            textbook_seconds=statistics.median(seconds for seconds, _ in theirs),
            ratio=statistics.median(b / a for (a, _), (b, _) in zip(ours, theirs, strict=True)),
            error=max(abs(value - expected) for _, value in ours),
            textbook_error=max(abs(value - expected) for _, value in theirs),
            root_seconds=root_seconds,
        )


def bench_error(x: Tensor, y: Tensor) -> float:
    fake, real = Gaussian.of(x), Gaussian.of(y)
    _ = real.root
    seconds, error = timed(lambda: frechet.standard_error(x, fake, real))
    bias_seconds, bias = timed(lambda: frechet.bias(x, fake, real))
    value = frechet.distance(fake, real).value
    print(f"  FD {value:.3f} ± {error:.3f}, bias about {bias:.3f}; bias alone {bias_seconds:.2f} s")
    return seconds


def bench_infinity(x: Tensor, y: Tensor) -> float:
    real = Gaussian.of(y)
    _ = real.root
    seconds, _ = timed(lambda: frechet.infinity(x, real).value)
    return seconds


def bench_neighbours(x: Tensor, y: Tensor) -> float:
    def all_four() -> float:
        found = neighbours.overlap(neighbours.Manifold.of(x), neighbours.Manifold.of(y))
        return float(found.inside.double().mean())

    return timed(all_four)[0]


SECTIONS: dict[str, Callable[[Tensor, Tensor], float]] = {
    "error": bench_error,
    "infinity": bench_infinity,
    "kernel": lambda x, y: timed(lambda: kernel.mmd2_unbiased(x, y).value)[0],
    "kernel-subsets": lambda x, y: timed(lambda: kernel.mmd2_subsets(x, y).value)[0],
    "neighbours": bench_neighbours,
    "authenticity": lambda x, y: timed(lambda: neighbours.authpct(x, y))[0],
    "mind": lambda x, y: timed(lambda: diversity.mind(x, y).value)[0],
    "vendi": lambda x, _: timed(lambda: diversity.vendi(x).value)[0],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"frechet, {', '.join(SECTIONS)} [frechet]")
    parser.add_argument("--counts", default="1000,5000,10000", help="pictures a side, for frechet")
    parser.add_argument("--count", type=int, default=10000, help="pictures a side, for the others")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sections = arguments.sections or ["frechet"]
    if unknown := set(sections) - {"frechet", *SECTIONS}:
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from frechet, {', '.join(SECTIONS)}")
    torch.set_num_threads(arguments.threads)
    if "frechet" in sections:
        met = True
        for row in bench_frechet([int(count) for count in arguments.counts.split(",")], arguments.repeats):
            met &= row.seconds < GOAL_SECONDS and row.ratio >= GOAL_RATIO and row.error < GOAL_ERROR
            print(
                json.dumps(asdict(row))
                if arguments.json
                else f"N={row.count:<6} FD {row.value:8.4f}  cached root {row.seconds:.2f} s (error {row.error:.1e})  "
                f"sqrtm {row.textbook_seconds:.2f} s (error {row.textbook_error:.1e})  {row.ratio:.1f} times as fast  "
                f"(the root, once: {row.root_seconds:.2f} s)",
                flush=True,
            )
        print(
            f"goal (under {GOAL_SECONDS} s, {GOAL_RATIO:.0f} times as fast, error below {GOAL_ERROR:.0e}): "
            f"{'met' if met else 'missed'}",
            file=sys.stderr,
        )
    others = [name for name in sections if name != "frechet"]
    if others:
        x, y = features(arguments.count, 0, shift=0.3), features(arguments.count, 1)
        for name in others:
            print(f"{name:<16} N={arguments.count}: {SECTIONS[name](x, y):.2f} s", flush=True)


if __name__ == "__main__":
    main()
