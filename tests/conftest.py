"""What many tests need: the real registry, a folder of their own, the command line, small plugins, short runs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ganzoo.registry import Registry, get_registry

if TYPE_CHECKING:
    from ganzoo.data.base import Data
    from ganzoo.engine.listeners import Reporter
    from ganzoo.engine.trainer import Trainer
    from ganzoo.runs import Run
    from ganzoo.training import Job

STEPS = 4


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The registry of this environment, every installed plugin in it."""
    return get_registry()


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with the cache in a folder beside it."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    return folder


# --- the command line -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def here(cwd: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`here("list", "--json")`: the command in this process, in an empty working directory."""
    from ganzoo.cli import main

    def call(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words])
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def anew(here: Callable[..., Answer]) -> Iterator[Callable[..., Answer]]:
    """`here` in a process that has loaded no plugins yet."""

    def call(*words: str) -> Answer:
        get_registry.cache_clear()
        return here(*words)

    yield call
    get_registry.cache_clear()


@pytest.fixture
def process(cwd: Path) -> Callable[..., Answer]:
    """`process("list", GANZOO_DISABLE="dcgan")`: the command in a process of its own, in an empty working directory.

    Keywords are environment variables. What `install` put there is found.
    """

    def call(*words: str, **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "ganzoo", *words],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """`install("ganzoo-foo", source)`: a distribution with one module, as pip would leave it, for this process and its
    children; its entry point is `foo` unless `entry` says otherwise. Returns the module's file."""
    site, modules = tmp_path / "site", []
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))

    def call(distribution: str, source: str, entry: str | None = None, version: str = "1.0") -> Path:
        module = distribution.replace("-", "_")
        information = site / f"{module}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        name = entry or distribution.removeprefix("ganzoo-")
        (information / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {module}\n")
        path = site / f"{module}.py"
        path.write_text(textwrap.dedent(source))
        modules.append(module)
        return path

    yield call
    for module in modules:
        sys.modules.pop(module, None)


# --- runs of a few steps ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TinyRun:
    """A run that is ready to train, and the parts that it was made of."""

    job: Job
    data: Data
    run: Run
    trainer: Trainer


@dataclass(frozen=True)
class TinyRuns:
    """Makes runs of seconds: `tiny_run("dcgan", steps=6, seed=1).trainer.run()`.

    An architecture is built with the `tiny` settings of its card, for `STEPS` steps, on its default data or else on the
    first embedded set that has what its task needs. Further keywords are settings and go above.
    """

    root: Path
    registry: Registry

    def __call__(
        self,
        architecture: str,
        *,
        data: str | None = None,
        folder: Path | None = None,
        registry: Registry | None = None,
        reporter: Reporter | None = None,
        device: str = "cpu",
        **settings: Any,
    ) -> TinyRun:
        from ganzoo import training
        from ganzoo.engine import distributed
        from ganzoo.engine.listeners import Quiet
        from ganzoo.testing.specimen import embedded_data

        registry = registry or self.registry
        card = registry.architectures.find(architecture)
        data = data or embedded_data(registry, card)
        job = training.plan_job(registry, architecture, data, None, {"steps": STEPS, **card.tiny, **settings})
        opened = training.open_data(registry, job)
        run = training.make_run(registry, job, opened, folder, self.root)
        group = distributed.join(device)
        trainer = training.make_trainer(registry, run, job, opened, group, reporter or Quiet())
        return TinyRun(job, opened, run, trainer)


@pytest.fixture
def tiny_run(tmp_path: Path, registry: Registry) -> TinyRuns:
    """Call it with an architecture's name: see `TinyRuns`."""
    return TinyRuns(tmp_path / "runs", registry)
