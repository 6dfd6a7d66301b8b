"""TensorBoard: every run's metrics and sample grids as `events.*` in its folder, where tensorboard is installed.

Look at them with `tensorboard --logdir runs`. Nothing is imported before a run starts. Records are written at once and
not by a thread of TensorBoard's own, whose failure on a full disk nobody could catch.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo.runs import Run


class EventFile:
    """One `events.out.tfevents.*` file in a run's folder."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
        self._stream: IO[bytes] = open(folder / name, "ab")  # noqa: SIM115 - closed when the run ends
        self._records = RecordWriter(self._stream)
        self.write(0, file_version="brain.Event:2")

    def write(self, step: int, **content: Any) -> None:
        """Append one event."""
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())
        self._records.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


_files: dict[Path, EventFile] = {}


@hookimpl
def ganzoo_run_started(run: Run) -> None:
    if importlib.util.find_spec("tensorboard") is not None:
        _files[run.folder] = EventFile(run.folder)


@hookimpl
def ganzoo_step_done(run: Run, step: int, scalars: Mapping[str, float], samples: Path | None) -> None:
    file = _files.get(run.folder)
    if file is None:
        return
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
    if samples is not None:
        from PIL import Image

        with Image.open(samples) as picture:
            width, height = picture.size
        encoded = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=samples.read_bytes())
        values.append(Summary.Value(tag="samples", image=encoded))
    try:
        file.write(step, summary=Summary(value=values))
    except OSError:
        _files.pop(run.folder)  # one warning is enough
        raise


@hookimpl
def ganzoo_run_finished(run: Run) -> None:
    file = _files.pop(run.folder, None)
    if file is not None:
        file.close()
