"""Ways of measuring that other tools have made common: `--as torch-fidelity` computes what torch-fidelity would print.

A preset says which network sees the pictures, how they are resized, and where a metric's protocol differs from ours.
The conventions are those of the tools' own code as of 2026; each number still carries its passport.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.errors import UserError, did_you_mean
from ganzoo_evaluation.aliases import INCEPTION


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One tool's conventions. `networks` names those metrics that look through another network than the rest; `options`
    are for the metrics (see `Comparison.options`)."""

    name: str
    summary: str
    network: str
    resize: str
    metrics: tuple[str, ...]
    networks: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="torch-fidelity",
            summary="FID, IS (10 splits, shuffled), KID (the same 100 subsets of 1,000), P/R on VGG16 with k=3",
            network=INCEPTION,
            resize="legacy-tf",
            metrics=("fd", "is", "kid_subsets", "precision", "recall"),
            networks={"precision": "vgg16", "recall": "vgg16"},
            options={"k": 3, "kid_rng": "torch-fidelity"},
        ),
        Preset(
            name="clean-fid",
            summary="FID and KID with PIL's antialiased bicubic resize",
            network=INCEPTION,
            resize="clean",
            metrics=("fd", "kid_subsets"),
        ),
        Preset(
            name="pytorch-fid",
            summary="FID with torch's half-pixel bilinear resize and (x - 127.5) / 127.5",
            network=INCEPTION,
            resize="legacy-pytorch",
            metrics=("fd",),
        ),
        Preset(
            name="adm",
            summary="FID, IS (parts of 5,000 in order), P/R on Inception, k=3, as the evaluator of guided diffusion",
            network=INCEPTION,
            resize="legacy-tf",
            metrics=("fd", "is", "precision", "recall"),
            options={"k": 3, "split_size": 5000},
        ),
        Preset(
            name="stylegan3",
            summary="FID with the covariance divided by n, KID, IS, P/R on VGG16 with k=3",
            network=INCEPTION,
            resize="legacy-tf",
            metrics=("fd", "kid_subsets", "is", "precision", "recall"),
            networks={"precision": "vgg16", "recall": "vgg16"},
            options={"k": 3, "ddof": 0},
        ),
        Preset(
            name="dgm-eval",
            summary="FD, KD, P/R/D/C with k=5, Vendi and AuthPct on DINOv2 ViT-L/14",
            network="timm:vit_large_patch14_dinov2.lvd142m",
            resize="",
            metrics=("fd", "fd_inf", "kid_subsets", "precision", "recall", "density", "coverage", "vendi", "authpct"),
            options={"k": 5},
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UserError: when there is none.
    """
    if name not in PRESETS:
        raise UserError(f"--as {name}: no such preset{did_you_mean(name, PRESETS)}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
