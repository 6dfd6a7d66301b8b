"""`ganzoo mix`: pictures whose coarse features come from one latent and whose fine ones come from another."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli import latents
from ganzoo.errors import UserError

ROWS = "0-3"
COLUMNS = "4-9"


@click.command()
@click.option(
    "--layers",
    default="coarse",
    show_default=True,
    metavar="LIST",
    help="Layers that read the column's latent: coarse, middle or fine, or numbers from 0: 0-3 or 0-1,5.",
)
@click.option("--with", "others", metavar="LIST", help=f"The pictures of the columns, by number [{COLUMNS}].")
@latents.of_seeds
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH", help="NAME.png.")
@latents.to_a_file
@latents.of_a_run
def mix(
    run: str | None,
    layers: str,
    others: str | None,
    seeds: tuple[int, ...],
    pick: str | None,
    texts: tuple[str, ...],
    labels: tuple[str, ...],
    truncation: float | None,
    out: Path | None,
    best: bool,
    after: str | None,
    overwrite: bool,
    device: str,
) -> None:
    """Style mixing: a grid of the pictures of the rows with some layers of those of the columns.

    The first row and the first column show the pictures themselves (--pick: the rows, by default 0-3). It needs a model
    whose layers each read an intermediate latent w.

    \b
    ganzoo mix RUN                                         coarse features of the columns, the rest of the rows
    ganzoo mix RUN --layers fine --out mixed.png           fine ones
    ganzoo mix RUN --pick 3,41 --with 17,8,20 --layers 2   these pictures of `ganzoo generate`, layer 2
    """
    if len(seeds) > 1:
        raise UserError("ganzoo mix takes one --seed: --pick and --with say which of its pictures")
    opened = latents.open_model(run, best, after, device, "mix")
    import torch

    from ganzoo.latents.mixing import layer_count, layers_of
    from ganzoo.latents.mixing import mix as mixed
    from ganzoo.latents.points import Pick, draw, many, pictures
    from ganzoo.pictures import grid, save_picture

    latents.check_truncation(opened, truncation)
    chosen = layers_of(layers, layer_count(opened.model, many(opened.model, 1)))
    down = latents.picks_of(seeds, pick or ROWS, None, 0)
    across = [Pick(down[0].seed, number) for number in latents.numbers(others or COLUMNS, "--with")]
    marks = ["mix", *latents.named(seeds, pick, texts, labels, truncation), f"with{others}" if others else "", layers]
    target = out or opened.default(*marks)
    latents.check_target(target, out is not None, overwrite)
    label = latents.class_of_each(opened, labels, max(len(down), len(across)))
    text = latents.caption_of_each(opened, texts, max(len(down), len(across)))
    rows = draw(opened.model, down, label=label, text=text, truncation=truncation)
    columns = draw(opened.model, across, label=label, text=text, truncation=truncation)
    inside = pictures(opened.model, mixed(opened.model, rows, columns, chosen))
    top, left = pictures(opened.model, columns), pictures(opened.model, rows)
    sheet = [torch.ones_like(top[:1]), top]
    for index in range(len(down)):
        sheet += [left[index : index + 1], inside[index * len(across) : (index + 1) * len(across)]]
    target.parent.mkdir(parents=True, exist_ok=True)
    save_picture(grid(torch.cat(sheet), len(across) + 1), target)
    what = f"layers {', '.join(map(str, chosen))} of the columns" if len(chosen) > 1 else f"layer {chosen[0]} of them"
    click.echo(f"{len(down)} rows x {len(across)} columns, {what}, in {target}")
