"""A run is a folder: what was asked, what came out, and enough to go on or to generate from it."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import ganzoo
from ganzoo.cards import Architecture, resolve
from ganzoo.config import Layer, Settings, build, settings_of
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.files import write_text
from ganzoo.errors import GanzooWarning, UserError, did_you_mean
from ganzoo.figures import with_error
from ganzoo.recipes import default_architecture
from ganzoo.registry import Registry
from ganzoo.strangers import shown

if TYPE_CHECKING:
    import torch

    from ganzoo.model import Model

CONFIG = "config.json"
METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
SUMMARY = "summary.json"
WEIGHTS = "model.safetensors"
BEST = "best.safetensors"
SAMPLES = "samples"
FORMAT = "ganzoo-run-1"
_OWNER = ("distribution", "version")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder and what its config.json says.

    `plugin` is the distribution that brought the architecture, `data_plugin` the one that brought the data set (empty
    where the data are a folder or file).
    """

    folder: Path
    architecture: str
    recipe: str
    settings: Settings
    data: DataSpec
    data_source: str
    plugin: str
    plugin_version: str
    data_plugin: str = ""
    data_plugin_version: str = ""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def samples(self) -> Path:
        """Where the sample grids are."""
        return self.folder / SAMPLES

    def save(self) -> None:
        """Write config.json: everything resolved, with versions."""
        document = {
            "format": FORMAT,
            "architecture": self.architecture,
            "recipe": self.recipe,
            "plugin": {"distribution": self.plugin, "version": self.plugin_version},
            "data": {
                "source": self.data_source,
                "plugin": {"distribution": self.data_plugin, "version": self.data_plugin_version},
                **asdict(self.data),
            },
            "settings": asdict(self.settings),
            "versions": {
                "ganzoo": ganzoo.__version__,
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in ("torch", "torchvision", "numpy")},
            },
        }
        write_text(self.folder / CONFIG, json.dumps(document, indent=2) + "\n")

    def write_summary(self, **values: Any) -> None:
        """Replace summary.json."""
        write_text(self.folder / SUMMARY, json.dumps(values, indent=2) + "\n")


@dataclass(frozen=True, kw_only=True)
class Score:
    """The headline of one evaluation: after which step, its value, and the standard error where it has one."""

    step: int
    value: float
    error: float | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The score whose `asdict` this is.

        Raises:
            TypeError, ValueError, KeyError: when it is something else.
        """
        step, value, error = (document[name] for name in ("step", "value", "error"))
        known = error is not None and math.isfinite(float(error))
        return cls(step=int(step), value=float(value), error=float(error) if known else None)

    @property
    def text(self) -> str:
        """`23.41 ± 0.52`."""
        return with_error(self.value, self.error)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What the evaluations of a run came to by their headline: the best so far, and the last (once the run is done,
    that of its final weights).

    `better` is `lower` or `higher`. Only values of one `name` and one `key` (that of their passports) are compared.
    """

    name: str
    key: str
    better: str
    best: Score
    final: Score

    @classmethod
    def after(cls, before: Self | None, name: str, key: str, better: str, score: Score) -> Self:
        """The scores with one more; it is the best where it beats the best so far, or cannot be compared with it."""
        best = score
        if before is not None and (before.name, before.key) == (name, key):
            sign = -1 if better == "higher" else 1
            best = score if sign * score.value < sign * before.best.value else before.best
        return cls(name=name, key=key, better=better, best=best, final=score)

    @classmethod
    def from_json(cls, document: object) -> Self | None:
        """The scores whose `asdict` this is; None when it is something else (a damaged file, an older run)."""
        try:
            values = dict(document)  # type: ignore[call-overload]
            texts = {name: str(values[name]) for name in ("name", "key", "better")}
            return cls(**texts, best=Score.from_json(values["best"]), final=Score.from_json(values["final"]))
        except (TypeError, ValueError, KeyError):
            return None


def new_folder(root: Path, architecture: str, data: str) -> Path:
    """Make `root/<architecture>-<data>-<n>` with the first n that is free, and return it."""
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", data).strip("-.") or "data"
    root.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(rf"{re.escape(architecture)}-{re.escape(label)}-(\d+)")
    taken = [int(match[1]) for path in root.iterdir() if (match := pattern.fullmatch(path.name))]
    number = max(taken, default=0) + 1
    while True:
        folder = root / f"{architecture}-{label}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def list_runs(root: Path) -> list[Path]:
    """The run folders under `root`, oldest first by the time their config was written."""
    configs = [path for path in root.glob(f"*/{CONFIG}") if path.is_file()]
    return [path.parent for path in sorted(configs, key=lambda path: (path.stat().st_mtime, path.parent.name))]


def find_folder(name: str | None, root: Path) -> Path:
    """The run folder that `name` means: a path, a name under `root`, or (None) the newest one.

    Raises:
        UserError: when there is none, with near names.
    """
    known = list_runs(root) if root.is_dir() else []
    if name is None:
        if not known:
            raise UserError(f"there are no runs in {root}/ yet; make one: ganzoo train {default_architecture()}")
        return known[-1]
    for candidate in (Path(name), root / name):
        if (candidate / CONFIG).is_file():
            return candidate
    if Path(name).is_dir():
        raise UserError(f"{name} is not a run: it has no {CONFIG}")
    raise UserError(f"there is no run {name!r}{did_you_mean(name, [path.name for path in known])}; see `ganzoo runs`")


def open_run(folder: Path, registry: Registry) -> Run:
    """Read a run folder's config.json; its architecture must be installed.

    Raises:
        UserError: when the file cannot be read or the architecture's plugin is missing.
    """
    path = folder / CONFIG
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}, expected {FORMAT!r}")
        data = dict(document["data"])
        source = data.pop("source")
        brought = dict(data.pop("plugin", ()))
        spec = DataSpec(**data | {"fields": tuple(map(_field, data["fields"]))})
        plugin, version, name = *(str(document["plugin"][key]) for key in _OWNER), str(document["architecture"])
        raw, recipe = document["settings"], document["recipe"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if name not in registry.architectures:
        raise UserError(f"{folder}: {registry.why_missing('architecture', name, plugin, version)}")
    now = registry.architectures.plugin(name)
    if (now.distribution, now.version) != (plugin, version):
        warnings.warn(
            f"{folder} was trained with {plugin} {version}, and {name} is now that of {now.owner}: what it draws may "
            "differ",
            GanzooWarning,
            stacklevel=2,
        )
    settings_type = settings_of(registry.architectures[name])
    settings, _ = build(settings_type, [Layer(str(path), raw)])
    return Run(
        folder=folder,
        architecture=name,
        recipe=recipe,
        settings=settings,
        data=spec,
        data_source=source,
        plugin=plugin,
        plugin_version=version,
        data_plugin=str(brought.get("distribution", "")),
        data_plugin_version=str(brought.get("version", "")),
    )


def _field(document: Mapping[str, Any]) -> Field:
    """The field whose `asdict` this is; lists stand for its tuples."""
    tuples = {name: tuple(document.get(name, ())) for name in ("classes", "examples", "shape")}
    return Field(**{**document, **tuples})


def build_model(card: Architecture, settings: Settings, data: DataSpec) -> Model:
    """The architecture's networks for these settings and data, with fresh weights.

    Raises:
        UserError: when it cannot be built at that size.
    """
    if card.sizes and data.size and data.size not in card.sizes:
        sizes = ", ".join(map(str, card.sizes))
        nearest_size = min(card.sizes, key=lambda size: abs(size - data.size))
        raise UserError(
            f"{card.name} is built for pictures of {sizes} px, found {data.size} px ({data.name}); "
            f"add --set size={nearest_size}"
        )
    return model_of(card)(settings, data)


def model_of(card: Architecture) -> type[Model]:
    """The class of an architecture's networks.

    Raises:
        UserError: when what the card names cannot be imported, or is something else.
    """
    from ganzoo.model import Model

    found = resolve(card.model)
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise UserError(
            f"{card.name}: its model {card.model} is {shown(found)}, expected a class made from ganzoo.Model"
        )
    return found


def load_model(
    folder: Path | str,
    registry: Registry | None = None,
    device: torch.device | str = "cpu",
    weights: str = "final",
) -> Model:
    """A trained model in eval mode, from config.json and one file of averaged weights alone.

    `weights`: the last ones (`final`, model.safetensors), those that did best in the evaluations on the way (`best`,
    best.safetensors), or those with which a phase ended (its name; see `milestones`).

    Raises:
        UserError: when the folder is not a run, or its weights are missing or do not fit.
    """
    from safetensors.torch import load_file

    run = open_run(Path(folder), registry or ganzoo.get_registry())
    card = (registry or ganzoo.get_registry()).architectures[run.architecture]
    model = build_model(card, run.settings, run.data)
    path = weights_path(run.folder, weights)
    if not path.is_file():
        if weights not in ("final", "best"):
            there = ", ".join(["final", *(["best"] if (run.folder / BEST).is_file() else []), *milestones(run.folder)])
            raise UserError(f"{run.folder} has no weights of {weights!r}; it has {there}")
        if weights == "best":
            raise UserError(
                f"{run.folder} has no {BEST}: it was not evaluated while it trained (the setting eval_every); its last "
                f"weights: ganzoo generate {run.folder}"
            )
        raise UserError(f"{run.folder} has no {WEIGHTS} yet; train it: ganzoo train --resume {run.folder}")
    try:
        found = load_file(path)
    except Exception as error:  # a damaged file, in whatever way the reader puts it
        raise UserError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    state = [name for name in model.state_dict() if not name.endswith("_extra_state")]
    wanted = {name for name in state if name.split(".")[0] in model.sampling}
    if wanted != set(found):
        odd = sorted(wanted ^ set(found))[0]
        raise UserError(f"{path} does not fit {run.architecture}: {odd} is in only one of the two")
    model.load_state_dict(found, strict=False)
    return model.to(device).eval()


def weights_path(folder: Path, weights: str) -> Path:
    """The file of a run's weights: of the last ones (`final`), the best (`best`), or those with which a phase ended."""
    return folder / {"final": WEIGHTS, "best": BEST}.get(weights, milestone(weights))


def milestone(phase: str) -> str:
    """The file with the averaged weights as they were when that phase came to its end."""
    return f"after-{phase}.safetensors"


def milestones(folder: Path) -> list[str]:
    """The phases of a run that are over and left their weights (`milestone`)."""
    return sorted(path.stem.removeprefix("after-") for path in folder.glob(milestone("*")))


def best_step(folder: Path) -> int | None:
    """The step whose weights are in a run's best.safetensors; None when there is no such file, or it is damaged."""
    return saved_step(folder / BEST)


def saved_step(path: Path) -> int | None:
    """The step whose weights are in a file of a run; None when there is no such file, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stream:
            return int((stream.metadata() or {})["step"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def weights_of(average: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as safetensors wants them: on the CPU, contiguous, no two sharing memory."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in average.items()}
