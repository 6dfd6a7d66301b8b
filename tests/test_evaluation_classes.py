"""The judge of classes against a slow reference, and what it says of pictures that lack or mistake a class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ganzoo.engine.noise import derive
from ganzoo_evaluation import classes
from ganzoo_evaluation.base import Block, Comparison, Measured, NotApplicable, Plan
from ganzoo_evaluation.classes import Judge, fit, judge_of
from ganzoo_evaluation.features import Features

NAMES = ("shirt", "shoe", "bag", "coat")
Array = NDArray[Any]


def clouds(count: int, dimensions: int = 6, apart: float = 2.5, stream: str = "a", k: int = 4) -> tuple[Array, Array]:
    """Gaussian clouds with one covariance, `apart` standard deviations from each other: features and labels."""
    draw = np.random.default_rng(derive(0, "clouds", stream))
    labels = np.arange(count) % k
    return draw.standard_normal((count, dimensions)) + apart * np.eye(k, dimensions)[labels] / math.sqrt(2), labels


def measured(features: Array, labels: Array | None, name: str = "set", names: tuple[str, ...] = NAMES) -> Measured:
    collector = Features(Plan(count=len(features), dimensions=features.shape[1]))
    collector.update(
        Block(
            start=0,
            pictures=torch.zeros(len(features), 1, 1, 1, dtype=torch.uint8),
            label=None if labels is None else torch.from_numpy(labels),
            features=torch.from_numpy(features.astype(np.float32)),
        )
    )
    return Measured(name=name, count=len(features), collected={Features: collector}, classes=names)


def slow_judge(features: Array, labels: Array, shrinkage: float, x: Array) -> Array:
    """The class of each row of x: the nearest mean in the Mahalanobis distance of the shrunk pooled covariance."""
    known = np.unique(labels)
    means = [features[labels == label].mean(0) for label in known]
    pooled = np.zeros((features.shape[1], features.shape[1]))
    for label, mean in zip(known, means, strict=True):
        for row in features[labels == label]:
            pooled += np.outer(row - mean, row - mean)
    pooled /= len(features) - len(known)
    d = len(pooled)
    inverse = np.linalg.inv((1 - shrinkage) * pooled + shrinkage * np.trace(pooled) / d * np.eye(d))
    distances = [[(row - mean) @ inverse @ (row - mean) for mean in means] for row in x]
    return known[np.argmin(distances, axis=1)]


def test_the_judge_is_the_nearest_mean_of_a_slow_reference() -> None:
    draw = np.random.default_rng(derive(0, "mixing"))
    features, labels = clouds(120)
    features = features @ draw.standard_normal((6, 6))
    labels = labels * 3 + 1  # labels need not be 0, 1, 2
    judge = fit(features, labels)
    x = clouds(200, stream="b")[0] @ draw.standard_normal((6, 6))
    assert judge(x).tolist() == slow_judge(features, labels, judge.shrinkage, x).tolist()


def test_the_judge_reaches_the_bayes_rate_of_two_gaussians() -> None:
    features, labels = clouds(4000, apart=2.0, k=2)
    x, truth = clouds(20000, apart=2.0, k=2, stream="b")
    best = 0.5 * (1 + math.erf(1.0 / math.sqrt(2)))  # the border lies one standard deviation from either mean
    assert float(np.mean(fit(features, labels)(x) == truth)) == pytest.approx(best, abs=0.01)


def test_shrinkage_is_small_with_many_pictures_and_lets_the_judge_live_with_few() -> None:
    draw = np.random.default_rng(derive(0, "scales"))
    scales = draw.uniform(0.2, 3, 40)
    many, few = clouds(4000, dimensions=40), clouds(24, dimensions=40)
    wide = fit(many[0] * scales, many[1])
    narrow = fit(few[0] * scales, few[1])
    assert wide.shrinkage < 0.03 < narrow.shrinkage
    x, truth = clouds(500, dimensions=40, apart=5, stream="b")
    features, labels = clouds(24, dimensions=40, apart=5)
    assert float(np.mean(fit(features, labels)(x) == truth)) > 0.8


def test_oas_comes_near_the_best_shrinkage_there_is() -> None:
    """For a known covariance the best share is known: the one with the least squared error."""
    draw = np.random.default_rng(derive(0, "oas"))
    deviations = np.linspace(0.5, 2, 20)
    true = np.diag(deviations**2)
    excess = []
    for _ in range(30):
        x = draw.standard_normal((30, 20)) * deviations
        x -= x.mean(0)
        sample = x.T @ x / 29
        target = np.trace(sample) / 20 * np.eye(20)

        def error(share: float, sample: Array = sample, target: Array = target) -> float:
            return float(np.sum(((1 - share) * sample + share * target - true) ** 2))

        best = min(error(share) for share in np.linspace(0, 1, 101))
        excess.append(error(classes._oas(sample, 29)) / best)
    assert np.mean(excess) < 1.1


def test_features_that_never_move_do_no_harm() -> None:
    features, labels = clouds(200, apart=6)
    features[:, 5] = 3.0
    assert float(np.mean(fit(features, labels)(features) == labels)) > 0.98


def test_accuracy_is_the_share_that_shows_what_was_asked_for() -> None:
    real = measured(*clouds(800, apart=8), name="real")
    features, labels = clouds(400, apart=8, stream="fake")
    asked = labels.copy()
    asked[(labels == 2) & (np.arange(400) % 8 < 4)] = 1  # half of the bags were to be shoes
    found = classes.compute_accuracy(Comparison(fake=measured(features, asked), real=real))
    assert found.value == pytest.approx(0.875, abs=0.005)
    assert found.error == pytest.approx(math.sqrt(0.875 * 0.125 / 400), rel=0.05)
    assert found.details["worst"] == "shoe"
    assert found.details["each"]["shoe"] == pytest.approx(100 / 150, abs=0.02)
    assert found.details["reference"] > 0.99
    assert found.protocol["fitted"] == "real"


def test_what_the_judge_says_of_itself_is_what_new_pictures_reach() -> None:
    real = measured(*clouds(1000, apart=2))
    new = classes.compute_accuracy(Comparison(fake=measured(*clouds(4000, apart=2, stream="new")), real=real))
    assert new.details["reference"] == pytest.approx(new.value, abs=0.04)


def test_all_right_is_not_without_error() -> None:
    real = measured(*clouds(400, apart=40))
    found = classes.compute_accuracy(Comparison(fake=measured(*clouds(50, apart=40, stream="b")), real=real))
    assert found.value == 1
    assert found.error is not None
    assert 0 < found.error < 0.05


def test_coverage_counts_the_classes_that_are_there() -> None:
    real = measured(*clouds(800, apart=8), name="real")
    features, labels = clouds(800, apart=8, stream="fake")
    whole = classes.compute_coverage(Comparison(fake=measured(features, None), real=real))
    assert whole.value == 1
    assert whole.details["total_variation"] < 0.02
    assert whole.details["kl"] == pytest.approx(0, abs=0.01)
    without = classes.compute_coverage(Comparison(fake=measured(features[labels < 2], None), real=real))
    assert without.value == 0.5
    assert without.details["missing"] == ["bag", "coat"]
    assert without.details["total_variation"] == pytest.approx(0.5, abs=0.01)
    assert without.details["kl"] == pytest.approx(math.log(2), abs=0.02)
    # One bag in 100 pictures is too few to count as bags, ten are not.
    kept = (
        (labels < 2)
        | ((labels == 2) & (np.cumsum(labels == 2) <= 4))
        | ((labels == 3) & (np.cumsum(labels == 3) <= 40))
    )
    rare = classes.compute_coverage(Comparison(fake=measured(features[kept], None), real=real))
    assert rare.details["missing"] == ["bag"]


def test_coverage_near_its_threshold_is_uncertain_and_far_from_it_is_not() -> None:
    real = measured(*clouds(800, apart=12), name="real")
    features, labels = clouds(800, apart=12, stream="fake")
    sure = classes.compute_coverage(Comparison(fake=measured(features, None), real=real))
    kept = (labels < 3) | (np.cumsum(labels == 3) <= 15)  # 2.5 % of 615: the threshold
    unsure = classes.compute_coverage(Comparison(fake=measured(features[kept], None), real=real))
    assert sure.error == pytest.approx(0, abs=1e-6)
    assert unsure.error == pytest.approx(0.5 / 4, rel=0.1)


def test_the_judge_is_fitted_once_for_a_reference() -> None:
    real = measured(*clouds(400))
    fake = measured(*clouds(100, stream="b"))
    classes.compute_accuracy(Comparison(fake=fake, real=real))
    kept = real.collected[Judge]
    classes.compute_coverage(Comparison(fake=fake, real=real))
    assert judge_of(real) is kept


def test_the_training_set_judges_where_the_reference_has_no_labels() -> None:
    features, labels = clouds(400, apart=8)
    fake = measured(*clouds(100, apart=8, stream="b"))
    c = Comparison(fake=fake, real=measured(features, None, "real"), train=measured(features, labels, "train"))
    assert classes.compute_accuracy(c).protocol["fitted"] == "train"


def test_it_says_why_there_is_nothing_to_say() -> None:
    features, labels = clouds(40)
    labelled, bare = measured(features, labels, "real"), measured(features, None, "folder")
    with pytest.raises(NotApplicable, match="no class was asked for"):
        classes.compute_accuracy(Comparison(fake=bare, real=labelled))
    with pytest.raises(NotApplicable, match="folder has no labels"):
        classes.compute_coverage(Comparison(fake=labelled, real=bare))
    with pytest.raises(NotApplicable, match="not those of real"):
        classes.compute_accuracy(Comparison(fake=measured(features, labels, names=("a", "b", "c", "d")), real=labelled))
    with pytest.raises(NotApplicable, match="two classes"):
        classes.compute_accuracy(Comparison(fake=labelled, real=measured(features, np.zeros_like(labels), "one class")))
    with pytest.raises(NotApplicable, match="was not measured"):
        classes.compute_accuracy(Comparison(fake=labelled, real=Measured(name="real", count=1, collected={})))
