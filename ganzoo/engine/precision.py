"""In which numbers a run computes: float32, or bfloat16 where the hardware has it."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware (a GPU since Ampere, a CPU with AVX512-BF16 or AMX)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool({"avx512_bf16", "amx_bf16"} & cpu_flags())
    return False


def cpu_flags() -> set[str]:
    """What the kernel says that the processor can do; empty where there is no /proc/cpuinfo."""
    return set(_cpu_line("flags").split())


def cpu_name() -> str:
    """The processor's name, or at least its kind."""
    return _cpu_line("model name") or platform.processor() or platform.machine()


def _cpu_line(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def name_on(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """`fp32` or `bf16`: what `fp32`, `bf16` or `auto` means on this device."""
    if precision == "auto":
        return "bf16" if native_bf16(device) else "fp32"
    return precision


def resolve(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype that `fp32`, `bf16` or `auto` means on this device."""
    return torch.bfloat16 if name_on(precision, device) == "bf16" else torch.float32
