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
import io
import zipfile
from pathlib import Path

import torch
from pinned import Archive, record
from safetensors.torch import save_file
from torch import Tensor

from ganzoo_evaluation.backbone import FILES

ARCHIVE = Archive(
    package="lpips",
    version="0.1.4",
    file="lpips-0.1.4-py3-none-any.whl",
    sha256="fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
)
LICENCE = "lpips-0.1.4.dist-info/LICENSE"
NETWORKS = ("alex", "vgg")
NAME = "lpips-heads.safetensors"
LICENCE_NAME = "LICENSE-lpips.txt"


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

    heads, licence = read(ARCHIVE.fetch(work))
    save_file(heads, out / NAME, metadata={"made from": f"{ARCHIVE.package} {ARCHIVE.version}"})
    (out / NAME).chmod(0o644)
    (out / LICENCE_NAME).write_text(licence.strip() + "\n", encoding="utf-8")
    licences = {"license": "BSD-2-Clause", "license_file": LICENCE_NAME}
    record(out, NAME, {**licences, "made_from": [ARCHIVE.entry()]})
    print(f"{(out / NAME).stat().st_size:,} bytes in {out / NAME}")


if __name__ == "__main__":
    main()
