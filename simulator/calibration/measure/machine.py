"""This machine: its processor, the load that others put on it, and the one processor that a measurement stays on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

NOTABLE = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16")
"""Instruction sets on which the speed of int8 and of 16-bit products depends, as Linux names them."""
_ARM = ("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2")
_PROC = Path("/proc")


@lru_cache
def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = (_PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def processor() -> str:
    """Name of the processor, as the system tells it."""
    name = _cpuinfo().get("model name") or platform.processor() or platform.machine()
    return " ".join(name.split()) or "unknown"


def flags() -> str:
    """Notable instruction sets of the processor, with blanks between; ``none`` when there are none or nobody knows."""
    said = _cpuinfo()
    present = f"{said.get('flags', '')} {said.get('features', '')}".split()
    wanted = NOTABLE if "flags" in said else _ARM
    return " ".join(name for name in wanted if name in present) or "none"


@contextmanager
def pinned() -> Iterator[bool]:
    """Keep the calling thread on one processor, and let it go where it could before; False where that cannot be."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})  # the first processors serve the interrupts
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def busy_s() -> float | None:
    """Processor time that the whole machine has worked since its start [s]; None where nobody tells."""
    try:
        cells = (_PROC / "stat").read_text(encoding="ascii").partition("\n")[0].split()
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    # user, nice, system, (idle, iowait,) irq, softirq, steal: guests are part of user and nice
    spent = [int(cell) for cell in cells[1:9]]
    return float(sum(spent[:3]) + sum(spent[5:])) / ticks
