"""A small valid scenario that tests change."""

import pytest

SMALL = """\
version: 1
name: small
run: {duration: 10min, warmup: 30s}
cluster:
  pools:
    gpu: {device: v100-16gb, count: 4}
    cpu: {device: xeon-8480, count: 2}
  network: {bandwidth: 12GB/s, latency: 50us}
models:
  bert:
    layers:
      - {name: block, repeat: 12, time: {overhead: 360us, per_item: 42us}, weights: 14MB, output: 196KB}
services:
  chat:
    model: bert
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 200/s}
    deployment:
      portions:
        - {layers: 1-4, pool: gpu, replicas: 1, batch: 8, max_wait: 5ms}
        - {layers: 5-12, pool: gpu, replicas: 2, batch: 8, max_wait: 5ms}
variants:
  busy: {services.chat.workload.rate: 400/s}
  wide: {services.chat.deployment.portions.0.batch: 16}
"""


@pytest.fixture
def small() -> str:
    return SMALL
