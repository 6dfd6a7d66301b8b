"""The presets against the tools that they are named after: the same pictures, the same weights, the same numbers.

`pytest -m parity` needs `pip install ganzoo[parity]` and some minutes; its weights are random, so it downloads nothing.
`pytest -m network` computes numbers that were published for CIFAR-10, with the weights of Inception of 2015
(GANZOO_INCEPTION_WEIGHTS, or else they are downloaded): minutes on a GPU, more than an hour without one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ganzoo.cards import resolve
from ganzoo.data import DataRequest
from ganzoo.data.base import Data
from ganzoo.engine.noise import derive
from ganzoo.errors import UserError
from ganzoo.registry import Registry
from ganzoo_evaluation import frechet, inception, inception_score, kernel
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, NetworkRequest, Plan
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.inception import Inception, prepare
from ganzoo_evaluation.inception_score import Predictions
from ganzoo_evaluation.measure import measure
from ganzoo_evaluation.moments import Moments
from ganzoo_evaluation.presets import PRESETS
from ganzoo_evaluation.sets import DataPictures

RELATIVE = 1e-4
"""Most that a number may differ from the other tool's, over its size."""
FAKES, REALS = 80, 104
"""Pictures a side; unequal, so that two that were exchanged would be seen."""


class Command(Protocol):
    def __call__(self, *words: str) -> Any:
        """What the command said: `code`, `out`, `err`."""


def load_data(registry: Registry, name: str, **request: Any) -> Data:
    found: Data = resolve(registry.datasets[name].load)(DataRequest(**request))
    return found


def write_folder(folder: Path, data: Data, count: int) -> Path:
    """The first pictures of a data set as RGB PNG files, in order."""
    folder.mkdir()
    for row, pixels in enumerate(data.read(list(range(count)))["image"]):
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("RGB").save(folder / f"{row:05}.png")
    return folder


def random_inception(pictures: Tensor) -> dict[str, Tensor]:
    """Weights of Inception under the published names: random, but such that features differ between `pictures`, uint8
    (n, 3, H, W), and the classifier is sure of different classes."""
    torch.manual_seed(derive(0, "parity", "inception"))
    network = Inception()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the one batch that it is shown
    with torch.no_grad():
        features, logits = network.train()(prepare(pictures, "legacy-tf"))
        network.fc.weight.mul_(5 / logits.std(0).mean())
    assert features.std(0).mean() > 0.01
    return network.state_dict()


@dataclass(frozen=True)
class Material:
    """Folders of generated and of real pictures (`few`: as many real ones as generated), and a file of weights."""

    fakes: Path
    reals: Path
    few: Path
    weights: Path


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Material:
    folder = tmp_path_factory.mktemp("parity")
    fake, real = (load_data(registry, name, size=32) for name in ("emoji-3d", "emoji-flat"))
    rows = list(range(0, 640, 20))
    shown = torch.from_numpy(np.concatenate([fake.read(rows)["image"], real.read(rows)["image"]]))
    weights = folder / "inception.pth"
    torch.save(random_inception(shown), weights)
    return Material(
        fakes=write_folder(folder / "fakes", fake, FAKES),
        reals=write_folder(folder / "reals", real, REALS),
        few=write_folder(folder / "few", real, FAKES),
        weights=weights,
    )


@pytest.fixture
def ours(here: Command, material: Material) -> Callable[..., dict[str, dict[str, Any]]]:
    """`ours("clean-fid", reals, "fd")`: the estimates of `ganzoo eval FOLDER --as clean-fid`, by metric."""

    def call(preset: str, real: Path, *metrics: str) -> dict[str, dict[str, Any]]:
        answer = here(
            *("eval", str(material.fakes), "--real", str(real), "--as", preset, "--weights", str(material.weights)),
            *("--metrics", ",".join(metrics), "--no-controls", "--offline", "--json", "--device", "cpu"),
        )
        assert answer.code == 0, answer.err
        (row,) = json.loads(answer.out)["rows"]
        return {estimate["metric"]: estimate for estimate in row["estimates"]}

    return call


def show(tool: str, numbers: Mapping[str, tuple[float, float]]) -> None:
    """Print both numbers and how far apart they are (`pytest -s` shows it)."""
    for name, (mine, theirs) in numbers.items():
        print(f"{tool:<15} {name:<10} ours {mine:<18.12g} theirs {theirs:<18.12g} {abs(mine / theirs - 1):.1e}")


@pytest.mark.parity
def test_torch_fidelity(material: Material, ours: Callable[..., dict[str, dict[str, Any]]]) -> None:
    """FID, the score and its deviation, KID and its deviation on the same subsets, precision and recall.

    Precision and recall look through Inception here, for which one file of weights does; by default both look through
    VGG16.
    """
    torch_fidelity = pytest.importorskip("torch_fidelity")
    inside = ("precision[inception-2015]", "recall[inception-2015]")
    found = ours("torch-fidelity", material.reals, "fd", "is", "kid_subsets", *inside)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(material.fakes),
        input2=str(material.reals),
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(material.weights),
        kid_subset_size=FAKES,
        cuda=False,
        save_cpu_ram=True,
        batch_size=16,
        verbose=False,
        **dict.fromkeys(("isc", "fid", "kid", "prc"), True),
    )
    numbers = {
        "FID": (found["fd"]["value"], theirs["frechet_inception_distance"]),
        "IS": (found["is"]["value"], theirs["inception_score_mean"]),
        "IS std": (found["is"]["details"]["deviation"], theirs["inception_score_std"]),
        "KID": (found["kid_subsets"]["value"], theirs["kernel_inception_distance_mean"]),
        "KID std": (found["kid_subsets"]["details"]["spread"], theirs["kernel_inception_distance_std"]),
        "precision": (found["precision"]["value"], theirs["precision"]),
        "recall": (found["recall"]["value"], theirs["recall"]),
    }
    show("torch-fidelity", numbers)
    # Numbers that would be the same whatever the pictures prove nothing.
    assert found["fd"]["value"] > 1
    assert found["is"]["value"] > 1.5
    assert 0 < found["precision"]["value"] < 1
    assert 0 < found["recall"]["value"] < 1
    for name, (mine, other) in numbers.items():
        assert mine == pytest.approx(other, rel=RELATIVE), name


@pytest.mark.parity
def test_torch_fidelity_draws_the_same_hundred_subsets_of_a_thousand() -> None:
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    generator = np.random.default_rng(derive(0, "parity", "subsets"))
    sets = [(generator.standard_normal((count, 64)) ** 2).astype(np.float32) for count in (1300, 1100)]
    theirs = metric_kid.kid_features_to_metric(*map(torch.from_numpy, sets), verbose=False)
    found = kernel.compute_subsets(
        Comparison(fake=measured(sets[0]), real=measured(sets[1]), options=PRESETS["torch-fidelity"].options)
    )
    # The two are draws of one distribution, so the number is rounding beside the kernel's own size of about 20.
    assert found.value == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-5)
    assert found.details["spread"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=RELATIVE)


def measured(values: Array) -> Measured:
    features = Features(Plan(count=len(values), dimensions=values.shape[1]))
    pictures = torch.zeros(len(values), 1, 1, 1, dtype=torch.uint8)
    features.update(Block(start=0, pictures=pictures, features=torch.from_numpy(values)))
    return Measured(name="a set", count=len(values), collected={Features: features})


@pytest.mark.parity
def test_pytorch_fid(
    material: Material, ours: Callable[..., dict[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    theirs = pytest.importorskip("pytorch_fid.inception")
    weights = torch.load(material.weights, weights_only=True)
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: weights)
    found = ours("pytorch-fid", material.reals, "fd")
    try:
        folders = [str(material.fakes), str(material.reals)]
        other = fid_score.calculate_fid_given_paths(folders, batch_size=16, device="cpu", dims=2048, num_workers=0)
    except TypeError as error:  # scipy 1.18 took an argument of sqrtm away
        pytest.skip(f"pytorch-fid does not work with the installed scipy: {error}")
    show("pytorch-fid", {"FID": (found["fd"]["value"], other)})
    assert found["fd"]["value"] == pytest.approx(other, rel=RELATIVE)


@pytest.mark.parity
def test_clean_fid(
    material: Material, ours: Callable[..., dict[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FID and KID. Its TorchScript file of Inception is not to be had with other weights, so its PyTorch port takes the
    place, with the input that its wrapper of the TorchScript gives: resized, (x - 128) / 128."""
    fid = pytest.importorskip("cleanfid.fid")
    theirs = pytest.importorskip("cleanfid.inception_pytorch")
    weights = torch.load(material.weights, weights_only=True)
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: weights)
    network = theirs.InceptionV3(output_blocks=[3], resize_input=False, normalize_input=False).eval()
    fakes, reals = (
        fid.get_folder_features(
            str(folder),
            lambda pictures: network((pictures - 128) / 128)[0].flatten(1),
            num_workers=0,
            batch_size=16,
            device=torch.device("cpu"),
            mode="clean",
            verbose=False,
        )
        for folder in (material.fakes, material.few)
    )
    found = ours("clean-fid", material.few, "fd", "kid_subsets")
    try:
        distance = fid.fid_from_feats(fakes, reals)
    except TypeError as error:  # scipy 1.18 took an argument of sqrtm away
        pytest.skip(f"clean-fid does not work with the installed scipy: {error}")
    # Its subsets come from a generator that nobody seeds; of two sets of one size below 1,000 they are the whole.
    numbers = {
        "FID": (found["fd"]["value"], distance),
        "KID": (found["kid_subsets"]["value"], fid.kernel_distance(reals, fakes)),
    }
    show("clean-fid", numbers)
    for name, (mine, other) in numbers.items():
        assert mine == pytest.approx(other, rel=RELATIVE), name


# --- numbers that were published --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar(registry: Registry) -> dict[str, Measured]:
    """The training and the test pictures of CIFAR-10 as Inception of 2015 sees them."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        network = inception.load(NetworkRequest(name=inception.NAME, device=device))
        sets = {split: load_data(registry, "cifar10", split=split) for split in ("train", "test")}
    except UserError as error:
        pytest.skip(f"needs the published weights and CIFAR-10: {error}")
    if not network.verified:
        pytest.skip(f"GANZOO_INCEPTION_WEIGHTS names another file than the published: {network.name}")
    return {
        split: measure(DataPictures(data, f"cifar10 ({split})"), network, [Moments, Predictions])
        for split, data in sets.items()
    }


@pytest.mark.network
def test_the_inception_score_of_cifar10_is_the_published(cifar: dict[str, Measured]) -> None:
    """torch-fidelity's README: 11.23678 ± 0.09514 for the training pictures. The original code's score of the test
    pictures, 10.98 ± 0.22, is of other tenths of them."""
    train, test = (inception_score.compute(Comparison(fake=one, real=one)) for one in cifar.values())
    assert train.value == pytest.approx(11.23678, abs=1e-3)
    assert train.details["deviation"] == pytest.approx(0.09514, abs=1e-3)
    assert test.value == pytest.approx(10.98, abs=0.22)


@pytest.mark.network
def test_the_fid_of_cifar10_training_to_test_pictures_is_the_published(cifar: dict[str, Measured]) -> None:
    """3.1508 by the original code, 3.1517 to 3.1525 by its ports to PyTorch (README of
    pytorch-image-generation-metrics)."""
    found = frechet.compute(Comparison(fake=cifar["train"], real=cifar["test"]))
    assert found.value == pytest.approx(3.1515, abs=2e-3)
