"""The passport of a number: everything that it depends on, and whether two numbers may stand in one column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from ganzoo.cards import Metric
from ganzoo.figures import with_error
from ganzoo_evaluation.aliases import ALIASES, INCEPTION
from ganzoo_evaluation.base import Array, Value

FREE = ("seed", "weights", "source", "software", "reference")
"""What may differ between two numbers that are compared: whose they are, by which seed, and what the reference is
called (its content may not)."""


@dataclass(frozen=True, kw_only=True)
class Passport:
    """All that a number depends on.

    `network_identity` is what `Network.identity` says (sha256, resize, input, precision); `reference_hash` the hash of
    the reference's pixels; `count` the number of generated pictures; `protocol` the metric's own choices; `source` what
    was measured, `weights` which of a run's weights (`final`, `best`), both averaged; `truncation` psi.
    """

    metric: str
    version: int
    count: int
    network: str = ""
    network_identity: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    reference_hash: str = ""
    reference_count: int = 0
    protocol: Mapping[str, str | int | float] = field(default_factory=dict)
    truncation: float | None = None
    source: str = ""
    weights: str = ""
    seed: int = 0
    software: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Eight hex digits over all that two comparable numbers share."""
        document = {name: value for name, value in asdict(self).items() if name not in FREE}
        text = json.dumps(document, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    def differences(self, other: Passport) -> list[str]:
        """In what the two differ that forbids comparing them: `count 1,000 / 5,000`."""
        mine, theirs = asdict(self), asdict(other)
        found = []
        for name, value in mine.items():
            if name in FREE or value == theirs[name]:
                continue
            if isinstance(value, Mapping):
                keys = [key for key in {**value, **theirs[name]} if value.get(key) != theirs[name].get(key)]
                found += [f"{key} {_short(value.get(key))} / {_short(theirs[name].get(key))}" for key in keys]
            else:
                found.append(f"{name.replace('_', ' ')} {_short(value)} / {_short(theirs[name])}")
        return found


def _short(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    text = "none" if value in (None, "") else str(value)
    return text[:12] if len(text) == 64 else text


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric's value for one row, with its passport; `value` None where it has none, `note` then says why.

    `error` is one standard error. `better` is `"lower"`, `"higher"` or `""`. `each` are the numbers of the single
    pictures, where it is their mean; they are not written to files.
    """

    metric: str
    name: str
    title: str
    better: str
    group: str
    value: float | None
    error: float | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    each: Array | None = field(default=None, repr=False, compare=False)
    passport: Passport

    @property
    def seen_through(self) -> str:
        """The feature network that the number depends on, its own or the one that it was asked to look through."""
        return self.passport.network or str(self.passport.protocol.get("network", ""))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; a value that is not finite becomes text."""
        document = asdict(replace(self, each=None))
        del document["each"]
        document["passport"]["key"] = self.passport.key
        return json.loads(json.dumps(_finite(document), default=str))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError: when it is something else.
        """
        values = dict(document)
        passport = {name: value for name, value in values.pop("passport").items() if name != "key"}
        for name in ("value", "error"):
            values[name] = None if values[name] is None else float(values[name])
        return cls(**values, passport=Passport(**passport))

    @property
    def text(self) -> str:
        """`23.41 ± 0.52`, or a dash."""
        return "–" if self.value is None else with_error(self.value, self.error)


def count_text(count: int) -> str:
    """`10k`, `1391`: how a number of pictures stands in a name."""
    return f"{count // 1000}k" if count % 1000 == 0 and count else str(count)


def full_name(
    metric: str,
    network: str,
    identity: Mapping[str, str],
    count: int,
    protocol: Mapping[str, str | int | float] | None = None,
) -> str:
    """`fd[efflite0]@1k`, `precision[efflite0,k=3]@1k`; with the network of the original FID and its resize, `fid@1k`.

    Another resize, precision or file of weights is part of the name: `fid[clean]@10k`. So is a network that is the
    metric's own choice (`perceptual[efflite0]`, which its protocol has under `network`).
    """
    protocol = protocol or {}
    shown, marks = metric, []
    if network == INCEPTION:
        shown = next((alias for alias, (base, _) in ALIASES.items() if base == metric), metric)
    elif network or "network" in protocol:
        marks.append(network or str(protocol["network"]))
    # Other networks have one resize, their own; only the original one is read in several ways.
    if network.startswith(INCEPTION) and identity.get("resize", "legacy-tf") != "legacy-tf":
        marks.append(identity["resize"])
    if network and identity.get("precision", "fp32") != "fp32":
        marks.append(identity["precision"])
    if "k" in protocol:
        marks.append(f"k={protocol['k']}")
    suffix = f"[{','.join(marks)}]" if marks else ""
    return f"{shown}{suffix}" + (f"@{count_text(count)}" if count else "")


def estimate(card: Metric, value: Value, passport: Passport) -> Estimate:
    """The metric's `Value` under its full name."""
    network = passport.network if card.network else ""
    return Estimate(
        metric=card.name,
        name=full_name(card.name, network, passport.network_identity, passport.count, passport.protocol),
        title=card.title,
        better=card.better,
        group=card.group,
        value=value.value,
        error=value.error,
        note=value.note,
        details=value.details,
        each=value.each,
        passport=passport,
    )


def missing(card: Metric, reason: str, passport: Passport) -> Estimate:
    """The estimate of a metric that has nothing to say here, with the reason."""
    return Estimate(
        metric=card.name,
        name=full_name(card.name, passport.network if card.network else "", passport.network_identity, passport.count),
        title=card.title,
        better=card.better,
        group=card.group,
        value=None,
        note=reason,
        passport=passport,
    )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value
