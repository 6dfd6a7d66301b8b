"""Frechet distance: closed forms, singular covariances, and errors that are as large as the errors are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.linalg import qr, sqrtm, svdvals

from ganzoo_evaluation import frechet
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, NotApplicable, Plan
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.frechet import Gaussian, distance, distance_low_rank, gaussian_of
from ganzoo_evaluation.moments import Moments

Draw = Callable[[int], Array]


def rotation(d: int, seed: int = 0) -> Array:
    found: Array = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    return found


def gaussian(mean: Array, covariance: Array, count: int = 10**6) -> Gaussian:
    return Gaussian(mean=mean, covariance=covariance, count=count)


def relu_features(seed: int, d: int = 24, scale: float = 1.0, offset: float = 0.2) -> Draw:
    """Sparse, skewed features with a spectrum that falls as 1/k, as networks give them; a fresh sample at each call."""
    generator = np.random.default_rng(seed)
    mixing = np.sqrt(1 / np.arange(1, d + 1))[:, None] * rotation(d, 7) * scale
    return lambda n: np.maximum(generator.standard_normal((n, d)) @ mixing + offset, 0)


def reference_distance(x: Array, y: Array) -> float:
    """FD from the QR factors of the centred samples, which never squares a condition number."""
    factors = [qr(z - z.mean(0), mode="r")[0][: z.shape[1]] / math.sqrt(len(z) - 1) for z in (x, y)]
    overlap = svdvals(factors[0] @ factors[1].T).sum()
    traces = sum((factor**2).sum() for factor in factors)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + traces - 2 * overlap)


def measured(values: Array, labels: Array | None = None, classes: tuple[str, ...] = ()) -> Measured:
    """A set as the metrics meet it: what the collectors took from its blocks."""
    plan = Plan(count=len(values), dimensions=values.shape[1])
    collected = {kind: kind(plan) for kind in (Moments, Features)}
    for start in range(0, len(values), 64):
        rows = slice(start, start + 64)
        block = Block(
            start=start,
            pictures=torch.zeros(len(values[rows]), 1, 1, 1, dtype=torch.uint8),
            features=torch.from_numpy(values[rows]).float(),
            label=None if labels is None else torch.from_numpy(labels[rows]),
        )
        for collector in collected.values():
            collector.update(block)
    return Measured(name="a set", count=len(values), collected=dict(collected), classes=classes)


# --- the distance -----------------------------------------------------------------------------------------------------


def test_commuting_covariances_have_their_closed_form() -> None:
    a, b, q = np.array([4.0, 1.0, 0.25]), np.array([1.0, 1.0, 9.0]), rotation(3)
    shift = np.array([1.0, -2.0, 0.5])
    found = distance(gaussian(shift, q * a @ q.T), gaussian(np.zeros(3), q * b @ q.T))
    assert found.mean_term == pytest.approx(shift @ shift)
    assert found.covariance_term == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum())
    assert found.value == found.mean_term + found.covariance_term


def test_an_isotropic_scale_costs_d_times_one_minus_it_squared() -> None:
    for scale in (0.5, 1.0, 3.0):
        found = distance(gaussian(np.zeros(5), scale**2 * np.eye(5)), gaussian(np.zeros(5), np.eye(5)))
        assert found.value == pytest.approx(5 * (1 - scale) ** 2, abs=1e-9)


def test_it_does_not_change_under_a_common_rotation_and_shift_or_a_swap() -> None:
    x, y, q = relu_features(1)(200), relu_features(2, scale=1.3)(300), rotation(24, 3)
    plain = distance(Gaussian.of(x), Gaussian.of(y)).value
    assert distance(Gaussian.of(x @ q + 5), Gaussian.of(y @ q + 5)).value == pytest.approx(plain, rel=1e-9)
    assert distance(Gaussian.of(y), Gaussian.of(x)).value == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(200, 300), (10, 300), (300, 10), (10, 15), (24, 25), (2, 2)])
def test_it_agrees_with_an_independent_computation_at_any_rank(n: int, m: int) -> None:
    x, y = relu_features(1)(n), relu_features(2, scale=1.3)(m)
    expected = reference_distance(x, y)
    assert distance(Gaussian.of(x), Gaussian.of(y)).value == pytest.approx(expected, rel=1e-7)
    assert distance_low_rank(x, y).value == pytest.approx(expected, rel=1e-9)


def test_it_agrees_with_the_textbook_matrix_square_root() -> None:
    fake, real = Gaussian.of(relu_features(1)(500)), Gaussian.of(relu_features(2, scale=1.3)(700))
    root = sqrtm(fake.covariance @ real.covariance).real
    expected = ((fake.mean - real.mean) ** 2).sum() + fake.trace + real.trace - 2 * np.trace(root)
    assert distance(fake, real).value == pytest.approx(expected, rel=1e-9)


def test_dead_features_and_constant_sets_do_no_harm() -> None:
    x, y = relu_features(1)(100), relu_features(2)(100)
    x[:, 3] = y[:, 3] = 0
    y[:, 5] = 0.7
    assert distance(Gaussian.of(x), Gaussian.of(y)).value == pytest.approx(reference_distance(x, y), rel=1e-7)
    constant = np.ones((50, 24))
    expected = ((x.mean(0) - 1) ** 2).sum() + np.trace(np.cov(x.T))
    for fake, real in ((x, constant), (constant, x)):
        assert distance(Gaussian.of(fake), Gaussian.of(real)).value == pytest.approx(expected)
    assert distance(Gaussian.of(constant), Gaussian.of(constant)).value == 0
    assert frechet.standard_error(constant, Gaussian.of(constant), Gaussian.of(constant)) == 0


def test_a_set_is_at_distance_nought_from_itself() -> None:
    for n in (10, 25, 400):
        same = Gaussian.of(relu_features(1)(n))
        assert 0 <= distance(same, same).value < 1e-6 * same.trace


def test_unequal_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="3 dimensions against features of 2"):
        distance(gaussian(np.zeros(3), np.eye(3)), gaussian(np.zeros(2), np.eye(2)))


def test_a_root_is_a_root_and_leaves_out_what_has_no_variance() -> None:
    for n, rank in ((400, 24), (10, 9)):
        found = Gaussian.of(relu_features(1)(n))
        assert found.root.shape == (24, rank)
        np.testing.assert_allclose(found.root @ found.root.T, found.covariance, atol=1e-12)


def test_a_gaussian_comes_back_from_its_arrays_with_its_root() -> None:
    real, fake = Gaussian.of(relu_features(1)(15)), Gaussian.of(relu_features(2)(300))
    arrays = real.arrays()
    assert all(array.dtype != object for array in arrays.values())
    back = Gaussian.from_arrays(arrays)
    assert back.__dict__["root"] is arrays["root"]
    assert back.count == 15
    assert distance(fake, back).value == distance(fake, real).value


def test_mean_and_covariance_of_unknown_origin_will_do() -> None:
    real, fake = Gaussian.of(relu_features(1)(300)), Gaussian.of(relu_features(2)(300))
    bare = Gaussian.from_arrays({"mean": real.mean, "covariance": real.covariance})
    assert bare.count == 0
    assert distance(fake, bare).value == pytest.approx(distance(fake, real).value, rel=1e-9)


# --- its error and its bias -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [60, 400])
def test_the_standard_error_is_the_spread_of_many_samples(n: int) -> None:
    draw, real = relu_features(1, scale=1.1), Gaussian.of(relu_features(2)(20000))
    samples = [draw(n) for _ in range(150)]
    values = [distance(Gaussian.of(x), real).value for x in samples]
    errors = [frechet.standard_error(x, Gaussian.of(x), real) for x in samples[:30]]
    assert 0.85 < np.mean(errors) / np.std(values) < 1.5


def test_the_standard_error_holds_below_full_rank() -> None:
    draw, real = relu_features(1, scale=1.1), Gaussian.of(relu_features(2)(20000))
    samples = [draw(15) for _ in range(150)]
    values = [distance(Gaussian.of(x), real).value for x in samples]
    errors = [frechet.standard_error(x, Gaussian.of(x), real) for x in samples[:40]]
    assert 0.85 < np.mean(errors) / np.std(values) < 1.6


def test_a_random_part_of_the_features_is_enough_for_the_standard_error() -> None:
    x, real = relu_features(1)(4000), Gaussian.of(relu_features(2)(5000))
    fake = Gaussian.of(x)
    whole = frechet.standard_error(x, fake, real)
    assert frechet.standard_error(x[:1000], fake, real) == pytest.approx(whole, rel=0.15)


def test_the_paired_error_is_the_spread_of_the_difference_whether_or_not_the_reference_is_drawn_anew() -> None:
    draw_a, draw_b, draw = relu_features(1, scale=1.1), relu_features(2, offset=0.25), relu_features(3)
    kept = draw(500)
    apart, fixed, apart_errors, fixed_errors = [], [], [], []
    for repeat in range(150):
        x, y, z = draw_a(800), draw_b(800), draw(500)
        a, b, real, same = (Gaussian.of(features) for features in (x, y, z, kept))
        apart.append(distance(a, real).value - distance(b, real).value)
        fixed.append(distance(a, same).value - distance(b, same).value)
        if repeat < 30:
            apart_errors.append(frechet.paired_standard_error(x, a, y, b, real, z))
            fixed_errors.append(frechet.paired_standard_error(x, a, y, b, same))
    assert 0.8 < np.mean(apart_errors) / np.std(apart) < 1.25
    assert 0.8 < np.mean(fixed_errors) / np.std(fixed) < 1.25
    assert np.mean(apart_errors) > np.mean(fixed_errors)


def test_the_bias_is_what_a_sample_of_a_known_distribution_has_too_much() -> None:
    draw, real = relu_features(1, scale=1.1), Gaussian.of(relu_features(2)(20000))
    truth = distance(Gaussian.of(draw(200000)), real).value
    samples = [draw(150) for _ in range(60)]
    excess = np.mean([distance(Gaussian.of(x), real).value for x in samples]) - truth
    found = np.mean([frechet.bias(x, Gaussian.of(x), real) for x in samples])
    assert excess > 0.2 * truth
    assert found == pytest.approx(excess, rel=0.15)


def test_the_bias_of_a_part_is_scaled_to_the_whole() -> None:
    draw, real = relu_features(1, scale=1.1), Gaussian.of(relu_features(2)(20000))
    x = draw(2000)
    whole = frechet.bias(x, Gaussian.of(x), real)
    assert frechet.bias(x[:1000], Gaussian.of(x), real) == pytest.approx(whole, rel=0.25)


def test_infinity_takes_the_bias_away_and_knows_its_error() -> None:
    draw, real = relu_features(1, scale=1.1), Gaussian.of(relu_features(2)(20000))
    truth = distance(Gaussian.of(draw(200000)), real).value
    found = [frechet.infinity(draw(300), real, seed) for seed in range(40)]
    plain = distance(Gaussian.of(draw(300)), real).value
    values = np.array([one.value for one in found])
    assert abs(values.mean() - truth) < 0.2 * (plain - truth)
    assert 0.75 < np.mean([one.error for one in found]) / values.std() < 1.6


def test_infinity_is_a_line_through_fifteen_sizes_and_a_function_of_the_seed() -> None:
    x, real = relu_features(1)(200), Gaussian.of(relu_features(2)(500))
    found = frechet.infinity(x, real, 1)
    assert found.sizes[0] == 100
    assert found.sizes[-1] == 200
    assert len(found.sizes) == len(found.distances) == 15
    assert found.distances[-1] == distance(Gaussian.of(x), real).value
    slope, intercept = np.polyfit(1 / np.array(found.sizes), found.distances, 1)
    assert [found.value, found.slope] == pytest.approx([intercept, slope])
    assert found.r2 == pytest.approx(np.corrcoef(1 / np.array(found.sizes), found.distances)[0, 1] ** 2)
    assert found == frechet.infinity(x, real, 1)
    assert found.distances[:-1] != frechet.infinity(x, real, 2).distances[:-1]


# --- the metrics ------------------------------------------------------------------------------------------------------


def test_the_metric_tells_its_terms_its_error_and_its_bias_and_warns_of_few_pictures() -> None:
    draw = relu_features(1, scale=1.2)
    real = measured(relu_features(2)(500))
    few = frechet.compute(Comparison(fake=measured(draw(300)), real=real))
    assert few.error is not None
    assert few.details["mean_term"] + few.details["covariance_term"] == pytest.approx(few.value)
    assert few.note.startswith("300 pictures: about ")
    assert few.details["bias"] > 0
    many = frechet.compute(Comparison(fake=measured(draw(2100)), real=real))
    assert many.note == ""
    assert many.error is not None
    assert many.error < few.error


def test_the_metric_does_with_moments_alone() -> None:
    fake, real = measured(relu_features(1)(300)), measured(relu_features(2)(300))
    with_features = frechet.compute(Comparison(fake=fake, real=real)).value
    del fake.collected[Features]
    bare = frechet.compute(Comparison(fake=fake, real=real))
    assert bare.value == with_features
    assert bare.error is None
    assert bare.note == "300 pictures make it too high"


def test_the_gaussian_of_a_set_is_made_once_and_its_root_too() -> None:
    real = measured(relu_features(2)(300))
    assert gaussian_of(real) is gaussian_of(real)
    frechet.compute(Comparison(fake=measured(relu_features(1)(100)), real=real))
    assert "root" in gaussian_of(real).__dict__
    np.testing.assert_allclose(gaussian_of(real).covariance, np.cov(real[Features].values.T), atol=1e-6)


def test_sets_too_small_to_measure_say_so() -> None:
    real = measured(relu_features(2)(300))
    for count in (0, 1):
        with pytest.raises(NotApplicable, match="fewer than 2 pictures"):
            frechet.compute(Comparison(fake=measured(relu_features(1)(count)), real=real))
    assert frechet.compute(Comparison(fake=measured(relu_features(1)(3)), real=real)).error is None
    with pytest.raises(NotApplicable, match="50 pictures"):
        frechet.compute_infinity(Comparison(fake=measured(relu_features(1)(49)), real=real))


def test_the_metric_of_infinity_names_its_sizes() -> None:
    found = frechet.compute_infinity(
        Comparison(fake=measured(relu_features(1)(400)), real=measured(relu_features(2)(300)), seed=3)
    )
    assert found.protocol == {"points": 15, "smallest": 200}
    assert found.error is not None
    assert found.details["slope"] > 0


@pytest.mark.parametrize("each", [12, 60])
def test_per_class_is_the_mean_of_the_distances_of_the_classes(each: int) -> None:
    draws = [relu_features(seed, offset=0.1 * seed) for seed in range(3)]
    fakes, reals = [draw(each) for draw in draws], [draw(each + 10) for draw in draws]
    shuffled = np.random.default_rng(0).permutation(3 * each)
    labels = np.repeat(np.arange(3), each)[shuffled]
    fake = measured(np.concatenate(fakes)[shuffled], labels)
    real = measured(np.concatenate(reals), np.repeat(np.arange(3), each + 10), classes=("shirt", "shoe", "bag"))
    found = frechet.compute_per_class(Comparison(fake=fake, real=real))
    expected = [reference_distance(x, y) for x, y in zip(fakes, reals, strict=True)]
    assert list(found.details["classes"]) == ["shirt", "shoe", "bag"]
    assert list(found.details["classes"].values()) == pytest.approx(expected, rel=1e-4)
    assert found.value == pytest.approx(np.mean(expected), rel=1e-4)
    errors = [frechet.standard_error(x, Gaussian.of(x), Gaussian.of(y)) for x, y in zip(fakes, reals, strict=True)]
    assert found.error == pytest.approx(math.hypot(*errors) / 3, rel=1e-4)


def test_per_class_needs_labels_on_both_sides_and_names_classes_without_pictures() -> None:
    x, labels = relu_features(1)(40), np.repeat([0, 1], 20)
    named = measured(x, labels, classes=("shirt", "shoe"))
    with pytest.raises(NotApplicable, match="has no labels"):
        frechet.compute_per_class(Comparison(fake=measured(x), real=named))
    found = frechet.compute_per_class(Comparison(fake=measured(x[:21], labels[:21]), real=named))
    assert list(found.details["classes"]) == ["shirt"]
    assert found.note == "too few pictures of shoe"
    with pytest.raises(NotApplicable, match="no class in common"):
        frechet.compute_per_class(Comparison(fake=measured(x[:20], labels[20:]), real=measured(x[:20], labels[:20])))
