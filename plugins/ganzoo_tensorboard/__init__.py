"""TensorBoard: every run's metrics and sample grids as `events.*` in its folder, where tensorboard is installed.

Look at them with `tensorboard --logdir runs`. Nothing is imported before a run starts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo.runs import Run

_writers: dict[Path, Any] = {}


@hookimpl
def ganzoo_run_started(run: Run) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        return
    from torch.utils.tensorboard import SummaryWriter

    _writers[run.folder] = SummaryWriter(str(run.folder))


@hookimpl
def ganzoo_step_done(run: Run, step: int, scalars: Mapping[str, float], samples: Path | None) -> None:
    writer = _writers.get(run.folder)
    if writer is None:
        return
    for name, value in scalars.items():
        writer.add_scalar(name, value, step)
    if samples is not None:
        import numpy as np
        from PIL import Image

        with Image.open(samples) as picture:
            writer.add_image("samples", np.asarray(picture.convert("RGB")), step, dataformats="HWC")


@hookimpl
def ganzoo_run_finished(run: Run) -> None:
    writer = _writers.pop(run.folder, None)
    if writer is not None:
        writer.close()
