"""Any network of timm as a feature network, by name: `timm:resnet50`, `timm:vit_large_patch14_dinov2`.

Pictures are made as the network was trained: its own mean, deviation, interpolation (always antialiased) and input
size. Nothing is cropped. DINOv2 is used at 224 pixels, bicubic, as in Stein et al., "Exposing flaws of generative model
evaluation metrics" (NeurIPS 2023), not at the 518 of its last days of training. Features are what timm's classifier
would see: the pooled map, or the class token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganzoo.errors import UserError, did_you_mean
from ganzoo_evaluation.backbone import Backbone, read_weights
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.resize import antialiased_bilinear, choose, clean

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

PREFIX = "timm:"
DINOV2_SIZE = 224


class Body(nn.Module):
    """A network of timm without its classifier, as `Backbone` wants it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.network(x), None


def load(request: NetworkRequest) -> Backbone:
    """`timm:<model>` as a `Network`: its pooled features, no logits.

    The weights are `request.weights`, a state dict that fits strictly, else those that timm downloads.

    Raises:
        UserError: an unknown model, no weights, weights of another network, no download.
    """
    # timm imports torchvision, which does not import at all where it does not match torch.
    import timm

    name = request.name.removeprefix(PREFIX)
    if not timm.is_model(name.partition(".")[0]):
        raise UserError(f"timm has no model {name!r}{did_you_mean(name, timm.list_models())}")
    network = _network(name, request)
    config = network.pretrained_cfg
    interpolation = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    resize = choose(request.resize, ("clean" if interpolation == "bicubic" else "antialiased-bilinear",), request.name)
    shrink = clean if interpolation == "bicubic" else antialiased_bilinear
    size = _size(name, network)
    mean, deviation = (torch.tensor(config[key], device=request.device)[:, None, None] for key in ("mean", "std"))
    body: Any = Body(network.eval())
    with torch.inference_mode():
        dimensions = body(torch.zeros(1, 3, size, size))[0].shape[1]
    return Backbone(
        body,
        lambda pictures: (shrink(pictures, size) / 255 - mean) / deviation,
        name=request.name,
        request=request,
        sha256=content_sha256(network.state_dict()),
        resize=resize,
        size=size,
        dimensions=dimensions,
    )


def content_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, types, shapes and values in the order of the names: the same weights give the same hash whatever
    file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _size(name: str, network: Any) -> int:
    if "dinov2" in name:
        return DINOV2_SIZE
    _, height, width = network.pretrained_cfg["input_size"]
    if height != width:
        raise UserError(f"{PREFIX}{name} looks at {height}x{width} pixels; only square networks can be used")
    return int(height)


def _network(name: str, request: NetworkRequest) -> Any:
    """The model with its weights and without its classifier."""
    import timm

    options: dict[str, Any] = {"img_size": DINOV2_SIZE} if "dinov2" in name else {}
    weights = request.weights
    if weights is None:
        weights = _cached(_configuration(name))
    if weights is not None:
        tensors, _ = read_weights(weights)
        # As `pretrained`, so that timm translates the names of the original authors and resizes position embeddings;
        # with its classifier on, so that it insists on every name and shape.
        options |= {"pretrained_cfg_overlay": {"state_dict": tensors, "custom_load": False}}
    elif not request.download:
        raise UserError(
            f"{PREFIX}{name} is not in the cache of the hub and downloading is switched off: allow it, or give the "
            "weights with --weights PATH"
        )
    try:
        network: Any = timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # timm, the hub and torch each raise their own
        first = " ".join(line.strip() for line in str(error).splitlines()[:2])
        if weights is not None:
            raise UserError(f"{weights}: these are not the weights of timm's {name}: {first}") from error
        raise UserError(
            f"the weights of {PREFIX}{name} cannot be downloaded ({type(error).__name__}: {first}); try again when the "
            "network is there, or give them with --weights PATH"
        ) from error
    network.pretrained_cfg.pop("state_dict", None)  # the overlay's copy of the weights
    network.reset_classifier(0)
    return network


def _configuration(name: str) -> PretrainedCfg:
    import timm

    try:
        configuration = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UserError(f"timm: {error}") from error
    if configuration is None or not configuration.has_weights:
        raise UserError(f"timm publishes no weights for {name}: give some with --weights PATH")
    return configuration


def _cached(configuration: PretrainedCfg) -> Path | None:
    """The file of these weights in the cache of the hub, where there is one."""
    from huggingface_hub import try_to_load_from_cache

    if not configuration.hf_hub_id or configuration.custom_load:
        return None
    found = try_to_load_from_cache(configuration.hf_hub_id, configuration.hf_hub_filename or "model.safetensors")
    return Path(found) if isinstance(found, str) else None
