"""From models and folders of pictures to a `Report`: one reference, one count, seed and set of networks for all.

`evaluate` opens the networks that the metrics look through, measures the reference (kept by content), the control sets
and every subject in one pass for each network, and asks every metric about every row.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache as cache_once
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

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
from ganzoo_evaluation.networks import open_network
from ganzoo_evaluation.passport import Estimate, Passport, estimate, full_name, missing
from ganzoo_evaluation.results import Report, Row
from ganzoo_evaluation.sets import content_hash
from ganzoo_evaluation.significance import verdict
from ganzoo_evaluation.subjects import Reference, Subject

SHOWN = 64
"""Pictures of a row that are kept for the report."""


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
        return cache.kept(key, kinds, lambda: self._measure(pictures, network, kinds), network=opened, group=self.group)

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
        for wanted in self.metrics:
            seen = sees(report.rows, wanted.card)
            if seen is not None and seen[1]:
                report.misses[wanted.card.name] = seen[1]
                if not seen[0]:
                    report.blind[wanted.card.name] = f"it does not tell {listed(seen[1])} from real pictures"
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
                    f"{key} {value}" for key, value in network.identity.items() if key != "sha256" and value
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
        remarks += [
            f"{found.name} does not tell {listed(missed)} from real pictures here"
            for metric, missed in report.misses.items()
            if metric not in report.blind and (found := report.heading(metric)) is not None
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
