"""Captions with gaps, filled in from the picture: what tells the discriminator what single words look like.

That a picture goes with its caption, out of those of a batch, can mostly be told by a few properties, which are learned
first; the others (a shape, where colours and places do) come late. A gap asks for each: the words on either side of it
say what kind of word is missing, the picture says which. To have pictures say what they were made from is the idea of
Qiao et al. (2019, arXiv:1903.05854), whose network writes whole captions; a gap needs no network that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm, leaky_relu, normalize, pad

from ganzoo.model import Batch
from ganzoo.text.base import Encoder

REACH = 2
"""Words on either side of a gap that are seen."""
TEMPERATURE = 0.07
SLOPE = 0.2


@dataclass(frozen=True)
class Words:
    """The words of captions one by one: `vectors` (N, L, d); `index` (N, L), which of the `choices` (W, d) each is, -1
    where there is no word. The choices are the different words of the whole batch of a step."""

    vectors: Tensor
    index: Tensor
    choices: Tensor


def words_of(encoder: Encoder, ids: Tensor, batch: Batch) -> Words:
    """The words of a batch's captions, `ids` being those of the encoder for them."""
    room = encoder.longest - ids.shape[1]
    everyones = batch.gather(pad(ids, (0,) * (2 * (ids.ndim - 2)) + (0, room)))[0].flatten(0, 1)
    keys = encoder.keys(everyones[:, None]).flatten()
    there = keys != 0
    distinct, which = keys[there].unique(return_inverse=True)
    # Any place where a word stands gives the same vector; the last one is taken on every process alike.
    places = torch.zeros(len(distinct), dtype=torch.int64, device=ids.device)
    places.scatter_reduce_(0, which, torch.arange(len(which), device=ids.device), "amax", include_self=False)
    choices = encoder.lexical(everyones[there][places][:, None]).squeeze(1)
    own = encoder.keys(ids).contiguous()
    index = torch.searchsorted(distinct, own).clamp(max=len(distinct) - 1).masked_fill(own == 0, -1)
    return Words(encoder.lexical(ids), index, choices)


class Cloze(nn.Module):
    """What was seen in pictures (N, maps, h, w) and the words of their captions to a scalar: the cross-entropy of each
    word among the choices, summed over a caption, averaged over captions.

    A picture is read place by place and, so that a thing is the same wherever it is, by the mean and the maximum of
    each map over all places.
    """

    def __init__(self, maps: int, inner: int, words: int, width: int) -> None:
        super().__init__()
        self.places = nn.Linear(maps * inner**2, width)
        self.anywhere = nn.Linear(2 * maps, width, bias=False)
        self.context = nn.Linear(2 * REACH * words, width)
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.together = nn.Linear(2 * width, width)
        self.choice = nn.Linear(words, width)

    def forward(self, seen: Tensor, words: Words) -> Tensor:
        there = words.index >= 0
        return cross_entropy(self.logits(seen, words)[there], words.index[there], reduction="sum") / len(seen)

    def logits(self, seen: Tensor, words: Words) -> Tensor:
        """For each word of each caption, (N, L, W), which of the choices it could be."""
        picture = self.places(seen.flatten(1)) + self.anywhere(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1))
        picture = layer_norm(picture.float(), picture.shape[1:])
        length = words.vectors.shape[1]
        framed = pad(words.vectors, (0, 0, REACH, REACH))
        sides = [framed[:, shift : shift + length] for shift in range(2 * REACH + 1) if shift != REACH]
        context = self.context(torch.cat(sides, 2)).float()
        both = torch.cat([context, picture[:, None].expand(-1, length, -1)], 2)
        guess = context + picture[:, None] + self.together(leaky_relu(self.hidden(both), SLOPE))
        with torch.autocast(seen.device.type, enabled=False):
            choices = self.choice(words.choices.float())
            return normalize(guess.float(), dim=2) @ normalize(choices, dim=1).T / TEMPERATURE
