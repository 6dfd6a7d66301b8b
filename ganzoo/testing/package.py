"""A package that is not installed, made findable for this process and its children as if it were."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.errors import UserError

GROUP = "ganzoo"


@dataclass(frozen=True)
class Package:
    """What a package's pyproject.toml says: distribution, version, entry points, and the folders of their modules."""

    distribution: str
    version: str
    plugins: dict[str, str]
    roots: tuple[Path, ...]


def read_package(folder: Path) -> Package:
    """The plugins that the pyproject.toml in `folder` names.

    Raises:
        UserError: when there is none, it cannot be read, it names no plugin, or a plugin's module is not there.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        raise UserError(f"{folder} is no package: it has no pyproject.toml; begin one with: ganzoo plugin new NAME")
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    project = document.get("project", {})
    plugins = project.get("entry-points", {}).get(GROUP, {})
    name = project.get("name")
    if not isinstance(name, str) or not isinstance(plugins, dict) or not plugins:
        raise UserError(
            f'{path} names no plugin; expected [project.entry-points.{GROUP}] with a line such as name = "module"'
        )
    modules = [str(reference).partition(":")[0] for reference in plugins.values()]
    roots = []
    for module in modules:
        root = next((root for root in (folder, folder / "src") if _has(root, module)), None)
        if root is None:
            raise UserError(f"{path}: the module {module} is neither in {folder} nor in {folder / 'src'}")
        roots.append(root.resolve())
    return Package(
        distribution=name,
        version=str(project.get("version", "0")),
        plugins={str(key): str(value) for key, value in plugins.items()},
        roots=tuple(dict.fromkeys(roots)),
    )


def _has(root: Path, module: str) -> bool:
    place = root.joinpath(*module.split("."))
    return (place / "__init__.py").is_file() or place.with_suffix(".py").is_file()


@contextmanager
def as_installed(package: Package) -> Iterator[None]:
    """While this lasts, the package is found by this process and those that it starts; before an installed one of its
    name."""
    with tempfile.TemporaryDirectory(prefix="ganzoo-check-") as site:
        information = Path(site) / f"{package.distribution.replace('-', '_')}-{package.version}.dist-info"
        information.mkdir()
        head = f"Metadata-Version: 2.1\nName: {package.distribution}\nVersion: {package.version}\n"
        (information / "METADATA").write_text(head, encoding="utf-8")
        lines = "".join(f"{name} = {reference}\n" for name, reference in package.plugins.items())
        (information / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}", encoding="utf-8")
        added = [site, *map(str, package.roots)]
        old = os.environ.get("PYTHONPATH")
        sys.path[:0] = added
        os.environ["PYTHONPATH"] = os.pathsep.join([*added, *([old] if old else [])])
        importlib.invalidate_caches()
        try:
            yield
        finally:
            for path in added:
                sys.path.remove(path)
            if old is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = old
