"""`ganzoo eval` word by word: every option, every mistake in one, and what is printed where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Answer, TinyRuns
from PIL import Image

from ganzoo.cli import main
from ganzoo.registry import Registry
from ganzoo_evaluation.presets import PRESETS

Ask = Callable[..., Answer]
RUN = "small"
QUICK = ("--no-controls", "-n", "64")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    """Runs on two data sets at two sizes, one on a folder, and a cache; the newest run is `small`."""
    root = tmp_path_factory.mktemp("command")
    rng = np.random.default_rng(0)
    (root / "pictures").mkdir()
    for number, picture in enumerate(rng.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)):
        Image.fromarray(picture).save(root / f"pictures/{number:02}.png")
    runs = TinyRuns(root / "runs", registry)
    made = {
        "emoji": runs("vanilla", data="emoji-flat", steps=1, eval_every=0, size=16),
        "folder": runs("vanilla", data=str(root / "pictures"), steps=1, eval_every=0),
        "larger": runs("vanilla", steps=1, eval_every=0, size=32),
        RUN: runs("vanilla", steps=1, eval_every=0, size=28),
    }
    for name, tiny in made.items():
        tiny.trainer.run()
        tiny.run.folder.rename(root / "runs" / name)
    return root


@pytest.fixture
def ask(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """`ganzoo eval` beside the runs."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("GANZOO_CACHE", str(place / "cache"))
    monkeypatch.delenv("GANZOO_INCEPTION_WEIGHTS", raising=False)

    def call(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["eval", *map(str, words)])
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return call


def report_of(ask: Ask, *words: object) -> dict[str, Any]:
    answer = ask(*words, *QUICK, "--json")
    assert answer.code == 0, answer.err
    report: dict[str, Any] = json.loads(answer.out)
    return report


def mistake(ask: Ask, *words: object) -> str:
    """What is said of a mistake, which is all that is said."""
    answer = ask(*words)
    assert (answer.code, answer.out) == (2, ""), answer
    assert answer.err.startswith("ganzoo: ")
    return answer.err


# --- what is measured -------------------------------------------------------------------------------------------------


def test_the_newest_run_is_meant_when_none_is_named(ask: Ask) -> None:
    report = report_of(ask, "--metrics", "sharpness")
    assert [row["name"] for row in report["rows"]] == [RUN]
    assert report["reference"].startswith("5,000 pictures of fashion")


@pytest.mark.parametrize("word", [RUN, f"runs/{RUN}"])
def test_a_run_is_named_by_its_name_or_its_folder(word: str, ask: Ask) -> None:
    assert report_of(ask, word, "--metrics", "sharpness")["rows"][0]["name"] == RUN


def test_where_there_are_no_runs_a_command_that_makes_one_is_shown(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there are no runs in runs/ yet; make one: ganzoo train" in mistake(ask)


def test_a_misspelt_run_is_met_with_its_neighbour(ask: Ask) -> None:
    assert "there is no run 'smal' (did you mean 'small'?)" in mistake(ask, "smal")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("runs", "runs holds runs and no samples; name one: ganzoo eval runs/"),
        (f"runs/{RUN}/samples", f"holds grids of many pictures each; measure the run itself: ganzoo eval runs/{RUN}"),
        (f"runs/{RUN}/model.safetensors", f"is a file of a run; measure the run itself: ganzoo eval runs/{RUN}"),
    ],
)
def test_what_lies_around_a_run_is_no_set_of_samples(word: str, says: str, ask: Ask) -> None:
    assert says in mistake(ask, word, "--real", "fashion")


def test_a_run_without_weights_or_with_damaged_ones_is_named(ask: Ask, place: Path) -> None:
    for name in ("new", "damaged"):
        shutil.copytree(place / "runs" / RUN, place / name)
    (place / "new/model.safetensors").unlink()
    assert "new has no model.safetensors yet; train it: ganzoo train --resume new" in mistake(ask, "new")
    weights = place / "damaged/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "damaged/model.safetensors cannot be read" in mistake(ask, "damaged", "--metrics", "sharpness")


def test_data_that_have_moved_are_named_and_can_be_given(ask: Ask, place: Path) -> None:
    shutil.copytree(place / "runs/folder", place / "moved")
    config = json.loads((place / "moved/config.json").read_text())
    config["data"]["source"] = str(place / "gone")
    (place / "moved/config.json").write_text(json.dumps(config))
    said = mistake(ask, "moved")
    assert f"moved was trained on {place / 'gone'}, which is not there any more" in said
    assert "ganzoo eval moved --real NAME" in said
    report = report_of(ask, "moved", "--real", "pictures", "--metrics", "sharpness")
    assert report["reference"].startswith("60 pictures of pictures")


def test_data_that_have_changed_since_the_training_are_remarked_on(ask: Ask, place: Path) -> None:
    shutil.copytree(place / "runs/folder", place / "changed")
    config = json.loads((place / "changed/config.json").read_text())
    config["data"]["fingerprint"] = "0" * 64
    (place / "changed/config.json").write_text(json.dumps(config))
    remarks = report_of(ask, "changed", "--metrics", "sharpness")["remarks"]
    assert any("has changed since changed was trained on it" in remark for remark in remarks)


def test_runs_of_unlike_data_need_a_reference_and_the_command_is_shown(ask: Ask) -> None:
    said = mistake(ask, RUN, "larger")
    assert "small: fashion at 28 px; larger: fashion at 32 px" in said
    assert "ganzoo eval small larger --real fashion" in said
    assert "--real NAME" in mistake(ask, RUN, "emoji")


def test_several_runs_stand_in_one_table_whatever_their_order(ask: Ask) -> None:
    one = report_of(ask, RUN, "larger", "--real", "fashion", "--metrics", "kid")
    other = report_of(ask, "larger", RUN, "--real", "fashion", "--metrics", "kid")
    keys = {row["estimates"][0]["passport"]["key"] for report in (one, other) for row in report["rows"]}
    assert len(keys) == 1
    assert [row["name"] for row in one["rows"]] == [RUN, "larger"]
    by_name = [{row["name"]: row["estimates"][0]["value"] for row in report["rows"]} for report in (one, other)]
    assert by_name[0] == by_name[1]
    assert any(remark.startswith("larger: its pictures are 32 x 32") for remark in one["remarks"])


def test_naming_a_runs_own_data_changes_nothing(ask: Ask) -> None:
    """Its own data are at the size that it was trained at, also where that is not theirs."""
    for run in (RUN, "larger"):
        plain = report_of(ask, run, "--metrics", "sharpness,authpct")
        named = report_of(ask, run, "--real", "fashion", "--metrics", "sharpness,authpct")
        assert named["rows"] == plain["rows"]


def test_a_run_and_its_folder_of_real_pictures_are_found_to_belong_together(ask: Ask) -> None:
    found = report_of(ask, "folder", "--real", "pictures", "--metrics", "authpct")["rows"][0]["estimates"][0]
    assert found["value"] is not None
    other = report_of(ask, "emoji", "--real", "pictures", "--metrics", "authpct")["rows"][0]["estimates"][0]
    assert other["value"] is None


# --- the reference ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("fashio", "no data set, folder, zip or .npz of that name (did you mean 'fashion'"),
        ("fashion:boots", "fashion has no subset 'boots'; it has t-shirt"),
        ("emoji-flat:smiley", "emoji-flat has no subset 'smiley' (did you mean 'smileys'?)"),
        ("nosuch.npz", "--real nosuch.npz: there is no such file"),
        ("no/such/folder", "--real no/such/folder: no data set, folder, zip or .npz"),
        (f"runs/{RUN}", "is a run; real pictures are expected"),
        (RUN, "is a run; real pictures are expected"),
        ("", "--real : no data set, folder, zip or .npz"),
    ],
)
def test_a_reference_that_cannot_be_had_is_a_mistake(word: str, says: str, ask: Ask) -> None:
    assert says in mistake(ask, RUN, "--real", word)


def test_a_part_of_a_data_set_can_be_the_reference(ask: Ask) -> None:
    assert report_of(ask, RUN, "--real", "fashion:bag", "--metrics", "sharpness")["reference"].startswith("500 pict")


def test_coloured_real_pictures_beside_grey_generated_ones_are_remarked_on(ask: Ask) -> None:
    remarks = report_of(ask, RUN, "--real", "emoji-flat", "--metrics", "sharpness")["remarks"]
    assert "small: its pictures are grey, the real ones have 3 channels" in remarks


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--metrics", "fdd"), "--metrics fdd: no such metric (did you mean 'fd' or 'fid'?)"),
        (("--metrics", "fd,fd"), "--metrics fd: fd is there twice"),
        (("--metrics", "fd[fashionnet],fd[efflite0]"), "fd is there twice"),
        (("--metrics", ","), '--metrics "," names none; for example --metrics fd,kid'),
        (("--metrics", ""), '--metrics "" names none'),
        (("--metrics", "kid[efflite0"), "--metrics kid[efflite0: expected METRIC or METRIC[NETWORK]"),
        (("--metrics", "kid[]"), "--metrics kid[]: expected METRIC or METRIC[NETWORK]"),
        (("--metrics", "sharpness[efflite0]"), "sharpness looks through no network: --metrics sharpness"),
        (("--metrics", "kid[efflite]"), "efflite: no such feature network (did you mean 'efflite0'?)"),
        (("--metrics", "fd", "--features", "fashion"), "fashion: no such feature network (did you mean 'fashionnet'?)"),
        (("--metrics", "fd", "--features", "timm:nosuch", "--offline"), "timm has no model 'nosuch'"),
        (("--metrics", "fid", "--offline"), "inception-2015 needs its weights: give the file with --weights PATH"),
        (("--metrics", "fid", "--weights", "nosuch.pt"), "--weights nosuch.pt: there is no such file"),
        (("--metrics", "fid", "--weights", "empty.pt"), "empty.pt: not a state dict that torch.load accepts"),
        (("--metrics", "fd", "--weights", "empty.pt"), "fashionnet carries its weights with it"),
        (("--metrics", "fd", "--resize", "nosuch"), "fashionnet has no resize 'nosuch'"),
        (("--as", "pytorch_fid"), "--as pytorch_fid: no such preset (did you mean 'pytorch-fid' or"),
        (("--as", "clean-fid", "--offline"), "inception-2015 needs its weights"),
        (("--device", "tpu"), "--device tpu: expected auto, cpu, cuda or cuda:N"),
        (("--seeds", "3"), "--seeds 3 goes with --compare ARCH"),
        (("--doctor", "--compare", "x"), "--doctor looks at pictures and compares nothing"),
        (("--fail-if", "fd"), '--fail-if "fd": expected METRIC>NUMBER or METRIC<NUMBER'),
        (("--fail-if", "fd>much"), '--fail-if "fd>much": expected METRIC>NUMBER'),
        (("--fail-if", "fdd>3"), '--fail-if "fdd>3": no such metric (did you mean'),
        (("--html", "pictures"), "--html pictures is a folder; expected the name of a file in it"),
        (("--markdown", "empty.pt/report.md"), "--markdown empty.pt/report.md: "),
        (("--save-stats", "stats"), "--save-stats stats: expected a name that ends in .npz: --save-stats stats.npz"),
    ],
)
def test_a_mistake_in_an_option_is_named_with_what_to_type_instead(
    words: tuple[str, ...], says: str, ask: Ask, place: Path
) -> None:
    (place / "empty.pt").touch()
    assert says in mistake(ask, RUN, *words, *QUICK)


@pytest.mark.parametrize("words", [("-n", "1"), ("--truncation", "0"), ("--seed", "-1"), ("--precision", "fp8")])
def test_numbers_out_of_range_are_refused_by_name(words: tuple[str, str], ask: Ask) -> None:
    answer = ask(RUN, *words)
    assert answer.code == 2
    assert words[0] in answer.err


def test_every_mistake_in_the_metrics_is_said_at_once(ask: Ask) -> None:
    said = mistake(ask, RUN, "--metrics", "fdd,nosuch,kid")
    assert said.count("no such metric") == 2


def test_a_metric_may_name_its_network(ask: Ask) -> None:
    report = report_of(ask, "folder", "--metrics", "kid[fashionnet],sharpness")
    assert [e["name"] for e in report["rows"][0]["estimates"]] == ["kid[fashionnet]@64", "sharpness@64"]


def test_a_metric_that_makes_no_sense_here_is_a_dash_with_the_reason(ask: Ask) -> None:
    answer = ask(RUN, "--metrics", "psnr", *QUICK)
    assert answer.code == 0
    assert "– [1]" in answer.out


def test_without_controls_there_are_only_models(ask: Ask) -> None:
    words = (RUN, "--real", "pictures", "--metrics", "sharpness", "-n", 64, "--json")
    kinds = [{row["kind"] for row in json.loads(ask(*words, *more).out)["rows"]} for more in ((), ("--no-controls",))]
    assert kinds == [{"model", "control"}, {"model"}]


def test_json_is_all_of_stdout_and_warnings_go_elsewhere(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))  # which gives a warning
    answer = ask(RUN, "--real", "pictures", "--metrics", "sharpness", *QUICK, "--json", "--fail-if", "sharpness>=0")
    assert json.loads(answer.out)["format"] == "ganzoo-evaluation-1"
    assert "ganzoo: warning:" in answer.err
    assert answer.code == 1


def test_the_report_lies_in_the_run_and_where_it_was_asked_for(ask: Ask, place: Path) -> None:
    folder = place / "runs" / RUN / "evaluation"
    shutil.rmtree(folder, ignore_errors=True)
    words = (RUN, "--metrics", "sharpness", *QUICK)
    answer = ask(*words)
    assert answer.out.splitlines()[-1] == f"page: runs/{RUN}/evaluation/report.html"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.md"]
    shutil.rmtree(folder)
    answer = ask(*words, "--html", "new/page.html", "--markdown", "new/er/table.md")
    assert answer.out.splitlines()[-1] == "page: new/page.html"
    assert "sharpness@64" in (place / "new/page.html").read_text(encoding="utf-8")
    assert "`sharpness@64`" in (place / "new/er/table.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md"]


def test_a_folder_of_pictures_is_left_as_it_was(ask: Ask, place: Path) -> None:
    before = sorted(path.name for path in (place / "pictures").iterdir())
    assert ask("pictures", "--real", "emoji-flat", "--metrics", "sharpness", *QUICK).code == 0
    assert sorted(path.name for path in (place / "pictures").iterdir()) == before


@pytest.mark.parametrize(
    ("rule", "code", "says"),
    [
        ("sharpness<1000000", 1, "which is < 1e+06"),
        ("sharpness@64>=0", 1, "which is >= 0"),
        ("sharpness>1e6", 0, ""),
        ("sharpness<0", 0, ""),
        ("sharpness@128>0", 1, "no row has sharpness@128, so nobody knows"),
        ("fid>0", 1, "no row has fid, so nobody knows"),
        ("psnr>0", 1, "no row has psnr, so nobody knows"),
    ],
)
def test_a_rule_decides_the_exit_code(rule: str, code: int, says: str, ask: Ask) -> None:
    answer = ask(RUN, "--real", "pictures", "--metrics", "sharpness,psnr", *QUICK, "--fail-if", rule)
    assert answer.code == code
    assert says in answer.err
    assert "sharpness@64" in answer.out  # the table is printed all the same


def test_statistics_are_saved_only_where_features_were_looked_at(ask: Ask) -> None:
    answer = ask(RUN, "--real", "pictures", "--metrics", "sharpness", *QUICK, "--save-stats", "stats.npz")
    assert answer.code == 2
    assert "--save-stats stats.npz: no features were looked at; add --metrics fd" in answer.err
    assert "sharpness@64" in answer.out


def test_doctor_looks_at_a_run(ask: Ask) -> None:
    answer = ask(RUN, "--doctor", "-n", 64)
    assert (answer.code, answer.out) == (0, "nothing looks wrong\n")


# --- lists ------------------------------------------------------------------------------------------------------------


def test_the_list_names_every_metric_network_and_preset(ask: Ask, registry: Registry) -> None:
    document = json.loads(ask("--list", "--json").out)
    assert [entry["name"] for entry in document["metrics"]] == list(registry.metrics)
    assert [entry["name"] for entry in document["features"]] == list(registry.features)
    assert [entry["name"] for entry in document["presets"]] == list(PRESETS)
    told = ask("--list").out
    assert all(name in told for name in [*registry.metrics, *registry.features, *PRESETS])


# --- a terminal -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("script") is None, reason="needs script(1) for a terminal")
def test_a_bar_moves_on_a_terminal_and_goes_away(place: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m ganzoo eval {RUN} --real pictures --metrics fd -n 64 --features fashionnet"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=place,
        env={**os.environ, "GANZOO_CACHE": str(tmp_path), "TERM": "xterm", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    for what in ("decoding pictures", "hashing pictures", RUN):
        assert what in done.stdout
    assert "\x1b[2K" in done.stdout  # the bar's line is wiped
