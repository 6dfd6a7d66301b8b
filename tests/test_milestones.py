"""A phase that comes to an end leaves its averaged weights behind: a warm-up is a result of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from proof import weights
from toys import toy_trainer, with_toys

from ganzoo.engine import checkpoint
from ganzoo.errors import UserError
from ganzoo.model import Phase
from ganzoo.runs import load_model, milestone, milestones, weights_of
from ganzoo.testing.compare import differences

WARMUP = Phase("autoencoder", trains=("encoder", "decoder"), stop=3)
THEN = Phase("critic", trains=("critic",), start=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_the_averaged_weights_with_which_a_phase_ends_are_kept(folder: Path) -> None:
    trainer = toy_trainer(folder, phases=[WARMUP, THEN], steps=6)
    trainer.run(until=3)
    then = weights_of(trainer.ema.average)
    trainer = toy_trainer(folder, phases=[WARMUP, THEN], steps=6)
    trainer.load_state(checkpoint.load_run(folder))
    trainer.run()
    assert milestones(folder) == ["autoencoder"]
    assert differences(weights(folder, milestone("autoencoder")), then) == []


def test_a_run_that_never_gets_to_the_end_of_a_phase_leaves_none(folder: Path) -> None:
    toy_trainer(folder, phases=[WARMUP, THEN], steps=6).run(until=2)
    assert milestones(folder) == []


def test_a_phase_that_lasts_as_long_as_the_run_leaves_none(folder: Path) -> None:
    toy_trainer(folder, phases=[WARMUP, THEN], steps=3).run()
    assert milestones(folder) == []


def test_a_run_that_is_stopped_and_goes_on_keeps_the_same(folder: Path, tmp_path: Path) -> None:
    toy_trainer(folder, phases=[WARMUP, THEN], steps=6).run()
    other = tmp_path / "other"
    toy_trainer(other, phases=[WARMUP, THEN], steps=6).run(until=2)
    again = toy_trainer(other, phases=[WARMUP, THEN], steps=6)
    again.load_state(checkpoint.load_run(other))
    again.run()
    name = milestone("autoencoder")
    assert differences(weights(folder, name), weights(other, name)) == []


def test_a_model_is_loaded_with_the_weights_of_a_milestone(folder: Path) -> None:
    trainer = toy_trainer(folder, phases=[WARMUP, Phase("other", trains=("decoder",), start=3)], steps=40)
    trainer.run()
    then, last = (load_model(folder, with_toys(), weights=which) for which in ("autoencoder", "final"))
    decoder = weights(folder, milestone("autoencoder"))["decoder.weight"]
    assert torch.equal(then.get_parameter("decoder.weight"), decoder)
    assert not torch.equal(last.get_parameter("decoder.weight"), decoder)


def test_weights_that_a_run_does_not_have_are_refused_with_those_it_has(folder: Path) -> None:
    toy_trainer(folder, phases=[WARMUP, THEN], steps=6).run()
    with pytest.raises(UserError, match="has no weights of 'warmup'; it has final, autoencoder"):
        load_model(folder, with_toys(), weights="warmup")
