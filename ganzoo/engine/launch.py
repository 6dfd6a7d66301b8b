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
import time
from collections.abc import Sequence

GRACE_SECONDS = 60.0


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `ganzoo ARGUMENTS` in that many processes and wait; the exit code of the first that failed, else the largest.

    Each process finds RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in its environment.
    """
    environment = dict(os.environ, WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(_free_port()))
    if "OMP_NUM_THREADS" not in environment:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    command = [sys.executable, "-m", "ganzoo", *arguments]
    children = [
        # A session of its own, so that Ctrl-C reaches only us; stdout of the first only.
        subprocess.Popen(
            command, env=dict(environment, RANK=str(rank), LOCAL_RANK=str(rank)), start_new_session=True
        )
        for rank in range(processes)
    ]

    def pass_on(number: int, _frame: object) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    old = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _wait(children)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> int:
    while True:
        codes = [child.poll() for child in children]
        failed = [code for code in codes if code]
        if all(code is not None for code in codes):
            return _exit_code(failed[0]) if failed else 0
        if failed:
            # The others would wait for ever in a collective: let them notice, then end them.
            deadline = time.monotonic() + (GRACE_SECONDS if failed[0] in (130, 143) else 5.0)
            while time.monotonic() < deadline and any(child.poll() is None for child in children):
                time.sleep(0.05)
            for child in children:
                if child.poll() is None:
                    child.kill()
                    child.wait()
            return _exit_code(failed[0])
        time.sleep(0.05)


def _exit_code(code: int) -> int:
    return 128 - code if code < 0 else code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
