"""Pictures from a trained model: a pure function of (weights, seed, index), however many are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo.engine.noise import Noise
from ganzoo.errors import UserError
from ganzoo.model import Model, SampleRequest, truncated_normal

BLOCK = 64
"""Noise is drawn in blocks of this many, so that the first 10 of 10,000 are the 10 of a request for 10."""


def blocks(
    model: Model,
    count: int,
    *,
    seed: int = 0,
    label: Sequence[int] | None = None,
    text: str | Sequence[str] | None = None,
    truncation: float | None = None,
    first: int = 0,
    plain: bool = False,
) -> Iterator[tuple[Tensor, dict[str, Any]]]:
    """Yield (samples on the CPU, the inputs that they came from), n at most `BLOCK` of each: pictures float32 (n, C, H,
    W), or whatever else `Model.generate` gives, as `finished` leaves it.

    `label`: the class of each of the `count` pictures; a conditional model without them runs through its classes in
    turn. `text`: the caption of each, or one for all; without, the captions that the model remembers, in turn.
    `truncation`: psi (see `ganzoo.model.SampleRequest`). `first`, a multiple of `BLOCK`: the pictures before it
    are left out. `plain`: z from N(0, 1), whatever prior the model has.

    Raises:
        UserError: when the model takes captions, none is given and it remembers none.
    """
    device = next(model.parameters()).device
    for start in range(first, count, BLOCK):
        size = min(BLOCK, count - start)
        noise = Noise(seed, "generate", start // BLOCK, count=BLOCK, device=device)
        given = given_to(model, range(start, start + BLOCK), label=label, text=text)
        request = SampleRequest(count=BLOCK, noise=noise, given=given, truncation=truncation)
        inputs = model.inputs(request)
        if plain:
            inputs["z"] = truncated_normal(request, *inputs["z"].shape[1:])
        inputs = {name: values[:size] for name, values in inputs.items()}
        with torch.inference_mode():
            yield finished(model.generate(inputs)), inputs


def finished(samples: Tensor) -> Tensor:
    """Samples as they leave a model: on the CPU, floating-point numbers as float32 and others as they are."""
    return (samples.float() if samples.is_floating_point() else samples).cpu()


def given_to(
    model: Model,
    numbers: Sequence[int],
    *,
    label: Sequence[int] | None = None,
    text: str | Sequence[str] | None = None,
) -> dict[str, Any]:
    """What a model is given for pictures of these numbers, counted from 0: `SampleRequest.given`, a row for each.

    `label` and `text` have one for each number from 0 on (for the numbers beyond, the last), `text` may be one for all.
    Without them, a model that takes labels has its classes in turn, and one that takes captions those that it
    remembers.

    Raises:
        UserError: when the model takes captions, none is given and it remembers none.
    """
    given: dict[str, Any] = {}
    if label is not None or "label" in model.takes:
        turns = [number % max(1, len(model.data.classes)) for number in numbers]
        chosen = turns if label is None else [label[min(number, len(label) - 1)] for number in numbers]
        given["label"] = torch.tensor(chosen, device=next(model.parameters()).device)
    if text is not None or "text" in model.takes:
        given["text"] = _texts(model, numbers, text)
    return given


def _texts(model: Model, numbers: Sequence[int], text: str | Sequence[str] | None) -> list[str]:
    if isinstance(text, str):
        return [text] * len(numbers)
    if text is not None:
        return [text[min(number, len(text) - 1)] for number in numbers]
    known = model.data.examples
    if not known:
        raise UserError(f"{type(model).__name__} draws what a caption says and remembers none; give it some text")
    return [known[number % len(known)] for number in numbers]


def answers(model: Model, field: str, pictures: Tensor, *, seed: int = 0, first: int = 0) -> Tensor:
    """What a model that takes pictures in makes of these: float32 (n, C, H, W) in [-1, 1] on the CPU.

    `field` is the input that they are given as (of a task with two directions it says which), `pictures` float (n, C,
    H, W) in [-1, 1], `first` the number of the first among all that are asked for: where a model has noise of its own,
    what becomes of a picture depends on its number and the seed, and not on the others beside it.
    """
    device = next(model.parameters()).device
    rows = []
    for index in range(len(pictures)):
        noise = Noise(seed, "answer", first + index, count=1, device=device)
        given = {field: pictures[index : index + 1].to(device)}
        rows.append(model.inputs(SampleRequest(count=1, noise=noise, given=given)))
    inputs = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    with torch.inference_mode():
        return model.generate(inputs).float().cpu()


def translate(
    model: Model, picture: Path | str | Image.Image, field: str = "", *, keep_size: bool = False, seed: int = 0
) -> Image.Image:
    """What a model that takes pictures in makes of one: a file, or a picture of Pillow's, of any size and mode.

    `field` is the input that it is given as, by default the first that the model takes. A model for super-resolution
    enlarges the picture as it is; another gets it at the size of its training, cut as in training (the setting `fit`),
    or with `keep_size` as it is.

    Raises:
        UserError: when the file cannot be read, the model takes no such input, or not every size.
        TooLarge: when there is not enough memory for it.
    """
    from ganzoo.data.images import BrokenPicture
    from ganzoo.tiling import Translator

    translator = Translator(model, field, keep_size=keep_size, seed=seed)
    try:
        made = translator(translator.prepare(picture if isinstance(picture, Image.Image) else Path(picture)))
    except BrokenPicture as error:
        raise UserError(str(error)) from error
    return Image.fromarray(made[..., 0] if made.shape[2] == 1 else made)


def sample(
    model: Model,
    count: int,
    *,
    seed: int = 0,
    label: Sequence[int] | None = None,
    text: str | Sequence[str] | None = None,
    truncation: float | None = None,
) -> Tensor:
    """All of `blocks` in one tensor: pictures (count, C, H, W) in [-1, 1], other samples (count, ...)."""
    made = blocks(model, count, seed=seed, label=label, text=text, truncation=truncation)
    return torch.cat([block for block, _ in made])
