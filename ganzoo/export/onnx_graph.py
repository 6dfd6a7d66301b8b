"""A program as ONNX, through the packages of the extra `onnx`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.export.program import NotExportable, Program, first_line

ABOUT = "ganzoo"
"""The key of the metadata that say what it is."""


def to_onnx(program: Program, about: str) -> bytes:
    """The file; its inputs and its output have the names of the interface, and so have the sizes that are open.

    Raises:
        NotExportable: when an operation has no counterpart.
    """
    import onnx

    interface = program.interface
    try:
        converted = torch.onnx.export(
            program.exported, dynamo=True, verbose=False, output_names=[interface.output.name]
        )
        assert converted is not None  # only of the older exporter
        model = converted.model_proto
        onnx.checker.check_model(model)
    except Exception as error:  # the converter's own errors are many
        raise NotExportable(f"it cannot be written as ONNX: {first_line(error)}") from error
    _name_sizes(model.graph, program)
    onnx.helper.set_model_props(model, {ABOUT: about})
    content: bytes = model.SerializeToString()
    return content


def _name_sizes(graph: Any, program: Program) -> None:
    """Open sizes have names of the tracer's (`s77`, `4*s21`); give them those of the interface."""
    names: dict[str, str] = {}
    ports = [*zip(graph.input, program.interface.inputs, strict=True), (graph.output[0], program.interface.output)]
    for value, port in ports:
        for dim, name in zip(value.type.tensor_type.shape.dim, port.shape, strict=True):
            if isinstance(name, str) and dim.dim_param:
                names.setdefault(dim.dim_param, name)
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]


def evaluator(file: bytes) -> tuple[Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]], str]:
    """What runs it, and its name: onnxruntime where it is installed, else the slow evaluator that comes with onnx."""
    try:
        import onnxruntime
    except ImportError:
        import onnx
        from onnx.reference import ReferenceEvaluator

        evaluate = ReferenceEvaluator(onnx.load_from_string(file))
        return lambda inputs: np.asarray(evaluate.run(None, dict(inputs))[0]), f"onnx {onnx.__version__}"
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, dict(inputs))[0]), f"onnxruntime {onnxruntime.__version__}"
