"""Several processes train one model: equal weights on each, those of one process with the whole batch, and one end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from forks import PATIENCE, Child, Driver, Ended, the_driver
from proof import bits, one_line

from ganzoo.engine import checkpoint
from ganzoo.engine.distributed import Group
from ganzoo.engine.launch import LOST
from ganzoo.testing.compare import differences


@pytest.fixture
def driver() -> Driver:
    return the_driver()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_ranks(driver: Driver, world: int, *arguments: object, cwd: Path, call: str | None = None) -> list[Child]:
    """Processes with the environment that torchrun gives them."""
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        driver.start(*arguments, cwd=cwd, call=call, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(world)
    ]


def run_ranks(driver: Driver, world: int, *arguments: object, cwd: Path, call: str | None = None) -> list[Ended]:
    ended = [child.wait() for child in start_ranks(driver, world, *arguments, cwd=cwd, call=call)]
    assert [end.code for end in ended] == [0] * world, ended
    return ended


def start_devices(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """A whole `ganzoo train ... --devices 2`, in a session of its own."""
    command = [sys.executable, "-m", "ganzoo", "train", *map(str, arguments), "--devices", "2"]
    return subprocess.Popen(
        command,
        cwd=cwd,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS="1", GANZOO_DISABLE="tensorboard"),
    )


VANILLA = ("vanilla", "--set", "width=16", "--set", "maxout_units=8", "--set", "latent=8", "--set", "batch=8",
           "--set", "samples=4", "--precision", "fp32")  # fmt: skip


@pytest.mark.parametrize("model", ["Toy", "ToyGAN"])
def test_every_process_ends_with_equal_state(model: str, driver: Driver, tmp_path: Path) -> None:
    """ToyGAN has batch normalisation, and a lazy phase whose loss is made of gradients only."""
    run_ranks(driver, 2, tmp_path / "run", model, 7, call="toys:train_and_tell", cwd=tmp_path)
    states = [torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True) for rank in range(2)]
    assert differences(states[0]["parameters"], states[1]["parameters"]) == []
    assert differences(states[0]["buffers"], states[1]["buffers"]) == []
    assert states[0]["largest"] == states[1]["largest"] == 0.0


def test_processes_see_halves_of_the_same_batches_and_of_the_same_noise(driver: Driver, tmp_path: Path) -> None:
    run_ranks(driver, 1, tmp_path / "run-1", "Toy", 3, call="toys:train_and_tell", cwd=tmp_path)
    alone = json.loads((tmp_path / "seen-0.json").read_text())
    run_ranks(driver, 2, tmp_path / "run-2", "Toy", 3, call="toys:train_and_tell", cwd=tmp_path)
    halves = [json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in range(2)]
    assert len(alone) == len(halves[0]) == 6
    for whole, first, second in zip(alone, *halves, strict=True):
        for what in ("rows", "noise"):
            assert first[what] + second[what] == whole[what]
        assert len(set(whole["rows"])) == 8


def moved(folder: Path, other: Path, begun: Path) -> float:
    """Largest difference of two runs' weights as a share of how far training has moved them."""
    one, two, zero = (bits(path)["model"] for path in (folder, other, begun))
    names = [name for name in one if one[name].is_floating_point()]
    apart = max(float((one[name] - two[name]).abs().max()) for name in names)
    return apart / max(float((one[name] - zero[name]).abs().max()) for name in names)


ADA = ("--set", "ada=blit,geometric,color", "--set", "ada_kimg=0.1", "--set", "ada_target=-0.5")


@pytest.mark.parametrize(
    "lazy", [(), ("--set", "r1=1", "--set", "penalty_every=3"), ADA], ids=["plain", "lazy r1", "ada"]
)
def test_two_processes_train_what_one_trains_with_the_whole_batch(
    lazy: tuple[str, ...], driver: Driver, tmp_path: Path
) -> None:
    arguments = ("train", *VANILLA, "--set", "dropout=0", *lazy, "--set", "log_every=2")
    assert driver.run(*arguments, "--steps", 1, "--run", "begun", cwd=tmp_path).code == 0
    assert driver.run(*arguments, "--steps", 8, "--run", "one", cwd=tmp_path).code == 0
    run_ranks(driver, 2, *arguments, "--steps", 8, "--run", "two", cwd=tmp_path)
    assert moved(tmp_path / "two", tmp_path / "one", tmp_path / "begun") < 1e-2
    lines = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("one", "two")]
    losses = [[value for name, value in line.items() if "/" in name] for line in lines]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # metrics are those of the whole batch


def test_two_processes_resume_to_the_same_bits(driver: Driver, tmp_path: Path) -> None:
    settings = ("train", *VANILLA, "--set", "checkpoint_every=1", "--set", "schedule=constant")
    run_ranks(driver, 2, *settings, "--steps", 6, "--run", "whole", cwd=tmp_path)
    run_ranks(driver, 2, *settings, "--steps", 3, "--run", "run", cwd=tmp_path)
    run_ranks(driver, 2, "train", "--resume", "run", "--steps", 6, cwd=tmp_path)
    assert differences(bits(tmp_path / "run")["model"], bits(tmp_path / "whole")["model"]) == []


def test_a_gradient_that_no_process_has_stays_missing(driver: Driver, tmp_path: Path) -> None:
    ended = run_ranks(driver, 2, call="toys:average_gradients", cwd=tmp_path)
    told = [json.loads(end.out) for end in ended]
    assert told[0] == told[1] == {"both": [2.0, 2.0], "only the first": [0.5, 0.5], "none": None}


def test_rows_are_gathered_in_the_same_order_on_every_process(driver: Driver, tmp_path: Path) -> None:
    ended = run_ranks(driver, 2, call="toys:gather_rows", cwd=tmp_path)
    told = [json.loads(end.out) for end in ended]
    assert told[0] == told[1] == [[[0, 1, 4, 5], [0, 1, 4, 5], False], [[2, 3, 6, 7], [2, 3, 6, 7], False]]


def test_alone_there_is_nothing_to_average() -> None:
    group = Group(rank=0, world=1, device=torch.device("cpu"))
    tensor = torch.ones(2)
    group.average([tensor])
    assert tensor.tolist() == [1, 1]
    assert group.any(True, False) == (True, False)
    assert group.broadcast_text("runs/ä-1") == "runs/ä-1"


# --- how several processes end ----------------------------------------------------------------------------------------


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_mistake_that_every_process_finds_is_said_once(tmp_path: Path) -> None:
    process = start_devices("vanilla", "--steps", 2, "--set", "batch=7", "--run", "run", cwd=tmp_path)
    out, err = process.communicate(timeout=PATIENCE)
    line = one_line(Ended(process.returncode, out, err), 2)
    assert "batch: 7 cannot be cut into 2 process(es)" in line


def test_ctrl_c_saves_on_all_and_exits_130(tmp_path: Path) -> None:
    process = start_devices(*VANILLA, "--steps", 100000, "--run", "run", cwd=tmp_path)
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    ranks = children(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "")
    assert out.count("and saved; go on with: ganzoo train --resume run") == 1
    assert bits(tmp_path / "run")["step"] >= 1
    assert len(ranks) == 2
    assert gone(ranks)


def test_a_process_that_is_killed_ends_the_others(tmp_path: Path) -> None:
    process = start_devices(*VANILLA, "--steps", 100000, "--set", "checkpoint_every=2", "--run", "run", cwd=tmp_path)
    wait_for(tmp_path / "run" / checkpoint.NAME, process)
    ranks = children(process.pid)
    second = next(pid for pid in ranks if b"\0RANK=1\0" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes())
    os.kill(second, signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGKILL
    assert "Traceback" not in err, err
    assert (
        "another process of this run has ended; go on from the last checkpoint with: ganzoo train --resume run" in err
    )
    assert "process 1 of 2 was ended by SIGKILL" in err
    assert gone(ranks)
    checkpoint.load(tmp_path / "run" / checkpoint.NAME)


def test_under_torchrun_too_a_lost_process_ends_the_others(driver: Driver, tmp_path: Path) -> None:
    first, second = start_ranks(
        driver, 2, "train", *VANILLA, "--steps", 100000, "--set", "checkpoint_every=2", "--run", "run", cwd=tmp_path
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "run" / checkpoint.NAME).exists():
        assert first.alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second.signal(signal.SIGKILL)
    assert second.wait().code == -signal.SIGKILL
    assert "another process of this run has ended" in one_line(first.wait(), LOST)
