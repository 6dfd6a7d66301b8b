"""A trained model without ganzoo: `generate` as a program of torch's or as ONNX, or a run as a folder for a model hub.

`parity(model, task)` makes a program in memory, loads it again and says how far it is from the model.
"""

from ganzoo.export.formats import Format, Parity, compare, content, parity
from ganzoo.export.program import Interface, NotExportable, Port, Program, trace

__all__ = [
    "Format",
    "Interface",
    "NotExportable",
    "Parity",
    "Port",
    "Program",
    "compare",
    "content",
    "parity",
    "trace",
]
