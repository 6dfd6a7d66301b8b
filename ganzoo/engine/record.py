"""What a run leaves in its folder while it goes on: metrics.jsonl, evaluations.jsonl, summary.json, and who listens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.engine.files import make_folder, remove_leftovers, write_text
from ganzoo.errors import RunError
from ganzoo.registry import Registry
from ganzoo.runs import BEST, EVALUATIONS, METRICS, Run


class Record:
    """Writes for one run, on the first process only (`active`); elsewhere every method does nothing.

    `warned` is called with the message of a plugin whose hook failed: that costs the run nothing.
    """

    def __init__(self, run: Run, registry: Registry, active: bool) -> None:
        self.run = run
        self.registry = registry
        self.active = active
        self.complaints: list[str] = []

    def begin(self, step: int, has_best: bool) -> None:
        """The run begins or goes on after `step`: what a killed process left half-done is removed.

        So are best weights of which the run knows nothing (`has_best` False): they are those of a step after its
        checkpoint.
        """
        if not self.active:
            return
        remove_leftovers(self.run.folder, self.run.samples)
        make_folder(self.run.samples)
        for name in (METRICS, EVALUATIONS):
            self._trim(self.run.folder / name, step)
        if not has_best:
            (self.run.folder / BEST).unlink(missing_ok=True)
        self._tell("ganzoo_run_started", run=self.run)

    def line(self, step: int, scalars: Mapping[str, float], samples: Path | None) -> None:
        """One line of metrics.jsonl, and the hook that goes with it.

        Raises:
            RunError: when the disk does not take it.
        """
        if not self.active:
            return
        self._append(METRICS, step, scalars)
        self._tell("ganzoo_step_done", run=self.run, step=step, scalars=scalars, samples=samples)

    def evaluation(self, step: int, seconds: float, estimates: Sequence[Mapping[str, Any]]) -> None:
        """One line of evaluations.jsonl; `seconds` is what the evaluation took.

        Raises:
            RunError: when the disk does not take it.
        """
        if self.active:
            self._append(EVALUATIONS, step, {"seconds": round(seconds, 3), "estimates": estimates})

    def summary(self, state: str, **values: Any) -> None:
        """Replace summary.json."""
        if not self.active:
            return
        try:
            self.run.write_summary(state=state, **values)
        except RunError:
            if state != "failed":  # a full disk has its own message already
                raise

    def end(self, error: BaseException | None) -> None:
        """The run ended, with `error` or without."""
        if self.active:
            self._tell("ganzoo_run_finished", run=self.run, error=error)

    def _append(self, name: str, step: int, values: Mapping[str, Any]) -> None:
        path = self.run.folder / name
        kimg = step * self.run.settings.batch / 1000
        try:
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step, "kimg": kimg, **values}) + "\n")
        except OSError as error:
            raise RunError(f"{path} could not be written: {(error.strerror or str(error)).lower()}") from error

    def _trim(self, path: Path, step: int) -> None:
        """Drop the lines of steps that a killed run wrote after its last checkpoint, and a half-written line."""
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue
        write_text(path, "".join(f"{line}\n" for line in kept))

    def _tell(self, hook: str, **arguments: object) -> None:
        known = len(self.registry.broken)
        self.registry.call(hook, **arguments)
        self.complaints += [str(row) for row in self.registry.broken[known:]]
