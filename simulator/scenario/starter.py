"""The scenario that ``plan init`` writes: small, valid, and explained."""

from __future__ import annotations

from simulator.scenario.schema import SCHEMA_LINE

_BODY = """\
# One service on one pool of devices. Quantities carry their unit: 100ms, 16GiB, 200/s, 12GB/s, 99%.
version: 1
name: my-service
seed: 7                               # equal seeds give equal results
run:
  duration: 10min                     # requests arrive for this long
  warmup: 30s                         # not counted
  replications: 5                     # independent repetitions, for the 95 % intervals

cluster:
  pools:
    gpu: {device: v100-16gb, count: 4, price_per_hour: 3.06}      # `plan catalogue devices` lists the devices
  network: {bandwidth: 12GB/s, latency: 50us}                     # between replicas

models:
  classifier:
    layers:                           # or `catalogue: bert-base`; or `measured: rows.csv`
      - {name: block, repeat: 12, time: {overhead: 360us, per_item: 42us}, weights: 14MB, output: 196KB}

services:
  chat:
    model: classifier
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 400/s}                     # or gamma, mmpp, closed, `trace: file.csv`
    queue: {capacity: 10000, drop: never}                         # drop: never, expired, hopeless
    deployment:
      portions:                       # consecutive layers, each portion on replicas of its own
        - {layers: 1-12, pool: gpu, replicas: 4, batch: 8, max_wait: 5ms, precision: fp16}

planner:                              # plan optimize FILE -o plan.yaml
  search: {batch: [1, 2, 4, 8, 16, 32]}

variants:                             # plan simulate FILE --variant busy
  busy:
    services.chat.workload.rate: 800/s
"""


def template(schema: str = "scenario.schema.json") -> str:
    """Text of a small valid scenario; ``schema`` is where editors find the format's schema."""
    return f"{SCHEMA_LINE}{schema}\n{_BODY}"
