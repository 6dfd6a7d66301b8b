"""A plugin for the tests of the engine: small models whose every move can be followed, and 60 random pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo import hookimpl
from ganzoo.cards import Architecture, Dataset
from ganzoo.config import Settings, setting
from ganzoo.data.base import ArrayData, DataRequest, DataSpec, Field
from ganzoo.engine import distributed
from ganzoo.engine.listeners import Quiet, Reporter
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.engine.trainer import Trainer
from ganzoo.model import Adam, Batch, Model, Phase, SampleRequest
from ganzoo.nn.penalties import r1_penalty
from ganzoo.registry import Registry
from ganzoo.runs import Run

SIZE = 4
PIXELS = SIZE * SIZE
COUNT = 60


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The trainer's settings, and how a toy misbehaves."""

    batch: int = setting(8, ge=1, help="pictures a step")
    steps: int = setting(6, ge=1, help="steps")
    lr: float = setting(1e-2, gt=0, help="learning rate")
    samples: int = setting(4, ge=1, help="pictures in a grid")
    precision: Literal["auto", "fp32", "bf16"] = setting("fp32", help="numbers")
    explode_at: int = setting(-1, help="step (counted from 0) at which something is not finite")
    where: Literal["loss", "gradient"] = setting("loss", help="what is not finite then")


@hookimpl
def ganzoo_architectures() -> list[Architecture]:
    facts = {"task": "generation", "year": 2000, "paper": "none", "summary": "a toy", "licence": "MIT"}
    return [
        Architecture(name=name, title=name, config="toys:Config", model=f"toys:{model}", **facts)  # type: ignore[arg-type]
        for name, model in (("toy", "Toy"), ("toy-gan", "ToyGAN"))
    ]


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    return [
        Dataset(
            name="toy-pictures",
            title="noise",
            summary="random pictures",
            fields=("image",),
            load="toys:load",
            licence="CC0",
            source="none",
            size=SIZE,
            channels=1,
            count=COUNT,
            embedded=True,
        )
    ]


def load(request: DataRequest) -> ArrayData:
    """What the data set's card names."""
    return pictures()


def pictures(count: int = COUNT) -> ArrayData:
    """`count` grey pictures; the first two pixels spell the row's number."""
    values = np.random.default_rng(0).integers(0, 256, (count, 1, SIZE, SIZE), dtype=np.uint8)
    values[:, 0, 0, 0], values[:, 0, 0, 1] = np.arange(count) // 256, np.arange(count) % 256
    spec = DataSpec(
        name="toy-pictures",
        split="train",
        count=count,
        fields=(Field(name="image", kind="image", channels=1, size=SIZE),),
        fingerprint=f"{count} toy pictures",
    )
    return ArrayData(spec, {"image": values})


def rows_of(image: Tensor) -> list[int]:
    """The rows that a batch of `pictures` shows, read from its pixels."""
    pixels = ((image[:, 0, 0, :2] + 1) * 127.5).round().int()
    return (pixels[:, 0] * 256 + pixels[:, 1]).tolist()


class Memory(nn.Module):
    """State without weights, as an image pool has: a buffer, and an extra state that is no tensor."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.notes: list[int] = []

    def get_extra_state(self) -> dict[str, list[int]]:
        return {"notes": list(self.notes)}

    def set_extra_state(self, state: dict[str, list[int]]) -> None:
        self.notes = list(state["notes"])


class Noted(nn.Linear):
    """A layer with an extra state, inside a network that is sampled from."""

    def get_extra_state(self) -> str:
        return "noted"

    def set_extra_state(self, state: str) -> None:
        assert state == "noted"


class Toy(Model):
    """An encoder and a decoder that learn in one phase, as in a VAE, a critic in another, and a frozen network.

    `calls` holds, in order, what ran: (phase, step, rows of the batch).
    """

    sampling = ("decoder",)

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.config = config
        self.encoder = nn.Linear(PIXELS, 8)
        self.decoder = Noted(8, PIXELS)
        self.critic = nn.Linear(PIXELS, 1)
        self.judge = nn.Sequential(nn.Linear(PIXELS, 4), nn.BatchNorm1d(4))
        self.memory = Memory()
        self.plan: Sequence[Phase] = (
            Phase("autoencoder", trains=("encoder", "decoder"), weights={"judged": 0.5}),
            Phase("critic", trains=("critic",)),
        )
        self.calls: list[tuple[str, int, list[int]]] = []
        self.learning: list[tuple[str, frozenset[str]]] = []

    def phases(self) -> Sequence[Phase]:
        return self.plan

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        self.calls.append((phase.name, batch.step, rows_of(batch.image)))
        learning = {name.split(".")[0] for name, p in self.named_parameters() if p.requires_grad}
        self.learning.append((phase.name, frozenset(learning)))
        return super().loss(phase, batch)

    def autoencoder_loss(self, batch: Batch) -> dict[str, Tensor]:
        flat = batch.image.flatten(1)
        again = self.decoder(self.encoder(flat) + 0.1 * batch.randn(8))
        batch.fake = again.view_as(batch.image)
        self.memory.seen += 1
        self.memory.notes.append(batch.step)
        error = (again - flat).square().mean()
        if batch.step == self.config.explode_at:
            # The derivative of sqrt at 0 is infinite where its value is not.
            zero = again.sum() * 0
            error = error + (zero.abs().sqrt() if self.config.where == "gradient" else zero / zero)
        return {"error": error, "judged": (self.judge(again) - self.judge(flat)).square().mean()}

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        fake = self.decoder(batch.randn(8))
        real_logits, fake_logits = self.critic(batch.image.flatten(1)), self.critic(fake)
        return {"adversarial": fake_logits.mean() - real_logits.mean() + 0.1 * fake_logits.square().mean()}

    other_loss = critic_loss

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": request.noise.randn(8)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return torch.tanh(self.decoder(inputs["z"])).view(-1, 1, SIZE, SIZE)

    def optimizer(self, network: str) -> Adam:
        return Adam(lr=self.settings.lr)


class ToyGAN(Model):
    """A generator with batch normalisation, a critic, and a lazy phase whose loss is made of gradients only."""

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.generator = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, PIXELS))
        self.critic = nn.Sequential(nn.Linear(PIXELS, 16), nn.Softplus(), nn.Linear(16, 1))
        self.generator_calls = 0
        self.generator.register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.generator_calls += 1

    def phases(self) -> Sequence[Phase]:
        return [
            Phase("generator", trains=("generator",)),
            Phase("critic", trains=("critic",)),
            Phase("penalty", trains=("critic",), every=3, weights={"r1": 3.0}),
        ]

    def _judge(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.critic(pictures.flatten(1)).flatten()
        return logits

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = torch.tanh(self.generator(batch.randn(8))).view_as(batch.image)
        return {"adversarial": nn.functional.softplus(-self._judge(batch.fake)).mean()}

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.real_logits, batch.fake_logits = self._judge(batch.image), self._judge(batch.fake.detach())
        softplus = nn.functional.softplus
        return {"adversarial": softplus(-batch.real_logits).mean() + softplus(batch.fake_logits).mean()}

    def penalty_loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"r1": r1_penalty(self._judge, batch.image)}

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        return {"z": request.noise.randn(8)}

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return torch.tanh(self.generator(inputs["z"])).view(-1, 1, SIZE, SIZE)


def with_toys() -> Registry:
    """A registry of every installed plugin and this one."""
    import toys  # by its own name, so that "toys:Toy" is this very module

    torch.set_num_threads(1)
    registry = Registry()
    registry.load_entry_points(disabled=["tensorboard"])
    registry.load("toys", "ganzoo-toys", "0", lambda: toys)
    return registry


def toy_trainer(
    folder: Path,
    model: type[Model] = Toy,
    phases: Sequence[Phase] | None = None,
    data: ArrayData | None = None,
    reporter: Reporter | None = None,
    **settings: Any,
) -> Trainer:
    """A trainer of a toy in `folder`, with these phases and settings."""
    registry = with_toys()
    data = data or pictures()
    config = Config(**settings)
    seed_globals(config.seed, "weights")
    built = model(config, data.spec)
    if phases is not None:
        built.plan = phases  # type: ignore[assignment]
    run = Run(
        folder=folder,
        architecture="toy" if issubclass(model, Toy) else "toy-gan",
        recipe="",
        settings=config,
        data=data.spec,
        data_source="toy-pictures",
        plugin="ganzoo-toys",
        plugin_version="0",
    )
    folder.mkdir(parents=True, exist_ok=True)
    run.save()
    task = registry.tasks.find("generation")
    return Trainer(run, built, data, task, distributed.join("cpu"), registry, reporter or Quiet())


def train_on_slow_data(folder: str) -> None:
    """A run whose third step hangs, when there is a file `waiting` in its folder; for a process of its own."""
    import time

    class Slow(Toy):
        def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
            if batch.step == 2:
                (Path(folder) / "waiting").touch()
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline:
                    time.sleep(0.01)
            return super().critic_loss(batch)

    try:
        toy_trainer(Path(folder), model=Slow, checkpoint_every=1).run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def train_and_interrupt_itself(folder: str) -> int:
    """A run that is sent SIGINT in the middle of its last step; for a process of its own."""
    import os
    import signal

    class Interrupted(Toy):
        def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
            if batch.step == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return super().critic_loss(batch)

    outcome = toy_trainer(Path(folder), model=Interrupted, steps=3).run()
    return outcome.signal or 0


def train_and_tell(folder: str, model: str, steps: str) -> None:
    """One process of a group: train, then write beside the folder what it holds and what it saw."""
    import json

    seen: list[dict[str, Any]] = []

    class Telling(Toy):
        def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
            seen.append({"rows": rows_of(batch.image), "noise": batch.randn(3, stream="told").tolist()})
            return super().loss(phase, batch)

    rank = distributed.join("cpu").rank
    trainer = toy_trainer(Path(folder), model=Telling if model == "Toy" else ToyGAN, steps=int(steps))
    trainer.run()
    parameters, buffers = dict(trainer.model.named_parameters()), dict(trainer.model.named_buffers())
    state = {
        "parameters": {name: value.detach() for name, value in parameters.items()},
        "buffers": buffers,
        "largest": trainer.group.largest_difference([*parameters.values(), *buffers.values()]),
    }
    beside = Path(folder).parent
    torch.save(state, beside / f"rank-{rank}.pt")
    (beside / f"seen-{rank}.json").write_text(json.dumps(seen))
    distributed.leave()


def gather_rows() -> None:
    """One process of two: gather rows of a batch that is cut into micro-batches, and print what came."""
    import json

    group = distributed.join("cpu")
    told = []
    for micro in range(2):
        peers = [slice(4 * rank + 2 * micro, 4 * rank + 2 * micro + 2) for rank in range(2)]
        rows = peers[group.rank]
        batch = Batch({}, Noise(0, count=8), rows, 0, group, peers)
        values = torch.arange(rows.start, rows.stop, dtype=torch.float32)[:, None].requires_grad_(True)
        everyone, places = batch.gather(values)
        told.append([everyone.flatten().tolist(), places.tolist(), everyone.requires_grad])
    print(json.dumps(told))
    distributed.leave()


def average_gradients() -> None:
    """One process of two: average gradients of which some are missing, and print them."""
    import json

    group = distributed.join("cpu")
    parameters = {name: nn.Parameter(torch.zeros(2)) for name in ("both", "only the first", "none")}
    parameters["both"].grad = torch.full((2,), 1.0 + 2 * group.rank)
    if group.first:
        parameters["only the first"].grad = torch.ones(2)
    group.average_gradients(parameters.values())
    print(json.dumps({name: None if p.grad is None else p.grad.tolist() for name, p in parameters.items()}))
    distributed.leave()
