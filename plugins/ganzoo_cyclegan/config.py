"""Settings of CycleGAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo.config import AdversarialSettings, LossName, setting


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """The paper's settings by default (sections 4 and 7): batch 1, Adam with 2e-4 and beta1 0.5, least squares, a
    learning rate that is constant for half of the training and falls to 0 in the other; `steps` are 200 epochs of
    horse2zebra."""

    steps: int = setting(266_800, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(1, ge=1, help="pictures of each domain a step, over all processes")
    schedule: Literal["constant", "linear", "cosine"] = setting("linear", help="how the learning rate falls to 0")
    flip: bool = setting(True, help="mirror each picture left to right with probability 1/2")
    samples: int = setting(16, ge=1, help="pictures in a sample grid")
    loss: LossName = setting("least-squares", help="the adversarial loss")
    width: int = setting(64, ge=1, help="channels of a generator at full resolution; four times as many in its blocks")
    discriminator_width: int | None = setting(
        None, ge=1, help="channels of a discriminator's first map (none: as many as `width`)"
    )
    blocks: int | None = setting(None, ge=1, help="residual blocks of a generator (none: 6, from 256 px on 9)")
    upsampling: Literal["transposed", "resize"] = setting(
        "transposed", help="how a generator doubles: transposed convolutions, or (no checkerboard) resize and convolve"
    )
    skip: bool = setting(False, help="shortcuts past a generator's layers, with which it begins as the identity")
    fine_blocks: int = setting(
        0, ge=0, help="with `skip`: residual blocks of a generator at full resolution, at its end"
    )
    patch_layers: int | None = setting(
        None,
        ge=1,
        help="strided layers of a discriminator; 3 judge patches of 70 x 70 px, 2 of 34, 1 of 16 (none: by size)",
    )
    discriminator_norm: Literal["instance", "spectral", "none"] = setting(
        "instance", help="normalisation in the discriminators"
    )
    detail: float = setting(
        0.0,
        ge=0,
        help="show the discriminators the fine detail too, amplified so many times (0: off; 10 for short runs)",
    )
    cycle: float = setting(10.0, ge=0, help="weight of the cycle-consistency loss, next to 1 for the adversarial loss")
    cycle_loss: Literal["l1", "l2"] = setting(
        "l1", help="distance of a picture from itself after the cycle (l2: squared)"
    )
    identity: float = setting(
        0.5, ge=0, help="weight of the identity loss as a share of `cycle` (0.5 of 10: 5; 0: off, and faster)"
    )
    pool: int = setting(50, ge=0, help="earlier fakes that the discriminators are shown again (0: only the latest)")
    jitter: bool = setting(False, help="enlarge each picture by 286/256 and cut it back at a random place")

    def mistakes(self) -> list[str]:
        lines = super().mistakes()
        if self.fine_blocks and not self.skip:
            lines.append(
                f"fine_blocks: {self.fine_blocks} blocks come behind the shortcut of skip; add --set skip=true"
            )
        return lines
