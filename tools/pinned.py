"""What the tools that build weights share: archives pinned by version and sha256, and `SOURCES.json`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file of a package on PyPI. One whose name ends in `.whl` is a wheel, any other is a source archive."""

    package: str
    version: str
    file: str
    sha256: str

    def fetch(self, work: Path) -> Path:
        """Return the file in `work`, fetching it with pip first if it is missing. Raises SystemExit on other bytes."""
        path = work / self.file
        if not path.exists():
            kind = "--only-binary=:all:" if self.file.endswith(".whl") else "--no-binary=:all:"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, "--dest", str(work)]
            subprocess.run([*command, f"{self.package}=={self.version}"], check=True)
        if not path.exists():
            raise SystemExit(f"pip ran, but {path} is not there; look in {work} for what it wrote instead")
        found = sha256_of(path.read_bytes())
        if found != self.sha256:
            raise SystemExit(f"{path}: sha256 is {found}, expected {self.sha256}; delete the file and run again")
        return path

    def entry(self) -> dict[str, str]:
        """What `SOURCES.json` says of it."""
        return {
            "manager": "pip",
            "package": self.package,
            "version": self.version,
            "archive": self.file,
            "archive_sha256": self.sha256,
        }


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record(out: Path, name: str, entry: dict[str, Any]) -> None:
    """Put the entry of the file `name` in `out`, with its sha256 and length, into `SOURCES.json`; others stay."""
    path = out / "SOURCES.json"
    files = json.loads(path.read_text(encoding="utf-8"))["files"] if path.exists() else {}
    content = (out / name).read_bytes()
    files[name] = {"sha256": sha256_of(content), "bytes": len(content), **entry}
    path.write_text(json.dumps({"files": dict(sorted(files.items()))}, indent=2) + "\n", encoding="utf-8")
