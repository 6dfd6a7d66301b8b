"""The averaged weights, the noise and the learning rate are what their formulas say."""

from __future__ import annotations

import contextlib
import math

import pytest
import torch
from torch import nn
from toys import Config, Noted

from ganzoo.engine import schedule
from ganzoo.engine.ema import EMA
from ganzoo.engine.noise import Noise, derive, seed_globals
from ganzoo.model import Batch


def averaged(value: float, half_life: float = 1000, rampup: float = 0) -> tuple[nn.Linear, EMA]:
    """A network whose weights are all `value`, and its average."""
    network = nn.Linear(2, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network, EMA({"net": network}, half_life=half_life, rampup=rampup)


@torch.no_grad()
def fill(network: nn.Module, value: float) -> None:
    for parameter in network.parameters():
        parameter.fill_(value)


@pytest.mark.parametrize("pictures", [10, 100, 250, 500])
def test_half_of_the_past_is_forgotten_in_a_half_life_whatever_the_batch(pictures: int) -> None:
    network, ema = averaged(1.0, half_life=1000)
    fill(network, 0.0)
    for seen in range(pictures, 2001, pictures):
        ema.update(pictures, seen)
        assert ema.average["net.weight"][0, 0].item() == pytest.approx(0.5 ** (seen / 1000), rel=1e-4)


def test_without_a_half_life_the_average_is_the_last_weight() -> None:
    network, ema = averaged(1.0, half_life=0)
    fill(network, 3.0)
    ema.update(8, 8)
    assert torch.equal(ema.average["net.bias"], network.bias)


def test_early_on_the_half_life_is_a_share_of_the_pictures_seen() -> None:
    _, ema = averaged(1.0, half_life=1000, rampup=0.05)
    assert ema.decay(64, 64) == pytest.approx(0.5 ** (64 / (0.05 * 64)))
    assert ema.decay(64, 10_000) == pytest.approx(0.5 ** (64 / 500))
    assert ema.decay(64, 20_000) == ema.decay(64, 10**9) == pytest.approx(0.5 ** (64 / 1000))


def test_the_average_is_in_the_network_inside_and_the_weights_are_back_outside() -> None:
    network, ema = averaged(1.0)
    fill(network, 0.0)
    ema.update(1000, 1000)
    inside = []
    with contextlib.suppress(ZeroDivisionError), ema.applied():
        inside.append(network.weight[0, 0].item())
        raise ZeroDivisionError
    assert inside == [pytest.approx(0.5)]
    assert torch.equal(network.weight, torch.zeros(1, 2))
    assert ema.average["net.weight"][0, 0].item() == pytest.approx(0.5)


def test_tied_weights_get_their_own_values_back() -> None:
    first = nn.Linear(2, 2, bias=False)
    tied = nn.Sequential(first, nn.Linear(2, 2, bias=False))
    tied[1].weight = first.weight
    ema = EMA({"net": tied}, half_life=1000, rampup=0)
    fill(tied, 7.0)
    ema.update(10**9, 10**9)
    fill(tied, 5.0)
    for _ in range(2):
        with ema.applied():
            assert first.weight[0, 0].item() == pytest.approx(7.0)
        assert first.weight[0, 0].item() == 5.0


def test_whole_numbers_are_taken_over_and_running_statistics_averaged() -> None:
    network = nn.BatchNorm1d(1)
    ema = EMA({"norm": network}, half_life=10, rampup=0)
    network.running_mean.fill_(4.0)  # type: ignore[union-attr]
    network.num_batches_tracked.fill_(9)  # type: ignore[union-attr]
    ema.update(10, 10)
    assert ema.average["norm.running_mean"].item() == pytest.approx(2.0)
    assert ema.average["norm.num_batches_tracked"].item() == 9


def test_an_extra_state_is_no_weight() -> None:
    assert set(EMA({"net": Noted(2, 1)}, 10, 0).average) == {"net.weight", "net.bias"}


# --- noise ------------------------------------------------------------------------------------------------------------


def test_noise_is_a_function_of_seed_step_and_stream_alone() -> None:
    def z(seed: int = 0, step: int = 5, stream: str = "z", count: int = 8) -> torch.Tensor:
        return Noise(seed, "step", step, 0, count=count).randn(3, stream=stream)

    noise = Noise(0, "step", 5, 0, count=8)
    noise.rand(2, stream="flip")  # what was drawn before from other streams does not matter
    torch.manual_seed(99)  # nor does the global generator
    assert torch.equal(noise.randn(3), z())
    for other in (z(seed=1), z(step=6), z(stream="mix")):
        assert not torch.equal(other, z())


def test_a_stream_asked_twice_gives_the_same() -> None:
    noise = Noise(0, count=4)
    assert torch.equal(noise.randn(3), noise.randn(3))
    assert torch.equal(noise.rand(stream="a"), noise.rand(stream="a"))
    assert torch.equal(noise.randint(7, 2, stream="b"), noise.randint(7, 2, stream="b"))


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_processes_and_micro_batches_cut_the_same_noise(world: int, accumulate: int) -> None:
    whole = Noise(3, "step", 0, 0, count=16)
    size = 16 // (world * accumulate)
    parts = []
    for start in range(0, 16, size):
        own = Noise(3, "step", 0, 0, count=16)  # each process makes its own
        parts.append(Batch({}, own, slice(start, start + size), 0).randn(5))
    assert torch.equal(torch.cat(parts), whole.randn(5))


def test_noise_has_the_moments_and_bounds_it_should() -> None:
    noise = Noise(0, count=20_000)
    assert abs(noise.randn(1).mean().item()) < 4 / math.sqrt(20_000)
    assert noise.randn(1).std().item() == pytest.approx(1, abs=0.03)
    uniform = noise.rand(stream="u")
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert sorted(set(noise.randint(3, stream="i").tolist())) == [0, 1, 2]


def test_seeds_of_different_keys_differ_and_fit_63_bits() -> None:
    seeds = {derive(seed, *keys) for seed in (0, 1) for keys in [("a",), ("a", 1), ("a", 11), ("a1",), (1, "a")]}
    assert len(seeds) == 10
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_global_generators_are_seeded_by_step_and_process() -> None:
    draws = []
    for keys in ((5, 0), (5, 0), (5, 1), (6, 0)):
        seed_globals(0, *keys)
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1]
    assert draws[0] != draws[2] != draws[3] != draws[0]


# --- learning rate ----------------------------------------------------------------------------------------------------


def factors(**settings: object) -> list[float]:
    config = Config(steps=100, **settings)  # type: ignore[arg-type]
    return [schedule.factor(config, step) for step in range(100)]


def test_constant_is_one() -> None:
    assert set(factors()) == {1.0}


def test_warmup_rises_linearly_to_one() -> None:
    assert factors(warmup=10)[:12] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1])


def test_linear_falls_from_its_start_towards_zero() -> None:
    found = factors(schedule="linear", decay_start=0.5)
    assert found[:51] == [1.0] * 51
    assert found[50:] == pytest.approx([1 - step / 50 for step in range(50)])


def test_cosine_is_half_a_wave() -> None:
    found = factors(schedule="cosine", decay_start=0.0)
    assert found == pytest.approx([(1 + math.cos(math.pi * step / 100)) / 2 for step in range(100)])
