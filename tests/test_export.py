"""`ganzoo export`: a model's way out as a program of torch's, as ONNX, and as a folder for a model hub."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Answer, TinyRuns
from proof import Bench, leftovers
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

import ganzoo
from ganzoo.config import Settings
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.noise import seed_globals
from ganzoo.export import NotExportable, Parity, content, parity, trace
from ganzoo.export.formats import ABOUT
from ganzoo.model import Model, SampleRequest
from ganzoo.modelcard import model_card
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import Score, Scores, open_run

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = sorted(get_registry().architectures)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_agrees_with_its_export(name: str, registry: Registry, tmp_path: Path) -> None:
    bench = Bench(registry, tmp_path)
    trainer = bench.trainer(bench.job(name))
    seed_globals(1, "moved")
    with torch.no_grad():  # away from what weights begin as, so that whatever is 0 or 1 there counts too
        for values in (*trainer.model.parameters(), *trainer.model.buffers()):
            if values.is_floating_point():
                values.add_(0.1 * torch.rand_like(values))
    modes = [module.training for module in trainer.model.modules()]
    found = parity(trainer.model, trainer.task)
    assert found.agrees, found
    assert "batch" in found.dynamic
    assert found.samples == 4
    assert [module.training for module in trainer.model.modules()] == modes


# --- small models of which everything is known ------------------------------------------------------------------------


def spec(**sizes: int) -> DataSpec:
    fields = tuple(Field(name=name, kind="image", channels=1, size=size) for name, size in sizes.items())
    return DataSpec(name="toy", split="train", count=8, fields=fields)


class Affine(Model):
    """Pictures are a matrix times z; the critic has no part in it."""

    def __init__(self, **sizes: int) -> None:
        super().__init__(Settings(), spec(**(sizes or {"image": 4})))
        self.generator = nn.Linear(3, 16)
        self.critic = nn.Linear(16, 1)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": request.noise.randn(3)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        pictures: Tensor = self.generator(inputs["z"])
        return pictures.unflatten(1, (1, 4, 4))


class Doubling(Affine):
    """Makes pictures twice as large, and takes those whose height and width 2 divides."""

    takes = ("low",)
    scale = 2
    multiple: int | None = 2

    def __init__(self) -> None:
        super().__init__(low=4, high=8)

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return dict(request.given)

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        height, width = inputs["low"].shape[2:]
        return interpolate(inputs["low"], size=(2 * height, 2 * width), mode="nearest")


def loaded(file: bytes) -> Callable[..., Any]:
    module: Callable[..., Any] = torch.export.load(io.BytesIO(file)).module()
    return module


def test_a_program_is_what_the_matrix_says_for_any_number_of_rows(registry: Registry) -> None:
    model = Affine()
    program = loaded(content(trace(model, registry.tasks.find("generation")), "pt2"))
    for count in (1, 5):
        z = torch.randn(count, 3)
        wanted = (z @ model.generator.weight.T + model.generator.bias).view(count, 1, 4, 4)
        torch.testing.assert_close(program(z), wanted)


def test_a_program_says_what_it_takes_and_gives(registry: Registry) -> None:
    interface = trace(Affine(), registry.tasks.find("generation")).interface
    assert str(interface) == "z (batch, 3) -> image (batch, 1, 4, 4)"
    assert (interface.inputs[0].dtype, interface.output.meaning) == ("float32", "pictures in [-1, 1]")
    assert interface.fixed == ""


def test_other_networks_and_names_of_files_stay_out(registry: Registry) -> None:
    program = trace(Affine(), registry.tasks.find("generation"))
    assert set(program.exported.state_dict) == {"model.generator.weight", "model.generator.bias"}
    file = content(program, "pt2")
    assert b"aten.linear" in file  # it can be read, and so could the names
    assert str(ROOT).encode() not in file


def test_pictures_of_any_size_stay_so(registry: Registry) -> None:
    traced = trace(Doubling(), registry.tasks.find("super-resolution"))
    assert str(traced.interface) == "low (batch, 1, height, width) -> high (batch, 1, 2*height, 2*width)"
    assert traced.interface.sizes["height"] == "pixels, from 4 up, in steps of 2"
    program = loaded(content(traced, "pt2"))
    small = torch.rand(1, 1, 6, 10)
    torch.testing.assert_close(program(small), small.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_pictures_of_one_size_stay_so(registry: Registry) -> None:
    model = Doubling()
    model.multiple = None
    interface = trace(model, registry.tasks.find("super-resolution")).interface
    assert str(interface) == "low (batch, 1, 4, 4) -> high (batch, 1, 8, 8)"
    assert "one size" in interface.fixed


def test_noise_that_grows_with_the_picture_fixes_its_size_and_is_named(registry: Registry) -> None:
    class Noisy(Doubling):
        def inputs(self, request: SampleRequest) -> dict[str, Any]:
            low = request.given["low"]
            return {"low": low, "grain": request.noise.rand(low[0].numel(), stream="grain")}

        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            return super().generate({"low": inputs["low"] + 0.1 * inputs["grain"].view_as(inputs["low"])})

    program = trace(Noisy(), registry.tasks.find("super-resolution"))
    assert str(program.interface) == "low (batch, 1, 4, 4), grain (batch, 16) -> high (batch, 1, 8, 8)"
    assert "grain" in program.interface.fixed


def test_a_direction_says_which_pictures_are_taken(registry: Registry) -> None:
    class TwoWays(Doubling):
        scale = 1
        takes = ("a", "b")

        def __init__(self) -> None:
            Affine.__init__(self, a=4, b=4)

        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            pictures: Tensor = inputs["a"] / 2 if "a" in inputs else inputs["b"] / 4
            return pictures

    task = registry.tasks.find("unpaired-translation")
    ports = {way: str(trace(TwoWays(), task, way).interface) for way in ("", "b2a")}
    assert ports[""] == "a (batch, 1, height, width) -> b (batch, 1, height, width)"
    assert ports["b2a"] == "b (batch, 1, height, width) -> a (batch, 1, height, width)"


def test_a_model_that_counts_its_rows_is_exported_for_one(registry: Registry) -> None:
    class Counting(Affine):
        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            return super().generate(inputs) / len(inputs["z"])

    task = registry.tasks.find("generation")
    interface = trace(Counting(), task).interface
    assert str(interface) == "z (1, 3) -> image (1, 1, 4, 4)"
    assert interface.fixed.startswith("batch: ")
    found = parity(Counting(), task)
    assert found.agrees
    assert (found.dynamic, found.samples) == ((), 1)


def test_captions_come_as_vectors(registry: Registry) -> None:
    class Reading(Affine):
        takes = ("text",)

        def inputs(self, request: SampleRequest) -> dict[str, Any]:
            return {"z": request.noise.randn(3), "text": request.given["text"]}

        def sentences(self, texts: Any) -> Tensor:
            return torch.tensor([[len(text), 1.0, 0.0] for text in texts])

        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            sentence = inputs["sentence"] if "sentence" in inputs else self.sentences(inputs["text"])
            return super().generate({"z": inputs["z"] + sentence})

    task = registry.tasks.find("text-to-image")
    interface = trace(Reading(), task).interface
    assert str(interface) == "z (batch, 3), sentence (batch, 3) -> image (batch, 1, 4, 4)"
    assert "model.sentences" in interface.inputs[1].meaning

    class Mute(Reading):
        def sentences(self, texts: Any) -> Any:
            return None

    with pytest.raises(NotExportable, match=r"Mute reads captions.*sentences\(\)"):
        trace(Mute(), task)


def test_what_is_no_tensor_of_rows_is_named(registry: Registry) -> None:
    class Odd(Affine):
        def inputs(self, request: SampleRequest) -> dict[str, Any]:
            return {"z": request.noise.randn(3), "psi": 0.7}

    with pytest.raises(NotExportable, match="Odd takes psi, a float"):
        trace(Odd(), registry.tasks.find("generation"))


def test_a_model_that_torch_cannot_trace_is_one_line(registry: Registry) -> None:
    class Deciding(Affine):
        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            return super().generate(inputs) * (1 if float(inputs["z"].sum()) > 0 else 2)

    with pytest.raises(NotExportable, match="Deciding cannot be exported") as raised:
        trace(Deciding(), registry.tasks.find("generation"))
    assert len(str(raised.value).splitlines()) == 1


def test_noise_of_its_own_is_found(registry: Registry) -> None:
    class Drawing(Affine):
        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            return super().generate(inputs) + 0.01 * torch.randn(1)

    found = parity(Drawing(), registry.tasks.find("generation"))
    assert not found.agrees
    assert found.max_difference is not None
    assert found.max_difference > found.tolerance


def test_nothing_agrees_with_what_is_no_number(registry: Registry) -> None:
    model = Affine()
    with torch.no_grad():
        model.generator.bias[3] = math.nan
    found = parity(model, registry.tasks.find("generation"))
    assert found.max_difference is not None
    assert math.isnan(found.max_difference)
    assert not found.agrees


def test_what_nothing_could_run_does_not_agree() -> None:
    assert not Parity(max_difference=None, tolerance=1, samples=0, dynamic=(), by="", seconds=0).agrees


def test_the_tolerance_grows_with_what_comes_out(registry: Registry) -> None:
    model = Affine()
    with torch.no_grad():
        model.generator.bias.fill_(1000.0)
    assert parity(model, registry.tasks.find("generation")).tolerance == pytest.approx(0.1, rel=0.05)


# --- the command ------------------------------------------------------------------------------------------------------


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
    import shutil

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
