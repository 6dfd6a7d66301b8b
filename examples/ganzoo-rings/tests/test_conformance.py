"""What every data set promises, by ganzoo's own checks."""

from __future__ import annotations

import pytest

from ganzoo.testing import Check, checks_of


@pytest.mark.parametrize("check", checks_of("rings"), ids=str)
def test_conformance(check: Check) -> None:
    check()
