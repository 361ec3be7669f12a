"""Matrix products: weights of K x N, inputs of M x K, the batch size is M."""

from __future__ import annotations

import re
from collections.abc import Mapping

from simulator.calibration.measure.network import Dense, Network
from simulator.calibration.measure.probe import Probe
from simulator.calibration.measure.request import Request, network_probes
from simulator.errors import Problem, ScenarioError

USUAL = ("256x256", "512x512", "256x1024", "1024x256", "1024x1024", "768x3072", "3072x768", "2048x2048", "1024x4096")
_SHAPE = re.compile(r"([1-9]\d{0,6})x([1-9]\d{0,6})")


def probes(request: Request) -> list[Probe]:
    """One probe for every shape, variant and batch size."""
    networks = [product(text, request.seed) for text in dict.fromkeys(request.shapes or USUAL)]
    return network_probes(request, networks, labels)


def product(text: str, seed: int = 0) -> Network:
    """The product that ``KxN`` names, without bias.

    >>> product("768x3072").layers
    (Dense(inputs=768, outputs=3072, bias=False, relu=False),)
    """
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise ScenarioError(
            Problem(f"must be KxN (inputs x outputs) such as 768x3072, got {text!r}", path="--kind gemm")
        )
    k, n = (int(side) for side in match.groups())
    return Network(f"gemm_{k}x{n}", (k,), (Dense(k, n, bias=False, relu=False),), seed)


def labels(network: Network, batch: int, precision: str) -> Mapping[str, str | int]:
    """Columns of matrix products: C (m x n) = A (m x k) B (k x n)."""
    (k, n) = network.layers[0].shape
    return {"m": batch, "n": n, "k": k, "dtype": precision}
