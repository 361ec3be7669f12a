"""The ledger of a search: what was judged is not judged again, whatever happened to the process."""

from __future__ import annotations

import json

import pytest

from simulator.errors import ScenarioError
from simulator.planner.optimize.judge.ledger import COLUMNS, Ledger, opened
from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.problem import Ask
from tests.planner.optimize.benches import deploy, shape, space, steady, written

SPACE = space([shape(8), shape(1)])
ASKS = [Ask(0, window, number, (count,)) for window in (0, 1) for number in (0, 1) for count in (2, 3)]


def judged(scenario, ledger, asks=ASKS):
    judge = SimulationJudge(scenario, [SPACE], steady([900.0, 400.0]), deploy, workers=1, ledger=ledger)
    return judge.judge(asks), judge.simulated


def test_a_restart_asks_only_what_is_new(tmp_path):
    path, scenario = tmp_path / "plan.ledger", written()
    with opened(path, scenario) as ledger:
        first, count = judged(scenario, ledger, ASKS[:5])
        assert (count, ledger.resumed, ledger.note) == (5, 0, None)
    with opened(path, scenario) as ledger:
        assert ledger.resumed == 5
        again, count = judged(scenario, ledger)
        assert count == 3
    assert again[:5] == first
    assert again == judged(scenario, None)[0]
    with opened(path, scenario) as ledger:
        assert judged(scenario, ledger) == (again, 0)


@pytest.mark.parametrize("rest", [b"", b'{"key": "s|0', b"\xff\xfe\x00", b'{"key": 3}\n', b"null\n"])
def test_a_damaged_end_is_left_out(tmp_path, rest):
    path, scenario = tmp_path / "plan.ledger", written()
    with opened(path, scenario) as ledger:
        judged(scenario, ledger, ASKS[:4])
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + rest)
    with opened(path, scenario) as ledger:
        assert ledger.resumed == 3
        assert judged(scenario, ledger, ASKS[:4])[1] == 1
    with opened(path, scenario) as ledger:
        assert ledger.resumed == 4


def test_every_place_at_which_a_file_can_end_is_survived(tmp_path):
    path, scenario = tmp_path / "plan.ledger", written()
    with opened(path, scenario) as ledger:
        judged(scenario, ledger, ASKS[:2])
    whole = path.read_bytes()
    for end in (*range(40), len(whole) // 2, *range(len(whole) - 40, len(whole))):
        path.write_bytes(whole[:end])
        with opened(path, scenario) as ledger:
            assert ledger.resumed <= 2
        assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("other", [written(rate=901.0), written().model_copy(update={"seed": 5})], ids=["load", "seed"])
def test_another_scenario_has_no_use_for_it(tmp_path, other):
    path = tmp_path / "plan.ledger"
    with opened(path, written()) as ledger:
        judged(written(), ledger, ASKS[:2])
    kept = path.read_bytes()
    with opened(path, other) as ledger:
        assert ledger.resumed == 0
        assert "another scenario" in ledger.note
    assert (tmp_path / "plan.ledger.old").read_bytes() == kept


def test_another_file_is_not_overwritten(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine\nall mine\n")
    with pytest.raises(ScenarioError, match="is no ledger of a search"), opened(path, written()):
        pass
    assert path.read_text() == "mine\nall mine\n"


def test_one_search_at_a_time(tmp_path):
    import subprocess
    import sys

    path = tmp_path / "plan.ledger"
    text = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with opened(path, written()):
        found = subprocess.run([sys.executable, "-c", text], capture_output=True, check=False)
    assert found.returncode != 0
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, check=False).returncode == 0


def test_the_frame_has_a_row_for_every_candidate(tmp_path):
    ledger = Ledger()
    found, _ = judged(written(), ledger)
    frame = ledger.frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["holds"].tolist() == [one.holds for one in found]
    assert frame["replicas"].tolist()[:2] == ["2", "3"]
    assert frame["price_per_hour"].tolist()[:2] == [2.0, 3.0]
    assert frame[~frame["holds"]]["reason"].notna().all()
    json.dumps(frame.to_dict("records"))


def test_faults_of_the_program_are_not_kept():
    def broken(space, number, replicas):
        raise RuntimeError("no")

    ledger = Ledger()
    judge = SimulationJudge(written(), [SPACE], steady([900.0]), broken, workers=1, ledger=ledger)
    (found,) = judge.judge([Ask(0, 0, 0, (1,))])
    assert "RuntimeError: no" in found.reason
    assert not ledger.entries
