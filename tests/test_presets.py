"""Presets: every convention that one names is kept, stands in the number's protocol, and changes the number as it
should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import log_softmax

from ganzoo.cards import resolve
from ganzoo.errors import UserError
from ganzoo.registry import Registry
from ganzoo_evaluation import frechet, inception_score, kernel, neighbours
from ganzoo_evaluation.asking import How, wanted_metrics
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, Plan
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.frechet import Gaussian
from ganzoo_evaluation.inception_score import Predictions
from ganzoo_evaluation.moments import Moments
from ganzoo_evaluation.networks import card_of
from ganzoo_evaluation.presets import PRESETS, find_preset

HONOURED: dict[str, tuple[str, ...]] = {
    "k": ("precision", "recall", "density", "coverage"),
    "ddof": ("fd",),
    "split_size": ("is",),
    "kid_rng": ("kid_subsets",),
}
"""The metrics that look at each option."""


def normal(seed: int, n: int, d: int = 8, shift: float = 0.0) -> Array:
    """float32, like features."""
    found: Array = (np.random.default_rng(seed).standard_normal((n, d)) + shift).astype(np.float32)
    return found


def measured(values: Array, logits: Array | None = None, count: int | None = None) -> Measured:
    """A set that had these features (n, d) and logits (n, k); `count` pictures in all, of which these were kept."""
    plan = Plan(count=len(values), dimensions=values.shape[1], classes=0 if logits is None else logits.shape[1])
    kinds: list[type[Any]] = [Features, Moments, *([] if logits is None else [Predictions])]
    collected = {kind: kind(plan) for kind in kinds}
    for start in range(0, len(values), 64):
        rows = slice(start, start + 64)
        block = Block(
            start=start,
            pictures=torch.zeros(len(values[rows]), 1, 1, 1, dtype=torch.uint8),
            features=torch.from_numpy(values[rows]),
            logits=None if logits is None else torch.from_numpy(logits[rows]),
        )
        for collector in collected.values():
            collector.update(block)
    return Measured(name="a set", count=count or len(values), collected=collected)


def compared(fake: Array, real: Array, options: Mapping[str, Any]) -> Comparison:
    return Comparison(fake=measured(fake, logits=fake), real=measured(real), options=options)


# --- the table of presets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_every_metric_and_network_of_a_preset_exists(name: str, registry: Registry) -> None:
    preset = PRESETS[name]
    wanted = wanted_metrics(registry, None, How(preset=preset), set())
    assert [one.card.name for one in wanted] == list(preset.metrics)
    for one in wanted:
        assert one.network == preset.networks.get(one.card.name, preset.network)
        assert card_of(registry, one.network)


@pytest.mark.parametrize("name", PRESETS)
def test_every_option_of_a_preset_is_kept_and_told(name: str, registry: Registry) -> None:
    preset = PRESETS[name]
    c = compared(normal(0, 6000), normal(1, 400), preset.options)
    for option, value in preset.options.items():
        asked = [metric for metric in HONOURED[option] if metric in preset.metrics]
        assert asked, f"{option}: no metric of {name} looks at it"
        for metric in asked:
            found = resolve(registry.metrics[metric].compute)(c)
            assert found.protocol["rng" if option == "kid_rng" else option] == value


def test_a_misspelt_preset_is_answered_with_the_right_one() -> None:
    assert find_preset("clean-fid").resize == "clean"
    with pytest.raises(UserError, match="did you mean 'torch-fidelity'"):
        find_preset("torch-fidelty")


# --- k ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 7])
def test_k_is_for_all_four_of_precision_recall_density_and_coverage(k: int) -> None:
    x, y = normal(0, 300, shift=0.5), normal(1, 200)
    across, radii_x, radii_y = cdist(x, y), np.sort(cdist(x, x), 1)[:, [k]], np.sort(cdist(y, y), 1)[:, k]
    c = compared(x, y, {"k": k})
    for compute, expected in (
        (neighbours.compute_precision, (across <= radii_y).any(1).mean()),
        (neighbours.compute_recall, (across <= radii_x).any(0).mean()),
        (neighbours.compute_density, (across <= radii_y).sum() / k / len(x)),
        (neighbours.compute_coverage, (across <= radii_y).any(0).mean()),
    ):
        found = compute(c)
        assert found.value == pytest.approx(expected)
        assert found.protocol["k"] == k


def test_a_reference_that_served_one_k_serves_another() -> None:
    fake, real = measured(normal(0, 100, shift=0.5)), measured(normal(1, 100))
    by_k = [neighbours.compute_precision(Comparison(fake=fake, real=real, options={"k": k})).value for k in (1, 9, 1)]
    assert by_k[0] < by_k[1]
    assert by_k[0] == by_k[2]


def test_a_k_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        neighbours.compute_recall(compared(normal(0, 20), normal(1, 20), {"k": 0}))


# --- ddof -------------------------------------------------------------------------------------------------------------


def by_definition(x: Array, y: Array, ddof: int) -> float:
    """The distance from the eigenvalues of the product of the covariances."""
    a, b = (np.cov(rows.astype(np.float64).T, ddof=ddof) for rows in (x, y))
    overlap = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    means = (x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)) ** 2
    return float(means.sum() + np.trace(a) + np.trace(b) - 2 * overlap)


@pytest.mark.parametrize("ddof", [0, 1])
def test_ddof_is_what_both_covariances_are_divided_by(ddof: int) -> None:
    x, y = normal(0, 60) * np.float32(1.5), normal(1, 40)
    found = frechet.compute(compared(x, y, {"ddof": ddof}))
    assert found.value == pytest.approx(by_definition(x, y, ddof), rel=1e-6)
    assert found.protocol == {"ddof": ddof}
    assert by_definition(x, y, 0) != pytest.approx(by_definition(x, y, 1), rel=1e-3)


def test_ddof_of_another_divisor_does_not_change_what_the_next_row_is_compared_with() -> None:
    fake, real = measured(normal(0, 60)), measured(normal(1, 40))
    before = frechet.compute(Comparison(fake=fake, real=real)).value
    frechet.compute(Comparison(fake=fake, real=real, options={"ddof": 0}))
    assert frechet.compute(Comparison(fake=fake, real=real)).value == before


def test_a_root_that_was_computed_is_scaled_with_the_covariance() -> None:
    whole = Gaussian.of(normal(0, 60))
    assert whole.root.shape == (8, 8)
    other = whole.with_ddof(0)
    assert "root" in other.__dict__
    np.testing.assert_allclose(other.root @ other.root.T, other.covariance, atol=1e-12)


def test_a_file_of_statistics_is_taken_as_it_is_whatever_the_ddof() -> None:
    x = normal(0, 60)
    statistics = Gaussian.of(normal(1, 40))
    real = Measured(name="a file", count=40, collected={Gaussian: statistics})
    found = frechet.compute(Comparison(fake=measured(x), real=real, options={"ddof": 0}))
    assert found.value == pytest.approx(frechet.distance(Gaussian.of(x).with_ddof(0), statistics).value, rel=1e-9)


# --- the parts of the inception score ---------------------------------------------------------------------------------


def scores_in_order(logits: Array, size: int) -> list[float]:
    """exp of the mean divergence from the mean prediction, of every `size` pictures in the order of the set."""
    scores = []
    for start in range(0, len(logits), size):
        log = log_softmax(logits[start : start + size].astype(np.float64), axis=1)
        p = np.exp(log)
        scores.append(float(np.exp((p * (log - np.log(p.mean(0)))).sum(1).mean())))
    return scores


@pytest.mark.parametrize(("count", "size"), [(2500, 1000), (4000, 2000), (900, 5000)])
def test_split_size_cuts_the_set_in_order_and_keeps_a_smaller_last_part(count: int, size: int) -> None:
    logits = np.sort(normal(0, count, 12), axis=0) * np.float32(2)  # sorted, so that the order matters
    c = Comparison(fake=measured(logits, logits), real=measured(logits), options={"split_size": size})
    expected = scores_in_order(logits, size)
    found = inception_score.compute(c)
    assert found.value == pytest.approx(np.mean(expected), rel=1e-9)
    assert found.details["deviation"] == pytest.approx(np.std(expected), rel=1e-6)
    spread = np.std(expected) / np.sqrt(len(expected))
    assert found.error == (pytest.approx(spread, rel=1e-6) if len(expected) > 1 else None)
    assert found.protocol["split_size"] == size


def test_parts_in_order_survive_being_shared_out_and_written() -> None:
    logits = normal(0, 2600, 7) * np.float32(3)
    pictures = torch.zeros(len(logits), 1, 1, 1, dtype=torch.uint8)
    plan = Plan(count=len(logits), classes=7)
    left, right = Predictions(plan), Predictions(plan)
    for number, start in enumerate(range(0, len(logits), 64)):
        rows = slice(start, start + 64)
        block = Block(start=start, pictures=pictures[rows], logits=torch.from_numpy(logits[rows]))
        (left if number % 3 else right).update(block)
    left.merge(Predictions.from_arrays(right.arrays()))
    np.testing.assert_allclose(left.scores_in_order(2000), scores_in_order(logits, 2000), rtol=1e-9)


def test_a_split_size_that_the_set_was_not_read_by_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 1000"):
        inception_score.compute(compared(normal(0, 50), normal(1, 50), {"split_size": 1500}))


# --- the subsets of the kernel distance -------------------------------------------------------------------------------


def test_the_subsets_of_torch_fidelity_are_drawn_by_its_rule() -> None:
    """numpy's old generator, seeded with 2020: a subset of the fakes, one of the reals, and so on."""
    x, y = normal(0, 1300), normal(1, 1100, shift=0.1)
    generator = np.random.RandomState(2020)
    values = []
    for _ in range(100):
        a, b = x[generator.choice(1300, 1000, replace=False)], y[generator.choice(1100, 1000, replace=False)]
        values.append(kernel.mmd2_unbiased(a, b).value)
    found = kernel.compute_subsets(compared(x, y, {"kid_rng": "torch-fidelity"}))
    assert found.value == pytest.approx(np.mean(values), rel=1e-9)
    assert found.details["spread"] == pytest.approx(np.std(values), rel=1e-9)
    assert found.protocol == {"subsets": 100, "size": 1000, "rng": "torch-fidelity"}
    other = compared(x, y, {"kid_rng": "torch-fidelity"})
    other.seed = 7
    assert kernel.compute_subsets(other).value == found.value


def test_an_unknown_rule_of_subsets_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'torch-fidelity'"):
        kernel.compute_subsets(compared(normal(0, 20), normal(1, 20), {"kid_rng": "another"}))


def test_subsets_of_a_sample_of_the_features_are_remarked_on() -> None:
    x, y = normal(0, 60), normal(1, 60)
    c = compared(x, y, {})
    assert kernel.compute_subsets(c).note == ""
    kept = c.fake[Features].arrays()
    kept["total"] = np.array(50_000)
    c.fake.collected[Features] = Features.from_arrays(kept)
    assert kernel.compute_subsets(c).note == "subsets of 60 of the 50,000 pictures of a set"
