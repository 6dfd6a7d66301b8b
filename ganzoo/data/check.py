"""What is in a folder or zip of pictures, what is wrong with it, and what to do about it: `ganzoo data check`.

Every file is decoded once. Exact duplicates have equal pixels; near duplicates have difference hashes (64 bits: which
of two neighbouring cells of a 9 x 8 thumbnail is brighter) that differ in at most `NEAR_BITS` bits and thumbnails that
differ by at most `NEAR_LEVELS` grey levels on average: resized, recompressed or slightly cropped copies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganzoo.data.base import Progress
from ganzoo.data.headers import scan
from ganzoo.data.images import BrokenPicture, Facts, load
from ganzoo.data.layout import NO_CAPTION, NO_PARTNER, UNLIKE, Layout, NoPartner, keep_good, layout_of, no_pictures
from ganzoo.data.names import is_picture, printable, splits_of
from ganzoo.data.parallel import parallel
from ganzoo.data.patches import patch_size
from ganzoo.data.sources import suggest_size
from ganzoo.data.store import Skipped, Store, ZipStore, open_store, read_file
from ganzoo.errors import UserError

NEAR_BITS = 8
NEAR_LEVELS = 8.0
NEAR_LIMIT = 20_000
"""Above so many different pictures only equal hashes count as near duplicates: comparing all pairs is quadratic."""
SMALL_SET = 1_000
UNBALANCED = 3.0
USES: Mapping[str, tuple[str, ...]] = {
    "generation": ("image",),
    "class-conditional": ("image", "label"),
    "text-to-image": ("image", "text"),
    "paired translation": ("source", "target"),
    "unpaired translation": ("a", "b"),
    "super-resolution": ("low", "high"),
}
PATCH = patch_size()
_THUMB = (9, 8)
_USUAL_SIZES = (32, 64, 128, 256, 512, 1024)
"""Sizes in pixels that advice names: those that most architectures can be built for."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes in pixels of the readable pictures; `aspect` is width / height."""

    distinct: int
    min_side: int
    median_side: int
    max_side: int
    widths: tuple[int, int, int]
    heights: tuple[int, int, int]
    """Minimum, median, maximum."""
    not_square: int
    narrowest: float
    widest: float
    suggested: int
    enlarged: int
    """Pictures whose short side is below `suggested`."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `check` found. Counts are of readable pictures unless they say otherwise; names are relative to `path`."""

    path: str
    kind: str
    count: int
    """Files with the suffix of a picture, readable or not."""
    usable: int
    uses: Mapping[str, int]
    """Task -> rows of the training split (of super-resolution: pictures, of two domains: the larger one), for the
    layouts that the names and sizes of the files allow."""
    domains: Mapping[str, int]
    """Pictures of each of two domains in the training split; empty where there are none."""
    aligned: bool
    """Whether the two domains hold the same names one by one."""
    side_by_side: bool
    """Whether the pairs are files twice as wide as high."""
    partnerless: tuple[str, ...]
    """Of pairs in two folders: those of which only one is there."""
    unlike: tuple[str, ...]
    """The first of each pair whose two pictures differ in shape."""
    captionless: tuple[str, ...]
    """Of pictures with captions: those that have none."""
    patches: int
    """How many patches of `PATCH` x `PATCH` pixels lie beside each other in the training split."""
    too_small: int
    """Pictures of the training split that are smaller than such a patch."""
    splits: Mapping[str, int]
    formats: Mapping[str, int]
    modes: Mapping[str, int]
    sizes: Sizes | None
    grey: int
    grey_stored_as_colour: int
    alpha: int
    deep: int
    """More than 8 bits a channel."""
    animated: int
    one_colour: tuple[str, ...]
    broken: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, ...], ...]
    near_duplicates: tuple[tuple[str, ...], ...]
    near_exhaustive: bool
    """False when there were too many pictures to compare all pairs."""
    leaked: tuple[tuple[str, str], ...]
    """(train, test): the same or nearly the same picture in both splits."""
    classes: Mapping[str, int]
    advice: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one decoded picture comes down to."""

    pixels: bytes
    thumb: bytes
    one_colour: bool
    colourless: bool


def check(path: Path, progress: Progress | None = None) -> Report:
    """Look at every picture at `path`, a folder or a zip.

    Raises:
        UserError: when there is nothing there, or no file that ends like a picture. Pictures that are all broken are
            no error: `Report.usable` is 0 then.
    """
    path = Path(path)
    store = open_store(path)
    names = [name for name in store.entries if is_picture(name)]
    if not names:
        raise no_pictures(store)
    facts, broken = scan(store, names, progress)
    looks: dict[str, _Look] = {}
    readable = [name for name in names if name in facts]
    for name, look in zip(readable, parallel(lambda n: _look(store, n), readable, progress, "decoding"), strict=True):
        if isinstance(look, BrokenPicture):
            broken.append(Skipped(name, look.reason))
            del facts[name]
        else:
            looks[name] = look
    exact = _groups((look.pixels, name) for name, look in looks.items())
    near, exhaustive = _near(looks, exact)
    splits = splits_of(store.entries)
    layouts, unfit, hints = _layouts(store, facts)
    pairs, domains = layouts.get("paired translation"), layouts.get("unpaired translation")
    side_by_side = pairs is not None and pairs.side_by_side
    training = [facts[name] for name in facts if name.startswith(splits.get("train", ""))]
    classes: dict[str, int] = {}
    labelled = layouts.get("class-conditional")
    if labelled is not None and labelled.labels is not None:
        counts = Counter(labelled.labels)
        classes = {name: counts[i] for i, name in enumerate(labelled.classes)}
    report = Report(
        path=str(path),
        kind="zip" if isinstance(store, ZipStore) else "folder",
        count=len(names),
        usable=len(looks),
        uses={task: max(len(c.names) for c in layout.columns.values()) for task, layout in layouts.items()},
        domains={} if domains is None else {side.upper(): len(c.names) for side, c in domains.columns.items()},
        aligned=domains is not None and domains.aligned,
        side_by_side=side_by_side,
        partnerless=tuple(item.name for item in unfit if item.reason in NO_PARTNER),
        unlike=tuple(item.name for item in unfit if item.reason == UNLIKE),
        captionless=tuple(item.name for item in unfit if item.reason == NO_CAPTION),
        patches=sum((fact.width // PATCH) * (fact.height // PATCH) for fact in training),
        too_small=sum(fact.short < PATCH for fact in training),
        splits={split: sum(name.startswith(prefix) for name in looks) for split, prefix in splits.items()},
        formats=_counts(fact.format for fact in facts.values()),
        modes=_counts(fact.mode for fact in facts.values()),
        sizes=_sizes(list(facts.values()), halves=side_by_side) if facts else None,
        grey=sum(fact.grey for fact in facts.values()),
        grey_stored_as_colour=sum(looks[name].colourless and not fact.grey for name, fact in facts.items()),
        alpha=sum(fact.alpha for fact in facts.values()),
        deep=sum(fact.bits > 8 for fact in facts.values()),
        animated=sum(fact.frames > 1 for fact in facts.values()),
        one_colour=tuple(name for name, look in looks.items() if look.one_colour),
        broken=(*store.refused, *broken),
        duplicates=tuple(exact),
        near_duplicates=tuple(near),
        near_exhaustive=exhaustive,
        leaked=_leaked([*exact, *near], splits),
        classes=classes,
        advice=(),
    )
    return dataclasses.replace(report, advice=(*hints, *_advice(report)))


def _look(store: Store, name: str) -> _Look | BrokenPicture:
    try:
        # 64 pixels are plenty for hashes and keep large JPEGs quick; every byte of the file is still decoded
        image = load(read_file(store, name), at_least=64, name=name)
    except BrokenPicture as error:
        return error
    pixels = np.asarray(image)
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{image.mode} {image.size}".encode())
    digest.update(pixels.tobytes())
    grey = image.convert("L")
    extremes = image.getextrema()
    pairs = [extremes] if image.mode == "L" else extremes
    return _Look(
        pixels=digest.digest(),
        thumb=grey.resize(_THUMB, Image.Resampling.BOX).tobytes(),
        one_colour=all(low == high for low, high in pairs),  # type: ignore[misc]
        colourless=image.mode == "L" or bool((pixels == pixels[..., :1]).all()),
    )


def _groups(items: Iterable[tuple[bytes, str]]) -> list[tuple[str, ...]]:
    """Names that share a key, as groups of at least two."""
    by_key: dict[bytes, list[str]] = {}
    for key, name in items:
        by_key.setdefault(key, []).append(name)
    return [tuple(names) for names in by_key.values() if len(names) > 1]


def _near(looks: Mapping[str, _Look], exact: Sequence[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], bool]:
    """Groups of near duplicates among the pictures that are not exact copies, and whether all pairs were compared."""
    copies = {name for group in exact for name in group[1:]}
    # A picture without contrast hashes to nothing in particular, and all of them alike.
    names = [name for name, look in looks.items() if name not in copies and not look.one_colour]
    if len(names) < 2:
        return [], True
    thumbs = np.frombuffer(b"".join(looks[name].thumb for name in names), np.uint8).reshape(-1, _THUMB[1], _THUMB[0])
    brighter = (thumbs[:, :, 1:] > thumbs[:, :, :-1]).reshape(len(names), 64)
    if len(names) > NEAR_LIMIT:
        hashes = np.packbits(brighter, axis=1).view(np.uint64).ravel()
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        pairs = np.stack([order[same], order[same + 1]], axis=1)
    else:
        signs = np.where(brighter, np.float32(1), np.float32(-1))
        found = []
        step = max(1, 4_000_000 // len(names))
        for start in range(0, len(names), step):
            agreement = signs[start : start + step] @ signs[start:].T  # 64 - 2 x the number of bits that differ
            rows, columns = np.nonzero(agreement >= 64 - 2 * NEAR_BITS)
            later = columns > rows
            found.append(np.stack([rows[later], columns[later]], axis=1) + start)
        pairs = np.concatenate(found)
    flat = thumbs.reshape(len(names), -1).astype(np.int16)
    parent = list(range(len(names)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for one, other in pairs.tolist():
        if np.abs(flat[one] - flat[other]).mean() <= NEAR_LEVELS:
            parent[root(other)] = root(one)
    groups: dict[int, list[str]] = {}
    for i, name in enumerate(names):
        groups.setdefault(root(i), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1], len(names) <= NEAR_LIMIT


def _leaked(groups: Iterable[tuple[str, ...]], splits: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not {"train", "test"} <= splits.keys():
        return ()
    found = []
    for group in groups:
        train = next((name for name in group if name.startswith(splits["train"])), None)
        if train is not None:
            found += [(train, name) for name in group if name.startswith(splits["test"])]
    return tuple(found)


def _layouts(store: Store, facts: Mapping[str, Facts]) -> tuple[dict[str, Layout], list[Skipped], list[str]]:
    """For each task whose layout the names of the files allow: that layout of the training split, broken files out.

    Then what is left out of pairs, and, where there are neither pairs nor two domains, why not, if it looks as if there
    should be.
    """
    layouts = {}
    unfit: list[Skipped] = []
    hints: list[str] = []
    for task, fields in USES.items():
        try:
            layout = layout_of(store, fields, "train")
        except NoPartner as error:
            hints = list(error.lines[:1])
            continue
        except UserError:  # not laid out so: the very question that is asked here
            continue
        good = facts
        if task == "super-resolution":
            good = {name: fact for name, fact in facts.items() if fact.short >= PATCH}
            if 2 * len(good) < len(facts):
                continue
        if layout.side_by_side:  # any pictures without folders may be meant so; most of them must have the shape
            good = {name: fact for name, fact in facts.items() if fact.width == 2 * fact.height}
            if len(good) < 0.9 * len(facts):
                continue
        keep_good(layout, good)
        if task in ("paired translation", "text-to-image"):
            unfit += layout.skipped
        if all(column.names for column in layout.columns.values()):
            layouts[task] = layout
    if layouts.keys() & {"class-conditional", "paired translation", "unpaired translation"}:
        hints = []  # A/ may be a class
    return layouts, unfit, hints


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _sizes(facts: Sequence[Facts], *, halves: bool) -> Sizes:
    """`halves`: each file holds two pictures side by side, and it is these that are trained on."""

    def three(values: list[int]) -> tuple[int, int, int]:
        return min(values), int(statistics.median_low(values)), max(values)

    widths, heights = [fact.width for fact in facts], [fact.height for fact in facts]
    shorts = [fact.short for fact in facts]
    aspects = [fact.width / fact.height for fact in facts]
    suggested = suggest_size([dataclasses.replace(f, width=f.width // 2) for f in facts] if halves else facts)
    return Sizes(
        distinct=len(set(zip(widths, heights, strict=True))),
        min_side=min(shorts),
        median_side=int(statistics.median_low(shorts)),
        max_side=max(max(widths), max(heights)),
        widths=three(widths),
        heights=three(heights),
        not_square=sum(not fact.square for fact in facts),
        narrowest=round(min(aspects), 3),
        widest=round(max(aspects), 3),
        suggested=suggested,
        enlarged=sum(short < suggested for short in shorts),
    )


def _some(names: Sequence[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(printable(name) for name in names[:limit]) + more


def _advice(report: Report) -> Iterable[str]:
    """One line for each thing worth doing something about, gravest first."""
    sizes = report.sizes
    if sizes is None:
        yield "nothing here can be used: no picture could be decoded"
        return
    if report.broken:
        yield f"broken files: {len(report.broken):,}; training leaves them out: replace or delete them"
    if report.leaked:
        train, test = report.leaked[0]
        yield (
            f"test pictures that are in train/ too: {len(report.leaked):,} (first: {printable(test)} is "
            f"{printable(train)}); delete them from test/, or the evaluation rewards memorising"
        )
    extra = sum(len(group) - 1 for group in report.duplicates)
    if extra:
        yield (
            f"exact copies: {extra:,} (first: {_some(report.duplicates[0])}); keep one of each, or the model sees them "
            "more often than the rest"
        )
    if report.near_duplicates:
        how = "" if report.near_exhaustive else f", equal hashes only (all pairs are compared up to {NEAR_LIMIT:,})"
        yield (
            f"groups of near duplicates: {len(report.near_duplicates):,}{how} (first: "
            f"{_some(report.near_duplicates[0])}); look whether they are wanted"
        )
    if report.one_colour:
        yield f"pictures of one colour: {len(report.one_colour):,} ({_some(report.one_colour)}); delete them"
    yield from _advice_on_pairs(report)
    if sizes.not_square and not report.side_by_side:
        share = sizes.not_square / report.usable
        yield (
            f"{share:.0%} of the pictures are not square (width / height from {sizes.narrowest:.2f} to "
            f"{sizes.widest:.2f}): the middle is cut out; --set fit=pad keeps everything on white, "
            "--set fit=stretch squeezes"
        )
    if sizes.distinct > 1 or sizes.suggested > 128:
        larger = max((size for size in _USUAL_SIZES if sizes.suggested < size <= sizes.median_side), default=None)
        smaller = max((size for size in _USUAL_SIZES if size < sizes.suggested), default=None)
        more = f"; --set size={larger} shows more detail" if larger else ""
        faster = f"; --set size={smaller} trains faster" if smaller else ""
        yield (
            f"without --set size, {sizes.suggested} pixels are taken, or the next smaller size that the architecture "
            f"can do (median short side {sizes.median_side}){more}{faster}"
        )
    if sizes.enlarged:
        fitting = max((size for size in _USUAL_SIZES if size <= sizes.min_side), default=None)
        instead = f", or use --set size={fitting}" if fitting else ""
        yield (
            f"pictures smaller than {sizes.suggested} pixels: {sizes.enlarged:,} (the smallest has {sizes.min_side}); "
            f"they are enlarged, which blurs: delete them{instead}"
        )
    if report.too_small and "super-resolution" in report.uses:
        yield (
            f"pictures smaller than the {PATCH} x {PATCH} pixels of a patch: {report.too_small:,}; super-resolution is "
            "trained without them: delete them, or use a smaller --set size"
        )
    colourless = report.grey + report.grey_stored_as_colour
    if colourless == report.usable and report.grey_stored_as_colour:
        yield (
            "all pictures are grey, though stored as colour, and are trained as RGB: saved as grey files they train a "
            "smaller network"
        )
    elif 0 < colourless < report.usable:
        yield (
            f"grey pictures: {colourless:,} of {report.usable:,}; all are trained as RGB: delete them if the model is "
            "to paint in colour only"
        )
    if report.alpha:
        yield f"pictures with transparency: {report.alpha:,}; they are put on white"
    if report.deep:
        yield f"pictures with more than 8 bits a channel: {report.deep:,}; they are scaled to 8"
    if report.animated:
        yield f"animated pictures: {report.animated:,}; only the first frame is used"
    if report.classes and min(report.classes.values()) * UNBALANCED < max(report.classes.values()):
        least = min(report.classes, key=lambda name: report.classes[name])
        most = max(report.classes, key=lambda name: report.classes[name])
        yield (
            f"classes are unbalanced: {printable(most)} has {report.classes[most]:,} pictures, {printable(least)} "
            f"{report.classes[least]:,}; add to the small ones, or expect them to be learnt worse"
        )
    if report.usable < SMALL_SET:
        yield (
            f"fewer than {SMALL_SET:,} pictures: turn on augmentation, --set diffaug=color,translation,cutout, or the "
            "discriminator learns them by heart"
        )


def _advice_on_pairs(report: Report) -> Iterable[str]:
    """What to do about pairs and domains; two domains that share a few names are no incomplete pairs."""
    if "paired translation" in report.uses or not report.domains:
        if report.partnerless:
            yield (
                f"pictures without a partner: {len(report.partnerless):,} ({_some(report.partnerless)}); pairs are "
                "trained without them: give both pictures of a pair the same name"
            )
        if report.unlike:
            yield (
                f"pairs whose two pictures differ in shape: {len(report.unlike):,} ({_some(report.unlike)}); they are "
                "left out: cut both to the same part of the scene"
            )
    if report.captionless:
        yield (
            f"pictures without a caption: {len(report.captionless):,} ({_some(report.captionless)}); text-to-image is "
            "trained without them: write a text file of the same name beside each, or a row in the table"
        )
    if report.aligned:
        yield (
            "both folders hold the same names: unpaired translation takes pictures of one name for the same thing, not "
            "in training, but to score by; where that is not so, rename those of one folder"
        )
