"""Many real processes at the price of one start: a driver imports torch once and forks a child for every command.

Each child is a process of its own, in a session of its own, which runs the whole `ganzoo` command in its own folder and
dies of real signals. Only the interpreter's start and the imports are shared, so that a test can afford ten of them.
Run as a script this file is the driver; imported, it is the client.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
PATIENCE = 120.0
"""Seconds after which a child that should have ended or moved on fails the test."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (negative: the signal), stdout and stderr."""

    code: int
    out: str
    err: str


class Child:
    """One forked process."""

    def __init__(self, driver: Driver, pid: int, out: Path, err: Path) -> None:
        self.driver, self.pid, self.out, self.err = driver, pid, out, err

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return bool(self.driver.ask(do="alive", pid=self.pid))

    def wait(self) -> Ended:
        """Wait for its end."""
        deadline = time.monotonic() + PATIENCE
        while self.alive():
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                raise AssertionError(f"process did not end: {self.out.read_text()}{self.err.read_text()}")
            time.sleep(0.005)
        code = self.driver.ask(do="code", pid=self.pid)
        return Ended(code, self.out.read_text(), self.err.read_text())


class Driver:
    """The client's end of the driver."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ, OMP_NUM_THREADS="1"),  # small models, many processes
        )

    def ask(self, **request: Any) -> Any:
        """One request, one answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        file_limit: int | None = None,
        die_before: int | None = None,
        call: str | None = None,
    ) -> Child:
        """Fork a process that runs `ganzoo ARGUMENTS`, or `call` ("module:function") with them as strings.

        `file_limit`: bytes beyond which no file may grow. `die_before`: it kills itself before its n-th (from 0)
        opening for writing, link, rename or removal of a file below `cwd`.
        """
        self.count += 1
        out, err = self.scratch / f"{self.count}.out", self.scratch / f"{self.count}.err"
        pid = self.ask(
            do="fork",
            arguments=[str(argument) for argument in arguments],
            cwd=str(cwd or self.scratch),
            env=dict(env or {}),
            file_limit=file_limit,
            die_before=die_before,
            call=call,
            out=str(out),
            err=str(err),
        )
        return Child(self, pid, out, err)

    def run(self, *arguments: object, **how: Any) -> Ended:
        """`start` and wait."""
        return self.start(*arguments, **how).wait()

    def close(self) -> None:
        """End the driver."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)


@functools.cache
def the_driver() -> Driver:
    """The driver of this session of tests."""
    scratch = tempfile.TemporaryDirectory(prefix="ganzoo-forks-")
    driver = Driver(Path(scratch.name))
    atexit.register(scratch.cleanup)
    atexit.register(driver.close)
    return driver


def _drive() -> None:
    sys.path.insert(0, str(HERE))
    for name in (
        "toys",
        "ganzoo.cli.train",
        "ganzoo.modelcard",
        "torch.utils.tensorboard",
        "torch._dynamo",
        "safetensors.torch",
    ):
        importlib.import_module(name)
    import toys

    from ganzoo.registry import get_registry

    registry = get_registry()
    registry.load("toys", "ganzoo-toys", "0", lambda: toys)
    for card in registry.architectures.values():
        importlib.import_module(card.model.partition(":")[0])
    codes: dict[int, int] = {}
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        answer: object
        if request["do"] == "fork":
            answer = os.fork()
            if answer == 0:
                _child(request)
        elif request["do"] == "alive":
            if request["pid"] not in codes:
                pid, status = os.waitpid(request["pid"], os.WNOHANG)
                if pid:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = request["pid"] not in codes
        else:
            answer = codes[request["pid"]]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _child(request: Mapping[str, Any]) -> NoReturn:
    os.setsid()
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    if request["file_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"], request["file_limit"]))
    if request["die_before"] is not None:
        _die_before(request["die_before"], request["cwd"])
    code = 1
    try:
        if request["call"] is not None:
            module, _, function = request["call"].partition(":")
            code = getattr(importlib.import_module(module), function)(*request["arguments"]) or 0
        else:
            from ganzoo.cli import main

            sys.argv = ["ganzoo", *request["arguments"]]
            main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _die_before(number: int, below: str) -> None:
    left = number

    def hook(event: str, arguments: Sequence[object]) -> None:
        nonlocal left
        changes = event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate")
        flags = arguments[2] if event == "open" and len(arguments) > 2 else 0
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (changes or writes) and Path(os.path.abspath(str(arguments[0]))).is_relative_to(below):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)


if __name__ == "__main__":
    _drive()
