"""From a set of data to batches on the training device.

Which rows a step sees is a pure function of (seed, step). A set that fits is held on the device as it is read (pictures
as uint8) and gathered there; a larger one streams through a DataLoader. The trainer cannot tell the difference: both
give the same bits.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ganzoo.config import Settings
from ganzoo.data.base import ArrayData, Columns, Data, Held, Progress
from ganzoo.data.store import Skipped
from ganzoo.data.whole import PictureRows, materialise
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


@dataclass(frozen=True)
class Asked:
    """What one draw reads: `rows` of the set, and `own` rows of fields that have a number of their own."""

    rows: list[int]
    own: Mapping[str, list[int]]

    def read(self, data: Data) -> dict[str, Any]:
        """These rows as columns."""
        if not self.own:
            return data.read(self.rows)
        if isinstance(data, Columns):
            return {name: data.column(name, rows) for name, rows in self.own.items()}
        return {name: data.read(rows)[name] for name, rows in self.own.items()}


class Feed:
    """Gives the batch at each draw: `draw(k)` is the k-th batch of the run, this process's rows of it.

    Fields with rows of their own (two unpaired domains) come in orders of their own, so that any picture of one meets
    any of the other; of a set of parts of larger pictures, a batch has parts from random places.
    """

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
        if self.resident and data.spec.places:
            if isinstance(data, Held):
                data.hold(progress)
            self.spec, self.order = data.spec, Order(settings.seed, len(data))
        elif self.resident:
            self._columns = self._on_device(data, progress)
        else:
            self._loader = _Stream(data, self, settings.workers)
        self._own = {f.name: Order(derive(settings.seed, "rows", f.name), f.rows) for f in self.spec.fields if f.rows}

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

    def asked(self, draw: int) -> Asked:
        """All that this process reads in that draw."""
        start = draw * self.batch + self.first
        own = {name: order.rows(start, start + self.local) for name, order in self._own.items()}
        rows = self.rows(draw)
        if self.spec.places:
            generator = np.random.default_rng(derive(self.order.seed, "places", draw))
            places = generator.integers(1, self.spec.places, self.batch, endpoint=True)
            mine = places[self.first : self.first + self.local].tolist()
            rows = [row + len(self.order) * place for row, place in zip(rows, mine, strict=True)]
        return Asked(rows, own)

    def draw(self, draw: int, noise: Noise) -> dict[str, Any]:
        """That batch's fields: pictures float32 [-1, 1] (n, C, H, W) channels_last, labels int64, texts strings, arrays
        (n, *shape) of their own dtype."""
        asked = self.asked(draw)
        columns = self._loader.at(draw) if self._loader is not None else self._gather(asked)
        return self._fields(columns, noise, slice(self.first, self.first + self.local), self.flip)

    def all(self) -> Iterator[tuple[dict[str, Any], Noise]]:
        """Every row once and in order, in batches of which the last may be smaller, each with noise of its own.

        The fields are those of `draw`, but no picture is mirrored; on every process they are the same.
        """
        count = len(self.order)
        starts = range(0, count, self.batch)
        parts = [Asked(list(range(start, min(start + self.batch, count))), {}) for start in starts]
        found = self._loader.through(parts) if self._loader is not None else map(self._gather, parts)
        for index, (part, columns) in enumerate(zip(parts, found, strict=True)):
            noise = Noise(self.order.seed, "all", index, count=len(part.rows), device=self.device)
            yield self._fields(columns, noise, slice(0, len(part.rows)), flip=False), noise

    def _gather(self, asked: Asked) -> dict[str, Any]:
        if not self._columns:
            return _tensors(asked.read(self._data))
        return {name: self._pick(values, asked.own.get(name, asked.rows)) for name, values in self._columns.items()}

    def _pick(self, values: Any, rows: Sequence[int]) -> Any:
        if isinstance(values, Tensor):
            return values.index_select(0, torch.tensor(rows, device=self.device))
        return [values[row] for row in rows]

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

    def __getitem__(self, asked: Asked) -> dict[str, Any] | GanzooError:
        try:
            columns = asked.read(self.data)
        except GanzooError as error:  # handed over as it is: torch would wrap it into a traceback's text
            return error
        return _tensors(columns)


def _tensors(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in columns.items()}


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
            self._iterator, self._next = self._read(self._asked_from(draw)), draw
        for _ in range(draw - self._next):
            next(self._iterator)
        columns = next(self._iterator)
        self._next = draw + 1
        return dict(_whole(columns))

    def through(self, parts: Iterable[Asked]) -> Iterator[Mapping[str, Any]]:
        """A batch for each of `parts`; the reading ahead for training ends."""
        self.close()
        return map(_whole, self._read(parts))

    def _asked_from(self, draw: int) -> Iterator[Asked]:
        while True:
            yield self.feed.asked(draw)
            draw += 1

    def _read(self, parts: Iterable[Asked]) -> Iterator[Mapping[str, Any] | GanzooError]:
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
