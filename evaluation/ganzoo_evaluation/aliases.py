"""Names that mean a metric through one particular network."""

from __future__ import annotations

INCEPTION = "inception-2015"
"""The network whose names stand alone: `fid`, not `fd[...]`."""
ALIASES = {"fid": ("fd", INCEPTION), "fid_inf": ("fd_inf", INCEPTION), "fid_classes": ("fd_classes", INCEPTION)}
