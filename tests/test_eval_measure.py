"""What `ganzoo eval` promises of its numbers: the same bits again, whatever the batch, the processes or the cache."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Answer, TinyRuns
from forks import PATIENCE, Driver, the_driver
from PIL import Image
from proof import leftovers
from test_processes import free_port

from ganzoo.cli import main
from ganzoo.data.base import ArrayData, DataSpec, Field
from ganzoo.engine.distributed import join
from ganzoo.errors import GanzooWarning, UserError
from ganzoo.registry import Registry
from ganzoo_evaluation import cache
from ganzoo_evaluation import measure as measuring
from ganzoo_evaluation.base import BLOCK, Block, Measured, NetworkRequest
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.frechet import gaussian_of
from ganzoo_evaluation.measure import measure, pieces, share
from ganzoo_evaluation.moments import Moments
from ganzoo_evaluation.networks import open_network
from ganzoo_evaluation.sets import DataPictures
from ganzoo_evaluation.statistics_files import open_statistics, read_statistics, write_statistics

COUNT = 130
METRICS = ("--metrics", "fd,kid,precision,sharpness", "-n", str(COUNT), "--features", "fashionnet")
Ask = Callable[..., Answer]

ALONE = join("cpu")


@dataclass(frozen=True)
class Place:
    """A folder with runs, a folder of real pictures, and a cache."""

    root: Path
    run: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Place:
    root = tmp_path_factory.mktemp("measure")
    runs = TinyRuns(root / "runs", registry)
    first, other = (runs("vanilla", steps=steps, seed=steps, eval_every=0) for steps in (2, 1))
    first.trainer.run()
    other.trainer.run()
    rng = np.random.default_rng(0)
    (root / "real").mkdir()
    for number, picture in enumerate(rng.integers(0, 256, (COUNT + 20, 28, 28), dtype=np.uint8)):
        Image.fromarray(picture).save(root / f"real/{number:03}.png")
    shutil.copytree(first.run.folder, root / "runs/two")
    shutil.copy(other.run.folder / "model.safetensors", root / "runs/two/best.safetensors")
    summary = json.loads((root / "runs/two/summary.json").read_text())
    scores = {"best": {"step": 1, "value": 3.0, "error": 0.1}, "final": {"step": 2, "value": 4.0, "error": 0.1}}
    (root / "runs/two/summary.json").write_text(json.dumps(summary | {"evaluation": scores}))
    return Place(root, first.run.folder)


@pytest.fixture
def ask(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """`ganzoo eval` beside the runs."""
    monkeypatch.chdir(place.root)
    monkeypatch.setenv("GANZOO_CACHE", str(place.root / "cache"))

    def call(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["eval", *map(str, words)])
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return call


def numbers(text: str) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Row -> metric -> (value, error), of what `--json` printed."""
    return {
        row["name"]: {e["metric"]: (e["value"], e["error"]) for e in row["estimates"]}
        for row in json.loads(text)["rows"]
    }


def measured(ask: Ask, *words: object) -> dict[str, dict[str, tuple[float, float | None]]]:
    answer = ask(*words, *METRICS, "--json")
    assert answer.code == 0, answer.err
    return numbers(answer.out)


def test_a_number_is_the_same_bits_again_and_another_seed_is_another_number(ask: Ask, place: Place) -> None:
    words = (place.run, "--real", "real", "--no-controls")
    first = measured(ask, *words)
    assert measured(ask, *words) == first
    other = measured(ask, *words, "--seed", 1)
    assert other[place.run.name]["fd"] != first[place.run.name]["fd"]


def test_truncation_changes_the_pictures_and_the_passport(ask: Ask, place: Place) -> None:
    def passport(*words: object) -> dict[str, Any]:
        answer = ask(place.run, "--real", "real", "--no-controls", "--metrics", "sharpness", "--json", *words)
        estimate = json.loads(answer.out)["rows"][0]["estimates"][0]
        return {"value": estimate["value"], **estimate["passport"]}

    plain, truncated = passport(), passport("--truncation", 0.3)
    assert (plain["truncation"], truncated["truncation"]) == (None, 0.3)
    assert plain["value"] != truncated["value"]
    assert plain["key"] != truncated["key"]


def test_controls_come_from_the_cache_with_the_same_bits(ask: Ask, place: Place) -> None:
    folder = place.root / "cache/evaluation"
    shutil.rmtree(folder, ignore_errors=True)
    first = measured(ask, place.run, "--real", "real")
    there = {path: path.stat().st_size for path in folder.iterdir()}
    assert there
    assert measured(ask, place.run, "--real", "real") == first
    assert {path: path.stat().st_size for path in folder.iterdir()} == there
    assert set(first) == {place.run.name, "training copies", "blurred", "one picture", "Gaussian pixels"}


def test_a_damaged_cache_is_made_anew_with_a_warning(ask: Ask, place: Place) -> None:
    words = (place.run, "--real", "real")
    first = measured(ask, *words)
    kept = sorted((place.root / "cache/evaluation").glob("*.npz"))
    contents = [path.read_bytes() for path in kept]
    kept[0].write_bytes(contents[0][: len(contents[0]) // 2])
    kept[1].write_bytes(b"")
    kept[2].write_bytes(b"\x80\x04N.")  # a pickle
    for path in kept[3:]:
        np.savez(path, header=np.frombuffer(b"{}", np.uint8))
    answer = ask(*words, *METRICS, "--json")
    assert answer.code == 0
    assert numbers(answer.out) == first
    assert answer.err.count("was damaged and is made anew") >= 4
    again = ask(*words, *METRICS, "--json")
    assert "damaged" not in again.err


def test_a_cache_that_cannot_be_written_is_a_warning(
    ask: Ask, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measured(ask, place.run, "--real", "real", "--no-controls")
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    answer = ask(place.run, "--real", "real", "--no-controls", *METRICS, "--json")
    assert answer.code == 0
    assert numbers(answer.out) == first
    assert "ganzoo: warning: what was measured of real is not kept" in answer.err


def test_a_run_that_cannot_be_written_to_is_measured_all_the_same(ask: Ask, place: Place) -> None:
    run = Path(shutil.copytree(place.run, place.root / "closed"))
    shutil.rmtree(run / "evaluation", ignore_errors=True)
    (run / "evaluation").write_text("in the way")
    answer = ask(run, "--real", "real", "--no-controls", *METRICS)
    assert answer.code == 0
    assert "fd[fashionnet]@130" in answer.out
    assert "ganzoo: warning: the report is not kept in the run" in answer.err


def test_changed_pixels_under_the_same_names_and_sizes_are_noticed(ask: Ask, place: Place) -> None:
    folder = Path(shutil.copytree(place.root / "real", place.root / "changing"))
    for path in folder.iterdir():
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    first = measured(ask, place.run, "--real", "changing", "--no-controls")
    assert measured(ask, place.run, "--real", "changing", "--no-controls") == first
    for path in folder.iterdir():
        status, picture = path.stat(), 255 - np.asarray(Image.open(path))
        Image.fromarray(picture).save(path)
        os.utime(path, (status.st_atime, status.st_mtime))
        assert path.stat().st_size == status.st_size
    assert measured(ask, place.run, "--real", "changing", "--no-controls") != first


def test_the_best_weights_have_a_row_of_their_own(ask: Ask, place: Place) -> None:
    found = measured(ask, "two", "--real", "real", "--no-controls")
    assert list(found) == ["two", "two (best)"]
    assert found["two"] == measured(ask, place.run, "--real", "real", "--no-controls")[place.run.name]
    assert found["two"]["fd"] != found["two (best)"]["fd"]


def test_runs_of_one_name_are_told_apart_by_their_folders(ask: Ask, place: Place) -> None:
    other = Path(shutil.copytree(place.run, place.root / "elsewhere" / place.run.name))
    found = measured(ask, place.run, other.relative_to(place.root), "--real", "real", "--no-controls")
    assert list(found) == [str(place.run), str(other.relative_to(place.root))]


def test_more_pictures_keep_the_first(ask: Ask, place: Place) -> None:
    """The pictures of -n 64 are the first of -n 130: only what is measured of more of them differs."""
    words = (place.run, "--real", "real", "--no-controls", "--metrics", "sharpness", "--json")
    few = json.loads(ask(*words, "-n", 64).out)["rows"][0]["estimates"][0]
    assert few["name"] == "sharpness@64"
    assert few["value"] == json.loads(ask(*words, "-n", 64).out)["rows"][0]["estimates"][0]["value"]


# --- several processes ------------------------------------------------------------------------------------------------


def on_two(driver: Driver, place: Place, caches: tuple[str, str], *words: object) -> str:
    """What the first of two processes prints."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    children = [
        driver.start(
            "eval",
            *words,
            cwd=place.root,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "GANZOO_CACHE": str(place.root / where)},
        )
        for rank, where in enumerate(caches)
    ]
    ended = [child.wait() for child in children]
    assert [end.code for end in ended] == [0, 0], ended
    assert ended[1].out == ""
    return ended[0].out


def test_two_processes_find_what_one_finds_even_where_their_caches_differ(ask: Ask, place: Place) -> None:
    words = (place.run, "--real", "real")
    alone = measured(ask, *words)
    both = on_two(the_driver(), place, ("cache", "empty"), *words, *METRICS, "--json")
    found = numbers(both)
    assert list(found) == list(alone)
    for row, estimates in alone.items():
        for metric, (value, error) in estimates.items():
            other, other_error = found[row][metric]
            # Copies are at a distance of almost zero, where the root of a rounded eigenvalue (1e-16) is 1e-8.
            assert other == pytest.approx(value, rel=1e-9, abs=1e-7), (row, metric)
            assert other_error == pytest.approx(error, rel=1e-6, abs=1e-6), (row, metric)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 1, 5 * BLOCK + 3])
def test_shares_cover_a_set_once_in_whole_blocks(world: int, count: int) -> None:
    from ganzoo.engine.distributed import Group

    shares = [share(count, Group(rank=rank, world=world, device=torch.device("cpu"))) for rank in range(world)]
    assert (shares[0][0], shares[-1][1]) == (0, count)
    assert all(one[1] == other[0] for one, other in pairwise(shares))
    assert all(start % BLOCK == 0 or start == count for start, _ in shares)
    assert share(count, None) == (0, count)


# --- one pass ---------------------------------------------------------------------------------------------------------


def noise(count: int, size: int = 28, seed: int = 0) -> DataPictures:
    data = np.random.default_rng(seed).integers(0, 256, (count, 1, size, size), dtype=np.uint8)
    field = Field(name="image", kind="image", channels=1, size=size)
    return DataPictures(
        ArrayData(DataSpec(name="noise", split="train", count=count, fields=(field,)), {"image": data}), "noise"
    )


@pytest.fixture(scope="module")
def network(registry: Registry) -> Any:
    return open_network(registry, NetworkRequest(name="fashionnet"))


def test_the_size_of_the_pieces_changes_nothing(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(noise(150), network, [Moments, Features])
    monkeypatch.setattr(measuring, "VALUES", 10 * 28 * 28 + 5)
    parts = measure(noise(150), network, [Moments, Features])
    assert np.abs(whole[Features].values - parts[Features].values).max() <= 1e-6 * np.abs(whole[Features].values).max()
    assert whole[Moments].mean == pytest.approx(parts[Moments].mean, rel=1e-6, abs=1e-9)
    assert whole[Moments].covariance == pytest.approx(parts[Moments].covariance, rel=1e-5, abs=1e-7)


def test_pieces_of_a_block_are_whole_pictures_with_all_that_belongs_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "VALUES", 3 * 16)
    pictures = torch.arange(10 * 16, dtype=torch.uint8).view(10, 1, 4, 4)
    block = Block(start=64, pictures=pictures, label=torch.arange(10), truth=255 - pictures)
    found = list(pieces(block))
    assert [(piece.start, len(piece)) for piece in found] == [(64, 3), (67, 3), (70, 3), (73, 1)]
    assert torch.equal(torch.cat([piece.pictures for piece in found]), pictures)
    assert torch.cat([piece.label for piece in found if piece.label is not None]).tolist() == list(range(10))
    assert torch.equal(torch.cat([piece.truth for piece in found if piece.truth is not None]), 255 - pictures)
    monkeypatch.setattr(measuring, "VALUES", 1)
    assert len(list(pieces(block))) == 10  # a picture that is larger than the limit goes alone


def test_a_pass_says_how_far_it_is(network: Any) -> None:
    told: list[tuple[str, int, int]] = []
    measure(noise(130), network, [Moments], progress=lambda *where: told.append(where))
    assert told == [("noise", 64, 130), ("noise", 128, 130), ("noise", 130, 130)]


def test_an_empty_set_is_a_mistake() -> None:
    with pytest.raises(UserError, match="noise holds no pictures"):
        measure(DataPictures(noise(2).data, "noise", []), None, [])


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    return tmp_path / "evaluation"


def test_what_is_kept_is_found_without_measuring(own_cache: Path, network: Any) -> None:
    kinds = [Moments, Features]
    made = cache.kept("key", kinds, lambda: measure(noise(70), network, kinds), network=network, group=ALONE)

    def never() -> Measured:
        raise AssertionError("measured again")

    found = cache.kept("key", kinds, never, network=network, group=ALONE)
    assert (found.name, found.count, found.network) == ("noise", 70, network)
    assert np.array_equal(found[Features].values, made[Features].values)
    assert np.array_equal(found[Moments].covariance, made[Moments].covariance)
    assert [path.name for path in own_cache.iterdir()] == ["key.npz"]


def test_the_key_tells_apart_whatever_a_number_depends_on(network: Any) -> None:
    @dataclass(frozen=True)
    class Other:
        name: str
        identity: dict[str, str]

    other = Other(network.name, {**network.identity, "resize": "another"})
    keys = {
        cache.key_of("content", network, [Moments], seed=0),
        cache.key_of("another content", network, [Moments], seed=0),
        cache.key_of("content", None, [Moments], seed=0),
        cache.key_of("content", other, [Moments], seed=0),  # type: ignore[arg-type]
        cache.key_of("content", network, [Moments, Features], seed=0),
        cache.key_of("content", network, [Moments], seed=1),
        cache.key_of("content", network, [Moments], seed=0, what="root"),
    }
    assert len(keys) == 7
    assert cache.key_of("c", network, [Features, Moments]) == cache.key_of("c", network, [Moments, Features])


def test_what_was_not_used_for_the_longest_goes_first(
    own_cache: Path, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, key in enumerate(("old", "middle", "new")):
        cache.kept(key, [Features], lambda: measure(noise(10), network, [Features]), network=network, group=ALONE)
        os.utime(own_cache / f"{key}.npz", (number, number))
    cache.kept(
        "old", [Features], lambda: measure(noise(10), network, [Features]), network=network, group=ALONE
    )  # used now
    size = (own_cache / "old.npz").stat().st_size
    monkeypatch.setattr(cache, "LIMIT", 3 * size + 10)
    cache.kept("another", [Features], lambda: measure(noise(10), network, [Features]), network=network, group=ALONE)
    assert sorted(path.name for path in own_cache.iterdir()) == ["another.npz", "new.npz", "old.npz"]


def test_a_collector_that_changed_its_arrays_is_measured_again(own_cache: Path, network: Any) -> None:
    cache.kept("key", [Moments], lambda: measure(noise(10), network, [Moments]), network=network, group=ALONE)
    with pytest.warns(GanzooWarning, match="damaged"):
        found = cache.kept(
            "key", [Features], lambda: measure(noise(10), network, [Features]), network=network, group=ALONE
        )
    assert found[Features].values.shape == (10, network.dimensions)


# --- files of mean and covariance -------------------------------------------------------------------------------------


def test_statistics_come_back_from_a_file_as_they_were(tmp_path: Path, network: Any) -> None:
    made = gaussian_of(measure(noise(70), network, [Moments, Features]))
    write_statistics(tmp_path / "noise.npz", made, network.name)
    found = open_statistics(tmp_path / "noise.npz")
    assert np.array_equal(found.gaussian.mean, made.mean)
    assert found.gaussian.covariance == pytest.approx(made.covariance, abs=1e-15)
    assert (found.gaussian.count, found.network) == (70, "fashionnet")
    assert read_statistics(tmp_path / "noise.npz").count == 70


def test_files_of_other_tools_are_read(tmp_path: Path) -> None:
    """pytorch-fid writes mu and sigma; ADM's have spatial statistics beside them."""
    mu, sigma = np.arange(4, dtype=np.float32), np.eye(4, dtype=np.float32)
    np.savez(tmp_path / "adm.npz", mu=mu, sigma=sigma, mu_s=np.zeros(3), sigma_s=np.eye(3))
    found = open_statistics(tmp_path / "adm.npz")
    assert (found.gaussian.mean.tolist(), found.gaussian.count, found.network) == ([0, 1, 2, 3], 0, "")
    assert found.gaussian.mean.dtype == np.float64


class Trap:
    """A pickle of it makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "has nothing; expected the arrays mu"),
        ({"mean": np.zeros(3), "cov": np.eye(3)}, "has cov, mean; expected"),
        ({"mu": np.zeros(3)}, "has mu; expected"),
        ({"mu": np.zeros((2, 3)), "sigma": np.eye(3)}, r"mu has shape \(2, 3\)"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"sigma \(4, 4\); expected"),
        ({"mu": np.float64(1), "sigma": np.float64(1)}, r"mu has shape \(\)"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"mu has shape \(0,\)"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "not finite"),
        ({"mu": np.zeros(3), "sigma": np.diag([1, np.inf, 1])}, "not finite"),
        ({"mu": np.zeros(3), "sigma": np.arange(9.0).reshape(3, 3)}, "not symmetric"),
        ({"mu": np.zeros(3), "sigma": -np.eye(3)}, "negative variances"),
        ({"mu": np.zeros(3, complex), "sigma": np.eye(3)}, "numbers of type complex128"),
        ({"mu": np.array(["a", "b"]), "sigma": np.eye(2)}, "numbers of type <U1"),
    ],
)
def test_what_is_no_mean_and_covariance_is_named(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(UserError, match=says):
        read_statistics(tmp_path / "odd.npz")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    np.savez(tmp_path / "objects.npz", mu=trap, sigma=np.eye(1))
    np.save(tmp_path / "bare.npy", trap, allow_pickle=True)
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "objects.npz").read_bytes()[:100])
    for name in ("objects.npz", "bare.npz", "cut.npz"):
        with pytest.raises(UserError, match=name):
            read_statistics(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_saved_statistics_are_a_reference_at_distance_zero(ask: Ask, place: Place) -> None:
    words = (place.run, "--no-controls", "-n", COUNT, "--metrics", "fd")
    saved = ask(*words, "--real", "real", "--features", "fashionnet", "--save-stats", "new/made.npz")
    assert saved.code == 0, saved.err
    answer = ask(*words, "--real", "new/made.npz", "--json")  # the file says through which network
    assert answer.code == 0, answer.err
    estimate = json.loads(answer.out)["rows"][0]["estimates"][0]
    assert estimate["name"] == "fd[fashionnet]@130"
    assert estimate["value"] == pytest.approx(0, abs=1e-8)


def test_statistics_of_other_features_are_refused(ask: Ask, place: Place) -> None:
    np.savez(place.root / "inception.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    answer = ask(place.run, "--real", "inception.npz", "--metrics", "fd", "--features", "fashionnet", "-n", 64)
    assert answer.code == 2
    assert answer.err == (
        "ganzoo: --real inception.npz: mu and sigma are of 2,048 features, fashionnet gives 128; made with "
        "inception-2015? then add --features inception-2015\n"
    )


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_with_130_and_leaves_nothing_half_written(place: Place) -> None:
    run = Path(shutil.copytree(place.run, place.root / "stopped"))
    shutil.rmtree(run / "evaluation", ignore_errors=True)
    kept = place.root / "stopped-cache/evaluation"
    words = (run, "--real", "real", "--features", "efflite0", "--metrics", "fd,kid", "-n", COUNT)
    child = the_driver().start("eval", *words, cwd=place.root, env={"GANZOO_CACHE": str(kept.parent)})
    deadline = time.monotonic() + PATIENCE
    while not list(kept.glob("*.npz")):  # the real pictures are done, the controls are to come
        assert child.alive(), child.wait()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.signal(signal.SIGINT)
    ended = child.wait()
    assert (ended.code, ended.out, ended.err.strip()) == (130, "", "ganzoo: stopped")
    assert not (run / "evaluation").exists()
    assert leftovers(place.root) == []
    for path in kept.glob("*.npz"):
        np.load(path, allow_pickle=False).close()
