"""Numbers as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def with_error(value: float, error: float | None) -> str:
    """The value to the digit that its error allows (two digits of the error), or to four digits where there is no error
    to speak of."""
    if not math.isfinite(value):
        return str(value)
    if error is None or not 1e-5 * abs(value) < error < math.inf:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    digits = max(0, min(6, 1 - math.floor(math.log10(error))))
    if round(error, digits) == 0:
        return f"{value:.4g}"
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
