"""What the tests of the engine compare and build: the bits of a run, its metrics, data that stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from forks import Driver, Ended
from safetensors.torch import load_file
from torch import Tensor

from ganzoo import recipes, training
from ganzoo.data.base import Data, DataRequest
from ganzoo.engine import checkpoint, distributed
from ganzoo.engine.listeners import Quiet
from ganzoo.engine.trainer import Trainer
from ganzoo.registry import Registry
from ganzoo.runs import BEST, EVALUATIONS, METRICS, WEIGHTS, open_run
from ganzoo.training import Job

TIMES = ("seconds", "evaluation_seconds")
"""What may differ between two runs that are the same."""


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Paths at which two nests of mappings, sequences, tensors and plain values are not the same, bit for bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return [] if alike and _bytes(one) == _bytes(other) else [where]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.keys() != other.keys():
            return [f"{where}: {sorted(map(str, one.keys() ^ other.keys()))}"]
        return [found for key in one for found in differences(one[key], other[key], f"{where}/{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            return [f"{where}: {len(one)} and {len(other)} items"]
        pairs = zip(one, other, strict=True)
        return [found for i, pair in enumerate(pairs) for found in differences(*pair, f"{where}/{i}")]
    return [] if one == other and type(one) is type(other) else [f"{where}: {one!r} and {other!r}"]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def bits(folder: Path) -> dict[str, Any]:
    """The checkpoint of a run, without how long it took."""
    return {name: value for name, value in checkpoint.load(folder / checkpoint.NAME).items() if name not in TIMES}


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without how long they took."""
    return _lines(folder / METRICS)


def evaluations(folder: Path) -> list[dict[str, Any]]:
    """The lines of evaluations.jsonl, without how long they took; none where the run was not evaluated."""
    return _lines(folder / EVALUATIONS) if (folder / EVALUATIONS).exists() else []


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIMES} for line in lines]


def pictures_of(folder: Path) -> dict[str, bytes]:
    """The sample grids by name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "samples").iterdir())}


def assert_same_run(one: Path, other: Path) -> None:
    """Two folders hold the same run: every tensor of the state, metrics, what was measured on the way, the pictures,
    the averaged weights and the best of them."""
    assert differences(bits(one), bits(other)) == []
    assert metrics(one) == metrics(other)
    assert evaluations(one) == evaluations(other)
    assert pictures_of(one) == pictures_of(other)
    assert differences(weights(one), weights(other)) == []
    assert (one / BEST).exists() == (other / BEST).exists()
    if (one / BEST).exists():
        assert differences(weights(one, BEST), weights(other, BEST)) == []
    assert leftovers(one) == leftovers(other) == []


def leftovers(folder: Path) -> list[str]:
    """Temporary files in a run folder."""
    return [path.name for path in folder.rglob("*.tmp")]


def weights(folder: Path, name: str = WEIGHTS) -> dict[str, Tensor]:
    """The averaged weights of a file (its head is written in any order, so bytes are not compared)."""
    return load_file(folder / name)


class Streaming:
    """Any data behind the plain `Data` protocol, so that with `memory=0` they stream."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.spec = data.spec

    def __len__(self) -> int:
        return len(self.data)

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        return self.data.read(indices)

    @property
    def nbytes(self) -> int:
        return self.data.nbytes


_opened: dict[tuple[str, DataRequest], Data] = {}


class Bench:
    """Runs of one architecture on data that are opened once."""

    def __init__(self, registry: Registry, root: Path) -> None:
        torch.set_num_threads(1)  # the models are small, and other tests run beside
        self.registry = registry
        self.root = root
        self._count = 0

    def job(self, architecture: str, **settings: Any) -> Job:
        """The job of an architecture's `tiny` settings (with these above them) on its default data."""
        card = self.registry.architectures.find(architecture)
        values = {**card.tiny, "precision": "fp32", "log_every": 2, **settings}
        data = None
        if recipes.default_recipe(architecture, recipes.shipped(self.registry)) is None:
            needed = set(self.registry.tasks.find(card.task).batch)
            sets = self.registry.datasets.values()
            data = next(entry.name for entry in sets if entry.embedded and needed <= set(entry.fields))
        return training.plan_job(self.registry, architecture, data, None, values)

    def trainer(self, job: Job, folder: Path | None = None, streamed: bool = False) -> Trainer:
        """A trainer of a new run (in `folder`, which may hold one: then it goes on from its checkpoint)."""
        key = (job.source, training.data_request(job))
        if key not in _opened:
            _opened[key] = training.open_data(self.registry, job)
        data = _opened[key]
        self._count += 1
        folder = folder or self.root / f"{job.card.name}-{self._count}"
        old = (folder / "config.json").exists()
        if old:
            run = replace(open_run(folder, self.registry), settings=job.settings)
        else:
            run = training.make_run(self.registry, job, data, folder, self.root)
        given = Streaming(data) if streamed else data
        trainer = training.make_trainer(self.registry, run, job, given, distributed.join("cpu"), Quiet())
        if old:
            trainer.load_state(checkpoint.load_run(folder))
        return trainer

    def train(self, job: Job, stops: Sequence[int] = (), streamed: bool = False) -> Path:
        """Train in one go, or stop at each of `stops` and go on in a fresh trainer; the run's folder."""
        trainer = self.trainer(job, streamed=streamed)
        folder = trainer.run_folder.folder
        for stop in stops:
            trainer.run(until=stop)
            trainer = self.trainer(job, folder, streamed=streamed)
            assert trainer.step == stop
        trainer.run()
        return folder


def one_line(ended: Ended, code: int) -> str:
    """The one line that a command ended with; there is no traceback, and the exit code is `code`."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err, ended.err
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("ganzoo: ")
    return lines[0]


def train(driver: Driver, cwd: Path, *arguments: object, **how: Any) -> Ended:
    """`ganzoo train ARGUMENTS` of a forked process in `cwd`."""
    return driver.run("train", *arguments, cwd=cwd, **how)
