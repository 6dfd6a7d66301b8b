"""A checkpoint that cannot be used is one clear line and exit code 2, offers the one before, and executes nothing."""

from __future__ import annotations

import io
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forks import Driver, the_driver
from proof import assert_same_run, bits, one_line
from safetensors.torch import save_file
from toys import toy_trainer

from ganzoo.engine import checkpoint
from ganzoo.errors import UserError
from ganzoo.testing.compare import differences


@pytest.fixture
def driver() -> Driver:
    return the_driver()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 4 of 6 steps; its checkpoints are those of steps 4 and 3."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    toy_trainer(folder, checkpoint_every=1).run(until=4)
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def malicious_pickle(victim: Path) -> bytes:
    """A pickle, spelt in opcodes, that makes the file `victim` when it is loaded."""
    return b"cos\nmkdir\n(V" + str(victim).encode() + b"\ntR."


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(5000))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    """One bit of a tensor of the networks."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = max(archive.infolist(), key=lambda info: info.file_size)
    name_length, extra_length = struct.unpack_from("<HH", content, entry.header_offset + 26)
    content[entry.header_offset + 30 + name_length + extra_length + entry.file_size // 2] ^= 1
    path.write_bytes(bytes(content))


def foreign_tensors(path: Path) -> None:
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict()}, path)


def foreign_module(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), path)


def foreign_tensor(path: Path) -> None:
    torch.save(torch.zeros(3), path)


def plain_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "not a checkpoint")


def safetensors(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def missing(path: Path) -> None:
    path.unlink()


SPOILT: list[Callable[[Path], None]] = [
    truncated, garbage, empty, flipped, foreign_tensors, foreign_module, foreign_tensor, plain_zip, safetensors,
    a_folder, missing,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_checkpoint_offers_the_one_before_it_and_that_works(
    spoil: Callable[[Path], None], run: Path, whole: Path, driver: Driver, tmp_path: Path
) -> None:
    spoil(run / checkpoint.NAME)
    line = one_line(driver.run("train", "--resume", "run", cwd=tmp_path), 2)
    assert f"run/{checkpoint.NAME}" in line
    told, _, command = line.partition(" is whole: ganzoo ")
    assert told.endswith("the one before it (step 3)"), line
    if spoil is a_folder:
        (run / checkpoint.NAME).rmdir()
    again = driver.run(*command.split(), cwd=tmp_path)
    assert again.code == 0, again
    assert "from step 3" in again.out
    undisturbed = Path(shutil.copytree(whole, tmp_path / "undisturbed"))
    assert driver.run("train", "--resume", "undisturbed", cwd=tmp_path).code == 0
    assert_same_run(run, undisturbed)


def test_when_both_are_spoilt_the_line_offers_nothing(run: Path, driver: Driver, tmp_path: Path) -> None:
    truncated(run / checkpoint.NAME)
    garbage(run / checkpoint.PREVIOUS)
    line = one_line(driver.run("train", "--resume", "run", cwd=tmp_path), 2)
    assert "is not a whole checkpoint" in line
    assert "--previous" not in line
    line = one_line(driver.run("train", "--resume", "run", "--previous", cwd=tmp_path), 2)
    assert checkpoint.PREVIOUS in line


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "in a zip as torch writes it"])
def test_a_pickle_that_would_run_code_runs_none(packed: bool, run: Path, driver: Driver, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    path = run / checkpoint.NAME
    if packed:
        spoilt = io.BytesIO()
        with zipfile.ZipFile(run / checkpoint.PREVIOUS) as old, zipfile.ZipFile(spoilt, "w") as new:
            for name in old.namelist():
                new.writestr(name, malicious_pickle(victim) if name.endswith("data.pkl") else old.read(name))
        path.write_bytes(spoilt.getvalue())
        # What a reader that trusts its file would do with it:
        torch.load(path, weights_only=False)
        assert victim.is_dir()
        victim.rmdir()
    else:
        path.write_bytes(malicious_pickle(victim))
    with pytest.raises(UserError):
        checkpoint.load(path)
    line = one_line(driver.run("train", "--resume", "run", cwd=tmp_path), 2)
    assert "--previous" in line
    assert not victim.exists()


def test_every_damaged_byte_is_noticed_or_harmless(run: Path) -> None:
    """Bits flipped all over the file: the reader refuses it, or gives exactly what was saved."""
    path = run / checkpoint.NAME
    content = path.read_bytes()
    state = checkpoint.load(path)
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            assert differences(checkpoint.load(path), state) == []
        except UserError:
            refused += 1
    assert refused > 50


def test_a_file_cut_off_anywhere_is_noticed(run: Path) -> None:
    path = run / checkpoint.NAME
    content = path.read_bytes()
    for length in range(0, len(content), len(content) // 60):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"checkpoint\.pt"):
            checkpoint.load(path)


def test_a_checkpoint_of_other_networks_does_not_fit(run: Path, driver: Driver, tmp_path: Path) -> None:
    assert driver.run("train", "toy-gan", "--run", "other", "--steps", 2, cwd=tmp_path).code == 2  # it has no recipe
    other = driver.run("train", "toy-gan", "--data", "toy-pictures", "--run", "other", "--steps", 2, cwd=tmp_path)
    assert other.code == 0, other
    shutil.copy(tmp_path / "other" / checkpoint.NAME, run / checkpoint.NAME)
    assert "its checkpoint does not fit the networks" in one_line(
        driver.run("train", "--resume", "run", cwd=tmp_path), 2
    )


def test_saving_keeps_the_one_before(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, {"step": step})
    assert checkpoint.load_run(tmp_path)["step"] == 3
    assert checkpoint.load_run(tmp_path, previous=True)["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [checkpoint.PREVIOUS, checkpoint.NAME]


def test_a_run_without_any_checkpoint_begins_at_the_first_step(run: Path, driver: Driver, tmp_path: Path) -> None:
    straight = toy_trainer(tmp_path / "straight", checkpoint_every=1)
    straight.run()
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (run / name).unlink()
    assert driver.run("train", "--resume", "run", cwd=tmp_path).code == 0
    assert differences(bits(run)["model"], bits(tmp_path / "straight")["model"]) == []
