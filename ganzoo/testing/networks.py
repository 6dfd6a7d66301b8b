"""What feature networks and text encoders promise: the same vectors of the same thing, whatever stands beside it."""

from __future__ import annotations

import torch

from ganzoo.cards import FeatureNetwork, TextEncoder
from ganzoo.errors import UserError
from ganzoo.testing.cards import Carded
from ganzoo.testing.check import CheckFailed
from ganzoo.testing.metrics import blobs
from ganzoo.text.base import TextRequest, make_encoder
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.networks import open_network

LOOKED_AT = 8
"""Pictures that a network is shown."""
APART = 1e-3
"""How far two ways to the same vector may be apart, as a share of its length."""
CAPTIONS = ("a large red circle above a blue square", "", "snow " * 200, "ünheard-of wörds: 东西 🦒")
"""What a text encoder must be able to read."""


def features(carded: Carded) -> str:
    """A feature network gives vectors of the dimensions on its card, of grey and coloured pictures of any size."""
    card = carded.card
    if not isinstance(card, FeatureNetwork):
        raise TypeError(f"{card.name} is no feature network")
    if card.name.endswith(":*"):
        return "a family: look at one of it by an evaluation"
    try:
        network = open_network(carded.registry, NetworkRequest(name=card.name, download=False))
    except UserError as error:
        if card.embedded:
            raise
        return f"not opened: {error.lines[0]}"
    pictures = blobs(0)[0].pictures[:LOOKED_AT]
    for shown in (pictures, pictures[:, :1], pictures[..., :20, :20]):
        found, logits = network(shown)
        if found.shape != (LOOKED_AT, network.dimensions) or found.dtype != torch.float32:
            raise CheckFailed(
                f"of {tuple(shown.shape)} it gives {found.dtype} {tuple(found.shape)}",
                f"expected float32 {(LOOKED_AT, network.dimensions)}",
            )
        if bool(network.classes) != (logits is not None):
            raise CheckFailed(f"it has {network.classes} classes, and logits are {type(logits)}", "let them agree")
        _check_alone(found, network(shown[2:3])[0], "a picture")
    if network.dimensions != card.dimensions:
        raise CheckFailed(f"it gives {network.dimensions} numbers, the card says {card.dimensions}", "mend the card")
    return f"{network.dimensions} dimensions"


def sentences(carded: Carded) -> str:
    """A text encoder reads any caption, an empty, an endless and a foreign one, and each by itself."""
    card = carded.card
    if not isinstance(card, TextEncoder):
        raise TypeError(f"{card.name} is no text encoder")
    try:
        encoder = make_encoder(card.name, TextRequest(width=16, longest=8), carded.registry).eval()
    except UserError as error:
        if not card.weights:
            raise
        return f"not opened: {error.lines[0]}"
    trained = any(parameter.requires_grad for parameter in encoder.parameters())
    if trained != card.trained:
        raise CheckFailed(f"`trained` is {card.trained}, and its weights say {trained}", "mend the card")
    with torch.no_grad():
        found, alone = encoder.sentence(CAPTIONS), encoder.sentence(CAPTIONS[2:3])
    if found.shape != (len(CAPTIONS), encoder.width) or not bool(torch.isfinite(found).all()):
        raise CheckFailed(
            f"of {len(CAPTIONS)} captions it gives {tuple(found.shape)}",
            f"expected finite numbers {(len(CAPTIONS), encoder.width)}",
        )
    _check_alone(found, alone, "a caption")
    if not encoder.unread(CAPTIONS[2]):
        raise CheckFailed(
            f"unread() says nothing of a caption of {len(CAPTIONS[2].split())} words", "return its end that is not read"
        )
    return ""


def _check_alone(together: torch.Tensor, alone: torch.Tensor, what: str) -> None:
    apart = float((together[2] - alone[0]).norm() / together[2].norm().clamp(min=1e-6))
    if apart > APART:
        raise CheckFailed(
            f"the vector of {what} changes by {apart:.1%} with those beside it",
            "let it depend on its own row alone, in eval mode",
        )
