"""The targets of ``plan export --to``; a new one is a module and a line here."""

from __future__ import annotations

from simulator.export.kubernetes import KUBERNETES
from simulator.export.rayserve import RAY_SERVE
from simulator.export.target import Target
from simulator.export.triton import TRITON

TARGETS: dict[str, Target] = {target.name: target for target in (KUBERNETES, TRITON, RAY_SERVE)}
"""Targets by name."""
