"""Nearest neighbours: right to the last digits, inclusive of ties, and the scores that are made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from ganzoo_evaluation import neighbours
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, NotApplicable, Plan, Value
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.neighbours import Manifold, authpct, manifold, nearest, overlap


def normal(seed: int, n: int, d: int = 8, shift: float = 0.0) -> Array:
    """float32, like features."""
    found: Array = (np.random.default_rng(seed).standard_normal((n, d)) + shift).astype(np.float32)
    return found


def measured(values: Array, count: int | None = None) -> Measured:
    features = Features(Plan(count=len(values), dimensions=values.shape[1]))
    pictures = torch.zeros(len(values), 1, 1, 1, dtype=torch.uint8)
    features.update(Block(start=0, pictures=pictures, features=torch.from_numpy(values)))
    return Measured(name="a set", count=count or len(values), collected={Features: features})


def compared(fake: Array, real: Array, train: Array | None = None) -> Comparison:
    return Comparison(fake=measured(fake), real=measured(real), train=None if train is None else measured(train))


def compute_all(c: Comparison) -> dict[str, Value]:
    functions = {
        "precision": neighbours.compute_precision,
        "recall": neighbours.compute_recall,
        "density": neighbours.compute_density,
        "coverage": neighbours.compute_coverage,
    }
    return {name: compute(c) for name, compute in functions.items()}


# --- neighbours -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_nearest_neighbours_are_those_of_an_exact_search(offset: float) -> None:
    x, y = normal(0, 70) + np.float32(offset), normal(1, 1300) + np.float32(offset)
    exact = cdist(x, y)
    indices, distances = nearest(x, y, 4)
    np.testing.assert_array_equal(indices.numpy(), exact.argsort(1)[:, :4])
    np.testing.assert_allclose(distances.numpy(), np.sort(exact, 1)[:, :4], rtol=1e-5)


def test_the_distance_to_a_near_copy_is_not_lost_to_cancellation() -> None:
    y = normal(0, 200, d=512, shift=30)
    step = np.zeros((200, 512), dtype=np.float32)
    step[:, 0] = 2.0**-10
    indices, distances = nearest(y + step, y)
    np.testing.assert_array_equal(indices[:, 0].numpy(), np.arange(200))
    np.testing.assert_allclose(distances[:, 0].numpy(), 2.0**-10, rtol=0.01)


def test_a_radius_reaches_to_the_kth_other_point() -> None:
    x = normal(0, 1100)
    exact = np.sort(cdist(x, x), 1)
    for k in (1, 3, 5):
        np.testing.assert_allclose(manifold(x, k).numpy(), exact[:, k], rtol=1e-5)


def test_copies_in_a_set_are_neighbours_of_each_other() -> None:
    x = np.concatenate([normal(0, 20)] * 2)
    assert manifold(x, 1).max() == 0
    assert manifold(x, 2).min() > 0


# --- precision, recall, density, coverage -----------------------------------------------------------------------------


def test_all_four_are_their_definitions() -> None:
    x, y = normal(0, 1200, shift=0.5), normal(1, 900)
    across, radii_x, radii_y = cdist(x, y), np.sort(cdist(x, x), 1), np.sort(cdist(y, y), 1)
    found = compute_all(compared(x, y))
    assert found["precision"].value == pytest.approx((across <= radii_y[:, 3]).any(1).mean())
    assert found["recall"].value == pytest.approx((across <= radii_x[:, [3]]).any(0).mean())
    assert found["density"].value == pytest.approx((across <= radii_y[:, 5]).sum() / 5 / len(x))
    assert found["coverage"].value == pytest.approx((across <= radii_y[:, 5]).any(0).mean())
    assert {name: value.protocol["k"] for name, value in found.items()} == {
        "precision": 3,
        "recall": 3,
        "density": 5,
        "coverage": 5,
    }


def test_the_same_distribution_has_density_one_and_covers_all_but_one_in_2_to_the_5() -> None:
    found = compute_all(compared(normal(0, 2000), normal(1, 2000)))
    assert found["coverage"].value == pytest.approx(1 - 2**-5, abs=0.015)
    assert found["density"].value == pytest.approx(1, abs=0.06)


def test_sets_apart_score_nothing_and_a_copy_everything() -> None:
    y = normal(1, 300)
    assert {name: value.value for name, value in compute_all(compared(normal(0, 200, shift=50), y)).items()} == {
        "precision": 0,
        "recall": 0,
        "density": 0,
        "coverage": 0,
    }
    copy = compute_all(compared(y.copy(), y))
    assert (copy["precision"].value, copy["recall"].value, copy["coverage"].value) == (1, 1, 1)


@pytest.mark.parametrize("offset", [0.0, 0.1, 77.7])
def test_constant_features_are_inside_each_other(offset: float) -> None:
    same = np.full((50, 300), offset, dtype=np.float32)
    found = compute_all(compared(same, same.copy()))
    assert {name: value.value for name, value in found.items()} == {
        "precision": 1,
        "recall": 1,
        "density": 10,
        "coverage": 1,
    }


def test_copies_of_reals_that_are_there_many_times_are_inside_although_the_radius_is_nought() -> None:
    y = np.repeat(normal(0, 40, d=300, shift=3), 6, axis=0)
    found = overlap(Manifold.of(y[::6]), Manifold.of(y))
    assert found.inside.all()
    assert (found.balls == 6).all()
    assert found.covered.all()


def test_one_picture_over_and_over_has_precision_but_no_variety() -> None:
    y = normal(1, 300)
    found = compute_all(compared(np.repeat(y[:1], 200, axis=0), y))
    assert found["precision"].value == 1
    assert found["recall"].value == pytest.approx(1 / 300)
    assert found["coverage"].value < 0.1


def test_errors_are_the_spread_of_many_samples_before_one_reference() -> None:
    y = normal(1, 400)
    real = measured(y)
    found = [compute_all(Comparison(fake=measured(normal(10 + i, 150)), real=real)) for i in range(60)]
    for name in ("precision", "density"):
        spread = np.std([one[name].value for one in found])
        assert 0.75 < np.mean([one[name].error or 0 for one in found]) / spread < 1.35


def test_the_references_manifold_is_made_once_and_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "LIMIT", 50)
    real = measured(normal(1, 200))
    kept = neighbours.manifold_of(real, 1)
    assert len(kept.points) == 50
    assert neighbours.manifold_of(real, 1) is kept
    other = neighbours.manifold_of(real, 2)
    assert not other.points.equal(kept.points)
    assert neighbours.manifold_of(real, 1).points.equal(kept.points)


def test_too_few_pictures_for_their_neighbours() -> None:
    with pytest.raises(NotApplicable, match="5 pictures, too few for 5 neighbours"):
        neighbours.compute_precision(compared(normal(0, 5), normal(1, 50)))


# --- authenticity -----------------------------------------------------------------------------------------------------


def by_definition(fake: Array, train: Array) -> float:
    across, within = cdist(fake, train), np.sort(cdist(train, train), 1)[:, 1]
    closest = across.argmin(1)
    return float((across[np.arange(len(fake)), closest] > within[closest]).mean())


def test_authenticity_is_its_definition() -> None:
    fake, train = normal(0, 300), normal(1, 1200)
    assert authpct(fake, train) == by_definition(fake, train)
    assert 0.2 < authpct(fake, train) < 0.8


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_copies_and_near_copies_are_not_authentic(noise: float) -> None:
    train = normal(1, 300, d=64, shift=20)
    assert authpct(train[:100] + normal(2, 100, d=64) * np.float32(noise), train) == 0


def test_a_training_picture_that_is_there_twice_does_not_make_near_copies_of_it_authentic() -> None:
    train = np.repeat(normal(1, 200), 2, axis=0)
    near = train[::4] + np.float32(1e-3)
    assert by_definition(near, train) == 1
    assert authpct(near, train) == 0


def test_far_pictures_are_authentic_even_before_a_training_set_of_one() -> None:
    train = normal(1, 200)
    assert authpct(normal(0, 50, shift=20), train) == 1
    assert authpct(np.concatenate([train[:1], normal(0, 3)]), train[:1]) == 0.75


def test_the_metric_of_authenticity_needs_the_training_set_and_says_when_it_saw_a_part() -> None:
    fake, train = normal(0, 60), normal(1, 100)
    with pytest.raises(NotApplicable, match="nobody knows"):
        neighbours.compute_authpct(compared(fake, train))
    assert neighbours.compute_authpct(compared(train, train, train)).value == 0
    c = compared(fake, train)
    c.train = measured(train, count=60_000)
    assert neighbours.compute_authpct(c).note == "copies were looked for among 100 of 60,000 training pictures"


def test_four_metrics_of_a_row_share_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    real: Callable[[Manifold, Manifold], neighbours.Overlap] = neighbours.overlap

    def counted(x: Manifold, y: Manifold) -> neighbours.Overlap:
        passes.append(1)
        return real(x, y)

    monkeypatch.setattr(neighbours, "overlap", counted)
    compute_all(compared(normal(0, 60), normal(1, 60)))
    assert len(passes) == 1
