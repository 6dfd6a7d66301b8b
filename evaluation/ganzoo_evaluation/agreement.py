"""Do pictures show what their captions say? By a dual encoder, which puts pictures and captions into one space.

R-precision (Xu et al., "AttnGAN", 2018, arXiv:1711.10485, section 4.1) asks whether a picture's own caption is closer
to it than wrong ones are. There 99 wrong captions are drawn for each picture; here it is 9, so that chance is 1 in 10,
and none is drawn: the wrong captions are all others of the set, and the chance of the own caption to come first among
any 9 of them has a closed form. So there is no seed, and no luck of the draw in the error.

CLIPScore (Hessel et al., 2021, arXiv:2104.08718, equation 1) is the cosine itself, by CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ganzoo_evaluation import efflite0, emojidual
from ganzoo_evaluation.base import Array, Comparison, Measured, Network, NotApplicable, Value
from ganzoo_evaluation.clip import Clip
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.tally import mean_of
from ganzoo_evaluation.texts import Texts

CANDIDATES = 10
"""Captions that one has to be the first of: the picture's own and nine wrong ones."""
TIED = 1e-6
"""Cosines that are no further apart count as equal: the rounding of float32 is a tenth of it."""
ROWS = 1024
"""Pictures that are compared with all captions at a time."""
SCALE = 2.5
"""What CLIPScore multiplies the cosine with."""
PROMPT = "A photo depicts "
"""What CLIPScore puts before every caption."""


@runtime_checkable
class DualEncoder(Protocol):
    """Pictures and captions in one space. A feature network that is one can be asked for R-precision.

    `protocol` says what its numbers depend on beside the network whose features it reads.
    """

    @property
    def protocol(self) -> Mapping[str, str | int | float]: ...

    def pictures(self, features: Tensor) -> Tensor:
        """Features (n, d) of the network as vectors (n, e) of length 1, on the CPU."""

    def captions(self, texts: Sequence[str]) -> Tensor:
        """Captions as vectors (n, e) of length 1, on the CPU."""


@runtime_checkable
class Panel(DualEncoder, Protocol):
    """Dual encoders side by side, each of which has learned from other captions."""

    def unbiased(self, features: Tensor, texts: Sequence[str]) -> Tensor:
        """`pictures`, each by those alone that have not learned from its own caption (`texts`, n)."""


def dual_of(network: Network | None) -> DualEncoder:
    """The dual encoder over a network's features.

    Raises:
        NotApplicable: when there is none.
    """
    if isinstance(network, DualEncoder):
        return network
    if network is not None and network.name == efflite0.NAME:
        return emojidual.embedded()
    name = network.name if network is not None else "no network"
    raise NotApplicable(f"no dual encoder reads the features of {name}; use r_precision[efflite0]")


def first_of(wrong: int, candidates: int = CANDIDATES) -> Array:
    """The chance of a caption to come first among itself and `candidates` - 1 others that are drawn from `wrong` others
    without replacement, by how many of these are better, float64 (wrong + 1,).

    Raises:
        ValueError: when there are fewer than `candidates` - 1 others.
    """
    drawn = candidates - 1
    if wrong < drawn:
        raise ValueError(f"{drawn} captions cannot be drawn from {wrong}")
    better = np.arange(wrong + 1)
    steps = [np.clip(wrong - better - taken, 0, None) / (wrong - taken) for taken in range(drawn)]
    found: Array = np.prod(steps, axis=0) if steps else np.ones(wrong + 1)
    return found


def r_precision(pictures: Tensor, captions: Tensor, own: Array, candidates: int = CANDIDATES) -> Array:
    """For each picture the chance that its own caption is the first of `candidates`, float64 (n,).

    `pictures` (n, e) and `captions` (m, e), no two the same, are vectors of length 1; `own` int64 (n,) says which
    caption is a picture's. The others of the candidates are any of the other captions; of captions that are as close as
    its own, each is as likely to come first.

    Raises:
        ValueError: when there are fewer captions than candidates.
    """
    wrong = len(captions) - 1
    # Entry i: the sum of the chances with fewer than i better ones.
    sums = torch.from_numpy(np.concatenate([[0.0], np.cumsum(first_of(wrong, candidates))]))
    found = []
    for start in range(0, len(pictures), ROWS):
        cosines = pictures[start : start + ROWS] @ captions.T
        mine = cosines.gather(1, torch.from_numpy(own[start : start + ROWS])[:, None])
        better = (cosines > mine + TIED).sum(1)
        alike = ((cosines - mine).abs() <= TIED).sum(1)  # the own one is among them
        found.append((sums[better + alike] - sums[better]) / alike)
    result: Array = torch.cat(found).numpy() if found else np.zeros(0)
    return result


def compute_r_precision(c: Comparison) -> Value:
    """Mean `r_precision` of a row with its own captions; the note says what the reference has with its own.

    The error is that of the mean, with one hit and one miss added, so that it is not 0 when all are hits.

    Raises:
        NotApplicable: when no dual encoder reads the network's features, or there are fewer than ten captions.
    """
    dual = dual_of(c.fake.network)
    each, captions = _r_precision(c.fake, dual)
    protocol = {"candidates": CANDIDATES, **dual.protocol}
    details: dict[str, int | float] = {"different_captions": captions}
    note = ""
    try:
        details["reference"] = float(_r_precision(c.real, dual)[0].mean())
        note = f"{c.real.name} has {details['reference']:.3f} with its own captions, chance is {1 / CANDIDATES:g}"
    except NotApplicable:
        pass  # a folder without captions
    error = float(np.std([*each, 0.0, 1.0])) / len(each) ** 0.5
    return Value(value=float(each.mean()), error=error, protocol=protocol, details=details, note=note, each=each)


def _r_precision(measured: Measured, dual: DualEncoder) -> tuple[Array, int]:
    """The number of each picture, and how many captions there are."""
    features = measured[Features]
    texts = _texts(measured, features)
    different = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(different) < CANDIDATES:
        raise NotApplicable(f"{measured.name} has {len(different)} different captions; {CANDIDATES} are needed")
    own = np.array([different[text] for text in texts], dtype=np.int64)
    kept = features.tensor
    pictures = dual.unbiased(kept, texts) if isinstance(dual, Panel) else dual.pictures(kept)
    return r_precision(pictures, dual.captions(list(different)), own), len(different)


def compute_clip_score(c: Comparison) -> Value:
    """Mean CLIPScore of a row, `SCALE` times the cosine where it is above 0; with its standard error.

    Raises:
        NotApplicable: when another network than CLIP was asked for.
    """
    network, features = c.fake.network, c.fake[Features]
    if not isinstance(network, Clip):
        raise NotApplicable("CLIP score is by CLIP; use clip_score[clip]")
    texts = _texts(c.fake, features)
    captions = network.captions([PROMPT + text for text in texts])
    cosines = (network.pictures(features.tensor) * captions).sum(1).double().numpy()
    each = SCALE * np.clip(cosines, 0, None)
    mean, error = mean_of(each)
    return Value(value=mean, error=error, protocol={"scale": SCALE, "prompt": PROMPT.strip()}, each=each)


def _texts(measured: Measured, features: Features) -> list[str]:
    """The captions of those pictures whose features were kept."""
    found = measured[Texts].at(features.rows)
    if not found:
        raise NotApplicable(f"nobody knows the captions of {measured.name}")
    return found
