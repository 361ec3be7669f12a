"""A shape with its replicas as the scenario writes it."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.planner.optimize.problem import Shape, Space
from simulator.planner.optimize.space.shapes import Detail
from simulator.scenario.deployment import Deployment, Portion


def deployment_of(space: Space, shape: int, replicas: Sequence[int]) -> Deployment:
    """Shape number ``shape`` of a space with so many replicas by group, in the scenario's own form."""
    return deployed(space.shapes[shape], replicas)


def deployed(shape: Shape, replicas: Sequence[int]) -> Deployment:
    """The same of a shape in hand."""
    detail: Detail = shape.detail
    serial = detail.execution == "serial"
    counts: list[int | None] = [None] * len(detail.portions) if serial else [int(count) for count in replicas]
    portions = tuple(
        Portion(
            layers=one.layers, pool=one.pool, replicas=count, batch=shape.batch,
            precision=one.precision, weights=one.weights,
        ).model_copy(update={"max_wait": one.max_wait_s})
        for one, count in zip(detail.portions, counts, strict=True)
    )  # fmt: skip
    return Deployment(
        exit_mode=detail.exit_mode,
        execution=detail.execution,
        routing=detail.routing,
        replicas=int(replicas[0]) if serial else None,
        rule=detail.rule,
        ramps=detail.ramps,
        portions=portions,
    )


def ranges(space: Space, shape: int, replicas: Sequence[int]) -> str:
    """Layers, replicas and pools for people: ``1-4: 6 x v100 | 5-12: 10 x v100``."""
    detail: Detail = space.shapes[shape].detail
    if detail.execution == "serial":
        layers = " then ".join(str(one.layers) for one in detail.portions)
        return f"{layers}: {replicas[0]} x {detail.portions[0].pool}"
    parts: dict[str, list[str]] = {}
    for one, count in zip(detail.portions, replicas, strict=True):
        parts.setdefault(str(one.layers), []).append(f"{count} x {one.pool}")
    return " | ".join(f"{layers}: {' + '.join(held)}" for layers, held in parts.items())
