"""The machine: pinning is undone, and what is read makes sense."""

import os

import pytest

from simulator.calibration.measure.machine import busy_s, flags, pinned, processor

AFFINITY = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")


@AFFINITY
def test_one_processor_and_then_all_that_were_before() -> None:
    before = os.sched_getaffinity(0)
    with pinned() as held:
        assert held
        assert len(os.sched_getaffinity(0)) == 1
        assert os.sched_getaffinity(0) <= before
    assert os.sched_getaffinity(0) == before


@AFFINITY
def test_an_error_lets_go_too() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyboardInterrupt), pinned():
        raise KeyboardInterrupt
    assert os.sched_getaffinity(0) == before


@AFFINITY
def test_where_it_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(thread: int, processors: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbid)
    with pinned() as held:
        assert not held


def test_where_it_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pinned() as held:
        assert not held


def test_what_the_machine_says_of_itself() -> None:
    assert processor()
    assert flags()
    assert "," not in flags()
    first, second = busy_s(), busy_s()
    assert first is None or second is None or 0 <= first <= second
