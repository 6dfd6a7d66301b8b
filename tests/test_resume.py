"""Training 2N steps is training N, stopping anywhere, and going on: bit for bit, for every architecture of the zoo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from forks import Driver, the_driver
from PIL import Image
from proof import Bench, assert_same_run, bits, metrics, one_line
from proof import train as command

from ganzoo.cards import resolve
from ganzoo.config import AdversarialSettings
from ganzoo.registry import Registry, get_registry
from ganzoo.testing.compare import differences

ARCHITECTURES = sorted(get_registry().architectures)

VARIANTS: dict[str, dict[str, Any]] = {
    "lazy r1": {"r1": 1, "penalty_every": 3},
    "lazy r1 and r2, relativistic": {"loss": "relativistic", "r1": 1, "r2": 1, "penalty_every": 2},
    "wasserstein": {"loss": "wasserstein", "critic_steps": 2},
    "hinge, spectral": {"loss": "hinge", "discriminator_norm": "spectral"},
    "diffaug": {"diffaug": "color,translation,cutout"},
    "ada": {"ada": "blit,geometric,color", "ada_kimg": 0.1, "ada_target": 0.0, "r1": 1, "penalty_every": 2},
    "ada, accumulate": {"ada": "color,filter,noise", "ada_kimg": 0.1, "accumulate": 2, "loss": "least-squares"},
    "accumulate, clip, flip": {"accumulate": 2, "clip": 0.5, "flip": True},
    "linear schedule, decay": {"schedule": "linear", "decay_start": 0.3, "warmup": 2, "weight_decay": 0.1},
    "cosine schedule": {"schedule": "cosine", "decay_start": 0, "lr_discriminator": 1e-3},
}


@pytest.fixture
def bench(registry: Registry, tmp_path: Path) -> Bench:
    return Bench(registry, tmp_path)


@pytest.fixture
def driver() -> Driver:
    return the_driver()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_resumed_run_ends_at_the_same_bits(architecture: str, precision: str, bench: Bench) -> None:
    job = bench.job(architecture, steps=6, precision=precision, seed=3)
    assert_same_run(bench.train(job), bench.train(job, stops=[3]))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_streamed_data_give_the_bits_of_resident_data_and_survive_a_stop(
    architecture: str, workers: int, bench: Bench
) -> None:
    resident = bench.train(bench.job(architecture, steps=4))
    job = bench.job(architecture, steps=4, memory=0, workers=workers)
    assert not bench.trainer(job, streamed=True).feed.resident
    streamed = bench.train(job, stops=[1], streamed=True)
    assert_same_run(resident, streamed)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_every_kind_of_step_survives_a_stop(settings: dict[str, Any], bench: Bench) -> None:
    job = bench.job("dcgan", steps=6, **settings)
    assert_same_run(bench.train(job), bench.train(job, stops=[2, 5]))


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kind_of_step_of_every_architecture_survives_a_stop(
    architecture: str, settings: dict[str, Any], precision: str, bench: Bench
) -> None:
    declared = resolve(bench.registry.architectures[architecture].config)
    known = {name: value for name, value in settings.items() if name in declared.__dataclass_fields__}
    if not known or (issubclass(declared, AdversarialSettings) is False and "loss" in settings):
        pytest.skip("none of these settings is one of this architecture")
    job = bench.job(architecture, steps=8, precision=precision, **known)
    whole = bench.train(job)
    assert_same_run(whole, bench.train(job, stops=[3, 5]))
    assert_same_run(whole, bench.train(job, stops=[4], streamed=True))


@pytest.mark.parametrize("stop", range(1, 7))
def test_a_run_can_stop_at_any_step_of_a_lazy_interval(stop: int, bench: Bench) -> None:
    job = bench.job("vanilla", steps=7, r1=1, penalty_every=3, log_every=3)
    assert_same_run(bench.train(job), bench.train(job, stops=[stop]))


def test_a_run_that_stops_after_every_step_ends_at_the_same_bits(bench: Bench) -> None:
    job = bench.job("cgan", steps=5, loss="wasserstein", critic_steps=2, discriminator_norm="none")
    assert_same_run(bench.train(job), bench.train(job, stops=[1, 2, 3, 4], streamed=True))


def test_another_seed_gives_other_bits(bench: Bench) -> None:
    one, other = (bits(bench.train(bench.job("vanilla", steps=2, seed=seed))) for seed in (1, 2))
    assert differences(one, other) != []


def test_a_run_that_is_extended_is_the_longer_run(bench: Bench) -> None:
    whole = bench.train(bench.job("dcgan", steps=8, schedule="constant"))
    short = bench.train(bench.job("dcgan", steps=4, schedule="constant"))
    bench.trainer(bench.job("dcgan", steps=8, schedule="constant"), short).run()
    assert differences(bits(whole), bits(short)) == []


def test_how_a_run_is_read_logged_and_saved_changes_no_bit(bench: Bench) -> None:
    plain = bench.train(bench.job("dcgan", steps=4))
    busy = bench.train(bench.job("dcgan", steps=4, sample_every=1, log_every=1, checkpoint_every=1, samples=9))
    weights = ("model", "ema", "optimizers")
    assert [differences(bits(plain)[part], bits(busy)[part]) for part in weights] == [[], [], []]


def test_metrics_of_a_resumed_run_lose_what_was_written_after_its_checkpoint(bench: Bench) -> None:
    job = bench.job("vanilla", steps=6, log_every=1)
    whole = bench.train(job)
    trainer = bench.trainer(job)
    folder = trainer.run_folder.folder
    trainer.run(until=4)
    with open(folder / "metrics.jsonl", "a") as stream:  # as a run leaves it that is killed at step 6 in mid-line
        stream.write('{"step": 5, "kimg": 0.04}\n{"step": 6, "ki')
    bench.trainer(job, folder).run()
    assert metrics(folder) == metrics(whole)
    assert [line["step"] for line in metrics(folder)] == [1, 2, 3, 4, 5, 6]


# --- what a resume refuses --------------------------------------------------------------------------------------------

TINY = ("--set", "width=8", "--set", "latent=8", "--set", "batch=4", "--set", "samples=4")


def test_a_folder_of_pictures_streams_in_the_command_and_a_changed_one_refuses(driver: Driver, tmp_path: Path) -> None:
    for index in range(9):
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32), (index * 20, 255 - index * 20, 99)).save(folder / f"{index}.png")
    shared = ("--data", "photos", "--set", "size=32", "--set", "workers=2", "--set", "fit=crop", *TINY)
    streamed = command(driver, tmp_path, "dcgan", "--run", "a", "--steps", 4, "--set", "memory=0", *shared)
    assert streamed.code == 0, streamed
    assert "streamed" in streamed.out
    assert command(driver, tmp_path, "dcgan", "--run", "b", "--steps", 4, *shared).code == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    again = command(driver, tmp_path, "--resume", "a", "--steps", 6, "--set", "workers=0")
    assert again.code == 0, again
    Image.new("RGB", (32, 32)).save(tmp_path / "photos" / "one more.png")
    line = one_line(command(driver, tmp_path, "--resume", "a", "--steps", 8), 2)
    assert "data have changed" in line
    assert "9 rows then, 10 now" in line


def test_settings_that_change_what_is_computed_cannot_change(driver: Driver, tmp_path: Path) -> None:
    begun = command(driver, tmp_path, "dcgan", "--run", "run", "--steps", 2, "--set", "lr=0.0003", *TINY)
    assert begun.code == 0, begun
    ended = command(driver, tmp_path, "--resume", "run", "--steps", 4, "--set", "lr=1", "--set", "batch=8")
    assert ended.code == 2
    assert [line.split(":")[1].strip() for line in ended.err.splitlines()] == ["lr", "batch"]
    assert "0.0003 in run" in ended.err
    ended = command(driver, tmp_path, "--resume", "run", "--set", "memory=0")
    assert "memory: cannot change" in one_line(ended, 2)


def test_auto_precision_is_pinned_when_a_run_begins_and_changes_only_when_asked(driver: Driver, tmp_path: Path) -> None:
    assert command(driver, tmp_path, "dcgan", "--run", "run", "--steps", 2, *TINY).code == 0

    def pinned() -> str:
        return str(json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["precision"])

    first = pinned()
    assert first in ("fp32", "bf16")
    assert command(driver, tmp_path, "--resume", "run", "--steps", 3).code == 0
    assert pinned() == first
    other = "fp32" if first == "bf16" else "bf16"
    assert command(driver, tmp_path, "--resume", "run", "--steps", 4, "--precision", other).code == 0
    assert pinned() == other


def test_a_refused_resume_leaves_the_run_as_it_was(driver: Driver, tmp_path: Path) -> None:
    assert command(driver, tmp_path, "dcgan", "--run", "run", "--steps", 2, *TINY).code == 0
    before = (tmp_path / "run" / "config.json").read_bytes()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"damaged")
    assert command(driver, tmp_path, "--resume", "run", "--steps", 9).code == 2
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_finished_run_says_how_to_go_further_and_the_command_works(driver: Driver, tmp_path: Path) -> None:
    assert command(driver, tmp_path, "vanilla", "--run", "run", "--steps", 2, "--set", "batch=4").code == 0
    line = one_line(command(driver, tmp_path, "--resume", "run"), 2)
    offered = line.partition("go further with: ganzoo train ")[2].split()
    assert offered == ["--resume", "run", "--steps", "4"]
    assert command(driver, tmp_path, *offered).code == 0
    assert bits(tmp_path / "run")["step"] == 4
