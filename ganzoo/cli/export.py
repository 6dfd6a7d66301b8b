"""`ganzoo export`: a trained model for use without ganzoo, or for a model hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.naming import exported
from ganzoo.errors import RunError, UserError
from ganzoo.registry import Registry, get_registry

if TYPE_CHECKING:
    from ganzoo.cards import Task
    from ganzoo.export import Format, Parity, Program
    from ganzoo.runs import Run

SUFFIXES = {"pt2": ".pt2", "onnx": ".onnx", "safetensors": ""}


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*SUFFIXES]),
    help="pt2: a program of torch's; onnx; safetensors: a folder for a hub [what --out ends in, else pt2].",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH", help="NAME.pt2, NAME.onnx, or a folder.")
@click.option("--best", is_flag=True, help="The weights that did best while it trained, not the last.")
@click.option("--after", metavar="PHASE", help="The weights as they were when that phase of the training ended.")
@click.option("--direction", default="", metavar="NAME", help="Of a model that goes two ways: which (a2b or b2a).")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def export(
    run: str | None,
    kind: str | None,
    out: Path | None,
    best: bool,
    after: str | None,
    direction: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """A trained model for use without ganzoo. RUN is a folder or a name in runs/ [the newest].

    pt2 and onnx hold what `ganzoo generate` does with its inputs (noise, a class, a picture), and nothing else. The
    file is loaded again and compared with the model on fresh inputs; it is written only where the two agree.

    \b
    ganzoo export                                a .pt2 of the newest run, in its folder
    ganzoo export RUN --best --out model.onnx    for other runtimes (needs ganzoo[onnx])
    ganzoo export RUN --format safetensors       a folder with weights, settings and model card, to be uploaded

    \b
    In Python, without ganzoo:
    program = torch.export.load("model.pt2")
    pictures = program.module()(*program.example_inputs[0])
    """
    from ganzoo.runs import find_folder, open_run

    registry = get_registry()
    folder = find_folder(run, Path("runs"))
    opened = open_run(folder, registry)
    task = registry.tasks.find(registry.architectures[opened.architecture].task)
    if best and after:
        raise UserError(f"--best and --after {after} are two choices of weights; use one of them")
    if kind is None:
        kind = "onnx" if out is not None and out.suffix.lower() == SUFFIXES["onnx"] else "pt2"
    weights = after or ("best" if best else "final")
    if kind == "safetensors":
        if direction:
            raise UserError(f"--direction {direction}: safetensors hold the weights of all directions; leave it out")
        from ganzoo.export.folder import check_folder

        target = out or exported(folder, "", weights, "")
        check_folder(target)
        _refuse(target, out is not None, overwrite)
        _folder(registry, opened, weights, target, as_json)
        return
    way = task.direction(direction).name if task.directions or direction else ""
    target = out or exported(folder, way, weights, SUFFIXES[kind])
    if target.suffix.lower() != SUFFIXES[kind] or target.is_dir():
        raise UserError(f"--out {target}: expected a file NAME{SUFFIXES[kind]} (--format {kind})")
    _refuse(target, out is not None, overwrite)
    _program(registry, opened, task, "onnx" if kind == "onnx" else "pt2", weights, way, target, as_json)


def _refuse(target: Path, asked: bool, overwrite: bool) -> None:
    """Raise when there is something at `target` that is not to be replaced; `asked`: it was named by a person."""
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not empty and not overwrite:
        name = f"--out {target}" if asked else str(target)
        raise UserError(f"{name} is there already; choose another name with --out, or add --overwrite")
    if not target.parent.is_dir():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{target.parent} cannot be made: {(error.strerror or str(error)).lower()}") from error


def _folder(registry: Registry, run: Run, weights: str, target: Path, as_json: bool) -> None:
    """Write the folder and say how it is used."""
    from ganzoo.export.folder import write_folder

    write_folder(run, registry, weights, target)
    files = sorted(path.name for path in target.iterdir())
    if as_json:
        facts = {"path": str(target), "format": "safetensors", "weights": weights, "files": files}
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"{', '.join(files)} in {target}/, loaded again; ready to be uploaded to a model hub")
    click.echo(f"next: ganzoo generate {target}")


def _program(
    registry: Registry, run: Run, task: Task, kind: Format, weights: str, direction: str, target: Path, as_json: bool
) -> None:
    """Make the program, compare it, and write it where it agrees with the model."""
    from ganzoo.engine.files import write_atomic
    from ganzoo.export import compare, content, trace
    from ganzoo.export.formats import check_onnx
    from ganzoo.runs import load_model

    if kind == "onnx":
        check_onnx()
    program = trace(load_model(run.folder, registry, weights=weights), task, direction)
    file = content(program, kind, _about(registry, run, weights, direction))
    found = compare(program, file, kind)
    if found.max_difference is not None and not found.agrees:
        raise RunError(
            f"the export of {run.folder.name} is {found.max_difference:.3g} away from the model (at most "
            f"{found.tolerance:.1g} is rounding), so nothing was written; does {run.architecture} draw noise within "
            "generate()? It belongs into inputs()"
        )
    write_atomic(target, lambda stream: stream.write(file))
    if as_json:
        facts = {"path": str(target), "format": kind, "weights": weights, "direction": direction, "bytes": len(file)}
        click.echo(json.dumps({**facts, **asdict(program.interface), "parity": asdict(found)}, indent=2))
        return
    _tell(program, found, kind, target, len(file))


def _about(registry: Registry, run: Run, weights: str, direction: str) -> dict[str, Any]:
    """What a program says of the model that it was made of."""
    import torch

    import ganzoo

    card = registry.architectures[run.architecture]
    return {
        "architecture": card.name,
        "title": card.title,
        "paper": card.paper,
        "licence": card.licence,
        "task": card.task,
        "direction": direction,
        "data": run.data.name,
        "classes": list(run.data.classes),
        "weights": weights,
        "versions": {"ganzoo": ganzoo.__version__, "torch": str(torch.__version__)},
    }


def _tell(program: Program, found: Parity, kind: Format, target: Path, size: int) -> None:
    """What was written, what it takes and gives, how far it is from the model, and how it is used."""
    interface = program.interface
    click.echo(f"{target} ({size / 2**20:.1f} MiB): {interface}")
    for port in interface.inputs:
        click.echo(f"  {port.name}: {port.meaning}")
    for name, values in interface.sizes.items():
        click.echo(f"  {name}: {values}")
    if interface.fixed:
        click.echo(f"  fixed: {interface.fixed}")
    if found.max_difference is None:
        click.echo("parity: not checked, nothing that is installed can run it; pip install onnxruntime")
    else:
        apart = f"at most {found.max_difference:.2g} from the model (up to {found.tolerance:.1g} is rounding)"
        click.echo(f"parity: {apart}, on {found.samples} samples of fresh inputs, with {found.by}")
    names = ", ".join(port.name for port in interface.inputs)
    use = f'torch.export.load("{target}").module()({names})'
    if kind == "onnx":
        feed = ", ".join(f'"{port.name}": {port.name}' for port in interface.inputs)
        use = f'onnxruntime.InferenceSession("{target}").run(None, {{{feed}}})'
    click.echo(f"use it: {use}")
