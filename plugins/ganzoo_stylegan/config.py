"""Settings of the StyleGAN."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from ganzoo.config import AdversarialSettings, setting
from ganzoo.data.base import DataSpec

Structure = Literal["plain", "skip", "residual"]


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialSettings):
    """The papers' settings by default: Adam with beta1 0 and beta2 0.99, 512 channels at most, 8 layers of mapping.

    Karras et al., 2020, arXiv:1912.04958, appendix B; learning rate, R1 and channels of small pictures by Karras et
    al., 2020, arXiv:2006.06676, appendix D.
    """

    steps: int = setting(200_000, ge=1, help="training steps (one step: one pass through the phases)")
    batch: int = setting(32, ge=1, help="pictures a step, over all processes")
    lr: float = setting(2.5e-3, gt=0, help="learning rate of Adam, before the correction for lazy phases")
    beta1: float = setting(0.0, ge=0, lt=1, help="Adam's decay of the first moment")
    beta2: float = setting(0.99, ge=0, lt=1, help="Adam's decay of the second moment")
    variant: Literal["stylegan2", "stylegan1"] = setting(
        "stylegan2",
        help="styles scale the weights, or by AdaIN the maps as in the first paper (without its progressive growing)",
    )
    width: int = setting(512, ge=1, help="most channels of a layer")
    base: int | None = setting(
        None, ge=1, help="a layer of r x r pixels has base / r channels (none: 16384, and 32768 from 512 px up)"
    )
    latent: int = setting(512, ge=1, help="dimensions of the latent z and of the mapped latent w")
    depth: int = setting(8, ge=1, help="layers of the mapping network (2 for small and varied pictures)")
    start: Literal["constant", "latent"] = setting(
        "constant",
        help="where the synthesis begins: a learned constant, or one to which the first style adds (shapes sooner)",
    )
    noise: bool = setting(True, help="noise in every layer, with a learned strength (off: the latent alone decides)")
    output: Literal["linear", "tanh"] = setting(
        "linear",
        help="how pictures come out: as they are, or through tanh (for drawings, whose grounds are pure white)",
    )
    generator: Literal["auto", "plain", "skip", "residual"] = setting(
        "auto", help="how its resolutions are joined (auto: skip, and plain in stylegan1)"
    )
    discriminator: Literal["auto", "plain", "skip", "residual"] = setting(
        "auto", help="how its resolutions are joined (auto: residual, and plain in stylegan1)"
    )
    conditional: Literal["auto", "on", "off"] = setting(
        "auto", help="whether the label enters both networks (auto: where there are labels)"
    )
    group: int = setting(4, ge=1, help="pictures that the discriminator sees the spread of (1: none)")
    mixing: float = setting(0.9, ge=0, le=1, help="share of the fakes whose style is another's from some layer on")
    r1_auto: float = setting(
        2e-4, ge=0, help="with r1=0: the weight of R1 is this times pixels of a picture / pictures of a batch (0: off)"
    )
    ada_below: int = setting(
        0, ge=0, help="ada is for sets of fewer pictures than this, mirror images counted (0: for any set)"
    )
    path_length: float = setting(
        1.0, ge=0, help="weight of path-length regularisation in multiples of the paper's (0: off)"
    )
    path_every: int = setting(8, ge=1, help="steps between two path-length regularisations, each that much stronger")
    path_share: int = setting(2, ge=1, help="path-length regularisation looks at one in this many pictures")

    def resolved(self, data: DataSpec) -> Self:
        """The settings with what follows from the size and number of pictures put in: the weight of R1, and whether
        adaptive augmentation is of use."""
        config = self
        if config.ada_below and data.count * (2 if config.flip else 1) >= config.ada_below:
            config = replace(config, ada=())
        if config.r1 > 0 or config.loss == "wasserstein":  # a critic has a penalty of its own
            return config
        return replace(config, r1=config.r1_auto * data.size**2 / config.batch)

    @property
    def structures(self) -> tuple[Structure, Structure]:
        """How the resolutions of generator and discriminator are joined."""
        usual: tuple[Structure, Structure] = ("skip", "residual") if self.variant == "stylegan2" else ("plain", "plain")
        generator, discriminator = self.generator, self.discriminator
        return (
            usual[0] if generator == "auto" else generator,
            usual[1] if discriminator == "auto" else discriminator,
        )

    def channels(self, size: int) -> Channels:
        """How many channels layers of pictures of that size have."""
        return Channels(self.base or (16384 if size < 512 else 32768), self.width)


@dataclass(frozen=True)
class Channels:
    """Channels by resolution: `base` / resolution, at most `most`."""

    base: int
    most: int

    def __call__(self, resolution: int) -> int:
        return max(1, min(self.base // resolution, self.most))
