"""The compiled twin of the reference engine: same answers, with the request path in machine code."""

from __future__ import annotations

from simulator.cluster.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
