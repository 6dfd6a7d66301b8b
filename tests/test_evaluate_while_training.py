"""Evaluation on the way: when, of which weights, what is kept of it, and that training does not notice."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Answer
from forks import Driver, the_driver
from proof import Streaming, assert_same_run, bits, evaluations, metrics, weights
from safetensors.torch import load_file
from test_processes import run_ranks
from torch import Tensor
from toys import COUNT, PIXELS, Config, Toy, pictures, rows_of, toy_trainer, with_toys

from ganzoo import training
from ganzoo.cli.progress import TrainingReporter
from ganzoo.data.base import DataSpec
from ganzoo.data.feed import Feed
from ganzoo.engine import checkpoint, distributed
from ganzoo.engine.distributed import Group
from ganzoo.engine.listeners import Quiet, Reporter
from ganzoo.engine.noise import Noise
from ganzoo.engine.trainer import Trainer
from ganzoo.errors import RunError, UserError
from ganzoo.model import Batch, Model, SampleRequest
from ganzoo.registry import Registry
from ganzoo.runs import BEST, Score, Scores, best_step, load_model, open_run
from ganzoo.testing.compare import differences

PIECE = 16


class MeanPicture:
    """Root mean square distance between the mean of generated pictures and the mean of the data.

    Each process makes its share of the pictures, in pieces of `PIECE`. It takes from the global generator, as an
    evaluator may.
    """

    headline = "mean_picture"

    def __init__(self, better: str = "lower", count: int = 64) -> None:
        self.better, self.count = better, count
        self.real = torch.from_numpy(pictures().columns["image"]).double().mean(0) / 127.5 - 1
        self.seen: list[dict[str, Any]] = []

    def __call__(self, model: Model, step: int, group: Group) -> list[dict[str, Any]]:
        torch.rand(3)
        assert isinstance(model, Toy)
        self.seen.append(
            {
                "step": step,
                "training": [module.training for module in model.modules()],
                "gradients": torch.is_grad_enabled(),
                "weight": model.decoder.weight.clone(),
            }
        )
        mine = [self._piece(model, n) for n in range(group.rank, self.count // PIECE, group.world)]
        total = torch.stack(mine).sum(0).float()
        group.average([total])
        distance = (total.double() * group.world / self.count - self.real).square().mean().sqrt()
        passport = {"count": self.count, "key": f"{self.count:08x}"}
        return [
            {"name": "pieces", "value": None, "error": None, "passport": passport},
            {"name": self.headline, "value": float(distance), "error": 0.01, "passport": passport},
        ]

    @staticmethod
    def _piece(model: Model, number: int) -> Tensor:
        noise = Noise(0, "measure", number, count=PIECE)
        return model.generate(model.inputs(SampleRequest(count=PIECE, noise=noise))).double().sum(0)


class Says:
    """An evaluator that says what it is told to."""

    better = "lower"

    def __init__(self, *estimates: Mapping[str, Any], headline: str = "told") -> None:
        self.estimates, self.headline = estimates, headline

    def __call__(self, model: Model, step: int, group: Group) -> Sequence[Mapping[str, Any]]:
        return self.estimates


class Fails:
    """An evaluator that cannot get at what it needs."""

    headline, better = "none", "lower"

    def __call__(self, model: Model, step: int, group: Group) -> Sequence[Mapping[str, Any]]:
        raise UserError("the weights of its network cannot be downloaded")


def toy(
    folder: Path, evaluator: Any = None, reporter: Reporter | None = None, previous: bool = False, **settings: Any
) -> Trainer:
    """A trainer of a toy; where the folder holds a run, it goes on from its checkpoint."""
    registry = with_toys()
    values = {"eval_every": 2, "log_every": 3, **settings}
    job = training.plan_job(registry, "toy", "toy-pictures", None, values)
    data = training.open_data(registry, job)
    group = distributed.join("cpu")
    old = (folder / "config.json").exists()
    run = open_run(folder, registry) if old else training.make_run(registry, job, data, folder, folder.parent)
    run = replace(run, settings=replace(job.settings, size=data.spec.size))
    trainer = training.make_trainer(registry, run, job, data, group, reporter or Quiet(), evaluator=evaluator)
    if old and (folder / checkpoint.NAME).exists():
        trainer.load_state(checkpoint.load_run(folder, previous))
    return trainer


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def driver() -> Driver:
    return the_driver()


# --- when, and of what ------------------------------------------------------------------------------------------------


def test_it_is_measured_every_so_many_steps_and_at_the_end(folder: Path) -> None:
    evaluator = MeanPicture()
    toy(folder, evaluator, steps=7, eval_every=3).run()
    assert [seen["step"] for seen in evaluator.seen] == [3, 6, 7]
    lines = evaluations(folder)
    assert [(line["step"], line["kimg"]) for line in lines] == [(3, 0.024), (6, 0.048), (7, 0.056)]
    assert all([found["name"] for found in line["estimates"]] == ["pieces", "mean_picture"] for line in lines)
    assert all(json.loads(line)["seconds"] > 0 for line in (folder / "evaluations.jsonl").read_text().splitlines())


def test_the_headline_stands_in_the_metrics_of_its_step(folder: Path) -> None:
    toy(folder, MeanPicture(), steps=7, eval_every=4, log_every=3).run()
    told = {line["step"]: line.get("eval/mean_picture") for line in metrics(folder)}
    found = {line["step"]: line["estimates"][1]["value"] for line in evaluations(folder)}
    assert {step: value for step, value in told.items() if value is not None} == found
    assert {1, 3, 6} <= set(told)


@pytest.mark.parametrize("off", [{"eval_every": 0}, {"evaluator": None}], ids=["eval_every=0", "no evaluator"])
def test_without_eval_every_or_an_evaluator_nothing_is_measured(off: dict[str, Any], folder: Path) -> None:
    evaluator = MeanPicture()
    toy(folder, **{"evaluator": evaluator, "steps": 4, **off}).run()
    assert evaluator.seen == []
    assert {"evaluations.jsonl", BEST} & {path.name for path in folder.iterdir()} == set()
    assert "evaluation" not in summary(folder)


def test_what_is_measured_are_the_averaged_weights_in_eval_mode(folder: Path) -> None:
    evaluator = MeanPicture()
    trainer = toy(folder, evaluator, steps=4, eval_every=4, ema_rampup=0.0)
    trainer.run()
    assert isinstance(trainer.model, Toy)
    (seen,) = evaluator.seen
    assert not any(seen["training"])
    assert not seen["gradients"]
    assert torch.equal(seen["weight"], load_file(folder / "model.safetensors")["decoder.weight"])
    assert not torch.equal(seen["weight"], trainer.model.decoder.weight)
    assert trainer.model.decoder.training


def test_measuring_changes_no_bit_of_the_training(tmp_path: Path) -> None:
    toy(tmp_path / "plain", steps=6).run()
    toy(tmp_path / "measured", MeanPicture(), steps=6, eval_every=1).run()
    plain, measured = bits(tmp_path / "plain"), bits(tmp_path / "measured")
    assert [differences(plain[part], measured[part]) for part in ("model", "ema", "optimizers")] == [[], [], []]


def test_what_measuring_took_is_part_of_the_runs_time_and_told(folder: Path) -> None:
    class Slow(MeanPicture):
        def __call__(self, model: Model, step: int, group: Group) -> list[dict[str, Any]]:
            signal.sigtimedwait([], 0.2)
            return super().__call__(model, step, group)

    outcome = toy(folder, Slow(), steps=4).run()
    assert summary(folder)["evaluation_seconds"] == pytest.approx(0.4, abs=0.3)
    assert outcome.seconds >= 0.4
    assert toy(folder, Slow(), steps=8).evaluation_seconds >= 0.4


# --- the best weights -------------------------------------------------------------------------------------------------


def score(step: int, value: float) -> Score:
    return Score(step=step, value=value, error=None)


def after(before: Scores | None, value: float, step: int, better: str = "lower", key: str = "k") -> Scores:
    return Scores.after(before, "m", key, better, score(step, value))


def test_the_best_is_the_lowest_or_the_highest_and_the_first_of_equals() -> None:
    for better, sign in (("lower", 1), ("higher", -1)):
        found = None
        for step, value in enumerate([3.0, 1.0, 2.0, 1.0]):
            found = after(found, sign * value, step, better)
        assert found is not None
        assert (found.best.step, found.final.step) == (1, 3)


def test_what_cannot_be_compared_begins_anew() -> None:
    first = after(None, 1.0, step=1)
    assert after(first, 5.0, step=2).best.step == 1
    assert after(first, 5.0, step=2, key="another reference").best.step == 2
    assert Scores.after(first, "another", "k", "lower", score(2, 5.0)).best.step == 2


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(23.412, 0.52, "23.41 ± 0.52"), (1234.5, 31.0, "1,234 ± 31"), (0.12345, None, "0.1235"), (2.0, 0.0, "2")],
)
def test_a_score_is_written_to_two_digits_of_its_error(value: float, error: float | None, text: str) -> None:
    assert Score(step=1, value=value, error=error).text == text


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_best_weights_are_those_of_the_best_step(better: str, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    outcome = toy(run, MeanPicture(better), steps=8).run()
    values = {line["step"]: line["estimates"][1]["value"] for line in evaluations(run)}
    best = (min if better == "lower" else max)(values, key=lambda step: values[step])
    told = summary(run)["evaluation"]
    assert (told["name"], told["better"]) == ("mean_picture", better)
    assert told["best"] == {"step": best, "value": values[best], "error": 0.01}
    assert told["final"] == {"step": 8, "value": values[8], "error": 0.01}
    assert Scores.from_json(told) == outcome.scores
    toy(other, steps=8).run(until=best)
    assert differences(weights(run, BEST), weights(other)) == []
    assert best_step(run) == best


def test_a_headline_without_a_value_is_recorded_and_ranks_nothing(folder: Path) -> None:
    for value in (None, "inf", float("nan")):
        shutil.rmtree(folder, ignore_errors=True)
        estimate = {"name": "told", "value": value, "error": None, "passport": {}}
        assert toy(folder, Says(estimate), steps=2).run().scores is None
        assert len(evaluations(folder)) == 1
        assert not (folder / BEST).exists()
        assert not any(name.startswith("eval/") for line in metrics(folder) for name in line)


def test_a_headline_that_is_not_there_is_an_error_of_the_evaluator(folder: Path) -> None:
    estimate = {"name": "told", "value": 1.0, "error": None, "passport": {}}
    with pytest.raises(ValueError, match="headline 'another' is not among its estimates"):
        toy(folder, Says(estimate, headline="another"), steps=2).run()


def test_an_evaluation_that_fails_says_how_to_train_without(folder: Path) -> None:
    with pytest.raises(RunError) as caught:
        toy(folder, Fails(), steps=4, checkpoint_every=1).run()
    assert str(caught.value) == (
        "the evaluation at step 2 failed (--set eval_every=0 trains without): "
        "the weights of its network cannot be downloaded"
    )
    again = toy(folder, Fails(), steps=4, eval_every=0)
    assert again.step == 1
    assert again.run().step == 4


# --- it goes on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("stops", [[4], [3], [1, 2, 3, 5, 6, 7]], ids=str)
def test_a_run_that_is_measured_ends_the_same_wherever_it_stops(stops: list[int], better: str, tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    toy(whole, MeanPicture(better), steps=8).run()
    for stop in [*stops, None]:
        toy(folder, MeanPicture(better), steps=8).run(until=stop)
    assert_same_run(whole, folder)
    assert summary(whole)["evaluation"] == summary(folder)["evaluation"]


def test_a_run_that_is_extended_is_the_longer_run(tmp_path: Path) -> None:
    toy(tmp_path / "whole", MeanPicture(), steps=8, sample_every=4, log_every=1).run()
    for steps in (4, 8):
        toy(tmp_path / "run", MeanPicture(), steps=steps, sample_every=4, log_every=1).run()
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def train(folder: str, steps: str, *assignments: str) -> None:
    """One process: train a toy in `folder`, or go on with it; `name=value` are settings."""
    values = dict(word.split("=") for word in assignments)
    better = values.pop("better", "lower")
    trainer = toy(Path(folder), MeanPicture(better), steps=steps, **values)
    if trainer.step < trainer.settings.steps:
        trainer.run()
    distributed.leave()


CALL = "test_evaluate_while_training:train"


def test_killed_before_any_of_its_writes_a_run_ends_with_the_same_best(driver: Driver, tmp_path: Path) -> None:
    """Every opening, link, rename and removal of the last step, one after another, is never reached once."""
    for better in ("lower", "higher"):
        how = (f"better={better}", "checkpoint_every=1", "sample_every=100", "log_every=1", "eval_every=1")
        for name in ("run", "whole"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        assert driver.run(tmp_path / "run", 2, *how, call=CALL, cwd=tmp_path).code == 0
        shutil.copytree(tmp_path / "run", tmp_path / "whole")
        assert driver.run(tmp_path / "whole", 3, *how, call=CALL, cwd=tmp_path).code == 0
        if best_step(tmp_path / "whole") == 3:  # else its best weights would not be written while it is killed
            break
    number, first = 0, None
    while first is None or first.code != 0:
        folder = tmp_path / f"killed-{number}"
        shutil.copytree(tmp_path / "run", folder)
        first = driver.run(folder, 3, *how, call=CALL, cwd=tmp_path, die_before=number)
        assert first.code in (0, -signal.SIGKILL), first
        again = driver.run(folder, 3, *how, call=CALL, cwd=tmp_path)
        assert again.code == 0, again
        assert_same_run(tmp_path / "whole", folder)
        assert summary(folder)["evaluation"] == summary(tmp_path / "whole")["evaluation"]
        shutil.rmtree(folder)
        number += 1
    assert number > 15, "the run's writes were not seen"


def late_best(folder: Path) -> None:
    """A run of 6 steps whose best weights are those of step 6, which its checkpoint before the last knows not of."""
    toy(folder, MeanPicture("lower"), steps=6).run(until=4)
    values = [line["estimates"][1]["value"] for line in evaluations(folder)]
    better = "lower" if values[1] < values[0] else "higher"
    shutil.rmtree(folder)
    toy(folder, MeanPicture(better), steps=6).run(until=4)
    assert best_step(folder) == 4
    assert checkpoint.load(folder / checkpoint.PREVIOUS)["scores"]["best"]["step"] == 2


def test_best_weights_of_steps_that_were_undone_are_forgotten(folder: Path) -> None:
    late_best(folder)
    trainer = toy(folder, None, previous=True, steps=6)
    assert (trainer.step, trainer.scores) == (2, None)
    trainer.run()
    assert not (folder / BEST).exists()
    assert "evaluation" not in summary(folder)
    assert [line["step"] for line in evaluations(folder)] == [2]


def test_best_weights_that_somebody_deleted_or_damaged_are_found_anew(folder: Path) -> None:
    for damage in (Path.unlink, lambda path: path.write_bytes(b"damaged")):
        shutil.rmtree(folder, ignore_errors=True)
        toy(folder, MeanPicture(), steps=6).run(until=4)
        damage(folder / BEST)
        assert toy(folder, MeanPicture(), steps=6).run().scores is not None
        assert best_step(folder) == 6


def test_lines_after_the_checkpoint_are_dropped(folder: Path) -> None:
    toy(folder, MeanPicture(), steps=6).run(until=4)
    before = evaluations(folder)
    with open(folder / "evaluations.jsonl", "a") as stream:
        stream.write('{"step": 5, "kimg": 0.04, "estimates": []}\n{"step": 6, "ki')
    toy(folder, MeanPicture(), steps=6).run()
    assert evaluations(folder)[:2] == before
    assert [line["step"] for line in evaluations(folder)] == [2, 4, 6]


def test_a_run_from_before_there_were_evaluations_goes_on(folder: Path) -> None:
    toy(folder, steps=4).run(until=2)
    config, state = folder / "config.json", checkpoint.load(folder / checkpoint.NAME)
    document = json.loads(config.read_text())
    for name in ("eval_every", "eval_count"):
        del document["settings"][name]
    config.write_text(json.dumps(document))
    checkpoint.save(folder, {name: state[name] for name in state if name not in ("scores", "evaluation_seconds")})
    assert open_run(folder, with_toys()).settings.eval_every == 0
    toy(folder, MeanPicture(), steps=4).run()
    assert summary(folder)["evaluation"]["final"]["step"] == 4


# --- several processes ------------------------------------------------------------------------------------------------


def test_two_processes_share_the_measuring_and_write_it_once(driver: Driver, tmp_path: Path) -> None:
    run_ranks(driver, 1, tmp_path / "one", 6, call=CALL, cwd=tmp_path)
    run_ranks(driver, 2, tmp_path / "two", 6, call=CALL, cwd=tmp_path)
    one, two = evaluations(tmp_path / "one"), evaluations(tmp_path / "two")
    assert [line["step"] for line in one] == [line["step"] for line in two] == [2, 4, 6]
    values = [[line["estimates"][1]["value"] for line in lines] for lines in (one, two)]
    assert values[0] == pytest.approx(values[1], rel=1e-3)


def test_two_processes_resume_to_the_same_best(driver: Driver, tmp_path: Path) -> None:
    how = ("sample_every=3", "log_every=1", "eval_every=3")
    run_ranks(driver, 2, tmp_path / "whole", 6, *how, call=CALL, cwd=tmp_path)
    for steps in (3, 6):
        run_ranks(driver, 2, tmp_path / "run", steps, *how, call=CALL, cwd=tmp_path)
    assert_same_run(tmp_path / "whole", tmp_path / "run")


# --- what a person sees -----------------------------------------------------------------------------------------------


@pytest.fixture
def measured(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy's run in runs/ whose best weights are not its last, in a process whose registry has the toys."""
    registry = with_toys()
    # The origin last: what takes it from there while it is replaced would keep the toys' registry for good.
    for module in ("ganzoo.cli.generate", "ganzoo", "ganzoo.registry"):
        monkeypatch.setattr(f"{module}.get_registry", lambda: registry)
    for better in ("lower", "higher"):
        shutil.rmtree(cwd / "runs", ignore_errors=True)
        (cwd / "runs").mkdir()
        toy(cwd / "runs" / "toy-1", MeanPicture(better), steps=6).run()
        if best_step(cwd / "runs" / "toy-1") != 6:
            return cwd / "runs" / "toy-1"
    raise AssertionError("the distance neither rises nor falls")


def test_final_and_best_weights_can_be_loaded(measured: Path) -> None:
    for which, name in (("final", "model.safetensors"), ("best", BEST)):
        model = load_model(measured, with_toys(), weights=which)  # type: ignore[arg-type]
        assert isinstance(model, Toy)
        assert not model.training
        assert torch.equal(model.decoder.weight, load_file(measured / name)["decoder.weight"])


def test_generate_best_takes_the_best_weights(measured: Path, here: Callable[..., Answer], cwd: Path) -> None:
    assert here("generate", "-n", "3", "--out", "final").code == 0
    assert here("generate", "-n", "3", "--best", "--out", "best").code == 0
    assert (cwd / "final" / "000000.png").read_bytes() != (cwd / "best" / "000000.png").read_bytes()
    assert here("generate", "-n", "3", "--best").code == 0
    assert (measured / "generated" / "n3-seed0-best.png").is_file()


def test_best_weights_of_a_run_that_was_not_measured_are_refused(measured: Path, here: Callable[..., Answer]) -> None:
    (measured / BEST).unlink()
    answer = here("generate", "--best")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert "has no best.safetensors: it was not evaluated while it trained" in line
    offered = line.partition("its last weights: ganzoo ")[2].split()
    assert here(*offered).code == 0


def test_runs_shows_the_best_and_the_last(measured: Path, here: Callable[..., Answer]) -> None:
    (row,) = json.loads(here("runs", "--json").out)
    assert row["evaluation"] == summary(measured)["evaluation"]
    found = Scores.from_json(row["evaluation"])
    assert found is not None
    text = here("runs").out
    assert f"mean_picture {found.best.text} (step {found.best.step})" in text
    assert f"mean_picture {found.final.text} (step 6)" in text
    (measured / "summary.json").write_text('{"evaluation": {"name": "x", "best": 3}}')
    assert json.loads(here("runs", "--json").out)[0]["evaluation"] is None
    assert "mean_picture" not in here("runs").out


def test_the_model_card_tells_both(measured: Path) -> None:
    found = Scores.from_json(summary(measured)["evaluation"])
    assert found is not None
    rows = [line.split(" | ") for line in (measured / "README.md").read_text().splitlines()]
    told = {row[0].removeprefix("| "): row[1:3] for row in rows}
    assert told["best"] == [found.best.text, str(found.best.step)]
    assert told["final"] == [found.final.text, "6"]


def with_evaluation(registry: Registry) -> Registry:
    """The registry with a plugin that measures in it."""
    if "evaluation" not in registry.plugins:
        registry.load("evaluation", "ganzoo-evaluation", "0", lambda: ModuleType("ganzoo_evaluation_stand_in"))
    return registry


def test_a_person_is_told_of_each_evaluation_and_of_what_comes_next(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for evaluation in (False, True):
        shutil.rmtree(folder, ignore_errors=True)
        trainer = toy(folder, MeanPicture(), steps=6)
        if evaluation:
            with_evaluation(trainer.registry)
        else:
            trainer.registry.plugins.pop("evaluation", None)
        reporter = TrainingReporter(trainer.run_folder)
        trainer.reporter = reporter
        reporter.begun(trainer)
        reporter.ended(trainer.run())
        said = capsys.readouterr().out.splitlines()
        values = {line["step"]: line["estimates"][1]["value"] for line in evaluations(folder)}
        for step, value in values.items():
            (line,) = [line for line in said if line.startswith(f"step {step}: mean_picture {value:.3f} ± 0.010 (best")]
            assert line.endswith("(best)") == (value == min(values[s] for s in values if s <= step))
        losses = [line for line in said if " left  " in line]
        assert losses
        assert not any("mean_picture" in line for line in losses)
        assert f"next: ganzoo generate {folder} -n 64" in said
        assert (said[-1].strip() == f"ganzoo eval {folder}") is evaluation


TINY = ("--steps", "4", *(w for s in ("width=8", "maxout_units=4", "batch=8", "samples=4") for w in ("--set", s)))


def test_the_command_measures_with_the_metrics_of_the_task(here: Callable[..., Answer], cwd: Path) -> None:
    measure = ("--set", "eval_every=2", "--set", "eval_count=64")
    answer = here("train", "vanilla", "--run", "run", *measure, *TINY)
    assert answer.code == 0, answer.err
    found = Scores.from_json(summary(cwd / "run")["evaluation"])
    assert found is not None
    assert f"step 4: {found.name} {found.final.text} (best" in answer.out
    assert [line["step"] for line in evaluations(cwd / "run")] == [2, 4]
    assert best_step(cwd / "run") == found.best.step
    assert here("generate", "run", "--best", "-n", "2").code == 0
    assert here("train", "--resume", "run", "--steps", "6").code == 0
    assert [line["step"] for line in evaluations(cwd / "run")] == [2, 4, 6]


def test_the_command_says_when_nothing_can_be_measured(process: Callable[..., Answer], cwd: Path) -> None:
    answer = process(
        "train", "vanilla", "--run", "run", "--set", "eval_every=2", *TINY, GANZOO_DISABLE="evaluation,tensorboard"
    )
    assert answer.code == 0
    (line,) = answer.err.splitlines()
    assert line.startswith("ganzoo: warning: eval_every=2 measures nothing: the plugin evaluation is switched off")
    assert "evaluation" not in summary(cwd / "run")


def test_the_last_words_name_the_better_weights(
    measured: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    better = summary(measured)["evaluation"]["better"]
    trainer = toy(folder, MeanPicture(better), steps=6)
    reporter = TrainingReporter(trainer.run_folder)
    reporter.begun(trainer)
    reporter.ended(trainer.run())
    assert f"ganzoo generate {folder} --best" in capsys.readouterr().out


# --- Model.finish -----------------------------------------------------------------------------------------------------


class Finishing(Toy):
    """A toy whose pictures stand on the mean of all data, which is known only when it is finished."""

    def __init__(self, config: Config, data: DataSpec) -> None:
        super().__init__(config, data)
        self.decoder.register_buffer("base", torch.zeros(PIXELS))
        self.finished: list[dict[str, Any]] = []

    def finish(self, batches: Callable[[], Iterator[Batch]]) -> None:
        rows, noise, total = [], [], torch.zeros(PIXELS)
        for batch in batches():
            rows.append(rows_of(batch.image))
            noise.append(batch.randn(2))
            total += batch.image.flatten(1).sum(0)
        self.finished.append(
            {
                "rows": rows,
                "noise": torch.cat(noise),
                "again": [rows_of(batch.image) for batch in batches()] == rows,
                "training": self.training,
                "weight": self.decoder.weight.clone(),
                "base": self.decoder.get_buffer("base").clone(),
            }
        )
        self.decoder.get_buffer("base").copy_(total / sum(map(len, rows)))
        self.memory.seen.fill_(-1)  # a buffer that is not averaged

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        return super().generate(inputs) + self.decoder.get_buffer("base").view(1, 1, 4, 4)


def finishing(folder: Path, **settings: Any) -> Trainer:
    trainer = toy_trainer(folder, model=Finishing, batch=8, flip=True, **settings)
    if (folder / checkpoint.NAME).exists():
        trainer.load_state(checkpoint.load_run(folder))
    return trainer


def finished(trainer: Trainer) -> list[dict[str, Any]]:
    assert isinstance(trainer.model, Finishing)
    return trainer.model.finished


def test_a_model_is_finished_once_with_all_data_in_order_and_the_averaged_weights(folder: Path) -> None:
    trainer = finishing(folder, steps=5)
    trainer.run()
    (seen,) = finished(trainer)
    assert [row for rows in seen["rows"] for row in rows] == list(range(COUNT))
    assert [len(rows) for rows in seen["rows"]] == [8] * 7 + [4]
    assert seen["again"]
    assert not seen["training"]
    assert seen["noise"].unique(dim=0).shape == (COUNT, 2)
    saved = load_file(folder / "model.safetensors")
    assert torch.equal(saved["decoder.weight"], seen["weight"])
    mean = torch.from_numpy(pictures().columns["image"]).float().flatten(1).mean(0) / 127.5 - 1
    assert torch.allclose(saved["decoder.base"], mean, atol=1e-5)
    assert torch.allclose(trainer.sample()[0].mean((0, 1)).flatten() - mean, torch.zeros(PIXELS), atol=1.0)


def test_a_run_that_stops_before_its_end_is_not_finished(folder: Path) -> None:
    trainer = finishing(folder, steps=5)
    trainer.run(until=4)
    assert finished(trainer) == []
    assert load_file(folder / "model.safetensors")["decoder.base"].count_nonzero() == 0


def test_a_finished_run_goes_further_as_if_it_had_not_been_finished(tmp_path: Path) -> None:
    how = {"log_every": 1, "sample_every": 100}
    finishing(tmp_path / "whole", steps=8, **how).run()
    finishing(tmp_path / "run", steps=4, **how).run()
    trainer = finishing(tmp_path / "run", steps=8, **how)
    trainer.run()
    (seen,) = finished(trainer)
    assert seen["base"].count_nonzero() == 0
    (tmp_path / "run" / "samples" / "step-0000004.png").unlink()
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_all_rows_come_the_same_from_a_stream(folder: Path) -> None:
    config = {"batch": 8, "flip": True}
    group = Group(rank=1, world=2, device=torch.device("cpu"))
    resident = Feed(pictures(), Config(**config), Group(rank=0, world=1, device=torch.device("cpu")))
    for workers in (0, 2):
        streamed = Feed(Streaming(pictures()), Config(memory=0, workers=workers, **config), group)
        assert not streamed.resident
        first = streamed.draw(3, Noise(0, count=8))["image"]
        for (one, noise), (other, same) in zip(resident.all(), streamed.all(), strict=True):
            assert torch.equal(one["image"], other["image"])
            assert torch.equal(noise.randn(2), same.randn(2))
        assert torch.equal(streamed.draw(3, Noise(0, count=8))["image"], first)
        streamed.close()


def finish_and_tell(folder: str) -> None:
    """One process of a group: train, then write beside the folder what it has finished with."""
    rank = distributed.join("cpu").rank
    trainer = finishing(Path(folder), steps=3)
    trainer.run()
    with trainer.ema.applied():
        base = trainer.model.state_dict()["decoder.base"].clone()
    torch.save({"base": base, "rows": finished(trainer)[0]["rows"]}, Path(folder).parent / f"rank-{rank}.pt")
    distributed.leave()


def test_two_processes_finish_alike(driver: Driver, tmp_path: Path) -> None:
    run_ranks(driver, 2, tmp_path / "run", call="test_evaluate_while_training:finish_and_tell", cwd=tmp_path)
    one, other = (torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True) for rank in range(2))
    assert differences(one, other) == []
    assert one["base"].count_nonzero() > 0
    assert [row for rows in one["rows"] for row in rows] == list(range(COUNT))
