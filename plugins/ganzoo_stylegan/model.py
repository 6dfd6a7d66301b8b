"""StyleGAN: Karras et al., 2019 (arXiv:1812.04948), and 2020 (arXiv:1912.04958), whose formulation is the default.

From the papers: a mapping network makes of z a latent w, from which every layer of the synthesis takes its style; a
learned constant is where it begins, and noise enters each layer with a learned strength. The styles scale the weights
of the convolutions, which are demodulated (2020, section 2.2); with `variant=stylegan1` they normalise, scale and move
the maps (AdaIN; 2019, section 2). Output skips and a residual discriminator (2020, section 4.1), style mixing (2019,
section 3.1), truncation towards the tracked mean of w (2019, appendix B), anti-aliased resampling, equalised learning
rates, the spread of a group of pictures shown to the discriminator. The loss is the non-saturating one with R1 and
path-length regularisation, both lazy: phases of their own, rarer and so much stronger, for which the learning rate and
the decays of Adam are corrected (2020, sections 3.1 and 3.2, appendix B). The weight of R1 follows from the size of the
pictures and of the batch (Karras et al., 2020, arXiv:2006.06676, appendix D).

Where we differ: there is no progressive growing, which the second paper does without, in `variant=stylegan1` either.
The innermost map is 4 to 7 pixels wide, so that pictures of 28 or 96 pixels need no resizing. The running means of w
and of the path lengths begin as the mean of all that there was, rather than at 0, for runs of minutes; for those too is
`start=latent`, where the first style adds a map of its own to the learned constant. With `output=tanh` pictures end as
in most other generators. The class enters the discriminator as in Miyato and Koyama, 2018. What `generate` gives is cut
to [-1, 1]; the discriminator sees it as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.adversarial import AdversarialModel, adversarial_phases
from ganzoo.data.base import DataSpec
from ganzoo.errors import UserError
from ganzoo.model import Adam, Batch, Phase, SampleRequest
from ganzoo.nn.penalties import eager_float32
from ganzoo_stylegan.config import Config
from ganzoo_stylegan.networks import Discriminator, RunningMean, Synthesis
from ganzoo_stylegan.networks import Mapping as MappingNetwork

PATH_DECAY = 0.99
"""Of the running mean of path lengths, a batch (2020, appendix B)."""


def path_lengths(synthesis: Callable[[Tensor], Tensor], w: Tensor, direction: Tensor) -> Tensor:
    """Lengths of J^T y, J being the Jacobian of the pictures by w (N, latent), y `direction` (N, C, H, W): (N,).

    Differentiable in the weights, and in what w came from (2020, section 3.2).
    """
    pictures = synthesis(w)
    (gradient,) = torch.autograd.grad((pictures * direction).sum(), w, create_graph=True)
    return (gradient.square().sum(1) + 1e-12).sqrt()


def lazily(how: Adam, updates: int) -> Adam:
    """How a network learns that has one more update, of a lazy phase, after every so many: by c = n / (n + 1) more
    slowly, and its averages forget as much in n + 1 updates as in n before (2020, appendix B)."""
    share = updates / (updates + 1)
    return replace(how, lr=how.lr * share, beta1=how.beta1**share, beta2=how.beta2**share)


class StyleGAN(AdversarialModel):
    """Mapping network, synthesis network and discriminator; conditional where the data have classes."""

    sampling = ("mapping", "synthesis")
    config: Config

    def __init__(self, config: Config, data: DataSpec) -> None:
        config = config.resolved(data)
        super().__init__(config, data)
        self.latent = config.latent
        # One class tells nothing: a part of a set that is all of one class is drawn without.
        if config.conditional == "on" or (config.conditional == "auto" and len(data.classes) > 1):
            if not data.classes:
                raise UserError(f"conditional=on: {data.name} has no labels; leave it at conditional=auto")
            self.takes = ("label",)
        self.mapping = MappingNetwork(config.latent, config.depth, self.classes)
        self.synthesis = Synthesis(
            data.size,
            data.channels,
            config.latent,
            config.channels(data.size),
            config.structures[0],
            adain=config.variant == "stylegan1",
            moving=config.start == "latent",
            noisy=config.noise,
            bounded=config.output == "tanh",
        )
        self.discriminator = self._make_discriminator(config.group, 1)
        self.path_length = RunningMean((), PATH_DECAY)

    def _make_discriminator(self, group: int, outputs: int) -> Discriminator:
        config, data = self.config, self.data
        return Discriminator(
            data.size,
            data.channels,
            config.channels(data.size),
            config.structures[1],
            group=group,
            classes=self.classes,
            outputs=outputs,
        )

    @property
    def classes(self) -> int:
        """Number of classes that both networks know; 0 where the label does not enter."""
        return len(self.data.classes) if self.conditional else 0

    # --- training ---------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        config = self.config
        phases = adversarial_phases(config, ["mapping", "synthesis"], ["discriminator"])
        if config.path_length:
            # ln 2 / (r^2 (ln r - ln 2)) of appendix B; the r^2 is in the lengths here.
            weight = config.path_length / (math.log2(self.data.size) - 1)
            lazy = {"path_length": weight * config.path_every}
            phases.insert(1, Phase("path", trains=("mapping", "synthesis"), every=config.path_every, weights=lazy))
        return phases

    def optimizer(self, network: str) -> Adam:
        how, config = super().optimizer(network), self.config
        if network == "discriminator":
            return lazily(how, config.penalty_every * config.critic_steps) if config.r1 or config.r2 else how
        return lazily(how, config.path_every) if config.path_length else how

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        w, batch.fake = self._draw(batch)
        self.mapping.average.update(batch.gather(w)[0])
        return {"adversarial": self.judge.generator_loss(batch.image, batch.fake, batch)}

    def path_loss(self, batch: Batch) -> dict[str, Tensor]:
        """How far the lengths are from their running mean; those of 1 in `path_share` pictures."""
        data, every = self.data, self.config.path_share
        with eager_float32(batch.image.device):
            label = batch.label[::every] if self.conditional else None
            w = self.mapping(batch.randn(self.latent, stream="path-z")[::every], label)
            noise = batch.randn(self.synthesis.noises, stream="path-noise")[::every]
            direction = batch.randn(data.channels, data.size, data.size, stream="path-direction")[::every] / data.size
            lengths = path_lengths(lambda point: self.synthesis(point, noise), w, direction)
            mean = self.path_length.update(batch.gather(lengths)[0])
            return {"path_length": (lengths - mean).square().mean()}

    def fakes(self, batch: Batch) -> Tensor:
        made: Tensor | None = batch.get("fake")
        return made if made is not None else self._draw(batch)[1]

    def _draw(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """New w (N, latent) and the fakes (N, C, H, W) that are made of them, some of them with two styles."""
        mixing, label = self.config.mixing, batch.label if self.conditional else None
        z, noise = batch.randn(self.latent), batch.randn(self.synthesis.noises, stream="noise")
        if not mixing:
            w = self.mapping(z, label)
            return w, self.synthesis(w, noise)
        both = torch.cat([z, batch.randn(self.latent, stream="z-mixing")])
        w, other = self.mapping(both, None if label is None else label.repeat(2)).chunk(2)
        coins = batch.rand(2, stream="mixing")
        styles = mixed(w, other, crossovers(coins, mixing, self.synthesis.styles), self.synthesis.styles)
        return w, self.synthesis(styles, noise)

    # --- use --------------------------------------------------------------------------------------------------------

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`z` (count, latent), `noise` (count, noises) where layers take some, `label` (count,) where it is
        conditional, and with truncation `psi` (count,)."""
        made = super().inputs(replace(request, truncation=None))
        if self.config.noise:
            made["noise"] = request.noise.randn(self.synthesis.noises, stream="noise")
        if request.truncation is not None:
            made["psi"] = torch.full((request.count,), request.truncation, device=made["z"].device)
        return made

    def intermediate(self, inputs: Mapping[str, Any]) -> Tensor:
        """w: as given, (n, latent) or (n, styles, latent), or else what z is mapped to, truncated by `psi`."""
        given: Tensor | None = inputs.get("w")
        if given is not None:
            return given
        w: Tensor = self.mapping(inputs["z"], inputs.get("label"))
        psi = inputs.get("psi")
        return w if psi is None else self.mapping.truncate(w, psi)

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        pictures: Tensor = self.synthesis(self.intermediate(inputs), inputs.get("noise"))
        return pictures.clamp(-1, 1)

    def affine(self) -> Sequence[Tensor]:
        """The weights (outputs, latent) of the layer that reads each style, in order."""
        return self.synthesis.affine()

    def mirror(self, outputs: int) -> nn.Module:
        return self._make_discriminator(1, outputs)  # an encoder tells pictures apart by themselves


def crossovers(coins: Tensor, share: float, styles: int) -> Tensor:
    """From coins in [0, 1), (N, 2), for each picture the style from which on it takes another's: int64 (N,), uniform
    from 1 to `styles` - 1 in that share of them, `styles` (none) in the others."""
    place = 1 + (coins[:, 1] * (styles - 1)).long().clamp(max=styles - 2)
    return torch.where(coins[:, 0] < share, place, styles)


def mixed(w: Tensor, other: Tensor, crossover: Tensor, styles: int) -> Tensor:
    """(N, styles, latent): w (N, latent) up to the crossover (N,), from there on the other."""
    first = torch.arange(styles, device=w.device) < crossover[:, None]
    return torch.where(first[:, :, None], w[:, None], other[:, None])
