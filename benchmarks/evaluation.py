"""What an evaluation costs: its mathematics, its feature networks, its memory, a whole command.

At 2,048 dimensions, without a network: `frechet`, the distance through a cached root of the reference against the
textbook's scipy.linalg.sqrtm, taking turns in one process; both against a reference value from QR factors and singular
values, which never squares a condition number. `error`: what its error bar and its bias cost. `infinity`, `kernel`,
`kernel-subsets`, `neighbours`, `authenticity`, `mind`, `vendi`: seconds of one call.

With networks: `features`, pictures a second through each; Inception has random weights and takes turns with
torch-fidelity's (`pip install ganzoo[parity]`), resize included. `memory`: the most that `ganzoo eval` holds while it
looks at a folder of `--count` pictures, a process of its own (Linux). `eval`: seconds of `ganzoo eval --run RUN`, first
with an empty cache of references, then with what the first left there.

    python benchmarks/evaluation.py frechet --counts 1000,5000,10000 --repeats 3 --threads 2
    python benchmarks/evaluation.py error infinity kernel neighbours mind vendi --count 10000
    python benchmarks/evaluation.py features memory --threads 2
    python benchmarks/evaluation.py eval --run runs/NAME
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import qr, sqrtm, svdvals
from torch import Tensor

from ganzoo.cards import resolve
from ganzoo.data.base import Data, DataRequest
from ganzoo.engine.noise import derive
from ganzoo.registry import Registry, get_registry
from ganzoo_evaluation import diversity, frechet, kernel, neighbours
from ganzoo_evaluation.base import Network, NetworkRequest
from ganzoo_evaluation.frechet import Gaussian
from ganzoo_evaluation.inception import NAME, Inception
from ganzoo_evaluation.networks import open_network

DIMENSIONS = 2048
GOAL_SECONDS = 1.2
GOAL_RATIO = 8.0
GOAL_ERROR = 1e-5
GOAL_FEATURES = 1.4
"""Times as fast as torch-fidelity's network."""
GOAL_MEMORY = 1.5
"""GB."""


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


# --- with networks ----------------------------------------------------------------------------------------------------

WATCHED = """
import sys
from ganzoo.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stdout.flush()
    with open("/proc/self/status") as status:
        print(next(line for line in status if line.startswith("VmHWM")).split()[1], file=sys.stderr)
"""
"""`ganzoo`, which says at the end how many KiB it held at most."""


def pictures_of(registry: Registry, name: str, count: int, **request: Any) -> Tensor:
    """The first pictures of an embedded set, uint8 (count, C, H, W)."""
    data: Data = resolve(registry.datasets[name].load)(DataRequest(**request))
    return torch.from_numpy(np.ascontiguousarray(data.read(list(range(count)))["image"]))


def speed(network: Callable[[Tensor], object], pictures: Tensor) -> float:
    """Pictures a second."""
    return len(pictures) / timed(lambda: float(network(pictures) is not None))[0]


def random_inception(folder: Path) -> Path:
    """A file of random weights under the published names."""
    torch.manual_seed(derive(0, "benchmark", "inception"))
    path = folder / "inception.pth"
    torch.save(Inception().state_dict(), path)
    return path


def bench_features(arguments: argparse.Namespace) -> None:
    registry = get_registry()
    emoji = pictures_of(registry, "emoji-flat", arguments.batch, size=32)
    with tempfile.TemporaryDirectory() as folder:
        weights = random_inception(Path(folder))
        ours = open_network(registry, NetworkRequest(name=NAME, weights=weights))
        theirs = torch_fidelity_network(weights)
    speed(ours, emoji)
    if theirs is None:
        rates = [speed(ours, emoji) for _ in range(arguments.repeats)]
        print(f"inception: {statistics.median(rates):.1f} pictures/s (pip install ganzoo[parity] for the comparison)")
    else:
        report_turns(ours, theirs, emoji, arguments.repeats)
    for name, pictures in (
        ("efflite0", pictures_of(registry, "emoji-flat", 256)),
        ("fashionnet", pictures_of(registry, "fashion", 2048)),
    ):
        network = open_network(registry, NetworkRequest(name=name))
        speed(network, pictures[:64])
        rates = [speed(network, pictures) for _ in range(arguments.repeats)]
        side = pictures.shape[-1]
        print(f"{name}: {statistics.median(rates):.0f} pictures/s of {side} x {side}", flush=True)


def torch_fidelity_network(weights: Path) -> Callable[[Tensor], Any] | None:
    """torch-fidelity's Inception with the layers that FID and IS read, or None where it is not installed."""
    try:
        module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ModuleNotFoundError:
        return None
    network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(weights))
    found: Callable[[Tensor], Any] = torch.inference_mode()(network)
    return found


def report_turns(ours: Network, theirs: Callable[[Tensor], Any], pictures: Tensor, repeats: int) -> None:
    """The two in turns on the same pictures."""
    mine, other = ours(pictures)[0], theirs(pictures)[0]
    difference = float((mine - other).norm() / other.norm())
    rates = [(speed(ours, pictures), speed(theirs, pictures)) for _ in range(repeats)]
    ratio = statistics.median(a / b for a, b in rates)
    a, b = (statistics.median(column) for column in zip(*rates, strict=True))
    met = "met" if ratio >= GOAL_FEATURES else "missed"
    print(
        f"inception: {a:.1f} pictures/s, torch-fidelity {b:.1f}, {ratio:.2f} times as fast "
        f"(goal {GOAL_FEATURES}: {met}); features differ by {difference:.1e}",
        flush=True,
    )


def bench_memory(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        write_noisy(pictures, arguments.count)
        for network in ("fashionnet", "efflite0"):
            words = ["eval", str(pictures), "--real", "fashion", "--features", network, "--no-controls", "--json"]
            seconds, peak = watched(words, arguments.threads, Path(folder) / network)
            gigabytes = peak * 1024 / 1e9
            met = "met" if gigabytes < GOAL_MEMORY else "missed"
            print(
                f"memory: {gigabytes:.2f} GB at most for {arguments.count:,} pictures through {network}, "
                f"{seconds:.0f} s (goal under {GOAL_MEMORY} GB: {met})",
                flush=True,
            )


def write_noisy(folder: Path, count: int) -> None:
    """`count` pictures of the embedded clothes as PNG files, over and over, each time with other noise."""
    folder.mkdir()
    clothes = pictures_of(get_registry(), "fashion", 5000)[:, 0].numpy()
    generator = np.random.default_rng(derive(0, "benchmark", "noise"))
    for number in range(count):
        noisy = clothes[number % len(clothes)] + generator.normal(0, 8, clothes.shape[1:])
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06}.png")


def watched(words: list[str], threads: int, cache: Path) -> tuple[float, int]:
    """Seconds and the most KiB of `ganzoo WORDS`, with that folder as its cache.

    Raises:
        SystemExit: when it fails, with what it said.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "GANZOO_CACHE": str(cache)}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", WATCHED, *words], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ganzoo {' '.join(words)} failed:\n{done.stderr}")
    return time.perf_counter() - start, int(done.stderr.split()[-1])


def bench_eval(arguments: argparse.Namespace) -> None:
    if arguments.run is None:
        raise SystemExit("eval needs a run: python benchmarks/evaluation.py eval --run runs/NAME")
    with tempfile.TemporaryDirectory() as folder:
        for what in ("first", "again, with the reference and the control rows kept"):
            words = ["eval", str(arguments.run), "--json", "--html", str(Path(folder) / "report.html")]
            seconds, peak = watched(words, arguments.threads, Path(folder) / "cache")
            print(f"eval: {seconds:.1f} s, {peak * 1024 / 1e9:.2f} GB at most ({what})", flush=True)


WITH_NETWORKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "features": bench_features,
    "memory": bench_memory,
    "eval": bench_eval,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = ("frechet", *SECTIONS, *WITH_NETWORKS)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(there)} [frechet]")
    parser.add_argument("--counts", default="1000,5000,10000", help="pictures a side, for frechet")
    parser.add_argument("--count", type=int, default=10000, help="pictures a side, for the others; in all, for memory")
    parser.add_argument("--batch", type=int, default=32, help="pictures of a turn, for features")
    parser.add_argument("--run", type=Path, help="a run, for eval")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sections = arguments.sections or ["frechet"]
    if unknown := set(sections) - set(there):
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from {', '.join(there)}")
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
    for name in sections:
        if name in WITH_NETWORKS:
            WITH_NETWORKS[name](arguments)
    others = [name for name in sections if name in SECTIONS]
    if others:
        x, y = features(arguments.count, 0, shift=0.3), features(arguments.count, 1)
        for name in others:
            print(f"{name:<16} N={arguments.count}: {SECTIONS[name](x, y):.2f} s", flush=True)


if __name__ == "__main__":
    main()
