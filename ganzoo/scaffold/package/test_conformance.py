"""What ganzoo asks of everything that a plugin adds; `ganzoo plugin check` asks the same."""

from __future__ import annotations

import pytest
from ganzoo.testing import Check, checks_of


@pytest.mark.parametrize("check", checks_of("newborn"), ids=str)
def test_conformance(check: Check) -> None:
    check()
