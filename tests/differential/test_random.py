"""Both engines on random scenarios: the same instants, outcomes, batches and figures to the last bit.

The examples are fixed, so that a failure in one place is a failure everywhere; the long test draws new ones each time.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.differential.compare import assert_same
from tests.differential.features import features
from tests.differential.strategies import (
    CLOSED,
    EVERYTHING,
    EXITS,
    FAULTS,
    PLAIN,
    ROUTED,
    WINDOWS,
    Case,
    cases,
)
from tests.differential.support import both, reference
from tests.laws.invariants import check_all

AS_DRAWN = (Phase.explicit, Phase.generate)
"""Not shrunk, which would take minutes: the message has the whole scenario. The long test shrinks what it finds."""


def check(case: Case, replication: int = 0) -> None:
    """The engines agree, and on something that may be."""
    one, other = both(case.node, case.files, replication)
    assert_same(one, other)
    check_all(one)


@settings(max_examples=300, phases=AS_DRAWN)
@given(cases(PLAIN))
def test_plain(case: Case) -> None:
    """Open loads, classes, batches, capacity, drops, jitter, transfers."""
    check(case)


@settings(max_examples=350, phases=AS_DRAWN)
@given(cases(EXITS))
def test_exits(case: Case) -> None:
    """Every exit mode, parallel and serial."""
    check(case)


@settings(max_examples=300, phases=AS_DRAWN)
@given(cases(ROUTED))
def test_routed(case: Case) -> None:
    """Queues by replica, several kinds of replica, also together with exits."""
    check(case)


@settings(max_examples=250, phases=AS_DRAWN)
@given(cases(CLOSED))
def test_closed(case: Case) -> None:
    """Clients who think for a while, or not at all."""
    check(case)


@settings(max_examples=350, phases=AS_DRAWN)
@given(cases(WINDOWS))
def test_windows(case: Case) -> None:
    """Two to four deployments of each service."""
    check(case)


@settings(max_examples=300, phases=AS_DRAWN)
@given(cases(FAULTS))
def test_faults(case: Case) -> None:
    """Replicas that fail about as often as they serve."""
    check(case)


@settings(max_examples=500, phases=AS_DRAWN)
@given(cases(EVERYTHING))
def test_everything(case: Case) -> None:
    """All of it, up to three services that share their pools."""
    check(case)


@settings(max_examples=50, phases=AS_DRAWN)
@given(cases(EVERYTHING), st.integers(1, 9))
def test_later_replications(case: Case, replication: int) -> None:
    """They have random numbers of their own, the same in both engines."""
    check(case, replication)


@pytest.mark.long
@settings(max_examples=20_000, derandomize=False, print_blob=True)
@given(cases(EVERYTHING))
def test_everything_at_length(case: Case) -> None:
    """New examples at every run."""
    check(case)


SHARES = {
    0.6: ["tie arrival/arrival", "max_wait", "COMPLETED", "batches", "jitter deterministic", "routing shared"],
    0.4: ["trace", "windows", "faults", "abort", "classes", "kinds", "drain", "start_up"],
    0.3: ["tie arrival/completion", "tie deadline/start", "retry", "release", "DROPPED", "REJECTED", "INSIDE"],
    0.2: [
        *("tie completion/completion", "closed", "capacity", "services", "loading", "new portions", "new routing"),
        *("profile", "drop expired", "none serial", "on_fault drop", "FAILED", "transfers", "portions 3"),
    ],
    0.1: [
        *("tie arrival/timer", "tie arrival/fault", "tie completion/timer", "tie arrival/window"),
        *("overlap", "latency", "pairs", "load_bandwidth", "table", "drop hopeless", "capacity 0", "moved over"),
        *("routing random", "routing round_robin", "routing least_outstanding", "routing two_choices"),
        *("retries 0", "retries 1", "retries 2", "retries 3", "think zero", "zero time", "portions 4"),
        *("new exit_mode", "new execution", "new max_wait", "new batch", "compact parallel", "at_cut parallel"),
        *("answer_early parallel", "jitter exponential", "jitter lognormal", "formats by layer", "accuracy"),
    ],
    0.05: [
        *("tie completion/window", "tie completion/transfer", "tie transfer/transfer", "tie arrival/transfer"),
        *("poisson", "gamma", "mmpp", "think deterministic", "think exponential", "think lognormal"),
        *("more replicas", "fewer replicas", "at_cut serial", "compact serial", "answer_early serial", "new formats"),
    ],
    0.02: ["tie transfer/timer", "tie transfer/window", "tie completion/fault", "tie timer/fault"],
}
"""Least share of the scenarios in which each of these must be found."""


def test_the_scenarios_reach_every_feature() -> None:
    """They are worth their name: no feature and no kind of coincidence becomes rare without notice."""
    seen: Counter[str] = Counter()

    @settings(max_examples=300)
    @given(cases(EVERYTHING))
    def look(case: Case) -> None:
        seen.update({"all"} | features(case, reference(case.node, case.files)))

    look()
    rare = {
        name: seen[name] / seen["all"]
        for share, names in SHARES.items()
        for name in names
        if seen[name] < share * seen["all"]
    }
    assert not rare
