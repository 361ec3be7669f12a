"""Requests enter portions: arrivals from outside, routing, survivors, and those whose portion has closed."""

from __future__ import annotations

from simulator.cluster.compiled.columns import (
    A_ARRIVED,
    B_SIZE,
    F_ANSWER,
    F_ARRIVAL,
    F_ENTERED,
    F_FINISH,
    F_PARTS,
    G_COHORT,
    G_DIRTY,
    G_INSIDE,
    G_SEQ,
    G_TABLES,
    G_UNSETTLED,
    L_DIRTY,
    L_IDLE,
    L_LEAST,
    L_NUMBER,
    L_SIZE,
    LEAST_OUTSTANDING,
    P_BATCH,
    R_ATTEMPTS,
    R_COHORT,
    R_DEPLOYMENT,
    R_GROUP,
    R_LEAVE,
    R_NUMBER,
    R_OUTCOME,
    R_POSITION,
    R_ROW,
    R_SEQ,
    R_SERVICE,
    RANDOM,
    ROUND_ROBIN,
    S_CAPACITY,
    S_DRAINING,
    S_FIRST,
    S_LAYER,
    S_LINE,
    S_OPEN,
    S_OPENS,
    S_PENDING,
    S_REPLICA,
    S_ROUTING,
    S_SECOND,
    S_SHARED,
    S_TURN,
    T_DURATION,
    T_NOW,
    T_WARMUP,
    V_ARRIVED,
    V_CURRENT,
    V_ENTRY,
    V_FIRES,
    V_LAYERS,
    V_PATHS,
    V_PLACES,
    V_ROWS,
    V_WINDOWED,
)
from simulator.cluster.compiled.jit import cold, hot, known
from simulator.cluster.compiled.measure import INSIDE
from simulator.cluster.compiled.queues import join, mix

NAN = float("nan")
DIRTY, LINGERING, UNSETTLED, ASKING = range(4)
"""Rows of the array of lists."""


@hot
def touch(g, lists, lines, line):
    """The line dispatches when the instant has settled."""
    if not lines[line, L_DIRTY]:
        lines[line, L_DIRTY] = 1
        lists[DIRTY, known(g[G_DIRTY])] = line
        g[G_DIRTY] += 1


# -- routing -----------------------------------------------------------------------------------------------------------


@hot
def outstanding(lines, stations, replicas, batches, s, line):
    """Requests waiting in a line of one replica, or in service there."""
    b = replicas[stations[s, S_REPLICA] + lines[line, L_NUMBER], P_BATCH]
    waiting = lines[line, L_SIZE]
    if b >= 0:
        waiting += batches[b, B_SIZE]
    return waiting


@cold
def route(lines, stations, replicas, batches, numbers, opens, s, r):
    """The line that request ``r`` joins in a station whose replicas have queues of their own."""
    routing, first, n = stations[s, S_ROUTING], stations[s, S_OPEN], stations[s, S_OPENS]
    if routing == ROUND_ROBIN:
        stations[s, S_TURN] += 1
        return opens[first + (stations[s, S_TURN] - 1) % n]
    if routing == LEAST_OUTSTANDING:
        best = opens[first]
        fewest = outstanding(lines, stations, replicas, batches, s, best)
        for i in range(1, n):
            line = opens[first + i]
            found = outstanding(lines, stations, replicas, batches, s, line)
            if found < fewest:
                best, fewest = line, found
        return best
    i = int(numbers[r, stations[s, S_FIRST]] * n)
    if routing == RANDOM or n == 1:
        return opens[first + i]
    j = int(numbers[r, stations[s, S_SECOND]] * (n - 1))
    one, other = opens[first + i], opens[first + j + (j >= i)]
    if outstanding(lines, stations, replicas, batches, s, other) < outstanding(
        lines, stations, replicas, batches, s, one
    ):
        return other
    return one


@hot
def line_for(lines, stations, replicas, batches, numbers, opens, s, r):
    """The line of station ``s`` that request ``r`` joins."""
    if stations[s, S_SHARED]:
        return known(stations[s, S_LINE])
    return route(lines, stations, replicas, batches, numbers, opens, s, r)


# -- where requests are, counted in services with several deployments --------------------------------------------------


@hot
def forget(g, lists, stations, s):
    """One request fewer can reach station ``s``; a drained one may now close."""
    stations[s, S_PENDING] -= 1
    if stations[s, S_DRAINING] and stations[s, S_PENDING] == 0:
        lists[UNSETTLED, g[G_UNSETTLED]] = 2 * s + 1
        g[G_UNSETTLED] += 1


@hot
def path_of(requests, services, r):
    """First entry of the path of a request's deployment among the static integers."""
    service = requests[r, R_SERVICE]
    return services[service, V_PATHS] + requests[r, R_DEPLOYMENT] * services[service, V_PLACES]


@cold
def enter_path(requests, services, stations, statics, r, position):
    """A request may from now on be found at its station ``position`` and the later ones of its deployment."""
    requests[r, R_POSITION] = position
    place = path_of(requests, services, r) + position
    while statics[place] >= 0:
        stations[statics[place], S_PENDING] += 1
        place += 1


@cold
def leave_path(g, lists, requests, services, stations, statics, r):
    """A request's slot ends, or goes over to another deployment."""
    place = path_of(requests, services, r) + requests[r, R_POSITION]
    while statics[place] >= 0:
        forget(g, lists, stations, statics[place])
        place += 1


@hot
def advance(g, lists, requests, services, stations, statics, r):
    """A request leaves its station for the next one, which is returned."""
    place = path_of(requests, services, r) + requests[r, R_POSITION]
    requests[r, R_POSITION] += 1
    forget(g, lists, stations, statics[place])
    return statics[place + 1]


@cold
def redirect(
    g, clock, lists, requests, times, dues, numbers, queues, waits, lines, stations, services, replicas, batches,
    bands, opens, statics, fires, s, r, since,
):  # fmt: skip
    """A request of a closed station goes over to the deployment in force; see ``moves.redirect``."""
    service = requests[r, R_SERVICE]
    current = services[service, V_CURRENT]
    path = services[service, V_PATHS] + current * services[service, V_PLACES]
    position = 0
    while statics[path + position] >= 0 and stations[statics[path + position], S_LAYER] != stations[s, S_LAYER]:
        position += 1
    if statics[path + position] < 0:
        position = 0
    target = statics[path + position]
    leave_path(g, lists, requests, services, stations, statics, r)
    requests[r, R_DEPLOYMENT] = current
    if services[service, V_FIRES] >= 0:
        layers, rows = services[service, V_LAYERS], services[service, V_ROWS]
        layer = stations[target, S_LAYER]
        first = services[service, V_FIRES] + (current * rows + requests[r, R_ROW]) * layers - 1
        while not fires[first + layer]:
            layer += 1
        requests[r, R_LEAVE] = layer
    enter_path(requests, services, stations, statics, r, position)
    line = line_for(lines, stations, replicas, batches, numbers, opens, target, r)
    q = join(lines, stations, bands, queues, waits, requests, times, dues, line, r, clock[T_NOW])
    times[r, F_ENTERED] = since
    mix(queues, requests, dues, q)
    touch(g, lists, lines, line)


# -- arrivals ----------------------------------------------------------------------------------------------------------


@hot
def admit(
    g, clock, lists, requests, times, dues, numbers, queues, waits, lines, stations, services, replicas, batches,
    bands, opens, statics, counts, lines_timer, r, now,
):  # fmt: skip
    """A request whose own columns are set arrives from outside."""
    service = known(requests[r, R_SERVICE])
    requests[r, R_NUMBER] = services[service, V_ARRIVED]
    requests[r, R_SEQ] = g[G_SEQ]
    services[service, V_ARRIVED] += 1
    g[G_SEQ] += 1
    requests[r, R_ATTEMPTS] = 1
    requests[r, R_OUTCOME] = INSIDE
    times[r, F_ARRIVAL] = now
    times[r, F_FINISH] = NAN
    times[r, F_ANSWER] = NAN
    if not g[G_TABLES]:
        for part in range(5):
            times[r, F_PARTS + part] = 0.0
        counts[known(requests[r, R_GROUP]), A_ARRIVED] += 1
        g[G_INSIDE] += 1
        requests[r, R_COHORT] = clock[T_WARMUP] <= now < clock[T_DURATION]
        g[G_COHORT] += requests[r, R_COHORT]
    s = known(services[service, V_ENTRY])
    if services[service, V_WINDOWED]:
        s = statics[path_of(requests, services, r)]
        enter_path(requests, services, stations, statics, r, 0)
    line = line_for(lines, stations, replicas, batches, numbers, opens, s, r)
    join(lines, stations, bands, queues, waits, requests, times, dues, line, r, now)
    if stations[s, S_CAPACITY] >= 0:
        touch(g, lists, lines, line)
    elif lines[line, L_IDLE] and (lines[line, L_SIZE] >= lines[line, L_LEAST] or lines_timer[line] <= now):
        # Too few to start and a timer set: nobody can become ready before one of both changes.
        touch(g, lists, lines, line)
