"""`ganzoo project`: the latents whose pictures come nearest to given ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ganzoo.cli import latents
from ganzoo.cli.captions import name_of
from ganzoo.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.latents.distance import Look
    from ganzoo.latents.projection import Found, Freedom, Search

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class How:
    """How to look for latents, in a person's words; None: nobody says. `seed` is that of the random latents."""

    space: str | None
    label: str | None
    text: str | None
    steps: int | None
    starts: int | None
    network: str
    pixels: float | None
    seed: int

    def given(self) -> list[str]:
        """The options that somebody gave, as they were typed, but for the label, the caption and the seed."""
        words = {"--space": self.space, "--steps": self.steps, "--starts": self.starts, "--pixels": self.pixels}
        words["--network"] = self.network or None
        return [f"{word} {value}" for word, value in words.items() if value is not None]

    @property
    def marks(self) -> list[str]:
        """What tells the findings of this search from those of another, for the names of files."""
        words = [name_of([] if self.text is None else [self.text]), self.label or "", self.space or ""]
        return [part for part in (*words, f"seed{self.seed}" if self.seed else "") if part]


def how_to_search(command: F) -> F:
    """The options of `How`, but for the label, the caption and the seed."""
    for option in (
        click.option(
            "--pixels",
            type=click.FloatRange(0),
            metavar="WEIGHT",
            help="What the squared error of pixels counts beside what the network sees [1].",
        ),
        click.option(
            "--network", default="", metavar="NAME", help="Feature network to compare through; none: pixels alone."
        ),
        click.option(
            "--starts", type=click.IntRange(0), metavar="N", help="Random latents to choose a start from [32]."
        ),
        click.option("--steps", type=click.IntRange(0), metavar="N", help="Steps of the search [400]."),
        click.option(
            "--space",
            type=click.Choice(["z", "w", "w+"]),
            help="What moves: z, one w, or a w for each layer (w+: nearer, less like a sample) [w where there is one].",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="A picture, or a folder or zip of some; they are resized to the model's size.",
)
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help="Of several, the first N [all].")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="NAME.png: each picture beside its projection; or a folder of projections. Latents: NAME.safetensors.",
)
@how_to_search
@click.option("--label", metavar="NAME", help="The class of the pictures [that of the nearest start].")
@click.option(
    "--text",
    metavar="CAPTION",
    help="Of a model that reads captions: what the pictures show [the caption of the nearest start].",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random starts.")
@click.option("--json", "as_json", is_flag=True, help="Print the distances as JSON.")
@latents.to_a_file
@latents.of_a_run
def project(
    run: str | None,
    source: Path,
    count: int | None,
    out: Path | None,
    space: str | None,
    steps: int | None,
    starts: int | None,
    network: str,
    pixels: float | None,
    label: str | None,
    text: str | None,
    seed: int,
    as_json: bool,
    best: bool,
    after: str | None,
    overwrite: bool,
    device: str,
) -> None:
    """The pictures of a run that come nearest to yours, and their latents. RUN is a folder or a name in runs/.

    The search goes from the nearest random latent downhill, by what a feature network sees of the two pictures and by
    their pixels. What it finds shows what the model can draw; `ganzoo edit` changes it.

    \b
    ganzoo project RUN --input face.png                    picture | projection, and the latent
    ganzoo project RUN --input faces/ --out nearest.png    several, in one grid
    ganzoo project RUN --input face.png --steps 1000       nearer
    ganzoo edit RUN --latent runs/RUN/generated/projection-face.safetensors --directions 5
    """
    opened = latents.open_model(run, best, after, device, "project")
    how = How(
        space=space, label=label, text=text, steps=steps, starts=starts, network=network, pixels=pixels, seed=seed
    )
    target = out or opened.default("projection", source.resolve().stem or "pictures", *how.marks)
    latents.check_target(target, out is not None, overwrite)
    search = prepare(opened, how)
    given = read_pictures(opened, source, count)
    found = search(given.pixels)
    from ganzoo.latents.points import save_latents

    grid = target.suffix.lower() == ".png"
    file = target.with_suffix(".safetensors") if grid else target / "latents.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    if grid:
        from ganzoo.pictures import beside, save_picture

        save_picture(beside([given.pixels, found.pictures]), target)
    else:
        _write_folder(given.names, found.pictures, target)
    save_latents(file, found.inputs, given.names, space=search.wanted.space, run=opened.folder.name)
    _tell(opened, given.names, found, search.network, as_json)
    if not as_json:
        what = "picture | projection" if grid else "projections"
        click.echo(f"{what} in {target}{'' if grid else '/'}, latents ({search.wanted.space}) in {file}")


@dataclass(frozen=True, kw_only=True)
class Read:
    """Pictures as a model wants them: `pixels` float32 (n, C, H, W) in [-1, 1], and what they are called."""

    names: list[str]
    pixels: Tensor


def read_pictures(opened: latents.Opened, source: Path, count: int | None = None) -> Read:
    """The picture at `source`, or the first `count` of a folder or a zip, in the model's size; what was resized,
    and what could not be read, is said.

    Raises:
        UserError: when there is none.
    """
    import numpy as np
    import torch

    from ganzoo.cli.translate import open_given
    from ganzoo.data.images import BrokenPicture, as_array, inspect, load, square
    from ganzoo.data.names import printable
    from ganzoo.data.store import Skipped, describe_skipped

    given = open_given(source, count)
    data, fit = opened.model.data, opened.model.settings.fit
    skipped, names, rows, resized = list(given.skipped), [], [], []
    for name in given.names:
        try:
            content = given.read(name)
            content = content.read_bytes() if isinstance(content, Path) else content
            facts = inspect(content, name)
            image = load(content, at_least=data.size, name=name)
        except BrokenPicture as error:
            skipped.append(Skipped(name, error.reason))
            continue
        except OSError as error:
            skipped.append(Skipped(name, error.strerror or "cannot be read"))
            continue
        if (facts.width, facts.height) != (data.size, data.size):
            resized.append((name, facts.width, facts.height))
        rows.append(as_array(square(image, data.size, fit), data.channels))
        names.append(name)
    if not rows and not given.several:
        raise UserError(f"--input {printable(str(source))}: {skipped[-1].reason}")
    if not rows:
        raise UserError(f"--input {source}: no picture can be used", *describe_skipped(skipped))
    lines = describe_skipped(skipped)
    if resized:
        name, width, height = resized[0]
        shape = {"crop": "cut to a square and ", "pad": "padded to a square and ", "stretch": ""}[fit]
        shape = "" if all(across == down for _, across, down in resized) else shape
        which = f"{printable(name)} ({width} x {height} pixels) was"
        which = which if len(resized) == 1 else f"{len(resized):,} of {len(rows):,} pictures were"
        lines = [*lines, f"{which} {shape}resized to {data.size} x {data.size}, the size of {opened.folder.name}"]
    for line in lines:
        click.echo(f"ganzoo: {line}", err=True)
    return Read(names=names, pixels=torch.from_numpy(np.stack(rows)).float().div(127.5).sub(1))


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A search that can begin: `look` sees through `network`, `label` is the class of the pictures, if it was given,
    and `text` what they show."""

    opened: latents.Opened
    wanted: Search
    network: str
    look: Look | None
    label: int | None
    text: str | None

    def __call__(self, pixels: Tensor) -> Found:
        """Look for the latents of pictures (n, C, H, W) in [-1, 1], with a bar."""
        from ganzoo.cli.progress import loading
        from ganzoo.latents.projection import project

        with loading() as progress:

            def show(done: int, total: int) -> None:
                progress("searching", done, total)

            return project(
                self.opened.model, pixels, self.wanted, self.look, label=self.label, text=self.text, progress=show
            )


def prepare(opened: latents.Opened, how: How) -> Prepared:
    """The search that is asked for.

    Raises:
        UserError: when something of `how` cannot be had.
    """
    from ganzoo.latents import distance, projection

    plain = latents.space_of(opened, how.space)
    space: Freedom = "w+" if how.space == "w+" else plain
    label = latents.class_numbers(opened, [how.label])[0] if how.label is not None else None
    text = latents.caption_of_each(opened, [] if how.text is None else [how.text], 1)
    name, look = distance.load_look(opened.registry, how.network, next(opened.model.parameters()).device)
    if how.pixels == 0 and look is None:
        raise UserError(f"--pixels 0 with --network {distance.NONE} leaves nothing to compare by")
    wanted = projection.Search(
        space=space,
        steps=projection.STEPS if how.steps is None else how.steps,
        starts=projection.STARTS if how.starts is None else how.starts,
        pixels=projection.PIXELS if how.pixels is None else how.pixels,
        seed=how.seed,
    )
    return Prepared(opened=opened, wanted=wanted, network=name, look=look, label=label, text=text[0] if text else None)


def psnr(error: float) -> float:
    """Decibels of a mean squared error of pictures in [-1, 1]."""
    return 10 * math.log10(4 / error) if error else math.inf


def _tell(opened: latents.Opened, names: Sequence[str], found: Found, network: str, as_json: bool) -> None:
    """Print how far each picture is from its projection."""
    from ganzoo.data.names import printable

    classes = opened.model.data.classes
    rows = []
    for index, name in enumerate(names):
        row: dict[str, Any] = {"picture": name}
        if "label" in found.inputs:
            row["label"] = classes[int(found.inputs["label"][index])]
        if "text" in found.inputs:
            row["text"] = found.inputs["text"][index]
        if network != "none":
            row[f"perceptual[{network}]"] = float(found.perceptual[index])
        decibels = psnr(float(found.pixels[index]))
        row["psnr"] = decibels if math.isfinite(decibels) else None
        row |= {"start": float(found.start[index]), "loss": float(found.loss[index])}
        rows.append(row)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        parts = [printable(str(row[name])) for name in ("label", "text") if name in row]
        parts += [f"{name} {value:.3f}" for name, value in row.items() if name.startswith("perceptual")]
        parts += ["the same pixels" if row["psnr"] is None else f"PSNR {row['psnr']:.1f} dB"]
        click.echo(f"{row['picture']}: {', '.join(parts)} (loss {row['start']:.3f} -> {row['loss']:.3f})")


def _write_folder(names: Sequence[str], pictures: Tensor, folder: Path) -> None:
    from ganzoo.cli.translate import file_names
    from ganzoo.pictures import save_picture, to_bytes

    for name, picture in zip(file_names(names), to_bytes(pictures), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_picture(picture, folder / name)
