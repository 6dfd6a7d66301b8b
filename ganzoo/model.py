"""What an architecture is to the trainer: networks, phases, a loss for each phase, and one way out.

A plugin subclasses `Model`. Its networks are sub-modules. The trainer runs any list of phases and owns everything else:
gradients, precision, optimizers, averaging, checkpoints, logs and samples. A plugin never calls `backward()` or
`step()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganzoo.config import Settings
from ganzoo.data.base import DataSpec
from ganzoo.engine.noise import Noise

if TYPE_CHECKING:
    from ganzoo.engine.distributed import Group


@dataclass(frozen=True)
class Phase:
    """One kind of update within a step.

    `trains` names the networks that learn. The phase runs on steps `start <= step < stop` that `every` divides
    (`every=16` is lazy regularisation), `repeat` times on fresh batches (critic steps). `weights` multiply its loss
    terms (1 where a term is not named). No gradient is computed for a network
    that the phase does not train.
    """

    name: str
    trains: tuple[str, ...]
    every: int = 1
    repeat: int = 1
    start: int = 0
    stop: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def active(self, step: int) -> bool:
        """Whether it runs on that step (counted from 0)."""
        return step >= self.start and (self.stop is None or step < self.stop) and (step - self.start) % self.every == 0


@dataclass(frozen=True)
class Adam:
    """How a network learns: Adam (Kingma and Ba, 2015), or AdamW where weights decay."""

    lr: float
    beta1: float = 0.5
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0


class Batch:
    """One micro-batch: the fields of the task as attributes (`batch.image`), and whatever phases leave for each other.

    Pictures are float32, [-1, 1], (size, C, H, W); labels int64 (size,); texts a list of `size` strings; arrays (size,
    *shape) of their own dtype, as the data have them. A generator's fakes are kept as `batch.fake`, so that the
    discriminator's phase needs no second forward pass.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        noise: Noise,
        rows: slice,
        step: int,
        group: Group | None = None,
        peers: Sequence[slice] = (),
    ) -> None:
        """`rows`: which of the step's batch these are; `peers`: those of the other processes of `group` too, by
        rank."""
        self.__dict__.update(fields)
        self.noise = noise
        self.rows = rows
        self.step = step
        self.size = rows.stop - rows.start
        self._group, self._peers = group, tuple(peers) or (rows,)

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        there = sorted(key for key in vars(self) if key not in ("noise", "rows") and not key.startswith("_"))
        raise AttributeError(f"the batch has no {name!r}; it has {', '.join(there)}")

    def get(self, name: str) -> Any | None:
        """The attribute, or None when no phase has left it yet."""
        return vars(self).get(name)

    def randn(self, *shape: int, stream: str = "z") -> Tensor:
        """This batch's rows of the step's standard normal noise, (size, *shape)."""
        return self.noise.randn(*shape, stream=stream)[self.rows]

    def rand(self, *shape: int, stream: str) -> Tensor:
        """This batch's rows of the step's uniform noise in [0, 1), (size, *shape)."""
        return self.noise.rand(*shape, stream=stream)[self.rows]

    def randint(self, high: int, *shape: int, stream: str) -> Tensor:
        """This batch's rows of the step's random integers in [0, high), (size, *shape)."""
        return self.noise.randint(high, *shape, stream=stream)[self.rows]

    def gather(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (size, ...) of this batch and of its peers in the other processes, the same on all of them, and which
        rows of the step's batch they are, int64 (n,). No gradient flows.

        State that training carries along (an image pool) is kept equal on every process by feeding it these.
        """
        everyone = values.detach() if self._group is None else self._group.gather_rows(values)
        places = [torch.arange(peer.start, peer.stop, device=values.device) for peer in self._peers]
        return everyone, torch.cat(places)


@dataclass(frozen=True, kw_only=True)
class SampleRequest:
    """What somebody wants generated: how many, from which noise, and what they gave.

    `given` holds the task's inputs that a person chose, each of `count` rows: `label` int64, `text` a list of strings,
    a picture field float in [-1, 1], an array field as it is in the data. `truncation` is psi: noise further than psi
    from 0 is drawn again (Brock et al., 2019, section 3.1); None leaves it alone.
    """

    count: int
    noise: Noise
    given: Mapping[str, Any] = field(default_factory=dict)
    truncation: float | None = None


class Model(nn.Module):
    """Base of every architecture: networks as sub-modules, `phases`, `<phase>_loss` for each, `inputs`, `generate`."""

    sampling: tuple[str, ...] = ("generator",)
    """Networks that `generate` and `encode` read: these are averaged (EMA) and saved in model.safetensors."""
    prior_is_normal: bool = True
    """Whether `inputs` draws z from N(0, 1)."""
    encoding: tuple[str, ...] = ()
    """Those of `sampling` that only `encode` reads: a sample needs them not."""
    takes: tuple[str, ...] = ()
    """Inputs that a person may give this model: `label`, `text`, or a picture field."""
    trained_through: tuple[str, ...] = ()
    """Feature networks that a loss of its training looked through: by these it is better than it looks."""
    scale: int = 1
    """Pixels that a model which takes pictures in makes of each pixel, in height and in width."""
    multiple: int | None = None
    """Pictures that are taken in may have any height and width that this divides; None: only the size of training."""
    reach: int | None = None
    """How many pixels away a pixel of the input can still change one of the output, so that large pictures can be
    made in parts; None: all of the picture counts."""

    def __init__(self, config: Settings, data: DataSpec) -> None:
        super().__init__()
        self.settings = config
        self.data = data

    def phases(self) -> Sequence[Phase]:
        """The phases of a step, in order; the trainer asks once."""
        raise NotImplementedError(f"{type(self).__name__} must say its phases()")

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """The named terms of a phase's loss, each a scalar; `<phase>_loss(batch)` by default."""
        terms: dict[str, Tensor] = getattr(self, f"{phase.name}_loss")(batch)
        return terms

    def inputs(self, request: SampleRequest) -> dict[str, Any]:
        """What `generate` takes, for `request.count` samples; a latent stands under `z`."""
        raise NotImplementedError(f"{type(self).__name__} must make its inputs()")

    def generate(self, inputs: Mapping[str, Any]) -> Tensor:
        """The one way out: inputs of n rows to n samples; differentiable.

        Pictures are (n, C, H, W) in [-1, 1]; of a task whose output is an array, samples are (n, *shape) in the units
        of the data.
        """
        raise NotImplementedError(f"{type(self).__name__} must generate()")

    def intermediate(self, inputs: Mapping[str, Any]) -> Tensor | None:
        """The intermediate latent w of n inputs, (n, d), or (n, layers, d) where each layer reads a row of its own.

        Put into the inputs as `w`, it takes the place of `z` in `generate`, as it is: no truncation follows. A model
        that gives (n, d), and for which `affine` names the weights of several layers, takes (n, layers, d) too. None
        where the model has nothing between z and its pictures.
        """
        return None

    def affine(self) -> Sequence[Tensor]:
        """The weights, (outputs, d) each, of the affine layers that read the latent first: w where there is one, with a
        weight for each of its layers in order, else z. Closed-form factorisation reads directions from them.

        Here, they are of those linear and convolutional layers of torch's that are given the latent as it is, found by
        watching one forward pass; empty where there are none.
        """
        from ganzoo.latents.directions import affine_layers

        return affine_layers(self)

    def unknown_words(self, text: str) -> list[str]:
        """Words of a caption that a model which takes captions has never read; a person is told of them."""
        return []

    def unread(self, text: str) -> str:
        """The end of a caption that is too long for the model, which does not read it; empty: it reads all."""
        return ""

    def sentences(self, texts: Sequence[str]) -> Tensor | None:
        """What n captions mean to the generator, (n, d).

        Put into the inputs as `sentence`, it takes the place of `text` in `generate`, so that one can go from one
        caption to another. None where captions enter in another way.
        """
        return None

    def optimizer(self, network: str) -> Adam:
        """How that network learns; the settings' Adam for all by default."""
        s = self.settings
        return Adam(lr=s.lr, beta1=s.beta1, beta2=s.beta2, weight_decay=s.weight_decay)

    def finish(self, batches: Callable[[], Iterator[Batch]]) -> None:
        """Called before each evaluation and after the last step, with the averaged weights, in eval mode.

        Does nothing here. It is for what is computed from the trained networks and all data at once, such as the
        statistics of their latents. Each call of `batches` goes through the training set in order, unflipped. What is
        found belongs into buffers of a network in `sampling`, so that it is saved; it must not depend on what an
        earlier call has found.
        """

    def encode(self, pictures: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents of pictures (n, C, H, W) in [-1, 1], both shaped like `z`.

        Raises:
            NotImplementedError: when the model has no encoder.
        """
        raise NotImplementedError(f"{type(self).__name__} has no encoder")

    def reconstruct(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        """Pictures (n, C, H, W) in [-1, 1] through the encoder and back; a conditional model needs their labels (n,).

        Raises:
            NotImplementedError: when the model has no encoder.
        """
        raise NotImplementedError(f"{type(self).__name__} has no encoder to reconstruct with")

    def mirror(self, outputs: int) -> nn.Module | None:
        """A new network of the size and kind of the one that judges pictures, with `outputs` numbers a picture.

        For a model that encodes what this one generates: `network(pictures)`, with the label as a second argument where
        the model takes it, gives (n, outputs). None where there is nothing of the kind.
        """
        return None


def truncated_normal(request: SampleRequest, *shape: int, stream: str = "z") -> Tensor:
    """Latents of (count, *shape): standard normal, with what lies beyond the truncation drawn again."""
    z = request.noise.randn(*shape, stream=stream)
    if request.truncation is None:
        return z
    for attempt in range(1000):
        outside = z.abs() > request.truncation
        if not bool(outside.any()):
            break
        z = torch.where(outside, request.noise.randn(*shape, stream=f"{stream}-again-{attempt}"), z)
    return z.clamp(-request.truncation, request.truncation)
