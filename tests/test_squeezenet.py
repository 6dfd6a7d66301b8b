"""SqueezeNet: against torchvision's, against what is on the photographs, and as stages that a loss can look through."""

from __future__ import annotations

import importlib.util
import io
import json
import pickle  # noqa: TID251 - the tool under test reads one, and must refuse others
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision.models._meta import _IMAGENET_CATEGORIES as CATEGORIES

from ganzoo.cards import resolve
from ganzoo.engine.noise import derive
from ganzoo.registry import Registry
from ganzoo_data import embedded
from ganzoo_evaluation import efflite0, squeezenet
from ganzoo_evaluation.backbone import FILES, read_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.networks import choose_network

ROOT = Path(__file__).resolve().parent.parent
LPIPS_LAYERS = (1, 4, 7, 9, 10, 11, 12)
"""Of torchvision's `features`, those after which LPIPS looks."""


def noise(*shape: int) -> Tensor:
    """Uniform in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(derive(0, "noise"))) * 2 - 1


def squares() -> dict[str, Tensor]:
    """The middles of the embedded photographs, uint8 (1, 3, side, side)."""
    found = {}
    for name, content in embedded.photos():
        pixels = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
        side = min(pixels.shape[:2])
        top, left = ((n - side) // 2 for n in pixels.shape[:2])
        found[name] = torch.from_numpy(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None]
    return found


def same_weights() -> tuple[nn.Module, squeezenet.Body]:
    """torchvision's network and ours with its random weights: both have the tensors in the order of computing."""
    torch.manual_seed(0)
    theirs: nn.Module = torchvision.models.squeezenet1_1(weights=None).eval()
    ours = squeezenet.Body().eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)), strict=True)
    return theirs, ours


def layers(theirs: Any, levels: Tensor) -> list[Tensor]:
    """What LPIPS's seven layers of torchvision's network give for grey levels."""
    x = levels - torch.tensor(squeezenet.MEAN).view(1, 3, 1, 1)
    found = []
    for index, layer in enumerate(theirs.features):
        x = layer(x)
        if index in LPIPS_LAYERS:
            found.append(x.clone())  # the next layer may be a rectifier in place
    return found


@pytest.mark.parametrize("side", [64, 97, 128])
def test_squeezenet_is_the_architecture_of_torchvision(side: int) -> None:
    theirs, ours = same_weights()
    levels = (noise(2, 3, side, side + 5) + 1) * 127.5
    with torch.inference_mode():
        features, logits = ours(levels)
        assert torch.allclose(logits, theirs(levels - ours.mean), rtol=1e-4, atol=1e-4)
        expected = squeezenet.SCALE * layers(theirs, levels)[-1].mean((2, 3))
        assert torch.allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_stages_are_the_seven_layers_of_lpips_on_sides_that_are_odd() -> None:
    """Only there: even sides are continued by a pixel, as torchvision does not."""
    stages = squeezenet.stages()
    theirs = torchvision.models.squeezenet1_1(weights=None).eval()
    own = stages.body.state_dict().values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), own, strict=True)), strict=True)
    pictures = noise(2, 3, 65, 99)
    with torch.inference_mode():
        expected = layers(theirs, (pictures + 1) * 127.5)
        for mine, reference in zip(stages(pictures), expected, strict=True):
            assert (mine - reference).norm() < 1e-5 * reference.norm()


def test_squeezenet_recognises_what_is_on_the_photographs() -> None:
    network = squeezenet.load(NetworkRequest(name="squeezenet"))
    seen = {}
    for name, picture in squares().items():
        _, logits = network(picture)
        assert logits is not None
        seen[name] = CATEGORIES[int(logits.argmax())]
    assert seen["coffee"] == "espresso"
    assert seen["chelsea"] == "Egyptian cat"
    assert seen["rocket"] == "missile"


def test_the_features_are_as_large_as_those_of_efflite0() -> None:
    """On which the kernel of `kid` depends."""
    pictures = torch.from_numpy(embedded.emoji("flat", "test", 64)[0][:64])
    ours, other = (module.load(NetworkRequest(name=module.NAME))(pictures)[0] for module in (squeezenet, efflite0))
    assert 0.5 < ours.square().mean() / other.square().mean() < 2


def test_squeezenet_has_its_colours_in_the_right_order() -> None:
    """Coffee is brown: with red and blue exchanged it is less of an espresso."""
    network, picture = squeezenet.load(NetworkRequest(name="squeezenet")), squares()["coffee"]
    espresso = CATEGORIES.index("espresso")
    (_, right), (_, wrong) = network(picture), network(picture.flip(1))
    assert right is not None
    assert wrong is not None
    assert right.softmax(1)[0, espresso] > 0.9 > 0.5 > wrong.softmax(1)[0, espresso]


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 1, 33, 47), (1, 3, 128, 96)])
def test_stages_halve_the_picture_four_times_and_every_pixel_has_a_gradient(shape: tuple[int, int, int, int]) -> None:
    stages = squeezenet.stages()
    batch = noise(*shape).requires_grad_()
    seen = stages(batch)
    for activation, channels, halvings in zip(seen, stages.channels, (1, 2, 3, 4, 4, 4, 4), strict=True):
        assert activation.shape == (shape[0], channels, *(side // 2**halvings for side in shape[2:]))
        assert (activation >= 0).all()
    torch.stack([activation.square().mean() for activation in seen]).sum().backward()
    assert batch.grad is not None
    assert batch.grad.isfinite().all()
    assert (batch.grad.abs().sum(1) > 0).all()  # the last row and column too
    assert not any(parameter.requires_grad for parameter in stages.parameters())


def test_stages_refuse_small_pictures_and_other_channels() -> None:
    stages = squeezenet.stages()
    for shape in ((1, 3, 31, 64), (1, 2, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match="expected"):
            stages(torch.zeros(shape))


def test_the_cards_of_both_networks_name_their_stages(registry: Registry) -> None:
    for name, depths in (("efflite0", 5), ("squeezenet", 7)):
        card = registry.features[name]
        stages = resolve(card.stages)("cpu")
        assert len(stages(noise(1, 3, 32, 32))) == depths
        network = resolve(card.load)(NetworkRequest(name=name))
        assert (network.dimensions, card.embedded) == (card.dimensions, True)
    assert choose_network(registry, ["emoji-photos"]) == "efflite0"


def test_the_licence_has_both_notices_and_says_what_was_changed() -> None:
    record = json.loads((FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]["squeezenet.safetensors"]
    text = (FILES / record["license_file"]).read_text(encoding="utf-8")
    for part in ("Iandola", "changed for ganzoo", "BSD LICENSE", "MIT License", "Copyright (c) 2019 Primoz Godec"):
        assert part in text
    assert record["bytes"] < 2_500_000


# --- the tool that built the file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/build_squeezenet_weights.py; it finds its neighbour as a script would."""
    spec = importlib.util.spec_from_file_location("build_squeezenet", ROOT / "tools/build_squeezenet_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return module


def test_the_tool_reads_arrays_and_nothing_else_from_a_pickle(tool: ModuleType) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    # As numpy 1 wrote it, whichever is installed.
    content = pickle.dumps({"conv1": [array]}, protocol=3).replace(b"numpy._core", b"numpy.core")
    found = tool.ArraysOnly(io.BytesIO(content)).load()
    assert np.array_equal(found["conv1"][0], array)
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system has no place"):
        tool.ArraysOnly(io.BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()


def test_the_tool_turns_kernels_and_colours_round(tool: ModuleType) -> None:
    """What the file holds, laid out as in the archive and converted again, is what the file holds."""
    made, _ = read_weights(FILES / "squeezenet.safetensors")
    layers = {}
    for ours, theirs in tool.converted_names().items():
        kernel = made[f"{ours}.weight"].float()
        if ours == "stem":
            kernel = kernel[:, [2, 1, 0]]
        layers[theirs] = [np.ascontiguousarray(kernel.permute(2, 3, 1, 0).numpy()), made[f"{ours}.bias"].numpy()]
    again = tool.converted(layers)
    assert {name: tuple(tensor.shape) for name, tensor in again.items()} == {
        name: tuple(tensor.shape) for name, tensor in squeezenet.Body().state_dict().items()
    }
    assert all(torch.equal(again[name], tensor.float()) for name, tensor in made.items())
    del layers["conv10"]
    with pytest.raises(SystemExit, match="expected the layers"):
        tool.converted(layers)


def test_the_tool_refuses_an_archive_of_other_bytes(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / tool.ARCHIVE.file).write_bytes(b"something else")
    with pytest.raises(SystemExit, match="expected a87c0bd2"):
        tool.ARCHIVE.fetch(tmp_path)
