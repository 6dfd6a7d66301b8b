"""Text to image: DF-GAN (Tao et al., 2022, arXiv:2008.05865), and GAN-CLS (Reed et al., 2016, arXiv:1605.05396) with
variant=gan-cls.

From the first paper: one generator and one discriminator; z and the caption's vector tell every layer of the generator
how to change its channels (deep text-image fusion); the discriminator judges a picture together with a caption and has
one output; a third kind of example are real pictures under wrong captions, which with the fakes count for half each;
hinge loss, and a penalty on the gradient by picture and caption where both are real and match. From the second:
the generator of z beside the compressed caption, the same three kinds of examples, and with `interpolation` fakes for
captions halfway between two, of which no picture is known (GAN-INT, section 4.3).

Where we differ: the text encoder (setting `text_encoder`) is by default trained with the discriminator rather than
before it, on real pictures and their captions, and what they learn of these the generator is then held to. Two terms,
which both players have, see to it: one finds the caption of a picture, and the picture of a caption, in a batch
(Zhang et al., 2021, arXiv:2101.04702, have such a term), the other fills single words in from the picture (`cloze`).
The adversarial terms do not train the encoder, unless contrastive=0. Wrong captions are those of the same batch. A
block of the generator enlarges between its two convolutions rather than before them, which spares half of the work; the
affine changes of a fusion share their hidden layer; no residual has a learned gate that begins at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ganzoo.adversarial import Judge, adversarial_phases, discriminator_adam
from ganzoo.data.base import DataSpec
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest, truncated_normal
from ganzoo.text.base import TextRequest, make_encoder
from ganzoo_text2image.cloze import words_of
from ganzoo_text2image.config import Config
from ganzoo_text2image.contrast import caption_keys, everyone, info_nce, matching_penalty, of_all, wrong_rows
from ganzoo_text2image.networks import FusionGenerator, GeneratorType, PlainGenerator, make_discriminator

SHARED = 128
"""Dimensions in which pictures and captions are compared."""


class Text2Image(Model):
    """A generator and a discriminator that are told a caption, and the encoder that reads it."""

    sampling: tuple[str, ...] = ("generator", "encoder")
    takes = ("text",)

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        request = TextRequest(width=config.caption_width, longest=config.caption_words, weights=config.text_weights)
        self.encoder = make_encoder(config.text_encoder, request)
        self.learns_text = any(parameter.requires_grad for parameter in self.encoder.parameters())
        if not self.learns_text:
            self.sampling = ("generator",)  # its weights are where they were read from
        text, plain = self.encoder.width, config.variant == "gan-cls"
        generator: GeneratorType = PlainGenerator if plain else FusionGenerator
        self.generator = generator(config.latent, text, config.width, config.widest, data.size, data.channels)
        self.discriminator = make_discriminator(
            plain=plain,
            text=text,
            width=config.width,
            widest=config.widest,
            size=data.size,
            colours=data.channels,
            shared=SHARED if config.contrastive else 0,
            words=self.encoder.word_width if config.cloze else 0,
            norm=config.norm,
        )
        self.judge = Judge(config, self._judged)

    # --- training ---------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        config = self.config
        told = {"contrastive": config.contrastive, "cloze": config.cloze}
        lazy = {"matching": config.matching * config.penalty_every}
        more: dict[str, dict[str, float]] = {
            "generator": {**told, "interpolated": config.halfway},
            # Fakes, and real pictures under wrong captions, count for half of what is false each.
            "discriminator": {**told, "adversarial": 0.5, "mismatched": 0.5},
            "penalty": lazy,
        }
        phases = adversarial_phases(config, ["generator"], ["discriminator"])
        if config.matching and phases[-1].name != "penalty":
            phases.append(Phase("penalty", trains=("discriminator",), every=config.penalty_every))
        phases = [replace(phase, weights={**phase.weights, **more[phase.name]}) for phase in phases]
        if self.learns_text:
            phases[1] = replace(phases[1], trains=("discriminator", "encoder"))
        return phases

    def optimizer(self, network: str) -> Adam:
        how = super().optimizer(network)
        return how if network == "generator" else discriminator_adam(how, self.config)

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        self.encoder.note(batch.text, batch)
        batch.keys = caption_keys(batch.text).to(batch.image.device)
        batch.sentence = self.encoder.sentence(batch.text).detach()
        batch.fake = self._generate(batch.randn(self.config.latent), batch.sentence)
        batch.seen = []
        terms = {"adversarial": self.judge.generator_loss(batch.image, batch.fake, batch)}
        terms |= self._told(batch.seen[0], batch.sentence, batch)
        if self.config.halfway:
            terms["interpolated"] = self._interpolated(batch)
        return terms

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        sentence, fake = self._prepare(batch)
        # What is false teaches nothing of what words mean: real pictures and their captions alone train the encoder.
        batch.sentence = sentence.detach() if self.config.contrastive else sentence
        batch.seen = []
        terms = self.judge.discriminator_loss(batch.image, fake, batch)
        seen = batch.seen[0]
        wrong, there = self._wrong(batch)
        verdicts = [self.discriminator.verdict(seen, told) for told in (batch.sentence, wrong)]
        terms["mismatched"] = self.judge.objective.discriminator(verdicts[0], verdicts[1]) * there
        terms |= self._told(seen, sentence, batch)
        batch.sentence = batch.sentence.detach()
        return terms

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.seen = []
        batch.sentence, fake = self._prepare(batch)
        terms = self.judge.penalties(batch.image, lambda: fake.detach(), batch)
        if self.config.matching:

            def verdict(pictures: Tensor, sentence: Tensor) -> Tensor:
                batch.sentence = sentence
                return self.judge.logits(pictures, batch, "penalty")

            terms["matching"] = matching_penalty(verdict, batch.image, batch.sentence, self.config.matching_power)
        return terms

    def _prepare(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The sentences (N, d) and the fakes of this batch: those that its generator phase made, or new ones."""
        if batch.get("keys") is None:
            batch.keys = caption_keys(batch.text).to(batch.image.device)
        sentence = self.encoder.sentence(batch.text)
        if batch.get("fake") is None:
            with torch.no_grad():
                batch.fake = self._generate(batch.randn(self.config.latent), sentence)
        return sentence, batch.fake

    def _judged(self, pictures: Tensor, batch: Batch) -> Tensor:
        """Logits of pictures under the captions of the batch; what was seen in them is left in `batch.seen`."""
        seen = self.discriminator.look(pictures)
        batch.seen.append(seen)
        return self.discriminator.verdict(seen, batch.sentence)

    def _wrong(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """For each picture the sentence of another one's caption, (N, d), and whether there are any, 0 or 1."""
        keys, rows = batch.gather(batch.keys)
        sentences, _ = batch.gather(batch.sentence)
        draw = batch.noise.randint(2**31, stream="wrong-caption")[0]
        wrong, there = wrong_rows(keys, 1 + draw % max(1, len(keys) - 1))
        mine = (rows >= batch.rows.start) & (rows < batch.rows.stop)
        return sentences[wrong[mine]], there.any().float()

    def _told(self, seen: Tensor, sentence: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The terms of pictures, as they were seen, and their captions."""
        terms = {}
        if self.config.contrastive:
            described, read = self.discriminator.describe(seen), self.discriminator.read(sentence)
            pictures, captions, keys = (everyone(values, batch) for values in (described, read, batch.keys))
            with torch.autocast(seen.device.type, enabled=False):
                loss = info_nce(pictures, captions, keys, self.config.temperature)
            terms["contrastive"] = of_all(loss, batch, len(keys))
        if self.discriminator.cloze is not None:
            ids = self.encoder.encode(batch.text).to(seen.device)
            terms["cloze"] = self.discriminator.cloze(seen, words_of(self.encoder, ids, batch))
        return terms

    def _interpolated(self, batch: Batch) -> Tensor:
        """The adversarial term of fakes for captions halfway between two, judged under them (Reed et al., equation 5,
        with beta 0.5)."""
        own = batch.sentence
        batch.sentence = torch.lerp(own, self._wrong(batch)[0], 0.5)
        fakes = self._generate(batch.randn(self.config.latent, stream="z-interpolated"), batch.sentence)
        loss = self.judge.generator_loss(batch.image, fakes, batch)
        batch.sentence = own
        return loss

    # --- use --------------------------------------------------------------------------------------------------------

    def _generate(self, z: Tensor, sentence: Tensor) -> Tensor:
        pictures: Tensor = self.generator(z, sentence)
        return pictures

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """`z` (count, latent) and `text`, a list of `count` captions: as given, or those that the data remember in
        turn, or where they remember none empty ones."""
        known = self.data.examples or ("",)
        texts = request.given.get("text") or [known[number % len(known)] for number in range(request.count)]
        return {"z": truncated_normal(request, self.config.latent), "text": list(texts)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        sentence: Tensor | None = inputs.get("sentence")
        return self._generate(inputs["z"], self.sentences(inputs["text"]) if sentence is None else sentence)

    def sentences(self, texts: Sequence[str]) -> Tensor:
        return self.encoder.sentence(texts)

    def unknown_words(self, text: str) -> list[str]:
        return self.encoder.unknown(text)

    def unread(self, text: str) -> str:
        return self.encoder.unread(text)
