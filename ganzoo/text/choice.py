"""Which text encoder is meant. No torch in here, so that settings can be checked."""

from __future__ import annotations

from ganzoo.cards import TextEncoder
from ganzoo.errors import UserError, did_you_mean
from ganzoo.registry import Registry, get_registry


def find_encoder(name: str, weights: str, registry: Registry | None = None) -> TextEncoder:
    """The card of the text encoder of that name, which is to have its `weights` from there.

    Raises:
        UserError: when there is none of that name, or it needs weights and none are named, or reads none.
    """
    cards = (registry or get_registry()).text_encoders
    if name not in cards:
        raise UserError(f"there is no text encoder {name!r}{did_you_mean(name, cards)}; there are {', '.join(cards)}")
    card = cards[name]
    if weights and not card.weights:
        raise UserError(f"the text encoder {name!r} reads no weights, found {weights!r}; leave them away")
    if card.weights and not weights:
        raise UserError(f"the text encoder {name!r} needs its weights: {card.weights}")
    return card
