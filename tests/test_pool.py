"""The image pool does what the loop over single pictures does, on every process, and goes on where it was."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from forks import the_driver
from test_processes import run_ranks
from torch import Tensor

from ganzoo.engine import distributed
from ganzoo.engine.noise import Noise
from ganzoo.model import Batch
from ganzoo.nn.pool import ImagePool

SHAPE = (1, 2, 2)


def fakes(step: int, count: int) -> Tensor:
    """Pictures that carry their number: `count` of a step, each of one value."""
    return (torch.arange(count) + step * count).float().view(-1, 1, 1, 1).expand(-1, *SHAPE)


def batch_of(step: int, count: int, seed: int = 0) -> Batch:
    return Batch({}, Noise(seed, "step", step, count=count), slice(0, count), step)


def numbers(pictures: Tensor) -> list[int]:
    assert (pictures == pictures[:, :1, :1, :1]).all()
    return [int(value) for value in pictures[:, 0, 0, 0]]


def passed(pool: ImagePool, steps: range, count: int) -> list[int]:
    """The numbers that come out for the fakes of these steps."""
    return [
        number for step in steps for number in numbers(pool.exchange(fakes(step, count), batch_of(step, count), "a"))
    ]


def looped(capacity: int, steps: range, count: int) -> list[int]:
    """Section 4 of the paper, one picture at a time."""
    kept: list[int] = []
    out = []
    for step in steps:
        coins = Noise(0, "step", step, count=count).rand(2, stream="pool-a").tolist()
        for number, (coin, place) in zip(numbers(fakes(step, count)), coins, strict=True):
            if len(kept) < capacity:
                kept.append(number)
                out.append(number)
            elif coin < 0.5:
                slot = int(place * capacity)
                out.append(kept[slot])
                kept[slot] = number
            else:
                out.append(number)
    return out


@pytest.mark.parametrize(("capacity", "count"), [(50, 1), (50, 8), (7, 3), (5, 16), (1, 4), (4, 4)])
def test_it_is_the_loop_over_single_pictures(capacity: int, count: int) -> None:
    steps = range(400 // count)
    assert passed(ImagePool(capacity, SHAPE), steps, count) == looped(capacity, steps, count)


def test_it_fills_up_first_and_then_half_of_what_comes_out_is_old() -> None:
    out = passed(ImagePool(50, SHAPE), range(4050), 1)
    assert out[:50] == list(range(50))
    old = [number for step, number in enumerate(out) if number != step]
    deviation = math.sqrt(4000) / 2
    assert abs(len(old) - 2000) < 4 * deviation
    assert all(number < step for step, number in enumerate(out) if number != step)
    assert len(set(old)) == len(old)  # what came out has left the pool


def test_old_pictures_have_waited_for_as_many_turns_as_the_pool_has_places() -> None:
    """One leaves its place of 50 with probability 1/2 x 1/50 a turn: it waits for 100 turns on average."""
    out = passed(ImagePool(50, SHAPE), range(8000), 1)
    waits = [step - number for step, number in enumerate(out) if number != step and step > 1000]
    assert sum(waits) / len(waits) == pytest.approx(100, rel=0.1)


def test_a_pool_of_nothing_lets_everything_through() -> None:
    assert passed(ImagePool(0, SHAPE), range(5), 3) == list(range(15))


def test_no_gradient_passes_and_the_kind_of_number_stays() -> None:
    pool, given = ImagePool(2, SHAPE), torch.randn(3, *SHAPE).bfloat16().requires_grad_(True)
    out = pool.exchange(given, batch_of(0, 3), "a")
    assert not out.requires_grad
    assert out.dtype is torch.bfloat16
    assert torch.equal(out[:2], given[:2])


def test_a_pool_that_is_saved_and_loaded_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole, first, second = (ImagePool(9, SHAPE) for _ in range(3))
    expected = passed(whole, range(30), 4)
    before = passed(first, range(11), 4)
    torch.save(first.state_dict(), tmp_path / "pool.pt")
    second.load_state_dict(torch.load(tmp_path / "pool.pt", weights_only=True))
    assert before + passed(second, range(11, 30), 4) == expected


def test_two_pools_of_a_model_draw_for_themselves() -> None:
    one, other = ImagePool(3, SHAPE), ImagePool(3, SHAPE)
    pairs = [(batch_of(step, 2), fakes(step, 2)) for step in range(20)]
    shown = [(numbers(one.exchange(x, batch, "a")), numbers(other.exchange(x, batch, "b"))) for batch, x in pairs]
    assert any(a != b for a, b in shown)


def pass_shares(folder: str) -> None:
    """One process of a group passes its shares of the fakes through a pool, and tells what came out and what stays."""
    group = distributed.join("cpu")
    pool, out = ImagePool(7, SHAPE), []
    for step in range(20):
        peers = [slice(4 * rank, 4 * rank + 4) for rank in range(group.world)]
        mine = peers[group.rank]
        batch = Batch({}, Noise(0, "step", step, count=8), mine, step, group, peers)
        out.append(pool.exchange(fakes(step, 8)[mine], batch, "a"))
    torch.save({"out": torch.cat(out), **pool.state_dict()}, Path(folder) / f"rank-{group.rank}.pt")
    distributed.leave()


def test_every_process_keeps_the_pool_of_one_process(tmp_path: Path) -> None:
    pool = ImagePool(7, SHAPE)
    expected = torch.tensor(passed(pool, range(20), 8)).view(20, 2, 4)
    run_ranks(the_driver(), 2, tmp_path, call="test_pool:pass_shares", cwd=tmp_path)
    for rank in range(2):
        found = torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True)
        assert numbers(found["out"]) == expected[:, rank].flatten().tolist()
        assert torch.equal(found["pictures"], pool.pictures)
        assert int(found["seen"]) == 160
