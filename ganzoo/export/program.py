"""`Model.generate` as a program of torch's: tensors in, a tensor out, none of ganzoo's code left in it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule

from ganzoo.cards import Task
from ganzoo.engine.noise import Noise
from ganzoo.errors import RunError
from ganzoo.model import Model, SampleRequest
from ganzoo.modes import evaluating
from ganzoo.sampling import given_to

BATCH, HEIGHT, WIDTH = "batch", "height", "width"
EXAMPLES = 2
"""Rows of the inputs that a program with any batch size is traced with."""
PICTURES = "pictures in [-1, 1]"
TRUNCATION = "truncation: 1 changes nothing, less makes pictures more typical"
MEANINGS = {
    "label": "the number of the class",
    "sentence": "what captions mean: `model.sentences([caption, ...])` of the model that this was made of",
}
"""What inputs hold, by their names; of others `Model.inputs` tells."""


class NotExportable(RunError):
    """A model that cannot be made a program of its own."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """One input, or the output: in `shape` a name stands for a size that each call chooses (`batch`)."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a program takes, in order, and gives. `sizes` says which values the names in the shapes may have, `fixed`
    why others have none; it is empty where nothing is fixed that might vary."""

    inputs: tuple[Port, ...]
    output: Port
    sizes: Mapping[str, str]
    fixed: str = ""

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.inputs))} -> {self.output}"


@dataclass(frozen=True)
class Examples:
    """Makes inputs of a model: `examples(count, seed)`, a tensor of `count` rows by each name.

    `direction` names the way of a task that has several. Truncation is 1, which changes next to nothing, so that a
    model which has it as an input shows that. Captions come as their vectors.
    """

    model: Model
    task: Task
    direction: str = ""

    @property
    def picture(self) -> str:
        """The input that pictures are given as; empty where the model takes none in."""
        return self.task.direction(self.direction).input if self.task.directions else ""

    @property
    def made(self) -> str:
        """The field of the data that `generate` imitates."""
        return self.task.direction(self.direction).output if self.task.directions else self.task.output

    @property
    def least(self) -> int:
        """Height and width of the pictures that the model was trained on."""
        return self.model.data.field(self.picture).size

    @torch.no_grad()
    def __call__(
        self, count: int, seed: int, larger: tuple[int, int] = (0, 0), *, truncation: float | None = 1.0
    ) -> dict[str, Tensor]:
        """`larger`: by how many multiples (`Model.multiple`) pictures are higher and wider than those of training.

        Raises:
            NotExportable: when the model takes something that is no tensor of `count` rows.
        """
        model = self.model
        noise = Noise(seed, "export", count=count, device=next(model.parameters()).device)
        nothing = "" if "text" in model.takes and not model.data.examples else None
        given = given_to(model, range(count), text=nothing)
        if self.picture:
            given[self.picture] = self._pictures(noise, larger)
        made = model.inputs(SampleRequest(count=count, noise=noise, given=given, truncation=truncation))
        if "text" in made:
            sentence = model.sentences(made.pop("text"))
            if sentence is None:
                raise NotExportable(
                    f"{type(model).__name__} reads captions, and a program has no room for them: "
                    "let its sentences() give their vectors, and its generate() take them as `sentence`"
                )
            made["sentence"] = sentence
        for name, values in made.items():
            if not isinstance(values, Tensor) or values.ndim == 0 or len(values) != count:
                found = (
                    f"tensor of shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
                )
                raise NotExportable(
                    f"{type(model).__name__} takes {name}, a {found}; a program takes tensors of {count} rows for "
                    f"{count} samples"
                )
        return made

    def _pictures(self, noise: Noise, larger: tuple[int, int]) -> Tensor:
        taken = self.model.data.field(self.picture)
        if taken.kind != "image":
            raise NotExportable(
                f"{self.task.title.lower()} takes {taken.name}, a {taken.kind}: only pictures can be made up for it"
            )
        step = self.model.multiple or 0
        height, width = (taken.size + step * more for more in larger)
        return noise.rand(taken.channels, height, width, stream="pictures") * 2 - 1


@dataclass(frozen=True)
class Program:
    """A model's `generate` as it was traced; `examples` make inputs for it."""

    exported: ExportedProgram
    interface: Interface
    examples: Examples

    @property
    def any_batch(self) -> bool:
        """Whether it takes any number of rows."""
        return BATCH in self.interface.sizes

    @property
    def any_size(self) -> bool:
        """Whether it takes pictures of any height and width."""
        return HEIGHT in self.interface.sizes


class Named(nn.Module):
    """`generate` as a module that takes each of its inputs as an argument of that name."""

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model

        def forward(*values: Tensor) -> Tensor:
            return model.generate(dict(zip(names, values, strict=True)))

        by_name = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        forward.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
        self.forward = forward


def trace(model: Model, task: Task, direction: str = "") -> Program:
    """The program of a model: for any batch size, and for pictures of any size, where the model allows it.

    Raises:
        NotExportable: when torch cannot trace it, or an input is no tensor.
        UserError: when the task has no such direction.
    """
    examples = Examples(model, task, direction)
    with evaluating(model):
        fixed, plans = _plans(examples)
        for names in plans:
            # Height and width differ, so that nothing takes one of them for the other, and no map inside is of one
            # pixel, which torch takes for a constant.
            inputs = examples(EXAMPLES if names else 1, 0, (1, 2) if HEIGHT in names else (0, 0))
            axes = {name: {0: BATCH} if names else {} for name in inputs}
            if HEIGHT in names:
                axes[examples.picture] |= {2: HEIGHT, 3: WIDTH}
            dims = _dims(examples, names)
            shapes = {name: {axis: dims[size] for axis, size in open_.items()} for name, open_ in axes.items()}
            try:
                with torch.no_grad():
                    arguments = tuple(inputs.values())
                    exported = torch.export.export(Named(model, tuple(inputs)), arguments, dynamic_shapes=shapes)
                    strip(exported)
                    # One sample, of the size of training: what was found for several may not hold for it.
                    exported.module()(*examples(1, 1).values())
            except Exception as error:  # whatever its code, torch or a check of its own raises
                fixed = f"{' and '.join(names[-2:]) or 'it'}: {first_line(error)}"
                continue
            return Program(exported, _interface(exported, examples, inputs, axes, fixed), examples)
    raise NotExportable(f"{type(model).__name__} cannot be exported: {fixed.removeprefix('it: ')}")


def _plans(examples: Examples) -> tuple[str, list[tuple[str, ...]]]:
    """Which sizes may be left open, the most first; and why no more, if that is known."""
    plans: list[tuple[str, ...]] = [(BATCH,), ()]
    if not examples.picture:
        return "", plans
    if examples.model.multiple is None:
        return "height and width: the model takes pictures of one size", plans
    inputs, wider = examples(1, 0), examples(1, 0, (0, 1))
    others = [name for name in inputs if name != examples.picture and wider[name].shape != inputs[name].shape]
    if others:
        return f"height and width: how much {' and '.join(others)} there is depends on them", plans
    return "", [(BATCH, HEIGHT, WIDTH), *plans]


def _dims(examples: Examples, names: Sequence[str]) -> dict[str, Any]:
    """The open sizes as torch wants them: heights and widths in multiples, from those of training up."""
    step = examples.model.multiple or 1
    dims: dict[str, Any] = {BATCH: Dim(BATCH)}
    for name in names[1:]:
        parts = Dim(name if step == 1 else f"{name}_parts", min=examples.least // step)
        dims[name] = parts if step == 1 else step * parts
    return dims


def strip(exported: ExportedProgram) -> None:
    """Take out of a program the weights that it does not read (of other networks), and the names of files that its
    operations come from."""
    graph, signature = exported.graph, exported.graph_signature
    places = {node.name: node for node in graph.find_nodes(op="placeholder")}
    written = {*signature.buffers_to_mutate.values()}
    kept = []
    for spec in signature.input_specs:
        unread = spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) and not places[spec.arg.name].users
        if spec.target is None or not unread or spec.target in written:
            kept.append(spec)
            continue
        graph.erase_node(places[spec.arg.name])
        exported.state_dict.pop(spec.target, None)
        exported.constants.pop(spec.target, None)
    signature.input_specs[:] = kept
    _copy_weights(exported)
    for module in exported.graph_module.modules():
        if isinstance(module, GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)
            module.recompile()


def _copy_weights(exported: ExportedProgram) -> None:
    """Give a program weights of its own, each in memory of its own: while a model trains, many may share a piece."""
    copies: dict[int, Tensor] = {}
    for name, values in exported.state_dict.items():
        if id(values) not in copies:
            copy = values.detach().clone(memory_format=torch.contiguous_format)
            learned = isinstance(values, nn.Parameter)
            copies[id(values)] = nn.Parameter(copy, values.requires_grad) if learned else copy
        exported.state_dict[name] = copies[id(values)]


def _interface(
    exported: ExportedProgram,
    examples: Examples,
    inputs: Mapping[str, Tensor],
    axes: Mapping[str, Mapping[int, str]],
    fixed: str,
) -> Interface:
    model = examples.model
    always = examples(1, 0, truncation=None)
    ports = [
        Port(
            name=name,
            shape=tuple(axes[name].get(axis, size) for axis, size in enumerate(values.shape)),
            dtype=str(values.dtype).removeprefix("torch."),
            meaning=_meaning(model, name, examples.picture) if name in always else TRUNCATION,
        )
        for name, values in inputs.items()
    ]
    (made,) = exported.graph.output_node().args[0]
    value = made.meta["val"]
    scaled = "" if model.scale == 1 else f"{model.scale}*"
    names = {0: BATCH, 2: f"{scaled}{HEIGHT}", 3: f"{scaled}{WIDTH}"}
    of_pictures = model.data.has(examples.made) and model.data.field(examples.made).kind == "image"
    output = Port(
        name=examples.made,
        shape=tuple(size if isinstance(size, int) else names[axis] for axis, size in enumerate(value.shape)),
        dtype=str(value.dtype).removeprefix("torch."),
        meaning=PICTURES if of_pictures else "",
    )
    open_ = {size for each in axes.values() for size in each.values()}
    sizes = {BATCH: "any number, from 1 up"} if BATCH in open_ else {}
    if HEIGHT in open_:
        steps = f", in steps of {model.multiple}" if model.multiple != 1 else ""
        sizes |= dict.fromkeys((HEIGHT, WIDTH), f"pixels, from {examples.least} up{steps}")
    return Interface(inputs=tuple(ports), output=output, sizes=sizes, fixed=fixed)


def _meaning(model: Model, name: str, picture: str) -> str:
    if name == "z":
        prior = "from N(0, 1)" if model.prior_is_normal else "from a prior of the model's own, as its inputs() does"
        return f"the latent, drawn {prior}"
    return PICTURES if name == picture else MEANINGS.get(name, "as the model's inputs() makes it")


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip() if lines else 'no reason given'}"
