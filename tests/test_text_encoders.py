"""Text encoders: what they make of captions, of words that nobody told them, and how they are chosen."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ganzoo import hookimpl
from ganzoo.cards import TextEncoder
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.errors import GanzooWarning, UserError
from ganzoo.model import Batch
from ganzoo.registry import Registry, get_registry
from ganzoo.text.base import Encoder, Text, TextRequest, make_encoder
from ganzoo.text.words import WordEncoder, split, word_ids

CAPTIONS = ["a large red circle above a small blue square", "a green star", "", "a green star on the left"]


def words(width: int = 16, longest: int = 12) -> WordEncoder:
    seed_globals(0, "weights")
    return WordEncoder(width, longest).eval()


def batch(count: int) -> Batch:
    return Batch({}, Noise(0, count=count), slice(0, count), 0)


class Counting(Encoder):
    """A stranger's encoder: how many words, and how many letters."""

    def __init__(self) -> None:
        super().__init__()
        self.width, self.longest = 2, 100
        self.scale = torch.nn.Parameter(torch.ones(2))

    def encode(self, texts: list[str]) -> Tensor:  # type: ignore[override]
        return torch.tensor([[len(text.split()), len(text)] for text in texts])

    def forward(self, ids: Tensor) -> Text:
        sentence = ids.float() * self.scale
        return Text(sentence, sentence[:, None], torch.ones(len(ids), 1, dtype=torch.bool))


def counting(request: TextRequest) -> Counting:
    return Counting()


def test_hook_text_encoders() -> None:
    """A stranger's encoder is found by its name and made as its card says."""
    card = TextEncoder(
        name="counting",
        title="Counts",
        summary="how long a caption is",
        make=f"{__name__}:counting",
        licence="MIT",
        trained=True,
    )
    module = ModuleType("ganzoo_stranger")
    module.ganzoo_text_encoders = hookimpl(lambda: [card])  # type: ignore[attr-defined]
    registry = Registry()
    registry.load_entry_points()
    registry.load("stranger", "ganzoo-stranger", "1.0", lambda: module)
    assert set(registry.text_encoders) == {*get_registry().text_encoders, "counting"}
    made = make_encoder("counting", TextRequest(), registry)
    assert made.sentence(["a b", "abc"]).tolist() == [[2, 3], [1, 3]]


def test_a_card_says_what_its_encoder_needs() -> None:
    cards = get_registry().text_encoders
    assert {name for name, card in cards.items() if card.trained} == {"words"}
    assert all(card.trained or (card.weights and card.extra) for card in cards.values())
    assert all(card.title and card.summary and card.licence for card in cards.values())


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A large RED circle, above it: a square!", ["a", "large", "red", "circle", "above", "it", "a", "square"]),
        ("3-D red apple, food", ["3-d", "red", "apple", "food"]),
        ("ﬁne  Straße\n", ["fine", "straße"]),
        ("I ♥ cats", ["i", "♥", "cats"]),
        (" .,;! ", []),
    ],
)
def test_a_caption_is_split_into_words_without_case_and_punctuation(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_caption_reads_the_same_whatever_stands_beside_it() -> None:
    encoder = words()
    together: Text = encoder(encoder.encode(CAPTIONS))
    for row, caption in enumerate(CAPTIONS):
        alone: Text = encoder(encoder.encode([caption]))
        length = alone.words.shape[1]
        assert torch.allclose(together.sentence[row], alone.sentence[0], atol=1e-6)
        assert torch.allclose(together.words[row, :length], alone.words[0], atol=1e-6)
        assert not together.mask[row, length:].any()
        assert not together.words[row, length:].any()


def test_what_says_something_else_reads_differently() -> None:
    encoder = words()
    texts = [
        "a red circle above a blue square",
        "a blue circle above a red square",
        "a red circle",
        "",
        "A red, circle",
    ]
    made = encoder.sentence(texts)
    apart = torch.cdist(made, made)
    assert apart[0, 1] > 0.01  # the same words in another order
    assert apart[2, 3] > 0.1
    assert apart[2, 4] == 0
    assert torch.isfinite(made).all()


def test_a_word_that_was_never_met_is_read_by_its_letters() -> None:
    encoder = words(64)
    near, far = [], []
    for word, other in (("circle", "circles"), ("triangle", "triangular"), ("yellow", "yellowish")):
        known, similar, different = (encoder.sentence([text])[0] for text in (word, other, "bmpq"))
        near.append(cosine_similarity(known, similar, 0))
        far.append(cosine_similarity(known, different, 0))
    assert min(near) > max(far)


def test_two_words_never_share_all_of_their_rows() -> None:
    nouns = [f"{a}{b}" for a in ("red", "blue", "star", "cat", "apple", "o") for b in range(2000)]
    assert len({word_ids(word)[1:3] for word in nouns}) > 0.999 * len(nouns)
    assert len({word_ids(word) for word in nouns}) == len(nouns)


def test_known_are_the_words_of_the_captions_of_training_and_no_others() -> None:
    encoder = words()
    assert encoder.unknown("a Green star") == ["a", "green", "star"]
    encoder.note(CAPTIONS, batch(len(CAPTIONS)))
    encoder.note(CAPTIONS, batch(len(CAPTIONS)))
    assert encoder.unknown("A green square, LEFT of it") == ["of", "it"]
    assert int(encoder.count) == 1 + len({word for caption in CAPTIONS for word in split(caption)})  # and no words


def test_what_is_known_is_saved_with_the_weights() -> None:
    encoder, other = words(), words()
    encoder.note(CAPTIONS, batch(len(CAPTIONS)))
    other.load_state_dict(encoder.state_dict())
    assert other.unknown("a purple star") == ["purple"]


def test_more_words_than_there_is_room_for_stay_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.text.words.KNOWN", 3)
    encoder = words()
    encoder.note(["one two three four five"], batch(1))
    assert int(encoder.count) == 3
    assert len(encoder.unknown("one two three four five")) == 2


def test_a_caption_that_is_too_long_is_cut_and_its_end_is_told() -> None:
    encoder = words(longest=4)
    assert encoder.unread("A red circle above, a blue Square!") == ", a blue Square!"
    assert encoder.unread("a red circle above.") == ""
    assert encoder.encode(["a red circle above a blue square"]).shape == (1, 4, 15)
    long, short = encoder.sentence(["a red circle above a blue square", "a red circle above"])
    assert torch.equal(long, short)


def test_captions_that_are_too_long_are_said_once_in_training() -> None:
    encoder = words(longest=4)
    with pytest.warns(GanzooWarning, match="'a blue square'"):
        encoder.note(["a star", "a red circle above a blue square", "one two three four five"], batch(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.note(["one two three four five"], batch(1))


def test_the_vectors_are_differentiable_in_every_weight() -> None:
    encoder = words().train()
    made: Text = encoder(encoder.encode(CAPTIONS))
    (made.sentence.square().sum() + made.words.square().sum()).backward()
    grown = {name: parameter.grad for name, parameter in encoder.named_parameters()}
    # The sum of squares of a normalised layer is a constant, but for its own weights.
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in grown.values())
    assert not encoder.own.weight.grad[0].any()
    assert not encoder.grams.weight.grad[0].any()


# --- frozen ones ------------------------------------------------------------------------------------------------------


def test_an_encoder_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"'word' \(did you mean 'words'\?\); there are clip, sentence, words"):
        make_encoder("word", TextRequest())


def test_weights_are_asked_for_where_they_are_needed_and_only_there() -> None:
    with pytest.raises(UserError, match="'clip' needs its weights: a folder"):
        make_encoder("clip", TextRequest())
    with pytest.raises(UserError, match="'words' reads no weights, found 'somewhere'"):
        make_encoder("words", TextRequest(weights="somewhere"))


@pytest.mark.parametrize("name", ["clip", "sentence"])
def test_a_missing_package_is_one_line_with_the_command_that_brings_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"pip install 'ganzoo\[text\]'") as caught:
        make_encoder(name, TextRequest(weights=str(tmp_path)))
    assert len(caught.value.lines) == 1


VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "a", "red", "blue", "circle", "square", "above", "##s"]


def small_bert(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=10,
        pad_token_id=3,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)


def small_clip(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    letters = "abcdeloruiqvs"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        projection_dim=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        bos_token_id=len(tokens) - 2,
        eos_token_id=len(tokens) - 1,
    )
    torch.manual_seed(0)
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)


@pytest.mark.parametrize(("name", "width"), [("clip", 12), ("sentence", 16)])
def test_frozen_encoders_read_their_folder(name: str, width: int, tmp_path: Path) -> None:
    (small_clip if name == "clip" else small_bert)(tmp_path)
    with torch.device("meta"):  # as where a model is only sketched
        encoder = make_encoder(name, TextRequest(weights=str(tmp_path)))
    assert encoder.width == width
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    texts = ["a red circle", "a blue square above a red circle", "a red circle", ""]
    made = encoder.sentence(texts)
    assert made.shape == (4, width)
    assert torch.allclose(made.square().mean(1), torch.ones(4), atol=1e-4)
    assert torch.equal(made[0], made[2])
    assert (made[0] - made[1]).abs().max() > 1e-3
    again: Text = encoder(encoder.encode(texts[:2]))
    assert torch.allclose(again.sentence, made[:2], atol=1e-5)
    assert again.words.shape[:2] == again.mask.shape
    alone: Text = encoder(encoder.encode(texts[:1]))
    assert torch.allclose(alone.sentence, made[:1], atol=1e-5)
    assert encoder.unknown("a zebra") == []


@pytest.mark.parametrize("name", ["clip", "sentence"])
def test_a_frozen_encoder_reads_the_same_caption_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_clip if name == "clip" else small_bert)(tmp_path)
    encoder = make_encoder(name, TextRequest(weights=str(tmp_path)))
    first = encoder.sentence(["a red circle", "a blue square"])
    monkeypatch.setattr(encoder, "encode", lambda texts: pytest.fail(f"{texts} again"))
    assert torch.equal(encoder.sentence(["a blue square", "a red circle"]), first.flip(0))


def test_the_end_that_a_frozen_encoder_does_not_read_is_told(tmp_path: Path) -> None:
    small_bert(tmp_path)
    encoder = make_encoder("sentence", TextRequest(weights=str(tmp_path)))
    assert encoder.unread("a red circle") == ""
    assert encoder.unread("a red circle above a blue square above a red circle") == "a red circle"


@pytest.mark.parametrize("name", ["clip", "sentence"])
def test_a_folder_without_weights_is_one_line(name: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"found no config.json in it"):
        make_encoder(name, TextRequest(weights=str(tmp_path)))
    with pytest.raises(UserError, match=r"found no such folder"):
        make_encoder(name, TextRequest(weights=str(tmp_path / "nowhere")))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=f"'{name}' cannot be read from it") as caught:
        make_encoder(name, TextRequest(weights=str(tmp_path)))
    assert len(caught.value.lines) == 1
