"""Cards: what a plugin says about itself before any of its code runs.

Every card is a frozen dataclass of plain data. Classes and functions that need torch are named as `"module:attribute"`
and imported only when they are used, so that listing the zoo never imports torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.errors import UserError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An architecture on a data set, with settings that are known to work there.

    `name` is `architecture.tag`; `data` a data set's name, or `any` for whatever has no recipe of its own; `notes` say
    where the settings come from and what to expect. `default` is what `ganzoo train ARCHITECTURE` means. `origin` is
    filled in: the file or the distribution that it comes from.
    """

    name: str
    data: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    default: bool = False
    origin: str = ""

    @property
    def architecture(self) -> str:
        """What stands before the dot."""
        return self.name.partition(".")[0]

    @property
    def tag(self) -> str:
        """What stands after the dot."""
        return self.name.partition(".")[2]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One architecture of the zoo.

    `config` names the dataclass of its settings (importable without torch), `model` the `ganzoo.Model`.
    `tiny` holds settings that make a run of seconds: the tests of the zoo train every architecture with them. `short`
    holds those (above `tiny`) with which 400 steps make it clearly better, where the ones of `tiny` do not.
    """

    name: str
    title: str
    task: str
    year: int
    paper: str
    summary: str
    config: str
    model: str
    licence: str
    sizes: tuple[int, ...] = ()
    """Image sizes in pixels that it can be built for; empty: any."""
    tiny: Mapping[str, Any] = field(default_factory=dict)
    short: Mapping[str, Any] = field(default_factory=dict)
    yardstick: bool = False
    """Whether it is what others are measured against: its settings `like` and `like_settings` take the networks of
    another architecture, so that the two differ in nothing but how they learn."""
    recipes: tuple[Recipe, ...] = ()
    """Recipes that come with it, beside those of zoo.yaml; the data of the default one should be embedded."""

    def __post_init__(self) -> None:
        """Refuse recipes that would be a trouble to whoever trains something else.

        Raises:
            ValueError: for one that is no recipe of this architecture, or a second default.
        """
        for recipe in self.recipes:
            if not isinstance(recipe, Recipe):
                raise ValueError(f"recipes of {self.name}: expected ganzoo.Recipe, found {type(recipe).__name__}")
            if recipe.architecture != self.name or not recipe.tag:
                raise ValueError(f"recipes of {self.name}: {recipe.name!r} is not of the form {self.name}.TAG")
        names = [recipe.name for recipe in self.recipes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"recipes of {self.name}: {', '.join(twice)} stands there twice")
        defaults = [recipe.name for recipe in self.recipes if recipe.default]
        if len(defaults) > 1:
            raise ValueError(f"recipes of {self.name}: only one can be the default, found {', '.join(defaults)}")


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One way through a task whose models take pictures in: from one field of the batch to another.

    `name` is how a person calls it (`"a2b"`), empty where a task has only one.
    """

    input: str
    output: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a family of architectures does: what its batches hold, what a person gives it, how a sample is shown.

    `batch`: the fields of a training batch; `inputs`: the keys of what `generate` takes; `output`: the field of the
    batch that `generate` imitates; `given`: which of `inputs` a person can give, and how (`"label"`, `"text"` or
    `"image"`); `show`: `"module:function"` that draws samples into a PNG file, called with (samples, path, inputs,
    data): `inputs` are those of `generate` and, where it is known, the right answer under `"truth"`; an evaluation also
    draws real samples, of which it knows no more inputs than `label` and `text`. `directions` are the ways of a task
    whose models take pictures in, the usual one first; none where they draw from noise.

    Whether the output is a picture, the data say: their field of that name has a kind. Where it is none, samples are
    the numbers that `Model.generate` gives, and `open`, `save` and `suffix` say how they are read and written.
    """

    name: str
    title: str
    summary: str
    batch: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    given: Mapping[str, str] = field(default_factory=dict)
    show: str = "ganzoo.pictures:save_grid"
    metrics: tuple[str, ...] = ()
    """The metrics that make its table, in order."""
    headline: str = ""
    """Which of these says in an evaluation on the way which weights are the best, where the usual ones (`fd`, `kid`)
    are not all among them."""
    open: str = ""
    """`"module:function"` that reads a folder or file of a person's own, called with (path, ganzoo.data.DataRequest):
    it returns a `ganzoo.data.Data`, or raises a `UserError`; `ganzoo.errors.NothingThere` where the split that is asked
    for is not there. Empty: pictures, in the layouts that `ganzoo data check` knows."""
    save: str = ""
    """`"module:function"` that writes single samples, called with (samples, paths): a tensor (n, ...) on the CPU and n
    paths whose folders are there. Empty: pictures as PNG, anything else as NumPy's .npy."""
    suffix: str = ".png"
    """How the names of the files end that `save` writes."""
    optional: tuple[str, ...] = ()
    """Fields that a batch has too where the data have them."""
    pipeline: str = "image-to-image"
    """What model hubs call this task."""
    directions: tuple[Direction, ...] = ()

    def direction(self, name: str = "") -> Direction:
        """The way of that name; the usual one without.

        Raises:
            UserError: when there is none of that name, or the task takes no pictures in.
        """
        if not self.directions:
            raise UserError(f"{self.title.lower()} takes no pictures in: it makes them of {' and '.join(self.inputs)}")
        found = next((way for way in self.directions if way.name == name), None)
        if found is None and not name:
            found = self.directions[0]
        if found is None:
            names = [way.name for way in self.directions if way.name]
            there = f"; there are {', '.join(names)}" if names else f"; {self.title.lower()} has only one"
            raise UserError(f"--direction {name}: no such direction{did_you_mean(name, names)}{there}")
        return found


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One data set by name.

    `load` names a function `(request: ganzoo.data.DataRequest) -> ganzoo.data.Data`. `size` is the native size in
    pixels, 0 where pictures differ; `channels` 1 or 3, 0 where it holds no pictures; `count` the number of training
    rows (of all, where there is only a test split); `embedded` says that it ships inside a package and needs no
    download.
    """

    name: str
    title: str
    summary: str
    fields: tuple[str, ...]
    load: str
    licence: str
    source: str
    size: int = 0
    channels: int = 3
    count: int = 0
    classes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train", "test")
    subsets: tuple[str, ...] = ()
    """Names that can follow a colon (`emoji-flat:smileys`)."""
    embedded: bool = False
    download: str = ""
    """Rough size of the download (`"160 MB"`), empty when there is none."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    `compute` names its function `(Comparison) -> Value`; `better` is `"lower"`, `"higher"` or `""` (a fact that ranks
    nobody). `needs` names the collectors (`"module:Class"`) whose findings it reads; `network` says that it looks
    through a feature network, whose name then stands in the result's (`kid[efflite0]`). `group` is the heading that it
    stands under (`"quality"`, `"coverage"`, ...). `catches` are the control rows (`ganzoo_evaluation.controls`) that it
    must tell from real pictures, or it is blind; those that an evaluation has not are passed over. `version` grows when
    its numbers change. Which tasks ask for it by themselves, `Task.metrics` says; beside these, a model of one of
    `tasks` whose data set is one of `suits` is asked for it: a metric that makes sense for these alone. `through` is
    the feature network that it looks through where none is named with it; empty: the one that the others look through.
    """

    name: str
    title: str
    summary: str
    paper: str
    better: str
    compute: str
    needs: tuple[str, ...] = ()
    network: bool = True
    group: str = "quality"
    catches: tuple[str, ...] = ("blurred", "one picture", "Gaussian pixels", "one sample", "Gaussian samples")
    version: int = 1
    tasks: tuple[str, ...] = ()
    suits: tuple[str, ...] = ()
    through: str = ""
    synonyms: tuple[str, ...] = ()
    """What it is called through one particular network: no other metric may have these names."""


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork:
    """One feature network that metrics can look through.

    `load` names the function `(NetworkRequest) -> Network`. A name that ends in `:*` is a family (`timm:*`). `suits`
    are data sets that it is the best choice for; `embedded` says that its weights ship inside a package.
    """

    name: str
    title: str
    summary: str
    load: str
    licence: str
    dimensions: int
    download: str = ""
    embedded: bool = False
    suits: tuple[str, ...] = ()
    stages: str = ""
    """Names a function `(device) -> nn.Module` from pictures in [-1, 1] to activations at several depths, frozen and
    differentiable in the pictures: for perceptual distances and losses."""


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """One way to make vectors of captions, for models that are told in words what to draw.

    `make` names the function `(ganzoo.text.base.TextRequest) -> ganzoo.text.base.Encoder`. One that is `trained` begins
    with fresh weights, learns together with the model and is saved with it; the others are frozen, and what they need
    (`weights`, in words) is read whenever the model is built. `extra` is the extra of ganzoo that brings the packages
    that it runs on.
    """

    name: str
    title: str
    summary: str
    make: str
    licence: str
    trained: bool
    weights: str = ""
    extra: str = ""


Card = Architecture | Task | Dataset | Metric | FeatureNetwork | TextEncoder


def resolve(reference: str) -> Any:
    """Import what `"module:attribute"` names.

    Raises:
        UserError: when the module cannot be imported or has no such attribute; the reference is in the message.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a stranger's module may do anything at import
        where = "" if isinstance(error, (ImportError, AttributeError, SyntaxError)) else _where(error)
        raise UserError(f"{reference} cannot be loaded: {type(error).__name__}: {error}{where}") from error


def _where(error: BaseException) -> str:
    """` (model.py, line 12)`: where it was raised."""
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({last.filename.replace(chr(92), '/').rpartition('/')[2]}, line {last.lineno})"
