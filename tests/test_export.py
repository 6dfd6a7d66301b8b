"""`ganzoo.export`: a model's way out as a program of torch's that agrees with it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from proof import Bench
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganzoo.config import Settings
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.noise import seed_globals
from ganzoo.export import NotExportable, Parity, compare, content, parity, trace
from ganzoo.model import Model, SampleRequest
from ganzoo.registry import Registry, get_registry

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


class Counting(Affine):
    """Its code asks how many rows there are, so that a program of it is for one number of them."""

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return super().generate(inputs) / len(inputs["z"])


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


def test_truncation_is_an_input_where_the_model_has_it(registry: Registry) -> None:
    class Truncating(Affine):
        def inputs(self, request: SampleRequest) -> dict[str, Any]:
            made = super().inputs(request)
            return made if request.truncation is None else {**made, "psi": torch.full((request.count,), 1.0)}

        def generate(self, inputs: Mapping[str, Any]) -> Tensor:
            return super().generate({"z": inputs["z"] * inputs["psi"][:, None]})

    interface = trace(Truncating(), registry.tasks.find("generation")).interface
    assert str(interface) == "z (batch, 3), psi (batch) -> image (batch, 1, 4, 4)"
    assert interface.inputs[1].meaning.startswith("truncation: 1 changes nothing")


def test_a_program_that_refuses_what_the_model_takes_is_no_export(registry: Registry) -> None:
    program = trace(Affine(), registry.tasks.find("generation"))
    one_row = content(trace(Counting(), registry.tasks.find("generation")), "pt2")
    with pytest.raises(NotExportable, match=r"does not run with z \(3, 3\)"):
        compare(program, one_row, "pt2")
