"""Which files are which rows and fields of a set, by their names.

Layouts, each at the top or inside `train/` and `test/` (`val/` stands in for `test/`); one enclosing folder is looked
through, hidden files, `__MACOSX` and files that are no pictures are not looked at:

    image             any pictures, in any folders
    image, label      one folder per class (cat/1.jpg, dog/1.jpg), or labels.csv with the columns file,label
    image, text       1.txt beside 1.jpg (one caption a line), or captions.jsonl, captions.csv, metadata.jsonl or
                      metadata.csv with file_name and text (several rows or a list: several captions)
    source, target    two folders of equal names (source/ target/, A/ B/, input/ output/, input/ target/), or one of
                      files twice as wide as high: source on the left, target on the right
    a, b              two folders A/ B/
    low, high         any pictures, in any folders, of any shapes: they are cut into patches, and `low` is computed

trainA/ trainB/ testA/ testB/ are read as train/A/ train/B/ test/A/ test/B/.

Rows are in natural order (img2 before img10), whatever the file system says. The two pictures of a pair may differ in
size, but not in shape (width / height, to within a pixel): no crop would show the same of both.

The two folders of an unpaired set may differ in length: each field has rows of its own (`Field.rows`). The set is as
long as the longer one, and the other begins again from its start, so that row i holds a[i % len(a)] and b[i % len(b)].
Where both folders hold the same names one by one (but for the suffix) the set is `aligned`: row i of both is taken to
show the same thing, which training never sees and an evaluation scores by. Then, as in a set of pairs, a picture that
cannot be used takes its partner with it. Pictures that have nothing to do with each other should not be called alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ganzoo.data.images import SUFFIXES, Facts
from ganzoo.data.names import LABEL_TABLE, PAIRS, SPLITS, is_picture, natural, printable, splits_of
from ganzoo.data.store import Skipped, Store, describe_skipped
from ganzoo.data.tables import captions_of, label_tables, labels_of
from ganzoo.errors import NothingThere, UserError

_EXAMPLES: Mapping[tuple[str, ...], str] = {
    ("image",): "pictures in any folders: faces/1.jpg faces/2.jpg ...",
    ("image", "label"): f"one folder per class: cat/1.jpg cat/2.jpg dog/1.jpg ..., or a {LABEL_TABLE} with the columns "
    "file,label",
    ("image", "text"): "a text file beside each picture: 1.jpg 1.txt 2.jpg 2.txt ..., or captions.jsonl with lines "
    '{"file_name": "1.jpg", "text": "a red bicycle"}',
    ("source", "target"): "two folders of equal names: source/1.png target/1.png ..., or files twice as wide as high, "
    "source on the left",
    ("a", "b"): "two folders of any pictures: A/1.jpg A/2.jpg B/x.jpg ..., or trainA/ trainB/ testA/ testB/",
    ("low", "high"): "large pictures in any folders: photos/1.jpg photos/2.png ...",
}
NO_PARTNER = ("no target of this name", "no source of this name")
UNLIKE = "its target has another shape"
LOST_PARTNER = "its partner cannot be used"
"""Reasons for which a picture of a pair is left out."""
NO_CAPTION = "no caption"
"""The reason for which a picture is left out where others have captions."""

Part = Literal["whole", "left", "right"]


class NoPartner(UserError):
    """There is one folder of two that belong together."""


@dataclass
class Column:
    """The pictures of one field: names in the store, and which half of each picture is meant."""

    names: list[str]
    part: Part = "whole"


@dataclass
class Layout:
    """What the names (not yet the headers) say about a set. Columns are row-aligned unless `unpaired`, and even then
    when `aligned`."""

    columns: dict[str, Column]
    labels: list[int] | None = None
    classes: tuple[str, ...] = ()
    texts: list[tuple[str, ...]] | None = None
    unpaired: bool = False
    aligned: bool = False
    skipped: list[Skipped] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    """Files other than pictures that the rows depend on: tables and captions."""

    @property
    def side_by_side(self) -> bool:
        """Whether each file holds both pictures of a pair."""
        return any(column.part != "whole" for column in self.columns.values())

    def exchanged(self) -> Layout:
        """The same with `source` and `target` exchanged."""
        names = {"source": "target", "target": "source"}
        swapped = {names[field]: column for field, column in self.columns.items()}
        return replace(self, columns={field: swapped[field] for field in self.columns})


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


def keep_good(layout: Layout, good: Mapping[str, Facts]) -> None:
    """Drop the rows of `layout` (or, unpaired, the pictures) that are not in `good`, and pairs whose pictures differ in
    shape; what is lost through its partner is added to `layout.skipped`."""
    if layout.unpaired and not layout.aligned:
        for column in layout.columns.values():
            column.names = [name for name in column.names if name in good]
        return
    rows = []
    for i, row in enumerate(zip(*(column.names for column in layout.columns.values()), strict=True)):
        known = [name for name in row if name in good]
        if len(known) < len(row):
            layout.skipped += [Skipped(name, LOST_PARTNER) for name in known]
        elif not layout.unpaired and not _alike(*(good[name] for name in row)):
            layout.skipped.append(Skipped(row[0], UNLIKE))
        else:
            rows.append(i)
    _keep_rows(layout, rows)


def _alike(first: Facts, *others: Facts) -> bool:
    """Whether pictures have one shape: were one brought to the size of the other, no side would differ by more than a
    pixel."""
    for other in others:
        difference = abs(first.width * other.height - other.width * first.height)
        if difference > max(first.width, first.height, other.width, other.height):
            return False
    return True


def _pictures(store: Store, split: str, *, label: bool, text: bool) -> Layout:
    """Pictures, with labels when asked for or when every picture has one, and captions when asked for."""
    names = list(_tree(store, split).values())
    layout = Layout({"image": Column(names)})
    _add_labels(layout, store, names, demanded=label)
    if text:
        captions, layout.extra = captions_of(store)
        if not any(name in captions for name in names):
            raise UserError(
                f"{store.path}: no captions for any of its {len(names):,} pictures", example_of(("image", "text"))
            )
        layout.skipped += [Skipped(name, NO_CAPTION) for name in names if name not in captions]
        _keep_rows(layout, [i for i, name in enumerate(names) if name in captions])
        layout.texts = [captions[name] for name in layout.columns["image"].names]
    return layout


def _add_labels(layout: Layout, store: Store, names: list[str], *, demanded: bool) -> None:
    tables = label_tables(store)
    labels: dict[str, str] = {}
    if tables:
        try:
            labels = labels_of(store, tables)
        except UserError:
            if demanded:
                raise
            return  # nobody asked for labels: a table that is not ours must not stand in the way of the pictures
    else:
        for prefix in splits_of(store.entries).values() or [""]:
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
            raise UserError(f"{store.path}: labels are needed, found {found}", example_of(("image", "label")))
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
    skipped += [Skipped(source[stem], NO_PARTNER[0]) for stem in source if stem not in target]
    skipped += [Skipped(target[stem], NO_PARTNER[1]) for stem in target if stem not in source]
    if not both:
        raise UserError(
            f"{store.path}: none of {len(source):,} source and {len(target):,} target pictures have the same name "
            f"(the first are {printable(next(iter(source.values())))} and {printable(next(iter(target.values())))})",
            example_of(("source", "target")),
        )
    columns = {"source": Column([source[s] for s in both]), "target": Column([target[s] for s in both])}
    return Layout(columns, skipped=skipped)


def _unpaired(store: Store, split: str) -> Layout:
    folders = _two_folders(store, split, (("a", "b"),), ("a", "b"))
    if folders is None:
        tops = sorted({short.partition("/")[0] for short in _tree(store, split) if "/" in short}, key=natural)
        inside = splits_of(store.entries).get(split, "")
        found = (
            f"the folders {', '.join(printable(inside + top) for top in tops[:6])}"
            if tops
            else "pictures in one folder"
        )
        rename = (
            f"; rename them: mv {inside}{tops[0]} {inside}A; mv {inside}{tops[1]} {inside}B" if len(tops) == 2 else ""
        )
        raise UserError(f"{store.path}: two folders A and B are needed, found {found}{rename}", example_of(("a", "b")))
    a, b = folders
    return Layout(
        {"a": Column(list(a.values())), "b": Column(list(b.values()))}, unpaired=True, aligned=_stems(a) == _stems(b)
    )


def _stems(tree: Iterable[str]) -> list[str]:
    return [os.path.splitext(short)[0] for short in tree]


def _two_folders(
    store: Store, split: str, pairs: Sequence[tuple[str, str]], fields: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]] | None:
    """The pictures of the two folders of a pair (name inside the folder -> name in the store), None without them."""
    tops = _by_top_folder(_tree(store, split))
    for one, other in pairs:
        if one in tops and other in tops:
            return tops[one], tops[other]
    for one, other in _known_pairs(pairs, fields):
        alone, missing = (one, other) if one in tops else (other, one)
        if alone in tops and missing not in tops:
            raise NoPartner(
                f"{store.path}: the folder {alone!r} has no partner {missing!r} with pictures beside it",
                example_of(fields),
            )
    return None


def _known_pairs(pairs: Sequence[tuple[str, str]], fields: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Pairs of folders of which one alone is a mistake. "input" may just be what a folder is called: only the fields'
    own names and A and B are taken at their word."""
    yield from (pair for pair in pairs if set(pair) in ({"a", "b"}, set(fields)))
    yield from ((f"{name}a", f"{name}b") for name in SPLITS["train"])


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
    splits = splits_of(store.entries)
    if not splits and split == "train":
        tree = {name: name for name in store.entries if is_picture(name)}
    elif split not in splits:
        raise _no_split(store, split, splits)
    else:
        prefix = splits[split]
        tree = {n[len(prefix) :]: n for n in store.entries if n.startswith(prefix) and is_picture(n)}
    if not tree:
        raise no_pictures(store)
    return tree


def _no_split(store: Store, split: str, splits: Mapping[str, str]) -> NothingThere:
    folder = store.path.with_suffix("")
    if any(not prefix.endswith("/") for prefix in splits.values()):
        folders, example = "testA/ and testB/ beside trainA/ and trainB/", f"{folder}/testA/... and {folder}/testB/..."
    else:
        folders, example = "test/ (or val/) beside train/", f"{folder}/train/... and {folder}/test/..."
    return NothingThere(
        f"{store.path} has no {split} split; a held-out split is a folder {folders}", f"for example: {example}"
    )


def no_pictures(store: Store) -> UserError:
    """The error of a store without a picture; says what it holds."""
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


def example_of(fields: tuple[str, ...]) -> str:
    """How files with these fields are laid out, for a message."""
    return f"expected {_EXAMPLES[fields]}"


def _keep_rows(layout: Layout, rows: Sequence[int]) -> None:
    """Keep only these rows of a layout whose columns are row-aligned."""
    for column in layout.columns.values():
        column.names = [column.names[i] for i in rows]
    if layout.labels is not None:
        layout.labels = [layout.labels[i] for i in rows]
    if layout.texts is not None:
        layout.texts = [layout.texts[i] for i in rows]
