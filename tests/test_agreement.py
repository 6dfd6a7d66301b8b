"""Whether pictures show what their captions say: R-precision by the embedded dual encoder, and CLIP score."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Answer, TinyRuns
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import normalize

from ganzoo.data.captions import one_of
from ganzoo.errors import UserError
from ganzoo.registry import get_registry
from ganzoo_data import embedded
from ganzoo_data.captioned_sets import STYLES, emoji_captions_of
from ganzoo_evaluation import efflite0, emojidual, squeezenet
from ganzoo_evaluation.agreement import (
    PROMPT,
    TIED,
    compute_clip_score,
    compute_r_precision,
    dual_of,
    first_of,
    r_precision,
)
from ganzoo_evaluation.asking import How, wanted_metrics
from ganzoo_evaluation.backbone import FILES
from ganzoo_evaluation.base import Array, Block, Comparison, Measured, NetworkRequest, NotApplicable, Plan
from ganzoo_evaluation.clip import VARIABLE, Clip
from ganzoo_evaluation.clip import load as load_clip
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.texts import Texts

Call = Callable[..., Answer]
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP was trained on."""
SOURCE = json.loads((FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]["emojidual.safetensors"]


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Random vectors of length 1."""
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def by_every_choice(cosines: Array, own: int, candidates: int) -> float:
    """The share of all choices of wrong captions, ties broken evenly, in which the own caption comes first."""
    wrong = [place for place in range(len(cosines)) if place != own]
    shares = []
    for chosen in combinations(wrong, candidates - 1):
        best = max(cosines[place] for place in chosen)
        tied = sum(cosines[place] == cosines[own] for place in chosen)
        shares.append(0.0 if best > cosines[own] else 1 / (1 + tied))
    return float(np.mean(shares))


# --- R-precision, on vectors made by hand -----------------------------------------------------------------------------


def test_the_chance_to_come_first_is_that_of_counting_every_choice() -> None:
    for better, found in enumerate(first_of(7, candidates=4)):
        chosen = list(combinations(range(7), 3))
        assert found == pytest.approx(np.mean([min(one) >= better for one in chosen]), abs=1e-12)
    assert first_of(9).tolist() == [1, *[0] * 9]
    assert first_of(3, candidates=1).tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="9 captions cannot be drawn from 8"):
        first_of(8)


def test_r_precision_is_that_of_drawing_all_wrong_captions_there_are() -> None:
    pictures, captions = unit(6, 5), unit(8, 5, seed=1)
    own = np.array([0, 3, 3, 7, 1, 5])
    cosines = (pictures @ captions.T).numpy()
    expected = [by_every_choice(row, mine, 4) for row, mine in zip(cosines, own, strict=True)]
    assert r_precision(pictures, captions, own, candidates=4) == pytest.approx(expected, abs=1e-12)


def test_captions_that_are_as_close_as_the_own_one_share_the_first_place() -> None:
    captions = torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 2)
    pictures = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    found = r_precision(pictures, captions, np.array([0, 0]), candidates=3)
    cosines = (pictures @ captions.T).numpy()
    assert found == pytest.approx([by_every_choice(row, 0, 3) for row in cosines], abs=1e-12)
    assert TIED < 1e-5


def test_one_picture_for_every_caption_has_exactly_chance() -> None:
    captions = unit(57, 16)
    found = r_precision(unit(1, 16, seed=3).expand(57, -1), captions, np.arange(57))
    assert found.mean() == pytest.approx(0.1, abs=1e-12)


def test_the_right_captions_are_all_first_and_the_opposite_ones_never() -> None:
    captions = unit(30, 64)
    assert r_precision(captions, captions, np.arange(30)).tolist() == [1.0] * 30
    assert r_precision(-captions, captions, np.arange(30)).tolist() == [0.0] * 30


# --- the collector ----------------------------------------------------------------------------------------------------


def block(start: int, *texts: str) -> Block:
    return Block(start=start, pictures=torch.zeros(len(texts), 3, 4, 4, dtype=torch.uint8), text=texts)


def test_captions_are_kept_in_their_places_whichever_process_reads_them() -> None:
    mine, theirs = Texts(Plan(count=5)), Texts(Plan(count=5))
    mine.update(block(0, "ein Bär 🐻", ""))
    theirs.update(block(3, "two\nlines", "\udcff"))
    mine.merge(Texts.from_arrays(theirs.arrays()))
    again = Texts.from_arrays(mine.arrays())
    assert again.at([4, 0, 1, 3]) == ["\udcff", "ein Bär 🐻", "", "two\nlines"]
    assert again.at([0, 2]) is None, "nobody gave the third"
    assert not any(array.dtype == object for array in again.arrays().values())


# --- the embedded dual encoder ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen() -> Tensor:
    """What the feature network sees in the held-out emoji, flat, 32 pixels."""
    images, _ = embedded.emoji("flat", "test", 32)
    return efflite0.load(NetworkRequest(name="efflite0"))(torch.from_numpy(images))[0]


@pytest.fixture(scope="module")
def told() -> list[str]:
    """The captions that stand for them."""
    _, labels = embedded.emoji("flat", "test", 32)
    named = enumerate(zip(embedded.emoji_names("test"), labels, strict=True))
    return [
        one_of(row, emoji_captions_of(name, embedded.EMOJI_CATEGORIES[label], "flat")) for row, (name, label) in named
    ]


def test_it_finds_names_that_it_has_not_seen_as_often_as_its_file_says(seen: Tensor, told: list[str]) -> None:
    with safe_open(FILES / "emojidual.safetensors", "pt") as file:
        (stated,) = (json.loads(text) for text in file.metadata().values())
    assert stated == SOURCE["unseen_names"]
    dual = emojidual.embedded()
    pictures, captions, own = dual.unbiased(seen, told), dual.captions(told), np.arange(len(told))
    for among in (10, len(told)):
        found = float(r_precision(pictures, captions, own, among).mean())
        assert found == pytest.approx(stated["test-flat-32"][f"first of {among}"], abs=0.0066)  # a picture on the edge
        assert found > 5 / among, "five times chance"
    nameless = dual.unbiased(seen, ["nothing of that kind"] * len(told))
    assert torch.allclose(nameless, dual.pictures(seen), atol=1e-6), "all of them judge what none has learned"


def test_a_name_that_it_learned_from_is_judged_by_those_that_have_not_seen_it() -> None:
    dual = emojidual.embedded()
    assert dual.names == tuple(embedded.emoji_names("train"))
    for style in STYLES:
        images, labels = embedded.emoji(style, "train", 32)
        for row, (name, label) in enumerate(zip(dual.names, labels, strict=True)):
            for text in emoji_captions_of(name, embedded.EMOJI_CATEGORIES[label], style):
                assert dual.part_of(text) == dual.part_of(name), text
            assert dual.part_of(name) == row % emojidual.PARTS
    assert dual.part_of("a Red-Apple on a table") == dual.part_of("red apple")
    assert dual.part_of("a cat with wry smile") == dual.part_of("cat with wry smile") != dual.part_of("cat")
    assert (dual.part_of("something else"), dual.part_of("")) == (None, None)

    images, _ = embedded.emoji("flat", "train", 32)
    rows = list(range(0, len(images), 7))
    features = efflite0.load(NetworkRequest(name="efflite0"))(torch.from_numpy(images[rows]))[0]
    texts, own = [dual.names[row] for row in rows], np.arange(len(rows))
    captions = dual.captions(texts)
    pictures = dual.unbiased(features, texts).view(len(rows), emojidual.JUDGES, emojidual.WIDTH)
    for place, row in enumerate(rows):
        judges = [number for number in range(emojidual.JUDGES) if pictures[place, number].any()]
        assert judges == [row % emojidual.PARTS, row % emojidual.PARTS + emojidual.PARTS]
    assert torch.allclose(pictures.flatten(1).norm(dim=1), torch.ones(len(rows)))
    fairly = r_precision(pictures.flatten(1), captions, own).mean()
    knowing = r_precision(dual.pictures(features), captions, own).mean()
    assert fairly == pytest.approx(SOURCE["unseen_names"]["train-flat-32"]["first of 10"], abs=0.1)
    assert knowing > 0.9, "eight of ten know them by heart"


def test_captions_of_other_pictures_are_at_chance(seen: Tensor, told: list[str]) -> None:
    dual = emojidual.embedded()
    pictures, captions = dual.pictures(seen), dual.captions(told)
    shares = []
    for turn in range(1, 21):
        own = (np.arange(len(told)) + 7 * turn) % len(told)
        shares.append(r_precision(pictures, captions, own).mean())
    assert np.mean(shares) == pytest.approx(0.1, abs=0.02)
    assert max(shares) < 0.2


def test_a_caption_reads_the_same_whatever_stands_beside_it() -> None:
    dual = emojidual.embedded()
    texts = ["a red apple", "xyzzy plugh", "", "a flat emoji of a face with tears of joy, smileys", "Red, APPLE! a"]
    together = dual.captions(texts)
    for text, vector in zip(texts, together, strict=True):
        assert torch.allclose(dual.captions([text])[0], vector, atol=1e-6)
    assert torch.allclose(together.norm(dim=1), torch.ones(5))
    assert torch.allclose(together[0], together[4], atol=1e-6), "no case, no marks, no order"
    assert torch.equal(together[1], together[2]), "nothing that it reads"
    assert dual.captions([]).shape == (0, emojidual.JUDGES * emojidual.WIDTH)


def test_a_word_of_no_training_caption_lies_near_those_that_mean_alike() -> None:
    dual = emojidual.embedded()
    known = {word for name in embedded.emoji_names("train") for word in emojidual.split(name)}
    for new, like, other in (
        ("aircraft", "airplane", "apple"),
        ("daughter", "girl", "clock"),
        ("ships", "boat", "dog"),
    ):
        assert new not in known
        vectors = dual.captions([new, like, other])
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.4


def test_it_stays_small_and_says_whose_words_it_has() -> None:
    assert SOURCE["bytes"] < 5_000_000
    text = (FILES / SOURCE["license_file"]).read_text(encoding="utf-8")
    for part in ("MIT License", "all-MiniLM-L6-v2", "changed for ganzoo", "Apache License", "END OF TERMS"):
        assert part in text


# --- as a metric ------------------------------------------------------------------------------------------------------


class Plain:
    """A network that is its own dual encoder: a picture's features and a caption's are numbers in the text."""

    name = "plain"
    identity: dict[str, str] = {}  # noqa: RUF012
    dimensions, classes = 16, 0
    protocol: dict[str, str | int | float] = {"reads": "numbers"}  # noqa: RUF012

    def __call__(self, pictures: Tensor) -> tuple[Tensor, None]:
        return unit(200, 16)[pictures[:, 0, 0, 0].long()], None

    def pictures(self, features: Tensor) -> Tensor:
        return features

    def captions(self, texts: list[str]) -> Tensor:
        return unit(200, 16)[[int(text) for text in texts]]


def measured(network: Any, numbers: list[int], texts: list[str] | None) -> Measured:
    """A set whose pictures show `numbers` and whose captions are `texts`."""
    plan = Plan(count=len(numbers), dimensions=16)
    features, words = Features(plan), Texts(plan)
    pictures = torch.tensor(numbers, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    told = None if texts is None else tuple(texts)
    given = Block(start=0, pictures=pictures, text=told, features=Plain()(pictures)[0])
    features.update(given)
    words.update(given)
    return Measured(name="set", count=len(numbers), collected={Features: features, Texts: words}, network=network)


def test_the_number_of_a_row_stands_beside_that_of_the_reference() -> None:
    numbers = list(range(40))
    half = [str(number) for number in [*range(20), *range(21, 40), 20]]
    c = Comparison(
        fake=measured(Plain(), numbers, half), real=measured(Plain(), numbers, [str(number) for number in numbers])
    )
    found = compute_r_precision(c)
    assert found.each is not None
    assert found.each[:20].tolist() == [1.0] * 20
    assert found.value == pytest.approx(found.each.mean())
    assert 0.5 <= found.value < 0.7
    assert found.error == pytest.approx((np.var([*found.each, 0, 1]) / 40) ** 0.5)
    assert found.details == {"different_captions": 40, "reference": 1.0}
    assert found.note == "set has 1.000 with its own captions, chance is 0.1"
    assert found.protocol == {"candidates": 10, "reads": "numbers"}
    whole = compute_r_precision(Comparison(fake=c.real, real=measured(Plain(), numbers, None)))
    assert (whole.value, whole.note) == (1.0, "")
    assert whole.error is not None
    assert whole.error > 0, "that all were hits is no proof that all would be"


def test_a_caption_that_comes_again_is_no_wrong_one() -> None:
    texts = [str(number % 10) for number in range(30)]
    fake = measured(Plain(), [int(text) for text in texts], texts)
    assert compute_r_precision(Comparison(fake=fake, real=fake)).value == 1


def test_what_cannot_be_asked_is_said() -> None:
    numbers, texts = list(range(12)), [str(number) for number in range(12)]
    row = measured(Plain(), numbers, texts)

    def ask(network: Any, texts: list[str] | None) -> None:
        row = measured(network, numbers, texts)
        compute_r_precision(Comparison(fake=row, real=row))

    with pytest.raises(NotApplicable, match="set has 9 different captions; 10 are needed"):
        ask(Plain(), [str(number % 9) for number in range(12)])
    with pytest.raises(NotApplicable, match="nobody knows the captions of set"):
        ask(Plain(), None)
    with pytest.raises(NotApplicable, match=r"no dual encoder reads the features of squeezenet; use r_precision\[eff"):
        dual_of(squeezenet.load(NetworkRequest(name="squeezenet")))
    with pytest.raises(NotApplicable, match=r"CLIP score is by CLIP; use clip_score\[clip\]"):
        compute_clip_score(Comparison(fake=row, real=row))


def test_each_looks_through_its_own_network_unless_another_is_named() -> None:
    registry, how = get_registry(), How(metrics=("kid", "r_precision", "clip_score"), features="squeezenet")
    networks = {one.card.name: one.network for one in wanted_metrics(registry, None, how, set())}
    assert networks == {"kid": "squeezenet", "r_precision": "efflite0", "clip_score": "clip"}
    how = How(metrics=("r_precision[clip]",))
    assert wanted_metrics(registry, None, how, set())[0].network == "clip"


# --- ganzoo eval ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(install: Callable[..., Path], tiny_run: Callable[..., Any], cwd: Path) -> Iterator[Path]:
    """A run of a toy that reads captions, on a folder of 24 emoji and their names."""
    install("ganzoo-toy-text", "from toys_text import *")
    get_registry.cache_clear()
    images, _ = embedded.emoji("flat", "train", 32)
    (cwd / "emoji").mkdir()
    for row in range(24):
        place = 50 * row
        Image.fromarray(images[place].transpose(1, 2, 0)).save(cwd / "emoji" / f"{row}.png")
        (cwd / "emoji" / f"{row}.txt").write_text(embedded.emoji_names("train")[place])
    runs = TinyRuns(cwd / "runs", get_registry())
    tiny = runs("toy-words", data="emoji", folder=cwd / "runs" / "toy", size=8)
    tiny.trainer.run()
    yield Path("runs/toy")
    get_registry.cache_clear()


def test_a_run_is_asked_whether_it_draws_what_it_is_told(run: Path, here: Call) -> None:
    answer = here("eval", str(run), "--metrics", "kid,r_precision", "--json")
    assert answer.code == 0, answer.err
    rows = {row["name"]: {e["metric"]: e for e in row["estimates"]} for row in json.loads(answer.out)["rows"]}
    made, copies = rows["toy"]["r_precision"], rows["training copies"]["r_precision"]
    assert made["name"].startswith("r_precision[efflite0]@")
    assert made["passport"]["protocol"]["candidates"] == 10
    assert made["passport"]["protocol"]["dual_sha256"] == SOURCE["sha256"][:12]
    assert "with its own captions, chance is 0.1" in made["note"]
    assert made["value"] < 0.4, "a toy that knows colours alone"
    assert copies["value"] > made["value"], "at 8 pixels"
    assert rows["one picture"]["r_precision"]["value"] == pytest.approx(0.1, abs=0.05)
    assert rows["Gaussian pixels"]["r_precision"]["note"] == "nobody knows the captions of these pictures"


def test_clip_score_is_refused_in_one_line_where_the_weights_are_not_there(
    run: Path, here: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    answer = here("eval", str(run), "--metrics", "clip_score")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert all(word in line for word in ("clip needs its weights", "--weights FOLDER", VARIABLE))
    monkeypatch.setitem(sys.modules, "transformers", None)
    answer = here("eval", str(run), "--metrics", "clip_score", "--weights", ".")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert "pip install 'ganzoo[text]'" in line


# --- CLIP -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_clip(tmp_path: Path) -> Path:
    """A folder with a whole CLIP of 32 pixels and random weights, as transformers writes it."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "clip"
    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.CLIPConfig(
        text_config={
            **sizes,
            "vocab_size": len(tokens),
            "max_position_embeddings": 40,
            "bos_token_id": len(tokens) - 2,
            "eos_token_id": len(tokens) - 1,
        },
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


def opened(folder: Path) -> Clip:
    return load_clip(NetworkRequest(name="clip", weights=folder))


def test_clip_sees_and_reads_what_transformers_sees_and_reads(small_clip: Path) -> None:
    transformers = pytest.importorskip("transformers")
    whole, network = transformers.CLIPModel.from_pretrained(small_clip).eval(), opened(small_clip)
    pictures = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    texts = ["a red circle", "blue", "a photo of a cat and of a dog that is longer than it can read", "", "blue"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(small_clip)
    given = tokenizer(texts, padding=True, truncation=True, max_length=40, return_tensors="pt")
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, DEVIATION))
    with torch.inference_mode():
        made = whole(**given, pixel_values=(pictures / 255 - mean) / deviation)
    features, logits = network(pictures)
    assert logits is None
    assert features.shape == (5, network.dimensions) == (5, 12)
    assert torch.allclose(network.pictures(features), made.image_embeds, atol=1e-5)
    assert torch.allclose(network.captions(texts), made.text_embeds, atol=1e-5)
    assert torch.allclose(network.captions(["blue"])[0], made.text_embeds[1], atol=1e-5)
    assert network.name == "clip-vit-16-patch8"
    assert len(network.identity["sha256"]) == 64


def test_clip_score_is_two_and_a_half_times_the_cosine_and_never_negative(small_clip: Path) -> None:
    network = opened(small_clip)
    pictures = torch.randint(0, 256, (40, 3, 48, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    texts = tuple(f"{'red' if row % 2 else 'a blue'} {chr(97 + row % 26)}" for row in range(40))
    plan = Plan(count=40, dimensions=network.dimensions)
    features, words = Features(plan), Texts(plan)
    given = Block(start=0, pictures=pictures, text=texts, features=network(pictures)[0])
    features.update(given)
    words.update(given)
    row = Measured(name="set", count=40, collected={Features: features, Texts: words}, network=network)
    found = compute_clip_score(Comparison(fake=row, real=row))
    read = network.captions([PROMPT + text for text in texts])
    seen = normalize(network(pictures[:, :, 8:40])[0], dim=1)  # the square from the middle
    expected = 2.5 * (read * seen).sum(1).clamp(min=0).double().numpy()
    assert found.each == pytest.approx(expected, abs=1e-5)
    assert found.value == pytest.approx(expected.mean(), abs=1e-6)
    assert found.error == pytest.approx(expected.std(ddof=1) / 40**0.5, abs=1e-6)
    assert found.protocol == {"scale": 2.5, "prompt": "A photo depicts"}
    assert compute_r_precision(Comparison(fake=row, real=row)).protocol == {"candidates": 10}


def test_the_folder_says_how_its_pictures_are_normalised(small_clip: Path) -> None:
    seen = []
    for level, document in ((51, '{"image_mean": [0.2, 0.2, 0.2], "image_std": [1, 1, 1]}'), (102, "{}"), (102, "")):
        (small_clip / "preprocessor_config.json").write_text(document)
        if not document:
            (small_clip / "preprocessor_config.json").unlink()
        seen.append(opened(small_clip)(torch.full((1, 3, 32, 32), level, dtype=torch.uint8))[0])
    with torch.inference_mode():
        zero, _ = opened(small_clip)._body(torch.zeros(1, 3, 32, 32))
    assert torch.allclose(seen[0], zero, atol=1e-6), "0.2 less 0.2"
    assert torch.equal(seen[1], seen[2])
    assert not torch.allclose(seen[1], zero, atol=1e-3)
    (small_clip / "preprocessor_config.json").write_text("no")
    with pytest.raises(UserError, match=r"preprocessor_config\.json: not JSON"):
        opened(small_clip)


def test_a_run_is_scored_by_clip(run: Path, here: Call, small_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(small_clip))
    words = ("--metrics", "clip_score,r_precision[clip]", "--no-controls", "--json")
    answer = here("eval", str(run), *words)
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out)["rows"]
    score, precision = row["estimates"]
    assert score["name"].startswith("clip_score[clip-vit-16-patch8]@")
    assert 0 <= score["value"] <= 2.5
    assert score["error"] > 0
    assert precision["name"].startswith("r_precision[clip-vit-16-patch8]@")
    assert 0 <= precision["value"] <= 1
