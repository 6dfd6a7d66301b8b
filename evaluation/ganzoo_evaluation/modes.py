"""How numbers are computed while a model is measured."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def full_precision() -> AbstractContextManager[None]:
    """Convolutions with all bits of float32 on a GPU too, where TF32 is PyTorch's default, and the same every time."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
