"""`ganzoo generate RUN --text "a red circle"`: pictures of captions, from a model that reads them."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.naming import generated
from ganzoo.errors import UserError, nearest

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.model import Model
    from ganzoo.registry import Registry
    from ganzoo.runs import Run

EACH = 8
"""Pictures of each caption when nobody says how many."""
SHEET = 100
"""Most captions that are shown in one picture."""
ACROSS = 16
"""Most pictures of a caption side by side, unless somebody says."""
LARGEST = 16 * 2**20
"""Bytes of a file of captions."""
TOLD = 8
"""Most words, or captions, that a remark lists."""
SHOWN = 60
"""Most letters of a caption in a remark."""
TABLE = "captions.jsonl"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted of a model that reads captions: `texts` were typed, `file` holds more, without either it is what
    the model remembers; `count` pictures of each caption, or of those that it remembers in all."""

    texts: tuple[str, ...]
    file: Path | None
    count: int
    out: Path | None
    weights: str
    seed: int
    truncation: float | None
    columns: int | None
    overwrite: bool

    @property
    def marks(self) -> list[str]:
        """What tells the files of this order from those of another, for their names."""
        what = self.file.stem if self.file is not None else name_of(self.texts)
        psi = f"psi{self.truncation:g}" if self.truncation else ""
        return [what, f"n{self.count}", f"seed{self.seed}", psi]


def read(order: Order) -> list[str] | None:
    """The captions that were given, each of one line; None where none were.

    Raises:
        UserError: when they cannot be read, or are too many for one picture.
    """
    if order.texts and order.file is not None:
        raise UserError(f"--text and --texts {order.file} are two ways to give captions; use one of them")
    if order.file is not None:
        captions = read_file(order.file)
    elif order.texts:
        captions = [line_of(text) for text in order.texts]
    else:
        return None
    if len(captions) > SHEET and (order.out is None or order.out.suffix.lower() == ".png"):
        raise UserError(
            f"{len(captions):,} captions are too many for one picture (at most {SHEET}); use a folder: --out "
            f"{order.out.with_suffix('') if order.out else 'pictures'}/"
        )
    return captions


def read_file(path: Path) -> list[str]:
    """The captions of a file, one a line; blank lines are passed over.

    Raises:
        UserError: when it is not there, not text, or holds none.
    """
    expected = "expected a text file with one caption a line"
    if not path.is_file():
        near = nearest(path.name, (each.name for each in path.parent.iterdir())) if path.parent.is_dir() else []
        hint = f" (did you mean {path.parent / near[0]}?)" if near else ""
        what = "is a folder" if path.is_dir() else f"there is no such file{hint}"
        raise UserError(f"--texts {path}: {what}; {expected}")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"--texts {path}: {error.strerror or 'cannot be read'}; {expected}") from error
    if len(content) > LARGEST:
        raise UserError(f"--texts {path}: larger than {LARGEST // 2**20} MiB; {expected}")
    if b"\0" in content:
        raise UserError(f"--texts {path}: this is no text; {expected}")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"--texts {path}: not UTF-8 (byte {error.start}: {content[error.start]:#04x}); "
            f"try: iconv -f latin1 -t utf-8 {path.name}"
        ) from error
    captions = [caption for line in lines if (caption := " ".join(line.split()))]
    if not captions:
        raise UserError(f"--texts {path}: there is no caption in it; {expected}")
    return captions


def line_of(text: str) -> str:
    """A caption that was typed, in one line.

    Raises:
        UserError: when it is not UTF-8.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"--text {text!a}: not UTF-8; `ganzoo generate RUN --texts FILE` reads captions of a file"
        ) from error
    return " ".join(text.split())


def make(registry: Registry, run: Run, order: Order, device: str) -> None:
    """Make the pictures, write them, and say where they are.

    Raises:
        UserError: when something of the order cannot be had, or is there already.
    """
    captions = read(order)
    from ganzoo.engine import distributed
    from ganzoo.runs import load_model

    model = load_model(run.folder, registry, distributed.join(device).device, order.weights)
    if captions is None and not model.data.examples:
        raise UserError(
            f'{run.name} remembers no captions; say what to draw: ganzoo generate {run.folder} --text "..."'
        )
    target = order.out or generated(run.folder, order.marks, order.weights)
    grid = target.suffix.lower() == ".png"
    if grid and target.exists() and order.out is not None and not order.overwrite:
        raise UserError(f"--out {target} is there already; choose another name or add --overwrite")
    tell_of(run.name, model, captions or ())
    total = order.count * len(captions or ("",))
    if grid:
        _write_grid(model, order, captions, target)
        where = str(target)
    else:
        _write_files(model, order, captions, target)
        where = f"{target}/, captions in {target / TABLE}"
    several = f" of each of {len(captions)} captions" if captions is not None and len(captions) > 1 else ""
    what = "" if captions is not None else f" of captions that {run.name} remembers"
    number = order.count if several else total
    click.echo(f"{number:,} picture{'' if number == 1 else 's'}{several}{what} in {where}")


def tell_of(name: str, model: Model, captions: Sequence[str]) -> None:
    """Say which words the model of the run `name` does not know, which captions it does not read to the end, and which
    are empty."""
    from ganzoo.data.names import printable

    remarks = []
    unknown = list(dict.fromkeys(word for caption in captions for word in model.unknown_words(caption)))
    if unknown:
        remarks.append(f"unknown words: {_some(unknown)}; {name} has never read them and guesses")
    unread = [rest for caption in captions if (rest := model.unread(caption))]
    if unread:
        which = "the end of the caption" if len(captions) == 1 else f"the end of {len(unread):,} of the captions"
        start = unread[0] if len(unread[0]) <= SHOWN else f"{unread[0][: SHOWN - 3]}..."
        remarks.append(f"too long: {name} does not read {which} (from {start!r} on)")
    if not all(captions):
        remarks.append(f"an empty caption says nothing: {name} draws what it likes")
    for remark in remarks:
        click.echo(f"ganzoo: {printable(remark)}", err=True)


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - TOLD:,} more" if len(words) > TOLD else ""
    return ", ".join(words[:TOLD]) + more


def _made(model: Model, order: Order, captions: Sequence[str] | None) -> Iterator[tuple[str, Tensor]]:
    """Each caption with its pictures (n, C, H, W); every caption gets the same noise. Captions that the model remembers
    come in turn with one picture each, those of `sample`."""
    from ganzoo.sampling import blocks, sample

    if captions is not None:
        for caption in captions:
            yield (
                caption,
                sample(model, order.count, seed=order.seed, text=caption, truncation=order.truncation),
            )
        return
    made = blocks(model, order.count, seed=order.seed, truncation=order.truncation)
    pictures = (block[index : index + 1] for block, _ in made for index in range(len(block)))
    yield from zip(_texts(model, order, None), pictures, strict=True)


def _write_grid(model: Model, order: Order, captions: Sequence[str] | None, target: Path) -> None:
    from ganzoo.pictures import captioned, save_picture, to_bytes

    made = list(_made(model, order, captions))
    members = [list(to_bytes(pictures)) for _, pictures in made]
    each = len(members[0])
    if each == 1:
        sheet = captioned(members, [caption for caption, _ in made], order.columns)
    else:
        square = math.ceil(math.sqrt(each)) if len(made) == 1 and each > EACH else ACROSS
        sheet = captioned(members, [caption for caption, _ in made], 1, order.columns or square)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_picture(sheet, target)


def _write_files(model: Model, order: Order, captions: Sequence[str] | None, folder: Path) -> None:
    """The pictures, and a table of their captions, from which the zoo can read both again as data."""
    from ganzoo.cli.writing import write_files
    from ganzoo.engine.files import write_text

    names, texts = file_names(captions, order.count), _texts(model, order, captions)
    pictures = (block for _, block in _made(model, order, captions))
    write_files(pictures, folder, names, overwrite=order.overwrite, beside=(TABLE,))
    rows = [{"file_name": name, "text": text} for name, text in zip(names, texts, strict=True)]
    write_text(folder / TABLE, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def _texts(model: Model, order: Order, captions: Sequence[str] | None) -> list[str]:
    """The caption of each picture."""
    from ganzoo.sampling import given_to

    if captions is not None:
        return [caption for caption in captions for _ in range(order.count)]
    texts: list[str] = given_to(model, range(order.count))["text"]
    return texts


def file_names(captions: Sequence[str] | None, count: int) -> list[str]:
    """A PNG's name for each of `count` pictures of each caption, caption by caption, no two alike on any file system;
    numbers alone where no captions are given."""
    if captions is None:
        return [f"{index:06d}.png" for index in range(count)]
    digits = len(str(count - 1))
    taken: set[str] = set()
    names = []
    for caption in captions:
        stem = base = slug(caption)
        number = 2
        while stem in taken:
            stem, number = f"{base}-{number}", number + 1
        taken.add(stem)
        names += [f"{stem}-{index:0{digits}d}.png" for index in range(count)]
    return names


def name_of(captions: Sequence[str]) -> str:
    """Captions in the name of a file: the first, and how many more there are; empty where there is none."""
    more = f"-and-{len(captions) - 1}-more" if len(captions) > 1 else ""
    return slug(captions[0]) + more if captions else ""


def slug(caption: str, longest: int = 60) -> str:
    """A caption as part of a file's name: small ASCII letters, digits and hyphens, cut between words."""
    plain = unicodedata.normalize("NFKD", caption).encode("ascii", "ignore").decode().lower().replace("'", "")
    words = re.findall(r"[a-z0-9]+", plain)
    while len(words) > 1 and len("-".join(words)) > longest:
        words.pop()
    return "-".join(words)[:longest] or "caption"
