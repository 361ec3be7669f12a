"""The budget of a filler by itself: what counts against it, and what the change between two jobs takes."""

from __future__ import annotations

from itertools import groupby

import pytest

from simulator.cluster.fill.ledger import Ledger
from tests.cluster.fill.made import run


def test_a_piece_may_start_up_to_the_budget_and_not_beyond() -> None:
    """2 % of 100 s are 2 s."""
    ledger = Ledger(0.02)
    assert ledger.allows(100.0, 2.0)
    assert not ledger.allows(100.0, 2.001)
    assert Ledger(0.0).allows(100.0, 0.0)
    assert not Ledger(0.0).allows(100.0, 1e-9)


def test_pieces_that_run_count_until_they_end() -> None:
    ledger = Ledger(0.02)
    ledger.reserve(3, 1.5)
    assert ledger.allows(100.0, 0.5)
    assert not ledger.allows(100.0, 0.6)
    ledger.release(3)
    assert ledger.allows(100.0, 2.0)


def test_delays_count_and_the_time_that_they_took_earns_no_budget() -> None:
    """After 10 s of delay, 110 s are 100 s of the undisturbed run: of its 20 s, 10 s are left."""
    ledger = Ledger(0.2)
    ledger.overrun(0, 4.0)
    ledger.overrun(1, 6.0)
    assert ledger.delay_s == 10.0
    assert ledger.allows(110.0, 10.0)
    assert not ledger.allows(110.0, 10.5)
    ledger.settle(0, 1.0)  # of the first 4 s only one held anybody up
    assert ledger.delay_s == 7.0
    assert ledger.overruns_s == 10.0


@pytest.mark.parametrize("switch", [0.0, 0.03])
def test_a_change_of_jobs_takes_the_switch(switch: float) -> None:
    """The first piece of a window and every one of another job than the one before; others take their work alone."""
    jobs = [{"name": "a", "piece": "0.3s", "memory": 0}, {"name": "b", "piece": "0.2s", "memory": 0, "pieces": 12}]
    filler, _, _, figures = run({"jobs": jobs, "switch": f"{1e3 * switch}ms"}, iterations=3)
    lost = {ran.end_s - ran.start_s - ran.work_s for ran in filler.ran}
    assert all(min(abs(one), abs(one - switch)) < 1e-9 for one in lost)
    starts = 0
    for device, group in groupby(sorted(filler.ran), key=lambda ran: ran.device):
        mine = list(group)
        for before, ran in zip([None, *mine], mine):
            opened = max(begin for place, begin, _ in filler.windows if place == device and begin <= ran.start_s + 1e-9)
            change = before is None or before.start_s < opened or before.owner != ran.owner
            starts += change
            assert ran.end_s - ran.start_s - ran.work_s == pytest.approx(switch if change else 0.0, abs=1e-9)
    assert 0 < starts < len(filler.ran)
    assert figures["lost_to_switches"] >= starts * switch - 1e-9
