"""Key ``autoscale``: replicas that follow the load, by the rule of Kubernetes' HorizontalPodAutoscaler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_shape
from simulator.scenario.quantities import Count, Duration, PositiveDuration, PositiveFactor, PositiveShare, Share

Selection = Literal["max", "min", "disabled"]


class QueueTarget(Strict):
    """Requests that wait, per replica."""

    queue: PositiveFactor
    """Waiting requests per replica."""


class ScalePolicy(Strict):
    """Most change of the number of replicas within a period."""

    percent: PositiveFactor | None = None
    """Change in percent of the replicas at the start of the period, such as 100; or `replicas`."""
    replicas: Count | None = None
    """Change as a number of replicas; or `percent`."""
    period: PositiveDuration = 15.0
    """Length of the period [s]."""

    def rules(self) -> Iterator[Rule]:
        """One measure of change."""
        if (self.percent is None) == (self.replicas is None):
            both = self.percent is not None
            yield (
                ("replicas",) if both else (),
                "must say either `percent` or `replicas`" + (", not both" if both else ""),
            )


ScalePolicies = Annotated[tuple[ScalePolicy, ...], Field(strict=False, min_length=1, max_length=20)]


class Policies(Strict):
    """How fast the number of replicas may change, by direction."""

    up: ScalePolicies = (ScalePolicy(percent=100.0), ScalePolicy(replicas=4))
    """Limits on the way up."""
    down: ScalePolicies = (ScalePolicy(percent=100.0),)
    """Limits on the way down."""


class Stabilization(Strict):
    """How long past recommendations count, by direction."""

    up: Duration = 0.0
    """More replicas only as far as every recommendation of this time asks for them [s]."""
    down: Duration = 300.0
    """Fewer replicas only as far as every recommendation of this time allows it [s]."""


class Select(Strict):
    """Which of several policies holds, by direction."""

    up: Selection = "max"
    """`max`: the one that allows most change; `min`: least; `disabled`: no replica is added."""
    down: Selection = "max"
    """`max`: the one that allows most change; `min`: least; `disabled`: no replica is removed."""


class Autoscale(Strict):
    """Adds and removes replicas so that what each has to do stays near a target.

    The defaults are those of Kubernetes 1.23 and later (autoscaling/v2, kube-controller-manager).
    """

    min: Count | None = None
    """Fewest replicas; left out: the `replicas` of the deployment, which the autoscaler then only adds to."""
    max: Count
    """Most replicas."""
    target: Annotated[PositiveShare | QueueTarget, by_shape("a utilization such as 60%, or {queue: 5}")]
    """Utilization of the ready replicas, such as 60%, or waiting requests per replica, {queue: 5}."""
    period: PositiveDuration = 15.0
    """Time between two looks at the replicas [s]."""
    tolerance: Share = 0.1
    """Deviation from the target, relative, that changes nothing."""
    stabilization: Stabilization = Stabilization()
    """How long past recommendations count: `{up: 0s, down: 5min}`."""
    policies: Policies = Policies()
    """How fast the number may change: `{up: [{percent: 100, period: 15s}, {replicas: 4}], down: [...]}`."""
    select: Select = Select()
    """Which policy holds where there are several: `{up: max, down: max}`; or `min`, or `disabled`."""

    def rules_beside(self, replicas: int | None) -> Iterator[Rule]:
        """The limits contain each other and the number that the deployment starts with."""
        if self.min is not None and self.min > self.max:
            yield ("autoscale", "min"), f"must not be more than `max` ({self.max})"
        elif replicas is not None and replicas > self.max:
            yield ("autoscale", "max"), f"must not be less than `replicas` ({replicas})"
        elif replicas is not None and self.min is not None and replicas < self.min:
            yield ("autoscale", "min"), f"must not be more than `replicas` ({replicas}), with which the portion starts"
