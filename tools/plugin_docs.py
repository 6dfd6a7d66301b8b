"""docs/plugin-reference.md, from the docstrings of the code, and the code that docs/plugins.md quotes.

In the guide a block of Python follows a line `<!-- from FILE: NAME, NAME.METHOD -->` and is made anew from that file
(without names: all of it). `okapi/...` are the files that `ganzoo plugin new okapi` writes.

python tools/plugin_docs.py            print the reference
python tools/plugin_docs.py --write    write both pages
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganzoo.registry import Registry
from ganzoo.scaffolding import Author, Names, files
from ganzoo.testing.finding import ARCHITECTURE, CARD, DATASET, ENCODER, METRIC, NETWORK, SETTINGS, TASK

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "plugin-reference.md"
GUIDE = ROOT / "docs" / "plugins.md"
QUOTED = re.compile(r"<!-- from ([^:\n]+?)(?:: ([^\n]+?))? -->\n+```python\n.*?\n```\n", re.DOTALL)
PARTS = (
    (
        "Cards",
        "ganzoo/cards.py",
        ("Architecture", "Recipe", "Task", "Direction", "Dataset", "Metric", "FeatureNetwork", "TextEncoder"),
    ),
    ("Settings", "ganzoo/config.py", ("setting", "Settings", "AdversarialSettings", "AdversarialConvSettings")),
    ("Models", "ganzoo/model.py", ("Model", "Phase", "Adam", "Batch", "SampleRequest", "truncated_normal")),
    (
        "The adversarial game",
        "ganzoo/adversarial.py",
        ("AdversarialModel", "Judge", "adversarial_phases", "discriminator_adam"),
    ),
    ("Data", "ganzoo/data/base.py", ("Field", "DataSpec", "DataRequest", "Data", "ArrayData")),
    ("Text encoders", "ganzoo/text/base.py", ("TextRequest", "Encoder")),
    (
        "Metrics",
        "evaluation/ganzoo_evaluation/base.py",
        ("Block", "Plan", "Collector", "Measured", "Comparison", "Value", "NotApplicable", "Network", "NetworkRequest"),
    ),
)
"""Headings, files, and what of each file a plugin's author meets."""
HEAD = """# Reference for authors of plugins

Made from the docstrings of the code by `tools/plugin_docs.py`. How to begin is in [plugins.md](plugins.md).

"""


def page() -> str:
    """The whole page."""
    parts = [hooks(), tasks(), *(part(*one) for one in PARTS), checks()]
    contents = "".join(f"- [{title}](#{anchor(title)})\n" for title in headings(parts))
    return HEAD + contents + "\n" + "\n".join(parts)


def headings(parts: Sequence[str]) -> list[str]:
    """The headings of the second level."""
    return [line.removeprefix("## ") for text in parts for line in text.splitlines() if line.startswith("## ")]


def anchor(title: str) -> str:
    """What a link to a heading says."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def hooks() -> str:
    """Every hook with its arguments."""
    tree = parsed("ganzoo/hookspecs.py")
    lines = ["## Hooks", "", paragraphs(ast.get_docstring(tree) or ""), ""]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("ganzoo_"):
            lines += [f"### `{signature(node)}`", "", paragraphs(ast.get_docstring(node) or ""), ""]
    return "\n".join(lines)


def tasks() -> str:
    """The built-in tasks: what batches hold, what a model is given, what it imitates."""
    registry = Registry()
    registry.load_entry_points()
    rows = []
    for task in registry.tasks.values():
        if registry.tasks.plugin(task.name).distribution == "ganzoo":
            optional = [f"({name})" for name in task.optional]
            told = [f"`{name}` by `--{way if way != 'image' else 'input'}`" for name, way in task.given.items()]
            rows.append(
                (f"`{task.name}`", task.summary, ", ".join([*task.batch, *optional]), ", ".join(task.inputs),
                 task.output, ", ".join(told))
            )  # fmt: skip
    head = ("task", "what it is", "batch", "inputs", "output", "what a person gives")
    return "## Tasks\n\n" + table(head, rows)


def checks() -> str:
    """What `ganzoo plugin check` looks at."""
    rows = [
        (f"`{promise.name}`", kind, promise.sentence)
        for kind, promises in (
            ("all cards", CARD),
            ("architecture", (SETTINGS, *ARCHITECTURE)),
            ("data set", DATASET),
            ("metric", METRIC),
            ("task", TASK),
            ("feature network", NETWORK),
            ("text encoder", ENCODER),
        )
        for promise in promises
    ]
    return "## Checks\n\n" + table(("check", "of", "promise"), rows)


def part(title: str, file: str, names: Sequence[str]) -> str:
    """What stands in one file: classes with their fields and methods, functions."""
    tree = parsed(file)
    found = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"{file} has no {', '.join(missing)}; see PARTS")
    module = file.removesuffix(".py").removeprefix("evaluation/").replace("/", ".")
    lines = [f"## {title}", "", f"From `{module}`: {ast.get_docstring(tree, clean=True) or ''}".split("\n\n")[0], ""]
    for name in names:
        node = found[name]
        if isinstance(node, ast.ClassDef):
            lines += list(of_class(node))
        else:
            lines += [f"### `{signature(node)}`", "", paragraphs(ast.get_docstring(node) or ""), ""]
    return "\n".join(lines)


def of_class(node: ast.ClassDef) -> Iterator[str]:
    """A class: its docstring, a table of its fields, and its public methods."""
    bases = ", ".join(map(ast.unparse, node.bases))
    yield from (f"### `{node.name}({bases})`" if bases else f"### `{node.name}`", "")
    yield from (paragraphs(ast.get_docstring(node) or ""), "")
    rows = list(fields(node))
    if rows:
        yield from (table(("field", "type", "default", "what it is"), rows),)
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and ast.get_docstring(method):
            decorators = {ast.unparse(one) for one in method.decorator_list}
            head = f".{method.name}" if "property" in decorators else f".{signature(method)}"
            yield from (f"**`{head}`** {paragraphs(ast.get_docstring(method) or '')}", "")


def fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each field: the string beneath it, or the help of a setting."""
    for index, statement in enumerate(node.body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if statement.target.id.startswith("_"):
            continue
        value, told = statement.value, ""
        default = "" if value is None else f"`{ast.unparse(value)}`"
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "setting":
            default = f"`{ast.unparse(value.args[0])}`" if value.args else ""
            told = next((ast.literal_eval(word.value) for word in value.keywords if word.arg == "help"), "")
        elif isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
            default = next(
                (f"`{ast.unparse(word.value)}()`" for word in value.keywords if word.arg == "default_factory"), ""
            )
        after = node.body[index + 1] if index + 1 < len(node.body) else None
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            told = inspect.cleandoc(after.value.value)
        yield f"`{statement.target.id}`", f"`{ast.unparse(statement.annotation)}`", default, " ".join(told.split())


def signature(node: ast.FunctionDef) -> str:
    """The function's name with the names of its arguments, and their defaults."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    absent = len(plain) - len(arguments.defaults)
    words = []
    for index, one in enumerate(plain):
        if one.arg in ("self", "cls"):
            continue
        words.append(one.arg if index < absent else f"{one.arg}={ast.unparse(arguments.defaults[index - absent])}")
    if arguments.vararg:
        words.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        words.append("*")
    for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        words.append(one.arg if value is None else f"{one.arg}={ast.unparse(value)}")
    return f"{node.name}({', '.join(words)})"


def paragraphs(text: str) -> str:
    """A docstring as Markdown: its paragraphs on lines of their own, what it raises as a line."""
    blocks = []
    for block in inspect.cleandoc(text).split("\n\n"):
        if block.startswith("Raises:"):
            entries = re.split(r"\n(?=    \w)", block.removeprefix("Raises:\n"))
            block = "Raises " + "; ".join(" ".join(entry.split()).replace(":", ",", 1) for entry in entries)
        blocks.append(" ".join(block.split()))
    return "\n\n".join(blocks)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n" for cells in lines)


def parsed(file: str) -> ast.Module:
    """The syntax tree of a file of the repository."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


# --- the guide --------------------------------------------------------------------------------------------------------


def filled(text: str) -> str:
    """The guide with every quotation made anew."""

    def quote(found: re.Match[str]) -> str:
        file, names = found[1], found[2]
        told = f"{file}: {names}" if names else file
        return f"<!-- from {told} -->\n\n```python\n{quotation(file, names)}\n```\n"

    return QUOTED.sub(quote, text)


def quotation(file: str, names: str | None) -> str:
    """Parts of a file, `Class`, `Class.method` or `function`, one beneath the other; without names, all of it.

    Raises:
        ValueError: when a name is not there.
    """
    text = source(file)
    if names is None:
        return text.strip("\n")
    parts = [segment(text, name.strip()) for name in names.split(",")]
    if None in parts:
        raise ValueError(f"{file} has no {names.split(',')[parts.index(None)].strip()}")
    return "\n\n\n".join(part for part in parts if part is not None)


def source(file: str) -> str:
    """The text of a file of the repository, or of one that `ganzoo plugin new okapi` writes."""
    if not file.startswith("okapi/"):
        return (ROOT / file).read_text(encoding="utf-8")
    written = files("architecture", "generation", Names(name="okapi"), Author(name="You", year=2026))
    return written[file.removeprefix("okapi/")]


def segment(text: str, name: str) -> str | None:
    """The lines of `Class`, `Class.method` or `function`, without their indentation; None where there are none."""
    nodes: list[ast.stmt] = ast.parse(text).body
    found: ast.stmt | None = None
    for part in name.split("."):
        kinds = (ast.ClassDef, ast.FunctionDef)
        found = next((node for node in nodes if isinstance(node, kinds) and node.name == part), None)
        if found is None:
            return None
        nodes = found.body if isinstance(found, ast.ClassDef) else []
    if not isinstance(found, (ast.ClassDef, ast.FunctionDef)):
        return None
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return textwrap.dedent("\n".join(text.splitlines()[first - 1 : found.end_lineno]))


def main() -> int:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/plugin-reference.md and docs/plugins.md")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
        GUIDE.write_text(filled(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
