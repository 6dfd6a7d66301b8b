"""What the names of files and folders say: which are pictures, splits, pairs and tables, and what order they are in."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ganzoo.data.images import SUFFIXES

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
PAIRS = (("source", "target"), ("a", "b"), ("input", "output"), ("input", "target"))
CAPTION_TABLES = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
LABEL_TABLE = "labels.csv"
TABLES = (*CAPTION_TABLES, LABEL_TABLE)
MEANINGFUL_FOLDERS = frozenset(
    [name for names in SPLITS.values() for name in names]
    + [name for pair in PAIRS for name in pair]
    + [split + side for split in ("train", "test") for side in "ab"]
)
"""Folders (in lower case) that are part of a layout even where they enclose everything."""


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


def printable(name: str) -> str:
    """A file name that can be printed on any terminal: control and undecodable characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """Which splits the top folders hold: name of the split -> prefix of its files. Empty: there are no splits.

    Folders count as splits only when there is a train/ and nothing but splits beside it: `train/ truck/ bus/` are
    classes. Of trainA/ trainB/ testA/ testB/ the prefixes are `train` and `test`, so that what follows is A/ or B/.
    """
    tops = {name.partition("/")[0] if "/" in name else "" for name in names if is_picture(name)}
    prefixes = _whole_folders(tops) or _halved_folders(tops)
    found = {split: there[0] for split, there in prefixes.items() if there}
    return found if "train" in found else {}


def _whole_folders(tops: Collection[str]) -> dict[str, list[str]]:
    """The prefixes of each split, where the top folders are splits: train/, test/ and their other spellings."""
    by_name = {top.lower(): top for top in tops}
    if not set(by_name) <= {n for spellings in SPLITS.values() for n in spellings}:
        return {}
    return {split: [by_name[n] + "/" for n in spellings if n in by_name] for split, spellings in SPLITS.items()}


def _halved_folders(tops: Collection[str]) -> dict[str, list[str]]:
    """The same where the top folders are the sides of splits: trainA/ and trainB/, both of them and alike spelt."""
    sides: dict[str, set[str]] = {}
    for top in tops:
        sides.setdefault(top[:-1], set()).add(top[-1:].lower())
    if not all(stem.lower() in {n for spellings in SPLITS.values() for n in spellings} for stem in sides):
        return {}
    by_name = {stem.lower(): stem for stem, found in sides.items() if found == {"a", "b"}}
    return {split: [by_name[n] for n in spellings if n in by_name] for split, spellings in SPLITS.items()}
