"""Inception score, Vendi score and MIND: closed forms, collectors, and errors that are as large as the errors are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import wasserstein_distance
from torch import Tensor

from ganzoo_evaluation import diversity, inception_score
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, NotApplicable, Plan
from ganzoo_evaluation.diversity import mind, vendi
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.inception_score import Predictions, parts


def normal(seed: int, n: int, d: int = 8) -> Array:
    found: Array = np.random.default_rng(seed).standard_normal((n, d))
    return found


# --- the inception score ----------------------------------------------------------------------------------------------


@dataclass
class Blind:
    """A network without classes."""

    name: str = "a network"
    identity: Mapping[str, str] = field(default_factory=dict)
    dimensions: int = 3
    classes: int = 0

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        return torch.zeros(len(pictures), 3), None


def blocks(logits: Array, size: int = 64) -> list[Block]:
    pictures = torch.zeros(len(logits), 1, 1, 1, dtype=torch.uint8)
    tensor = torch.from_numpy(logits).float()
    return [
        Block(start=start, pictures=pictures[start : start + size], logits=tensor[start : start + size])
        for start in range(0, len(logits), size)
    ]


def predictions(logits: Array) -> Predictions:
    found = Predictions(Plan(count=len(logits), classes=logits.shape[1]))
    for block in blocks(logits):
        found.update(block)
    return found


def comparison(found: Predictions | None, network: Blind | None = None) -> Comparison:
    collected = {} if found is None else {Predictions: found}
    return Comparison(
        fake=Measured(name="a set", count=1, collected=dict(collected), network=network),
        real=Measured(name="real", count=0, collected={}),
    )


def by_definition(logits: Array) -> list[float]:
    """The usual code: shuffle, cut in ten, exp of the mean Kullback-Leibler divergence to the mean prediction."""
    shuffled = logits.astype(np.float64)[np.random.RandomState(2020).permutation(len(logits))]
    scores = []
    for i in range(10):
        log = log_softmax(shuffled[i * len(logits) // 10 : (i + 1) * len(logits) // 10], axis=1)
        p = np.exp(log)
        scores.append(float(np.exp((p * (log - np.log(p.mean(0)))).sum(1).mean())))
    return scores


def test_the_score_is_that_of_the_usual_code() -> None:
    logits = normal(0, 333, 12).astype(np.float32) * 2
    found = inception_score.compute(comparison(predictions(logits)))
    expected = by_definition(logits)
    assert found.value == pytest.approx(np.mean(expected), rel=1e-12)
    assert found.details["deviation"] == pytest.approx(np.std(expected), rel=1e-9)
    assert found.error == pytest.approx(np.std(expected) / np.sqrt(len(expected)), rel=1e-9)
    assert found.protocol["splits"] == 10


def test_certain_and_balanced_predictions_score_the_number_of_classes() -> None:
    logits = np.zeros((2000, 5))
    # Each part of the set sees every class equally often.
    order = np.argsort(parts(2000), kind="stable")
    logits[order, np.arange(2000) % 5] = 1000
    assert inception_score.compute(comparison(predictions(logits))).value == pytest.approx(5)


def test_constant_predictions_score_one() -> None:
    for logits in (np.zeros((100, 5)), np.tile(normal(0, 1, 5), (100, 1))):
        found = inception_score.compute(comparison(predictions(logits)))
        assert found.value == pytest.approx(1)
        assert found.error == pytest.approx(0, abs=1e-12)


def test_parts_are_as_even_as_they_can_be() -> None:
    assert np.bincount(parts(105)).tolist() == [10, 11] * 5
    assert parts(0).tolist() == []


def test_predictions_merge_to_one_pass_in_any_order() -> None:
    logits = normal(0, 300, 7) * 3
    whole, left, right = predictions(logits), *(Predictions(Plan(count=300, classes=7)) for _ in range(2))
    for i, block in enumerate(reversed(blocks(logits))):
        (left if i % 2 else right).update(block)
    left.merge(right)
    np.testing.assert_allclose(left.scores, whole.scores, rtol=1e-12)


def test_predictions_come_back_from_their_arrays_and_can_go_on() -> None:
    logits = normal(0, 300, 7)
    half, rest = predictions(logits), blocks(logits)[3:]
    first = Predictions(Plan(count=300, classes=7))
    for block in blocks(logits)[:3]:
        first.update(block)
    arrays = first.arrays()
    assert all(array.dtype != object for array in arrays.values())
    back = Predictions.from_arrays({name: array.copy() for name, array in arrays.items()})
    for block in rest:
        back.update(block)
    np.testing.assert_array_equal(back.scores, half.scores)
    with pytest.raises(KeyError):
        Predictions.from_arrays({"total": np.array(3)})


def test_the_score_needs_classes_and_ten_pictures() -> None:
    with pytest.raises(NotApplicable, match="a network predicts no classes"):
        inception_score.compute(comparison(None, Blind()))
    with pytest.raises(NotApplicable, match="was not measured"):
        inception_score.compute(comparison(None))
    with pytest.raises(NotApplicable, match="10 pictures"):
        inception_score.compute(comparison(predictions(normal(0, 9))))
    with pytest.raises(ValueError, match="this block has none"):
        Predictions(Plan(count=1, classes=2)).update(Block(start=0, pictures=torch.zeros(1, 1, 1, 1)))


# --- the vendi score --------------------------------------------------------------------------------------------------


def test_vendi_counts_different_pictures() -> None:
    assert vendi(np.eye(7)).value == pytest.approx(7)
    assert vendi(np.tile(np.eye(7)[:3], (5, 1)) * 4).value == pytest.approx(3)
    assert vendi(np.ones((6, 4))).value == pytest.approx(1)
    assert vendi(np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])).value == pytest.approx(
        np.exp(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    )


def test_both_gram_matrices_give_the_same() -> None:
    x = normal(0, 30, 29)
    wide = np.concatenate([x, np.zeros((30, 9))], axis=1)
    assert vendi(wide).value == pytest.approx(vendi(x).value, rel=1e-9)
    assert vendi(wide).error == pytest.approx(vendi(x).error, rel=1e-9)


def test_rows_of_zeros_are_left_out() -> None:
    assert vendi(np.concatenate([np.eye(4), np.zeros((3, 4))])).value == pytest.approx(4)
    assert vendi(np.zeros((3, 4))).value == 0


def test_the_error_of_vendi_is_the_spread_of_many_samples() -> None:
    spectrum = 1 / np.arange(1, 9)
    found = [vendi(normal(i, 300) * spectrum) for i in range(150)]
    assert 0.8 < np.mean([one.error for one in found]) / np.std([one.value for one in found]) < 1.25


# --- mind -------------------------------------------------------------------------------------------------------------


def test_a_shift_costs_three_times_its_squared_length() -> None:
    x, shift = normal(0, 100), np.linspace(-1, 1, 8)
    found = mind(x + shift, x)
    assert abs(found.value - 3 * shift @ shift) < 4 * found.direction_error
    assert found.direction_error < 0.1 * found.value


def test_a_scale_costs_three_d_times_one_minus_it_squared() -> None:
    found = mind(1.5 * normal(0, 4000), normal(1, 4000), directions=200)
    assert found.value == pytest.approx(3 * 8 * 0.25, rel=0.1)


def test_a_set_is_at_distance_nought_from_itself_in_any_order_and_number_of_copies() -> None:
    x = normal(0, 50)
    assert mind(x, x[::-1].copy()).value == 0
    assert mind(np.concatenate([x, x, x]), np.concatenate([x, x])).value == pytest.approx(0, abs=1e-20)


def test_unequal_sets_are_coupled_exactly() -> None:
    """On a line and against one point, against a brute-force count of quantiles."""
    x, y = normal(0, 21, 1), normal(1, 35, 1)
    fine = np.sort(np.repeat(x[:, 0], 5)) - np.sort(np.repeat(y[:, 0], 3))
    assert mind(x, y, directions=2).value == pytest.approx(3 * (fine**2).mean())
    assert mind(x, np.zeros((1, 1)), directions=2).value == pytest.approx(3 * (x**2).mean())
    # A pure shift is what both Wasserstein distances agree on.
    assert mind(x + 2, x, directions=2).value == pytest.approx(3 * wasserstein_distance(x[:, 0] + 2, x[:, 0]) ** 2)


def test_the_error_of_mind_is_the_spread_of_many_samples() -> None:
    spectrum, other = 1 / np.arange(1, 9), normal(0, 1000)
    found = [mind(normal(1 + i, 200) * spectrum + 0.2, other, directions=60) for i in range(100)]
    assert 0.8 < np.mean([one.error for one in found]) / np.std([one.value for one in found]) < 1.3


def test_mind_is_a_function_of_the_seed() -> None:
    x, y = normal(0, 50), normal(1, 40)
    assert mind(x, y, seed=1) == mind(x, y, seed=1)
    assert mind(x, y, seed=1).value != mind(x, y, seed=2).value


# --- the metrics ------------------------------------------------------------------------------------------------------


def measured(values: Array) -> Measured:
    features = Features(Plan(count=len(values), dimensions=values.shape[1]))
    pictures = torch.zeros(len(values), 1, 1, 1, dtype=torch.uint8)
    features.update(Block(start=0, pictures=pictures, features=torch.from_numpy(values).float()))
    return Measured(name="a set", count=len(values), collected={Features: features})


def test_the_metrics_read_features_and_name_their_protocol() -> None:
    x, y = normal(0, 60), normal(1, 50)
    c = Comparison(fake=measured(x), real=measured(y), seed=3)
    score, distance = diversity.compute_vendi(c), diversity.compute_mind(c)
    assert score.value == pytest.approx(vendi(x).value, rel=1e-5)
    assert score.protocol == {"pictures": 60, "similarity": "cosine"}
    assert distance.value == pytest.approx(mind(x, y, seed=3).value, rel=1e-5)
    assert distance.protocol == {"directions": 1000}
    few = Comparison(fake=measured(x[:3]), real=measured(y))
    for compute in (diversity.compute_vendi, diversity.compute_mind):
        with pytest.raises(NotApplicable, match="4 pictures"):
            compute(few)
