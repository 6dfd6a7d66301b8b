"""`ganzoo truncation`: the same pictures at several truncations, below each other."""

from __future__ import annotations

import math
from pathlib import Path

import click

from ganzoo.cli import latents
from ganzoo.errors import UserError

COUNT = 8
IN_W = ("0", "0.3", "0.5", "0.7", "1")
IN_Z = ("0.5", "1", "1.5", "2", "none")


@click.command()
@click.option(
    "--psi",
    multiple=True,
    metavar="PSI",
    help=f"A row for this truncation; repeatable; none: without [{' '.join(IN_Z)}; in w {' '.join(IN_W)}].",
)
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help=f"How many pictures in a row [{COUNT}].")
@latents.of_seeds
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH", help="NAME.png.")
@latents.to_a_file
@latents.of_a_run
def truncation(
    run: str | None,
    psi: tuple[str, ...],
    count: int | None,
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
    """What truncation does: a column for each picture, a row for each psi. RUN is a folder or a name in runs/.

    A model with an intermediate latent w is brought nearer to the mean of w: 0 is the mean picture, 1 changes nothing,
    and below 0 is the opposite. Of others, the noise z is kept within psi.

    \b
    ganzoo truncation RUN                                  eight pictures of the newest run, at five truncations
    ganzoo truncation RUN --psi 0.5 --psi 0.7 --psi none   at these, and without
    ganzoo truncation RUN --pick 3,41 --out sweep.png      these two of `ganzoo generate`
    """
    if truncation is not None:
        raise UserError(f"--truncation {truncation:g}: each row has its own here; use --psi {truncation:g}")
    opened = latents.open_model(run, best, after, device, "truncation")
    import torch

    from ganzoo.latents.points import draw, has_intermediate, pictures
    from ganzoo.pictures import grid, save_picture

    words = psi or (IN_W if has_intermediate(opened.model) else IN_Z)
    values = [_value(word) for word in words]
    for value in values:
        latents.check_truncation(opened, value, "--psi")
    picks = latents.picks_of(seeds, pick, count, COUNT)
    marks = latents.named(seeds, pick, texts, labels, None)
    target = out or opened.default("truncation", *marks, *(psi and (f"psi{'+'.join(psi)}",)), f"n{len(picks)}")
    latents.check_target(target, out is not None, overwrite)
    label = latents.class_of_each(opened, labels, len(picks))
    text = latents.caption_of_each(opened, texts, len(picks))
    rows = [
        pictures(opened.model, draw(opened.model, picks, label=label, text=text, truncation=value)) for value in values
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    save_picture(grid(torch.cat(rows), len(picks)), target)
    click.echo(f"{len(picks)} pictures at psi {', '.join(words)} (from above) in {target}")


def _value(word: str) -> float | None:
    """The number that was given; None for `none`."""
    try:
        value = None if word == "none" else float(word)
    except ValueError:
        value = math.nan
    if value is not None and not math.isfinite(value):
        raise UserError(f"--psi {word}: expected a number, such as 0.7, or none")
    return value
