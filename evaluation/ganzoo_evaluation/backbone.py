"""What every feature network of ours has in common: how pictures are handed to it, and what its numbers depend on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from ganzoo.data.download import cache_dir, fetch
from ganzoo.errors import UserError
from ganzoo_evaluation.base import NetworkRequest

FILES = Path(__file__).resolve().parent / "files"
"""Weights that ship inside the package."""

CHUNK = {"cpu": 16}
"""Pictures looked at at once, by the kind of device: on a CPU 4 to 16 is fastest, and takes no memory."""
OTHER_CHUNK = 64

PRECISIONS = ("fp32", "bf16")


class Backbone:
    """A `ganzoo_evaluation.base.Network`: `prepare`, then `body`, in chunks of a fixed size.

    `prepare` makes uint8 (n, C, H, W) into the float input of `body`, which returns features (n, dimensions) and
    logits (n, classes) or None. A last chunk that is too short is filled up with its last picture: kernels are chosen
    by shape, and with one shape alone what comes out for a picture does not depend on how many came with it.
    """

    def __init__(
        self,
        body: nn.Module,
        prepare: Callable[[Tensor], Tensor],
        *,
        name: str,
        request: NetworkRequest,
        sha256: str,
        resize: str,
        size: int,
        dimensions: int,
        classes: int = 0,
        verified: bool = True,
    ) -> None:
        """`sha256` of the weights; `resize` and `size` (pixels) of the input; `verified`: whether the weights are those
        that the name stands for.

        Raises:
            UserError: for a precision that is not one of `PRECISIONS`.
        """
        if request.precision not in PRECISIONS:
            raise UserError(f"{name} computes in {' or '.join(PRECISIONS)}, not in {request.precision!r}")
        self.name = name
        self.identity: Mapping[str, str] = {
            "sha256": sha256,
            "resize": resize,
            "input": str(size),
            "precision": request.precision,
        }
        self.dimensions = dimensions
        self.classes = classes
        self.verified = verified
        self._device = request.device
        self._prepare = prepare
        body = body.to(memory_format=torch.channels_last)
        self._body = body.requires_grad_(False).eval().to(request.device)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (n, dimensions) and logits (n, classes) or None of uint8 (n, C, H, W); float32 on the CPU."""
        if len(pictures) == 0:
            return torch.zeros(0, self.dimensions), torch.zeros(0, self.classes) if self.classes else None
        size = CHUNK.get(self._device.type, OTHER_CHUNK)
        found = [self._look(chunk, size) for chunk in pictures.split(size)]
        logits = [logits for _, logits in found if logits is not None]
        return torch.cat([features for features, _ in found]), torch.cat(logits) if logits else None

    def _look(self, chunk: Tensor, size: int) -> tuple[Tensor, Tensor | None]:
        count = len(chunk)
        if count < size:
            chunk = torch.cat([chunk, chunk[-1:].expand(size - count, -1, -1, -1)])
        low = self.identity["precision"] == "bf16"
        # TF32 keeps ten bits of each factor and is PyTorch's default for convolutions on a GPU.
        flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        casting = torch.autocast(self._device.type, torch.bfloat16) if low else nullcontext()
        prepared = self._prepare(chunk.to(self._device)).contiguous(memory_format=torch.channels_last)
        with flags, casting:
            features, logits = self._body(prepared)
        return features[:count].float().cpu(), None if logits is None else logits[:count].float().cpu()


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a `.safetensors` or PyTorch file (a plain state dict, read without pickle's code), and its sha256.

    Raises:
        UserError: no such file, or it is neither.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            tensors = load(content)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # whatever the bytes of a file that is neither make the two readers raise
        kind = "safetensors file" if path.suffix == ".safetensors" else "state dict that torch.load accepts"
        raise UserError(f"{path}: not a {kind} ({type(error).__name__})") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise UserError(f"{path}: expected a state dict (names and tensors), found {type(tensors).__name__}")
    return tensors, hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file of weights that others publish.

    `sha256` are the first eight digits of its hash, which stand in its name; `variable` is the environment variable
    that can name a copy of it.
    """

    name: str
    urls: tuple[str, ...]
    file: str
    sha256: str
    variable: str


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors that were read from `path`. `name` is the network's, with `?` and the hash behind it unless the file is
    the published one."""

    tensors: dict[str, Tensor]
    path: Path
    sha256: str
    name: str
    verified: bool


def published_weights(published: Published, request: NetworkRequest) -> Weights:
    """What `request.weights` holds, else the file that the environment variable names, else the published file, which
    is downloaded into the cache.

    Raises:
        UserError: the file is not there, cannot be downloaded or read, or the one in the cache is not the published.
    """
    given = request.weights
    if given is None and (named := os.environ.get(published.variable)):
        given = Path(named).expanduser()
    path = given or _download(published, request)
    tensors, sha256 = read_weights(path)
    verified = sha256.startswith(published.sha256)
    if not verified and given is None:
        raise UserError(
            f"{path} is not the published file (sha256 {sha256[:8]}..., expected {published.sha256}...): delete it and "
            "run again"
        )
    name = published.name if verified else f"{published.name}?{sha256[:8]}"
    return Weights(tensors=tensors, path=path, sha256=sha256, name=name, verified=verified)


def _download(published: Published, request: NetworkRequest) -> Path:
    try:
        target = cache_dir() / "weights" / published.file
        return fetch(published.urls, target, progress=request.progress, download=request.download)
    except UserError as error:
        raise UserError(
            *error.lines,
            f"{published.name} needs its weights: give the file with --weights PATH or in {published.variable}, or "
            "measure with efflite0, which needs none",
        ) from error


def load_strictly(body: nn.Module, tensors: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Give `body` the tensors: every name and shape has to be right.

    Raises:
        UserError: naming what is missing, unknown or of another shape.
    """
    own = body.state_dict()
    # A counter of training batches that no evaluation reads; older files lack it.
    own = {name: value for name, value in own.items() if not name.endswith("num_batches_tracked")}
    given = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    wrong = [
        *(f"no {name}" for name in own if name not in given),
        *(f"unknown {name}" for name in given if name not in own),
        *(
            f"{name} is {tuple(given[name].shape)}, expected {tuple(value.shape)}"
            for name, value in own.items()
            if name in given and given[name].shape != value.shape
        ),
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(f"{path}: these are not the weights of {what}: {'; '.join(wrong[:3])}{more}")
    body.load_state_dict(given, strict=False)


def embedded_weights(name: str, request: NetworkRequest) -> tuple[dict[str, Tensor], str]:
    """The tensors of `files/NAME.safetensors` as float32, and the sha256 of the file.

    Raises:
        UserError: when the person gave other weights: the name stands for these.
    """
    if request.weights is not None:
        raise UserError(f"{name} carries its weights with it and stands for them: leave out --weights")
    tensors, sha256 = read_weights(FILES / f"{name}.safetensors")
    return {key: value.float() for key, value in tensors.items()}, sha256
