"""`ganzoo interpolate`: a walk from picture to picture through the latent space of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli import latents
from ganzoo.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.latents.paths import Way
    from ganzoo.latents.points import Inputs

STOPS = 5
STILLS = 8
"""Pictures of a strip from one stop to the next."""
FRAMES = 24
"""Frames of a film from one stop to the next."""
FPS = 20.0


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="NAME.gif, NAME.mp4, NAME.png (a strip of stills), or a folder of frames.",
)
@click.option(
    "--stops",
    type=click.IntRange(1),
    metavar="N",
    help=f"How many pictures the walk leads to [{STOPS}; of several --text one each].",
)
@latents.of_seeds
@click.option(
    "--frames", type=click.IntRange(1), metavar="N", help=f"From one stop to the next [{FRAMES}; a strip: {STILLS}]."
)
@click.option("--loop", is_flag=True, help="Back to the first stop at the end, so that the film has no seam.")
@click.option("--space", type=click.Choice(["z", "w"]), help="Walk in z or in w [w where the model has one].")
@click.option(
    "--way",
    type=click.Choice(["lerp", "slerp"]),
    help="Straight, or on an arc about the origin [slerp in a normal z, else lerp].",
)
@click.option("--fps", type=click.FloatRange(1, 50), default=FPS, show_default=True, help="Frames a second.")
@latents.to_a_file
@latents.of_a_run
def interpolate(
    run: str | None,
    out: Path | None,
    stops: int | None,
    seeds: tuple[int, ...],
    pick: str | None,
    texts: tuple[str, ...],
    labels: tuple[str, ...],
    truncation: float | None,
    frames: int | None,
    loop: bool,
    space: str | None,
    way: Way | None,
    fps: float,
    best: bool,
    after: str | None,
    overwrite: bool,
    device: str,
) -> None:
    """A walk through the latent space, as a film or a strip. RUN is a folder or a name in runs/ [the newest].

    The stops are pictures that `ganzoo generate` makes of the same seed. Several --label are the classes of the stops
    in turn; a class that is no part of w changes half-way between two stops. Several --text are the stops themselves,
    the same picture (--pick) under one caption after the other; with --stops, --seed or more of --pick they are the
    captions of these in turn. One turns into the other where the model can be told what lies between two captions.

    \b
    ganzoo interpolate RUN --out walk.gif               past the first five pictures
    ganzoo interpolate RUN --out walk.gif --loop        and back to the first
    ganzoo interpolate RUN --pick 3,41,17 --out a.png   stills on the way from picture 3 to 41 and 17
    ganzoo interpolate RUN --seed 1 --seed 8 --out b.mp4   from the first picture of seed 1 to that of 8
    ganzoo interpolate RUN --way lerp --space z         straight through z
    ganzoo interpolate RUN --text "a red star" --text "a blue star"   from caption to caption, with the same noise
    """
    opened = latents.open_model(run, best, after, device, "interpolate")
    picks = latents.picks_of(seeds, pick, stops, STOPS if len(texts) < 2 else 1)
    if len(picks) == 1 and stops is None and texts:
        picks *= len(texts)  # the same noise: only the words change
    if len(picks) < 2:
        raise UserError(f"a walk needs two stops or more, found only picture {picks[0]}; try --stops {STOPS}")
    latents.check_truncation(opened, truncation)
    where = latents.space_of(opened, space)
    how: Way = way or ("slerp" if where == "z" and opened.model.prior_is_normal else "lerp")
    asked = [f"{len(picks)}stops", "loop" if loop else "", space or "", way or ""]
    marks = ["interpolation", *latents.named(seeds, pick, texts, labels, truncation), *asked]
    target = out or opened.default(*marks, suffix=".gif")
    latents.check_target(target, out is not None, overwrite, (".gif", ".mp4"))
    from ganzoo.latents import films, paths, points

    kind = target.suffix.lower()
    if kind == ".mp4":
        films.find_av(target)
    given = points.draw(
        opened.model,
        picks,
        label=latents.class_of_each(opened, labels, len(picks)),
        text=latents.caption_of_each(opened, texts, len(picks)),
        truncation=truncation,
    )
    if where == "z" and "w" in given:
        raise UserError(f"--truncation {truncation:g}: {opened.folder.name} truncates in w; use --space w with it")
    steps = frames or (STILLS if kind == ".png" else FRAMES)
    places = paths.positions(len(picks), steps, closed=loop)
    if loop and kind != ".png":
        places = places[:-1]  # the film begins again with that picture
    ends = points.understood(opened.model, points.at(opened.model, given, where))
    made = _made(opened, paths.walk(ends, places, space=where, way=how))
    target.parent.mkdir(parents=True, exist_ok=True)
    what = f"{len(picks)} stops, {how} in {where}"
    if kind == ".png":
        _write_strip(made, steps, target)
        click.echo(f"{len(made)} pictures, {what}, in {target}")
        return
    _write_film(made, target, fps)
    seconds = f"{len(made) / fps:.1f} s, " if kind else ""
    click.echo(f"{len(made)} frames, {seconds}{what}, in {target}{'' if kind else '/'}")


def _made(opened: latents.Opened, inputs: Inputs) -> Tensor:
    from ganzoo.cli.progress import loading
    from ganzoo.latents.points import pictures

    with loading() as progress:
        return pictures(opened.model, inputs, progress=lambda done, total: progress("frames", done, total))


def _write_strip(made: Tensor, steps: int, path: Path) -> None:
    """A row from each stop to the next, both in it."""
    import torch

    from ganzoo.pictures import grid, save_picture

    rows = [made[start : start + steps + 1] for start in range(0, len(made) - 1, steps)]
    save_picture(grid(torch.cat(rows), steps + 1), path)


def _write_film(made: Tensor, target: Path, fps: float) -> None:
    from ganzoo.cli.progress import loading
    from ganzoo.latents import films
    from ganzoo.pictures import to_bytes

    frames = to_bytes(made)
    if target.suffix.lower() == ".gif":
        films.save_gif(films.enlarged(frames), target, fps)
    elif target.suffix.lower() == ".mp4":
        with loading() as progress:
            films.save_mp4(
                films.enlarged(frames), target, fps, progress=lambda done, total: progress("film", done, total)
            )
    else:
        films.save_frames(list(frames), target)
