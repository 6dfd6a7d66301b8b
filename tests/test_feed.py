"""Which rows a step sees: every row once an epoch, however the data come and however many processes there are."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from proof import Streaming
from toys import SIZE, Config, pictures, rows_of

from ganzoo.data.base import ArrayData, Data, DataRequest, DataSpec, Field
from ganzoo.data.feed import Feed, Order
from ganzoo.data.patches import Patches
from ganzoo.engine.distributed import Group
from ganzoo.engine.noise import Noise
from ganzoo.errors import RunError


def group(rank: int = 0, world: int = 1) -> Group:
    return Group(rank=rank, world=world, device=torch.device("cpu"))


def feed(data: Data | None = None, rank: int = 0, world: int = 1, **settings: Any) -> Feed:
    return Feed(data or pictures(), Config(**settings), group(rank, world))


def noise(draw: int, batch: int = 8) -> Noise:
    return Noise(0, "step", draw, 0, count=batch)


@pytest.mark.parametrize("batch", [1, 7, 60, 100])
def test_every_row_comes_exactly_once_an_epoch(batch: int) -> None:
    order = Order(seed=0, count=60)
    epochs = [order.rows(start, start + batch) for start in range(0, 60 * 7 * 5, batch)]
    rows = [row for part in epochs for row in part]
    for epoch in range(7):
        assert sorted(rows[epoch * 60 : (epoch + 1) * 60]) == list(range(60))
    assert rows[:60] != rows[60:120]


def test_the_order_is_a_function_of_seed_and_position_alone() -> None:
    asked_backwards = Order(seed=1, count=60)
    backwards = [asked_backwards.rows(start, start + 10) for start in range(230, -10, -10)][::-1]
    assert [row for part in backwards for row in part] == Order(seed=1, count=60).rows(0, 240)
    assert Order(seed=2, count=60).rows(0, 60) != Order(seed=1, count=60).rows(0, 60)


def test_a_set_smaller_than_a_batch_repeats() -> None:
    rows = Order(seed=0, count=3).rows(0, 8)
    assert sorted(rows[:3]) == sorted(rows[3:6]) == [0, 1, 2]


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("streamed", [False, True])
def test_processes_see_disjoint_slices_of_the_one_batch(world: int, streamed: bool) -> None:
    settings = {"memory": 0, "workers": 0, "flip": True} if streamed else {"flip": True}
    data = Streaming(pictures()) if streamed else pictures()
    alone = feed(flip=True)
    peers = [feed(data, rank, world, **settings) for rank in range(world)]
    for draw in range(9):
        whole = alone.draw(draw, noise(draw))["image"]
        parts = [peer.draw(draw, noise(draw))["image"] for peer in peers]
        assert torch.equal(torch.cat(parts), whole)
        rows = [row for peer in peers for row in peer.rows(draw)]
        assert len(set(rows)) == 8 or draw == 7  # the 60 rows end in the middle of the eighth batch


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_can_begin_and_jump_anywhere(workers: int) -> None:
    resident, stream = feed(), feed(Streaming(pictures()), memory=0, workers=workers)
    for draw in (5, 6, 7, 20, 3, 3):
        expected, found = (one.draw(draw, noise(draw))["image"] for one in (resident, stream))
        assert torch.equal(expected, found)
    stream.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_draws_nothing_from_the_global_generator(workers: int) -> None:
    """Else dropout would differ between a resumed run, whose stream begins later, and a straight one."""
    stream = feed(Streaming(pictures()), memory=0, workers=workers)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    stream.draw(0, noise(0))
    assert torch.equal(torch.get_rng_state(), before)
    stream.close()


def test_what_fits_is_resident_and_what_does_not_streams() -> None:
    data = Streaming(pictures())
    gibibytes = data.nbytes / 2**30
    assert feed(data, memory=gibibytes).resident
    assert not feed(data, memory=gibibytes * 0.99).resident


def test_pictures_are_scaled_from_minus_one_to_one_in_channels_last() -> None:
    data = pictures()
    image = feed(data).draw(0, noise(0))["image"]
    rows = Order(0, 60).rows(0, 8)
    expected = torch.from_numpy(data.columns["image"][rows]).float() / 127.5 - 1
    assert torch.allclose(image, expected, atol=1e-6)
    assert image.min() >= -1
    assert image.max() <= 1
    spec = replace(data.spec, fields=(Field(name="image", kind="image", channels=3, size=SIZE),))
    colour = ArrayData(spec, {"image": data.columns["image"].repeat(3, 1)})
    assert feed(colour).draw(0, noise(0))["image"].is_contiguous(memory_format=torch.channels_last)


def test_flip_mirrors_about_half_of_the_pictures() -> None:
    plain, flipping = feed(batch=60), feed(batch=60, flip=True)
    image, maybe = (one.draw(0, noise(0, 60))["image"] for one in (plain, flipping))
    mirrored = [torch.equal(a.flip(2), b) for a, b in zip(image, maybe, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(image, maybe, strict=True)]
    assert [a or b for a, b in zip(mirrored, same, strict=True)] == [True] * 60
    assert 15 < sum(mirrored) < 45


def test_labels_and_captions_come_with_their_pictures() -> None:
    data = pictures()
    fields = (*data.spec.fields, Field(name="label", kind="label", classes=("a", "b")), Field(name="text", kind="text"))
    numbers = torch.arange(60)
    columns = {"label": numbers.numpy(), "text": [(f"{i}", f"{i} again") for i in range(60)]}
    rich = ArrayData(replace(data.spec, fields=fields), {**data.columns, **columns})
    found = feed(rich).draw(4, noise(4))
    rows = rows_of(found["image"])
    assert found["label"].tolist() == rows
    assert [int(text.split()[0]) for text in found["text"]] == rows


# Domains and patches


def two_domains(a: int = 12, b: int = 7) -> ArrayData:
    """Two domains of pictures whose first pixels spell their rows; those of b begin again where they end."""
    many = pictures(max(a, b)).columns["image"]
    spec = DataSpec(
        name="domains",
        split="train",
        count=max(a, b),
        fields=tuple(
            Field(name=name, kind="image", channels=1, size=SIZE, rows=count) for name, count in (("a", a), ("b", b))
        ),
    )
    columns = {name: many[np.arange(max(a, b)) % count] for name, count in (("a", a), ("b", b))}
    return ArrayData(spec, columns)


@dataclass(frozen=True)
class Canvas:
    """A large grey picture."""

    name: str
    content: NDArray[np.uint8]

    @property
    def height(self) -> int:
        return self.content.shape[1]

    @property
    def width(self) -> int:
        return self.content.shape[2]

    def pixels(self, channels: int) -> NDArray[np.uint8]:
        return self.content


def patches() -> Patches:
    """13 rows of patches out of three pictures."""
    generator = np.random.default_rng(0)
    shapes = ((1, 40, 30), (1, 17, 50), (1, 33, 33))
    canvases = [Canvas(str(shape), generator.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes]
    request = DataRequest(fields=("low", "high"), size=16, scale=4)
    return Patches("canvases", canvases, request, channels=1, fingerprint="")


def test_two_domains_come_in_orders_of_their_own() -> None:
    """Each domain is a permutation an epoch, of its own length; neither tells anything of the other."""
    one = feed(two_domains(), batch=4)
    batches = [one.draw(draw, noise(draw, 4)) for draw in range(21 * 7)]
    a, b = ([row for batch in batches for row in rows_of(batch[name])] for name in ("a", "b"))
    for rows, count in ((a, 12), (b, 7)):
        epochs = [rows[start : start + count] for start in range(0, len(rows), count)]
        assert [sorted(epoch) for epoch in epochs] == [list(range(count))] * len(epochs)
        assert epochs[0] != epochs[1]
    assert len(set(zip(a, b, strict=True))) == 12 * 7, "any meets any"
    alike = feed(two_domains(12, 12), batch=4)
    batches = [alike.draw(draw, noise(draw, 4)) for draw in range(3)]
    assert [rows_of(batch["a"]) for batch in batches] != [rows_of(batch["b"]) for batch in batches]


def test_domains_of_another_seed_come_in_another_order() -> None:
    orders = [rows_of(feed(two_domains(), seed=seed, batch=12).draw(0, noise(0, 12))["a"]) for seed in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.parametrize("make", [two_domains, patches])
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
def test_domains_and_patches_are_the_same_bits_streamed_or_held(
    make: Callable[[], ArrayData | Patches], world: int, workers: int
) -> None:
    alone = feed(make(), flip=True)
    assert alone.resident
    peers = [feed(Streaming(make()), rank, world, flip=True, memory=0, workers=workers) for rank in range(world)]
    for draw in (0, 1, 2, 9, 4):
        whole = alone.draw(draw, noise(draw))
        parts = [peer.draw(draw, noise(draw)) for peer in peers]
        assert not any(peer.resident for peer in peers)
        for name in whole:
            assert torch.equal(torch.cat([part[name] for part in parts]), whole[name]), name
    for peer in peers:
        peer.close()


def test_processes_that_hold_their_patches_read_disjoint_slices_of_the_one_batch() -> None:
    alone, peers = feed(patches()), [feed(patches(), rank, 2) for rank in range(2)]
    for draw in range(5):
        parts = [peer.draw(draw, noise(draw)) for peer in peers]
        for name, whole in alone.draw(draw, noise(draw)).items():
            assert torch.equal(torch.cat([part[name] for part in parts]), whole)


def test_patches_come_from_a_new_place_each_epoch_and_from_every_row_once() -> None:
    data = patches()
    one = feed(data, batch=len(data))
    epochs = [one.asked(draw).rows for draw in range(3)]
    for rows in epochs:
        assert sorted(row % len(data) for row in rows) == list(range(len(data)))
        assert all(row >= len(data) for row in rows), "training takes other places than the grid's"
    assert len({row for rows in epochs for row in rows}) == 3 * len(data)
    assert one.asked(1).rows == epochs[1] == feed(patches(), batch=len(data)).asked(1).rows
    assert feed(data, batch=len(data), seed=1).asked(0).rows != epochs[0]


def test_every_row_of_patches_is_the_grid_once_for_a_pass_over_all() -> None:
    data = patches()
    streamed = feed(Streaming(patches()), memory=0, workers=0)
    for one in (feed(data), streamed):
        high = torch.cat([fields["high"] for fields, _ in one.all()])
        expected = torch.from_numpy(data.read(range(len(data)))["high"]).float() / 127.5 - 1
        assert torch.allclose(high, expected, atol=1e-6)


@pytest.mark.parametrize("make", [two_domains, patches])
def test_no_picture_is_read_in_vain(make: Callable[[], ArrayData | Patches]) -> None:
    data = make()
    one = feed(Counting(data), memory=0, workers=0)
    one.draw(0, noise(0))
    assert one._data.asked == ([("a", 8), ("b", 8)] if make is two_domains else [("all", 8)])  # type: ignore[attr-defined]


class Counting(Streaming):
    """Data that remember what was read of them."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self.asked: list[tuple[str, int]] = []

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        self.asked.append(("all", len(indices)))
        return super().read(indices)

    def column(self, field: str, indices: Sequence[int]) -> Any:
        self.asked.append((field, len(indices)))
        return super().read(indices)[field]


class Vanishing(Streaming):
    """Data whose files are gone."""

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        raise RunError("photos: none of its 60 rows can be decoded any more")


class Deadly(Streaming):
    """Data that need more memory than there is: the kernel kills who reads them."""

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_data_arrives_as_it_is(workers: int) -> None:
    stream = feed(Vanishing(pictures()), memory=0, workers=workers)
    with pytest.raises(RunError) as caught:
        stream.draw(0, noise(0))
    stream.close()
    assert caught.value.lines == ("photos: none of its 60 rows can be decoded any more",)


def test_a_reading_process_that_dies_is_one_line() -> None:
    stream = feed(Deadly(pictures()), memory=0, workers=1)
    with pytest.raises(RunError, match="a process that read the data has died"):
        stream.draw(0, noise(0))
