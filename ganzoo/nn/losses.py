"""Adversarial losses, each as its two halves. Logits are raw discriminator outputs, any shape; results are scalars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo.config import LossName


@dataclass(frozen=True)
class AdversarialLoss:
    """`generator(real, fake)` and `discriminator(real, fake)`, both of logits and both to be minimised.

    `compares` says that the generator's half looks at real logits too; otherwise it ignores them and they may be None.
    `critic` marks a score without a threshold, which needs a Lipschitz constraint rather than normalisation; of the
    others `boundary` is the logit at which the discriminator is undecided.
    """

    name: str
    generator: Callable[[Tensor | None, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    compares: bool = False
    critic: bool = False
    boundary: float = 0.0


def _logistic(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real.float()).mean() + softplus(fake.float()).mean()


def _minimax_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return -softplus(fake.float()).mean()  # log(1 - D(G(z))) with D the sigmoid of the logit


def _non_saturating_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return softplus(-fake.float()).mean()


def _least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real.float() - 1) ** 2).mean() + 0.5 * (fake.float() ** 2).mean()


def _least_squares_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return 0.5 * ((fake.float() - 1) ** 2).mean()


def _hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return relu(1 - real.float()).mean() + relu(1 + fake.float()).mean()


def _critic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return -fake.float().mean()


def _wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return fake.float().mean() - real.float().mean()


def _relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(fake.float() - real.float()).mean()


def _relativistic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    if real is None:
        raise ValueError("the relativistic loss of the generator needs the logits of real pictures")
    return softplus(real.float() - fake.float()).mean()


_LOSSES = {
    loss.name: loss
    for loss in (
        # Goodfellow et al., 2014 (arXiv:1406.2661), equation 1 and the remark below it.
        AdversarialLoss("minimax", _minimax_generator, _logistic),
        AdversarialLoss("non-saturating", _non_saturating_generator, _logistic),
        # Mao et al., 2017 (arXiv:1611.04076), equation 9 (a=0, b=c=1).
        AdversarialLoss("least-squares", _least_squares_generator, _least_squares_discriminator, boundary=0.5),
        # Lim and Ye, 2017 (arXiv:1705.02894); Miyato et al., 2018 (arXiv:1802.05957), equations 16 and 17.
        AdversarialLoss("hinge", _critic_generator, _hinge_discriminator),
        # Arjovsky et al., 2017 (arXiv:1701.07875), equations 2 and 3.
        AdversarialLoss("wasserstein", _critic_generator, _wasserstein_discriminator, critic=True),
        # Jolicoeur-Martineau, 2018 (arXiv:1807.00734), section 4; paired as in Huang et al., 2024 (arXiv:2501.05441).
        AdversarialLoss("relativistic", _relativistic_generator, _relativistic_discriminator, compares=True),
    )
}


def adversarial_loss(name: LossName) -> AdversarialLoss:
    """The loss of that name.

    Raises:
        KeyError: when there is none; `LossName` lists them.
    """
    return _LOSSES[name]


def loss_names() -> tuple[str, ...]:
    """All names, in the order of `LossName`."""
    return get_args(LossName)
