"""The collapse watch: cheap signs, while a run goes on, that a GAN is going wrong."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

EVERY = 10
"""Steps between two looks."""
PATIENCE = 30
"""Looks over which the averages forget, and for which something must be wrong before it is said."""
LEAST_DIVERSITY = 0.3
LARGEST_SEPARATION = 0.998


class CollapseWatch:
    """Follows two averages and warns once for each when it leaves its bounds.

    Diversity: the spread of the fakes over a batch, divided by that of the data (standard deviation over the batch of
    pictures pooled to 8 x 8, or of any other numbers as they are, averaged over places); near 0 when every latent gives
    one picture. Separation: the probability that a real picture's logit is above a fake's; at 1 the discriminator has
    nothing left to learn and the generator nothing to follow.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.diversity = 1.0
        self.separation = 0.5
        self.low = 0
        self.low_from = 0.0
        self.warned: list[str] = []

    @torch.no_grad()
    def look(
        self, real: Tensor | None, fake: Tensor | None, real_logits: Tensor | None, fake_logits: Tensor | None
    ) -> list[str]:
        """One look at a batch (whatever of it there is; what is no tensor, such as captions, has no spread); returns
        new warnings."""
        self.looks += 1
        weight = max(1 / PATIENCE, 1 / self.looks)
        if isinstance(real, Tensor) and isinstance(fake, Tensor) and _comparable(real, fake):
            ratio = _spread(fake) / max(_spread(real), 1e-8)
            self.diversity += weight * (ratio - self.diversity)
        if real_logits is not None and fake_logits is not None:
            above = (real_logits.reshape(-1, 1).float() > fake_logits.reshape(1, -1).float()).float().mean()
            self.separation += weight * (float(above) - self.separation)
        return self._warnings()

    def _warnings(self) -> list[str]:
        found = []
        if self._stays_low() and "diversity" not in self.warned:
            self.warned.append("diversity")
            found.append(
                f"mode collapse? the fakes vary {self.diversity:.0%} as much as the data; "
                "a lower lr, --set r1=1 or another loss may help"
            )
        if self.looks >= PATIENCE and self.separation > LARGEST_SEPARATION and "separation" not in self.warned:
            self.warned.append("separation")
            found.append(
                f"the discriminator tells real from fake in {self.separation:.1%} of pairs and may have won; "
                "a lower lr or a penalty may help"
            )
        return found

    def _stays_low(self) -> bool:
        """Whether the diversity has been too low for a while without rising: early in a run it is low as well."""
        if self.diversity >= LEAST_DIVERSITY:
            self.low = 0
            return False
        if self.low == 0:
            self.low_from = self.diversity
        self.low += 1
        if self.low < PATIENCE:
            return False
        rising = self.diversity > 1.1 * self.low_from
        self.low = 0
        return not rising

    def state_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint."""
        return dict(vars(self), warned=list(self.warned))

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from a checkpoint."""
        vars(self).update(state)


def _comparable(real: Tensor, fake: Tensor) -> bool:
    """Whether both are pictures, or rows of one shape: fakes may stand for data of another kind, as probabilities do
    for tokens."""
    alike = real.ndim == fake.ndim == 4 or (real.ndim > 0 and real.shape[1:] == fake.shape[1:])
    return alike and len(real) > 1


def _spread(values: Tensor) -> float:
    rows = values.float()
    return float((adaptive_avg_pool2d(rows, 8) if rows.ndim == 4 else rows).std(dim=0).mean())
