"""Is one model better than another, or is it the luck of the sample?"""

from __future__ import annotations

import math

from ganzoo.cards import Metric
from ganzoo_evaluation.base import Measured
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.frechet import gaussian_of, paired_standard_error
from ganzoo_evaluation.passport import Estimate
from ganzoo_evaluation.results import Row, Verdict
from ganzoo_evaluation.tally import mean_of

LEVEL = 0.01
"""The p-value below which a difference is called one."""


def verdict(
    first: Row, second: Row, card: Metric, network: str, real: Measured, noun: str = "pictures"
) -> Verdict | None:
    """The two rows by one metric; None where they cannot be compared: no value, no error, unlike passports, or a metric
    without direction. `noun` is what they are sets of.

    Means over pictures that both were given are compared picture by picture: what makes a picture hard for both cancels
    in the difference. The Frechet distances of two models against one reference share the reference's chance, which
    cancels too; other metrics are taken as independent.
    """
    a, b = first.estimates.get(card.name), second.estimates.get(card.name)
    if a is None or b is None or a.value is None or b.value is None or not card.better:
        return None
    if a.passport.key != b.passport.key:
        return None
    error = _of_differences(a, b)
    if error is None:
        error = _paired(first, second, card, network, real)
    if error is None:
        if a.error is None or b.error is None:
            return None
        error = math.hypot(a.error, b.error)
    difference = a.value - b.value
    if not math.isfinite(difference) or not error > 0:
        return None
    z = abs(difference) / error
    p = math.erfc(z / math.sqrt(2))
    winner = ""
    if p < LEVEL:
        winner = first.name if (difference < 0) == (card.better == "lower") else second.name
        text = f"{winner} is better ({p_text(p)})"
    else:
        text = f"not to be told apart ({p_text(p)})"
        if z > 0.3 and a.passport.count:
            # The error falls with the square root of the count; 2.6 of them make p = 0.01.
            wanted = math.ceil(a.passport.count * (2.6 / z) ** 2 / 1000) * 1000
            text += f"; about {wanted:,} {noun} each would tell, if the difference stays"
    return Verdict(
        metric=card.name,
        name=a.name,
        first=first.name,
        second=second.name,
        difference=difference,
        error=error,
        p=p,
        winner=winner,
        text=text,
    )


def p_text(p: float) -> str:
    """`p = 0.03`, `p < 0.0001`."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _of_differences(a: Estimate, b: Estimate) -> float | None:
    """Standard error of the mean difference of two estimates over the same pictures; None where they are no such."""
    if a.each is None or b.each is None or len(a.each) != len(b.each) or len(a.each) < 2:
        return None
    return mean_of(a.each - b.each)[1]


def _paired(first: Row, second: Row, card: Metric, network: str, real: Measured) -> float | None:
    if card.name != "fd":
        return None
    one, other = first.measured.get(network), second.measured.get(network)
    if one is None or other is None or Features not in one.collected or Features not in other.collected:
        return None
    return paired_standard_error(
        one[Features].values, gaussian_of(one), other[Features].values, gaussian_of(other), gaussian_of(real)
    )
