"""Networks of dense layers, named by their widths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from simulator.calibration.measure.network import Dense, Network
from simulator.calibration.measure.probe import Probe
from simulator.calibration.measure.request import Request, named, network_probes
from simulator.errors import Problem, ScenarioError

USUAL = ("mlp=784-1024-1024-512-10", "ffn768=768-3072-768")
_WIDTHS = re.compile(r"[1-9]\d{0,6}(-[1-9]\d{0,6})+")


def probes(request: Request) -> list[Probe]:
    """One probe for every network, variant and batch size."""
    networks = [mlp(text, request.seed) for text in dict.fromkeys(request.shapes or USUAL)]
    return network_probes(request, networks, labels)


def mlp(text: str, seed: int = 0) -> Network:
    """The network that ``[NAME=]W0-W1-...`` names: biases everywhere, ReLU after all layers but the last.

    >>> [layer.relu for layer in mlp("8-16-4").layers], mlp("block=8-4").name
    ([True, False], 'block')
    """
    name, widths = named(text.strip(), lambda shape: f"mlp_{shape}")
    if _WIDTHS.fullmatch(widths) is None:
        message = f"must be [NAME=]WIDTH-WIDTH-... such as 784-1024-10, got {text!r}"
        raise ScenarioError(Problem(message, path="--kind mlp"))
    sizes = [int(width) for width in widths.split("-")]
    last = len(sizes) - 2
    layers = tuple(Dense(a, b, relu=number < last) for number, (a, b) in enumerate(pairwise(sizes)))
    return Network(name, (sizes[0],), layers, seed)


def labels(network: Network, batch: int, precision: str) -> Mapping[str, str | int]:
    """Columns that a scenario's ``measured:`` asks for."""
    return {"layer": network.name, "precision": precision, "batch": batch}
