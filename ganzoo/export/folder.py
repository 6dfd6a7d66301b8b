"""A run as a folder for a model hub: weights, settings and a model card, and nothing that tells where data were."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ganzoo.engine.files import write_atomic, write_text
from ganzoo.errors import UserError
from ganzoo.modelcard import model_card
from ganzoo.registry import Registry
from ganzoo.runs import CONFIG, SUMMARY, WEIGHTS, Run, Scores, load_model, saved_step, weights_path

CARD = "README.md"


def write_folder(run: Run, registry: Registry, weights: str, target: Path) -> None:
    """Write `target` with model.safetensors, config.json and README.md; `ganzoo generate` takes it as it takes a run.

    What is made is loaded before it gets its name; files of these names that are there are replaced. Of data of one's
    own, only the name of the folder is told, not where it is.

    Raises:
        UserError: when the run has no such weights, or they do not fit.
    """
    load_model(run.folder, registry, weights=weights)
    path = weights_path(run.folder, weights)
    card = registry.architectures[run.architecture]
    task = registry.tasks.find(card.task)
    text = model_card(run, card, task, saved_step(path) or 0, _scores(run.folder), weights)
    new = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    new.mkdir(parents=True)
    try:
        write_atomic(new / WEIGHTS, lambda stream: stream.write(path.read_bytes()))
        write_text(new / CONFIG, _config(run.folder / CONFIG))
        write_text(new / CARD, text)
        load_model(new, registry)
        if target.exists():
            for name in (WEIGHTS, CONFIG, CARD):
                os.replace(new / name, target / name)
        else:
            os.replace(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_folder(target: Path) -> None:
    """Whether files may be put into that folder.

    Raises:
        UserError: when it is or looks like a file, or is a run of its own, whose weights and settings would be lost.
    """
    from ganzoo.engine import checkpoint

    if target.is_file() or target.suffix.lower() == ".safetensors":
        raise UserError(f"--out {target}: safetensors come as a folder; use --out {target.with_suffix('')}-folder")
    if (target / checkpoint.NAME).exists():
        raise UserError(f"--out {target} is a run of its own; name another folder")


def _config(path: Path) -> str:
    """config.json, with the name alone of data that are a folder or a file of one's own."""
    document = json.loads(path.read_text(encoding="utf-8"))
    source = Path(document["data"]["source"])
    if source.is_absolute():
        document["data"]["source"] = source.name
    return json.dumps(document, indent=2) + "\n"


def _scores(folder: Path) -> Scores | None:
    """What was measured while it trained."""
    try:
        return Scores.from_json(json.loads((folder / SUMMARY).read_text(encoding="utf-8")).get("evaluation"))
    except (OSError, ValueError, AttributeError):
        return None
