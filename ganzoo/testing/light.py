"""Whether a plugin can be looked at without torch: found out in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

HEAVY = ("torch", "torchvision", "timm", "scipy", "transformers", "tensorflow", "jax", "pandas", "matplotlib")
"""Packages that take longer to import than all else that `ganzoo list` does."""
PROGRAM = """
import importlib, io, json, sys, time, contextlib
import ganzoo.registry, ganzoo.config
before, said, start = set(sys.modules), io.StringIO(), time.perf_counter()
with contextlib.redirect_stdout(said):
    for name in sys.argv[1:]:
        importlib.import_module(name)
print(json.dumps({
    "seconds": time.perf_counter() - start,
    "modules": sorted(set(sys.modules) - before),
    "said": said.getvalue(),
}))
"""


@cache
def imported(modules: tuple[str, ...]) -> tuple[list[str], float, str]:
    """What importing `modules` brings in of `HEAVY`, how long it takes beside ganzoo itself, and what it prints.

    Raises:
        RuntimeError: when one of them cannot be imported; the message is the last line of the traceback.
    """
    command = [sys.executable, "-c", PROGRAM, *modules]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ends the interpreter"])[-1])
    document = json.loads(done.stdout.splitlines()[-1])
    roots = {name.partition(".")[0] for name in document["modules"]}
    return [name for name in HEAVY if name in roots], float(document["seconds"]), str(document["said"])
