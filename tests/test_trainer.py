"""The trainer: who learns when, on which data, and what ends a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from forks import Driver, the_driver
from proof import bits, metrics, one_line
from torch import Tensor
from toys import PIXELS, SIZE, Toy, ToyGAN, pictures, toy_trainer, with_toys

from ganzoo.engine import checkpoint
from ganzoo.engine.trainer import Trainer
from ganzoo.engine.watch import PATIENCE, CollapseWatch
from ganzoo.errors import RunError, UserError
from ganzoo.model import Batch, Phase
from ganzoo.runs import Scores, load_model
from ganzoo.testing.compare import differences

AUTOENCODER = Phase("autoencoder", trains=("encoder", "decoder"))


@pytest.fixture
def driver() -> Driver:
    return the_driver()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def weights(trainer: Trainer) -> dict[str, dict[str, Any]]:
    """Copies of every network's state, by network."""
    return {
        name: {key: value.clone() if isinstance(value, Tensor) else value for key, value in net.state_dict().items()}
        for name, net in trainer.networks.items()
    }


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name in before if differences(before[name], after[name])}


def calls(trainer: Trainer, phase: str) -> list[int]:
    """The steps on which a phase ran, once for each repetition."""
    assert isinstance(trainer.model, Toy)
    return [step for name, step, _ in trainer.model.calls if name == phase]


# --- phases -----------------------------------------------------------------------------------------------------------


def test_a_phase_runs_on_its_steps_and_no_others(folder: Path) -> None:
    phases = [AUTOENCODER, Phase("critic", ("critic",), every=3, start=1, stop=8), Phase("other", ("critic",), stop=2)]
    trainer = toy_trainer(folder, phases=phases, steps=10)
    trainer.run()
    assert calls(trainer, "autoencoder") == list(range(10))
    assert calls(trainer, "critic") == [1, 4, 7]
    assert calls(trainer, "other") == [0, 1]


def test_only_the_networks_of_a_phase_learn_in_it(folder: Path) -> None:
    trainer = toy_trainer(folder, phases=[AUTOENCODER, Phase("critic", ("critic",), start=1)])
    before = weights(trainer)
    trainer.train_step()
    assert changed(before, weights(trainer)) == {"encoder", "decoder", "memory"}
    before = weights(trainer)
    trainer.train_step()
    assert changed(before, weights(trainer)) == {"encoder", "decoder", "critic", "memory"}
    assert isinstance(trainer.model, Toy)
    assert set(trainer.model.learning) == {
        ("autoencoder", frozenset({"encoder", "decoder"})),
        ("critic", frozenset({"critic"})),
    }


def test_networks_outside_the_phase_get_no_gradient(folder: Path) -> None:
    trainer = toy_trainer(folder, phases=[Phase("critic", ("critic",))])
    trainer.train_step()
    assert {n for n, p in trainer.model.named_parameters() if p.grad is not None} == {"critic.weight", "critic.bias"}


def test_a_single_phase_can_train_all_as_a_vae_does(folder: Path) -> None:
    trainer = toy_trainer(folder, phases=[AUTOENCODER], steps=60, log_every=1)
    trainer.run()
    errors = [line["autoencoder/error"] for line in metrics(folder)]
    assert errors[-1] < 0.8 * errors[0]
    assert set(bits(folder)["optimizers"]) == {"encoder", "decoder"}


def test_a_frozen_network_never_changes_and_is_not_saved(folder: Path) -> None:
    trainer = toy_trainer(folder, sample_every=1)
    before = weights(trainer)["judge"]
    trainer.run()
    assert differences(before, weights(trainer)["judge"]) == []  # its running statistics neither
    assert not any(name.startswith("judge") for name in bits(folder)["model"])
    assert any(name.startswith("critic") for name in bits(folder)["model"])


def test_state_without_weights_is_saved_and_comes_back(folder: Path) -> None:
    toy_trainer(folder, steps=3).run()
    again = toy_trainer(folder, steps=6)
    again.load_state(checkpoint.load_run(folder))
    assert isinstance(again.model, Toy)
    assert again.model.memory.seen.item() == 3
    assert again.model.memory.notes == [0, 1, 2]
    again.run()
    assert again.model.memory.notes == [0, 1, 2, 3, 4, 5]


def test_a_generator_with_an_extra_state_can_be_loaded_from_its_folder(folder: Path) -> None:
    trainer = toy_trainer(folder)
    trainer.run()
    model = load_model(folder, with_toys())
    samples, inputs = trainer.sample()
    assert torch.allclose(model.generate(inputs), samples)


def test_weights_multiply_the_terms_and_logs_show_the_terms_themselves(folder: Path, tmp_path: Path) -> None:
    def trained(where: Path, weight: float) -> dict[str, dict[str, Any]]:
        phase = Phase("autoencoder", ("encoder", "decoder"), weights={"judged": weight, "error": 0.0})
        trainer = toy_trainer(where, phases=[phase], log_every=1)
        before = weights(trainer)
        trainer.train_step()
        trainer._tick()
        return {"before": before["decoder"], "after": weights(trainer)["decoder"]}

    off = trained(folder, 0.0)
    assert differences(off["before"], off["after"]) == []
    on = trained(tmp_path / "other", 1.0)
    assert differences(on["before"], on["after"]) != []


def test_each_repetition_sees_fresh_data_and_each_row_comes_once(folder: Path) -> None:
    trainer = toy_trainer(folder, phases=[AUTOENCODER, Phase("critic", ("critic",), repeat=3)], steps=5, batch=4)
    trainer.run()
    assert isinstance(trainer.model, Toy)
    seen = [rows for name, _, rows in trainer.model.calls if name == "critic"]
    assert sorted(row for rows in seen for row in rows) == list(range(60))  # 5 steps x 3 repetitions x 4
    generator = [rows for name, _, rows in trainer.model.calls if name == "autoencoder"]
    assert generator == seen[::3]  # the first repetition shares the step's batch


def test_the_discriminator_reuses_the_generators_fakes(folder: Path) -> None:
    trainer = toy_trainer(folder, model=ToyGAN)
    for _ in range(4):
        trainer.train_step()
    assert isinstance(trainer.model, ToyGAN)
    assert trainer.model.generator_calls == 4


def test_a_phase_of_an_unknown_network_is_an_error_of_the_plugin(folder: Path) -> None:
    with pytest.raises(TypeError, match="phase 'critic' trains 'crtic', which is not a network of Toy"):
        toy_trainer(folder, phases=[Phase("critic", ("crtic",))])


def test_a_step_without_any_phase_is_a_step(folder: Path) -> None:
    toy_trainer(folder, phases=[Phase("critic", ("critic",), every=4)], steps=12).run()
    assert bits(folder)["step"] == 12


# --- gradients --------------------------------------------------------------------------------------------------------


class Fixed(Toy):
    """A loss whose gradient does not depend on how a batch is cut."""

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"adversarial": self.critic(batch.image.flatten(1)).square().mean()}


def gradient(folder: Path, **settings: Any) -> tuple[Trainer, Tensor]:
    trainer = toy_trainer(folder, model=Fixed, phases=[Phase("critic", ("critic",))], **settings)
    trainer.train_step()
    found = trainer.networks["critic"].get_parameter("weight").grad
    assert found is not None
    return trainer, found


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_accumulated_micro_batches_give_the_gradient_of_the_whole_batch(parts: int, tmp_path: Path) -> None:
    _, whole = gradient(tmp_path / "whole")
    _, accumulated = gradient(tmp_path / "parts", accumulate=parts)
    assert torch.allclose(accumulated, whole, rtol=1e-5, atol=1e-7)


def test_clipping_scales_the_gradient_of_the_phase_to_the_norm(tmp_path: Path) -> None:
    trainer, free = gradient(tmp_path / "free")
    clipped_trainer, clipped = gradient(tmp_path / "clipped", clip=0.01)
    norm = torch.cat([p.grad.flatten() for p in clipped_trainer.networks["critic"].parameters() if p.grad is not None])
    assert norm.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert torch.nn.functional.cosine_similarity(free.flatten(), clipped.flatten(), dim=0).item() == pytest.approx(1)
    logged = [one._tick()["critic/gradient_norm"] for one in (trainer, clipped_trainer)]
    assert logged[0] == pytest.approx(logged[1])  # what is logged is the norm before clipping


def test_a_batch_that_cannot_be_cut_says_what_can(folder: Path) -> None:
    with pytest.raises(UserError, match=r"batch: 9 cannot be cut into 1 process\(es\) x 2 .* add --set batch=10"):
        toy_trainer(folder, batch=9, accumulate=2)


# --- what is not finite -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "what"),
    [("loss", "the loss 'error' of phase 'autoencoder'"), ("gradient", "the gradient of phase 'auto")],
)
def test_what_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    where: str, what: str, folder: Path, tmp_path: Path
) -> None:
    trainer = toy_trainer(folder, explode_at=4, where=where, checkpoint_every=2)
    with pytest.raises(RunError) as caught:
        trainer.run()
    assert what in str(caught.value)
    assert str(caught.value).endswith("is not finite at step 5")
    good = toy_trainer(tmp_path / "good", steps=4)
    good.run()
    assert bits(folder)["step"] == 4
    assert differences(bits(folder)["model"], bits(tmp_path / "good")["model"]) == []
    assert json.loads((folder / "summary.json").read_text())["state"] == "failed"


def test_the_command_names_what_is_not_finite_and_how_to_go_on(driver: Driver, tmp_path: Path) -> None:
    explode = ("--set", "explode_at=4", "--set", "checkpoint_every=2")
    ended = driver.run("train", "toy", "--data", "toy-pictures", "--run", "run", *explode, cwd=tmp_path)
    line = one_line(ended, 1)
    assert line.startswith("ganzoo: the loss 'error' of phase 'autoencoder' is not finite at step 5; ")
    command = line.partition("go on from the last good checkpoint with: ganzoo ")[2]
    assert command == "train --resume run"
    assert (
        one_line(driver.run(*command.split(), cwd=tmp_path), 1) == line
    )  # it goes on from step 4, and the sum is as bad
    assert bits(tmp_path / "run")["step"] == 4


# --- the collapse watch -----------------------------------------------------------------------------------------------


def looks(watch: CollapseWatch, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, times: int) -> list[str]:
    real = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return [message for _ in range(times) for message in watch.look(real, fake, real_logits, fake_logits)]


def test_the_watch_warns_once_of_a_constant_generator() -> None:
    even = torch.tensor([0.0, 1.0])
    found = looks(CollapseWatch(), torch.zeros(16, 1, 8, 8), even, even, times=5 * PATIENCE)
    assert len(found) == 1
    assert "mode collapse" in found[0]


def test_the_watch_warns_once_of_a_discriminator_that_has_won() -> None:
    found = looks(CollapseWatch(), torch.rand(16, 1, 8, 8) * 2 - 1, torch.ones(8), -torch.ones(8), times=10 * PATIENCE)
    assert len(found) == 1
    assert "may have won" in found[0]


def test_the_watch_is_silent_while_all_is_well() -> None:
    logits = torch.linspace(-1, 1, 16)
    assert looks(CollapseWatch(), torch.rand(16, 1, 8, 8) * 2 - 1, logits + 0.5, logits, times=10 * PATIENCE) == []


class Constant(ToyGAN):
    """A generator that has collapsed."""

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.fake = self.generator(batch.randn(8)).view_as(batch.image) * 0
        return {"adversarial": batch.fake.mean()}

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"adversarial": self._judge(batch.image).square().mean()}


class Heard:
    """A reporter that keeps what the watch says."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def stepped(self, step: int, scalars: Mapping[str, float] | None) -> None: ...

    def sampled(self, step: int, path: Path) -> None: ...

    def evaluated(self, step: int, estimates: Sequence[Mapping[str, Any]], scores: Scores | None) -> None: ...

    def warned(self, step: int, message: str) -> None:
        self.warnings.append(f"{step}: {message}")


def test_a_run_tells_of_a_collapse_and_remembers_it(folder: Path) -> None:
    heard = Heard()
    steps = 10 * PATIENCE
    outcome = toy_trainer(folder, model=Constant, steps=steps, batch=2, log_every=steps, reporter=heard).run()
    assert len(heard.warnings) == len(outcome.warnings) == 1
    assert "mode collapse" in heard.warnings[0]
    assert json.loads((folder / "summary.json").read_text())["warnings"] == list(outcome.warnings)


# --- samples, learning rates, limits ----------------------------------------------------------------------------------


def test_samples_come_from_the_averaged_weights_and_the_same_latents(folder: Path) -> None:
    trainer = toy_trainer(folder, model=ToyGAN, ema_kimg=0.0)
    trainer.train_step()
    first, inputs = trainer.sample()
    trainer.model.eval()
    assert torch.equal(first, trainer.model.generate(inputs))  # without a half-life the average is the last weight
    again, same = trainer.sample()
    assert torch.equal(first, again)
    assert torch.equal(inputs["z"], same["z"])
    assert trainer.model.training
    assert first.shape == (4, 1, SIZE, SIZE)


def test_the_optimizers_follow_the_schedule(folder: Path) -> None:
    trainer = toy_trainer(folder, steps=10, warmup=2, schedule="linear", decay_start=0.5, lr=0.1)
    rates = []
    for _ in range(10):
        trainer.train_step()
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers.values()])
    expected = [0.05, 0.1, 0.1, 0.1, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02]
    assert torch.tensor(rates).T.tolist() == [pytest.approx(expected)] * 3


def test_adam_takes_its_first_step_by_the_learning_rate(folder: Path) -> None:
    """The bias-corrected first step of Adam is lr times the sign of the gradient (Kingma and Ba, 2015, section 2)."""
    trainer = toy_trainer(folder, model=Fixed, phases=[Phase("critic", ("critic",))], lr=0.01)
    before = trainer.networks["critic"].get_parameter("weight").detach().clone()
    trainer.train_step()
    after = trainer.networks["critic"].get_parameter("weight")
    assert after.grad is not None
    assert torch.allclose(after, before - 0.01 * after.grad.sign(), atol=1e-5)
    assert before.numel() == PIXELS


def test_data_that_changed_refuse_a_resume(folder: Path) -> None:
    toy_trainer(folder, steps=2).run()
    other = toy_trainer(folder, steps=4, data=pictures(50))
    with pytest.raises(UserError, match="the data have changed since its checkpoint was written"):
        other.load_state(checkpoint.load_run(folder))
