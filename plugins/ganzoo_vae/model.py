"""The variational autoencoder (Kingma and Welling, 2014, arXiv:1312.6114): the yardstick that GANs are held against.

From the paper: an encoder gives mean and variance of a diagonal Gaussian q(z | x) (equation 9), one sample of it by the
reparameterisation trick goes through the decoder (section 2.4), and both learn to raise the lower bound
E[log p(x | z)] - KL(q(z | x) || p(z)) (equation 7), whose second term is known in closed form (appendix B).

Where we differ: convolutional networks instead of perceptrons, Adam instead of Adagrad. A pixel is Gaussian around the
decoder's tanh, with one variance for all pixels, which is the best one for each batch: the mean squared error itself
(`likelihood=sigma`; Rybkin, Daniilidis and Levine, 2021, arXiv:2006.13202, section 3), so that nothing has to be tuned;
`gaussian` has it fixed, `bernoulli` is the paper's for black and white. `beta` weighs the KL (Higgins et al., 2017).
Both terms are nats for each number of a picture, so that a learning rate suits all sizes. A sample is the mean of
p(x | z), without the noise of its pixels. After training, a mixture of Gaussians is fitted to the latents of the
training pictures and stands in for N(0, 1) as the prior (see `ganzoo_vae.mixture`; `prior=normal` is the paper's);
until then samples are drawn from N(0, 1). Where there are labels the bound is that of p(x | y): the label enters both
networks (Sohn, Lee and Yan, 2015).

As the yardstick it takes the networks of what it is compared with: with `like=NAME` the decoder is that architecture's
generator, with the weights that the same seed gives it there, and the encoder is built like its discriminator, but for
the outputs: they differ in nothing but how they learn.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.base import DataSpec
from ganzoo.engine.noise import derive
from ganzoo.errors import UserError
from ganzoo.model import Batch, Model, Phase, SampleRequest, truncated_normal
from ganzoo.runs import build_model
from ganzoo_vae.config import Config, likeness
from ganzoo_vae.mixture import Mixture
from ganzoo_vae.networks import Decoder, Encoder, Likeness

LEAST_VARIANCE = (2 / 255) ** 2 / 12
"""Of a pixel, in [-1, 1]: what rounding to 256 levels leaves; a variance below says more than the data do."""
MOST_FITTED = 20_000
"""Latents that the mixture is fitted to at most, chosen by the seed."""


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats for each dimension (appendix B of the paper)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def gaussian_loss(pictures: Tensor, mean: Tensor, variance: Tensor | float | None = None) -> Tensor:
    """-log N(pictures; mean, variance) in nats for each number, averaged; with no variance, that of the best one.

    The best is the mean squared error (Rybkin et al., 2021, equation 7), at least `LEAST_VARIANCE`. As it is where the
    derivative by the variance vanishes, it can be held fixed: the gradient is the same.
    """
    error = (pictures - mean).square().mean()
    if variance is None:
        variance = error.detach().clamp(min=LEAST_VARIANCE)
    variance = torch.as_tensor(variance).to(error)
    return 0.5 * (error / variance + (2 * math.pi * variance).log())


def bernoulli_loss(pictures: Tensor, mean: Tensor) -> Tensor:
    """-log p(pictures) in nats for each number, averaged, where (mean + 1) / 2 is the probability of white."""
    white = ((mean + 1) / 2).clamp(1e-4, 1 - 1e-4)
    share = (pictures + 1) / 2
    return -(share * white.log() + (1 - share) * (1 - white).log()).mean()


class VAE(Model):
    """An encoder and a decoder: its own, for pictures of any size, or after an architecture that `like` names."""

    sampling: tuple[str, ...] = ("encoder", "decoder")
    encoding = ("encoder",)

    decoder: Decoder | Likeness
    encoder: nn.Module

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        if config.like:
            self.decoder, self.encoder = self._take_after(config.like)
        else:
            self.decoder, self.encoder = self._own()
        self.latent = math.prod(self.decoder.shape)
        if config.prior == "mixture":
            self.sampling = (*self.sampling, "prior")
            self.prior_is_normal = False
            diagonal = config.covariance == "diagonal"
            self.prior = Mixture(config.components, self.latent, max(1, self.classes), diagonal=diagonal)

    def _own(self) -> tuple[Decoder, nn.Module]:
        config, data = self.config, self.data
        # One class tells nothing: a part of a set that is all of one class is drawn without.
        if config.conditional == "on" or (config.conditional == "auto" and len(data.classes) > 1):
            self._condition()
        decoder = Decoder(config.latent, config.width, data.size, data.channels, self.classes)
        return decoder, self._own_encoder(2 * config.latent)

    def _own_encoder(self, outputs: int) -> Encoder:
        return Encoder(self.config.width, self.data.size, self.data.channels, self.classes, outputs)

    def _take_after(self, name: str) -> tuple[Likeness, nn.Module]:
        card, settings, needs = likeness(name, self.config.like_settings)
        if "label" in needs and not self.data.classes:
            raise UserError(f"like={name}: it needs labels, and {self.data.name} has none")
        # First of all, so that the seed gives the generator the weights that it has in a run of its own.
        model = build_model(card, settings, self.data)
        conditional = "label" in model.takes
        if self.config.conditional == ("off" if conditional else "on"):
            takes = "takes a label" if conditional else "takes no label"
            raise UserError(f"conditional={self.config.conditional}: {name} {takes}; leave it at conditional=auto")
        if conditional:
            self._condition()
        decoder = Likeness(model)
        outputs = 2 * math.prod(decoder.shape)
        return decoder, model.mirror(outputs) or self._own_encoder(outputs)

    def _condition(self) -> None:
        if not self.data.classes:
            raise UserError(f"conditional=on: {self.data.name} has no labels; leave it at conditional=auto")
        self.takes = ("label",)

    @property
    def classes(self) -> int:
        """Number of classes that both networks know; 0 where the label does not enter."""
        return len(self.data.classes) if "label" in self.takes else 0

    def phases(self) -> Sequence[Phase]:
        return [Phase("elbo", trains=("encoder", "decoder"), weights={"kl": self.config.beta})]

    def elbo_loss(self, batch: Batch) -> dict[str, Tensor]:
        label = batch.get("label")
        mean, log_variance = self.encode(batch.image, label)
        noise = batch.randn(*self.decoder.shape, stream="posterior")
        decoded = self.decode(mean + (0.5 * log_variance).exp() * noise, label).float()
        numbers = batch.image[0].numel()
        kl = kl_divergence(mean, log_variance).flatten(1).sum(1).mean()
        return {"reconstruction": self.reconstruction_loss(batch.image, decoded), "kl": kl / numbers}

    def reconstruction_loss(self, pictures: Tensor, decoded: Tensor) -> Tensor:
        """-log p(x | z) in nats for each number, averaged, by the settings' likelihood."""
        if self.config.likelihood == "bernoulli":
            return bernoulli_loss(pictures, decoded)
        return gaussian_loss(pictures, decoded, self.config.sigma**2 if self.config.likelihood == "gaussian" else None)

    def encode(self, pictures: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        values = self.encoder(pictures, self._needed(label)) if self.classes else self.encoder(pictures)
        mean, log_variance = values.float().chunk(2, 1)
        # Beyond these bounds the exponential says nothing more, and its gradient would blow up.
        log_variance = log_variance.clamp(-20, 10)
        return mean.unflatten(1, self.decoder.shape), log_variance.unflatten(1, self.decoder.shape)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (n, ...) and, where it is conditional, classes (n,) to pictures (n, C, H, W) in [-1, 1]."""
        pictures: Tensor = self.decoder(z, self._needed(label)) if self.classes else self.decoder(z)
        return pictures

    def _needed(self, label: Tensor | None) -> Tensor:
        if label is None:
            raise ValueError("a conditional VAE needs the label of each picture")
        return label

    def reconstruct(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(pictures, label)[0], label)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`z` (count, ...) from the prior and, where it is conditional, `label` (count,): as given, or all in turn."""
        z = truncated_normal(request, *self.decoder.shape)
        made: dict[str, Any] = {"z": z}
        if self.classes:
            label = request.given.get("label")
            made["label"] = torch.arange(request.count, device=z.device) % self.classes if label is None else label
        if self.config.prior == "mixture":
            uniform = request.noise.rand(stream="component")
            made["z"] = self.prior(z.flatten(1), uniform, made.get("label")).view_as(z)
        return made

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return self.decode(inputs["z"], inputs.get("label"))

    @torch.no_grad()
    def finish(self, batches: Callable[[], Iterator[Batch]]) -> None:
        """Fit the mixture to one latent of each training picture, where it is the prior."""
        if self.config.prior != "mixture":
            return
        latents, labels = [], []
        generator = torch.Generator().manual_seed(derive(self.config.seed, "prior"))
        for batch in batches():
            mean, log_variance = (part.flatten(1).cpu() for part in self.encode(batch.image, batch.get("label")))
            latents.append(mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=generator))
            if self.classes:
                labels.append(batch.label.cpu())
        z = torch.cat(latents)
        chosen = torch.randperm(len(z), generator=generator)[:MOST_FITTED]
        fitted = copy.deepcopy(self.prior).cpu()
        fitted.fit(z[chosen], torch.cat(labels)[chosen] if labels else None, generator=generator)
        self.prior.load_state_dict(fitted.state_dict())
