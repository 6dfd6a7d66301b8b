"""The tables of docs/evaluation.md, from what the installed plugins and the evaluation itself say.

python tools/metrics_table.py            print them
python tools/metrics_table.py --write    put them into docs/evaluation.md, each between its two markers
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ganzoo.cards import FeatureNetwork, Metric
from ganzoo.registry import get_registry

PAGE = Path(__file__).resolve().parent.parent / "docs" / "evaluation.md"
ARROWS = {"lower": "↓", "higher": "↑", "": ""}
BLIND = {
    "fd": "copies of training pictures; all but mean and covariance of the features; too high with few pictures",
    "fd_inf": "copies of training pictures; all but mean and covariance of the features",
    "fd_classes": "what `fd` is blind to; too high with few pictures of a class",
    "is": "the real pictures, which it never sees; variety within a class",
    "kid": "copies of training pictures; what only shows beyond the third moments of the features",
    "kid_subsets": "what `kid` is blind to",
    "mind": "copies of training pictures; too high with few pictures",
    "precision": "variety: one good picture over and over has 1; a real outlier makes room for bad pictures",
    "density": "variety: one typical picture over and over has more than 1",
    "recall": "bad pictures beside the good ones; copies; generated outliers raise it",
    "coverage": "bad pictures beside the good ones; copies",
    "vendi": "the real pictures, which it never sees: noise is varied too",
    "class_coverage": "how good the pictures are, and variety within a class",
    "class_accuracy": "variety within a class: one good picture of each will do",
    "caption_diversity": "whether the pictures show what the caption says: a model that does not listen has 1",
    "caption_control": "what the words change, and whether it is what they say",
    "r_precision": "how good the pictures are; what its encoder does not read, such as the order of the words; that a "
    "wrong caption may be true as well",
    "clip_score": "how good the pictures are; how many things there are and where, which CLIP is known to read badly",
    "authpct": "quality: what resembles nothing is authentic; copies that were changed, a mirrored one for example",
    "sharpness": "what is in the picture: noise is sharp",
    "sharpness_gap": "what is in the picture: the right amount of noise has 0",
    "spectrum": "shapes: `Gaussian pixels` has almost the right spectrum",
    "l1": "how it looks: a blurred picture can have less than a sharp one that is a pixel off",
    "cycle": "whether anything was translated: what does nothing has 0; whether the picture in between looks real",
    "psnr": "how it looks: a blurred picture can have more than a sharp one that is a pixel off",
    "ssim": "changes of brightness and contrast, which hardly count; a shift by a pixel counts as damage",
    "psnr_y": "colour, and what `psnr` is blind to",
    "ssim_y": "colour, and what `ssim` is blind to",
    "perceptual": "what its network is blind to; nobody has compared it with human eyes",
    "perceptual_squeeze": "what its network is blind to; nobody has compared it with human eyes",
    "lpips": "what its network is blind to; it knows pairs, not the variety of a set",
    "ppl": "quality and variety: a model that always draws the same picture has 0",
    "parameters": "how good the pictures are; how fast it is",
    "latency": "other machines: it is that of this one, under its load",
    "throughput": "other machines: it is that of this one, under its load",
}
"""What each metric of the built-in evaluation cannot see."""


def metrics() -> str:
    """Every metric of the built-in evaluation, by group."""
    from ganzoo_evaluation.results import GROUPS

    registry = get_registry()
    cards = [card for card in registry.metrics.values() if registry.metrics.plugin(card.name).name == "evaluation"]
    order = list(GROUPS)
    cards.sort(key=lambda card: order.index(card.group))
    rows = [
        (
            f"`{card.name}` {ARROWS[card.better]}".rstrip(),
            GROUPS[card.group],
            f"{card.title}: {card.summary}",
            source(card.paper),
            BLIND[card.name],
            asked(card),
        )
        for card in cards
    ]
    return table(("metric", "group", "what it is", "source", "blind to", "asked for"), rows)


def asked(card: Metric) -> str:
    """Which tasks have the metric in their table without being told to."""
    tasks = get_registry().tasks.values()
    own = [task.name for task in tasks if card.name in task.metrics]
    if not own:
        return "by `--metrics`"
    return "always" if len(own) == len(list(tasks)) else ", ".join(own)


def facts() -> str:
    """The further rows of a comparison."""
    from ganzoo_evaluation.facts import FACTS

    rows = [
        (f"`{card.name}` {ARROWS[card.better]}".rstrip(), f"{card.title}: {card.summary}") for card in FACTS.values()
    ]
    return table(("row", "what it is"), rows)


def networks() -> str:
    """The feature networks."""
    rows = [
        (
            f"`{card.name}`",
            f"{card.title}: {card.summary}",
            str(card.dimensions or "by the model"),
            "ship with ganzoo" if card.embedded else ", ".join(filter(None, [card.download, by_whom(card)])),
            card.licence,
        )
        for card in get_registry().features.values()
    ]
    return table(("network", "what it is", "features", "weights", "licence"), rows)


def by_whom(card: FeatureNetwork) -> str:
    """Who brings the weights of a network that do not ship."""
    return "by you or downloaded" if card.download else "by you"


def presets() -> str:
    """The ways of measuring of other tools."""
    from ganzoo_evaluation.presets import PRESETS

    rows = [
        (
            f"`{preset.name}`",
            preset.summary,
            ", ".join(f"`{name}`" for name in preset.metrics),
            ", ".join(f"`{name}`" for name in dict.fromkeys([preset.network, *preset.networks.values()])),
        )
        for preset in PRESETS.values()
    ]
    return table(("`--as`", "what it computes", "metrics", "networks"), rows)


def controls() -> str:
    """The control rows."""
    from ganzoo_evaluation.controls import EXPLANATIONS

    return table(("row", "what it is"), list(EXPLANATIONS.items()))


TABLES: dict[str, Callable[[], str]] = {
    "metrics": metrics,
    "facts": facts,
    "networks": networks,
    "presets": presets,
    "controls": controls,
}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n" for cells in lines)


def source(text: str) -> str:
    """The paper, as a link where it is on arXiv or has a DOI."""
    text = re.sub(r"arXiv:(\S+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"doi:(\S+)", r"[doi:\1](https://doi.org/\1)", text)


def filled(text: str) -> str:
    """A page with every table between its markers, `<!-- NAME -->` and `<!-- /NAME -->`, made anew.

    Raises:
        ValueError: when the markers of a table are not there, once each and in order.
    """
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed) or text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{PAGE.name} needs one line <!-- {name} --> and, below it, one line {end}")
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def main() -> int:
    """Print the tables, or write them where they belong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put them into docs/evaluation.md")
    if not parser.parse_args().write:
        sys.stdout.write("\n".join(make() for make in TABLES.values()))
        return 0
    try:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
