"""What a picture costs: parameters, milliseconds for one, pictures a second for many."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median

import torch

from ganzoo.engine.noise import Noise
from ganzoo.engine.precision import cpu_name
from ganzoo.model import Model, SampleRequest
from ganzoo.modes import evaluating
from ganzoo.sampling import given_to
from ganzoo_evaluation.base import Comparison, NotApplicable, Value

BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Batches that the throughput is looked for in."""
WARM_UP = 3
"""Runs whose time does not count: memory is fetched and kernels are chosen in them."""
RUNS = (9, 101)
"""Fewest and most runs that are timed at each batch."""
SECONDS = 1.0
"""Time after which no further run is started, once there were enough."""


def compute_parameters(c: Comparison) -> Value:
    """Numbers that were learned in the networks which `generate` reads (an encoder is not among them).

    Raises:
        NotApplicable: when there is no model, only pictures.
    """
    model = _model(c)
    names = [name for name in model.sampling if name not in model.encoding]
    each = {name: sum(p.numel() for p in model.get_submodule(name).parameters()) for name in names}
    return Value(value=float(sum(each.values())), details={"each": each})


def compute_latency(c: Comparison) -> Value:
    """Milliseconds for one picture alone: the median of many runs, after some to warm up.

    The error is half the distance of the order statistics around the median that span one standard error each way; no
    shape of the distribution is assumed. It tells of this run of the measurement: another load of the machine is
    another number.

    Raises:
        NotApplicable: when there is no model, or it needs more than a label, a caption or a picture to make a picture.
    """
    model = _model(c)
    times = _time(model, 1, c.seed)
    return Value(
        value=1000 * median(times),
        error=1000 * _error_of_median(times),
        protocol=_where(model),
        details={"runs": len(times), "fastest": 1000 * min(times), "slowest": 1000 * max(times)},
    )


def compute_throughput(c: Comparison) -> Value:
    """Pictures a second at the best of the batches 1 to 64.

    Raises:
        NotApplicable: when there is no model, or it needs more than a label, a caption or a picture to make a picture.
    """
    model = _model(c)
    times = {batch: _time(model, batch, c.seed) for batch in BATCHES}
    speed = {batch: batch / median(found) for batch, found in times.items()}
    best = max(speed, key=lambda batch: speed[batch])
    relative = _error_of_median(times[best]) / median(times[best])
    return Value(
        value=speed[best],
        error=speed[best] * relative,
        protocol=_where(model),
        details={"batch": best, "each": {str(batch): value for batch, value in speed.items()}},
    )


def _model(c: Comparison) -> Model:
    if c.fake.model is None:
        raise NotApplicable("there is no model to ask, only pictures")
    return c.fake.model


def _where(model: Model) -> dict[str, str | int | float]:
    """The device and, on a CPU, how many threads it worked with."""
    device = next(model.parameters()).device
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device)}
    if device.type == "cpu":
        return {"device": cpu_name(), "threads": torch.get_num_threads()}
    return {"device": device.type}


def _time(model: Model, batch: int, seed: int) -> list[float]:
    """Seconds that each of several runs took to make `batch` pictures, the drawing of the latents not included.

    A model that takes pictures in is given noise of the size of its training, as the first of the fields that it takes;
    one that reads captions those that it remembers, and the time that it reads is part of it.
    """
    fields = [model.data.field(name) for name in model.takes if model.data.has(name)]
    pictures = [field for field in fields if field.kind == "image"]
    known = {"label", "text"} if model.data.examples else {"label"}
    if others := set(model.takes) - known - {field.name for field in pictures}:
        raise NotApplicable(f"the model makes its samples from {', '.join(sorted(others))}, which is not at hand")
    device = next(model.parameters()).device
    noise = Noise(seed, "cost", count=batch, device=device)
    given = given_to(model, range(batch))
    for field in pictures[:1]:
        given[field.name] = 2 * noise.rand(field.channels, field.size, field.size, stream="given") - 1
    inputs = model.inputs(SampleRequest(count=batch, noise=noise, given=given))
    wait = _barrier(device)
    times: list[float] = []
    fewest, most = RUNS
    with torch.inference_mode(), evaluating(model):
        for _ in range(WARM_UP):
            model.generate(inputs)
        wait()
        while len(times) < fewest or (len(times) < most and sum(times) < SECONDS):
            begun = time.perf_counter()
            model.generate(inputs)
            wait()
            times.append(time.perf_counter() - begun)
    return times


def _barrier(device: torch.device) -> Callable[[], None]:
    """Waits until the device has done what it was given."""
    if device.type in ("cuda", "mps", "xpu"):
        return lambda: torch.accelerator.synchronize(device)
    return lambda: None


def _error_of_median(values: list[float]) -> float:
    """One standard error of the median from its order statistics: ranks n / 2 +- sqrt(n) / 2."""
    ordered, n = sorted(values), len(values)
    low = max(0, math.floor((n - math.sqrt(n)) / 2))
    high = min(n - 1, math.ceil((n + math.sqrt(n)) / 2))
    return (ordered[high] - ordered[low]) / 2
