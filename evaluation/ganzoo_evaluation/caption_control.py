"""What decides how a picture looks: the words or the noise.

A few captions are drawn with several noises each, the same noises for all of them. The distance of two pictures, in the
features of a network, is then of three kinds: of one caption with two noises, of two captions with one noise, and of
two captions with two noises. The mean of the first over that of the third is `caption_diversity`: 0 for a model that
draws a caption always alike, 1 for one that does not listen. That of the second is `caption_control`: 0 where the words
change nothing, 1 where as much as words and noise together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.captions import spread
from ganzoo.engine.noise import Noise
from ganzoo.model import Model, SampleRequest
from ganzoo.modes import evaluating
from ganzoo_evaluation.base import Array, Comparison, Network, NotApplicable, Value
from ganzoo_evaluation.captions import Captions
from ganzoo_evaluation.modes import full_precision
from ganzoo_evaluation.sets import as_levels

CAPTIONS = 32
"""Captions that are drawn, at most,"""
SEEDS = 8
"""and how often each."""
FEWEST = 2
"""Captions without which there is nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Mean distances: of one caption with two noises, of two captions with one, of two with two. `by_caption` has the
    three for each caption, float64 (captions, 3): from its pictures to those of all."""

    by_caption: Array

    def share(self, kind: int) -> tuple[float, float | None]:
        """The mean distance of a kind (0 or 1) over that of the third, and its standard error over other captions, with
        the same noises: that of a ratio of two means (Cochran, 1977, equation 6.13). A caption enters a mean over pairs
        of captions twice, as first and as second (Hoeffding, 1948, section 5). None for less than three captions."""
        means = self.by_caption.mean(0)
        ratio = float(means[kind] / means[2])
        count = len(self.by_caption)
        if count <= FEWEST:
            return ratio, None
        moves = (self.by_caption - means) * (1, 2, 2)
        return ratio, float((moves[:, kind] - ratio * moves[:, 2]).std(ddof=1) / means[2] / math.sqrt(count))


def apart(features: Tensor) -> Apart:
    """Of features (captions, noises, d), two or more of each.

    Raises:
        ValueError: when there is less.
    """
    captions, noises, _ = features.shape
    if min(captions, noises) < FEWEST:
        raise ValueError(f"{captions} captions and {noises} noises: two or more of each are needed")
    rows = features.double().flatten(0, 1)
    # Differences of features, not of their squares: alike pictures have a distance of exactly 0.
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    distances = distances.view(captions, noises, captions, noises)
    caption = torch.eye(captions, dtype=torch.bool)[:, None, :, None]
    noise = torch.eye(noises, dtype=torch.bool)[None, :, None, :]
    kinds = (caption & ~noise, ~caption & noise, ~caption & ~noise)
    sums = torch.stack([(distances * kind).sum((1, 2, 3)) / kind.sum((1, 2, 3)) for kind in kinds], 1)
    return Apart(by_caption=sums.numpy())


def drawn(model: Model, network: Network, captions: Sequence[str], seed: int) -> Tensor:
    """Features float32 (captions, `SEEDS`, d) of every caption with the same noises."""
    device = next(model.parameters()).device
    rows: list[Tensor] = []
    with torch.inference_mode(), full_precision(), evaluating(model):
        for caption in captions:
            noise = Noise(seed, "caption-control", count=SEEDS, device=device)
            request = SampleRequest(count=SEEDS, noise=noise, given={"text": [caption] * SEEDS})
            features, _ = network(as_levels(model.generate(model.inputs(request)).float().cpu()))
            rows.append(features)
    return torch.stack(rows)


def compute_diversity(c: Comparison) -> Value:
    """Distance of pictures of one caption over that of pictures of two.

    Raises:
        NotApplicable: without a model that reads captions and remembers some.
    """
    return _value(c, 0)


def compute_control(c: Comparison) -> Value:
    """Distance of pictures of two captions with the same noise over that with two.

    Raises:
        NotApplicable: without a model that reads captions and remembers some.
    """
    return _value(c, 1)


def _value(c: Comparison, kind: int) -> Value:
    model, network = c.fake.model, c.fake.network
    if model is None:
        raise NotApplicable("there is no model to ask, only pictures")
    if "text" not in model.takes:
        raise NotApplicable("the model reads no captions")
    known = model.data.examples
    if network is None or len(known) < FEWEST:
        raise NotApplicable("the model remembers no captions to draw")
    captions = tuple(known[place] for place in spread(len(known), CAPTIONS))
    found = c.once(("apart",), lambda: apart(drawn(model, network, captions, c.seed)))
    if not found.by_caption[:, 2].mean() > 0:
        raise NotApplicable("the model draws one picture only")
    value, error = found.share(kind)
    names = ("one caption, two noises", "two captions, one noise", "two captions, two noises")
    return Value(
        value=value,
        error=error,
        protocol={**Captions(texts=captions, source="").protocol, "noises": SEEDS, "distance": "Euclidean"},
        details={
            "captions": len(captions),
            "distances": dict(zip(names, found.by_caption.mean(0).tolist(), strict=True)),
        },
    )
