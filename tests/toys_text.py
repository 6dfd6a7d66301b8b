"""A plugin with a small model that takes captions, whose pictures are known, and a set of pictures with captions.

A caption's colour words are added up: `toy-words` makes `a red picture` red, to which its latent adds a faint pattern,
the same for every caption. It hardly learns (`toys_still`). `toy-slides` can also go from one caption to another. The
metric `toy_obedience` is the share of pictures that have the colour of their captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from toys_still import Config, cards_of

from ganzoo import hookimpl
from ganzoo.cards import Architecture, Dataset, Metric
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.model import Batch, Model, Phase, SampleRequest
from ganzoo_evaluation.base import Array, Block, Comparison, Plan, Reads, Value

SIZE = 8
LATENT = 4
LONGEST = 12
"""Words of a caption that are read."""
FAINT = 0.1
MODELS = {"toy-words": ("Words", "text-to-image"), "toy-slides": ("Slides", "text-to-image")}
COLOURS = {
    "red": (1.0, -1.0, -1.0),
    "green": (-1.0, 1.0, -1.0),
    "blue": (-1.0, -1.0, 1.0),
    "white": (1.0, 1.0, 1.0),
}
OTHERS = ("a", "picture", "it", "is")
ROWS = {"train": 12, "test": 8}


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    return cards_of("toys_text", MODELS)


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    return [
        Dataset(
            name="toy-captions",
            title="colours",
            summary="pictures of one colour, with two captions each",
            fields=("image", "text"),
            load="toys_text:load",
            licence="CC0",
            source="none",
            size=SIZE,
            count=ROWS["train"],
            embedded=True,
        )
    ]


@hookimpl
def ganzoo_metrics() -> list[Metric]:
    return [
        Metric(
            name="toy_obedience",
            title="Obedience",
            summary="share of the pictures that have the colour that was asked for",
            paper="",
            better="higher",
            compute="toys_text:obedience",
            needs=("toys_text:Obedience",),
            network=False,
            catches=("one picture",),
        )
    ]


class Obedience:
    """Whether each picture has the colour that its caption names."""

    reads: ClassVar[Reads] = "text"

    def __init__(self, plan: Plan) -> None:
        self.right = np.full(plan.count, np.nan)

    def update(self, block: Block) -> None:
        means = block.pictures.double().mean((2, 3)).numpy() / 127.5 - 1
        known = np.array(list(COLOURS.values()))
        found = np.argmin(np.linalg.norm(means[:, None] - known / 2, axis=2), axis=1)
        assert block.text is not None
        for row, (place, text) in enumerate(zip(found, block.text, strict=True)):
            self.right[block.start + row] = list(COLOURS)[place] in _words(text)

    def merge(self, other: Self) -> None:
        self.right = np.where(np.isnan(self.right), other.right, self.right)

    def arrays(self) -> dict[str, Array]:
        return {"right": self.right}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        made = cls(Plan(count=0))
        made.right = arrays["right"]
        return made


def obedience(c: Comparison) -> Value:
    """The share of what `Obedience` has found right."""
    return Value(value=float(c.fake[Obedience].right.mean()))


def colour_of_row(row: int) -> str:
    """The colour of a row of either split."""
    return list(COLOURS)[row % len(COLOURS)]


def load(request: DataRequest) -> ArrayData:
    """What the data set's card names: pictures of one colour with a little noise."""
    count = ROWS[request.split]
    colours = [colour_of_row(row) for row in range(count)]
    plain = np.array([COLOURS[colour] for colour in colours])[:, :, None, None] * 100 + 127
    noise = np.random.default_rng(count).integers(-20, 20, (count, 3, SIZE, SIZE))
    captions = [(f"a {colour} picture", f"it is {colour} ({request.split})") for colour in colours]
    spec = DataSpec(
        name="toy-captions",
        split=request.split,
        count=count,
        fields=(Field(name="image", kind="image", channels=3, size=SIZE), Field(name="text", kind="text")),
        fingerprint=f"captions {request.split}",
    )
    return ArrayData(spec, {"image": (plain + noise).clip(0, 255).astype(np.uint8), "text": captions})


class Painter(nn.Module):
    """Colours (n, 3) and latents (n, d) to pictures (n, 3, SIZE, SIZE)."""

    def __init__(self) -> None:
        super().__init__()
        self.pattern = nn.Linear(LATENT, SIZE * SIZE, bias=False)
        generator = torch.Generator().manual_seed(0)
        self.pattern.weight.data = FAINT * torch.randn(SIZE * SIZE, LATENT, generator=generator)

    def forward(self, colour: Tensor, z: Tensor) -> Tensor:
        return 0.5 * colour[:, :, None, None] + self.pattern(z).view(-1, 1, SIZE, SIZE)


class Words(Model):
    """Reads captions of at most `LONGEST` words."""

    takes = ("text",)

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.generator = Painter()

    def phases(self) -> Sequence[Phase]:
        return [Phase("only", trains=("generator",))]

    def only_loss(self, batch: Batch) -> dict[str, Tensor]:
        made = self.generate({"z": batch.randn(LATENT), "text": batch.text})
        return {"error": (made - batch.image).square().mean()}

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": request.noise.randn(LATENT), "text": request.given["text"]}

    def colours(self, texts: Sequence[str]) -> Tensor:
        """The sum of the colours that each caption names, (n, 3)."""
        device = self.generator.pattern.weight.device
        rows = [[COLOURS.get(word, (0.0, 0.0, 0.0)) for word in _words(text)[:LONGEST]] for text in texts]
        return torch.stack([torch.tensor(row or [(0.0, 0.0, 0.0)], device=device).sum(0) for row in rows])

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        assert isinstance(inputs["text"], list)
        assert len(inputs["text"]) == len(inputs["z"])
        made: Tensor = self.generator(self.colours(inputs["text"]), inputs["z"])
        return made

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in _words(text) if word not in COLOURS and word not in OTHERS]

    def unread(self, text: str) -> str:
        return " ".join(text.split()[LONGEST:])


class Slides(Words):
    """Takes the sum of the colours in place of a caption, too."""

    def sentences(self, texts: Sequence[str]) -> Tensor:
        return self.colours(texts)

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        if "sentence" in inputs:
            made: Tensor = self.generator(inputs["sentence"], inputs["z"])
            return made
        return super().generate(inputs)


def _words(text: str) -> list[str]:
    return [word.strip(".,()").lower() for word in text.split()]
