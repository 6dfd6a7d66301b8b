"""From what a person typed to a trainer that is ready: recipe, settings, data, run folder, networks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import recipes
from ganzoo.cards import Architecture, Recipe, Task, resolve
from ganzoo.config import RUNTIME, Layer, Settings, build, settings_of
from ganzoo.data.base import Data, DataRequest, DataSpec, Progress
from ganzoo.data.captions import remembering
from ganzoo.errors import NothingThere, UserError, did_you_mean
from ganzoo.figures import listed
from ganzoo.registry import Registry
from ganzoo.runs import CONFIG, Run, build_model, new_folder, open_run

if TYPE_CHECKING:
    import torch

    from ganzoo.engine.distributed import Group
    from ganzoo.engine.listeners import Evaluator, Reporter
    from ganzoo.engine.trainer import Trainer

CHANGEABLE = RUNTIME | {"steps", "precision"}
"""Settings that a run may be given anew when it goes on."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be trained: architecture, settings and data, all resolved and checked, nothing built yet."""

    card: Architecture
    task: Task
    recipe: str
    settings: Settings
    origins: Mapping[str, str]
    source: str


def plan_job(
    registry: Registry, name: str, data: str | None, config_file: Path | None, assignments: Mapping[str, Any]
) -> Job:
    """Resolve `ARCH[.TAG]`, `--data`, `--config` and `--set`.

    Without a tag, `--data` takes the architecture's recipe for that data set (or for the whole of which it is a part),
    else its recipe for any data, else its own defaults.

    Raises:
        UserError: with every mistake that can be found without opening the data.
    """
    known = recipes.all_recipes(registry=registry)
    architecture, dot, _ = name.partition(".")
    card = registry.architectures.find(architecture)
    recipe: Recipe | None
    if dot:
        recipe = recipes.find(name, known, registry.architectures)
    elif data is None:
        recipe = recipes.default_recipe(architecture, known)
        if recipe is None:
            raise UserError(
                f"{architecture} has no recipe; say what to train on: ganzoo train {architecture} --data NAME"
            )
    else:
        own = recipes.of_architecture(architecture, known)
        recipe = next(
            (r for wanted in (data, data.partition(":")[0], recipes.ANY) for r in own if r.data == wanted), None
        )
    if recipe is not None and recipe.data == recipes.ANY and data is None:
        raise UserError(f"{recipe.name} is for pictures of your own; add --data NAME, or a folder or zip")
    layers = [Layer(recipe.name, recipe.settings)] if recipe else []
    if config_file is not None:
        layers.append(Layer(str(config_file), read_config(config_file)))
    layers.append(Layer("--set", assignments))
    mistakes: list[str] = []
    task = registry.tasks.find(card.task)
    source = data or (recipe.data if recipe else "")
    try:
        check_source(registry, source)
        check_readable(registry, task, source)
    except UserError as error:
        mistakes += error.lines
    try:
        settings, origins = build(settings_of(card), layers)
    except UserError as error:
        mistakes += error.lines
    if mistakes:
        raise UserError(*mistakes)
    return Job(
        card=card,
        task=task,
        recipe=recipe.name if recipe else "",
        settings=settings,
        origins=origins,
        source=source,
    )


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a YAML or JSON file.

    Raises:
        UserError: when it cannot be read or is not a mapping.
    """
    document = recipes.read_yaml(path, f"--config {path}")
    if not isinstance(document, dict):
        raise UserError(f"--config {path}: expected settings as `name: value`, found a {type(document).__name__}")
    return {str(key): value for key, value in document.items()}


def check_source(registry: Registry, source: str) -> None:
    """Whether `source` is a data set's name (with a subset after a colon), a folder or a zip.

    Raises:
        UserError: when it is none of these.
    """
    if is_path(registry, source):
        return
    name, _, subset = source.partition(":")
    if name not in registry.datasets:
        raise UserError(
            f"--data {source}: no data set, folder or zip of that name{did_you_mean(name, registry.datasets)}; "
            "`ganzoo data list` shows the sets"
        )
    card = registry.datasets[name]
    if subset and subset not in card.subsets:
        there = f"; it has {', '.join(card.subsets)}" if card.subsets else "; it has none"
        raise UserError(f"--data {source}: {name} has no subset {subset!r}{did_you_mean(subset, card.subsets)}{there}")


def check_data(registry: Registry, run: Run) -> None:
    """Whether what a run was trained on is still there.

    Raises:
        UserError: when it is not; of a set that a package brought, with why not.
    """
    name = run.data_source.partition(":")[0]
    try:
        check_source(registry, run.data_source)
    except UserError as error:
        if run.data_plugin and name not in registry.datasets:
            why = registry.why_missing("data set", name, run.data_plugin, run.data_plugin_version)
            raise UserError(f"{run.folder}: {why}") from error
        raise UserError(f"{run.folder} was trained on {run.data_source}, which is not there any more") from error


def check_readable(registry: Registry, task: Task, source: str) -> None:
    """Whether a folder or file of a person's own can hold what the task needs.

    Raises:
        UserError: when `source` is a path, the task's fields are no pictures, and it says not how they are read.
    """
    if task.open or not is_path(registry, source):
        return
    from ganzoo.data.sources import readable

    if not readable(task.batch):
        sets = [card.name for card in registry.datasets.values() if set(task.batch) <= set(card.fields)]
        raise UserError(
            f"--data {source}: {task.title.lower()} reads no folders or files of one's own (its data hold "
            f"{listed(task.batch)}), only sets by name; there are: {', '.join(sets) or 'none yet'}"
        )


def is_path(registry: Registry, source: str) -> bool:
    return Path(source).exists() and (source.partition(":")[0] not in registry.datasets or os.sep in source)


def data_request(job: Job, split: str = "train", progress: Progress | None = None) -> DataRequest:
    """What the job asks of its data."""
    request = DataRequest(
        fields=job.task.batch,
        optional=job.task.optional,
        split=split,
        size=job.settings.size,
        sizes=job.card.sizes,
        fit=job.settings.fit,
        progress=progress,
    )
    return job.settings.wants(request)


def open_data(registry: Registry, job: Job, split: str = "train", progress: Progress | None = None) -> Data:
    """The job's data at the job's size.

    Raises:
        UserError: when they are not there, not readable, or lack a field that the task needs; or when a setting is for
            pictures, and they are none.
    """
    data = _open(registry, job, data_request(job, split, progress))
    settings = {"size": job.settings.size, "flip": job.settings.flip}
    idle = [f"{name}={value}".lower() for name, value in settings.items() if value]
    if idle and not data.spec.channels:
        raise UserError(*(f"{setting}: {data.spec.name} has no pictures; leave it out" for setting in idle))
    return data


def _open(registry: Registry, job: Job, wanted: DataRequest) -> Data:
    if is_path(registry, job.source):
        check_readable(registry, job.task, job.source)
        if job.task.open:
            own: Data = resolve(job.task.open)(Path(job.source), wanted)
            return own
        from ganzoo.data.sources import open_path

        return open_path(Path(job.source), wanted)
    name, _, subset = job.source.partition(":")
    card = registry.datasets[name]
    lacking = [field for field in job.task.batch if field not in card.fields]
    if lacking:
        fitting = [other.name for other in registry.datasets.values() if set(job.task.batch) <= set(other.fields)]
        raise UserError(
            f"--data {name} has no {' and no '.join(lacking)}, which {job.card.name} needs; "
            f"sets that have: {', '.join(fitting) or 'none yet'}"
        )
    fits = not job.card.sizes or card.size in job.card.sizes
    size = wanted.size or (card.size if fits else _best(job.card, card.size))
    there = tuple(field for field in wanted.optional if field in card.fields)
    data: Data = resolve(card.load)(
        replace(wanted, optional=there, subset=subset, size=size if card.channels else None)
    )
    return data


def open_held_out(registry: Registry, job: Job, progress: Progress | None = None) -> Data | None:
    """What the job's data hold out, at the job's size; None where that is nothing."""
    try:
        name = job.source.partition(":")[0]
        if is_path(registry, job.source) and job.task.open:
            there = True
        elif is_path(registry, job.source):
            from ganzoo.data.names import splits_of
            from ganzoo.data.store import open_store

            there = "test" in splits_of(open_store(Path(job.source)).entries)
        else:
            there = "test" in registry.datasets[name].splits
        return open_data(registry, job, split="test", progress=progress) if there else None
    except NothingThere:  # a subset may have no test pictures
        return None


def open_examples(registry: Registry, job: Job, progress: Progress | None = None) -> Data | None:
    """What sample grids are made from: of a task whose models are given pictures or captions, what its data hold out;
    None where that is nothing, and for other tasks."""
    given = bool(job.task.directions) or "text" in job.task.given.values()
    return open_held_out(registry, job, progress) if given else None


def _best(card: Architecture, native: int) -> int:
    """The largest size that the architecture can do and that is not above the set's own (64 where pictures differ)."""
    limit = native or 64
    return max((size for size in card.sizes if size <= limit), default=min(card.sizes))


def pin_precision(job: Job, device: torch.device) -> Job:
    """The job with `precision=auto` resolved for that device, so that a run that goes on elsewhere stays as it was."""
    from ganzoo.engine import precision

    return replace(job, settings=replace(job.settings, precision=precision.name_on(job.settings.precision, device)))


def check_buildable(job: Job, data: Data) -> None:
    """Build the networks on torch's meta device, which holds no numbers: a size that cannot be built is said before a
    run folder is made.

    Raises:
        UserError: when the architecture cannot be built for these data.
    """
    import torch

    with torch.device("meta"):
        build_model(job.card, _sized(job.settings, data.spec), data.spec)


def _sized(settings: Settings, data: DataSpec) -> Settings:
    """The settings with the size that the data have; none where they have no pictures."""
    return replace(settings, size=data.size or None)


def make_run(
    registry: Registry, job: Job, data: Data, folder: Path | None, root: Path, examples: Data | None = None
) -> Run:
    """Make the run's folder and write its config.json.

    `examples`: rows that were held out, of whose captions the run remembers some; by default those of the data.

    Raises:
        UserError: when the folder holds a run already.
    """
    own = is_path(registry, job.source)
    if folder is None:
        label = Path(job.source).stem if own else job.source
        folder = new_folder(root, job.card.name, label)
    elif (folder / CONFIG).exists():
        raise UserError(f"--run {folder} holds a run already; go on with: ganzoo train --resume {folder}")
    else:
        folder.mkdir(parents=True, exist_ok=True)
    plugin = registry.architectures.plugin(job.card.name)
    brought = None if own else registry.datasets.plugin(job.source.partition(":")[0])
    run = Run(
        folder=folder,
        architecture=job.card.name,
        recipe=job.recipe,
        settings=_sized(job.settings, data.spec),
        data=remembering(data.spec, data if examples is None else examples),
        data_source=str(Path(job.source).resolve()) if own else job.source,
        plugin=plugin.distribution,
        plugin_version=plugin.version,
        data_plugin=brought.distribution if brought else "",
        data_plugin_version=brought.version if brought else "",
    )
    run.save()
    return run


def resume_run(registry: Registry, folder: Path, assignments: Mapping[str, Any]) -> tuple[Run, Job]:
    """An old run with a few settings changed (its folder is not touched), and the job that it is.

    Raises:
        UserError: when a setting is given that cannot change, or the run or its data cannot be found.
    """
    run = open_run(folder, registry)
    card = registry.architectures[run.architecture]
    settings_type = type(run.settings)
    names = [field.name for field in fields(settings_type)]
    fixed = [name for name in assignments if name in names and name not in CHANGEABLE]
    if fixed:
        raise UserError(
            *(
                f"{name}: cannot change when a run goes on (it is {getattr(run.settings, name)} in {folder}); "
                "begin a new run without --resume"
                for name in fixed
            )
        )
    resolved = {name: getattr(run.settings, name) for name in names}
    settings, origins = build(settings_type, [Layer(str(folder / CONFIG), resolved), Layer("--set", assignments)])
    check_data(registry, run)
    job = Job(
        card=card,
        task=registry.tasks.find(card.task),
        recipe=run.recipe,
        settings=settings,
        origins=origins,
        source=run.data_source,
    )
    return replace(run, settings=settings), job


def make_trainer(
    registry: Registry,
    run: Run,
    job: Job,
    data: Data,
    group: Group,
    reporter: Reporter,
    progress: Progress | None = None,
    evaluator: Evaluator | None = None,
    examples: Data | None = None,
) -> Trainer:
    """Networks with fresh weights (a pure function of the seed) under a trainer, which calls `evaluator` on the way.

    `examples`: rows that were held out, for the sample grids of a model that is given pictures or captions.

    Raises:
        UserError: when the architecture cannot be built for these data, or they are not those that the run began with.
    """
    from ganzoo.engine.noise import seed_globals
    from ganzoo.engine.trainer import Trainer

    if data.spec.fingerprint != run.data.fingerprint:
        raise UserError(
            f"{run.folder}: its data have changed since it began ({run.data_source}: {run.data.count:,} rows then, "
            f"{data.spec.count:,} now); put them back, or begin a new run without --resume"
        )
    seed_globals(run.settings.seed, "weights")
    model = build_model(job.card, run.settings, run.data)
    return Trainer(run, model, data, job.task, group, registry, reporter, progress, evaluator, examples)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run folder, so that no two processes train in it.

    Raises:
        UserError: when another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none; there the folder is not guarded
        yield
        return
    with open(folder / ".lock", "w") as stream:
        try:
            # Not flock: the processes that read data inherit it, and outlive a killed trainer by some seconds.
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder} is being trained by another process; wait for it or stop it") from None
        yield


def is_locked(folder: Path) -> bool:
    """Whether another process is training in that folder now."""
    if not (folder / ".lock").exists():
        return False
    try:
        with lock(folder):
            return False
    except (UserError, OSError):
        return True
