"""How long the command line takes to answer, beside what its libraries alone cost to import.

Every command is a process of its own; the commands take turns, so that a busy moment of the machine hits all of them.

    python benchmarks/startup.py [-n 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

BASE = "import click, rich.table, pluggy"
COMMANDS = {
    BASE: [sys.executable, "-c", BASE],
    "ganzoo --help": [sys.executable, "-m", "ganzoo", "--help"],
    "ganzoo list": [sys.executable, "-m", "ganzoo", "list"],
    "ganzoo list --json": [sys.executable, "-m", "ganzoo", "list", "--json"],
}


@dataclass(frozen=True)
class Row:
    """One command: median and quartiles of its times in seconds, and the median in units of the base's."""

    command: str
    runs: int
    median: float
    lower_quartile: float
    upper_quartile: float
    ratio: float


def measure(runs: int) -> list[Row]:
    """Run every command once unmeasured (files come into the cache), then `runs` times in turn."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if turn > 0:
                times[name].append(time.perf_counter() - start)
    base = statistics.median(times[BASE])
    rows = []
    for name, seconds in times.items():
        lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
        rows.append(Row(name, runs, median, lower, upper, median / base))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=20, metavar="RUNS", help="runs of each command, at least 2 [20]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.n < 2:
        parser.error("-n must be at least 2")
    rows = measure(arguments.n)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{'command':<34}{'median':>10}{'quartiles':>20}{'ratio':>8}")
    for row in rows:
        spread = f"{row.lower_quartile * 1000:.0f} to {row.upper_quartile * 1000:.0f} ms"
        print(f"{row.command:<34}{row.median * 1000:>7.0f} ms{spread:>20}{row.ratio:>8.2f}")


if __name__ == "__main__":
    main()
