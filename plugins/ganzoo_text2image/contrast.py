"""Captions against pictures: which of a batch belong together, and which do not.

Everything here looks at the whole batch of a step, so that one process with all of it and several with a part each
learn the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganzoo.model import Batch
from ganzoo.nn.penalties import eager_float32


def caption_keys(texts: Sequence[str]) -> Tensor:
    """A number for each caption, int64 (N,), not 0: equal ones where captions are equal but for case and blanks."""
    keys = []
    for text in texts:
        plain = " ".join(text.lower().split())
        digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        keys.append((int.from_bytes(digest, "little") >> 1) or 1)
    return torch.tensor(keys, dtype=torch.int64)


def wrong_rows(keys: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """For each of n rows another one with another caption, int64 (n,), and whether there is one, bool (n,).

    It is the row `shift` (a scalar) further on, in a circle, or where that has the same caption the next one behind
    it that has not.
    """
    count = len(keys)
    places = torch.arange(count, device=keys.device)
    candidates = (places[:, None] + shift + places) % count
    differ = keys[candidates] != keys[:, None]
    first = torch.where(differ, places, count).amin(1)
    return candidates.gather(1, first.clamp(max=count - 1)[:, None]).squeeze(1), first < count


def info_nce(pictures: Tensor, captions: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """The symmetric contrastive loss of matching rows of unit vectors (n, d), a scalar.

    Cross-entropy of finding the caption of each picture, and the picture of each caption, by their cosine over the
    temperature (van den Oord et al., 2018, arXiv:1807.03748, equation 4; Zhang et al., 2021, arXiv:2101.04702, section
    4). What has the same caption (`keys`) is no wrong answer.
    """
    same = keys[:, None] == keys
    same.fill_diagonal_(False)
    logits = (pictures @ captions.T / temperature).masked_fill(same, -torch.inf)
    target = torch.arange(len(keys), device=keys.device)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def everyone(values: Tensor, batch: Batch) -> Tensor:
    """The rows of every process, (n, ...); a gradient flows to those of this one."""
    rows, places = batch.gather(values)
    if len(rows) == len(values):
        return values
    parts = list(rows.split(len(values)))
    mine = places[:: len(values)].tolist().index(batch.rows.start)
    parts[mine] = values
    return torch.cat(parts)


def of_all(loss: Tensor, batch: Batch, rows: int) -> Tensor:
    """A loss that every process has computed of the `rows` rows of all of them: with the same value, and a gradient
    that is right once gradients are averaged over the processes, each of which has the part of its own rows only."""
    processes = rows // batch.size
    return loss if processes == 1 else loss + (processes - 1) * (loss - loss.detach())


def matching_penalty(
    verdict: Callable[[Tensor, Tensor], Tensor], pictures: Tensor, sentences: Tensor, power: float
) -> Tensor:
    """Mean of (|gradient by the picture| + |gradient by the sentence|)^power of the verdicts on real pictures (N, C, H,
    W) under their own captions (N, d) (Tao et al., 2022, equation 1): there, and there alone, the discriminator is to
    be flat."""
    with eager_float32(pictures.device):
        points = [pictures.detach().float().requires_grad_(True), sentences.detach().float().requires_grad_(True)]
        gradients = torch.autograd.grad(verdict(*points).sum(), points, create_graph=True)
        norms = [(gradient.square().flatten(1).sum(1) + 1e-12).sqrt() for gradient in gradients]
        return (norms[0] + norms[1]).pow(power).mean()
