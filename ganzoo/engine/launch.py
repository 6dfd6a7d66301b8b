"""`--devices N`: N processes of the same command on this machine, as torchrun would start them.

torchrun itself wraps every exit into its own traceback and exit code 1; here a person's mistake stays one line and exit
code 2, and Ctrl-C is passed on once so that every process saves and stops.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

LOST = 75
"""Exit code of a process whose peer ended (EX_TEMPFAIL): the peer's own message and code say why."""
GRACE_SECONDS = 60.0
LOST_SECONDS = 5.0


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `ganzoo ARGUMENTS` in that many processes and wait; the exit code of the first that failed.

    Each process finds RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in its environment. All of them find a
    person's mistake, so stderr is that of the first process; that of another is shown when only it failed.
    """
    environment = dict(os.environ, WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()))
    if "OMP_NUM_THREADS" not in environment:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    command = [sys.executable, "-m", "ganzoo", *arguments]
    children = [
        # A session of its own, so that Ctrl-C reaches only us.
        subprocess.Popen(
            command,
            env=dict(environment, RANK=str(rank), LOCAL_RANK=str(rank)),
            start_new_session=True,
            stderr=subprocess.PIPE if rank > 0 else None,
        )
        for rank in range(processes)
    ]
    said = [_Stderr(child) for child in children]

    def pass_on(number: int, _frame: object) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    # A closed terminal (SIGHUP) would leave the children training on their own.
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    old = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        rank, code = _wait(children)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
    if rank > 0:
        print(said[rank].text(), end="", file=sys.stderr)
    if code < 0:
        print(f"ganzoo: process {rank} of {processes} was ended by {_signal_name(-code)}", file=sys.stderr)
        return 128 - code
    return code


class _Stderr:
    """Takes in what a child says on stderr, so that the child never waits for a reader."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._lines: list[bytes] = []
        self._stream = child.stderr
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        if self._stream is not None:
            with self._stream:
                self._lines.extend(self._stream)

    def text(self) -> str:
        """All that was said; called when the child has ended."""
        self._thread.join(LOST_SECONDS)
        return b"".join(self._lines).decode(errors="replace")


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int]:
    """Rank and exit code of the first process, in rank order, that failed of itself; (0, 0) when none did."""
    while True:
        codes = [child.poll() for child in children]
        if all(code is not None for code in codes):
            return _first_failure(codes)
        failed = [code for code in codes if code]
        if failed:
            # The others notice in their next collective, or would wait for ever in one: give them time, then end them.
            deadline = time.monotonic() + (GRACE_SECONDS if {130, 143} & set(failed) else LOST_SECONDS)
            while time.monotonic() < deadline and any(child.poll() is None for child in children):
                time.sleep(0.05)
            return _first_failure([child.poll() for child in children])
        time.sleep(0.05)


def _first_failure(codes: Sequence[int | None]) -> tuple[int, int]:
    """A process that lost another one (LOST) is no cause where there is another failure."""
    failures = [(rank, code) for rank, code in enumerate(codes) if code]
    causes = [(rank, code) for rank, code in failures if code != LOST]
    return next(iter(causes or failures), (0, 0))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def free_port() -> int:
    """A port of this machine that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
