"""Adaptive discriminator augmentation (Karras et al., 2020, arXiv:2006.06676).

Everything the discriminator sees, real or fake, in every phase, goes through a pipeline of random changes (section 2.2
and appendix B), each applied to each picture with the same probability p. While p is below 1 the most frequent outcome
of each change is to leave the picture alone, so the generator gains nothing from imitating the changes: they do not
leak into its pictures (section 2.1). `AdaptiveAugment` holds p and steers it by how sure the discriminator is of real
pictures (section 3).

Nothing is read back from an accelerator, and everything differentiates twice, as a gradient penalty needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from ganzoo.nn.transforms import (
    amplify,
    blit,
    brightening,
    contrasting,
    hue_rotation,
    luma_flip,
    recolor,
    rotation,
    saturating,
    scaling,
    translation,
    warp,
)

if TYPE_CHECKING:
    from ganzoo.model import Batch

Kind = Literal["blit", "geometric", "color", "filter", "noise", "cutout"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of change, in the order in which they are applied."""
BGC: tuple[Kind, ...] = ("blit", "geometric", "color")
"""The paper's choice (section 2.3): the other kinds did not help."""

_SHIFT = 0.125  # of the width and height: the largest whole and the usual fractional translation


class Random(Protocol):
    """Where the draws come from; a `ganzoo.Batch` is one."""

    def rand(self, *shape: int, stream: str) -> Tensor:
        """Uniform in [0, 1), (N, *shape)."""
        ...

    def randn(self, *shape: int, stream: str) -> Tensor:
        """Standard normal, (N, *shape)."""
        ...


# --- the pipeline -----------------------------------------------------------------------------------------------------


def augment(
    pictures: Tensor,
    probability: Tensor | float,
    random: Random,
    stream: str,
    *,
    kinds: Sequence[Kind] = BGC,
    parts: Sequence[int] = (),
) -> Tensor:
    """Pictures (N, C, H, W) in [-1, 1], each changed by each change of those kinds with that probability.

    - `blit`: mirrored left to right, turned by quarters (pictures that are not square: by a half), moved by up to 1/8.
    - `geometric`: zoomed, rotated, stretched, moved by fractions of a pixel; what comes in is mirrored.
    - `color`: brightness, contrast, luma flip, hue, saturation; of grey pictures (C = 1) the first three.
    - `filter`: four bands of frequencies made stronger or weaker. `noise`: added. `cutout`: a half-sized square is 0.

    `parts`: where each row is several pictures behind each other, the channels of each, such as (3, 3) of a pair;
    whatever is done to the one is done to the others. `stream` names the draw (`"real"`, `"fake"`), so that two calls
    of one step differ. What is drawn does not depend on the probability, nor one kind on the others. A picture that no
    change was drawn for comes out bit for bit.

    Raises:
        ValueError: for a kind of another name, parts that are not C together, and colours to be changed of neither 1
            nor 3 channels.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"no such kind of augmentation: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    _, channels, height, width = pictures.shape
    parts = list(parts) or [channels]
    if sum(parts) != channels:
        raise ValueError(f"parts of {' and '.join(map(str, parts))} channels are not pictures of {channels}")
    if "color" in kinds and not {1, 3}.issuperset(parts):
        raise ValueError(f"colours are changed of pictures with 1 or 3 channels, not {' and '.join(map(str, parts))}")
    if _is_zero(probability):
        return pictures
    half = pictures.dtype in (torch.bfloat16, torch.float16)
    x = pictures.float() if half else pictures

    def uniform(kind: Kind, count: int) -> Tensor:
        return random.rand(count, stream=f"ada-{kind}-{stream}").to(x.dtype)

    def normal(kind: Kind, *shape: int) -> Tensor:
        return random.randn(*shape, stream=f"ada-{kind}-{stream}").to(x.dtype)

    with torch.autocast(x.device.type, enabled=False):
        moves = warps = None
        if "blit" in kinds:
            moves = _draw_moves(uniform("blit", 7), probability, height, width)
        if "geometric" in kinds:
            warps = _draw_warps(uniform("geometric", 7), normal("geometric", 4), probability, height, width)
        x = _place(x, moves, warps)
        if "color" in kinds:
            colors = _draw_colors(uniform("color", 7), normal("color", 3), probability, grey=max(parts) == 1)
            x = _apply(partial(_recolor, parts), x, _differs(colors), colors)
        if "filter" in kinds:
            gains = _draw_gains(uniform("filter", 4), normal("filter", 4), probability)
            x = _apply(amplify, x, (gains != 1).any(1), gains)
        if "noise" in kinds:
            strength = normal("noise", 1).abs() * 0.1
            noisy = uniform("noise", 1)[:, 0] < probability
            x = _apply(_add_noise, x, noisy, strength, normal("noise", channels, height, width))
        if "cutout" in kinds:
            coins = uniform("cutout", 3)
            x = _apply(_cut_out, x, coins[:, 0] < probability, coins[:, 1:])
    return x.to(pictures.dtype)


def _is_zero(probability: Tensor | float) -> bool:
    """Whether it is 0, as far as that is known without waiting for an accelerator."""
    return not (isinstance(probability, Tensor) and probability.device.type != "cpu") and float(probability) == 0


def _apply(change: Callable[..., Tensor], pictures: Tensor, needed: Tensor, *parameters: Tensor) -> Tensor:
    """`change(pictures, *parameters)` for the rows that need it, the others as they are.

    A CPU computes no other row. An accelerator computes all: to ask how many there are the host would have to wait.
    """
    if pictures.device.type != "cpu":
        return torch.where(needed.view(-1, 1, 1, 1), change(pictures, *parameters), pictures)
    rows = needed.nonzero().squeeze(1)
    if len(rows) == 0:
        return pictures
    if len(rows) == len(pictures):
        return change(pictures, *parameters)
    return pictures.index_copy(0, rows, change(pictures[rows], *(each[rows] for each in parameters)))


def _differs(matrix: Tensor) -> Tensor:
    """Which matrices (N, k, k) are not the identity, (N,)."""
    eye = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
    return (matrix != eye).flatten(1).any(1)


def _place(pictures: Tensor, moves: Tensor | None, warps: Tensor | None) -> Tensor:
    """Pictures moved, then warped; one that is warped is resampled once for both."""
    if warps is None:
        return pictures if moves is None else _apply(blit, pictures, _differs(moves), moves)
    warped = _differs(warps)
    if moves is None:
        return _apply(warp, pictures, warped, warps)
    return _apply(warp, _apply(blit, pictures, _differs(moves) & ~warped, moves), warped, warps @ moves)


# --- what is drawn (appendix B) ---------------------------------------------------------------------------------------


def _draw_moves(coins: Tensor, probability: Tensor | float, height: int, width: int) -> Tensor:
    """Pixel blitting: matrices (N, 3, 3) from coins (N, 7)."""
    flips = (coins[:, 0] < probability) & (coins[:, 1] < 0.5)
    turns = (coins[:, 3] * 4).floor() if height == width else (coins[:, 3] * 2).floor() * 2
    turns = torch.where(coins[:, 2] < probability, turns, 0.0)
    moved = coins[:, 4] < probability
    right, down = ((coins[:, i] * 2 - 1) * _SHIFT * size for i, size in ((5, width), (6, height)))
    moving = translation(torch.where(moved, right.round(), 0.0), torch.where(moved, down.round(), 0.0))
    flip = 1 - 2 * flips.to(coins.dtype)
    return moving @ rotation(turns * (math.pi / 2)) @ scaling(flip, torch.ones_like(flip))


def _draw_warps(coins: Tensor, normals: Tensor, probability: Tensor | float, height: int, width: int) -> Tensor:
    """General geometric changes: matrices (N, 3, 3) from coins (N, 7) and normals (N, 4).

    There is a rotation before the stretching and one after it, so that it goes in any direction; with probability p
    there is at least one of them.
    """
    either = 1 - (1 - probability) ** 0.5
    zoom = torch.where(coins[:, 0] < probability, (normals[:, 0] * (0.2 * math.log(2))).exp(), 1.0)
    before = torch.where(coins[:, 1] < either, _angle(coins[:, 2]), 0.0)
    stretch = torch.where(coins[:, 3] < probability, (normals[:, 1] * (0.2 * math.log(2))).exp(), 1.0)
    after = torch.where(coins[:, 4] < either, _angle(coins[:, 5]), 0.0)
    moved = coins[:, 6] < probability
    right, down = (torch.where(moved, normals[:, i] * _SHIFT * size, 0.0) for i, size in ((2, width), (3, height)))
    turned = rotation(after) @ scaling(stretch, 1 / stretch) @ rotation(before)
    return translation(right, down) @ turned @ scaling(zoom, zoom)


def _draw_colors(coins: Tensor, normals: Tensor, probability: Tensor | float, *, grey: bool) -> Tensor:
    """Changes of colour: matrices (N, 4, 4) from coins (N, 7) and normals (N, 3)."""
    light = torch.where(coins[:, 0] < probability, normals[:, 0] * 0.2, 0.0)
    contrast = torch.where(coins[:, 1] < probability, (normals[:, 1] * (0.5 * math.log(2))).exp(), 1.0)
    flipped = (coins[:, 2] < probability) & (coins[:, 3] < 0.5)
    matrix = luma_flip(flipped.to(coins.dtype)) @ contrasting(contrast) @ brightening(light)
    if grey:
        return matrix
    angle = torch.where(coins[:, 4] < probability, _angle(coins[:, 5]), 0.0)
    saturation = torch.where(coins[:, 6] < probability, (normals[:, 2] * math.log(2)).exp(), 1.0)
    return saturating(saturation) @ hue_rotation(angle) @ matrix


def _draw_gains(coins: Tensor, normals: Tensor, probability: Tensor | float) -> Tensor:
    """Gains of the bands of frequencies (N, 4), from coins (N, 4) and normals (N, 4).

    After each change all four are scaled so that a picture whose power falls with the square of the frequency, as that
    of photographs does, keeps its power.
    """
    gains = torch.ones_like(normals)
    for band, share in enumerate((10 / 13, 1 / 13, 1 / 13, 1 / 13)):
        gain = (normals[:, band] * math.log(2)).exp()
        level = (1 + share * (gain.square() - 1)).rsqrt()
        change = level[:, None].repeat(1, 4)
        change[:, band] *= gain
        gains = gains * torch.where((coins[:, band] < probability)[:, None], change, 1.0)
    return gains


def _angle(coin: Tensor) -> Tensor:
    return (coin * 2 - 1) * math.pi


# --- what is done -----------------------------------------------------------------------------------------------------


def _recolor(parts: list[int], pictures: Tensor, matrix: Tensor) -> Tensor:
    if len(parts) == 1:
        return recolor(pictures, matrix)
    return torch.cat([recolor(part, matrix) for part in pictures.split(parts, 1)], 1)


def _add_noise(pictures: Tensor, strength: Tensor, noise: Tensor) -> Tensor:
    return pictures + strength.view(-1, 1, 1, 1) * noise


def _cut_out(pictures: Tensor, centre: Tensor) -> Tensor:
    """A rectangle of half the width and height about the centre (N, 2), in shares of them, set to 0."""
    inside = []
    for axis, size in ((0, pictures.shape[3]), (1, pictures.shape[2])):
        place = torch.arange(size, device=pictures.device)
        first, end = (((centre[:, axis, None] + side) * size).round() for side in (-0.25, 0.25))
        inside.append((place >= first) & (place < end))
    hidden = inside[1][:, None, :, None] & inside[0][:, None, None, :]
    return torch.where(hidden, 0.0, pictures)


# --- the probability --------------------------------------------------------------------------------------------------


class AdaptiveAugment(nn.Module):
    """The pipeline with its probability p, which follows how much the discriminator overfits (section 3).

    A discriminator that has learnt the real pictures by heart finds all of them real: r_t = E[sign(D(real))] goes to 1.
    Every `interval` batches p is moved by a fixed amount, up while r_t is above `target` and down while it is below,
    such that it could go from 0 to 1 in `kimg` thousand pictures; it stays within [0, 1]. With a `probability` given it
    keeps to that. `kinds` and `parts` are those of `augment`.

    It has no weights. Its buffers belong to the run: they are counts and sums of whole numbers over the batches of all
    processes, equal on each, however a batch is cut up, and after a resume. Nothing is read back from the device.
    """

    probability: Tensor
    overfitting: Tensor
    signs: Tensor
    seen: Tensor

    def __init__(
        self,
        kinds: Sequence[Kind] = BGC,
        *,
        parts: Sequence[int] = (),
        probability: float | None = None,
        target: float = 0.6,
        interval: int = 4,
        kimg: float = 500.0,
    ) -> None:
        super().__init__()
        self.kinds, self.parts = tuple(kinds), tuple(parts)
        self.fixed = probability is not None
        self.target, self.interval, self.kimg = target, interval, kimg
        self.register_buffer("probability", torch.tensor(probability or 0.0))
        self.register_buffer("overfitting", torch.tensor(0.0))
        self.register_buffer("signs", torch.tensor(0))
        self.register_buffer("seen", torch.tensor(0))

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: the pipeline draws between its operations, which a compiler would have to stop at each time."""

    def forward(self, pictures: Tensor, random: Random, stream: str) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] as the discriminator is to see them; see `augment`."""
        return augment(pictures, self.probability, random, stream, kinds=self.kinds, parts=self.parts)

    @torch.no_grad()
    def observe(self, batch: Batch, real_logits: Tensor) -> None:
        """Take note of the discriminator's logits (size, ...) for the real pictures of a micro-batch, above 0 where it
        finds them real; after the last of every `interval` batches p and `overfitting` (r_t) are set anew."""
        if self.fixed:
            return
        signs = real_logits.float().sign().reshape(len(real_logits), -1)
        everyone, _ = batch.gather(signs.sum(1).long())
        self.signs += everyone.sum()
        self.seen += len(everyone)
        logits = self.seen * signs.shape[1]
        surplus = self.signs - self.target * logits.double()
        moved = self.probability + surplus.sign().float() * (self.seen / (self.kimg * 1000))
        due = self.seen >= self.interval * batch.noise.count
        self.probability.copy_(torch.where(due, moved.clamp(0, 1), self.probability))
        self.overfitting.copy_(torch.where(due, self.signs / logits, self.overfitting))
        self.signs.copy_(torch.where(due, 0, self.signs))
        self.seen.copy_(torch.where(due, 0, self.seen))
