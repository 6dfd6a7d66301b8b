"""The README's table of architectures, from what the installed plugins say.

python tools/readme_table.py            print it
python tools/readme_table.py --write    put it into README.md, between its two markers
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ganzoo.cards import Architecture
from ganzoo.registry import get_registry

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- architectures -->", "<!-- /architectures -->"
HEADINGS = ("name", "architecture", "task", "paper", "what it is")


def table() -> str:
    """The table in Markdown, one row an architecture, the oldest first."""
    cards = sorted(get_registry().architectures.values(), key=lambda card: (card.year, card.name))
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *map(row, cards)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def row(card: Architecture) -> tuple[str, ...]:
    """The cells of one architecture."""
    cells = (f"`{card.name}`", card.title, card.task, f"{paper(card.paper)} ({card.year})", card.summary)
    return tuple(cell.replace("|", "\\|") for cell in cells)


def paper(text: str) -> str:
    """The paper, as a link where it is on arXiv."""
    return re.sub(r"arXiv:(\S+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def between_markers(text: str) -> tuple[str, str, str]:
    """A README's text before, between and after the two markers.

    Raises:
        ValueError: when the markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(f"{BEGIN}\n")
    inside, end, after = rest.partition(END)
    if not (begin and end) or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{README.name} needs one line {BEGIN} and, below it, one line {END}")
    return before + begin, inside, end + after


def main() -> int:
    """Print the table, or write it where it belongs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    if not parser.parse_args().write:
        sys.stdout.write(table())
        return 0
    try:
        before, _, after = between_markers(README.read_text(encoding="utf-8"))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    README.write_text(f"{before}\n{table()}\n{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
