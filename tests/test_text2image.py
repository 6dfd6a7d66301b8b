"""Text to image: the terms of its losses in closed form, what each phase moves, and that a caption matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyRuns
from forks import Driver, the_driver
from proof import bits
from test_processes import run_ranks
from torch import Tensor, nn
from torch.nn.functional import normalize

import ganzoo
from ganzoo.config import Layer, build
from ganzoo.data.base import ArrayData, DataSpec, Field
from ganzoo.engine import distributed
from ganzoo.engine.listeners import Quiet
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.engine.trainer import Trainer
from ganzoo.errors import UserError
from ganzoo.model import Batch, SampleRequest
from ganzoo.nn.layers import resolutions
from ganzoo.registry import get_registry
from ganzoo.runs import Run, build_model, load_model
from ganzoo.testing.compare import differences
from ganzoo.text.words import WordEncoder
from ganzoo_text2image.cloze import REACH, TEMPERATURE, Cloze, words_of
from ganzoo_text2image.config import Config
from ganzoo_text2image.contrast import (
    caption_keys,
    everyone,
    info_nce,
    matching_penalty,
    of_all,
    wrong_rows,
)
from ganzoo_text2image.model import Text2Image
from ganzoo_text2image.networks import channels

VARIANTS = ("df-gan", "gan-cls")
COLOURS = {"red": (220, 30, 30), "green": (30, 160, 60), "blue": (30, 60, 220), "black": (10, 10, 10)}
SIDES = {"left": slice(0, 8), "right": slice(8, 16)}


@pytest.fixture
def driver() -> Driver:
    return the_driver()


def bars(size: int = 16) -> ArrayData:
    """White pictures with a coloured half, and two captions for each: what a caption says can be checked."""
    pictures, texts = [], []
    for colour, rgb in COLOURS.items():
        for side, columns in SIDES.items():
            picture = np.full((3, size, size), 255, dtype=np.uint8)
            picture[:, :, columns] = np.array(rgb, dtype=np.uint8)[:, None, None]
            pictures.append(picture)
            texts.append((f"{colour} on the {side}", f"the {side} half is {colour}"))
    fields = (Field(name="image", kind="image", channels=3, size=size), Field(name="text", kind="text"))
    spec = DataSpec(name="bars", split="train", count=len(pictures), fields=fields, fingerprint="bars")
    return ArrayData(spec, {"image": np.stack(pictures), "text": texts})


def settings(**values: Any) -> Config:
    tiny = get_registry().architectures["text2image"].tiny
    built, _ = build(Config, [Layer("test", {**tiny, **values})])
    return built


def make(**values: Any) -> Text2Image:
    seed_globals(0, "weights")
    built = settings(**values)
    model = build_model(get_registry().architectures["text2image"], built, bars(built.size or 16).spec)
    assert isinstance(model, Text2Image)
    return model


def batch_of(texts: Sequence[str], size: int = 16, rows: slice | None = None, count: int | None = None) -> Batch:
    noise = Noise(0, count=count or len(texts))
    pictures = torch.rand(len(texts), 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch({"image": pictures, "text": list(texts)}, noise, rows or slice(0, len(texts)), 0)


# --- captions against pictures ----------------------------------------------------------------------------------------


def test_keys_are_equal_where_captions_are_equal() -> None:
    keys = caption_keys(["a red star", " A  red star", "a red stars", ""])
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3
    assert (keys > 0).all()


def test_a_wrong_caption_is_never_the_right_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (2, 3, 7, 32):
        for _ in range(20):
            keys = torch.randint(4, (count,), generator=generator)
            shift = torch.randint(1, count, (), generator=generator)
            rows, there = wrong_rows(keys, shift)
            for row in range(count):
                circle = [(row + int(shift) + step) % count for step in range(count)]
                expected = next((other for other in circle if keys[other] != keys[row]), None)
                assert there[row] == (expected is not None)
                if expected is not None:
                    assert rows[row] == expected


def test_wrong_captions_of_a_batch_without_two_captions_are_none() -> None:
    rows, there = wrong_rows(torch.full((5,), 3), torch.tensor(2))
    assert not there.any()
    assert ((rows >= 0) & (rows < 5)).all()


def test_the_contrastive_loss_is_that_of_a_loop_over_pictures_and_captions() -> None:
    torch.manual_seed(0)
    pictures, captions = (normalize(torch.randn(6, 5, dtype=torch.float64), dim=1) for _ in range(2))
    keys, temperature = torch.tensor([1, 2, 3, 2, 4, 1]), 0.3
    total = 0.0
    for asked, answers in ((pictures, captions), (captions, pictures)):
        for row in range(6):
            scores = {}
            for other in range(6):
                if other == row or keys[other] != keys[row]:
                    scores[other] = math.exp(float(asked[row] @ answers[other]) / temperature)
            total -= math.log(scores[row] / sum(scores.values()))
    assert float(info_nce(pictures, captions, keys, temperature)) == pytest.approx(total / 12, abs=1e-12)


def test_equal_captions_do_not_push_each_other_away() -> None:
    pictures = normalize(torch.randn(2, 4), dim=1)
    captions = normalize(torch.randn(1, 4), dim=1).repeat(2, 1).requires_grad_(True)
    loss = info_nce(pictures, captions, torch.tensor([7, 7]), 0.1)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert not captions.grad.any()


class Parts:
    """Two processes of one batch, one after the other: `gather` gives what both have."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def gather_rows(self, values: Tensor) -> Tensor:
        return self.values.detach()


def test_two_processes_learn_from_a_contrast_what_one_does() -> None:
    """The gradient by the weight, averaged over both, and the value on each, are those of the whole batch."""
    torch.manual_seed(0)
    seen, captions = torch.randn(8, 3, dtype=torch.float64), normalize(torch.randn(8, 4, dtype=torch.float64), dim=1)
    keys = torch.tensor([1, 2, 3, 4, 5, 2, 6, 7])
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    whole = info_nce(normalize(seen @ weight, dim=1), captions, keys, 0.2)
    whole.backward()
    expected, weight.grad = weight.grad.clone(), None
    halves = [slice(0, 4), slice(4, 8)]
    for mine in halves:
        described = normalize(seen[mine] @ weight, dim=1)
        group: Any = Parts(normalize(seen @ weight, dim=1))
        part = Batch({}, Noise(0, count=8), mine, 0, group, halves)
        loss = of_all(info_nce(everyone(described, part), captions, keys, 0.2), part, 8)
        assert float(loss.detach()) == pytest.approx(float(whole.detach()), abs=1e-12)
        (loss / 2).backward()
    assert torch.allclose(weight.grad, expected, atol=1e-12)


def test_the_matching_penalty_of_a_linear_discriminator_is_that_of_its_slopes() -> None:
    picture, sentence = torch.randn(3, 4, 4), torch.randn(6)

    def verdict(pictures: Tensor, sentences: Tensor) -> Tensor:
        return (pictures * picture).flatten(1).sum(1) + sentences @ sentence

    found = matching_penalty(verdict, torch.randn(5, 3, 4, 4), torch.randn(5, 6), 6.0)
    assert float(found) == pytest.approx(float((picture.norm() + sentence.norm()) ** 6), rel=1e-5)


def test_the_matching_penalty_is_differentiable_in_the_weights_alone() -> None:
    layer = nn.Bilinear(12, 5, 1)
    pictures, sentences = torch.randn(4, 3, 2, 2), torch.randn(4, 5, requires_grad=True)
    matching_penalty(lambda x, e: layer(x.flatten(1), e).flatten(), pictures, sentences, 2.0).backward()
    assert layer.weight.grad.abs().sum() > 0
    assert sentences.grad is None


# --- words filled in --------------------------------------------------------------------------------------------------


def test_the_words_of_a_batch_are_told_apart() -> None:
    encoder = WordEncoder(6, 8)
    texts = ["a red star", "a blue star", "star"]
    words = words_of(encoder, encoder.encode(texts), batch_of(texts))
    assert words.choices.shape == (4, 6)
    assert words.index.shape == (3, 3)
    assert words.index[2].tolist() == [int(words.index[0, 2]), -1, -1]
    assert words.index[0, 0] == words.index[1, 0]
    assert words.index[0, 1] != words.index[1, 1]
    there = words.index >= 0
    assert torch.equal(words.choices[words.index[there]], words.vectors[there])


def test_filling_in_is_that_of_a_loop_over_words() -> None:
    torch.manual_seed(0)
    encoder, cloze = WordEncoder(6, 8), Cloze(5, 4, 6, 7)
    texts = ["a red star on grey", "a blue star", ""]
    seen = torch.randn(3, 5, 4, 4)
    words = words_of(encoder, encoder.encode(texts), batch_of(texts))
    total = 0.0
    with torch.no_grad():
        for row in range(3):
            pooled = torch.cat([seen[row].mean((1, 2)), seen[row].amax((1, 2))])
            picture = cloze.places(seen[row].flatten()) + cloze.anywhere(pooled)
            picture = (picture - picture.mean()) / (picture.var(correction=0) + 1e-5).sqrt()
            said = [number for number in words.index[row].tolist() if number >= 0]
            for place, word in enumerate(said):
                sides = []
                for shift in (*range(-REACH, 0), *range(1, REACH + 1)):
                    inside = 0 <= place + shift < len(said)
                    sides.append(words.choices[said[place + shift]] if inside else torch.zeros(6))
                context = cloze.context(torch.cat(sides))
                hidden = nn.functional.leaky_relu(cloze.hidden(torch.cat([context, picture])), 0.2)
                guess = normalize(context + picture + cloze.together(hidden), dim=0)
                scores = normalize(cloze.choice(words.choices), dim=1) @ guess / TEMPERATURE
                total -= float(scores.log_softmax(0)[word])
    assert float(cloze(seen, words).detach()) == pytest.approx(total / 3, rel=1e-5)


def test_a_word_is_not_told_by_itself() -> None:
    """What stands in a gap does not change what is guessed for it."""
    encoder, cloze = WordEncoder(6, 8), Cloze(5, 4, 6, 7)
    seen, guesses = torch.randn(1, 5, 4, 4), []
    for texts in (["one red two"], ["one blue two"]):
        words = words_of(encoder, encoder.encode([*texts, "red blue"]), batch_of(["", ""]))
        guesses.append(cloze.logits(seen.expand(2, -1, -1, -1), words)[0, 1])
    assert torch.allclose(guesses[0].sort().values, guesses[1].sort().values, atol=1e-5)


# --- the model --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("text_words", [{}, {"contrastive": 0}, {"cloze": 0}, {"contrastive": 0, "cloze": 0}])
def test_each_phase_moves_its_networks_and_no_others(variant: str, text_words: dict[str, int]) -> None:
    model = make(variant=variant, matching_penalty=2, **text_words)
    batch = batch_of(["a red star", "a blue star", "a green circle", "a red star"])
    seen = {}
    for phase in model.phases():
        for name, network in model.named_children():
            network.requires_grad_(name in phase.trains)
        model.zero_grad(set_to_none=True)
        terms = model.loss(phase, batch)
        assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
        torch.stack([phase.weights.get(name, 1.0) * term for name, term in terms.items()]).sum().backward()
        moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        seen[phase.name] = moved
    assert seen == {
        "generator": {"generator"},
        "discriminator": {"discriminator", "encoder"},
        "penalty": {"discriminator"},
    }


def test_the_adversarial_terms_leave_the_encoder_alone_where_real_captions_train_it() -> None:
    for contrastive, expected in ((1, False), (0, True)):
        model = make(contrastive=contrastive, cloze=0)
        terms = model.discriminator_loss(batch_of(["a red star", "a blue star"]))
        (terms["adversarial"] + terms["mismatched"]).backward()
        reached = [p.grad is not None and bool(p.grad.any()) for p in model.encoder.parameters()]
        assert any(reached) is expected


def test_fakes_and_wrong_captions_count_for_half_each() -> None:
    phase = next(phase for phase in make().phases() if phase.name == "discriminator")
    assert phase.weights["adversarial"] == phase.weights["mismatched"] == 0.5


def test_the_terms_follow_from_what_the_discriminator_says() -> None:
    model = make(variant="df-gan")
    texts = ["a red star", "a blue star", "a red star"]
    batch = batch_of(texts)
    with torch.no_grad():
        terms = model.discriminator_loss(batch)
    model.requires_grad_(False)
    sentence = model.encoder.sentence(texts)
    right = model.discriminator(batch.image, sentence)
    fake = model.discriminator(batch.fake, sentence)
    expected = nn.functional.relu(1 - right).mean() + nn.functional.relu(1 + fake).mean()
    assert float(terms["adversarial"]) == pytest.approx(float(expected), rel=1e-4)
    wrong = model.discriminator(batch.image, model.encoder.sentence(["a blue star", "a red star", "a blue star"]))
    expected = nn.functional.relu(1 - right).mean() + nn.functional.relu(1 + wrong).mean()
    assert float(terms["mismatched"]) == pytest.approx(float(expected), rel=1e-4)


def test_a_batch_of_one_caption_has_no_wrong_ones() -> None:
    model = make()
    terms = model.discriminator_loss(batch_of(["a red star"] * 3))
    assert float(terms["mismatched"].detach()) == 0.0
    assert float(terms["contrastive"].detach()) == 0.0
    assert torch.isfinite(model.discriminator_loss(batch_of(["alone"]))["adversarial"])


def test_halfway_between_two_captions_is_what_the_paper_draws() -> None:
    model = make(variant="gan-cls")
    seen: list[Tensor] = []
    model.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    texts = ["a red star", "a blue star"]
    assert "interpolated" in model.generator_loss(batch_of(texts))
    sentence = model.encoder.sentence(texts)
    assert torch.allclose(seen[1], (sentence + sentence.flip(0)) / 2, atol=1e-6)
    assert "interpolated" not in make(variant="df-gan").generator_loss(batch_of(texts))


@pytest.mark.parametrize("variant", VARIANTS)
def test_another_caption_gives_another_picture_of_the_same_latent(variant: str) -> None:
    model = make(variant=variant).eval()
    z = torch.randn(1, model.config.latent)
    pictures = [model.generate({"z": z, "text": [text]}) for text in ("a red star", "a blue star", "A red, star")]
    assert pictures[0].shape == (1, 3, 16, 16)
    assert (pictures[0] - pictures[1]).abs().max() > 1e-2 * pictures[0].abs().max()
    assert torch.equal(pictures[0], pictures[2])
    again = model.generate({"z": z, "sentence": model.sentences(["a red star"])})
    assert torch.equal(again, pictures[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_picture_does_not_depend_on_the_captions_beside_its_own(variant: str) -> None:
    model = make(variant=variant).eval()
    z = torch.randn(3, model.config.latent)
    texts = ["a red star", "", "a very long caption indeed with many words in it"]
    together = model.generate({"z": z, "text": texts})
    for row in range(3):
        alone = model.generate({"z": z[row : row + 1], "text": texts[row : row + 1]})
        assert torch.allclose(together[row], alone[0], atol=1e-5)


def test_without_a_caption_the_data_examples_are_drawn_in_turn() -> None:
    model = make()
    request = SampleRequest(count=3, noise=Noise(0, count=3))
    assert model.inputs(request)["text"] == ["", "", ""]
    fields = (bars().spec.fields[0], Field(name="text", kind="text", examples=("one", "two")))
    model.data = DataSpec(name="bars", split="train", count=8, fields=fields)
    assert model.inputs(request)["text"] == ["one", "two", "one"]
    given = SampleRequest(count=3, noise=Noise(0, count=3), given={"text": ["a", "b", "c"]})
    assert model.inputs(given)["text"] == ["a", "b", "c"]


@pytest.mark.parametrize("size", [16, 28, 48, 96])
def test_channels_double_inwards_up_to_the_widest(size: int) -> None:
    pixels, maps = resolutions(size), channels(size, 8, 4)
    assert pixels[-1] == size
    assert 4 <= pixels[0] <= 7
    assert maps[-1] == 8
    assert max(maps) == 32 or size < 32
    assert all(inner in (outer, 2 * outer) for inner, outer in pairwise(maps))


def test_a_critic_has_no_second_gradient_penalty() -> None:
    assert settings(loss="wasserstein").matching == 0
    with pytest.raises(UserError, match="matching_penalty"):
        settings(loss="wasserstein", matching_penalty=1)
    assert settings(variant="gan-cls").norm == "batch"
    assert settings(variant="df-gan").norm == "none"


# --- training ---------------------------------------------------------------------------------------------------------


def trainer_of(folder: Path, **values: Any) -> Trainer:
    registry = get_registry()
    data, built = bars(), settings(steps=4, **values)
    seed_globals(built.seed, "weights")
    model = build_model(registry.architectures["text2image"], built, data.spec)
    run = Run(
        folder=folder,
        architecture="text2image",
        recipe="",
        settings=built,
        data=data.spec,
        data_source="bars",
        plugin="ganzoo",
        plugin_version=ganzoo.__version__,
    )
    folder.mkdir(parents=True, exist_ok=True)
    run.save()
    task = registry.tasks.find("text-to-image")
    return Trainer(run, model, data, task, distributed.join("cpu"), registry, Quiet())


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_saved_draws_the_same_and_knows_its_words(variant: str, tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path / "run", variant=variant, precision="fp32")
    trainer.run()
    expected, inputs = trainer.sample(4)
    model = load_model(tmp_path / "run")
    with torch.inference_mode():
        assert torch.allclose(model.generate(inputs).float(), expected, atol=1e-5)
    assert model.unknown_words("a purple half, on the left") == ["a", "purple"]
    assert model.unread("x " * 40) != ""


def test_training_moves_the_picture_towards_its_caption(tmp_path: Path) -> None:
    """After a few hundred small steps most halves have the colour that they were asked for."""
    trainer = trainer_of(
        tmp_path / "run", width=8, latent=8, caption_width=16, batch=16, lr=2e-3, lr_discriminator=2e-3, beta2=0.99
    )
    for _ in range(250):
        trainer.train_step()
    right = 0
    palette = torch.tensor(list(COLOURS.values())) / 127.5 - 1
    texts = [f"{colour} on the {side}" for colour in COLOURS for side in SIDES]
    with torch.no_grad():
        made = trainer.model.eval().generate({"z": torch.zeros(8, 8), "text": texts})
    for number, picture in enumerate(made):
        inside = picture[:, 4:12, list(SIDES.values())[number % 2]].mean((1, 2))
        right += int((palette - inside).norm(dim=1).argmin()) == number // 2
    assert right >= 6


def test_two_processes_learn_what_one_learns_with_the_whole_batch(driver: Driver, tmp_path: Path) -> None:
    """Of the first step Adam remembers the gradients; a contrast or wrong captions within a half would change them."""
    words = ["train", "text2image", "--data", "shapes:one", "--precision", "fp32", "--steps", "1"]
    for name, value in get_registry().architectures["text2image"].tiny.items():
        words += ["--set", f"{name}={value}"]
    run_ranks(driver, 1, *words, "--run", "one", cwd=tmp_path)
    run_ranks(driver, 2, *words, "--run", "two", cwd=tmp_path)
    one, two = (bits(tmp_path / name) for name in ("one", "two"))
    for network, optimizer in one["optimizers"].items():
        for number, state in optimizer["state"].items():
            sizes, others = (
                found["exp_avg_sq"].sqrt() for found in (state, two["optimizers"][network]["state"][number])
            )
            assert (sizes - others).abs().max() <= 1e-2 * sizes.max() + 1e-7, (network, number)
    assert differences(one["model"]["encoder.known"], two["model"]["encoder.known"]) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_tiny_run_of_each_variant_trains(variant: str, tiny_run: TinyRuns) -> None:
    assert tiny_run("text2image", steps=2, variant=variant, data="shapes:one").trainer.run().step == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text_encoder": "clp"}, "text_encoder: there is no text encoder 'clp' (did you mean 'clip'?)"),
        ({"text_encoder": "clip"}, "--set text_weights=FOLDER"),
        ({"text_weights": "somewhere"}, "text_encoder: the text encoder 'words' reads no weights, found 'somewhere'"),
    ],
)
def test_a_text_encoder_that_cannot_be_had_is_a_mistake_of_the_settings(values: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        settings(**values)
    (line,) = caught.value.lines
    assert said in line
