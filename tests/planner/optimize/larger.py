"""Random scenarios of some size: services with exits on several types of device, through windows of different load."""

from __future__ import annotations

import json

import numpy as np

from simulator.scenario import Scenario, loads
from tests.support import Node

WINDOW_S = 60.0


def larger(seed: int, *, small: bool = False) -> Scenario:
    """One of them: 4 to 24 layers, 1 to 3 services, 2 or 3 pools, 3 to 8 windows; ``small``: less of all."""
    rng = np.random.default_rng([20, seed])
    windows = int(rng.integers(2, 4)) if small else int(rng.integers(3, 9))
    count = int(rng.integers(1, 3)) if small else int(rng.integers(1, 4))
    services = {f"s{number}": _service(rng, f"s{number}", windows, small) for number in range(count)}
    search = {
        "batch": [[1, 4], [1, 2, 4, 8], [2, 8, 16]][int(rng.integers(3))],
        "max_cuts": 1 if small else int(rng.integers(1, 3)),
        "precision": ["fp16"] if rng.random() < 0.5 else ["fp16", "int8"],
    }
    node: Node = {
        "version": 1,
        "name": f"larger-{seed}",
        "seed": seed,
        "run": {"duration": f"{windows * WINDOW_S:g}s"},
        "cluster": {
            "pools": {f"p{number}": _pool(rng) for number in range(2 if small else int(rng.integers(2, 4)))},
            "network": {"bandwidth": "10GB/s", "latency": "50us"},
        },
        "models": {name: _model(rng, small) for name in services},
        "services": services,
        "planner": {
            "window": f"{WINDOW_S:g}s",
            "switch_cost": float(rng.choice([0.0, 0.001, 0.01])),
            "search": search,
        },
    }
    return loads(json.dumps(node))


def _pool(rng: np.random.Generator) -> Node:
    """A device some times as fast as another, at a price that goes with it but for chance."""
    speed = float(rng.uniform(0.4, 2.5))
    return {
        "device": {
            "memory": "24GB",
            "memory_bandwidth": f"{300 * speed * rng.uniform(0.6, 1.5):.0f}GB/s",
            "peak": {"fp16": f"{50 * speed:.1f}TFLOPS", "int8": f"{50 * speed * rng.uniform(1.2, 2):.1f}TFLOPS"},
            "overhead": f"{rng.uniform(50, 400):.0f}us",
        },
        "count": int(rng.integers(40, 160)),
        "price_per_hour": round(speed * float(rng.uniform(0.7, 1.4)), 2),
        "start_up": f"{int(rng.integers(0, 4))}s",
        "load_bandwidth": "2GB/s",
    }


def _model(rng: np.random.Generator, small: bool) -> Node:
    layers = int(rng.integers(3, 7)) if small else int(rng.integers(4, 25))
    flops, moved = rng.uniform(5, 60), rng.uniform(5, 60)
    model: Node = {
        "layers": [
            {
                "name": "block",
                "repeat": layers,
                "work": {"flops": f"{flops:.1f}GFLOP", "bytes": f"{moved:.1f}MB"},
                "weights": f"{moved:.1f}MB",
                "output": f"{rng.uniform(10, 400):.0f}KB",
            }
        ]
    }
    if rng.random() < 0.75:
        after = sorted(rng.choice(np.arange(1, layers), size=min(layers - 1, 4), replace=False).tolist())
        leave = rng.dirichlet(np.ones(len(after) + 1)).round(3)
        model |= {
            "ramps": {"after": after, "time": {"relative": round(float(rng.uniform(0.02, 0.2)), 3)}},
            "exits": {"profile": [round(float(leave[at]), 3) for at in range(len(after))]},
        }
    return model


def _service(rng: np.random.Generator, name: str, windows: int, small: bool) -> Node:
    rate = float(rng.uniform(200, 900) if small else rng.uniform(200, 2000))
    latency = rng.uniform(12, 40) if small else rng.uniform(120, 500)  # of small ones next to what a batch takes
    factors = rng.uniform(0.3, 1.0, windows).round(2).tolist()
    return {
        "model": name,
        "slo": {"latency": f"{latency:.0f}ms", "attainment": str(rng.choice(["95%", "99%"]))},
        "workload": {
            "process": "poisson",
            "rate": f"{rate:.0f}/s",
            "shape": {"kind": "steps", "every": f"{WINDOW_S:g}s", "factors": factors},
        },
    }
