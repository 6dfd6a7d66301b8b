"""A package of the tests as pip would leave it, for this process and for those that it starts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def place(package: Path, site: Path, distribution: str, entry: str, version: str = "1.0") -> None:
    """Copy the package into `site` and tell of its entry point."""
    information = site / f"{package.name}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (information / "entry_points.txt").write_text(f"[ganzoo]\n{entry} = {package.name}\n")
    shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))


def command(site: str, *words: str) -> int:
    """`ganzoo WORDS` with what is in `site`; for a forked process."""
    from ganzoo.cli import main
    from ganzoo.registry import get_registry

    sys.path.insert(0, site)
    get_registry.cache_clear()
    sys.argv = ["ganzoo", *words]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
