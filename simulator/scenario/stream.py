"""Section ``streams``: models whose layers come from a parameter server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Strict, by_shape
from simulator.scenario.quantities import Count, Name


class Stream(Strict):
    """A model whose layers come from the parameter server one at a time."""

    model: Name
    """Streamed model, in `models`."""
    pool: Name
    """Pool of the device, in `cluster.pools`."""
    mode: Literal["training", "inference"]
    """What is run."""
    group: Annotated[Count | Literal["auto"], by_shape("a number of microbatches, or auto")] = "auto"
    """Microbatches per visit of a layer, or `auto`."""
    microbatch: Count = 1
    """Samples per microbatch."""
    prefetch: Annotated[int, Field(ge=1, le=1_000)] = 2
    """Layer slots on the device."""
