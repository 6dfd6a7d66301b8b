"""Programs as bytes in a format, loaded again, and compared with the model that they were made of."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ganzoo.cards import Task
from ganzoo.errors import UserError
from ganzoo.export.program import NotExportable, Program, first_line, trace
from ganzoo.model import Model
from ganzoo.modes import evaluating

Format = Literal["pt2", "onnx"]
Runner = Callable[[Mapping[str, Tensor]], Tensor]
TOLERANCE = 1e-4
"""Largest difference that rounding may make, where outputs are in [-1, 1]: an eightieth of a grey level."""
ABOUT = "ganzoo.json"
"""The name under which a .pt2 says what it is."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far a program, saved and loaded again, is from its model on inputs that it was not traced with.

    `max_difference` is the largest of all outputs, None where nothing here can run it; `by` says what ran it; `samples`
    is how many were compared; `dynamic` names the sizes that each call may choose; `seconds` is what all of it took.
    """

    max_difference: float | None
    tolerance: float
    samples: int
    dynamic: tuple[str, ...]
    by: str
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether it was compared, and the difference is within the tolerance."""
        return self.max_difference is not None and self.max_difference <= self.tolerance  # NaN is not


def parity(model: Model, task: Task, format: Format = "pt2", direction: str = "") -> Parity:
    """Export a model in memory and compare; see `trace`, `content` and `compare` for what they raise."""
    begun = time.perf_counter()
    program = trace(model, task, direction)
    return compare(program, content(program, format), format, begun)


def content(program: Program, format: Format, about: Mapping[str, Any] | None = None) -> bytes:
    """The file of a program. `about` is put into it beside the interface, as JSON: in a .pt2 as the extra file
    `ganzoo.json`, in ONNX as the metadata `ganzoo`.

    Raises:
        UserError: when the packages that write ONNX are not there.
        NotExportable: when it cannot be written in that format.
    """
    text = json.dumps({"format": "ganzoo-export-1", **(about or {}), **_described(program)}, indent=2)
    if format == "onnx":
        from ganzoo.export.onnx_graph import to_onnx

        check_onnx()
        return to_onnx(program, text)
    stream = io.BytesIO()
    try:
        torch.export.save(program.exported, stream, extra_files={ABOUT: text})
    except Exception as error:  # an operation of a plugin's own, in whatever way torch puts it
        raise NotExportable(f"the program cannot be saved: {first_line(error)}") from error
    return stream.getvalue()


def check_onnx() -> None:
    """Whether ONNX can be written.

    Raises:
        UserError: when a package is missing.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"ONNX needs {' and '.join(missing)}, not found here; pip install 'ganzoo[onnx]'")


def compare(program: Program, file: bytes, format: Format, begun: float | None = None) -> Parity:
    """Load what `content` has just written, and hold it against the model: for one sample and, where the program takes
    them, for three, and pictures of other sizes.

    `begun`: when the work began, by `time.perf_counter`.

    Raises:
        NotExportable: when it does not run, or not on all that the model takes.
    """
    begun = time.perf_counter() if begun is None else begun
    run: Runner | None = None
    by = ""
    difference, samples, largest = 0.0, 0, 1.0
    for inputs in _fresh(program):
        with evaluating(program.examples.model), torch.no_grad():
            wanted = program.examples.model.generate(inputs)
        try:
            if run is None:
                run, by = _onnx_runner(file) if format == "onnx" else _torch_runner(file)
            made = run(inputs)
        except Exception as error:  # whatever the runtime raises
            if format == "onnx" and isinstance(error, NotImplementedError):  # its own evaluator lacks an operation
                return _parity(program, None, TOLERANCE, 0, "", begun)
            shapes = ", ".join(f"{name} {tuple(values.shape)}" for name, values in inputs.items())
            raise NotExportable(f"what was exported does not run with {shapes}; {first_line(error)}") from error
        if made.shape != wanted.shape:
            difference = math.nan
        else:
            apart = float((made.to(wanted) - wanted).abs().max())
            difference = apart if math.isnan(apart) else max(difference, apart)  # and max(NaN, x) stays NaN
        largest = max(largest, float(wanted.abs().max()))
        samples += len(wanted)
    return _parity(program, difference, TOLERANCE * largest, samples, by, begun)


def _parity(
    program: Program, difference: float | None, tolerance: float, samples: int, by: str, begun: float
) -> Parity:
    return Parity(
        max_difference=difference,
        tolerance=tolerance,
        samples=samples,
        dynamic=tuple(program.interface.sizes),
        by=by,
        seconds=time.perf_counter() - begun,
    )


def _fresh(program: Program) -> Iterable[dict[str, Tensor]]:
    """Inputs of other seeds, numbers and sizes than the program was traced with."""
    yield program.examples(1, 1)
    if program.any_batch:
        yield program.examples(3, 2, (2, 1) if program.any_size else (0, 0))


def _torch_runner(file: bytes) -> tuple[Runner, str]:
    """A .pt2 that was written a moment ago: loading one of a stranger's may run what they put into it."""
    module = torch.export.load(io.BytesIO(file)).module()

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            made: Tensor = module(*inputs.values())
        return made

    return run, f"torch {torch.__version__}"


def _onnx_runner(file: bytes) -> tuple[Runner, str]:
    from ganzoo.export.onnx_graph import evaluator

    evaluate, by = evaluator(file)

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        return torch.from_numpy(evaluate({name: values.cpu().numpy() for name, values in inputs.items()}))

    return run, by


def _described(program: Program) -> dict[str, Any]:
    interface = program.interface
    return {
        "inputs": [asdict(port) for port in interface.inputs],
        "output": asdict(interface.output),
        "sizes": dict(interface.sizes),
        "fixed": interface.fixed,
    }
