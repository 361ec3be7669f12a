"""Kubernetes: Deployments, Services, ConfigMaps and budgets, an overlay for every window, ScaledObjects of KEDA."""

from __future__ import annotations

from simulator.export.features import KEPT, Feature, Verdict
from simulator.export.kubernetes.check import problems
from simulator.export.kubernetes.read import read
from simulator.export.kubernetes.render import render
from simulator.export.target import Target

_IMAGE = "the image has to do it; settings.yaml says so"

KUBERNETES = Target(
    name="kubernetes",
    title="Kubernetes",
    routing="random",
    queueing=(
        "Every replica has a queue of its own, and a Service sends every new connection to one of them at random "
        "(one connection per request is assumed: requests that share a connection all go to the same replica)."
    ),
    render=render,
    problems=problems,
    read=read,
    needs=("kubernetes_validate", "jsonschema"),
    options=frozenset({"image", "namespace", "device_resource", "clock", "timezone"}),
    verdicts={
        Feature.ROUTER: Verdict("noted", "the image of the first portion has to hold the router"),
        Feature.TWIN: Verdict(
            "refused", "nothing here sends a request to two networks and takes the first sure answer"
        ),
        Feature.STREAMED: Verdict("noted", f"{_IMAGE} (weights: streamed). The parameter server is not exported"),
        Feature.STREAMED_START: Verdict(
            "noted", "pods are ready when all weights are loaded, unless the image does it"
        ),
        Feature.SERIAL: KEPT,
        Feature.COMPACT: Verdict("noted", f"{_IMAGE} (exit_mode: compact, ramps, exit_rule)"),
        Feature.ANSWER_EARLY: Verdict("noted", f"{_IMAGE} (exit_mode: answer_early, ramps, exit_rule)"),
        Feature.PATIENCE: Verdict("noted", f"{_IMAGE} (exit_rule)"),
        Feature.SHARES: Verdict("noted", "the ramps of your model decide; settings.yaml holds no threshold"),
        Feature.KINDS: KEPT,
        Feature.POOLS: KEPT,
        Feature.MIXED_PRECISION: KEPT,
        Feature.SEVERAL_DEVICES: KEPT,
        Feature.CLASSES: Verdict("lost", "queues serve in order of arrival"),
        Feature.CAPACITY: Verdict("lost", "queues have no bound"),
        Feature.DROP: Verdict("lost", "late requests are served"),
        Feature.FAULTS: Verdict("noted", "failed pods are started anew; retries of their requests are the caller's"),
        Feature.AUTOSCALE: Verdict("lost", "replicas stay at the number with which the plan starts"),
        Feature.FILL: Verdict("refused", "it has no devices of its own: export a plan without the training"),
        Feature.OTHERS: Verdict("noted", "they are not exported, only services are"),
    },
)
