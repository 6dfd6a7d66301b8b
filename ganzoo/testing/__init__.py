"""The conformance kit: what every plugin promises, as checks that say what to change.

`ganzoo plugin check NAME` runs them; an author's own pytest does with

    @pytest.mark.parametrize("check", checks_of("NAME"), ids=str)
    def test_conformance(check: Check) -> None:
        check()
"""

from __future__ import annotations

from ganzoo.testing.check import Check, CheckFailed
from ganzoo.testing.finding import checks_of

__all__ = ["Check", "CheckFailed", "checks_of"]
