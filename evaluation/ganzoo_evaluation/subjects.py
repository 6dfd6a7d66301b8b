"""What is measured, and what it is measured against."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ganzoo.model import Model
from ganzoo_evaluation.base import Measured, Pictures, Reads
from ganzoo_evaluation.frechet import Gaussian
from ganzoo_evaluation.results import Kind
from ganzoo_evaluation.sets import DataPictures, content_hash, contents_of
from ganzoo_evaluation.statistics_files import read_statistics


@dataclass(kw_only=True)
class Subject:
    """What is to be measured: a set of pictures and who made it."""

    name: str
    kind: Kind
    pictures: Pictures
    model: Model | None = None
    weights: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    beside: tuple[Reads, ...] = ()
    """What its blocks have beside the pictures: `truth`, `back`, `text`."""
    trained_through: tuple[str, ...] = ()
    """Feature networks that a loss of its training looked through."""
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
        whole: Pictures | None = None,
    ) -> None:
        """`trained_on`: whether the subjects were trained on it (then memorising can be told). `statistics`: a file of
        mean and covariance in place of pictures. `whole`: in their place, true answers that are only compared one by
        one."""
        self.name, self.train, self.held_out = name, train, held_out
        self.trained_on = trained_on and train is not None
        self._file = read_statistics(statistics) if statistics else None
        self.statistics, self.whole = statistics, whole

    @cached_property
    def content(self) -> str:
        """Hash of the pixels (or of the file of statistics)."""
        if self.train is not None:
            return content_hash(self.train)
        if self.whole is not None:
            return contents_of(self.whole).sha256
        assert self.statistics is not None
        return hashlib.sha256(self.statistics.read_bytes()).hexdigest()

    @property
    def count(self) -> int:
        """Pictures in it; 0 where a file of statistics does not say."""
        there = self.train or self.whole or self._file
        return there.count if there is not None else 0

    def measured(self) -> Measured:
        """What is known of it without a look at its pictures: what a file of statistics holds."""
        if self._file is None:
            return Measured(name=self.name, count=self.count, collected={})
        return Measured(name=self.name, count=self._file.count, collected={Gaussian: self._file})

    @property
    def data_names(self) -> set[str]:
        """The data set's name, for the choice of a network."""
        return {self.train.data.spec.name} if self.train is not None else set()

    @property
    def pictured(self) -> bool:
        """Whether it is of pictures."""
        return self.train is None or self.train.pictured

    @property
    def noun(self) -> str:
        """What it is of: pictures, or samples of another kind."""
        return "pictures" if self.pictured else "samples"

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        if self.whole is not None:
            return f"{self.count:,} pictures of {self.name} (content {self.content[:12]}), one by one"
        if self.train is None:
            return f"the statistics in {self.name}" + (f" ({self.count:,} pictures)" if self.count else "")
        held = f"; {self.held_out.count:,} held-out {self.noun} are the floor" if self.held_out is not None else ""
        return f"{self.count:,} {self.noun} of {self.name} (content {self.content[:12]}){held}"
