"""Feature networks: they see what the papers' networks see, always the same, and say what their numbers depend on."""

from __future__ import annotations

import hashlib
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ganzoo.engine.noise import derive
from ganzoo.errors import UserError
from ganzoo_data import embedded
from ganzoo_evaluation import backbone, efflite0, fashionnet, inception, resize, squeezenet, timm_networks, vgg
from ganzoo_evaluation.backbone import FILES, Backbone, Published, published_weights, read_weights
from ganzoo_evaluation.base import Array, NetworkRequest
from ganzoo_evaluation.folding import fold, fold_pairs, folded

EMBEDDED = {"efflite0": efflite0.load, "fashionnet": fashionnet.load, "squeezenet": squeezenet.load}
SOURCES = json.loads((FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]


def generator(*keys: str | int) -> torch.Generator:
    return torch.Generator().manual_seed(derive(0, *keys))


def pictures(*shape: int) -> Tensor:
    """Random uint8 pictures."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator("pictures", *shape))


def randomised(module: nn.Module) -> nn.Module:
    """`module` in evaluation mode, its batch norms with statistics that do something."""
    source = generator("norms")
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values, low, high in ((part.weight, 0.5, 1.5), (part.bias, -0.2, 0.2)):
                values.data.uniform_(low, high, generator=source)
            assert part.running_mean is not None  # for the type checker; ours all have them
            assert part.running_var is not None
            part.running_mean.uniform_(-0.2, 0.2, generator=source)
            part.running_var.uniform_(0.5, 1.5, generator=source)
    return module.eval()


def photos(side: int) -> dict[str, Tensor]:
    """The middles of the embedded photographs, uint8 (3, side, side)."""
    found = {}
    for name, content in embedded.photos():
        image = Image.open(io.BytesIO(content)).convert("RGB")
        left, top = (image.width - min(image.size)) // 2, (image.height - min(image.size)) // 2
        box = (left, top, left + min(image.size), top + min(image.size))
        found[name] = torch.from_numpy(np.array(image.resize((side, side), box=box))).permute(2, 0, 1)
    return found


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    """A file with random weights under the names of the published port, and what is in it."""
    torch.manual_seed(derive(0, "inception"))
    network = randomised(torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False))
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path, network.state_dict()


@pytest.fixture(scope="module")
def inception_network(inception_file: tuple[Path, dict[str, Tensor]]) -> Backbone:
    return inception.load(NetworkRequest(name="inception-2015", weights=inception_file[0]))


# ------------------------------------------------------------------------------------------------- what ships inside


def test_every_file_is_the_one_that_was_recorded() -> None:
    for name, record in SOURCES.items():
        content = (FILES / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"], name
        assert len(content) == record["bytes"], name
        assert record["license"], name
        assert record["made_from"], name


def test_no_file_is_unrecorded_and_no_licence_is_idle() -> None:
    texts = {record["license_file"] for record in SOURCES.values()}
    assert {path.name for path in FILES.iterdir()} == set(SOURCES) | texts | {"SOURCES.json"}
    assert all((FILES / text).stat().st_size > 500 for text in texts)


def test_the_licence_of_efflite0_is_whole_and_says_what_was_changed() -> None:
    text = (FILES / SOURCES["efflite0.safetensors"]["license_file"]).read_text(encoding="utf-8")
    for part in ("Copyright (c) 2020, ML Illustrated", "changed for ganzoo", "END OF TERMS AND CONDITIONS"):
        assert part in text


def test_the_files_stay_small() -> None:
    assert SOURCES["efflite0.safetensors"]["bytes"] < 7_000_000
    assert SOURCES["fashionnet.safetensors"]["bytes"] < 500_000


def test_no_network_module_imports_torchvision_or_timm() -> None:
    names = "backbone, efflite0, fashionnet, folding, inception, resize, squeezenet, timm_networks, vgg"
    code = f"import sys; from ganzoo_evaluation import {names}; print({{'torchvision', 'timm'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


# ------------------------------------------------------------------------------------------------------------ resizes


def slow_bilinear(image: Array, size: int, *, half_pixel: bool) -> Array:
    """Pixel by pixel in float32, (H, W) to (size, size)."""
    height, width = image.shape
    scales = np.float32(height) / np.float32(size), np.float32(width) / np.float32(size)
    made = np.zeros((size, size), np.float32)
    for i in range(size):
        for j in range(size):
            places = [np.float32(k) * scale for k, scale in zip((i, j), scales, strict=True)]
            if half_pixel:
                places = [max(np.float32(0), (k + 0.5) * s - 0.5) for k, s in zip((i, j), scales, strict=True)]
            y, x = (math.floor(place) for place in places)
            below, right = min(y + 1, height - 1), min(x + 1, width - 1)
            dy, dx = places[0] - y, places[1] - x
            top = image[y, x] + (image[y, right] - image[y, x]) * dx
            bottom = image[below, x] + (image[below, right] - image[below, x]) * dx
            made[i, j] = top + (bottom - top) * dy
    return made


@pytest.mark.parametrize(("shape", "size"), [((16, 16), 29), ((28, 32), 61), ((40, 25), 13), ((270, 33), 31)])
@pytest.mark.parametrize("name", ["legacy-tf", "legacy-pytorch"])
def test_the_bilinear_resizes_agree_with_a_pixel_by_pixel_reference(
    name: str, shape: tuple[int, int], size: int
) -> None:
    batch = pictures(2, 3, *shape)
    made = resize.RESIZERS[name](batch, size)
    for picture, result in zip(batch, made, strict=True):
        for channel, values in zip(picture.float().numpy(), result.numpy(), strict=True):
            expected = slow_bilinear(channel, size, half_pixel=name == "legacy-pytorch")
            assert np.abs(values - expected).max() < 1e-3


def test_both_ways_of_the_tensorflow_resize_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pictures(2, 3, 64, 48)
    dense = resize.legacy_tf(batch, 299)
    monkeypatch.setattr(resize, "DENSE", 8)
    assert (resize.legacy_tf(batch, 299) - dense).abs().max() < 1e-4


@pytest.mark.parametrize("side", [16, 32, 64, 299, 512])
def test_clean_is_what_pillow_does_to_each_channel(side: int) -> None:
    for picture in photos(side).values():
        made = resize.clean(picture[None, :, :, 1:], 299)[0]
        for channel, values in zip(picture[:, :, 1:].float().numpy(), made.numpy(), strict=True):
            expected = np.asarray(Image.fromarray(channel, "F").resize((299, 299), Image.Resampling.BICUBIC))
            assert np.abs(values - expected.clip(0, 255)).max() <= 0.003


@pytest.mark.parametrize("name", resize.RESIZERS)
def test_a_resize_keeps_flat_pictures_and_those_that_fit_and_repeats_grey(name: str) -> None:
    how = resize.RESIZERS[name]
    assert torch.allclose(how(torch.full((1, 3, 20, 30), 77, dtype=torch.uint8), 41), torch.tensor(77.0), atol=1e-4)
    same = pictures(2, 3, 29, 29)
    assert torch.equal(how(same, 29), same.float())
    grey = how(pictures(2, 1, 20, 20), 29)
    assert grey.shape == (2, 3, 29, 29)
    assert torch.equal(grey[:, 0], grey[:, 2])


# ------------------------------------------------------------------------------------------------------------ folding


@pytest.mark.parametrize("bias", [True, False])
def test_a_folded_batch_norm_changes_nothing(bias: bool) -> None:
    torch.manual_seed(0)
    pair = nn.Sequential(nn.Conv2d(3, 8, 3, bias=bias), nn.BatchNorm2d(8, eps=1e-3), nn.ReLU())
    randomised(pair)
    x = torch.randn(2, 3, 9, 9, generator=generator("x"))
    with torch.inference_mode():
        before = pair(x)
        after = fold_pairs(pair)(x)
    assert isinstance(pair[1], nn.Identity)
    assert relative(after, before) < 1e-6


def test_a_batch_norm_without_statistics_cannot_be_folded() -> None:
    with pytest.raises(ValueError, match="running statistics"):
        fold(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, track_running_stats=False))


# ---------------------------------------------------------------------------------------------------- every network


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (3, 20, 200)])
def test_an_embedded_network_gives_a_picture_the_same_in_any_company(name: str, shape: tuple[int, int, int]) -> None:
    network = EMBEDDED[name](NetworkRequest(name=name))
    batch = pictures(37, *shape)
    features, logits = network(batch)
    assert features.shape == (37, network.dimensions)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert (logits is None) == (network.classes == 0)
    assert logits is None or logits.shape == (37, network.classes)
    again = EMBEDDED[name](NetworkRequest(name=name))
    apart = torch.cat([again(part)[0] for part in batch.split([1, 20, 13, 3])])
    assert (apart - features).abs().max() <= 1e-6
    assert network(batch[:0])[0].shape == (0, network.dimensions)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_network_says_what_its_numbers_depend_on(name: str) -> None:
    plain, low = (EMBEDDED[name](NetworkRequest(name=name, precision=precision)) for precision in ("fp32", "bf16"))
    assert plain.name == name
    assert set(plain.identity) == {"sha256", "resize", "input", "precision"}
    assert plain.identity["sha256"] == SOURCES[f"{name}.safetensors"]["sha256"]
    assert plain.identity != low.identity
    batch = pictures(4, 3, 40, 40)
    assert 0 < relative(low(batch)[0], plain(batch)[0]) < 0.1


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_network_refuses_what_would_make_it_another(name: str, tmp_path: Path) -> None:
    for request, words in (
        (NetworkRequest(name=name, weights=tmp_path / "other.pth"), "leave out --weights"),
        (NetworkRequest(name=name, resize="legacy-tf"), f"{name} has no resize 'legacy-tf'"),
        (NetworkRequest(name=name, precision="fp8"), "fp32 or bf16"),
    ):
        with pytest.raises(UserError, match=words):
            EMBEDDED[name](request)


def test_only_plain_tensors_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    for content in ({"weight": Path}, [1, 2], {"weight": "text"}):
        torch.save(content, path)
        with pytest.raises(UserError, match=r"weights\.pth: "):
            read_weights(path)
    path.write_bytes(b"no weights at all")
    with pytest.raises(UserError, match="not a state dict"):
        read_weights(path)
    with pytest.raises(UserError, match="No such file"):
        read_weights(tmp_path / "missing.safetensors")


def test_published_weights_have_their_name_only_where_the_file_is_the_published_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "net.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    right = Published(name="net", urls=("https://x.invalid/f",), file="f.pth", sha256=sha256[:8], variable="ITS_FILE")
    other = Published(name="net", urls=right.urls, file="f.pth", sha256="00000000", variable="ITS_FILE")
    given = NetworkRequest(name="net", weights=path)
    assert (published_weights(right, given).name, published_weights(right, given).verified) == ("net", True)
    assert published_weights(other, given).name == f"net?{sha256[:8]}"
    assert not published_weights(other, given).verified

    with pytest.raises(UserError, match=r"--weights PATH or in ITS_FILE"):
        published_weights(right, NetworkRequest(name="net", download=False))
    monkeypatch.setenv("ITS_FILE", str(path))
    assert published_weights(right, NetworkRequest(name="net", download=False)).path == path

    monkeypatch.delenv("ITS_FILE")
    cached = tmp_path / "cache" / "weights" / "f.pth"
    cached.parent.mkdir(parents=True)
    torch.save({"weight": torch.ones(2)}, cached)
    with pytest.raises(UserError, match="not the published file"):
        published_weights(other, NetworkRequest(name="net"))


# ----------------------------------------------------------------------------------------------------------- efflite0


@pytest.mark.parametrize("side", [64, 97])
def test_efflite0_is_the_architecture_of_timm(side: int) -> None:
    torch.manual_seed(0)
    theirs: Any = randomised(timm.create_model("tf_efficientnet_lite0", pretrained=False))
    tensors = list(theirs.state_dict().values())
    ours = efflite0.Body().eval()
    convolutions = [part for part in ours.modules() if isinstance(part, nn.Conv2d)]
    for i, convolution in enumerate(convolutions):
        weight, gamma, beta, mean, variance, _ = tensors[6 * i : 6 * i + 6]
        made = folded(weight, gamma=gamma, beta=beta, mean=mean, variance=variance, eps=1e-3)
        convolution.load_state_dict(dict(zip(("weight", "bias"), made, strict=True)))
    x = torch.randn(2, 3, side, side, generator=generator("x"))
    with torch.inference_mode():
        expected = theirs.forward_head(theirs.forward_features(x), pre_logits=True)
        assert relative(ours(x)[0], expected) < 1e-5


def test_efflite0_knows_a_photograph_again() -> None:
    network = efflite0.load(NetworkRequest(name="efflite0"))
    originals = torch.stack(list(photos(160).values()))
    known, _ = network(originals)
    dark = (originals.float() * 0.7).to(torch.uint8)
    for changed in (originals.flip(3), dark, originals[:, :, 16:144, 16:144]):
        seen, _ = network(changed)
        assert torch.cdist(seen, known).argmin(1).tolist() == list(range(len(originals)))


def frechet(x: Tensor, y: Tensor) -> float:
    """Frechet distance of two samples, (n, d), through the singular values of the product of their centred rows."""
    a, b = ((z.double() - z.double().mean(0)) / math.sqrt(len(z) - 1) for z in (x, y))
    shift = (x.double().mean(0) - y.double().mean(0)).square().sum()
    return float(shift + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def test_the_distance_in_efflite0_grows_with_noise_and_with_blur() -> None:
    network = efflite0.load(NetworkRequest(name="efflite0"))
    images = torch.from_numpy(embedded.emoji("flat", "all", 32)[0])
    real, fake = images[0:320:2], images[1:320:2]
    noise = torch.randn(fake.shape, generator=generator("noise"))
    noisy = [(fake + sigma * noise).round().clamp(0, 255).to(torch.uint8) for sigma in (15, 45)]
    blurred = [functional.avg_pool2d(fake.float(), k, 1, k // 2).round().to(torch.uint8) for k in (3, 7)]
    known, _ = network(real)
    floor, little_noise, much_noise, little_blur, much_blur = (
        frechet(network(batch)[0], known) for batch in (fake, *noisy, *blurred)
    )
    assert 1.1 * floor < little_noise < 0.9 * much_noise
    assert 1.1 * floor < little_blur < 0.9 * much_blur


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 1, 33, 47), (1, 3, 128, 128)])
def test_stages_halve_the_picture_five_times_and_let_gradients_through(shape: tuple[int, int, int, int]) -> None:
    stages = efflite0.stages()
    batch = (torch.rand(shape, generator=generator("float")) * 2 - 1).requires_grad_()
    seen = stages(batch)
    for i, (activation, channels) in enumerate(zip(seen, stages.channels, strict=True), start=1):
        sides = (-(-side // 2**i) for side in shape[2:])
        assert activation.shape == (shape[0], channels, *sides)
    torch.stack([activation.square().mean() for activation in seen]).sum().backward()
    assert batch.grad is not None
    assert (batch.grad.abs().sum((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in stages.parameters())


def test_stages_are_on_the_way_to_the_features() -> None:
    levels = pictures(2, 3, 128, 128)
    stages = efflite0.stages()
    last = stages(levels.float() / 127.5 - 1)[-1]
    head = functional.relu6(stages.body.head(last)).mean((2, 3))
    assert relative(head, efflite0.load(NetworkRequest(name="efflite0"))(levels)[0]) < 1e-5


def test_stages_refuse_pictures_that_they_cannot_halve_five_times() -> None:
    for shape in ((1, 3, 31, 64), (1, 2, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match="expected"):
            efflite0.stages()(torch.zeros(shape))


# --------------------------------------------------------------------------------------------------------- fashionnet


def test_fashionnet_is_as_good_as_its_file_says() -> None:
    with safe_open(FILES / "fashionnet.safetensors", "pt") as file:
        (stated,) = file.metadata().values()
    images, labels = embedded.fashion("test")
    _, logits = fashionnet.load(NetworkRequest(name="fashionnet"))(torch.from_numpy(images))
    assert logits is not None
    accuracy = float((logits.argmax(1).numpy() == labels).mean())
    assert accuracy == pytest.approx(float(stated), abs=0.0021)  # two pictures may be on the edge on another machine
    assert accuracy >= 0.9
    assert stated == SOURCES["fashionnet.safetensors"]["accuracy"]


def test_fashionnet_sees_the_same_in_all_shapes_of_a_picture() -> None:
    network = fashionnet.load(NetworkRequest(name="fashionnet"))
    images = torch.from_numpy(embedded.fashion("test")[0][:20])
    known, _ = network(images)
    assert torch.equal(network(functional.pad(images, (2, 2, 2, 2)))[0], known)
    assert relative(network(images.expand(-1, 3, -1, -1))[0], known) < 1e-5
    doubled = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.cdist(network(doubled)[0], known).argmin(1).tolist() == list(range(20))


# ---------------------------------------------------------------------------------------------------------- inception


def test_inception_is_torchvisions_with_three_changes(
    inception_file: tuple[Path, dict[str, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False).eval()
    theirs.load_state_dict(inception_file[1])
    theirs.transform_input = False
    theirs.fc.bias.data.zero_()
    pools: list[int] = []

    def pool(x: Tensor, kernel_size: int, stride: int, padding: int) -> Tensor:
        pools.append(x.shape[1])
        if len(pools) == 9:  # the last block
            return functional.max_pool2d(x, kernel_size, stride, padding)
        return functional.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=False)

    patched = SimpleNamespace(avg_pool2d=pool, max_pool2d=functional.max_pool2d, relu=functional.relu)
    monkeypatch.setattr(torchvision.models.inception, "F", patched)
    ours = inception.Inception().eval()
    ours.load_state_dict(inception_file[1], strict=True)
    x = torch.randn(1, 3, 299, 299, generator=generator("x"))
    with torch.inference_mode():
        features, logits = ours(x)
        assert relative(logits, theirs(x)) < 1e-5
    assert features.shape == (1, 2048)
    assert pools == [192, 256, 288, 768, 768, 768, 768, 1280, 2048]


def test_inception_folded_in_any_company_is_inception(
    inception_file: tuple[Path, dict[str, Tensor]], inception_network: Backbone
) -> None:
    plain = inception.Inception().eval()
    plain.load_state_dict(inception_file[1], strict=True)
    batch = pictures(19, 3, 24, 24)
    features, logits = inception_network(batch)
    assert logits is not None
    assert logits.shape == (19, 1008)
    with torch.inference_mode():
        expected, expected_logits = plain(inception.prepare(batch[16:], "legacy-tf"))
    assert relative(features[16:], expected) < 1e-5
    assert relative(logits[16:], expected_logits) < 1e-5
    assert (inception_network(batch[17:18])[0] - features[17:18]).abs().max() <= 1e-6


def test_inception_with_other_weights_is_never_called_by_its_name(
    inception_file: tuple[Path, dict[str, Tensor]], inception_network: Backbone
) -> None:
    sha256 = hashlib.sha256(inception_file[0].read_bytes()).hexdigest()
    assert inception_network.name == f"inception-2015?{sha256[:8]}"
    assert not inception_network.verified
    assert inception_network.identity == {
        "sha256": sha256,
        "resize": "legacy-tf",
        "input": "299",
        "precision": "fp32",
    }


def test_inception_takes_another_resize_by_name(inception_file: tuple[Path, dict[str, Tensor]]) -> None:
    network = inception.load(NetworkRequest(name="inception-2015", weights=inception_file[0], resize="clean"))
    assert network.identity["resize"] == "clean"
    with pytest.raises(UserError, match=r"no resize 'claen' \(did you mean 'clean'\?\)"):
        inception.load(NetworkRequest(name="inception-2015", weights=inception_file[0], resize="claen"))


def test_the_input_of_inception_follows_the_resize() -> None:
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 8, 8)
    for how, ends in (("legacy-tf", (-1, 127 / 128)), ("clean", (-1, 127 / 128)), ("legacy-pytorch", (-1, 1))):
        made = inception.prepare(black_and_white, how)
        assert made.shape == (2, 3, 299, 299)
        assert made.amin((1, 2, 3)).tolist() == pytest.approx(ends, abs=1e-6)
        assert made.amax((1, 2, 3)).tolist() == pytest.approx(ends, abs=1e-6)


def test_inception_says_what_is_wrong_with_a_file(
    inception_file: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    tensors = {name: value for name, value in inception_file[1].items() if name.startswith("Conv2d_1a")}
    path = tmp_path / "part.safetensors"
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"not the weights of Inception-v3.*no Conv2d_2a_3x3\.conv\.weight.*more"):
        inception.load(NetworkRequest(name="inception-2015", weights=path))


# ---------------------------------------------------------------------------------------------------------- vgg, timm


def test_vgg_has_the_tensors_and_the_convolutions_of_torchvision() -> None:
    with torch.device("meta"):
        ours, theirs = vgg.Body().state_dict(), torchvision.models.vgg16(weights=None).state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    torch.manual_seed(0)
    made = vgg.convolutions()
    reference = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
    reference.load_state_dict(made.state_dict())
    x = torch.randn(1, 3, 32, 32, generator=generator("x"))
    assert torch.equal(made(x), reference(x))


def test_vgg_gives_its_second_fully_connected_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backbone.CHUNK, "cpu", 2)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in vgg.Body().state_dict().items()}
    # Every number of a tensor is one and the same, so that the file is small: weights 0, and a bias for each layer.
    biases = {"classifier.3.bias": 0.5, "classifier.6.bias": -0.25}
    tensors = {name: torch.tensor(biases.get(name, 0.0)).expand(shape) for name, shape in shapes.items()}
    path = tmp_path / "vgg.pth"
    torch.save(tensors, path)
    network = vgg.load(NetworkRequest(name="vgg16", weights=path))
    features, logits = network(pictures(2, 3, 32, 32))
    assert torch.equal(features, torch.full((2, 4096), 0.5))
    assert logits is not None
    assert torch.equal(logits, torch.full((2, 1000), -0.25))
    assert network.name.startswith("vgg16?")


def test_a_network_of_timm_sees_as_timm_prepares(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs: Any = randomised(timm.create_model("test_resnet", pretrained=False))
    path = tmp_path / "weights.safetensors"
    save_file(theirs.state_dict(), path)
    network = timm_networks.load(NetworkRequest(name="timm:test_resnet", weights=path))
    config = theirs.pretrained_cfg
    side = config["input_size"][-1]
    batch = pictures(3, 3, side, side)
    mean, deviation = (torch.tensor(config[key])[:, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        expected = theirs.forward_head(
            theirs.forward_features((batch.float() / 255 - mean) / deviation), pre_logits=True
        )
    assert relative(network(batch)[0], expected) < 1e-5
    assert network.dimensions == expected.shape[1]
    assert network.identity["input"] == str(side)

    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    same = timm_networks.load(NetworkRequest(name="timm:test_resnet", weights=tmp_path / "weights.pth"))
    assert same.identity == network.identity


def test_a_network_of_timm_that_cannot_be_had_is_a_clear_mistake(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    for name, weights, words in (
        ("timm:resnet81", None, "did you mean 'resnet18'"),
        ("timm:resnet18.nonsense", None, "Invalid pretrained tag"),
        ("timm:resnet18", None, "downloading is switched off.*--weights PATH"),
        ("timm:resnet18", path, "not the weights of timm's resnet18: .*Missing key"),
    ):
        with pytest.raises(UserError, match=words):
            timm_networks.load(NetworkRequest(name=name, weights=weights, download=False))


def test_dinov2_is_looked_at_with_224_pixels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network: Any = timm.create_model("vit_small_patch14_dinov2", pretrained=False)
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    made = timm_networks.load(NetworkRequest(name="timm:vit_small_patch14_dinov2", weights=path))
    assert (made.identity["input"], made.identity["resize"], made.dimensions) == ("224", "clean", 384)
