"""From models and folders of pictures to a `Report`: one reference, one count, seed and set of networks for all.

`evaluate` opens the networks that the metrics look through, measures the reference (kept by content), the control sets
and every subject in one pass for each network, and asks every metric about every row.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache as cache_once
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ganzoo
from ganzoo.cards import Metric, Task, resolve
from ganzoo.data.base import Progress
from ganzoo.engine.distributed import Group
from ganzoo.errors import UserError, did_you_mean
from ganzoo.model import Model
from ganzoo.registry import Registry
from ganzoo_evaluation import cache
from ganzoo_evaluation.aliases import ALIASES
from ganzoo_evaluation.base import (
    BLOCK,
    Comparison,
    Measured,
    Network,
    NetworkRequest,
    NotApplicable,
    Pictures,
    Value,
)
from ganzoo_evaluation.controls import EXPLANATIONS, HELD_OUT, control_sets, sees
from ganzoo_evaluation.frechet import Gaussian, gaussian_of
from ganzoo_evaluation.measure import collectors_of, measure
from ganzoo_evaluation.networks import AUTO, choose_network, open_network
from ganzoo_evaluation.passport import Estimate, Passport, estimate, full_name, missing
from ganzoo_evaluation.presets import Preset
from ganzoo_evaluation.results import Kind, Report, Row
from ganzoo_evaluation.sets import DataPictures, content_hash
from ganzoo_evaluation.significance import verdict
from ganzoo_evaluation.statistics_files import read_statistics

SHOWN = 64
"""Pictures of a row that are kept for the report."""


@dataclass(frozen=True, kw_only=True)
class How:
    """How to measure. `metrics` empty: the task's. `count` None: as many as there are held-out pictures, up to 10,000.

    `features` names the network of metrics that do not say theirs (`kid[efflite0]`); `weights` is its file; `download`
    permits the network; `controls` adds the control rows.
    """

    metrics: tuple[str, ...] = ()
    features: str = AUTO
    weights: Path | None = None
    count: int | None = None
    seed: int = 0
    truncation: float | None = None
    precision: str = "fp32"
    resize: str = ""
    preset: Preset | None = None
    controls: bool = True
    download: bool = True
    crop: int = 0


@dataclass(kw_only=True)
class Subject:
    """What is to be measured: a set of pictures and who made it."""

    name: str
    kind: Kind
    pictures: Pictures
    model: Model | None = None
    weights: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    pairs: bool = False
    """Whether its blocks have the truth beside them."""
    variant: bool = False
    """Whether it is the subject before it with other weights or another prior."""


class Reference:
    """Real pictures: the whole training set by custom, and pictures that were held out, where there are any."""

    def __init__(
        self,
        name: str,
        train: DataPictures | None,
        held_out: DataPictures | None = None,
        *,
        trained_on: bool = True,
        statistics: Path | None = None,
    ) -> None:
        """`trained_on`: whether the subjects were trained on it (then memorising can be told). `statistics`: a file of
        mean and covariance in place of pictures."""
        self.name, self.train, self.held_out = name, train, held_out
        self.trained_on = trained_on and train is not None
        self._file = read_statistics(statistics) if statistics else None
        self._statistics = statistics

    @cached_property
    def content(self) -> str:
        """Hash of the pixels (or of the file of statistics)."""
        if self.train is None:
            assert self._statistics is not None
            return hashlib.sha256(self._statistics.read_bytes()).hexdigest()
        return content_hash(self.train)

    @property
    def count(self) -> int:
        """Pictures in it; 0 where a file of statistics does not say."""
        return self.train.count if self.train is not None else (self._file.count if self._file else 0)

    def measured(self) -> Measured:
        """What a file of statistics holds."""
        assert self._file is not None
        return Measured(name=self.name, count=self._file.count, collected={Gaussian: self._file})

    @property
    def data_names(self) -> set[str]:
        """The data set's name, for the choice of a network."""
        return {self.train.data.spec.name} if self.train is not None else set()

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        if self.train is None:
            return f"the statistics in {self.name}" + (f" ({self.count:,} pictures)" if self.count else "")
        held = f"; {self.held_out.count:,} held-out pictures are the floor" if self.held_out is not None else ""
        return f"{self.count:,} pictures of {self.name} (content {self.content[:12]}){held}"


@dataclass(frozen=True)
class Wanted:
    """A metric and the name of the network that it is to look through (empty: none)."""

    card: Metric
    network: str


def wanted_metrics(registry: Registry, task: Task | None, how: How, data: set[str]) -> list[Wanted]:
    """The metrics of a request (`fd`, `kid[efflite0]`, `fid`), or those of the task, with their networks.

    Raises:
        UserError: one line for each that is not known.
    """
    names = how.metrics or (how.preset.metrics if how.preset else ()) or (task.metrics if task else ())
    default = how.preset.network if how.preset and how.features == AUTO else how.features
    mistakes: list[str] = []
    found: list[Wanted] = []
    for name in names:
        base, _, network = name.partition("[")
        network = network.removesuffix("]")
        base, network = ALIASES.get(base, (base, network)) if not network else (base, network)
        if base not in registry.metrics:
            known = [*registry.metrics, *ALIASES]
            mistakes.append(
                f"--metrics {name}: no such metric{did_you_mean(base, known)}; there are {', '.join(known)}"
            )
            continue
        card = registry.metrics[base]
        if card.network and not network:
            network = how.preset.networks.get(base, default) if how.preset else default
            network = choose_network(registry, data) if network == AUTO else network
        wanted = Wanted(card, network if card.network else "")
        if any(other.card.name == card.name for other in found):
            mistakes.append(f"--metrics {name}: {card.name} is there twice; evaluate twice for two networks")
            continue
        found.append(wanted)
    if mistakes:
        raise UserError(*mistakes)
    if not found:
        raise UserError("no metrics: name some with --metrics fd,kid (`ganzoo eval --list` shows them all)")
    return found


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
    ) -> None:
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

    def _kinds(self, network: str, cards: Iterable[Metric], pairs: bool = False) -> list[type[Any]]:
        """The collectors of a pass: those of that network's metrics, and with the first network also those of metrics
        that look through none."""
        first = next(iter(self.networks))
        chosen = [card for card in cards if (card.network and network) or (not card.network and network == first)]
        return collectors_of(chosen, self.networks[network], pairs)

    def _measure(
        self, pictures: Pictures, network: str, kinds: Sequence[type[Any]], model: Model | None = None
    ) -> Measured:
        return measure(
            pictures,
            self.networks[network],
            kinds,
            seed=self.how.seed,
            crop=self.how.crop,
            group=self.group,
            progress=self.progress,
            model=model,
            classes=getattr(pictures, "classes", ()),
        )

    def _kept(self, pictures: Pictures, network: str, content: str, what: str) -> Measured:
        """A set of real pictures, from the cache where it is there: everything that any metric of the zoo may ask of
        it, so that another choice of metrics finds it too."""
        kinds = self._kinds(network, self.registry.metrics.values())
        opened = self.networks[network]
        key = cache.key_of(content, opened, kinds, what=what, seed=self.how.seed)
        return cache.kept(
            key, kinds, lambda: self._measure(pictures, network, kinds), network=opened, write=self.group.first
        )

    def real(self, network: str) -> Measured:
        """The reference as that network sees it, with the root of its covariance."""
        if network not in self._real:
            self._real[network] = self._reference(network)
        return self._real[network]

    def _reference(self, network: str) -> Measured:
        reference, opened = self.reference, self.networks[network]
        if reference.train is None:
            return reference.measured()
        real = self._kept(reference.train, network, reference.content, "all")
        if opened is not None:
            key = cache.key_of(reference.content, opened, [Gaussian], what="root", seed=self.how.seed)
            root = cache.kept(
                key,
                [Gaussian],
                lambda: Measured(name=real.name, count=real.count, collected={Gaussian: gaussian_of(real)}),
                network=opened,
                write=self.group.first,
            )
            real.collected[Gaussian] = root.collected[Gaussian]
        return real

    # --- rows ---------------------------------------------------------------------------------------------------------

    def row(self, subject: Subject) -> Row:
        """A subject's row: measured once through each network, then every metric asked."""
        measured = {}
        for network in self.networks:
            cards = [wanted.card for wanted in self.metrics if wanted.network in (network, "")]
            kinds = self._kinds(network, cards, pairs=subject.pairs)
            measured[network] = self._measure(subject.pictures, network, kinds, subject.model)
        return self._row(subject, measured)

    def control_rows(self) -> Iterator[Row]:
        """The control rows, from the cache where they are there."""
        train, held = self.reference.train, self.reference.held_out
        if train is None:
            return
        content = f"{self.reference.content}/{content_hash(held) if held is not None and held.count else ''}"
        for control in control_sets(train, held, self.count, self.how.seed):
            subject = Subject(name=control.name, kind="control", pictures=control.pictures)
            row = self._row(
                subject, {name: self._kept(control.pictures, name, content, control.key) for name in self.networks}
            )
            row.explanation = EXPLANATIONS[control.name]
            yield row

    def _row(self, subject: Subject, measured: dict[str, Measured]) -> Row:
        row = Row(
            name=subject.name,
            kind=subject.kind,
            count=subject.pictures.count,
            samples=first_pictures(subject.pictures, SHOWN),
            facts=subject.facts,
            variant=subject.variant,
            measured=measured,
        )
        kept: dict[str, dict[tuple[Any, ...], Any]] = {name: {} for name in measured}
        for wanted in self.metrics:
            if subject.variant and not wanted.card.needs:
                continue  # a fact of the model, which stands in the row that it is a variant of
            network = self._network(wanted)
            row.estimates[wanted.card.name] = self._ask(wanted, subject, measured[network], kept[network])
        return row

    def _ask(self, wanted: Wanted, subject: Subject, fake: Measured, kept: dict[tuple[Any, ...], Any]) -> Estimate:
        real = self.real(self._network(wanted))
        comparison = Comparison(
            fake=fake,
            real=real,
            train=real if self.reference.trained_on else None,
            seed=self.how.seed,
            options=self.how.preset.options if self.how.preset else {},
            kept=kept,
        )
        try:
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
            reference=self.reference.sentence,
            network=self._network_sentence(),
            columns=columns,
            rows=[*rows, *controls],
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            seconds=time.monotonic() - started,
            software=dict(software()),
        )
        for metric in columns:
            seen = sees(report.rows, metric)
            if seen is not None and seen[1]:
                report.misses[metric] = seen[1]
                if not seen[0]:
                    report.blind[metric] = f"it does not tell {_and(seen[1])} from real held-out pictures here"
        models = [row for row in report.models if not row.variant]
        for first, second in ((models[0], other) for other in models[1:]):
            found = (
                verdict(first, second, wanted.card, self._network(wanted), self.real(self._network(wanted)))
                for wanted in self.metrics
                if wanted.card.name not in report.blind  # it ranks nobody
            )
            report.verdicts += [one for one in found if one is not None]
        report.remarks = self._remarks(report)
        return report

    def name_of(self, card: Metric, network: str, count: int) -> str:
        """The full name under which that metric's estimates stand."""
        opened = self.networks[network] if network else None
        return full_name(card.name, opened.name if opened else "", opened.identity if opened else {}, count)

    def _network(self, wanted: Wanted) -> str:
        """The network in whose pass a metric's collectors ride."""
        return wanted.network or next(iter(self.networks))

    def _network_sentence(self) -> str:
        parts = []
        for name, network in self.networks.items():
            if network is not None:
                sha = network.identity.get("sha256", "")[:12]
                details = ", ".join(
                    f"{key} {value}" for key, value in network.identity.items() if key not in ("sha256",) and value
                )
                parts.append(f"{network.name or name} ({details}; weights {sha})")
        return "; ".join(parts) or "none"

    def _remarks(self, report: Report) -> list[str]:
        remarks = []
        if self.how.controls and not any(row.name == HELD_OUT for row in report.controls):
            remarks.append("there are no held-out pictures, so nobody knows how good is as good as real")
        remarks += [
            f"{row.name}: only {row.count:,} pictures (the others have {self.count:,}), so its numbers are not "
            "comparable and stand in parentheses"
            for row in report.controls
            if row.count != self.count
        ]
        return remarks


def first_pictures(pictures: Pictures, count: int) -> NDArray[np.uint8]:
    """The first pictures of a set, uint8 (n, H, W, C)."""
    blocks = pictures.blocks(0, min(count, pictures.count))
    return np.ascontiguousarray(torch.cat([block.pictures for block in blocks]).permute(0, 2, 3, 1).numpy())


def pictures_at(pictures: Pictures, rows: Sequence[int]) -> NDArray[np.uint8]:
    """Pictures of a set by index, uint8 (n, H, W, C), in the order of `rows`."""
    found = []
    for row in rows:
        start = row // BLOCK * BLOCK
        block = next(iter(pictures.blocks(start, row + 1)))
        found.append(block.pictures[row - start])
    return np.ascontiguousarray(torch.stack(found).permute(0, 2, 3, 1).numpy())


@cache_once
def software() -> Mapping[str, str]:
    """Versions that a number may depend on."""
    return {
        "ganzoo": ganzoo.__version__,
        **{name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy")},
    }


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
