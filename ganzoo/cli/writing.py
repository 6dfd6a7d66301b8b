"""Pictures that a model made, written into a folder of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def check_new(folder: Path, paths: Sequence[Path], overwrite: bool) -> None:
    """Whether none of `paths`, of that folder, is there already, or may be replaced.

    Raises:
        UserError: when one is and may not.
    """
    there = next((path for path in paths if path.exists()), None)
    if there is not None and not overwrite:
        raise UserError(f"--out {folder}: {there} is there already; choose another folder or add --overwrite")


def write_files(
    made: Iterable[Tensor], folder: Path, names: Sequence[str], *, overwrite: bool, beside: Sequence[str] = ()
) -> None:
    """Write pictures, which come some at a time as (n, C, H, W) in [-1, 1], as the PNG files `names` of a folder, and
    draw a bar. `beside`: what else will be written there.

    Raises:
        UserError: when one of them is there already and is not to be replaced; nothing is made then.
    """
    from ganzoo.cli.progress import loading
    from ganzoo.pictures import save_picture, to_bytes

    paths = [folder / name for name in names]
    check_new(folder, [*(folder / name for name in beside), *paths], overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    done = 0
    with loading() as progress:
        for block in made:
            for picture in to_bytes(block):
                paths[done].parent.mkdir(parents=True, exist_ok=True)
                save_picture(picture, paths[done])
                done += 1
            progress("generating", done, len(paths))
