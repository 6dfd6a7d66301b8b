"""A run is a folder: what was asked, what came out, and enough to go on or to generate from it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ganzoo
from ganzoo.cards import Architecture, resolve
from ganzoo.config import Layer, Settings, build
from ganzoo.data.base import DataSpec, Field
from ganzoo.engine.files import write_text
from ganzoo.errors import UserError, did_you_mean
from ganzoo.recipes import default_architecture
from ganzoo.registry import Registry

if TYPE_CHECKING:
    import torch

    from ganzoo.model import Model

CONFIG = "config.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
WEIGHTS = "model.safetensors"
SAMPLES = "samples"
FORMAT = "ganzoo-run-1"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder and what its config.json says."""

    folder: Path
    architecture: str
    recipe: str
    settings: Settings
    data: DataSpec
    data_source: str
    plugin: str
    plugin_version: str

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
            "data": {"source": self.data_source, **asdict(self.data)},
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
        fields = tuple(Field(**{**field, "classes": tuple(field["classes"])}) for field in data.pop("fields"))
        spec = DataSpec(**data, fields=fields)
        plugin, name = document["plugin"], document["architecture"]
        raw, recipe = document["settings"], document["recipe"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if name not in registry.architectures:
        raise UserError(
            f"{folder}: its architecture {name!r} came from {plugin['distribution']} {plugin['version']}, which is not "
            f"installed or does not load; try: pip install {plugin['distribution']}"
        )
    settings_type = resolve(registry.architectures[name].config)
    settings, _ = build(settings_type, [Layer(str(path), raw)])
    return Run(
        folder=folder,
        architecture=name,
        recipe=recipe,
        settings=settings,
        data=spec,
        data_source=source,
        plugin=plugin["distribution"],
        plugin_version=plugin["version"],
    )


def build_model(card: Architecture, settings: Settings, data: DataSpec) -> Model:
    """The architecture's networks for these settings and data, with fresh weights.

    Raises:
        UserError: when it cannot be built at that size.
    """
    if card.sizes and data.size not in card.sizes:
        sizes = ", ".join(map(str, card.sizes))
        nearest_size = min(card.sizes, key=lambda size: abs(size - data.size))
        raise UserError(
            f"{card.name} is built for pictures of {sizes} px, found {data.size} px ({data.name}); "
            f"add --set size={nearest_size}"
        )
    model: Model = resolve(card.model)(settings, data)
    return model


def load_model(folder: Path | str, registry: Registry | None = None, device: torch.device | str = "cpu") -> Model:
    """A trained model in eval mode, from config.json and model.safetensors alone.

    Raises:
        UserError: when the folder is not a run, or its weights are missing or do not fit.
    """
    from safetensors.torch import load_file

    run = open_run(Path(folder), registry or ganzoo.get_registry())
    card = (registry or ganzoo.get_registry()).architectures[run.architecture]
    model = build_model(card, run.settings, run.data)
    path = run.folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"{run.folder} has no {WEIGHTS} yet; train it: ganzoo train --resume {run.folder}")
    try:
        weights = load_file(path)
    except Exception as error:  # a damaged file, in whatever way the reader puts it
        raise UserError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    state = [name for name in model.state_dict() if not name.endswith("_extra_state")]
    wanted = {name for name in state if name.split(".")[0] in model.sampling}
    if wanted != set(weights):
        odd = sorted(wanted ^ set(weights))[0]
        raise UserError(f"{path} does not fit {run.architecture}: {odd} is in only one of the two")
    model.load_state_dict(weights, strict=False)
    return model.to(device).eval()


def weights_of(average: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as safetensors wants them: on the CPU, contiguous, no two sharing memory."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in average.items()}
