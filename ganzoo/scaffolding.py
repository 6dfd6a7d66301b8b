"""A package of one's own, written from the templates in `ganzoo/scaffold/`.

A template is code that runs where it stands, under the name `newborn`. What an author gets is that code with other
names: there is no template language. Nothing here imports a template.
"""

from __future__ import annotations

import datetime
import json
import keyword
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ganzoo

TEMPLATES = Path(__file__).resolve().parent / "scaffold"
KINDS = {"architecture": "An architecture", "dataset": "A data set", "metric": "A metric"}
"""What a package can add, and how its description begins."""
TASKS = (
    "generation",
    "class-conditional",
    "text-to-image",
    "unpaired-translation",
    "paired-translation",
    "super-resolution",
)
"""The tasks that there are templates for."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Names that are good for a distribution, a module, a card and a command line alike."""
LONGEST = 40
"""Letters of a name, with which every line of a template is still short enough for a linter."""
PREFIX = "ganzoo-"
MARK = re.compile(r"ganzoo\.scaffold\.\w+|ganzoo_newborn|ganzoo-newborn|New Born|Newborn|newborn|@[A-Z]+@")
"""What is replaced in a template."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """How a package of that name is called wherever it is called anything."""

    name: str

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return f"{PREFIX}{self.name}"

    @property
    def module(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        """For people, until the author finds a better one."""
        return " ".join(part.capitalize() for part in self.name.split("-"))

    @property
    def model(self) -> str:
        """The class of an architecture's model, which must not be called what the templates have already."""
        found = self.title.replace(" ", "")
        return f"{found}Net" if found in _taken() else found


@dataclass(frozen=True, kw_only=True)
class Author:
    """Who holds the rights, and which year it is."""

    name: str
    year: int


def files(kind: str, task: str, names: Names, author: Author, architecture: str = "") -> dict[str, str]:
    """The texts of a package by their paths in its folder.

    `task` is one of `TASKS` (of a metric, any); `architecture` one to try a data set with.
    """
    marks = {
        "ganzoo_newborn": names.module,
        "ganzoo-newborn": names.distribution,
        "New Born": names.title,
        "Newborn": names.model,
        "newborn": names.name,
        "@TITLE@": names.title,
        "@KIND@": KINDS[kind],
        "@VERSION@": ".".join(ganzoo.__version__.split(".")[:2]),
        "@HOLDER@": author.name,
        "@AUTHOR@": json.dumps(author.name, ensure_ascii=False)[1:-1],  # a basic string of TOML is one of JSON
        "@YEAR@": str(author.year),
        "@ARCHITECTURE@": architecture,
    }
    return {path: _named(source, names, marks) for path, source in _sources(kind, task, names).items()}


def _named(source: Path, names: Names, marks: Mapping[str, str]) -> str:
    text = source.read_text(encoding="utf-8")
    return MARK.sub(lambda found: marks.get(found[0], names.module), text)


def _sources(kind: str, task: str, names: Names) -> dict[str, Path]:
    """Where the template of each file of a package is."""
    package = TEMPLATES / "package"
    sources = {
        "pyproject.toml": package / "project.toml",  # a linter would take one of that name for its own settings
        "README.md": package / f"README-{kind}.md",
        "LICENSE": package / "LICENSE",
        ".gitignore": package / "gitignore",
        ".github/workflows/test.yml": package / "test.yml",
        "tests/test_conformance.py": package / "test_conformance.py",
    }
    folders = {
        "architecture": [task],
        "dataset": ["dataset", f"dataset_{task}"],
        "metric": ["metric"],
    }[kind]
    for folder in folders:
        for source in sorted((TEMPLATES / folder.replace("-", "_")).glob("*.py")):
            place = "tests" if source.name.startswith("test_") else names.module
            sources[f"{place}/{source.name}"] = source
    return sources


def _taken() -> set[str]:
    """Every name that a template uses, but for the one that is replaced."""
    words = {word for path in TEMPLATES.rglob("*.py") for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    return (words | set(keyword.kwlist)) - {"Newborn"}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder that is not there yet, or empty.

    Raises:
        OSError: when they cannot be written.
    """
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="\n")


def git_user() -> str:
    """The name that git puts on commits; empty where there is none, or no git."""
    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()


def this_year() -> int:
    """The year of a copyright that begins now."""
    return datetime.date.today().year
