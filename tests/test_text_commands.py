"""What a model that reads captions needs of core, commands and evaluation, on toys whose pictures are known."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys_text
from conftest import Answer, TinyRuns
from numpy.typing import NDArray
from PIL import Image, ImageFont

import ganzoo
from ganzoo.cli.captions import file_names, slug
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.data.captions import captions_of, one_of, spread
from ganzoo.data.sources import open_path
from ganzoo.errors import UserError
from ganzoo.pictures import LINES, captioned, drawable, to_bytes, wrapped
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import build_model, load_model, open_run
from ganzoo.sampling import sample
from ganzoo_evaluation.captions import captions_for
from ganzoo_evaluation.sets import DataPictures, Repeated

Call = Callable[..., Answer]
Pixels = NDArray[np.uint8]
RED, BLUE = "a red picture", "a blue picture"


@pytest.fixture
def zoo(install: Callable[..., Path]) -> Iterator[Registry]:
    """The zoo with the plugin `toys_text`."""
    install("ganzoo-toy-text", "from toys_text import *")
    get_registry.cache_clear()
    yield get_registry()
    get_registry.cache_clear()


@pytest.fixture
def train(zoo: Registry, tiny_run: TinyRuns, cwd: Path) -> Callable[[str], Path]:
    """`train("toy-words")`: a finished run of that architecture, runs/toy-words."""

    def call(name: str) -> Path:
        (cwd / "runs").mkdir(exist_ok=True)
        data = "toy-captions" if name in toys_text.MODELS else None
        tiny = tiny_run(name, data=data, folder=cwd / "runs" / name, registry=zoo)
        tiny.trainer.run()
        return Path("runs") / name

    return call


@pytest.fixture
def run(train: Callable[[str], Path]) -> Path:
    """A finished run of `toy-words`."""
    return train("toy-words")


def read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


def cell(sheet: Pixels, top: int, left: int, side: int, size: int = toys_text.SIZE) -> Pixels:
    """The picture of that many pixels that was enlarged to `side`."""
    enlarged = sheet[top : top + side, left : left + side]
    small = enlarged[:: side // size, :: side // size]
    assert np.array_equal(small.repeat(side // size, 0).repeat(side // size, 1), enlarged), "every pixel is a square"
    return small


def held_out(split: str = "test") -> ArrayData:
    return toys_text.load(DataRequest(fields=("image", "text"), split=split))


# --- ganzoo generate --------------------------------------------------------------------------------------------------


def test_a_grid_has_a_row_for_each_caption_and_the_same_noise_down_each_column(
    run: Path, here: Call, cwd: Path
) -> None:
    answer = here("generate", str(run), "--text", RED, "--text", BLUE, "-n", "3", "--out", "grid.png")
    assert (answer.code, answer.err) == (0, ""), answer
    assert answer.out == "3 pictures of each of 2 captions in grid.png\n"
    sheet, model = read(cwd / "grid.png"), load_model(run)
    below = sheet.shape[0] // 2 + 2  # two rows that are alike, with 8 pixels between and 2 around them
    for row, caption in enumerate((RED, BLUE)):
        wanted = to_bytes(sample(model, 3, text=caption))
        for column in range(3):
            assert np.array_equal(cell(sheet, 2 + row * below, 2 + column * 66, 64), wanted[column])
    red, blue = (to_bytes(sample(model, 3, text=caption)).astype(int) for caption in (RED, BLUE))
    assert (red[..., 1] == blue[..., 1]).all(), "the pattern is that of the noise"
    assert (red[0] != red[1]).any()


def test_the_words_are_written_under_the_pictures(run: Path, here: Call, cwd: Path) -> None:
    for name, caption in (("short.png", "red"), ("long.png", "a picture, it is red. " * 12)):
        assert here("generate", "--text", caption, "-n", "2", "--out", name).code == 0
    short, long = read(cwd / "short.png"), read(cwd / "long.png")
    for sheet in (short, long):
        words = sheet[2 + 64 + 2 :]
        assert (words.min(), words.max()) == (32, 255), "dark letters on white"
        assert (words[..., 0] == words[..., 2]).all(), "and no picture"
    lines = (long.shape[0] - 68) / (short.shape[0] - 68)
    assert lines == pytest.approx(LINES, rel=0.2)


def test_eight_pictures_of_a_caption_go_into_the_run_under_its_name(run: Path, here: Call, cwd: Path) -> None:
    assert here("generate", "--text", "Ein Rot: a/b?").out == (
        "8 pictures in runs/toy-words/generated/ein-rot-a-b-n8-seed0.png\n"
    )
    assert here("generate", "--text", RED, "--text", BLUE, "--seed", "3", "--best").code == 2, "it has no best weights"
    assert "a-red-picture-and-1-more-n8-seed3.png" in here("generate", "--text", RED, "--text", BLUE, "--seed", "3").out
    assert read(cwd / run / "generated" / "ein-rot-a-b-n8-seed0.png").shape[1] == 8 * 66 + 2


def test_one_picture_each_stand_beside_each_other(run: Path, here: Call, cwd: Path) -> None:
    words = [word for caption in (RED, BLUE, "green", "white") for word in ("--text", caption)]
    assert here("generate", *words, "-n", "1", "--columns", "4", "--out", "grid.png").code == 0
    sheet, model = read(cwd / "grid.png"), load_model(run)
    for column, caption in enumerate((RED, BLUE, "green", "white")):
        wanted = to_bytes(sample(model, 1, text=caption))[0]
        assert np.array_equal(cell(sheet, 2, 2 + column * (128 + 8), 128), wanted)


def test_many_pictures_of_one_caption_are_a_square(run: Path, here: Call, cwd: Path) -> None:
    assert here("generate", "--text", RED, "-n", "30", "--out", "square.png").code == 0
    assert here("generate", "--text", RED, "-n", "30", "--columns", "10", "--out", "wide.png").code == 0
    assert read(cwd / "square.png").shape[1] == 6 * 66 + 2
    assert read(cwd / "wide.png").shape[1] == 10 * 66 + 2


def test_a_folder_of_files_is_a_data_set_with_captions(run: Path, here: Call, cwd: Path) -> None:
    (cwd / "captions.txt").write_bytes("\ufeffa red  picture\n\n# blue is no comment\na red picture\r\n".encode())
    answer = here("generate", "--texts", "captions.txt", "-n", "2", "--out", "made")
    assert answer.code == 0, answer.err
    assert answer.out == "2 pictures of each of 3 captions in made/, captions in made/captions.jsonl\n"
    names = {path.name for path in (cwd / "made").iterdir()}
    assert names == {
        *(f"a-red-picture-{n}.png" for n in (0, 1)),
        *(f"blue-is-no-comment-{n}.png" for n in (0, 1)),
        *(f"a-red-picture-2-{n}.png" for n in (0, 1)),
        "captions.jsonl",
    }
    data, model = open_path(cwd / "made", DataRequest(fields=("image", "text"))), load_model(run)
    columns = data.read(range(6))
    assert sorted(columns["text"]) == sorted([("a red picture",)] * 4 + [("# blue is no comment",)] * 2)
    for picture, (caption,) in zip(columns["image"], columns["text"], strict=True):
        wanted = to_bytes(sample(model, 2, text=caption)).transpose(0, 3, 1, 2)
        assert any(np.array_equal(picture, one) for one in wanted)


def test_without_captions_those_that_the_run_remembers_are_drawn(run: Path, here: Call, cwd: Path) -> None:
    answer = here("generate", "-n", "70", "--out", "made", "--seed", "2")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("70 pictures of captions that toy-words remembers in made/")
    rows = [json.loads(line) for line in (cwd / "made" / "captions.jsonl").read_text().splitlines()]
    known = open_run(run, get_registry()).data.examples
    assert [row["text"] for row in rows] == [known[number % len(known)] for number in range(70)]
    made = to_bytes(sample(load_model(run), 70, seed=2))
    for number in (0, 63, 64, 69):
        assert np.array_equal(read(cwd / "made" / f"{number:06d}.png"), made[number])
    assert here("generate").code == 0
    assert (cwd / run / "generated" / "n64-seed0.png").is_file()


def test_words_that_it_does_not_know_are_said_and_so_is_what_it_does_not_read(run: Path, here: Call) -> None:
    answer = here("generate", "--text", "a red xyzzy", "--text", "plugh xyzzy", "--text", "it is " * 7 + "blue")
    assert answer.code == 0
    unknown, unread = answer.err.splitlines()
    assert unknown == "ganzoo: unknown words: xyzzy, plugh; toy-words has never read them and guesses"
    assert unread == "ganzoo: too long: toy-words does not read the end of 1 of the captions (from 'it is blue' on)"


def test_the_end_of_one_caption_is_shortened_where_it_is_long(run: Path, here: Call) -> None:
    answer = here("generate", "--text", "it is " * 30, "-n", "1")
    start = ("it is " * 30)[: 60 - 3]
    assert answer.err == f"ganzoo: too long: toy-words does not read the end of the caption (from '{start}...' on)\n"


def test_a_caption_in_the_place_of_a_run_is_told_where_it_belongs(run: Path, here: Call) -> None:
    answer = here("generate", RED)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith("ganzoo: there is no run 'a red picture'")
    assert answer.err.endswith('to have that drawn: ganzoo generate --text "a red picture"\n')


def test_an_empty_caption_is_drawn_with_a_remark(run: Path, here: Call, cwd: Path) -> None:
    answer = here("generate", "--text", "", "-n", "2", "--out", "made")
    assert answer.code == 0
    assert answer.err == "ganzoo: an empty caption says nothing: toy-words draws what it likes\n"
    assert {path.name for path in (cwd / "made").glob("*.png")} == {"caption-0.png", "caption-1.png"}
    assert here("generate", "--text", "", "-n", "2", "--out", "made.png").code == 0


@pytest.mark.parametrize(
    ("words", "essentials"),
    [
        (("--text", "red", "--texts", "good.txt"), ("--text and --texts good.txt", "use one")),
        (("--texts", "god.txt"), ("--texts god.txt", "no such file", "did you mean good.txt?")),
        (("--texts", "runs"), ("--texts runs", "folder")),
        (("--texts", "empty.txt"), ("--texts empty.txt", "no caption in it", "one caption a line")),
        (("--texts", "latin.txt"), ("--texts latin.txt", "not UTF-8 (byte 3: 0xfc)", "iconv -f latin1 -t utf-8")),
        (("--texts", "picture.png"), ("--texts picture.png", "no text", "one caption a line")),
        (("--texts", "many.txt"), ("101 captions", "at most 100", "--out pictures/")),
        (("--texts", "many.txt", "--out", "a.png"), ("101 captions", "--out a/")),
        (("--text", "\udcff"), ("--text '\\udcff'", "not UTF-8", "--texts FILE")),
        (("--label", "red"), ("--label red", "reads captions", 'ganzoo generate runs/toy-words --text "red"')),
        (("--per-class", "3"), ("--per-class 3", "reads captions", "--text")),
        (("--input", "a.png"), ("--input a.png", "takes no pictures in")),
        (("--text", "red", "--out", "a.jpg"), ("--out a.jpg", "--out a.png")),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_type(
    words: tuple[str, ...], essentials: tuple[str, ...], run: Path, here: Call, cwd: Path
) -> None:
    (cwd / "good.txt").write_text("red\n")
    (cwd / "empty.txt").write_text(" \n\n")
    (cwd / "latin.txt").write_bytes("grün\n".encode("latin1").replace(b"gr\xfc", b"gr \xfc"))
    (cwd / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (cwd / "many.txt").write_text("red\n" * 101)
    answer = here("generate", str(run), *words)
    assert (answer.code, answer.out) == (2, ""), answer
    (line,) = answer.err.splitlines()
    assert all(word in line for word in essentials), line


@pytest.mark.parametrize(("name", "instead"), [("vanilla", "-n 64"), ("cgan", "--label NAME")])
def test_captions_for_a_model_that_reads_none_are_refused(
    name: str, instead: str, train: Callable[[str], Path], here: Call
) -> None:
    train(name)
    for words in (("--text", ""), ("--texts", "captions.txt")):
        answer = here("generate", *words)
        assert answer.code == 2
        (line,) = answer.err.splitlines()
        assert "reads no captions" in line
        assert line.endswith(f"try: ganzoo generate runs/{name} {instead}")


def test_what_is_there_is_not_overwritten_unasked(run: Path, here: Call) -> None:
    for out in ("grid.png", "folder"):
        assert here("generate", "--text", RED, "-n", "1", "--out", out).code == 0
        refused = here("generate", "--text", BLUE, "-n", "1", "--out", out)
        assert (refused.code, "--overwrite" in refused.err) == (2, True), "another caption, the same captions.jsonl"
        assert here("generate", "--text", BLUE, "-n", "1", "--out", out, "--overwrite").code == 0


def test_file_names_are_safe_and_no_two_are_alike() -> None:
    captions = ["A red star", "a RED star!", "a red star 2", "../../etc/passwd", "", "漢字", "Ünïcode", "word " * 40]
    names = file_names(captions, 10)
    assert len(set(names)) == len(names) == 80
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") and len(name) < 80 for name in names)
    assert names[10] == "a-red-star-2-0.png"
    assert names[20] == "a-red-star-2-2-0.png"
    assert slug("Ünïcode") == "unicode"


# --- captions in pictures ---------------------------------------------------------------------------------------------


def test_a_caption_is_broken_between_words_and_ends_in_an_ellipsis_where_it_is_too_long() -> None:
    assert wrapped("one two three", 7, len) == ["one two", "three"]
    assert wrapped("one twothree four", 6, len) == ["one", "twothr", "ee", "four"]
    assert wrapped("", 7, len) == []
    long = wrapped("one two three four five six", 7, len, most=2)
    assert long == ["one two", "three…"]
    assert all(len(line) <= 7 for line in wrapped("abcdefghijklmnopqrstuvwxyz", 7, len, most=3))
    assert "".join(wrapped("abcdefghijklmnopqrstuvwxyz", 7, len)) == "abcdefghijklmnopqrstuvwxyz"


def test_letters_that_the_font_has_not_are_written_without_their_accents() -> None:
    font = ImageFont.load_default(12)
    assert drawable("plain ASCII, 3-D!", font) == "plain ASCII, 3-D!"
    assert drawable("Café – naïve", font) in ("Cafe - naive", "Café – naïve"), "as far as the font goes"
    assert drawable("a\x07b\nc", font) == "a b c"
    assert len(drawable("漢", font)) == 1


def test_groups_of_pictures_are_whole_and_grey_stays_grey() -> None:
    generator = np.random.default_rng(0)
    members = [list(generator.integers(0, 256, (3, 40, 40, 1), dtype=np.uint8)) for _ in range(5)]
    sheet = captioned(members, ["one", "", "three " * 9, "four", "five"], columns=2)
    assert sheet.shape[2] == 1
    wide = 3 * 42 - 2
    assert wide >= 124
    wide = 3 * 82 - 2  # 124 pixels are too few for words, so they are enlarged
    assert sheet.shape[1] == 2 * (wide + 8) - 8 + 4
    for row, index in ((0, 0), (0, 1)):
        for place, picture in enumerate(members[index]):
            found = cell(sheet, 2 + row, 2 + index * (wide + 8) + place * 82, 80, size=40)
            assert np.array_equal(found, picture)


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_run_shows_and_remembers_captions_that_were_held_out(zoo: Registry, here: Call, cwd: Path) -> None:
    words = ("--data", "toy-captions", "--steps", "2", "--run", "made", "--set", "samples=4", "--device", "cpu")
    answer = here("train", "toy-words", *words)
    assert answer.code == 0, answer.err
    assert 'next: ganzoo generate made --text "a red picture"' in answer.out
    test = held_out()
    rows = [0, 2, 4, 6]
    captions = captions_of(test, rows)
    remembered = open_run(cwd / "made", zoo).data.examples
    assert remembered == tuple(dict.fromkeys(captions_of(test, range(len(test)))))
    assert any("(test)" in caption for caption in remembered)
    assert not any("(train)" in caption for caption in remembered)
    sheet = read(cwd / "made" / "samples" / "step-0000002.png")
    truth = test.read(rows)["image"].transpose(0, 2, 3, 1)
    made = [cell(sheet, 2, 2, 64), cell(sheet, 2, 2 + 130 + 8, 64)]
    assert [int(np.argmax(picture.mean((0, 1)))) for picture in made] == [0, 2], "red, blue"
    assert np.array_equal(cell(sheet, 2, 2 + 66, 64), truth[0]), "the real picture stands beside it"
    assert np.array_equal(cell(sheet, 2, 2 + 130 + 8 + 66, 64), truth[1])
    assert np.array_equal(
        sheet[2:66],
        captioned([[picture, real] for picture, real in zip(_drawn(sheet), truth, strict=True)], captions)[2:66],
    )


def _drawn(sheet: Pixels) -> list[Pixels]:
    """The four pictures of a grid of two rows of pairs."""
    below = 2 + (sheet.shape[0] - 4 - 8) // 2 + 8
    return [cell(sheet, top, left, 64) for top in (2, below) for left in (2, 2 + 138)]


def test_the_model_card_says_how_to_draw_a_caption(run: Path) -> None:
    card = (run / "README.md").read_text()
    assert "pipeline_tag: text-to-image" in card
    assert 'ganzoo generate PATH_OF_THIS_FOLDER --text "a red picture" -n 8' in card


def test_a_run_of_before_remembers_nothing_and_says_so(run: Path, here: Call) -> None:
    document = json.loads((run / "config.json").read_text())
    for field in document["data"]["fields"]:
        del field["examples"]
    (run / "config.json").write_text(json.dumps(document))
    answer = here("generate")
    assert answer.code == 2
    assert answer.err.endswith('say what to draw: ganzoo generate runs/toy-words --text "..."\n')
    assert here("generate", "--text", RED).code == 0
    with pytest.raises(UserError, match="remembers none"):
        sample(load_model(run), 1)


def test_a_process_of_its_own_trains_goes_on_and_draws(zoo: Registry, process: Call, cwd: Path) -> None:
    path = os.pathsep.join([os.environ["PYTHONPATH"], str(Path(__file__).parent)])
    words = ("--data", "toy-captions", "--device", "cpu", "--set", "eval_count=50")
    done = process("train", "toy-words", *words, "--steps", "2", "--run", "made", PYTHONPATH=path)
    assert done.code == 0, done.err
    done = process("train", "--resume", "made", "--steps", "4", PYTHONPATH=path)
    assert done.code == 0, done.err
    done = process("generate", "made", "--text", RED, "-n", "2", "--out", "red.png", PYTHONPATH=path)
    assert (done.code, done.err) == (0, "")
    assert read(cwd / "red.png").shape[1] == 2 * 66 + 2


def test_a_bill_can_be_had(zoo: Registry, here: Call) -> None:
    answer = here("train", "toy-words", "--data", "toy-captions", "--plan", "--json", "--device", "cpu")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["parameters"] == {"generator": toys_text.LATENT * toys_text.SIZE**2}


# --- captions of data -------------------------------------------------------------------------------------------------


def test_over_many_rows_every_phrasing_is_as_often_whichever_rows_are_taken() -> None:
    texts = ("a", "b", "c", "d", "e")
    for step in (1, 2, 5, 20, 100):
        found = [one_of(row, texts) for row in range(0, 2000 * step, step)]
        counts = [found.count(text) / len(found) for text in texts]
        assert max(counts) < 0.22
        assert min(counts) > 0.18
    assert [one_of(7, texts)] * 3 == [one_of(7, texts) for _ in range(3)]
    assert spread(10, 5) == [0, 2, 4, 6, 8]
    assert spread(3, 5) == [0, 1, 2]


def test_sampling_from_python_takes_one_caption_or_one_for_each(run: Path) -> None:
    model = ganzoo.load_model(run)
    red, blue = (ganzoo.sample(model, 3, text=caption) for caption in (RED, BLUE))
    mixed = ganzoo.sample(model, 3, text=[RED, BLUE, RED])
    assert torch.equal(mixed, torch.stack([red[0], blue[1], red[2]]))


# --- evaluation -------------------------------------------------------------------------------------------------------


@pytest.fixture
def report(here: Call) -> Callable[..., dict[str, Any]]:
    """What `ganzoo eval --json` says, the rows by name and their estimates by metric."""

    def ask(*words: str) -> dict[str, Any]:
        answer = here("eval", *words, "--json")
        assert answer.code == 0, answer.err
        document: dict[str, Any] = json.loads(answer.out)
        for row in document["rows"]:
            row["estimates"] = {found["metric"]: found for found in row["estimates"]}
        document["rows"] = {row["name"]: row for row in document["rows"]}
        return document

    return ask


def test_pictures_are_made_from_held_out_captions_and_the_passport_says_so(
    run: Path, report: Callable[..., dict[str, Any]]
) -> None:
    found = report("--metrics", "kid,toy_obedience", "-n", "8")
    row = found["rows"]["toy-words"]
    assert row["facts"]["captions"] == "toy-captions (test), held out"
    wanted = captions_for(DataPictures(held_out(), "toy-captions (test)"), None, "", held_out().spec, 8)
    assert "pictures are made from 8 captions of toy-captions (test), held out" in found["reference"]
    assert wanted.content in found["reference"]
    keys = set()
    for name in ("toy-words", "real, held out", "one picture"):
        estimate = found["rows"][name]["estimates"]["kid"]
        assert estimate["passport"]["protocol"]["captions"] == wanted.content
        keys.add(estimate["passport"]["key"])
    assert len(keys) == 1, "they can be compared"


def test_a_metric_reads_what_was_asked_for_in_words(run: Path, report: Callable[..., dict[str, Any]]) -> None:
    found = report("--metrics", "toy_obedience", "-n", "8")
    values = {name: row["estimates"]["toy_obedience"] for name, row in found["rows"].items()}
    assert values["toy-words"]["value"] == 1, "the toy does what it is told"
    assert values["real, held out"]["value"] == 1
    assert values["training copies"]["value"] == 1
    assert values["one picture"]["value"] == 0.25, "right for one caption in four"
    assert values["Gaussian pixels"]["value"] is None
    assert values["Gaussian pixels"]["note"] == "nobody knows the captions of these pictures"


def test_what_was_measured_of_captions_is_not_taken_for_that_of_others(
    run: Path, report: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--metrics", "toy_obedience", "-n", "8")
    assert report(*words)["rows"]["real, held out"]["estimates"]["toy_obedience"]["value"] == 1
    whole = toys_text.load

    def exchanged(request: DataRequest) -> ArrayData:
        data = whole(request)
        return ArrayData(data.spec, {**data.columns, "text": data.columns["text"][1:] + data.columns["text"][:1]})

    monkeypatch.setattr(toys_text, "load", exchanged)
    assert report(*words)["rows"]["real, held out"]["estimates"]["toy_obedience"]["value"] == 0


def test_the_page_shows_captions_under_pictures_and_both_panels(run: Path, here: Call, cwd: Path) -> None:
    answer = here("eval", "--metrics", "kid", "--no-controls", "-n", "8")
    assert answer.code == 0, answer.err
    page = (cwd / run / "evaluation" / "report.html").read_text()
    assert "toy-words: the same caption, 8 times" in page
    assert "toy-words: the same noise, 7 captions" in page  # of eight that were held out two are the same
    assert "captions toy-captions (test), held out" in page


def test_latency_and_path_length_are_those_of_captions_that_the_run_remembers(
    run: Path, report: Callable[..., dict[str, Any]]
) -> None:
    found = report("--metrics", "latency,throughput,ppl", "--no-controls")["rows"]["toy-words"]["estimates"]
    assert all(found[name]["value"] > 0 for name in ("latency", "throughput", "ppl"))


def test_while_it_trains_it_is_measured_by_held_out_captions(zoo: Registry, here: Call, cwd: Path) -> None:
    words = ("--data", "toy-captions", "--steps", "2", "--run", "made", "--device", "cpu")
    answer = here("train", "toy-words", *words, "--set", "eval_every=2", "--set", "eval_count=8")
    assert answer.code == 0, answer.err
    (line,) = (json.loads(text) for text in (cwd / "made" / "evaluations.jsonl").read_text().splitlines())
    wanted = captions_for(DataPictures(held_out(), "toy-captions (test)"), None, "", held_out().spec, 8)
    protocols = [found["passport"]["protocol"] for found in line["estimates"]]
    assert {protocol["captions"] for protocol in protocols} == {wanted.content}


def test_where_nothing_has_captions_they_are_what_the_run_remembers(
    run: Path, report: Callable[..., dict[str, Any]], cwd: Path
) -> None:
    for number, picture in enumerate(held_out().columns["image"]):
        (cwd / "plain").mkdir(exist_ok=True)
        Image.fromarray(picture.transpose(1, 2, 0)).save(cwd / "plain" / f"{number}.png")
    found = report("--real", "plain", "--metrics", "kid", "--no-controls", "-n", "6")
    assert found["rows"]["toy-words"]["facts"]["captions"] == "toy-captions, as toy-words remembers them"


def test_captions_come_again_where_there_are_too_few(zoo: Registry) -> None:
    pictures = DataPictures(held_out(), "toy")
    several = captions_for(pictures, None, "", pictures.data.spec, 20)
    assert several.texts[:8] == several.texts[8:16] == tuple(captions_of(held_out(), range(8)))
    assert set(captions_for(pictures, None, "", pictures.data.spec, 4).texts) <= set(several.texts)
    assert "of them different" in several.sentence
    bare = DataSpec(name="bare", split="train", count=1, fields=(Field(name="image", kind="image", size=8),))
    with pytest.raises(UserError, match="reads captions, and there are none"):
        captions_for(None, None, "run", bare, 4)


def test_one_picture_over_and_over_is_asked_for_every_caption() -> None:
    pictures = DataPictures(held_out(), "toy")
    texts = [text for block in Repeated(pictures, "one", 70).blocks(0, 70) for text in block.text or ()]
    there = captions_of(held_out(), range(8))
    assert texts == [there[number % 8] for number in range(70)]


def test_a_run_is_measured_beside_one_that_reads_no_captions(
    train: Callable[[str], Path], tiny_run: TinyRuns, zoo: Registry, report: Callable[..., dict[str, Any]], cwd: Path
) -> None:
    train("toy-words")
    other = tiny_run("vanilla", data="toy-captions", folder=cwd / "runs" / "vanilla", registry=zoo)
    other.trainer.run()
    found = report("toy-words", "vanilla", "--metrics", "kid,toy_obedience", "--no-controls", "-n", "8")["rows"]
    assert len({row["estimates"]["kid"]["passport"]["key"] for row in found.values()}) == 1
    assert found["vanilla"]["estimates"]["toy_obedience"]["note"] == "nobody knows the captions of these pictures"
    assert build_model(zoo.architectures["vanilla"], other.run.settings, other.run.data).takes == ()
