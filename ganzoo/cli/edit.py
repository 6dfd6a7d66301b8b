"""`ganzoo edit`: a picture changed along directions of the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli import latents
from ganzoo.cli.project import How, how_to_search, prepare, read_pictures
from ganzoo.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.latents.editing import Editor
    from ganzoo.latents.points import Inputs

STRENGTH = 2.0
COLUMNS = 5
"""Strengths of each direction in the grid of --directions."""


@click.command()
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A picture, or a folder or zip of some: projected first, as by ganzoo project.",
)
@click.option(
    "--latent",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The latents of an earlier projection or edit (.safetensors).",
)
@click.option(
    "--direction",
    "numbers",
    type=int,
    multiple=True,
    metavar="N",
    help="Direction N, from 1, the strongest; repeatable: one after the other.",
)
@click.option(
    "--strength",
    "strengths",
    type=float,
    multiple=True,
    metavar="S",
    help=f"How far, in standard deviations of random latents; below 0 the other way [{STRENGTH:g}].",
)
@click.option(
    "--directions", "first", type=click.IntRange(1), metavar="K", help="Show the first K directions, a row for each."
)
@click.option("--layers", metavar="LIST", help="Of a model whose layers read w each: these, as in ganzoo mix [all].")
@latents.of_seeds
@how_to_search
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="NAME.png: before and after; latents: NAME.safetensors.",
)
@latents.to_a_file
@latents.of_a_run
def edit(
    run: str | None,
    source: Path | None,
    latent: Path | None,
    numbers: tuple[int, ...],
    strengths: tuple[float, ...],
    first: int | None,
    layers: str | None,
    seeds: tuple[int, ...],
    pick: str | None,
    texts: tuple[str, ...],
    labels: tuple[str, ...],
    truncation: float | None,
    space: str | None,
    steps: int | None,
    starts: int | None,
    network: str,
    pixels: float | None,
    out: Path | None,
    best: bool,
    after: str | None,
    overwrite: bool,
    device: str,
) -> None:
    """Change pictures along directions of the latent space. RUN is a folder or a name in runs/ [the newest].

    The directions are read from the weights of the layers that read the latent: those along which pictures change most.
    What each does, --directions shows. The picture is yours (--input), an earlier projection (--latent), or one of
    `ganzoo generate` (--seed, --pick; the default).

    \b
    ganzoo edit RUN --directions 8                                 what the first eight do to a picture
    ganzoo edit RUN --input face.png --direction 3 --strength 2    your picture | its projection | changed
    ganzoo edit RUN --latent face.safetensors --direction 3 --strength -2    the other way
    ganzoo edit RUN --seed 4 --direction 1 --strength 1 --direction 5 --strength -3
    """
    which = _Which(
        source=source, latent=latent, seeds=seeds, pick=pick, texts=texts, labels=labels, truncation=truncation
    )
    which.check()
    how = How(
        space=space,
        label=labels[0] if labels else None,
        text=texts[0] if texts else None,
        steps=steps,
        starts=starts,
        network=network,
        pixels=pixels,
        seed=seeds[0] if seeds else 0,
    )
    if how.given() and source is None:
        raise UserError(f"{how.given()[0]} is for the search that --input PICTURE begins with; there is none without")
    if bool(numbers) == bool(first):
        raise UserError("say what to change: --direction N (see what there is with --directions 8), or --directions K")
    wanted = strengths or (STRENGTH,)
    if len(wanted) not in (1, len(numbers) or 1):
        raise UserError(
            f"--strength: {len(wanted)} strengths for {len(numbers) or 'all'} directions; give one, or one each"
        )
    opened = latents.open_model(run, best, after, device, "edit")
    editor = _editor(opened, layers)
    for number in (*numbers, first or 1):
        if not 1 <= number <= len(editor):
            word = "--directions" if number == first else "--direction"
            raise UserError(f"{word} {number}: {opened.folder.name} has directions 1 to {len(editor)}")
    what = [f"directions{first}" if first else "direction" + "+".join(map(str, numbers))]
    what += [
        "strength" + "+".join(f"{s:g}" for s in strengths) if strengths else "",
        f"layers{layers}" if layers else "",
    ]
    target = out or opened.default("edit", *which.marks, *what)
    latents.check_target(target, out is not None, overwrite)
    if target.suffix.lower() != ".png":
        raise UserError(f"--out {target}: an edit is one picture; use --out {target}.png")
    inputs, names, truth = _before(opened, editor, which, how)
    target.parent.mkdir(parents=True, exist_ok=True)
    if first:
        _write_directions(opened, editor, inputs, first, wanted[0], target)
    else:
        each = wanted if len(wanted) > 1 else wanted * len(numbers)
        _write_edit(opened, editor, inputs, names, truth, list(zip(numbers, each, strict=True)), target)


@dataclass(frozen=True, kw_only=True)
class _Which:
    """Which pictures are to be changed."""

    source: Path | None
    latent: Path | None
    seeds: tuple[int, ...]
    pick: str | None
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    truncation: float | None

    def check(self) -> None:
        """Raise when two ways to say it are mixed."""
        if self.source is not None and self.latent is not None:
            raise UserError(f"--input {self.source} and --latent {self.latent} are two choices of pictures; use one")
        of_seeds = {"--pick": self.pick, "--truncation": self.truncation}
        if self.latent is not None:
            of_seeds |= {
                "--seed": self.seeds[0] if self.seeds else None,
                "--label": self.labels[0] if self.labels else None,
                "--text": self.texts[0] if self.texts else None,
            }
        given = [f"{word} {value}" for word, value in of_seeds.items() if value is not None]
        if given and (self.source is not None or self.latent is not None):
            there = f"--input {self.source}" if self.source is not None else f"--latent {self.latent}"
            raise UserError(f"{given[0]} is for pictures of a seed, and {there} says which picture; use one of them")
        if self.source is not None and max(len(self.seeds), len(self.labels), len(self.texts)) > 1:
            raise UserError("--input takes one --seed, of the search, and one --label or --text, of the pictures")

    @property
    def marks(self) -> list[str]:
        """Their name in that of a file."""
        if self.source is not None:
            return [self.source.resolve().stem or "pictures"]
        if self.latent is not None:
            return [self.latent.stem.removeprefix("projection-").removeprefix("edit-")]
        return latents.named(self.seeds, self.pick, self.texts, self.labels, self.truncation)


def _editor(opened: latents.Opened, layers: str | None) -> Editor:
    from ganzoo.latents.editing import Editor
    from ganzoo.latents.mixing import layer_count, layers_of
    from ganzoo.latents.points import many

    if layers is None:
        return Editor.of(opened.model)
    return Editor.of(opened.model, layers_of(layers, layer_count(opened.model, many(opened.model, 1))))


def _before(opened: latents.Opened, editor: Editor, which: _Which, how: How) -> tuple[Inputs, list[str], Tensor | None]:
    """The inputs of the pictures, what they are called and, where they are projections, what they should be like."""
    from ganzoo.latents.points import at, draw, load_latents

    if which.source is not None:
        if how.space == "z" and editor.space == "w":
            raise UserError(f"--space z: the directions of {opened.folder.name} are in w; use --space w or w+")
        search = prepare(opened, how)
        given = read_pictures(opened, which.source)
        found = search(given.pixels)
        return found.inputs, given.names, given.pixels
    if which.latent is not None:
        inputs, names = load_latents(which.latent, opened.model)
        return at(opened.model, inputs, editor.space), names, None
    latents.check_truncation(opened, which.truncation)
    picks = latents.picks_of(which.seeds, which.pick, None, 1)
    label = latents.class_of_each(opened, which.labels, len(picks))
    text = latents.caption_of_each(opened, which.texts, len(picks))
    inputs = draw(opened.model, picks, label=label, text=text, truncation=which.truncation)
    return at(opened.model, inputs, editor.space), [str(pick) for pick in picks], None


def _write_edit(
    opened: latents.Opened,
    editor: Editor,
    inputs: Inputs,
    names: Sequence[str],
    truth: Tensor | None,
    moves: Sequence[tuple[int, float]],
    target: Path,
) -> None:
    from ganzoo.latents.points import lasting, pictures, save_latents
    from ganzoo.pictures import beside, save_picture

    changed = inputs
    for number, strength in moves:
        changed = editor.moved(changed, {number: strength})
    shown = [pictures(opened.model, inputs), pictures(opened.model, changed)]
    save_picture(beside(shown if truth is None else [truth, *shown]), target)
    file = target.with_suffix(".safetensors")
    save_latents(file, lasting(opened.model, changed), names, space=editor.space, run=opened.folder.name)
    what = ", ".join(f"direction {number} by {strength:g}" for number, strength in moves)
    columns = "before | after" if truth is None else "picture | projection | changed"
    click.echo(f"{columns} ({what}, in {editor.space}) in {target}, latents in {file}")


def _write_directions(
    opened: latents.Opened, editor: Editor, inputs: Inputs, first: int, strength: float, target: Path
) -> None:
    """For each picture a row of each direction."""
    from ganzoo.cli.progress import loading
    from ganzoo.latents.points import count_of, joined, pictures, rows_of
    from ganzoo.pictures import grid, save_picture

    places = [strength * (2 * index / (COLUMNS - 1) - 1) for index in range(COLUMNS)]
    rows = [
        editor.moved(rows_of(inputs, [row]), {number: place})
        for row in range(count_of(inputs))
        for number in range(1, first + 1)
        for place in places
    ]
    with loading() as progress:
        made = pictures(opened.model, joined(rows), progress=lambda done, total: progress("pictures", done, total))
    save_picture(grid(made, COLUMNS), target)
    columns = ", ".join(f"{place:g}" for place in places)
    several = f" of each of {count_of(inputs)} pictures" if count_of(inputs) > 1 else ""
    click.echo(f"directions 1 to {first}{several} (from above, in {editor.space}), strengths {columns}, in {target}")
