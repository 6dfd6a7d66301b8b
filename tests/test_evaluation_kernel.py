"""Kernel distance: closed form, exactness, no bias, and errors that are as large as the errors are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganzoo_evaluation import kernel
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, NotApplicable, Plan
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.kernel import mmd2_subsets, mmd2_unbiased


def normal(seed: int, n: int, d: int = 8, scale: float = 1.0, shift: float = 0.0) -> Array:
    found: Array = np.random.default_rng(seed).standard_normal((n, d)) * scale + shift
    return found


def measured(values: Array) -> Measured:
    features = Features(Plan(count=len(values), dimensions=values.shape[1]))
    pictures = torch.zeros(len(values), 1, 1, 1, dtype=torch.uint8)
    features.update(Block(start=0, pictures=pictures, features=torch.from_numpy(values).float()))
    return Measured(name="a set", count=len(values), collected={Features: features})


def by_definition(x: Array, y: Array) -> float:
    """The unbiased estimate, pair by pair in float64."""
    xx, yy, xy = (((a @ b.T) / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


@pytest.mark.parametrize("blocks", [7, 50, 1000])
def test_it_is_the_definition_whatever_the_blocks(blocks: int) -> None:
    x, y = normal(0, 60), normal(1, 45, scale=1.2, shift=0.1)
    found = mmd2_unbiased(x, y, blocks)
    assert found.value == pytest.approx(by_definition(x, y), abs=1e-6)
    assert found.error == pytest.approx(mmd2_unbiased(x, y).error, rel=1e-3)


def test_centred_gaussians_have_their_closed_form() -> None:
    """3 |S1 - S2|_F^2 / d^2: of the cubic kernel only the term of second degree tells them apart."""
    spectrum = np.linspace(0.5, 1.5, 8)
    expected = 3 * ((spectrum**2 - 1) ** 2).sum() / 8**2
    found = mmd2_unbiased(normal(0, 8000) * spectrum, normal(1, 8000))
    assert abs(found.value - expected) < 4 * found.error
    assert found.error < 0.1 * expected


@pytest.mark.parametrize(
    ("n", "m", "scale", "shift"),
    [(100, 100, 1.0, 0.0), (60, 200, 1.0, 0.0), (100, 150, 1.0, 0.3), (200, 100, 1.2, 0.1)],
    ids=["the same distribution", "the same, unequal numbers", "shifted", "shifted and scaled"],
)
def test_the_error_is_the_spread_of_many_samples(n: int, m: int, scale: float, shift: float) -> None:
    found = [mmd2_unbiased(normal(2 * i, n), normal(2 * i + 1, m, scale=scale, shift=shift)) for i in range(200)]
    values = np.array([one.value for one in found])
    assert 0.8 < np.mean([one.error for one in found]) / values.std() < 1.35
    if scale == 1 and shift == 0:
        assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))


def test_subsets_agree_with_all_pairs_and_are_a_function_of_the_seed() -> None:
    x, y = normal(0, 1500), normal(1, 1200, scale=1.3)
    found, exact = mmd2_subsets(x, y, subsets=20, size=400, seed=1), mmd2_unbiased(x, y)
    assert abs(found.value - exact.value) < 5 * found.spread / np.sqrt(20)
    assert found.error == pytest.approx(exact.error, rel=0.5)
    assert found.spread > found.error
    assert found == mmd2_subsets(x, y, subsets=20, size=400, seed=1)
    assert found.value != mmd2_subsets(x, y, subsets=20, size=400, seed=2).value


def test_subsets_of_a_small_set_are_the_set_and_still_have_an_error() -> None:
    x, y = normal(0, 80), normal(1, 90)
    found = mmd2_subsets(x, x[:80] + 0.1, subsets=3)
    assert found.size == 80
    assert found.spread == pytest.approx(0, abs=1e-6)
    assert mmd2_subsets(x, y, subsets=3).error == pytest.approx(mmd2_unbiased(x, y).error, rel=0.3)


def test_the_metric_takes_at_most_its_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(0, 300), normal(1, 100)
    found = kernel.compute(Comparison(fake=measured(x), real=measured(y)))
    assert found.value == pytest.approx(by_definition(x, y), abs=1e-6)
    assert found.protocol == {"pairs": "all", "limit": 10_000}
    monkeypatch.setattr(kernel, "LIMIT", 50)
    fewer = kernel.compute(Comparison(fake=measured(x), real=measured(y), seed=1))
    assert found.error is not None
    assert fewer.error is not None
    assert fewer.error > found.error
    assert fewer == kernel.compute(Comparison(fake=measured(x), real=measured(y), seed=1))


def test_a_drawn_sample_is_without_repetition_and_in_order() -> None:
    rows = torch.arange(100.0)[:, None]
    drawn = kernel.at_most(rows, 30, 1, "key")[:, 0]
    assert (drawn.diff() > 0).all()
    assert len(drawn) == 30
    assert not drawn.equal(kernel.at_most(rows, 30, 2, "key")[:, 0])
    assert kernel.at_most(rows, 100, 1, "key") is rows


def test_the_metric_of_subsets_tells_the_spread() -> None:
    found = kernel.compute_subsets(Comparison(fake=measured(normal(0, 60)), real=measured(normal(1, 50))))
    assert found.protocol == {"subsets": 100, "size": 50}
    assert found.details["spread"] > 0


def test_fewer_than_four_pictures_are_too_few() -> None:
    for compute in (kernel.compute, kernel.compute_subsets):
        with pytest.raises(NotApplicable, match="fewer than 4"):
            compute(Comparison(fake=measured(normal(0, 3)), real=measured(normal(1, 50))))
