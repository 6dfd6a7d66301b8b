"""The README.md of a run folder: a model card with the YAML head that model hubs read."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ganzoo.cards import Architecture, Task
from ganzoo.config import facts
from ganzoo.figures import described
from ganzoo.runs import BEST, CONFIG, WEIGHTS, Run, Scores


def model_card(
    run: Run, card: Architecture, task: Task, step: int, scores: Scores | None = None, only: str = ""
) -> str:
    """The card's text: what it is, what it was trained on, how it did in evaluations on the way, how to use it.

    `only`: of a folder that has one set of weights, which (`final`, `best`, or the name of a phase); empty: of a run's.
    """
    settings = run.settings
    told = {
        fact.name: getattr(settings, fact.name)
        for fact in facts(type(settings))
        if fact.owner == "architecture" or getattr(settings, fact.name) != fact.default
    }
    rows = "pictures" if run.data.pictured(task.output) else "rows"
    return f"""---
library_name: ganzoo
license: {card.licence.lower()}
pipeline_tag: {task.pipeline}
datasets:
- {json.dumps(run.data.name)}
tags:
- gan
- {card.name}
---

# {card.title} on {run.data.name}

{card.title} ({card.paper}, {card.year}): {card.summary}.

Trained with ganzoo for {step:,} steps of {settings.batch} {rows} on {run.data.name}: {described(run.data)}.
{_measured(scores, only) if scores else ""}
| setting | value |
| --- | --- |
{chr(10).join(f"| {name} | {value} |" for name, value in told.items())}

`{WEIGHTS}` holds the averaged weights and `{CONFIG}` all settings; no pickle is needed:

```
pip install {" ".join(dict.fromkeys(filter(None, (run.plugin, run.data_plugin))))}
{chr(10).join(_uses(task, run.data.examples))}
```

The code of the architecture is under {card.licence}; the data are under their own licence (`ganzoo data list`).
"""


def _uses(task: Task, captions: Sequence[str]) -> list[str]:
    """The commands that use it; `captions` are some of the data's."""
    command = "ganzoo generate PATH_OF_THIS_FOLDER"
    if "text" in task.given.values():
        return [f'{command} --text "{simple(captions)}" -n 8', f"{command} --texts captions.txt --out pictures/"]
    if not task.directions:
        return [f"{command} -n 64"]
    one = f"{command} --input photo.png"
    others = [f"{one} --direction {way.name}" for way in task.directions[1:]]
    return [one, *others, f"{command} --input photos/ --out answers/"]


def simple(captions: Sequence[str]) -> str:
    """The shortest of the captions that can be typed in quotes as it is, for an example; an ellipsis without one."""
    plain = [caption for caption in captions if caption and all(c.isalnum() or c in " ,.-" for c in caption)]
    return min(plain, key=len, default="...")


def _measured(scores: Scores, only: str) -> str:
    best = f"`{WEIGHTS}`" if only else f"`{BEST}` (`ganzoo generate PATH --best`)"
    rows = {
        "best": f"| best | {scores.best.text} | {scores.best.step:,} | {best} |\n",
        "final": f"| final | {scores.final.text} | {scores.final.step:,} | `{WEIGHTS}` |\n",
    }
    shown = "".join(row for which, row in rows.items() if only in ("", which))
    if not shown:
        return ""
    return f"""
| {scores.name} ({scores.better} is better) | value | step | weights |
| --- | --- | --- | --- |
{shown}"""
