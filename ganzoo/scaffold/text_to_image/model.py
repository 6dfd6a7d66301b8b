"""newborn: a GAN that is told a caption.

Say here which paper the networks follow, with its sections, and where they differ from it and why.

From Reed et al. (2016, arXiv:1605.05396): the caption's vector stands beside z in the generator; the discriminator
judges pictures under captions, and real pictures under wrong captions count as false too (algorithm 1). Where we
differ: small networks without normalisation; the encoder of captions is trained with the discriminator, on words from
scratch; wrong captions are those of other pictures of the batch; the logit is a score of the picture plus the inner
product of picture and caption (Miyato and Koyama, 2018, arXiv:1802.05637).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest, truncated_normal
from ganzoo.nn.layers import he_init, normal_init, resolutions
from ganzoo.text.base import TextRequest, make_encoder
from torch import Tensor, nn

from ganzoo.scaffold.text_to_image.config import Config


class Generator(nn.Module):
    """z (N, latent) and sentences (N, caption) to pictures (N, channels, size, size) in [-1, 1]."""

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__()
        inner, *outer = resolutions(size)  # of 32 pixels: 4, then 8, 16, 32
        widths = [config.width * 2**level for level in reversed(range(len(outer)))]
        told = config.latent + config.caption
        self.first = nn.Linear(told, 2 * widths[0] * inner**2)
        layers: list[nn.Module] = [nn.Unflatten(1, (2 * widths[0], inner, inner)), nn.LeakyReLU(0.2)]
        for inside, outside in pairwise([2 * widths[0], *widths]):
            # Enlarged by repetition: what is flat in a picture, such as its ground, comes easily.
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(inside, outside, 3, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(config.width, channels, 3, padding=1)
        self.apply(he_init)
        self.last.apply(normal_init)

    def forward(self, z: Tensor, sentence: Tensor) -> Tensor:
        told = self.first(torch.cat([z, sentence], 1))
        pictures: Tensor = self.last(self.layers(told))
        return pictures.tanh()


class Discriminator(nn.Module):
    """Pictures (N, channels, size, size) under sentences (N, caption) to logits (N,)."""

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__()
        inner, *outer = resolutions(size)
        widths = [config.width * 2**level for level in range(len(outer))]
        layers: list[nn.Module] = []
        for outside, inside in pairwise([channels, *widths]):
            layers += [nn.Conv2d(outside, inside, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(widths[-1], widths[-1], inner), nn.LeakyReLU(0.2), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(widths[-1], 1)
        self.told = nn.Linear(config.caption, widths[-1])
        self.apply(he_init)

    def forward(self, pictures: Tensor, sentence: Tensor) -> Tensor:
        seen = self.layers(pictures)
        logits: Tensor = self.score(seen).squeeze(1) + (seen * self.told(sentence)).mean(1)
        return logits


class Newborn(Model):
    """A generator, a discriminator, and the encoder of captions, which learns with the discriminator."""

    sampling = ("generator", "encoder")
    takes = ("text",)

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        self.encoder = make_encoder("words", TextRequest(width=config.caption))
        self.generator = Generator(config, data.size, data.channels)
        self.discriminator = Discriminator(config, data.size, data.channels)
        self.judge = Judge(config, lambda pictures, batch: self.discriminator(pictures, batch.sentence))

    # --- training ---------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        generator, discriminator, *penalty = adversarial_phases(self.config, ["generator"], ["discriminator"])
        # Fakes, and real pictures under wrong captions, count for half of what is false each.
        weights = {**discriminator.weights, "adversarial": 0.5, "mismatched": 0.5}
        return [generator, replace(discriminator, trains=("discriminator", "encoder"), weights=weights), *penalty]

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return how if network == "generator" else discriminator_adam(how, self.config)

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        self.encoder.note(batch.text, batch)  # it remembers which words it has met
        batch.sentence = self.encoder.sentence(batch.text).detach()
        batch.fake = self.generator(batch.randn(self.config.latent), batch.sentence)
        return {"adversarial": self.judge.generator_loss(batch.image, batch.fake, batch)}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.sentence = self.encoder.sentence(batch.text)
        terms = self.judge.discriminator_loss(batch.image, self.fakes(batch), batch)
        right = self.judge.logits(batch.image, batch, "mismatched")
        batch.sentence = self.wrong_sentences(batch)
        wrong = self.judge.logits(batch.image, batch, "mismatched")
        return {**terms, "mismatched": self.judge.objective.discriminator(right, wrong)}

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.sentence = self.encoder.sentence(batch.text).detach()
        return self.judge.penalties(batch.image, lambda: self.fakes(batch).detach(), batch)

    def fakes(self, batch: Batch) -> Tensor:
        """The fakes of this batch, (N, C, H, W): those that its generator phase made, or new ones."""
        made: Tensor | None = batch.get("fake")
        if made is None:
            made = self.generator(batch.randn(self.config.latent), batch.sentence.detach())
        return made

    def wrong_sentences(self, batch: Batch) -> Tensor:
        """For each picture the sentence (N, caption) of the one before it in the step's batch, detached. They come from
        all processes, so that their number changes nothing."""
        sentences, rows = batch.gather(batch.sentence)
        mine = (rows >= batch.rows.start) & (rows < batch.rows.stop)
        return sentences.roll(1, 0)[mine]

    # --- use --------------------------------------------------------------------------------------------------------

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`z` (count, latent) and `text`, a list of `count` captions: as given, or those that the data remember."""
        known = self.data.examples or ("",)
        texts = request.given.get("text") or [known[number % len(known)] for number in range(request.count)]
        return {"z": truncated_normal(request, self.config.latent), "text": list(texts)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        sentence: Tensor | None = inputs.get("sentence")
        pictures: Tensor = self.generator(inputs["z"], self.sentences(inputs["text"]) if sentence is None else sentence)
        return pictures

    def sentences(self, texts: Sequence[str]) -> Tensor:
        return self.encoder.sentence(texts)

    def unknown_words(self, text: str) -> list[str]:
        return self.encoder.unknown(text)

    def unread(self, text: str) -> str:
        return self.encoder.unread(text)
