"""Closed loads: clients think, send and wait; what chance gives each request is kept ready for some ordinals ahead."""

from __future__ import annotations

from simulator.cluster.compiled.columns import (
    ARRIVAL_KEY,
    C_AHEAD,
    C_ASKED,
    C_GROUP,
    C_LOADED,
    C_NUMBERS,
    C_ORDINAL,
    C_ROW,
    C_SERVICE,
    C_THINK,
    F_DEADLINE,
    G_ASKING,
    G_FREE,
    G_NUMBERS,
    G_URGENT,
    R_CLIENT,
    R_DEPLOYMENT,
    R_GROUP,
    R_LEAVE,
    R_LIVE,
    R_ROW,
    R_SERVICE,
    SEND,
    SERVICE_SHIFT,
    T_DURATION,
    V_CLIENT,
    V_DEPLOYMENTS,
    V_LEAVES,
    V_ROWS,
    V_STARTS,
)
from simulator.cluster.compiled.enter import ASKING
from simulator.cluster.compiled.events import schedule
from simulator.cluster.compiled.jit import cold


@cold
def plan_client(g, clock, heap_t, heap_i, lists, services, clients, ahead, client, instant):
    """A client got its answer at ``instant`` [s], thinks, and sends unless the load has ended by then."""
    ordinal = clients[client, C_ORDINAL]
    service = clients[client, C_SERVICE]
    left = clients[client, C_LOADED] - ordinal
    if left <= C_AHEAD // 2 and not clients[client, C_ASKED]:
        clients[client, C_ASKED] = 1
        lists[ASKING, g[G_ASKING]] = client
        g[G_ASKING] += 1
    if left <= C_AHEAD // 4:
        g[G_URGENT] = 1
    at = instant + ahead[client, ordinal % C_AHEAD, C_THINK]
    if at < clock[T_DURATION]:
        key = ARRIVAL_KEY + (service << SERVICE_SHIFT) + client - services[service, V_CLIENT]
        schedule(g, heap_t, heap_i, at, key, (client << 3) | SEND)


@cold
def new_request(g, free, requests, times, numbers, services, statics, starts, limits, clients, ahead, client, now):
    """The slot of a request that a client sends at ``now`` [s], with its own columns set."""
    g[G_FREE] -= 1
    r = free[g[G_FREE]]
    ordinal = clients[client, C_ORDINAL]
    clients[client, C_ORDINAL] = ordinal + 1
    place = ordinal % C_AHEAD
    service = clients[client, C_SERVICE]
    group, row = int(ahead[client, place, C_GROUP]), int(ahead[client, place, C_ROW])
    deployment = 0
    first, last = services[service, V_STARTS], services[service, V_DEPLOYMENTS] - 1
    while deployment < last and starts[first + deployment + 1] <= now:
        deployment += 1
    requests[r, R_LIVE] = 1
    requests[r, R_SERVICE] = service
    requests[r, R_GROUP] = group
    requests[r, R_ROW] = row
    requests[r, R_DEPLOYMENT] = deployment
    requests[r, R_LEAVE] = statics[services[service, V_LEAVES] + deployment * services[service, V_ROWS] + row]
    requests[r, R_CLIENT] = client
    times[r, F_DEADLINE] = now + limits[group]
    for column in range(g[G_NUMBERS]):
        numbers[r, column] = ahead[client, place, C_NUMBERS + column]
    return r
