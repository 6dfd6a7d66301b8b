"""What passes through an evaluation: pictures in blocks, what a network sees in them, and what is kept of it.

Of a task whose output is no picture, samples take the place of pictures, numbers of any shape and type: all that only
passes blocks on need not know which they are. What looks at them must: a collector says it by `reads`.

A set of pictures (`Pictures`) is read in blocks of at most `BLOCK`. A feature network (`Network`) looks at each block
once, and every collector that some metric needs takes from it what it wants. Collectors can be merged, so that several
processes share the work, and written as plain arrays, so that what was collected of a reference set can be kept. A
metric then compares two sets by what was collected of them: it never sees the whole of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeVar

import torch
from numpy.typing import NDArray

from ganzoo.data.base import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.model import Model

BLOCK = 64
"""Most pictures in a block. Sets are read in blocks that begin at multiples of it."""

Array = NDArray[Any]
Reads = Literal["pictures", "samples", "truth", "back", "text", "features", "logits"]
C = TypeVar("C", bound="Collector")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Pictures `start`, `start + 1`, ... of a set, and what a network saw in them.

    `pictures` uint8 (n, C, H, W), or, of a task whose output is no picture, its samples as they are, (n, ...) of any
    type: a collector that reads "samples" finds them under that name; `label` int64 (n,), the class that was asked for
    or is true; `text`, n captions, what was asked for in words or is true; `truth` uint8 like `pictures`, what they
    should have been (paired tasks and reconstructions); `source` uint8 (n, C, h, w), what they were made of, and `back`
    uint8 like `source`, what a model makes of `pictures` on the way back; `features` float32 (n, d) and `logits`
    float32 (n, k) of the feature network.
    """

    start: int
    pictures: Tensor
    label: Tensor | None = None
    text: tuple[str, ...] | None = None
    truth: Tensor | None = None
    source: Tensor | None = None
    back: Tensor | None = None
    features: Tensor | None = None
    logits: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def samples(self) -> Tensor:
        """The same where they are no pictures."""
        return self.pictures

    def part(self, first: int, last: int) -> Block:
        """The pictures `first` to `last` of this block, and what stands beside them."""

        def cut(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[first:last]

        return Block(
            start=self.start + first,
            pictures=self.pictures[first:last],
            label=cut(self.label),
            text=None if self.text is None else self.text[first:last],
            truth=cut(self.truth),
            source=cut(self.source),
            back=cut(self.back),
            features=cut(self.features),
            logits=cut(self.logits),
        )


class Pictures(Protocol):
    """A set of pictures that can be read from any place on, always the same."""

    @property
    def name(self) -> str:
        """What a person calls it: `fashion (test)`."""

    @property
    def count(self) -> int:
        """Pictures in the set."""

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Its pictures `start` to `stop` in blocks of at most `BLOCK`; `start` is a multiple of `BLOCK`."""


class Network(Protocol):
    """A feature network, ready to look.

    `identity` says all that its numbers depend on: `sha256` of the weights, `resize`, `input` (pixels), `precision`.
    `dimensions` of the features; `classes` is the number of logits, 0 where it has none.
    """

    name: str
    identity: Mapping[str, str]
    dimensions: int
    classes: int

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pictures uint8 (n, C, H, W), C 1 or 3, of any size: features float32 (n, dimensions) and logits (n, classes),
        both on the CPU. What comes out for a picture does not depend on the others of the call."""


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """What the `load` function of a `FeatureNetwork` card is told.

    `name` as it was asked for (`timm:vit_small_patch14_dinov2`); `weights` a file that the person gave; `precision`
    `fp32` or `bf16`; `resize` `""` (the network's own) or the name of another; `download` permits the network.
    """

    name: str
    weights: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "fp32"
    resize: str = ""
    download: bool = True
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a collector knows before the first block: pictures to come, dimensions of the features, number of logits,
    shape of a picture (C, H, W) or of another sample, and how many pixels at each border paired metrics leave out
    (`crop`)."""

    count: int
    dimensions: int = 0
    classes: int = 0
    shape: tuple[int, ...] = (0, 0, 0)
    crop: int = 0
    seed: int = 0


class Collector(Protocol):
    """Takes something from every block; blocks may come in any order and be shared out over processes.

    `update` and `merge` are exact up to the rounding of float64. The constructor takes a `Plan`. `reads` says what a
    block must have for it: "pictures" are never given to one that reads "samples", nor the other way round.
    """

    reads: ClassVar[Reads]

    def __init__(self, plan: Plan) -> None: ...

    def update(self, block: Block) -> None:
        """Take a block."""

    def merge(self, other: Self) -> None:
        """Take all that another collector of the same plan has taken."""

    def arrays(self) -> dict[str, Array]:
        """All of its state as arrays (no object arrays), for a file or another process."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """The collector whose `arrays` these are.

        Raises:
            KeyError: when one is missing.
        """


@dataclass(kw_only=True)
class Measured:
    """A set of pictures as the metrics know it: its name, how many there were, and what was collected.

    `model` is the model that made them, where one did; `classes` the names of the classes of their labels.
    """

    name: str
    count: int
    collected: dict[type[Any], Any]
    network: Network | None = None
    model: Model | None = None
    classes: tuple[str, ...] = ()

    def __getitem__(self, kind: type[C]) -> C:
        """What the collector of that class has collected.

        Raises:
            NotApplicable: when it was not collected (a file of statistics holds little).
        """
        if kind not in self.collected:
            raise NotApplicable(f"{self.name} was not measured for this")
        found: C = self.collected[kind]
        return found


class NotApplicable(Exception):
    """A metric has nothing to say about this row; the message is the reason, short enough for a table's footnote."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """What a metric found: the value, its standard error where there is one, the protocol that the value depends on
    (`{"k": 3}`), what else is worth keeping, and a remark for a person.

    `each`: of a mean over the pictures, float64 (n,), what it is the mean of, so that two models that were given the
    same pictures can be compared picture by picture.
    """

    value: float
    error: float | None = None
    protocol: Mapping[str, str | int | float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    each: Array | None = field(default=None, repr=False, compare=False)


@dataclass(kw_only=True)
class Comparison:
    """One row against the reference: what the `compute` function of a `Metric` card is given.

    `fake` is the row's set and `real` the reference; `train` is what the model was trained on (often the reference
    itself), None where nobody knows. `seed` seeds whatever a metric draws. `options` are what a preset wants otherwise
    than by default (`{"k": 5, "ddof": 0}`). `metric` is the name of the card, for a function that serves several.
    """

    fake: Measured
    real: Measured
    train: Measured | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    metric: str = ""
    kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """`make()`, computed once for this row: several metrics may need the same distances."""
        if key not in self.kept:
            self.kept[key] = make()
        found: T = self.kept[key]
        return found
