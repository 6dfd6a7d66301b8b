"""The command `ganzoo export`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Answer, TinyRuns
from proof import leftovers
from safetensors.torch import load_file

import ganzoo
from ganzoo.export.formats import ABOUT
from ganzoo.modelcard import model_card
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import Score, Scores, open_run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, which no test changes."""
    runs = TinyRuns(tmp_path_factory.mktemp("export"), get_registry())
    tiny = runs("vanilla", steps=3)
    tiny.trainer.run()
    return tiny.run.folder


@pytest.fixture
def run(trained: Path, cwd: Path) -> Path:
    """A copy of it under runs/ of the working directory."""
    (cwd / "runs").mkdir()
    return Path(shutil.copytree(trained, cwd / "runs" / "mine"))


USE = """
import sys
sys.modules["ganzoo"] = None
import torch
program = torch.export.load(sys.argv[1])
torch.save([*program.example_inputs[0], program.module()(*program.example_inputs[0])], sys.argv[2])
"""


def test_torch_alone_draws_the_same_pictures(run: Path, here: Callable[..., Answer], cwd: Path) -> None:
    answer = here("export", "mine", "--out", "it.pt2")
    assert answer.code == 0, answer.err
    assert "z (batch, 8) -> image (batch, 1, 28, 28)" in answer.out
    assert "parity: at most" in answer.out
    subprocess.run([sys.executable, "-c", USE, "it.pt2", "made.pt"], cwd=cwd, check=True)
    z, pictures = torch.load(cwd / "made.pt", weights_only=True)
    with torch.no_grad():
        wanted = ganzoo.load_model(run).generate({"z": z})
    torch.testing.assert_close(pictures, wanted, rtol=0, atol=1e-4)


def test_a_file_says_what_it_was_made_of(run: Path, here: Callable[..., Answer]) -> None:
    facts = json.loads(here("export", "mine", "--json").out)
    path = Path(facts["path"])
    assert path == Path("runs/mine/export/mine.pt2")
    assert path.stat().st_size == facts["bytes"]
    assert facts["parity"]["max_difference"] <= facts["parity"]["tolerance"]
    told = {ABOUT: ""}
    torch.export.load(path, extra_files=told)
    about = json.loads(told[ABOUT])
    assert (about["architecture"], about["weights"], about["data"]) == ("vanilla", "final", "fashion")
    assert about["inputs"] == facts["inputs"]
    assert about["inputs"][0]["shape"] == ["batch", 8]


def test_the_code_of_the_page_runs(run: Path, registry: Registry, here: Callable[..., Answer], cwd: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/export.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    assert here("export", "--out", "model.pt2").code == 0
    names: dict[str, Any] = {"model": ganzoo.load_model(run), "task": registry.tasks.find("generation")}
    for block in blocks:
        exec(block, names)
    assert names["pictures"].shape == (2, 1, 28, 28)
    assert names["facts"]["architecture"] == "vanilla"


def test_what_is_there_is_replaced_only_when_asked(run: Path, here: Callable[..., Answer]) -> None:
    assert here("export").code == 0
    path = run / "export" / "mine.pt2"
    path.write_bytes(b"precious")
    refused = here("export")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert path.read_bytes() == b"precious"
    assert here("export", "--overwrite").code == 0
    assert path.stat().st_size > 1000


def test_an_export_that_differs_is_not_written(
    run: Path, here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganzoo_vanilla.model import VanillaGAN

    usual = VanillaGAN.generate
    monkeypatch.setattr(VanillaGAN, "generate", lambda self, inputs: usual(self, inputs) + torch.randn(1))
    answer = here("export")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    assert "nothing was written" in answer.err
    assert not list(run.rglob("*.pt2"))
    assert leftovers(run) == []


@pytest.mark.parametrize(
    ("words", "essentials"),
    [
        (("--out", "it.png"), ("it.png", ".pt2")),
        (("--out", "it.pt2", "--format", "onnx"), ("it.pt2", ".onnx")),
        (("--direction", "b2a"), ("takes no pictures in",)),
        (("--format", "safetensors", "--direction", "b2a"), ("--direction b2a", "leave it out")),
        (("--format", "safetensors", "--out", "it.safetensors"), ("it.safetensors", "folder")),
        (("--format", "safetensors", "--out", "runs/mine", "--overwrite"), ("runs/mine", "a run of its own")),
        (("--best",), ("best.safetensors", "eval_every")),
        (("--best", "--after", "warmup"), ("--best", "--after")),
        (("nosuch",), ("nosuch", "ganzoo runs")),
    ],
)
def test_mistakes_are_named_and_exit_with_2(
    words: tuple[str, ...], essentials: tuple[str, ...], run: Path, here: Callable[..., Answer], cwd: Path
) -> None:
    before = sorted(cwd.rglob("*.*"))
    answer = here("export", *words)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert all(word in answer.err for word in essentials), answer.err
    assert sorted(cwd.rglob("*.*")) == before


# --- ONNX -------------------------------------------------------------------------------------------------------------


def test_without_the_packages_a_person_is_told_which(
    run: Path, here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    answer = here("export", "--format", "onnx")
    assert answer.code == 2
    assert "onnx and onnxscript" in answer.err
    assert "pip install 'ganzoo[onnx]'" in answer.err


def test_onnx_agrees_and_has_the_names_of_the_interface(run: Path, here: Callable[..., Answer], cwd: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    answer = here("export", "--out", "it.onnx", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["parity"]["max_difference"] <= 1e-4
    graph = onnx.load(cwd / "it.onnx")
    (entry,), (made,) = graph.graph.input, graph.graph.output
    assert (entry.name, made.name) == ("z", "image")
    assert [dim.dim_param or dim.dim_value for dim in made.type.tensor_type.shape.dim] == ["batch", 1, 28, 28]
    about = json.loads({entry.key: entry.value for entry in graph.metadata_props}["ganzoo"])
    assert about["architecture"] == "vanilla"


# --- a folder for a hub -----------------------------------------------------------------------------------------------


def test_a_folder_for_a_hub_is_all_that_generating_needs(run: Path, here: Callable[..., Answer], cwd: Path) -> None:
    assert here("export", "--format", "safetensors", "--out", "hub").code == 0
    assert sorted(path.name for path in (cwd / "hub").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    one, other = load_file(run / "model.safetensors"), load_file(cwd / "hub" / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for folder, out in (("mine", "one.png"), ("hub", "other.png")):
        assert here("generate", folder, "-n", "4", "--out", out).code == 0
    assert (cwd / "one.png").read_bytes() == (cwd / "other.png").read_bytes()
    assert leftovers(cwd) == []


def test_a_folder_for_a_hub_does_not_tell_where_data_were(run: Path, here: Callable[..., Answer], cwd: Path) -> None:
    path = run / "config.json"
    document = json.loads(path.read_text())
    document["data"]["source"] = str(cwd / "holidays")
    path.write_text(json.dumps(document))
    assert here("export", "--format", "safetensors", "--out", "hub").code == 0
    written = json.loads((cwd / "hub" / "config.json").read_text())
    assert written["data"]["source"] == "holidays"
    assert str(cwd) not in "".join(
        file.read_text() for file in (cwd / "hub").iterdir() if file.suffix != ".safetensors"
    )
    assert written["settings"] == document["settings"]


def test_a_folder_with_something_in_it_is_left_alone(run: Path, here: Callable[..., Answer], cwd: Path) -> None:
    (cwd / "hub").mkdir()
    (cwd / "hub" / "README.md").write_text("mine")
    (cwd / "hub" / "notes.txt").write_text("notes")
    refused = here("export", "--format", "safetensors", "--out", "hub")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert (cwd / "hub" / "README.md").read_text() == "mine"
    assert here("export", "--format", "safetensors", "--out", "hub", "--overwrite").code == 0
    assert (cwd / "hub" / "README.md").read_text() != "mine"
    assert (cwd / "hub" / "notes.txt").read_text() == "notes"


def test_the_best_weights_take_their_score_with_them(run: Path, here: Callable[..., Answer], cwd: Path) -> None:
    weights = (run / "model.safetensors").read_bytes()
    (run / "best.safetensors").write_bytes(weights)
    scores = Scores(name="fd", key="k", better="lower", best=Score(step=2, value=1.5), final=Score(step=3, value=2.5))
    document = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**document, "evaluation": asdict(scores)}))
    assert here("export", "--format", "safetensors", "--best").code == 0
    folder = run / "export" / "mine-best"
    card = (folder / "README.md").read_text()
    assert "| best | 1.5 | 2 | `model.safetensors` |" in card
    assert "| final |" not in card
    assert "best.safetensors" not in card
    assert (folder / "model.safetensors").read_bytes() == weights


def test_the_card_of_a_run_still_has_both(run: Path, registry: Registry) -> None:
    opened = open_run(run, registry)
    card = registry.architectures[opened.architecture]
    score = Score(step=3, value=1.0)
    scores = Scores(name="fd", key="k", better="lower", best=score, final=score)
    text = model_card(opened, card, registry.tasks.find(card.task), 3, scores)
    assert "| best | 1 | 3 | `best.safetensors` (`ganzoo generate PATH --best`) |" in text
    assert "| final | 1 | 3 | `model.safetensors` |" in text
