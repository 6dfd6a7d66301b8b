"""`ganzoo plugin new`: for every kind and task a package that is complete, clean, light and works as it is written."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
import yaml
from conftest import Answer, TinyRuns
from PIL import Image

from ganzoo import recipes, training
from ganzoo.cards import resolve
from ganzoo.cli.plugin_new import new
from ganzoo.registry import Registry
from ganzoo.scaffolding import KINDS, TASKS, Names
from ganzoo.tasks import ganzoo_tasks

ROOT = Path(__file__).resolve().parent.parent
AROUND = {
    ".github/workflows/test.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "tests/test_conformance.py",
}
INSIDE = {
    "architecture": {"__init__.py", "config.py", "model.py", "test_model.py"},
    "dataset": {"__init__.py", "drawing.py", "load.py", "test_load.py"},
    "metric": {"__init__.py", "measure.py", "test_measure.py"},
}
LONG = "a-name-that-has-all-of-the-forty-letters"
PACKAGES = {
    **{f"okapi-{task}": ("architecture", task) for task in TASKS},
    **{f"photos-{task}": ("dataset", task) for task in TASKS},
    "gap": ("metric", ""),
    LONG: ("architecture", "generation"),
}
"""Every template by the name of a package that is written from it; and the longest name that there can be."""


def package_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every template was written once, `ganzoo-NAME` each."""
    root = tmp_path_factory.mktemp("packages")
    for name, (kind, task) in PACKAGES.items():
        words = [name, "--kind", kind, "--out", str(root / f"ganzoo-{name}"), "--author", "Ada"]
        new.main([*words, *(["--task", task] if task else [])], standalone_mode=False)
    return root


def environment(packages: Path) -> dict[str, str]:
    """The environment of a process that finds every package."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(packages / f"ganzoo-{name}") for name in PACKAGES)}


@pytest.fixture(scope="module")
def found(packages: Path) -> Iterator[Registry]:
    """A registry with everything that is installed and every package."""
    registry, before = Registry(), list(sys.path)
    registry.load_entry_points()
    for name in PACKAGES:
        sys.path.insert(0, str(packages / f"ganzoo-{name}"))
        module = Names(name=name).module

        def load(module: str = module) -> ModuleType:
            return importlib.import_module(module)

        registry.load(name, f"ganzoo-{name}", "0.1.0", load)
    yield registry
    sys.path[:] = before


# --- what is written --------------------------------------------------------------------------------------------------


def test_there_is_a_template_for_every_built_in_task() -> None:
    assert set(TASKS) == {card.name for card in ganzoo_tasks()}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_complete(name: str, packages: Path) -> None:
    kind, _ = PACKAGES[name]
    module = Names(name=name).module
    inside = {f"tests/{file}" if file.startswith("test_") else f"{module}/{file}" for file in INSIDE[kind]}
    assert package_files(packages / f"ganzoo-{name}") == AROUND | inside


@pytest.mark.parametrize("name", PACKAGES)
def test_no_name_of_the_template_is_left(name: str, packages: Path) -> None:
    folder = packages / f"ganzoo-{name}"
    for path in package_files(folder):
        text = (folder / path).read_text(encoding="utf-8")
        assert "newborn" not in text.lower(), path
        assert "new born" not in text.lower(), path
        assert "scaffold" not in text, path
        assert not [word for word in text.split() if word.startswith("@") and word.endswith("@")], path


@pytest.mark.parametrize("name", PACKAGES)
def test_the_project_file_names_the_plugin_and_its_author(name: str, packages: Path) -> None:
    folder, names = packages / f"ganzoo-{name}", Names(name=name)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"ganzoo-{name}"
    assert project["entry-points"] == {"ganzoo": {name: names.module}}
    assert "ganzoo" in project["keywords"]
    assert project["authors"] == [{"name": "Ada"}]
    assert " Ada\n" in (folder / "LICENSE").read_text()
    steps = yaml.safe_load((folder / ".github/workflows/test.yml").read_text())["jobs"]["test"]["steps"]
    assert {"run": "pytest"} in steps


@pytest.mark.parametrize("words", [["check", "."], ["format", "--check", "."]], ids=["check", "format"])
def test_ruff_has_nothing_to_say(words: list[str], packages: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", *words], cwd=packages, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_mypy_has_nothing_to_say_in_its_strict_mode(packages: Path, tmp_path: Path) -> None:
    """But for the tests of conformance, which look alike."""
    files = [
        str(path)
        for name in PACKAGES
        for pattern in (f"{Names(name=name).module}/*.py",)
        for path in (packages / f"ganzoo-{name}").glob(pattern)
    ]
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--cache-dir", str(tmp_path)]
    path = os.pathsep.join([environment(packages)["PYTHONPATH"], str(ROOT), str(ROOT / "evaluation")])
    done = subprocess.run(
        [*command, *files], cwd=packages, env={**os.environ, "MYPYPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_that_come_with_the_packages_pass(packages: Path) -> None:
    """Those of conformance run in the end-to-end test below."""
    tests = sorted(map(str, (packages).glob("ganzoo-*/tests/test_[!c]*.py")))
    assert len(tests) == len(PACKAGES)
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=packages, env=environment(packages), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


# --- what it does -----------------------------------------------------------------------------------------------------


def test_cards_and_settings_are_read_without_torch(packages: Path) -> None:
    modules = [Names(name=name).module for name in PACKAGES]
    modules += [f"{Names(name=name).module}.config" for name, (kind, _) in PACKAGES.items() if kind == "architecture"]
    program = f"""
        import importlib, sys
        for name in {modules!r}:
            importlib.import_module(name)
        print([name for name in ("torch", "torchvision", "numpy", "PIL") if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)], env=environment(packages), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_everything_is_found_and_nothing_is_broken(found: Registry) -> None:
    assert found.problems() == []
    assert {name for name in PACKAGES if name in found.architectures} == {LONG, *(f"okapi-{task}" for task in TASKS)}
    assert {name for name in PACKAGES if name in found.datasets} == {f"photos-{task}" for task in TASKS}
    assert "gap" in found.metrics
    for name in PACKAGES:
        assert not found.plugins[name].imported_torch


@pytest.mark.parametrize("task", TASKS)
def test_an_architecture_trains_by_its_name_and_generates(task: str, found: Registry, tiny_run: TinyRuns) -> None:
    name = f"okapi-{task}"
    default = recipes.default_recipe(name, recipes.shipped(found))
    assert default is not None
    assert found.datasets[default.data].embedded
    tiny = tiny_run(name, registry=found, steps=2)
    assert tiny.job.recipe == default.name
    assert tiny.job.task.name == task
    assert tiny.trainer.run().step == 2
    pictures, _ = tiny.trainer.sample(2)
    expected = tiny.data.spec.field(tiny.job.task.directions[0].output if tiny.job.task.directions else "image")
    assert pictures.shape == (2, expected.channels, expected.size, expected.size)
    assert pictures.abs().max() <= 1


@pytest.mark.parametrize("task", TASKS)
def test_every_recipe_of_an_architecture_holds_together(task: str, found: Registry) -> None:
    own = recipes.of_architecture(f"okapi-{task}", recipes.shipped(found))
    assert len(own) == 2
    for recipe in own:
        data = "photos-" + task if recipe.data == recipes.ANY else None
        job = training.plan_job(found, recipe.name, data, None, {})
        assert {name for name, origin in job.origins.items() if origin == recipe.name} == set(recipe.settings)
        assert job.settings.size is None or not job.card.sizes or job.settings.size in job.card.sizes


@pytest.mark.parametrize("task", TASKS)
def test_a_data_set_is_trained_on_by_its_name(task: str, found: Registry, tiny_run: TinyRuns) -> None:
    card = found.datasets[f"photos-{task}"]
    assert set(found.tasks[task].batch) == set(card.fields)
    tiny = tiny_run(f"okapi-{task}", registry=found, data=card.name, steps=1)
    assert len(tiny.data) == card.count
    assert tiny.trainer.run().step == 1


def test_a_metric_resolves(found: Registry) -> None:
    card = found.metrics["gap"]
    assert callable(resolve(card.compute))
    assert [resolve(collector).reads for collector in card.needs] == ["pictures"]


@pytest.mark.long
@pytest.mark.parametrize("task", TASKS)
def test_what_pip_installs_is_listed_trains_generates_and_passes_its_tests(
    task: str, packages: Path, found: Registry, tmp_path: Path
) -> None:
    name, site = f"okapi-{task}", tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(packages / f"ganzoo-{name}")], check=True, capture_output=True)

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site), "GANZOO_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (row,) = json.loads(run("ganzoo", "list", name, "--json"))
    assert row["plugin"] == {"distribution": f"ganzoo-{name}", "version": "0.1.0"}
    card = found.architectures[name]
    settings = [word for key, value in card.tiny.items() for word in ("--set", f"{key}={value}")]
    run("ganzoo", "train", name, "--steps", "3", "--run", "run", *settings)
    Image.new("RGB", (32, 32), "orange").save(tmp_path / "orange.png")
    given = ["--input", "orange.png"] if found.tasks[task].directions else ["-n", "4"]
    run("ganzoo", "generate", "run", "--out", "made.png", *given)
    assert Image.open(tmp_path / "made.png").size[0] >= 32
    tests = packages / f"ganzoo-{name}" / "tests"
    kit = importlib.util.find_spec("ganzoo.testing") is not None
    said = run("pytest", "-q", "-p", "no:cacheprovider", str(tests if kit else tests / "test_model.py"))
    assert "passed" in said


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_it_ends_with_the_next_three_commands(here: Callable[..., Answer]) -> None:
    said = here("plugin", "new", "okapi", "--author", "Ada")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == "ganzoo-okapi: 10 files, an architecture called okapi"
    assert [line[6:] for line in said.out.splitlines()[1:]] == [
        "cd ganzoo-okapi && pip install -e '.[test]'",
        "ganzoo train okapi",
        "ganzoo plugin check okapi",
    ]
    assert (Path("ganzoo-okapi") / "ganzoo_okapi" / "model.py").is_file()


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--kind", "dataset"], "ganzoo train dcgan --data okapi"),
        (["--kind", "dataset", "--task", "paired-translation"], "ganzoo train pix2pix --data okapi"),
        (["--kind", "metric"], "ganzoo eval --metrics okapi"),
    ],
)
def test_the_next_commands_are_those_of_its_kind(words: list[str], command: str, here: Callable[..., Answer]) -> None:
    said = here("plugin", "new", "okapi", *words)
    assert said.code == 0, said.err
    assert said.out.splitlines()[2].strip() == command


@pytest.mark.parametrize("name", ["ganzoo-okapi", "ganzoo_okapi", "Ganzoo-okapi"])
def test_the_prefix_is_taken_off_and_that_is_said(name: str, here: Callable[..., Answer]) -> None:
    said = here("plugin", "new", name)
    assert said.code == 0
    assert said.err == "the package is called ganzoo-NAME by itself: NAME is 'okapi'\n"
    assert (Path("ganzoo-okapi") / "ganzoo_okapi").is_dir()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["Okapi"],
            "NAME 'Okapi': expected lower-case letters, digits and single hyphens, a letter first; for example okapi",
        ),
        (
            ["my_gan"],
            "NAME 'my_gan': expected lower-case letters, digits and single hyphens, a letter first; for example my-gan",
        ),
        (["3d"], "NAME '3d': expected lower-case letters, digits and single hyphens, a letter first; for example d"),
        (["--", "-"], "NAME '-': expected lower-case letters, digits and single hyphens, a letter first"),
        (["o" * 41], f"NAME {'o' * 41}: expected at most 40 letters, found 41"),
        (["dcgan"], "NAME dcgan: there is an architecture of that name already; take another"),
        (["fashion", "--kind", "dataset"], "NAME fashion: there is a data set of that name already; take another"),
        (["kid", "--kind", "metric"], "NAME kid: there is a metric of that name already; take another"),
        (["tensorboard"], "NAME tensorboard: there is a plugin of that name already; take another"),
        (["data"], "NAME data: there is a plugin of that name already; take another"),
        (
            ["okapi", "--kind", "architectur"],
            "--kind architectur: there is no such kind (did you mean 'architecture'?)",
        ),
        (["okapi", "--task", "genration"], "--task genration: there is no such task (did you mean 'generation'?)"),
        (["okapi", "--kind", "metric", "--task", "generation"], "--task generation: a metric is of no task by itself"),
        (["okapi", "--author", " "], "--author ' ': expected a name"),
        (["okapi", "--author", "A\nB"], r"--author 'A\nB': expected a name"),
    ],
)
def test_a_mistake_is_one_clear_line(words: list[str], line: str, here: Callable[..., Answer]) -> None:
    said = here("plugin", "new", *words)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"ganzoo: {line}")
    assert list(Path().iterdir()) == []


def test_all_mistakes_are_said_at_once(here: Callable[..., Answer]) -> None:
    (Path() / "there").mkdir()
    (Path() / "there" / "file").write_text("mine")
    said = here("plugin", "new", "DCGAN", "--kind", "x", "--task", "y", "--out", "there", "--author", "")
    assert said.code == 2
    assert [line.split()[1] for line in said.err.splitlines()] == ["--kind", "--task", "NAME", "--out", "--author"]


def test_a_folder_that_is_there_is_left_alone(here: Callable[..., Answer]) -> None:
    folder = Path("ganzoo-okapi")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    said = here("plugin", "new", "okapi")
    assert said.code == 2
    assert (
        said.err == "ganzoo: ganzoo-okapi is there already and is not overwritten; choose another with --out FOLDER\n"
    )
    assert package_files(folder) == {"notes.txt"}


def test_a_file_in_the_place_of_the_folder_is_left_alone(here: Callable[..., Answer]) -> None:
    Path("okapi").write_text("mine")
    said = here("plugin", "new", "okapi", "--out", "okapi")
    assert (said.code, Path("okapi").read_text()) == (2, "mine")
    assert said.err.startswith("ganzoo: --out okapi is there already")


def test_an_empty_folder_is_filled(here: Callable[..., Answer]) -> None:
    folder = Path("some/where")
    folder.mkdir(parents=True)
    assert here("plugin", "new", "okapi", "--out", str(folder)).code == 0
    assert package_files(folder) >= AROUND


def test_a_folder_that_cannot_be_made_is_one_line(here: Callable[..., Answer]) -> None:
    Path("file").write_text("mine")
    said = here("plugin", "new", "okapi", "--out", "file/okapi")
    assert said.code == 2
    assert said.err == "ganzoo: file/okapi cannot be written: Not a directory\n"


def test_a_task_of_another_package_has_no_template_yet(
    install: Callable[..., Path], process: Callable[..., Answer]
) -> None:
    install(
        "ganzoo-music",
        """
        from ganzoo import Task, hookimpl

        @hookimpl
        def ganzoo_tasks():
            return [Task(name="music", title="Music", summary="-", batch=("sound",), inputs=("z",), output="sound")]
        """,
    )
    said = process("plugin", "new", "okapi", "--task", "music")
    assert said.code == 2
    assert said.err == (
        f"ganzoo: --task music: no template yet; there are templates for {', '.join(TASKS)}; that of generation can be "
        "changed: --task generation\n"
    )


def test_a_distribution_that_is_installed_but_broken_is_in_the_way(
    install: Callable[..., Path], process: Callable[..., Answer]
) -> None:
    install("ganzoo-okapi", "raise RuntimeError('broken')", version="2.5")
    said = process("plugin", "new", "okapi")
    assert said.code == 2
    assert "NAME okapi: ganzoo-okapi 2.5 is installed already; take another name, or uninstall it" in said.err


def test_an_author_may_have_quotes_in_the_name(here: Callable[..., Answer]) -> None:
    author = 'Ada "the \\ first" newborn Žižka'
    assert here("plugin", "new", "okapi", "--author", author).code == 0
    project = tomllib.loads(Path("ganzoo-okapi/pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["authors"] == [{"name": author}]
    assert f" {author}\n" in Path("ganzoo-okapi/LICENSE").read_text(encoding="utf-8")


def test_without_an_author_it_is_the_one_of_git(
    here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Grace\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert here("plugin", "new", "okapi").code == 0
    assert " Grace\n" in Path("ganzoo-okapi/LICENSE").read_text()


def test_without_git_the_package_speaks_for_its_authors(
    here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert here("plugin", "new", "okapi").code == 0
    assert " the authors of ganzoo-okapi\n" in Path("ganzoo-okapi/LICENSE").read_text()


@pytest.mark.parametrize("name", ["model", "config", "none", "true", "tensor", "generator", "discriminator", "batch"])
def test_a_name_that_the_code_has_already_makes_a_model_of_another(name: str) -> None:
    assert Names(name=name).model == f"{name.capitalize()}Net"


def test_the_names_of_a_package_follow_from_one() -> None:
    names = Names(name="wgan-gp2")
    assert (names.distribution, names.module, names.title, names.model) == (
        "ganzoo-wgan-gp2",
        "ganzoo_wgan_gp2",
        "Wgan Gp2",
        "WganGp2",
    )


def test_the_help_says_what_there_is(here: Callable[..., Answer]) -> None:
    text = " ".join(here("plugin", "new", "--help").out.split())
    assert ", ".join(KINDS) in text
    assert "new" in here("plugin", "--help").out
