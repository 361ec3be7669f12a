"""Precision of every layer on every pool, as the portions of a service have it now."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.cluster.lower.layers import ModelCosts
from simulator.scenario.deployment import Deployment, Portion
from simulator.scenario.precision import PrecisionChoice, by_layer
from simulator.scenario.quantities import Precision


def precision_on(pool: str, costs: ModelCosts, timeline: Sequence[tuple[float, Deployment]]) -> PrecisionChoice:
    """What each layer of the model has on a pool; of several windows and kinds of replica the first counts.

    A layer that no portion on the pool names has the one precision of these portions, or where they have several that
    of the portion which runs it elsewhere.
    """
    portions = [portion for _, window in timeline for portion in window.portions]
    mine = [_named(costs, portion) for portion in portions if portion.pool == pool]
    single = {precision for named in mine for precision in named.values()}
    found: dict[int, Precision] = {}
    for named in mine:
        found = named | found
    for layer in range(len(costs.names)):
        if layer not in found and len(single) == 1:
            found[layer] = next(iter(single))
    for portion in portions:
        found = _named(costs, portion) | found
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    # Ranges, for a number alone could be the name of another layer
    return {f"{layer + 1}-{layer + 1}": found[layer] for layer in sorted(found)}


def _named(costs: ModelCosts, portion: Portion) -> dict[int, Precision]:
    """Precision of the layers (from 0) that a portion runs, and of those that its choice names besides."""
    if isinstance(portion.precision, str):
        return dict.fromkeys(range(portion.layers.first - 1, portion.layers.last), portion.precision)
    keys, _ = by_layer(portion.precision, costs.names)
    return {layer: portion.precision[key] for layer, key in keys.items()}
