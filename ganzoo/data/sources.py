"""A folder or a zip of picture files as a data set: what is in it, how it is laid out, and rows read on demand.

`open_path` looks at the names, recognises the layout that `DataRequest.fields` asks for, reads every header once and
returns `FileData`; pixels are decoded when rows are read, by the rule of `ganzoo.data.images`. `materialise` decodes
a whole set into memory. A zip is read in place, never unpacked; it gives the same rows as the folder it was made of.

Layouts, each at the top or inside `train/` and `test/` (`val/` stands in for `test/`); one enclosing folder is looked
through, hidden files, `__MACOSX` and files that are no pictures are not looked at:

    image             any pictures, in any folders
    image, label      one folder per class (cat/1.jpg, dog/1.jpg), or labels.csv with the columns file,label
    image, text       1.txt beside 1.jpg (one caption a line), or captions.jsonl, captions.csv, metadata.jsonl or
                      metadata.csv with file_name and text (several rows or a list: several captions)
    source, target    two folders of equal names (source/ target/, A/ B/, input/ output/, input/ target/), or one of
                      files twice as wide as high: source on the left, target on the right
    a, b              two folders A/ B/, or trainA/ trainB/ testA/ testB/

Rows are in natural order (img2 before img10), whatever the file system says. In the unpaired layout the two folders
may differ in length: the set is as long as the longer one, and the other begins again from its start, so that
row i holds a[i % len(a)] and b[i % len(b)]. A caller that wants chance pairs reads two sets of indices.
"""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
import os
import re
import statistics
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, Protocol, TypeVar

import numpy as np

from ganzoo.data.base import ArrayData, Data, DataRequest, DataSpec, Field, Fit, Progress
from ganzoo.data.images import FITS, SUFFIXES, BrokenPicture, Facts, as_array, decode, inspect, load, square
from ganzoo.errors import RunError, UserError, did_you_mean, nearest

FILE_LIMIT = 512 * 2**20
"""Largest picture file in bytes, unpacked: a zip of a few kilobytes can announce terabytes."""
TABLE_LIMIT = 256 * 2**20
CAPTION_LIMIT = 2**20
DEFAULT_SIZE = 64

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
PAIRS = (("source", "target"), ("a", "b"), ("input", "output"), ("input", "target"))
CAPTION_TABLES = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
LABEL_TABLE = "labels.csv"
_TABLES = (*CAPTION_TABLES, LABEL_TABLE)
_FILE_COLUMNS = ("file", "file_name", "filename", "image", "path", "name", "id")
_LABEL_COLUMNS = ("label", "class", "category")
_TEXT_COLUMNS = ("text", "caption", "captions", "prompt", "description")

_EXAMPLES: Mapping[tuple[str, ...], str] = {
    ("image",): "pictures in any folders: faces/1.jpg faces/2.jpg ...",
    ("image", "label"): f"one folder per class: cat/1.jpg cat/2.jpg dog/1.jpg ..., or a {LABEL_TABLE} with the columns "
    "file,label",
    ("image", "text"): "a text file beside each picture: 1.jpg 1.txt 2.jpg 2.txt ..., or captions.jsonl with lines "
    '{"file_name": "1.jpg", "text": "a red bicycle"}',
    ("source", "target"): "two folders of equal names: source/1.png target/1.png ..., or files twice as wide as high, "
    "source on the left",
    ("a", "b"): "two folders of any pictures: A/1.jpg A/2.jpg B/x.jpg ..., or trainA/ trainB/ testA/ testB/",
}

Part = Literal["whole", "left", "right"]
T = TypeVar("T")
R = TypeVar("R")
_CHUNK = 64
_THREADS_PAY = 1e-3
"""Seconds per picture from which on threads are used."""
_SMALL = 64 * 2**10
"""Files up to this many bytes are read whole for their header, which is quicker than a stream."""


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the set, and why."""

    name: str
    reason: str


def describe_skipped(skipped: Sequence[Skipped], examples: int = 3) -> list[str]:
    """One line per reason: how many files were left out for it, and the first few by name."""
    groups: dict[str, list[str]] = {}
    for item in skipped:
        groups.setdefault(item.reason, []).append(printable(item.name))
    lines = []
    for reason, names in groups.items():
        more = f" and {len(names) - examples:,} more" if len(names) > examples else ""
        plural = "file" if len(names) == 1 else "files"
        lines.append(f"{len(names):,} {plural} skipped ({reason}): {', '.join(names[:examples])}{more}")
    return lines


def printable(name: str) -> str:
    """A file name that can be printed on any terminal: control and undecodable characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


# --------------------------------------------------------------------------------------------------------------------
# Where the bytes are


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a store: its name with forward slashes, relative to the store, its size in bytes, and its CRC-32."""

    name: str
    size: int
    crc: int = 0


class Store(Protocol):
    """Files by name. Safe to read from several threads, and to pickle or fork into worker processes."""

    path: Path
    entries: dict[str, Entry]
    refused: list[Skipped]

    def open(self, name: str) -> IO[bytes]:
        """A seekable stream of one file; `OSError` or `zipfile.BadZipFile` when it cannot be had."""
        ...


class FolderStore:
    """The files under a folder, links followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[Skipped] = []
        self.entries, self._prefix = _relevant(_walk(path))

    def open(self, name: str) -> IO[bytes]:
        return open(self.path / (self._prefix + name), "rb")


class ZipStore:
    """The files of a zip, which is read in place: nothing is ever written under the names it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[Skipped] = []
        self._handle: tuple[int, zipfile.ZipFile] | None = None
        self._real: dict[str, str] = {}
        entries = []
        for info in self._archive().infolist():
            name = info.filename.replace("\\", "/")
            if info.is_dir() or name.endswith("/"):
                continue
            if ".." in name.split("/") or name.startswith("/") or re.match(r"[A-Za-z]:", name):
                self.refused.append(Skipped(name, "its name points outside the zip"))
            elif info.flag_bits & 1:
                self.refused.append(Skipped(name, "encrypted"))
            else:
                self._real[name] = info.filename
                entries.append(Entry(name, info.file_size, info.CRC))
        self.entries, self._prefix = _relevant(entries)

    def open(self, name: str) -> IO[bytes]:
        return self._archive().open(self._real[self._prefix + name])

    def _archive(self) -> zipfile.ZipFile:
        # Threads share one handle (zipfile locks its reads); a forked process must not, because it would share the
        # file position with its parent.
        handle = self._handle
        if handle is None or handle[0] != os.getpid():
            handle = self._handle = (os.getpid(), zipfile.ZipFile(self.path))
        return handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handle": None}


def open_store(path: Path) -> Store:
    """The store at `path`.

    Raises:
        UserError: when there is nothing there, or something that is neither a folder nor a zip.
    """
    if path.is_dir():
        return FolderStore(path)
    if not path.exists():
        near = nearest(path.name, os.listdir(path.parent)) if path.parent.is_dir() else []
        hint = f" (did you mean {path.parent / near[0]}?)" if near else ""
        raise UserError(f"{path}: no such folder or file{hint}; expected a folder or a zip of pictures")
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is one picture; expected a folder or a zip of pictures: try {path.parent}")
    try:
        return ZipStore(path)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied; try: chmod u+r {path}") from error
    except Exception as error:  # zipfile raises a dozen types on a file that only looks like a zip
        with open(path, "rb") as stream:
            start = stream.read(4)
        raise UserError(
            f"{path} is not a zip that can be read ({error}; its first bytes are {start!r}); expected a folder or a "
            "zip of pictures: unpack it and give the folder"
        ) from error


def read_file(store: Store, name: str, limit: int = FILE_LIMIT) -> bytes:
    """The bytes of one file of `store`.

    Raises:
        BrokenPicture: when the file is larger than `limit` bytes, or cannot be read or unpacked.
    """
    with _stream(store, name, limit) as stream:
        return stream.read(limit)


@contextmanager
def _stream(store: Store, name: str, limit: int = FILE_LIMIT) -> Iterator[IO[bytes]]:
    if store.entries[name].size > limit:
        raise BrokenPicture(name, f"larger than {limit // 2**20} MiB")
    try:
        with store.open(name) as stream:
            yield stream
    except BrokenPicture:
        raise
    except Exception as error:  # unpacking garbage raises zlib.error, EOFError, NotImplementedError and others
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BrokenPicture(name, f"cannot be read: {text or type(error).__name__}") from error


def _walk(root: Path) -> Iterator[Entry]:
    """Every file under `root` that is not hidden; a folder that is reached twice (a link in a circle) is read once."""
    seen: set[tuple[int, int]] = set()
    stack = [(str(root), "")]
    while stack:
        folder, prefix = stack.pop()
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        try:
            listing = list(os.scandir(folder))
        except OSError as error:
            raise UserError(f"{folder} cannot be listed: {error.strerror}") from error
        for item in listing:
            if item.name.startswith("."):
                continue
            if item.is_dir():
                stack.append((item.path, f"{prefix}{item.name}/"))
            elif item.is_file():
                yield Entry(prefix + item.name, item.stat().st_size)


def _relevant(entries: Iterable[Entry]) -> tuple[dict[str, Entry], str]:
    """The entries worth knowing, in natural order and without enclosing folders, and the prefix that was taken off."""
    kept = {
        entry.name: entry
        for entry in entries
        if not any(part.startswith(".") or part == "__MACOSX" for part in entry.name.split("/"))
    }
    prefix = ""
    shown = [name for name in kept if is_picture(name) or PurePosixPath(name).name.lower() in _TABLES]
    while shown:
        tops = {name[len(prefix) :].partition("/")[0] for name in shown}
        top = tops.pop()
        inside = all(len(name) > len(prefix) + len(top) and name[len(prefix) + len(top)] == "/" for name in shown)
        if tops or not inside or top.lower() in _KEPT_FOLDERS:
            break
        prefix += top + "/"
    inner = (replace(e, name=e.name[len(prefix) :]) for name, e in kept.items() if name.startswith(prefix))
    return {entry.name: entry for entry in sorted(inner, key=lambda entry: natural(entry.name))}, prefix


_KEPT_FOLDERS = frozenset(
    [name for names in SPLITS.values() for name in names]
    + [name for pair in PAIRS for name in pair]
    + [split + side for split in ("train", "test") for side in "ab"]
)


def is_picture(name: str) -> bool:
    """Whether the name of a file ends like that of a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def natural(name: str) -> tuple[Any, ...]:
    """A sort key under which img2 comes before img10, folder by folder."""
    parts = []
    for part in name.split("/"):
        chunks = re.split(r"([0-9]+)", part)
        # (length, digits) orders as the numbers do, without turning a name of a thousand digits into an int
        numbers = [(len(c.lstrip("0")), c.lstrip("0")) if i % 2 else c for i, c in enumerate(chunks)]
        parts.append(tuple(numbers))
    return (*parts, (name,))


# --------------------------------------------------------------------------------------------------------------------
# How the files are laid out


@dataclass
class Column:
    """The pictures of one field: names in the store, and which half of each picture is meant."""

    names: list[str]
    part: Part = "whole"


@dataclass
class Layout:
    """What the names (not yet the headers) say about a set. Columns are row-aligned unless `unpaired`."""

    columns: dict[str, Column]
    labels: list[int] | None = None
    classes: tuple[str, ...] = ()
    texts: list[tuple[str, ...]] | None = None
    unpaired: bool = False
    skipped: list[Skipped] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    """Files other than pictures that the rows depend on: tables and captions."""

    @property
    def side_by_side(self) -> bool:
        """Whether each file holds both pictures of a pair."""
        return any(column.part != "whole" for column in self.columns.values())


def splits_of(store: Store) -> dict[str, str]:
    """Which splits the top folders hold: name of the split -> prefix of its files. Empty: there are no splits.

    Folders count as splits only when there is a train/ and nothing but splits beside it: `train/ truck/ bus/` are
    classes.
    """
    tops = {name.partition("/")[0] if "/" in name else "" for name in store.entries if is_picture(name)}
    by_name = {top.lower(): top for top in tops}
    if "" in tops or not set(by_name) <= {n for names in SPLITS.values() for n in names}:
        return {}
    found = {}
    for split, names in SPLITS.items():
        present = [by_name[name] for name in names if name in by_name]
        if present:
            found[split] = present[0] + "/"
    return found if "train" in found else {}


def layout_of(store: Store, fields: Sequence[str], split: str) -> Layout:
    """The layout that `fields` asks for.

    Raises:
        UserError: when the files are not laid out so; the message says what was found and shows an example.
    """
    wanted = set(fields)
    if wanted == {"source", "target"}:
        return _paired(store, split)
    if wanted == {"a", "b"}:
        return _unpaired(store, split)
    return _pictures(store, split, label="label" in wanted, text="text" in wanted)


def _pictures(store: Store, split: str, *, label: bool, text: bool) -> Layout:
    """Pictures, with labels when asked for or when every picture has one, and captions when asked for."""
    names = list(_tree(store, split).values())
    layout = Layout({"image": Column(names)})
    _add_labels(layout, store, names, demanded=label)
    if text:
        captions, layout.extra = _captions(store)
        if not any(name in captions for name in names):
            raise UserError(
                f"{store.path}: no captions for any of its {len(names):,} pictures", _example(("image", "text"))
            )
        layout.skipped += [Skipped(name, "no caption") for name in names if name not in captions]
        _keep_rows(layout, [i for i, name in enumerate(names) if name in captions])
        layout.texts = [captions[name] for name in layout.columns["image"].names]
    return layout


def _add_labels(layout: Layout, store: Store, names: list[str], *, demanded: bool) -> None:
    tables = _tables(store, (LABEL_TABLE,))
    labels: dict[str, str] = {}
    if tables:
        for name, values in _read_tables(store, tables, _LABEL_COLUMNS).items():
            labels[name] = values[-1]
    else:
        for prefix in splits_of(store).values() or [""]:
            inside = [name for name in store.entries if is_picture(name) and name.startswith(prefix)]
            if any("/" not in name[len(prefix) :] for name in inside):
                labels = {}
                break
            labels |= {name: name[len(prefix) :].partition("/")[0] for name in inside}
    # The classes are those of all splits together: class 3 is the same thing in train and in test.
    classes = tuple(sorted(set(labels.values()), key=natural))
    missing = [name for name in names if name not in labels]
    if len(classes) < 2 or len(missing) == len(names) or (missing and not demanded):
        if demanded:
            found = f"one class ({printable(classes[0])})" if len(classes) == 1 else "no classes"
            raise UserError(f"{store.path}: labels are needed, found {found}", _example(("image", "label")))
        return
    layout.skipped += [Skipped(name, f"no row in {LABEL_TABLE}") for name in missing]
    layout.extra += tables
    _keep_rows(layout, [i for i, name in enumerate(names) if name in labels])
    number = {name: i for i, name in enumerate(classes)}
    layout.classes = classes
    layout.labels = [number[labels[name]] for name in layout.columns["image"].names]


def _paired(store: Store, split: str) -> Layout:
    folders = _two_folders(store, split, PAIRS, ("source", "target"))
    if folders is None:
        names = list(_tree(store, split).values())
        return Layout({"source": Column(names, "left"), "target": Column(names, "right")})
    skipped: list[Skipped] = []
    sides = []
    for tree in folders:
        side: dict[str, str] = {}
        for short, name in tree.items():
            stem = os.path.splitext(short)[0]
            if stem in side:
                skipped.append(Skipped(name, "a second picture of this name"))
            else:
                side[stem] = name
        sides.append(side)
    source, target = sides
    both = [stem for stem in source if stem in target]
    skipped += [Skipped(source[stem], "no target of this name") for stem in source if stem not in target]
    skipped += [Skipped(target[stem], "no source of this name") for stem in target if stem not in source]
    if not both:
        raise UserError(
            f"{store.path}: none of {len(source):,} source and {len(target):,} target pictures have the same name "
            f"(the first are {printable(next(iter(source.values())))} and {printable(next(iter(target.values())))})",
            _example(("source", "target")),
        )
    columns = {"source": Column([source[s] for s in both]), "target": Column([target[s] for s in both])}
    return Layout(columns, skipped=skipped)


def _unpaired(store: Store, split: str) -> Layout:
    folders = _two_folders(store, split, (("a", "b"),), ("a", "b"))
    if folders is None:
        tops = sorted({short.partition("/")[0] for short in _tree(store, split).values() if "/" in short}, key=natural)
        found = f"the folders {', '.join(map(printable, tops[:6]))}" if tops else "pictures in one folder"
        rename = f"; rename them: mv {tops[0]} A; mv {tops[1]} B" if len(tops) == 2 else ""
        raise UserError(f"{store.path}: two folders A and B are needed, found {found}{rename}", _example(("a", "b")))
    a, b = folders
    return Layout({"a": Column(list(a.values())), "b": Column(list(b.values()))}, unpaired=True)


def _two_folders(
    store: Store, split: str, pairs: Sequence[tuple[str, str]], fields: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]] | None:
    """The pictures of the two folders of a pair (name inside the folder -> name in the store), None without them."""
    everything = {name: name for name in store.entries if is_picture(name)}
    tops = _by_top_folder(everything)
    if {"traina", "trainb"} <= tops.keys():
        for name in SPLITS[split]:
            if {f"{name}a", f"{name}b"} <= tops.keys():
                return tops[f"{name}a"], tops[f"{name}b"]
        raise _no_split(store, split, "testA/ and testB/ beside trainA/ and trainB/")
    tops = _by_top_folder(_tree(store, split))
    for one, other in pairs:
        if one in tops and other in tops:
            return tops[one], tops[other]
    for one, other in pairs:
        alone, missing = (one, other) if one in tops else (other, one)
        # "input" or "a" may just be what a folder is called: only the field's own names are taken at their word
        if alone in tops and {one, other} in ({"a", "b"}, set(fields)):
            raise UserError(
                f"{store.path}: the folder {alone!r} has no partner {missing!r} with pictures beside it",
                _example(fields),
            )
    return None


def _by_top_folder(tree: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """`tree` by its top folders, whose names are in lower case."""
    folders: dict[str, dict[str, str]] = {}
    for short, name in tree.items():
        top, slash, rest = short.partition("/")
        if slash:
            folders.setdefault(top.lower(), {})[rest] = name
    return folders


def _tree(store: Store, split: str) -> dict[str, str]:
    """The pictures of a split: name below the split's folder -> name in the store, in natural order."""
    splits = splits_of(store)
    if not splits and split == "train":
        tree = {name: name for name in store.entries if is_picture(name)}
    elif split not in splits:
        raise _no_split(store, split, "test/ (or val/) beside train/")
    else:
        prefix = splits[split]
        tree = {n[len(prefix) :]: n for n in store.entries if n.startswith(prefix) and is_picture(n)}
    if not tree:
        raise no_pictures(store)
    return tree


def _no_split(store: Store, split: str, folders: str) -> UserError:
    return UserError(
        f"{store.path} has no {split} split; a held-out split is a folder {folders}",
        f"for example: {store.path.with_suffix('')}/train/... and {store.path.with_suffix('')}/test/...",
    )


def no_pictures(store: Store) -> UserError:
    suffixes: dict[str, int] = {}
    for name in store.entries:
        suffix = os.path.splitext(name)[1].lower() or "no suffix"
        suffixes[suffix] = suffixes.get(suffix, 0) + 1
    common = sorted(suffixes.items(), key=lambda item: -item[1])[:5]
    found = ", ".join(f"{count:,} x {printable(suffix)}" for suffix, count in common)
    where = f"{len(store.entries):,} other files: {found}" if found else "it is empty"
    if store.refused:
        where += f"; {describe_skipped(store.refused)[0]}"
    known = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
    return UserError(f"{store.path}: no pictures found ({where})", f"pictures are files that end in: {known}")


def _example(fields: tuple[str, ...]) -> str:
    return f"expected {_EXAMPLES[fields]}"


def _keep_rows(layout: Layout, rows: Sequence[int]) -> None:
    """Keep only these rows of a layout whose columns are row-aligned."""
    for column in layout.columns.values():
        column.names = [column.names[i] for i in rows]
    if layout.labels is not None:
        layout.labels = [layout.labels[i] for i in rows]
    if layout.texts is not None:
        layout.texts = [layout.texts[i] for i in rows]


# --------------------------------------------------------------------------------------------------------------------
# Tables and captions


def _tables(store: Store, names: Sequence[str]) -> list[str]:
    """The first of `names` that lies at the top or in the folder of a split, wherever it does."""
    for name in names:
        found = [prefix + name for prefix in ("", *splits_of(store).values()) if prefix + name in store.entries]
        if found:
            return found
    return []


def _captions(store: Store) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Captions by picture, and the files they come from."""
    tables = _tables(store, CAPTION_TABLES)
    if tables:
        return _read_tables(store, tables, _TEXT_COLUMNS), tables
    captions: dict[str, tuple[str, ...]] = {}
    files = []
    for name in store.entries:
        beside = os.path.splitext(name)[0] + ".txt"
        if is_picture(name) and beside in store.entries:
            text = _text(store, beside, CAPTION_LIMIT)
            lines = tuple(line.strip() for line in text.splitlines() if line.strip())
            if lines:
                captions[name] = lines
                files.append(beside)
    return captions, files


def _text(store: Store, name: str, limit: int) -> str:
    try:
        return read_file(store, name, limit).decode("utf-8-sig")
    except BrokenPicture as error:
        raise UserError(f"{store.path}: {printable(error.name)}: {error.reason}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{store.path}: {printable(name)} is not UTF-8 (byte {error.start}: {error.object[error.start]:#04x}); "
            f"try: iconv -f latin1 -t utf-8 {PurePosixPath(name).name}"
        ) from error


def _read_tables(store: Store, tables: Sequence[str], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values by picture. Rows of pictures that are not there are passed over; the pictures decide.

    Raises:
        UserError: one line for each row (at most five) that cannot be understood.
    """
    index = _Index(store)
    values: dict[str, list[str]] = {}
    problems: list[str] = []
    rows = 0
    for table in tables:
        where = f"{store.path}: {table}"
        text = _text(store, table, TABLE_LIMIT)
        parse = _json_rows if table.endswith(".jsonl") else _csv_rows
        folder = table.rpartition("/")[0]
        for file, found in parse(text, columns, where, problems):
            rows += 1
            name = index.find(folder, file)
            if name is not None:
                values.setdefault(name, []).extend(found)
    if problems:
        more = [f"... and {len(problems) - 5} more"] if len(problems) > 5 else []
        raise UserError(*problems[:5], *more)
    if not values:
        raise UserError(
            f"{store.path}: none of the {rows:,} rows of {', '.join(tables)} name a picture that is there; file names "
            f"are relative to the table, for example {printable(index.example)}"
        )
    return {name: tuple(found) for name, found in values.items() if found}


Rows = Iterator[tuple[str, list[str]]]


def _csv_rows(text: str, columns: Sequence[str], where: str, problems: list[str]) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        file = next((header.index(name) for name in _FILE_COLUMNS if name in header), None)
        value = next((header.index(name) for name in columns if name in header), None)
        if file is None or value is None:
            found = printable(",".join(header))[:100] or "nothing"
            problems.append(f"{where}: its first line is {found!r}, expected {_FILE_COLUMNS[0]},{columns[0]}")
            return
        for row in reader:
            if not row:
                continue
            if len(row) <= max(file, value):
                problems.append(f"{where}, line {reader.line_num}: {len(row)} columns, expected {len(header)}")
            elif row[value].strip():
                yield row[file], [row[value].strip()]
    except csv.Error as error:
        problems.append(f"{where}, line {reader.line_num}: {error}")


def _json_rows(text: str, columns: Sequence[str], where: str, problems: list[str]) -> Rows:
    # Not splitlines(): a JSON string may hold U+2028, which is no end of line there.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{where}, line {number}: not JSON: {error}")
            continue
        if not isinstance(row, dict):
            problems.append(f'{where}, line {number}: expected {{"file_name": ..., "{columns[0]}": ...}}')
            continue
        file = next((row[name] for name in _FILE_COLUMNS if name in row), None)
        value = next((row[name] for name in columns if name in row), None)
        found = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        if not isinstance(file, str) or not found:
            keys = printable(", ".join(map(str, row)))[:100]
            problems.append(
                f'{where}, line {number}: found the keys {keys}; expected "file_name" with a string and '
                f'"{columns[0]}" with a string or a list of strings'
            )
            continue
        yield file, [item.strip() for item in found if item.strip()]


class _Index:
    """Finds the picture that a row of a table means: by path, or by bare name (with or without suffix) if only one
    picture is called that."""

    def __init__(self, store: Store) -> None:
        self._pictures = {name for name in store.entries if is_picture(name)}
        self._bare: dict[str, str | None] = {}
        self.example = next(iter(name for name in store.entries if is_picture(name)), "1.jpg")
        for name in self._pictures:
            base = name.rpartition("/")[2]
            for key in (base, os.path.splitext(base)[0]):
                self._bare[key] = None if key in self._bare else name

    def find(self, folder: str, file: str) -> str | None:
        path = file.strip().replace("\\", "/").removeprefix("./")
        for candidate in (f"{folder}/{path}" if folder else path, path):
            if candidate in self._pictures:
                return candidate
        return self._bare.get(path)


# --------------------------------------------------------------------------------------------------------------------
# The set


def scan(
    store: Store, names: Sequence[str], progress: Progress | None = None
) -> tuple[dict[str, Facts], list[Skipped]]:
    """The header of every picture, and those whose header is broken."""
    shared: dict[Facts, Facts] = {}
    facts: dict[str, Facts] = {}
    broken: list[Skipped] = []

    def header(name: str) -> Facts | BrokenPicture:
        try:
            if store.entries[name].size <= _SMALL:
                return inspect(read_file(store, name), name)
            with _stream(store, name) as stream:
                return inspect(stream, name)
        except BrokenPicture as error:
            return error

    for name, found in zip(names, parallel(header, names, progress, "reading headers"), strict=True):
        if isinstance(found, BrokenPicture):
            broken.append(Skipped(name, found.reason))
        else:
            facts[name] = shared.setdefault(found, found)  # one object for the thousands that are alike
    return facts, broken


def suggest_size(facts: Iterable[Facts], allowed: Sequence[int] | None = None) -> int:
    """The size in pixels to train at when nobody said one.

    When all pictures are square and alike it is their own size; otherwise the median of their short sides, but no
    more than 64, which trains in reasonable time anywhere. With `allowed` (the sizes an architecture can be built
    for) the largest of these that does not exceed it, or else the smallest.
    """
    known = list(facts)
    if not known:
        raise ValueError("suggest_size needs at least one picture")
    first = known[0]
    if first.square and all((f.width, f.height) == (first.width, first.height) for f in known):
        size = first.width
    else:
        size = min(DEFAULT_SIZE, int(statistics.median_low(f.short for f in known)))
    if not allowed:
        return size
    return max((s for s in allowed if s <= size), default=min(allowed))


def open_path(path: Path, request: DataRequest) -> FileData:
    """The pictures at `path` (a folder or a zip) as a set with the fields of `request`, see the top of this module.

    A size of None is settled by `suggest_size`; channels of None are 1 when every picture is grey by its header and
    3 otherwise, for all picture fields alike. What is left out is in `FileData.skipped`.

    Raises:
        UserError: when there is nothing there, nothing usable, or nothing laid out as the fields need it.
    """
    path = Path(path)
    _check_request(request)
    store = open_store(path)
    layout = layout_of(store, request.fields, request.split)
    skipped = [*store.refused, *layout.skipped]
    names = list(dict.fromkeys(name for column in layout.columns.values() for name in column.names))
    facts, broken = scan(store, names, request.progress)
    halves = layout.side_by_side
    unfit = [
        Skipped(name, "not twice as wide as high, so not two pictures side by side")
        for name, fact in facts.items()
        if halves and fact.width != 2 * fact.height
    ]
    if facts and len(unfit) == len(facts):
        first = facts[names[0]] if names[0] in facts else next(iter(facts.values()))
        raise UserError(
            f"{path}: no pairs found: there are no two folders for them, and no picture is twice as wide as high (the "
            f"first is {first.width} x {first.height})",
            _example(("source", "target")),
        )
    skipped += broken + unfit
    for item in unfit:
        del facts[item.name]
    keep_good(layout, facts)
    if not all(column.names for column in layout.columns.values()):
        raise UserError(f"{path}: none of its {len(names):,} pictures can be used", *describe_skipped(skipped))
    if halves:
        facts = {name: replace(fact, width=fact.width // 2) for name, fact in facts.items()}
    channels = request.channels or (1 if all(fact.grey for fact in facts.values()) else 3)
    size = request.size or suggest_size(facts.values())
    spec = DataSpec(
        name=path.name if path.is_dir() else path.stem,
        split=request.split,
        count=max(len(column.names) for column in layout.columns.values()),
        fields=_fields(layout, channels, size),
        fingerprint=_fingerprint(store, [*names, *layout.extra]),
    )
    return FileData(spec, store, layout, request.fit, tuple(facts.values()), skipped)


def _check_request(request: DataRequest) -> None:
    """Every mistake of a request at once."""
    problems = []
    if request.split not in SPLITS:
        problems.append(
            f"split {request.split!r}: a folder has the splits train and test{did_you_mean(request.split, SPLITS)}"
        )
    wanted = set(request.fields)
    if wanted not in ({"source", "target"}, {"a", "b"}) and not {"image"} <= wanted <= {"image", "label", "text"}:
        problems.append(
            f"fields {', '.join(request.fields) or '(none)'}: a folder of pictures gives image, image+label, "
            "image+text, source+target or a+b"
        )
    if request.size is not None and request.size < 1:
        problems.append(f"size {request.size}: expected pixels, for example --set size={DEFAULT_SIZE}")
    if request.channels not in (None, 1, 3):
        problems.append(f"channels {request.channels}: expected 1 (grey) or 3 (RGB), for example --set channels=3")
    if request.fit not in FITS:
        problems.append(
            f"fit {request.fit!r}: expected {', '.join(FITS)}{did_you_mean(request.fit, FITS)}, for example "
            f"--set fit={FITS[0]}"
        )
    if problems:
        raise UserError(*problems)


def keep_good(layout: Layout, good: Mapping[str, Facts]) -> None:
    """Drop the rows of `layout` (or, unpaired, the pictures) that are not in `good`."""
    if layout.unpaired:
        for column in layout.columns.values():
            column.names = [name for name in column.names if name in good]
    else:
        columns = [column.names for column in layout.columns.values()]
        _keep_rows(layout, [i for i, row in enumerate(zip(*columns, strict=True)) if all(n in good for n in row)])


def _fields(layout: Layout, channels: int, size: int) -> tuple[Field, ...]:
    fields = [Field(name=name, kind="image", channels=channels, size=size) for name in layout.columns]
    if layout.labels is not None:
        fields.append(Field(name="label", kind="label", classes=layout.classes))
    if layout.texts is not None:
        fields.append(Field(name="text", kind="text"))
    return tuple(fields)


def _fingerprint(store: Store, names: Iterable[str]) -> str:
    """sha256 over the sorted names, sizes and (of a zip) CRCs: cheap, and different as soon as a file is."""
    digest = hashlib.sha256()
    for name in sorted(set(names)):
        entry = store.entries[name]
        digest.update(f"{name}\0{entry.size}\0{entry.crc}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class FileData:
    """Pictures in files, decoded when they are read; see `open_path`.

    `skipped` names what is not in the set, `facts` the headers of what is (of halves, where a file holds a pair).
    A picture whose header was good and whose pixels are not is found out only when it is read: the next good row
    stands in for its row, always the same one, and the first such find warns.
    """

    def __init__(
        self, spec: DataSpec, store: Store, layout: Layout, fit: Fit, facts: tuple[Facts, ...], skipped: list[Skipped]
    ) -> None:
        self.spec = spec
        self.fit = fit
        self.facts = facts
        self.skipped = skipped
        self._store = store
        self._layout = layout
        self._bad: set[int] = set()

    def __len__(self) -> int:
        return self.spec.count

    @property
    def nbytes(self) -> int:
        """Bytes of all picture fields as uint8 arrays."""
        return sum(self.spec.count * f.channels * f.size**2 for f in self.spec.fields if f.kind == "image")

    def resized(self, *, size: int | None = None, channels: int | None = None, fit: Fit | None = None) -> FileData:
        """The same set at another size, number of channels or fit; no file is looked at again."""
        other = copy.copy(self)
        other.skipped, other._bad = list(self.skipped), set(self._bad)
        other.fit = fit or self.fit
        other.spec = replace(
            self.spec, fields=_fields(self._layout, channels or self.spec.channels, size or self.spec.size)
        )
        return other

    def read(self, indices: Sequence[int]) -> dict[str, Any]:
        """Rows as columns: pictures uint8 (n, channels, size, size), label int64 (n,), text a list of n tuples.

        Raises:
            RunError: when not one picture of the set can be decoded any more.
        """
        out = {
            f.name: np.empty((len(indices), f.channels, f.size, f.size), np.uint8)
            for f in self.spec.fields
            if f.kind == "image"
        }
        rows = []
        for position, index in enumerate(indices):
            row, pictures = self._good_row(int(index))
            rows.append(row)
            for name, pixels in pictures.items():
                out[name][position] = pixels
        return out | self._others(rows)

    def _others(self, rows: Sequence[int]) -> dict[str, Any]:
        others: dict[str, Any] = {}
        if self._layout.labels is not None:
            others["label"] = np.asarray([self._layout.labels[i] for i in rows], dtype=np.int64)
        if self._layout.texts is not None:
            others["text"] = [self._layout.texts[i] for i in rows]
        return others

    def _good_row(self, index: int) -> tuple[int, dict[str, np.ndarray]]:
        count = self.spec.count
        if not -count <= index < count:
            raise IndexError(f"{self.spec.name} has {count} rows, asked for row {index}")
        for step in range(count):
            row = (index + step) % count
            if row in self._bad:
                continue
            try:
                return row, self._row(row)
            except BrokenPicture as error:
                self._bad.add(row)
                if not any(item.name == error.name for item in self.skipped):
                    self.skipped.append(Skipped(error.name, error.reason))
                if len(self._bad) == 1:
                    warnings.warn(
                        f"{self._store.path}: {printable(error.name)} cannot be decoded ({error.reason}); the next "
                        f"good row stands in for it. All such files: ganzoo data check {self._store.path}",
                        RuntimeWarning,
                        stacklevel=4,
                    )
        raise RunError(f"{self._store.path}: none of its {count:,} rows can be decoded any more")

    def _row(self, row: int) -> dict[str, np.ndarray]:
        """The pictures of one row, by field."""
        columns = self._layout.columns
        if self._layout.side_by_side:
            return dict(zip(columns, self._halves(row), strict=True))
        return {name: self._picture(column.names[row % len(column.names)]) for name, column in columns.items()}

    def _picture(self, name: str) -> np.ndarray:
        content = read_file(self._store, name)
        return decode(content, size=self.spec.size, channels=self.spec.channels, fit=self.fit, name=name)

    def _halves(self, row: int) -> list[np.ndarray]:
        name = next(iter(self._layout.columns.values())).names[row]
        image = load(read_file(self._store, name), name=name)
        middle = image.width // 2
        halves = (image.crop((x, 0, x + middle, image.height)) for x in (0, image.width - middle))
        return [as_array(square(half, self.spec.size, self.fit), self.spec.channels) for half in halves]


def materialise(data: Data, progress: Progress | None = None) -> ArrayData:
    """The whole set in memory: `data.nbytes` and a few pictures more, decoded by as many threads as there are cores.

    Rows with a picture that cannot be decoded are left out, so the result may be shorter; they are added to the
    `skipped` of a `FileData`. Of an unpaired set each side is filled up again by starting over.

    Raises:
        UserError: when no row is left.
        RunError: when there is not enough memory.
    """
    if isinstance(data, ArrayData):
        return data
    if not isinstance(data, FileData):
        return ArrayData(data.spec, data.read(range(len(data))))
    layout, spec = data._layout, data.spec
    shape = (spec.channels, spec.size, spec.size)
    try:
        arrays = {name: np.empty((spec.count, *shape), np.uint8) for name in layout.columns}
    except MemoryError as error:
        raise RunError(f"{spec.name} needs {data.nbytes / 2**30:.1f} GiB of memory at size {spec.size}") from error
    kept: list[int] = []
    if layout.unpaired:
        lengths = []
        for field_name, column in layout.columns.items():

            def side(i: int, names: list[str] = column.names, into: np.ndarray = arrays[field_name]) -> None:
                into[i] = data._picture(names[i])

            good = _fill(side, len(column.names), data, progress)
            _compact(arrays[field_name], good)
            lengths.append(len(good))
        count = max(lengths) if all(lengths) else 0
        for (name, array), length in zip(arrays.items(), lengths, strict=True):
            for start in range(length, count, max(length, 1)):
                array[start : min(start + length, count)] = array[: min(length, count - start)]
            arrays[name] = array[:count]
    else:

        def row(i: int) -> None:
            for name, pixels in data._row(i).items():
                arrays[name][i] = pixels

        kept = _fill(row, spec.count, data, progress)
        count = len(kept)
        for name, array in arrays.items():
            _compact(array, kept)
            arrays[name] = array[:count]
    if count == 0:
        raise UserError(f"{data._store.path}: none of its pictures can be decoded", *describe_skipped(data.skipped))
    return ArrayData(replace(spec, count=count), arrays | data._others(kept))


def _fill(one: Callable[[int], None], count: int, data: FileData, progress: Progress | None) -> list[int]:
    """Call `one` for 0 .. count-1; those for which it did not raise `BrokenPicture`. The others go to `skipped`."""

    def attempt(i: int) -> BrokenPicture | None:
        try:
            one(i)
        except BrokenPicture as error:
            return error
        return None

    good = []
    known = {item.name for item in data.skipped}
    for i, error in enumerate(parallel(attempt, range(count), progress, f"decoding {data.spec.name}")):
        if error is None:
            good.append(i)
        elif error.name not in known:
            known.add(error.name)
            data.skipped.append(Skipped(error.name, error.reason))
    return good


def _compact(array: np.ndarray, rows: Sequence[int]) -> None:
    """Move `rows` (ascending) to the front, one at a time: a fancy index would hold the set twice."""
    for target, origin in enumerate(rows):
        if target != origin:
            array[target] = array[origin]


def parallel(work: Callable[[T], R], items: Sequence[T], progress: Progress | None, what: str) -> Iterator[R]:
    """`map` in chunks, on threads where they pay; `progress` is called from the calling thread.

    Threads pay for photographs and slow disks, whose decoding and reading release the interpreter. On thousands of
    tiny pictures they only fight for it (three times slower, measured on 10,000 JPEGs of 32 pixels), so the first
    chunk is timed. The results do not depend on which way it goes.
    """
    total = len(items)
    done = 0

    def run(chunk: Sequence[T]) -> list[R]:
        return [work(item) for item in chunk]

    def steps() -> Iterator[list[R]]:
        start = time.perf_counter()
        yield run(items[:_CHUNK])
        chunks = [items[i : i + _CHUNK] for i in range(_CHUNK, total, _CHUNK)]
        workers = min(16, os.cpu_count() or 1)
        if (time.perf_counter() - start) / _CHUNK < _THREADS_PAY or workers == 1:
            yield from map(run, chunks)
            return
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield from pool.map(run, chunks)
            except BaseException:  # Ctrl-C must not wait for the rest of a large set
                pool.shutdown(cancel_futures=True)
                raise

    with warnings.catch_warnings():
        # Pillow warns of odd metadata and at half of our pixel limit: noise, when the pixels are good.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for results in steps():
            done += len(results)
            if progress is not None:
                progress(what, done, total)
            yield from results
