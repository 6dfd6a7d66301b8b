# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.11", "safetensors>=0.4.3", "numpy>=1.26"]
# ///
"""Build the linear heads of LPIPS v0.1 that ship inside the package (developers only; needs ganzoo installed).

    python tools/build_lpips_heads.py --work build/weights

They come from the PyPI package of the authors (Zhang et al., 2018), pinned by version and sha256: one weight for each
channel of five layers of AlexNet and of VGG16. The networks themselves are not in it. The same archive gives the same
bytes; `SOURCES.json` records what was made from what.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo_evaluation.backbone import FILES

PACKAGE = "lpips"
VERSION = "0.1.4"
ARCHIVE = "lpips-0.1.4-py3-none-any.whl"
SHA256 = "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e"
LICENCE = "lpips-0.1.4.dist-info/LICENSE"
NETWORKS = ("alex", "vgg")
NAME = "lpips-heads.safetensors"
LICENCE_NAME = "LICENSE-lpips.txt"


def fetch(work: Path) -> Path:
    """Return the archive in `work`, fetching it first if it is missing. Raises SystemExit on other bytes."""
    path = work / ARCHIVE
    if not path.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(work)]
        subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
    if not path.exists():
        raise SystemExit(f"pip ran, but {path} is not there; look in {work} for what it wrote instead")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path}: sha256 is {found}, expected {SHA256}; delete the file and run again")
    return path


def read(archive: Path) -> tuple[dict[str, Tensor], str]:
    """The heads as `NETWORK.LAYER` (channels,), and the text of the licence."""
    heads: dict[str, Tensor] = {}
    with zipfile.ZipFile(archive) as members:
        for network in NETWORKS:
            content = io.BytesIO(members.read(f"lpips/weights/v0.1/{network}.pth"))
            tensors = torch.load(content, map_location="cpu", weights_only=True)
            for layer in range(5):
                heads[f"{network}.{layer}"] = tensors[f"lin{layer}.model.1.weight"].flatten().contiguous()
        licence = members.read(LICENCE).decode()
    return heads, licence


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the heads of LPIPS that ship inside the package.")
    parser.add_argument("--work", type=Path, required=True, help="folder for the downloaded archive")
    parser.add_argument("--out", type=Path, default=FILES, help="where the built files go")
    arguments = parser.parse_args()
    work, out = arguments.work.resolve(), arguments.out.resolve()
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)

    heads, licence = read(fetch(work))
    save_file(heads, out / NAME, metadata={"made from": f"{PACKAGE} {VERSION}"})
    (out / NAME).chmod(0o644)
    (out / LICENCE_NAME).write_text(licence.strip() + "\n", encoding="utf-8")
    path, content = out / "SOURCES.json", (out / NAME).read_bytes()
    files = json.loads(path.read_text(encoding="utf-8"))["files"] if path.exists() else {}
    package = {"manager": "pip", "package": PACKAGE, "version": VERSION, "archive": ARCHIVE, "archive_sha256": SHA256}
    files[NAME] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "license": "BSD-2-Clause",
        "license_file": LICENCE_NAME,
        "made_from": [package],
    }
    path.write_text(json.dumps({"files": dict(sorted(files.items()))}, indent=2) + "\n", encoding="utf-8")
    print(f"{len(content):,} bytes in {out / NAME}")


if __name__ == "__main__":
    main()
