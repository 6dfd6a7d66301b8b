"""From a set of data to batches on the training device.

Which rows a step sees is a pure function of (seed, step). A set that fits is held on the device as uint8 and gathered
there; a larger one streams through a DataLoader. The trainer cannot tell the difference: both give the same bits.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ganzoo.config import Settings
from ganzoo.data.base import ArrayData, Data, Progress
from ganzoo.data.sources import PictureRows, materialise
from ganzoo.data.store import Skipped
from ganzoo.engine.distributed import Group
from ganzoo.engine.noise import Noise, derive
from ganzoo.errors import GanzooError, RunError

SKIP = 64
"""A stream reads and drops up to this many batches that nobody wants (a repeated phase that rests on some steps) rather
than begin anew."""


class Order:
    """The endless order of rows: one permutation an epoch, each a pure function of (seed, epoch)."""

    def __init__(self, seed: int, count: int) -> None:
        self.seed = seed
        self.count = count
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        return self.count

    def rows(self, start: int, stop: int) -> list[int]:
        """The rows at positions start <= p < stop of the endless order."""
        picked: list[int] = []
        while start < stop:
            epoch, within = divmod(start, self.count)
            if epoch != self._epoch:
                generator = torch.Generator().manual_seed(derive(self.seed, "order", epoch))
                self._permutation, self._epoch = torch.randperm(self.count, generator=generator), epoch
            take = min(stop - start, self.count - within)
            picked += self._permutation[within : within + take].tolist()
            start += take
        return picked


class Feed:
    """Gives the batch at each draw: `draw(k)` is the k-th batch of the run, this process's rows of it."""

    def __init__(self, data: Data, settings: Settings, group: Group, progress: Progress | None = None) -> None:
        self.spec = data.spec
        self.device = group.device
        self.order = Order(settings.seed, len(data))
        self.batch = settings.batch
        self.local = settings.batch // group.world
        self.first = group.rank * self.local
        self.flip = settings.flip
        self.resident = isinstance(data, ArrayData) or data.nbytes <= settings.memory * 2**30
        self._data = data
        self._loader: _Stream | None = None
        self._columns: dict[str, Any] = {}
        if self.resident:
            self._columns = self._on_device(data, progress)
        else:
            self._loader = _Stream(data, self, settings.workers)

    def _on_device(self, data: Data, progress: Progress | None) -> dict[str, Any]:
        if not isinstance(data, ArrayData):
            data = materialise(data, progress)
            self.spec = data.spec
            self.order = Order(self.order.seed, len(data))
        columns = {}
        for name, values in data.columns.items():
            columns[name] = torch.from_numpy(values).to(self.device) if isinstance(values, np.ndarray) else values
        return columns

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Files of the data that were left out, as far as they are known."""
        return self._data.skipped if isinstance(self._data, PictureRows) else ()

    def rows(self, draw: int) -> list[int]:
        """The rows that this process takes in that draw."""
        start = draw * self.batch + self.first
        return self.order.rows(start, start + self.local)

    def draw(self, draw: int, noise: Noise) -> dict[str, Any]:
        """That batch's fields: pictures float32 [-1, 1] (n, C, H, W) channels_last, labels int64, texts strings."""
        columns = self._loader.at(draw) if self._loader is not None else self._gather(self.rows(draw))
        return self._fields(columns, noise, slice(self.first, self.first + self.local), self.flip)

    def all(self) -> Iterator[tuple[dict[str, Any], Noise]]:
        """Every row once and in order, in batches of which the last may be smaller, each with noise of its own.

        The fields are those of `draw`, but no picture is mirrored; on every process they are the same.
        """
        count = len(self.order)
        parts = [range(start, min(start + self.batch, count)) for start in range(0, count, self.batch)]
        found = self._loader.through(parts) if self._loader is not None else map(self._gather, parts)
        for index, (rows, columns) in enumerate(zip(parts, found, strict=True)):
            noise = Noise(self.order.seed, "all", index, count=len(rows), device=self.device)
            yield self._fields(columns, noise, slice(0, len(rows)), flip=False), noise

    def _gather(self, rows: Sequence[int]) -> dict[str, Any]:
        index = torch.tensor(rows, device=self.device)
        return {
            name: values.index_select(0, index) if isinstance(values, Tensor) else [values[row] for row in rows]
            for name, values in self._columns.items()
        }

    def _fields(self, columns: Mapping[str, Any], noise: Noise, mine: slice, flip: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field in self.spec.fields:
            values = columns[field.name]
            if field.kind == "image":
                fields[field.name] = self._pictures(values, noise, mine, flip)
            elif field.kind == "text":
                coins = noise.rand(stream=f"caption-{field.name}")[mine].tolist()
                fields[field.name] = [texts[int(coin * len(texts))] for texts, coin in zip(values, coins, strict=True)]
            else:
                fields[field.name] = values.to(self.device, non_blocking=True)
        return fields

    def _pictures(self, values: Tensor, noise: Noise, mine: slice, flip: bool) -> Tensor:
        pictures = values.to(self.device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last)
        pictures = pictures.mul_(1 / 127.5).sub_(1)
        if flip:
            mirrored = noise.rand(stream="flip")[mine].view(-1, 1, 1, 1) < 0.5
            pictures = torch.where(mirrored, pictures.flip(3), pictures)
        return pictures

    def close(self) -> None:
        """Stop the reading processes, where there are some."""
        if self._loader is not None:
            self._loader.close()


class _Rows(Dataset["dict[str, Any] | GanzooError"]):
    """A `Data` as a torch data set whose items are whole batches of rows."""

    def __init__(self, data: Data) -> None:
        self.data = data

    def __getitem__(self, rows: Sequence[int]) -> dict[str, Any] | GanzooError:
        try:
            columns = self.data.read(rows)
        except GanzooError as error:  # handed over as it is: torch would wrap it into a traceback's text
            return error
        return {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in columns.items()}


class _Stream:
    """Reads batches ahead, in order, from wherever it is asked to begin."""

    def __init__(self, data: Data, feed: Feed, workers: int) -> None:
        self.data = data
        self.feed = feed
        self.workers = workers
        self._next = -1
        self._iterator: Iterator[Mapping[str, Any] | GanzooError] | None = None

    def at(self, draw: int) -> dict[str, Any]:
        if self._iterator is None or not 0 <= draw - self._next <= SKIP:
            self._iterator, self._next = self._read(self._rows_from(draw)), draw
        for _ in range(draw - self._next):
            next(self._iterator)
        columns = next(self._iterator)
        self._next = draw + 1
        return dict(_whole(columns))

    def through(self, parts: Iterable[Sequence[int]]) -> Iterator[Mapping[str, Any]]:
        """These rows, a batch for each of `parts`; the reading ahead for training ends."""
        self.close()
        return map(_whole, self._read(parts))

    def _rows_from(self, draw: int) -> Iterator[list[int]]:
        while True:
            yield self.feed.rows(draw)
            draw += 1

    def _read(self, parts: Iterable[Sequence[int]]) -> Iterator[Mapping[str, Any] | GanzooError]:
        loader = DataLoader(
            _Rows(self.data),
            sampler=parts,
            batch_size=None,
            num_workers=self.workers,
            pin_memory=self.feed.device.type == "cuda",
            worker_init_fn=_ignore_interrupt if self.workers else None,
            generator=torch.Generator(),  # else it draws a seed from the global one, and a resume changes dropout
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            reason = " ".join(str(error).split())[:160]  # killed, most likely for want of memory
            raise RunError(f"a process that read the data has died ({reason})") from error

    def close(self) -> None:
        self._iterator = None


def _whole(columns: Mapping[str, Any] | GanzooError) -> Mapping[str, Any]:
    if isinstance(columns, GanzooError):
        raise columns
    return columns


def _ignore_interrupt(_worker: int) -> None:
    # Ctrl-C reaches the whole process group; the trainer's process decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
