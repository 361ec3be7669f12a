"""The same two systems, written for exitplan, for Ciw and as a plain SimPy model with one process per request."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import ciw
import numpy as np
import simpy

from simulator import cluster, simulate
from simulator.scenario import Scenario

Process = Generator[simpy.Event, Any, None]

ARRIVALS_PER_S, SERVICE_S, SERVERS = 320.0, 0.01, 4
MM4 = """
version: 1
name: mm4
seed: 1
run: {{duration: {duration}s}}
cluster:
  pools:
    pool: {{device: {{memory: 1GiB, memory_bandwidth: 1GB/s, peak: {{fp16: 1TFLOPS}}}}, count: 4, price_per_hour: 1}}
models:
  job: {{layers: [{{name: work, time: 10ms}}]}}
services:
  queue:
    model: job
    slo: {{latency: 50ms}}
    workload: {{process: poisson, rate: 320/s}}
    jitter: {{distribution: exponential}}
    deployment: {{portions: [{{layers: 1, pool: pool, replicas: 4}}]}}
"""

PORTIONS, BATCH, MAX_WAIT_S, REQUESTS_PER_S, SURVIVAL = 3, 8, 0.005, 1000.0, 0.6
OVERHEAD_S, PER_ITEM_S = 0.00144, 0.000168
THREE = """
version: 1
name: three-portions
seed: 1
run: {{duration: {duration}s}}
cluster:
  pools:
    pool: {{device: {{memory: 8GiB, memory_bandwidth: 68GB/s, peak: {{fp16: 1TFLOPS}}}}, count: 3, price_per_hour: 1}}
models:
  net:
    layers: [{{name: block, repeat: 3, time: {{overhead: 1.44ms, per_item: 168us}}}}]
    ramps: {{after: all}}
    exits: {{profile: [0.4, 0.24]}}
services:
  net:
    model: net
    slo: {{latency: 50ms}}
    workload: {{process: poisson, rate: 1000/s}}
    deployment:
      exit_mode: at_cut
      portions:
        - {{layers: 1, pool: pool, replicas: 1, batch: 8, max_wait: 5ms}}
        - {{layers: 2, pool: pool, replicas: 1, batch: 8, max_wait: 5ms}}
        - {{layers: 3, pool: pool, replicas: 1, batch: 8, max_wait: 5ms}}
"""


def mm4_scenario(customers: int) -> Scenario:
    """M/M/4 at 80 % load with about ``customers`` arrivals."""
    return cluster.loads(MM4.format(duration=customers / ARRIVALS_PER_S))


def three_scenario(requests: int) -> Scenario:
    """Three portions with batching and early leaving, with about ``requests`` arrivals."""
    return cluster.loads(THREE.format(duration=requests / REQUESTS_PER_S))


def exitplan(scenario: Scenario) -> float:
    """All of a simulation, percentiles, breakdown and conservation included; its p99 [s]."""
    (figures,) = simulate(scenario).to_dict()["services"].values()
    return float(figures["latency"]["p99"])


def ciw_mm4(customers: int) -> float:
    """The same queue in Ciw; p99 of the time in the system [s]."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=ARRIVALS_PER_S)],
        service_distributions=[ciw.dists.Exponential(rate=1 / SERVICE_S)],
        number_of_servers=[SERVERS],
    )
    ciw.seed(1)
    model = ciw.Simulation(network)
    model.simulate_until_max_time(customers / ARRIVALS_PER_S)
    return float(np.quantile([r.exit_date - r.arrival_date for r in model.get_all_records()], 0.99))


def simpy_mm4(customers: int) -> float:
    """The same queue as SimPy is usually written: one process per customer, one resource; p99 [s]."""
    environment, rng = simpy.Environment(), np.random.default_rng(1)
    servers = simpy.Resource(environment, SERVERS)
    gaps = rng.exponential(1 / ARRIVALS_PER_S, customers).tolist()
    services = rng.exponential(SERVICE_S, customers).tolist()
    latencies: list[float] = []

    def customer(service: float) -> Process:
        arrival = environment.now
        with servers.request() as turn:
            yield turn
            yield environment.timeout(service)
        latencies.append(environment.now - arrival)

    def source() -> Process:
        for gap, service in zip(gaps, services):
            yield environment.timeout(gap)
            environment.process(customer(service))

    environment.process(source())
    environment.run()
    return float(np.quantile(latencies, 0.99))


def simpy_three(requests: int) -> float:
    """The three portions with one process per request and one per replica; p99 [s]."""
    environment, rng = simpy.Environment(), np.random.default_rng(1)
    queues = [simpy.Store(environment) for _ in range(PORTIONS)]
    gaps = rng.exponential(1 / REQUESTS_PER_S, requests).tolist()
    depths = np.minimum(rng.geometric(1 - SURVIVAL, requests), PORTIONS).tolist()
    latencies: list[float] = []

    def replica(queue: simpy.Store) -> Process:
        while True:
            batch = [(yield queue.get())]
            patience = environment.timeout(MAX_WAIT_S)
            while len(batch) < BATCH:
                taken = queue.get()
                yield taken | patience
                if not taken.triggered:
                    taken.cancel()
                    break
                batch.append(taken.value)
            yield environment.timeout(OVERHEAD_S + PER_ITEM_S * len(batch))
            for done in batch:
                done.succeed()

    def request(depth: int) -> Process:
        arrival = environment.now
        for queue in queues[:depth]:
            done = environment.event()
            queue.put(done)
            yield done
        latencies.append(environment.now - arrival)

    def source() -> Process:
        for gap, depth in zip(gaps, depths):
            yield environment.timeout(gap)
            environment.process(request(depth))

    for queue in queues:
        environment.process(replica(queue))
    environment.run(environment.process(source()))
    environment.run(environment.now + 1)
    return float(np.quantile(latencies, 0.99))
