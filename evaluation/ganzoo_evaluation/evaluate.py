"""From models and folders of pictures to a `Report`: one reference, one count, seed and set of networks for all.

`evaluate` opens the networks that the metrics look through, measures the reference (kept by content), the control sets
and every subject in one pass for each network, and asks every metric about every row.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache as cache_once
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import ganzoo
from ganzoo.cards import Metric, resolve
from ganzoo.data.base import Progress
from ganzoo.engine.distributed import Group
from ganzoo.figures import listed
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo_evaluation import cache
from ganzoo_evaluation.asking import How, Wanted
from ganzoo_evaluation.base import (
    BLOCK,
    Block,
    Comparison,
    Measured,
    Network,
    NetworkRequest,
    NotApplicable,
    Pictures,
    Reads,
    Value,
)
from ganzoo_evaluation.captions import Captions
from ganzoo_evaluation.controls import HELD_OUT, WRONG, Control, control_sets, controls_of_way, sees
from ganzoo_evaluation.frechet import Gaussian, gaussian_of
from ganzoo_evaluation.measure import collectors_of, measure, reads
from ganzoo_evaluation.networks import open_network
from ganzoo_evaluation.passport import Estimate, Passport, estimate, full_name, missing
from ganzoo_evaluation.perceptual import lpips_weights
from ganzoo_evaluation.results import Report, Row
from ganzoo_evaluation.sets import DataPictures, content_hash
from ganzoo_evaluation.significance import verdict
from ganzoo_evaluation.subjects import Reference, Subject
from ganzoo_evaluation.ways import Way

SHOWN = 64
"""Pictures of a row that are kept for the report."""
FLATTERED = "trained to be good by"
"""What a number says of a model whose training looked through the network that the number looks through."""


class Evaluation:
    """One reference, one way of measuring; rows are added to it. Every process of `group` runs the same."""

    def __init__(
        self,
        registry: Registry,
        reference: Reference,
        metrics: Sequence[Wanted],
        how: How,
        count: int,
        group: Group,
        progress: Progress | None = None,
        way: Way | None = None,
        captions: Captions | None = None,
        draw: Callable[[Pictures], bytes] | None = None,
    ) -> None:
        """`way`: what models are given, where they take pictures in; `captions`: where they read captions; `draw` makes
        a PNG of a set whose samples are no pictures."""
        self.way, self.captions, self._draw = way, captions, draw
        self.registry, self.reference, self.metrics, self.how = registry, reference, list(metrics), how
        self.count, self.group, self.progress = count, group, progress
        self.networks: dict[str, Network | None] = {
            name: self._open(name) for name in dict.fromkeys(wanted.network for wanted in metrics) if name
        } or {"": None}
        self._real: dict[str, Measured] = {}

    def _open(self, name: str) -> Network:
        how, preset = self.how, self.how.preset
        theirs = preset is not None and name in (preset.network, *preset.networks.values())
        return open_network(
            self.registry,
            NetworkRequest(
                name=name,
                weights=how.weights,
                device=self.group.device,
                precision=how.precision,
                resize=how.resize or (preset.resize if preset is not None and theirs else ""),
                download=how.download,
                progress=self.progress,
            ),
        )

    # --- measuring ---------------------------------------------------------------------------------------------------

    @property
    def crop(self) -> int:
        """Pixels at each border that distances to the truth leave out: in super-resolution as many as the scale."""
        return self.way.scale if self.way is not None and self.way.scale > 1 else 0

    def _kinds(self, network: str, cards: Iterable[Metric], beside: Sequence[Reads] = ()) -> list[type[Any]]:
        """The collectors of a pass: those of that network's metrics, and with the first network also those of metrics
        that look through none."""
        first = next(iter(self.networks))
        chosen = [card for card in cards if (card.network and network) or (not card.network and network == first)]
        return collectors_of(chosen, self.networks[network], beside, pictured=self.reference.pictured)

    def _measure(
        self, pictures: Pictures, network: str, kinds: Sequence[type[Any]], model: Model | None = None
    ) -> Measured:
        return measure(
            pictures,
            self.networks[network],
            kinds,
            seed=self.how.seed,
            crop=self.crop,
            group=self.group,
            progress=self.progress,
            model=model,
            classes=getattr(pictures, "classes", ()),
        )

    def _kept(
        self, pictures: Pictures, network: str, content: str, what: str, beside: Sequence[Reads] = ()
    ) -> Measured:
        """A set that no model made, from the cache where it is there: everything that any metric of the zoo may ask of
        it, so that another choice of metrics finds it too."""
        # Not everything can be asked of pictures that have a size each, or of samples of a kind that only some metrics
        # know.
        few = self.reference.whole is not None or not self.reference.pictured
        cards = [wanted.card for wanted in self.metrics] if few else self.registry.metrics.values()
        kinds = self._kinds(network, cards, beside)
        opened = self.networks[network]
        if beside:  # what was measured without weights is not to be found once they are there
            what = f"{what}/crop {self.crop}/{lpips_weights()}"
        key = cache.key_of(content, opened, kinds, what=what, seed=self.how.seed)
        return cache.kept(key, kinds, lambda: self._measure(pictures, network, kinds), network=opened, group=self.group)

    def real(self, network: str) -> Measured:
        """The reference as that network sees it, with the root of its covariance."""
        if network not in self._real:
            self._real[network] = self._reference(network)
        return self._real[network]

    def _against_sets(self, network: str) -> bool:
        """Whether a metric that looks through that network (or one through none, in its pass) asks about the set of
        real pictures: those that compare each picture with its own answer do not."""
        mine = (wanted.card for wanted in self.metrics if self._network(wanted) == network)
        return any(not set(reads(card)) & {"truth", "back"} for card in mine if card.needs)

    def _reference(self, network: str) -> Measured:
        reference, opened = self.reference, self.networks[network]
        if reference.train is None or not self._against_sets(network):
            return reference.measured()
        words: tuple[Reads, ...] = ("text",) if reference.train.captioned else ()
        real = self._kept(reference.train, network, f"{reference.content}{_words(reference.train)}", "all", words)
        if opened is not None:
            key = cache.key_of(reference.content, opened, [Gaussian], what="root", seed=self.how.seed)
            root = cache.kept(
                key,
                [Gaussian],
                lambda: Measured(name=real.name, count=real.count, collected={Gaussian: gaussian_of(real)}),
                network=opened,
                group=self.group,
            )
            real.collected[Gaussian] = root.collected[Gaussian]
        return real

    # --- rows ---------------------------------------------------------------------------------------------------------

    def row(self, subject: Subject) -> Row:
        """A subject's row: measured once through each network, then every metric asked."""
        measured = {}
        for network in self.networks:
            cards = [wanted.card for wanted in self.metrics if wanted.network in (network, "")]
            kinds = self._kinds(network, cards, subject.beside)
            measured[network] = self._measure(subject.pictures, network, kinds, subject.model)
        return self._row(subject, measured)

    def control_rows(self) -> Iterator[Row]:
        """The control rows, from the cache where they are there."""
        held = self.reference.held_out
        content = f"{self.reference.content}/{content_hash(held) if held is not None and held.count else ''}"
        content += "".join(_words(pictures) for pictures in (self.reference.train, held))
        if self.way is not None:
            content += f"/{self.way.content}"
        for control in self._controls():
            subject = Subject(name=control.name, kind="control", pictures=control.pictures, beside=control.beside)
            measured = {
                name: self._kept(control.pictures, name, content, control.key, control.beside) for name in self.networks
            }
            row = self._row(subject, measured)
            row.explanation = control.explanation
            yield row

    def _controls(self) -> Iterator[Control]:
        reference = self.reference
        if self.way is not None:
            yield from controls_of_way(self.way, reference.train, reference.held_out, self.count, self.how.seed)
        elif reference.train is not None:
            wrong = any(WRONG in wanted.card.catches for wanted in self.metrics)
            yield from control_sets(reference.train, reference.held_out, self.count, self.how.seed, wrong=wrong)

    def _row(self, subject: Subject, measured: dict[str, Measured]) -> Row:
        shown = list(subject.pictures.blocks(0, min(SHOWN, subject.pictures.count)))
        pictured = self.reference.pictured
        row = Row(
            name=subject.name,
            kind=subject.kind,
            count=subject.pictures.count,
            samples=alike([picture for block in shown for picture in block.pictures]) if pictured else None,
            drawing=self._draw(subject.pictures) if self._draw is not None else b"",
            captions=tuple(text for block in shown for text in block.text or ()),
            facts=subject.facts,
            variant=subject.variant,
            measured=measured,
        )
        kept: dict[str, dict[tuple[Any, ...], Any]] = {name: {} for name in measured}
        flattered = []
        for wanted in self.metrics:
            if subject.variant and not wanted.card.needs:
                continue  # a fact of the model, which stands in the row that it is a variant of
            network = self._network(wanted)
            found = self._ask(wanted, subject, measured[network], kept[network])
            if found.value is not None and found.seen_through in subject.trained_through:
                flattered.append(wanted.card.name)
                found = replace(found, note="; ".join(filter(None, (f"{FLATTERED} {found.seen_through}", found.note))))
            row.estimates[wanted.card.name] = found
        row.flattered = tuple(flattered)
        return row

    def _ask(self, wanted: Wanted, subject: Subject, fake: Measured, kept: dict[tuple[Any, ...], Any]) -> Estimate:
        real = self.real(self._network(wanted))
        comparison = Comparison(
            fake=fake,
            real=real,
            train=real if self.reference.trained_on else None,
            seed=self.how.seed,
            options=self.how.preset.options if self.how.preset else {},
            metric=wanted.card.name,
            kept=kept,
        )
        try:
            if self.way is not None and set(reads(wanted.card)) & {"truth", "back"} - set(subject.beside):
                raise NotApplicable("these pictures are no answers to what was given")
            if "text" in set(reads(wanted.card)) - set(subject.beside):
                raise NotApplicable(f"nobody knows the captions of these {self.reference.noun}")
            value: Value = resolve(wanted.card.compute)(comparison)
        except NotApplicable as reason:
            return missing(wanted.card, str(reason), self.passport(wanted.card, wanted.network, subject, {}))
        return estimate(wanted.card, value, self.passport(wanted.card, wanted.network, subject, value.protocol))

    def passport(
        self, card: Metric, network: str, subject: Subject, protocol: Mapping[str, str | int | float]
    ) -> Passport:
        """The passport of that metric for that row."""
        opened = self.networks[network] if network else None
        against = bool(card.needs)  # a fact of the model alone depends on no pictures
        if against and self.way is not None:
            protocol = {**protocol, **self.way.protocol}
        if against and self.captions is not None:
            protocol = {**protocol, **self.captions.protocol}
        return Passport(
            metric=card.name,
            version=card.version,
            count=subject.pictures.count if against else 0,
            network=opened.name if opened else "",
            network_identity=dict(opened.identity) if opened else {},
            reference=self.reference.name if against else "",
            reference_hash=self.reference.content if against else "",
            reference_count=self.reference.count if against else 0,
            protocol=dict(protocol),
            truncation=self.how.truncation,
            source=subject.name,
            weights=subject.weights,
            seed=self.how.seed,
            software=software(),
        )

    # --- the report ---------------------------------------------------------------------------------------------------

    def report(self, title: str, command: str, rows: Sequence[Row], started: float) -> Report:
        """The rows, with the control rows beneath, what the metrics are blind to, and who is better."""
        controls = list(self.control_rows()) if self.how.controls else []
        columns = [wanted.card.name for wanted in self.metrics]
        report = Report(
            title=title,
            command=command,
            reference="; ".join([self.reference.sentence, *([self.captions.sentence] if self.captions else [])]),
            network=self._network_sentence(),
            columns=columns,
            noun=self.reference.noun,
            rows=[*rows, *controls],
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            seconds=time.monotonic() - started,
            software=dict(software()),
        )
        for wanted in self.metrics:
            seen = sees(report.rows, wanted.card)
            if seen is not None and seen[1]:
                report.misses[wanted.card.name] = seen[1]
                if not seen[0]:
                    report.blind[wanted.card.name] = f"it does not tell {listed(seen[1])} from real pictures"
        models = [row for row in report.models if not row.variant]
        for first, second in ((models[0], other) for other in models[1:]):
            found = (
                verdict(
                    first, second, wanted.card, self._network(wanted), self.real(self._network(wanted)), report.noun
                )
                for wanted in self.metrics
                if wanted.card.name not in report.blind  # it ranks nobody
            )
            report.verdicts += [one for one in found if one is not None]
        report.remarks = self._remarks(report)
        return report

    def name_of(
        self, card: Metric, network: str, count: int, protocol: Mapping[str, str | int | float] | None = None
    ) -> str:
        """The full name under which that metric's estimates stand."""
        opened = self.networks[network] if network else None
        return full_name(card.name, opened.name if opened else "", opened.identity if opened else {}, count, protocol)

    def _network(self, wanted: Wanted) -> str:
        """The network in whose pass a metric's collectors ride."""
        return wanted.network or next(iter(self.networks))

    def _network_sentence(self) -> str:
        parts = []
        for name, network in self.networks.items():
            if network is not None:
                sha = network.identity.get("sha256", "")[:12]
                details = ", ".join(
                    f"{key} {value}" for key, value in network.identity.items() if key != "sha256" and value
                )
                parts.append(f"{network.name or name} ({details}; weights {sha})")
        return "; ".join(parts) or "No feature network"

    def _remarks(self, report: Report) -> list[str]:
        remarks, noun = [], self.reference.noun
        sets = self.reference.whole is None
        if sets and self.how.controls and not any(row.name == HELD_OUT for row in report.controls):
            remarks.append(f"there are no held-out {noun}, so nobody knows how good is as good as real")
        remarks += [
            f"{row.name}: only {row.count:,} {noun} (the others have {self.count:,}), so its numbers are not "
            "comparable and stand in parentheses"
            for row in report.controls
            if row.count != self.count
        ]
        remarks += [
            f"{found.name} does not tell {listed(missed)} from real pictures here"
            for metric, missed in report.misses.items()
            if metric not in report.blind and (found := report.heading(metric)) is not None
        ]
        flattered: dict[tuple[str, str], list[str]] = {}
        for row in (row for row in report.models if row.flattered):
            networks = listed(list(dict.fromkeys(row.estimates[name].seen_through for name in row.flattered)))
            names = listed([row.estimates[name].name for name in row.flattered])
            flattered.setdefault((networks, names), []).append(row.name)
        remarks += [
            f"{listed(rows)} {'was' if len(rows) == 1 else 'were'} {FLATTERED} {networks}, which flatters in {names}"
            for (networks, names), rows in flattered.items()
        ]
        return remarks


def _words(pictures: DataPictures | None) -> str:
    """What the captions of a set add to what its content is."""
    return f"/{pictures.contents().captions}" if pictures is not None and pictures.captioned else ""


def first_pictures(pictures: Pictures, count: int) -> NDArray[np.uint8]:
    """The first pictures of a set, uint8 (n, H, W, C); of pictures that differ in size their middle, as large as the
    smallest has it."""
    blocks = pictures.blocks(0, min(count, pictures.count))
    return alike([one for block in blocks for one in block.pictures])


def pictures_at(pictures: Pictures, rows: Sequence[int]) -> NDArray[np.uint8]:
    """Pictures of a set by index, uint8 (n, H, W, C), in the order of `rows`; see `first_pictures`."""
    return alike([one.pictures[0] for one in (block_at(pictures, row) for row in rows)])


def block_at(pictures: Pictures, row: int) -> Block:
    """One picture of a set, with what stands beside it."""
    for block in pictures.blocks(row // BLOCK * BLOCK, row + 1):
        if row < block.start + len(block):
            return block.part(row - block.start, row - block.start + 1)
    raise IndexError(f"{pictures.name} has {pictures.count} pictures, asked for number {row}")


def alike(pictures: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Pictures uint8 (C, H, W) as uint8 (n, H, W, C): all of one, or the middle of those that are larger."""
    height, width = (min(picture.shape[axis] for picture in pictures) for axis in (1, 2))
    cut = []
    for picture in pictures:
        top, left = (picture.shape[1] - height) // 2, (picture.shape[2] - width) // 2
        cut.append(picture[:, top : top + height, left : left + width])
    return np.ascontiguousarray(torch.stack(cut).permute(0, 2, 3, 1).numpy())


@cache_once
def software() -> Mapping[str, str]:
    """Versions that a number may depend on."""
    return {
        "ganzoo": ganzoo.__version__,
        **{name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy")},
    }
