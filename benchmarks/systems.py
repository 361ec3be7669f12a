"""The same systems, written for exitplan, for Ciw and as a plain SimPy model with one process per request."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import ciw
import numpy as np
import simpy
from scipy.optimize import brentq

from simulator import cluster
from simulator.scenario import Scenario

Process = Generator[simpy.Event, Any, None]

SERVICE_S, LOAD = 0.01, 0.8
MMC = """
version: 1
name: mmc
seed: 1
run: {{duration: {duration}s}}
cluster:
  pools:
    pool: {{device: {{memory: 1GiB, memory_bandwidth: 1GB/s, peak: {{fp16: 1TFLOPS}}}}, count: {servers}}}
models:
  job: {{layers: [{{name: work, time: 10ms}}]}}
services:
  queue:
    model: job
    slo: {{latency: 50ms}}
    workload: {{process: poisson, rate: {rate}/s}}
    jitter: {{distribution: exponential}}
    deployment: {{portions: [{{layers: 1, pool: pool, replicas: {servers}}}]}}
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


def rate_per_s(servers: int) -> float:
    """Arrivals per second that make 80 % load."""
    return LOAD * servers / SERVICE_S


def mmc_text(servers: int, customers: int) -> str:
    """M/M/c at 80 % load with about ``customers`` arrivals, as a file."""
    rate = rate_per_s(servers)
    return MMC.format(servers=servers, rate=rate, duration=customers / rate)


def mmc_scenario(servers: int, customers: int, sets: Sequence[str] = ()) -> Scenario:
    """M/M/c at 80 % load with about ``customers`` arrivals."""
    return cluster.loads(mmc_text(servers, customers), sets=sets)


def mmc_p99_s(servers: int) -> float:
    """99th percentile of the time in an M/M/c system at 80 % load [s], from its exact distribution.

    A customer waits with Erlang's probability C, then for an exponential time of rate ``drain``.
    """
    offered = LOAD * servers
    weights = np.cumprod([1.0, *(offered / k for k in range(1, servers + 1))])
    last = weights[-1] / (1 - LOAD)
    waits = last / (weights[:-1].sum() + last)
    mu, drain = 1 / SERVICE_S, (servers - offered) / SERVICE_S

    def beyond(t: float) -> float:
        both = (drain * np.exp(-mu * t) - mu * np.exp(-drain * t)) / (drain - mu)
        return float((1 - waits) * np.exp(-mu * t) + waits * both)

    return float(brentq(lambda t: beyond(t) - 0.01, 0.0, 1e3))


def three_scenario(requests: int, rate: float = REQUESTS_PER_S) -> Scenario:
    """Three portions with batching and early leaving, with about ``requests`` arrivals."""
    return cluster.loads(THREE.format(duration=requests / rate), sets=[f"services.net.workload.rate={rate}/s"])


def ciw_mmc(servers: int, customers: int) -> float:
    """The same queue in Ciw; p99 of the time in the system [s]."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=rate_per_s(servers))],
        service_distributions=[ciw.dists.Exponential(rate=1 / SERVICE_S)],
        number_of_servers=[servers],
    )
    ciw.seed(1)
    model = ciw.Simulation(network)
    model.simulate_until_max_time(customers / rate_per_s(servers))
    return float(np.quantile([r.exit_date - r.arrival_date for r in model.get_all_records()], 0.99))


def simpy_mmc(servers: int, customers: int) -> float:
    """The same queue as SimPy is usually written: one process per customer, one resource; p99 [s]."""
    environment, rng = simpy.Environment(), np.random.default_rng(1)
    resource = simpy.Resource(environment, servers)
    gaps = rng.exponential(1 / rate_per_s(servers), customers).tolist()
    services = rng.exponential(SERVICE_S, customers).tolist()
    latencies: list[float] = []

    def customer(service: float) -> Process:
        arrival = environment.now
        with resource.request() as turn:
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


def simpy_three(requests: int, rate: float = REQUESTS_PER_S) -> float:
    """The three portions with one process per request and one per replica; p99 [s]."""
    environment, rng = simpy.Environment(), np.random.default_rng(1)
    queues = [simpy.Store(environment) for _ in range(PORTIONS)]
    gaps = rng.exponential(1 / rate, requests).tolist()
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
