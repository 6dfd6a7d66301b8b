"""Two processes train one architecture and must end with the same weights.

Run as `python -m ganzoo.testing.processes NAME FOLDER`, it is those two: torch is imported once, and each of two forks
leaves its state in the folder.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from ganzoo.engine import distributed
from ganzoo.engine.launch import free_port
from ganzoo.registry import get_registry
from ganzoo.testing.check import CheckFailed
from ganzoo.testing.compare import differences
from ganzoo.testing.specimen import Specimen

WORLD = 2
STEPS = 4
PATIENCE = 300.0


def agree(specimen: Specimen) -> str:
    """Two processes that share every batch end with equal weights, averages and buffers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ganzoo.testing.processes", specimen.card.name, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise CheckFailed(f"two processes did not come to the end: {last}", "see ganzoo train --devices 2")
        states = [torch.load(_file(Path(folder), rank), weights_only=True) for rank in range(WORLD)]
    apart = differences(*states)
    if apart:
        raise CheckFailed(
            f"two processes end with other values in {len(apart)} places, the first is {apart[0].strip('/')}",
            "feed what training carries along (pools, counters) from batch.gather(...), which is equal on all",
        )
    return ""


def _file(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.pt"


def _train(name: str, folder: Path, rank: int, port: int) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(WORLD),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)
    registry = get_registry()
    specimen = Specimen(registry, registry.architectures.find(name))
    batch = specimen.settings().batch
    accumulated = WORLD * specimen.settings().accumulate
    trainer = specimen.trainer(steps=STEPS, batch=-(-batch // accumulated) * accumulated)
    for _ in range(STEPS):
        trainer.train_step()
    values = {key: value for key, value in trainer.model.state_dict().items() if isinstance(value, torch.Tensor)}
    averages = {f"average of {key}": value for key, value in trainer.ema.average.items()}
    torch.save({**values, **averages}, _file(folder, rank))
    trainer.group.barrier()
    distributed.leave()


def main(name: str, folder: Path) -> int:
    """Train in two processes; 0 where both came to the end."""
    if "fork" in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method("fork")  # torch is imported already, and need not be again
    port = free_port()
    ranks = [multiprocessing.Process(target=_train, args=(name, folder, rank, port)) for rank in range(WORLD)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    codes = [abs(process.exitcode or 0) for process in ranks]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
