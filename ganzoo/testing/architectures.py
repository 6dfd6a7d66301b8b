"""What every architecture promises as a set of networks: sizes, noise, shapes, one way out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo.cards import resolve
from ganzoo.engine.noise import Noise
from ganzoo.model import Model, SampleRequest
from ganzoo.testing.check import CheckFailed
from ganzoo.testing.specimen import Specimen

TOLERANCE = 1e-4
"""How far two ways to the same sample may be apart, of a range of 2: sums in another order."""


def model_class(specimen: Specimen) -> str:
    """The class that the card names is a `ganzoo.Model` that says what it is."""
    reference = specimen.card.model
    found = resolve(reference)
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise CheckFailed(f"{reference} is no subclass of ganzoo.Model", "name the model's class in the card's `model`")
    if not vars(found).get("__doc__"):
        raise CheckFailed(f"{reference} has no docstring", "say in one line what it is")
    module = __import__(found.__module__, fromlist=["_"])
    paper = specimen.card.paper.split(":")[-1]
    if paper != "none" and paper not in (module.__doc__ or ""):
        raise CheckFailed(
            f"the docstring of {found.__module__} does not mention {specimen.card.paper}",
            "say there what is taken from the paper and where the model differs from it",
        )
    return ""


def sizes(specimen: Specimen) -> str:
    """It builds at every size that it claims, in grey and in colour, and what it makes has that shape and range."""
    coloured = any(field.kind == "image" for field in specimen.data.spec.fields)
    for size in specimen.sizes:
        for channels in (1, 3) if coloured else (None,):
            model = specimen.build(size or None, channels)
            wanted = model.data.field(specimen.task.output)
            inputs = model.inputs(specimen.request(model, 2))
            if not set(inputs) & set(specimen.task.inputs):
                raise CheckFailed(
                    f"inputs() gives {', '.join(inputs) or 'nothing'}",
                    f"expected what the task {specimen.task.name} names: {', '.join(specimen.task.inputs)}",
                )
            with torch.no_grad():
                made = model.generate(inputs)
            where = f"at {size} px, {channels} channel(s)" if coloured else "generate()"
            if wanted.kind == "image":
                _check_pictures(made, (2, wanted.channels, wanted.size, wanted.size), where)
            elif made.shape != (2, *wanted.shape):
                raise CheckFailed(
                    f"{where} gives {tuple(made.shape)}, expected {(2, *wanted.shape)}", "mend its last layer"
                )
    return "" if specimen.card.sizes or not coloured else f"tried {specimen.sizes[0]} and {specimen.sizes[-1]} px"


def _check_pictures(made: Tensor, shape: tuple[int, ...], where: str) -> None:
    if made.shape != shape:
        raise CheckFailed(
            f"{where} generate() gives {tuple(made.shape)}, expected {shape}",
            "mend its last layer, or leave the size out of the card's `sizes`",
        )
    if not bool(torch.isfinite(made).all()):
        raise CheckFailed(f"{where} generate() gives numbers that are not finite", "look at its first layers")
    if float(made.abs().max()) > 1:
        raise CheckFailed(
            f"{where} generate() goes up to {float(made.abs().max()):.3g}, expected [-1, 1]",
            "end the generator in tanh, or clamp what generate() returns",
        )


def same_seed(specimen: Specimen) -> str:
    """A sample is a function of the weights, the seed and what is given; of nothing else."""
    model = specimen.build()

    def draw(seed: int, around: int) -> tuple[dict[str, Any], Tensor]:
        torch.manual_seed(around)
        with torch.no_grad():
            inputs = model.inputs(specimen.request(model, 4, seed))
            return inputs, model.generate(inputs)

    _, one = draw(0, around=1)
    inputs, again = draw(0, around=2)
    if not torch.equal(one, again):
        raise CheckFailed(
            "the same seed gives other samples a second time",
            "draw from request.noise in inputs(), never from torch's global generator, and nothing in generate()",
        )
    if "z" in inputs and torch.equal(one, draw(1, around=1)[1]):
        raise CheckFailed("another seed gives the same samples", "draw z from request.noise in inputs()")
    return ""


def alone_or_together(specimen: Specimen) -> str:
    """In eval mode a sample does not depend on the others beside it."""
    model = specimen.build()
    inputs = model.inputs(specimen.request(model, 6))
    with torch.no_grad():
        together = model.generate(inputs)
        alone = model.generate({name: rows[3:4] for name, rows in inputs.items()})
    apart = float((together[3:4] - alone).abs().max())
    if apart > TOLERANCE:
        raise CheckFailed(
            f"a sample changes by {apart:.2g} with the batch that it is made in",
            "use running statistics in eval mode, and nothing that mixes the rows of a batch",
        )
    return ""


def differentiable(specimen: Specimen) -> str:
    """`generate` hands gradients on to the latent, or to what it is given: latent tools and projection live on it."""
    model = specimen.build()
    inputs = model.inputs(specimen.request(model, 2))
    entry = specimen.task.direction().input if specimen.task.directions else "z"
    if entry not in inputs:
        return f"inputs() has no {entry!r}: latent tools do not work with it"
    inputs[entry] = inputs[entry].clone().requires_grad_(True)
    made = model.generate(inputs)
    if made.requires_grad:
        made.float().square().sum().backward()
    gradient = inputs[entry].grad
    if gradient is None or float(gradient.abs().sum()) == 0:
        raise CheckFailed(
            f"no gradient goes from what generate() makes back to {entry!r}",
            "no torch.no_grad(), .detach() or rounding in generate(): who wants no gradient says so",
        )
    return ""


def truncation(specimen: Specimen) -> str:
    """A truncated latent stays within its bound, where there is a latent."""
    model = specimen.build()
    request = specimen.request(model, 8)
    if "z" not in model.inputs(request):
        return "it has no latent"
    tight = model.inputs(SampleRequest(count=8, noise=Noise(0, "check", count=8), given=request.given, truncation=0.5))
    if model.prior_is_normal and model.intermediate(tight) is None and float(tight["z"].abs().max()) > 0.5:
        raise CheckFailed(
            f"with truncation 0.5 the latent goes up to {float(tight['z'].abs().max()):.2g}",
            "draw it by ganzoo.model.truncated_normal(request, self.latent)",
        )
    return ""


def export(specimen: Specimen) -> str:
    """Exported by torch.export, saved and loaded again, it makes the same of the same inputs."""
    from ganzoo.export import NotExportable, parity

    try:
        found = parity(specimen.build(), specimen.task)
    except NotExportable as error:
        raise CheckFailed(
            error.lines[0], "see that generate() depends on the values of its inputs by operations of torch alone"
        ) from error
    if not found.agrees or found.max_difference is None:
        raise CheckFailed(
            f"the exported program differs from the model by {found.max_difference}",
            "see that generate() keeps nothing from one call to the next",
        )
    return f"within {found.max_difference:.1g}"
