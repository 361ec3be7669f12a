"""The fit on made steps with known figures, its result for files and people, and rows that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration import fit
from simulator.calibration.streaming import fit_link
from simulator.cli.calibrate import run_fit
from simulator.costs.base.file import read_costs
from simulator.costs.streaming import StreamingLaw
from simulator.errors import ScenarioError

LAW = StreamingLaw(
    layers=24, loads=46, item_s=0.8, constant_s=0.5, step_bytes=4.6e10, bandwidth=1e10, slots=2, forward_share=0.25
)
HEAD = "machine,arm,layers,group,step_s,bytes_moved_per_step,layer_loads_per_step,forward_share"


def written(path: Path, *lines: str, head: str = HEAD) -> Path:
    target = path / "rows.csv"
    target.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return target


def line(law: StreamingLaw, k: int, arm: str = "read", machine: str = "m") -> str:
    seconds = float(law.seconds(k) if arm == "read" else law.compute_seconds(k))
    return f"{machine},{arm},{law.layers},{k},{seconds!r},{law.step_bytes},{law.loads},{law.forward_share}"


def test_figures_of_made_steps_come_back(tmp_path: Path) -> None:
    rows = [line(LAW, k, arm) for k in (1, 2, 4, 8, 12) for arm in ("read", "noread")]
    (group,) = fit(written(tmp_path, *rows), kind="streaming").groups
    assert isinstance(group.law, StreamingLaw)
    assert group.law.bandwidth == pytest.approx(LAW.bandwidth, rel=1e-3)
    assert (group.law.item_s, group.law.constant_s) == pytest.approx((LAW.item_s, LAW.constant_s), rel=1e-3)
    assert group.mape is not None
    assert group.mape < 0.01
    assert group.span == (1.0, 12.0)


def test_reads_alone_tell_compute_and_bandwidth(tmp_path: Path) -> None:
    law = StreamingLaw(24, 46, 0.8, 0.0, 4.6e10, 1e10, forward_share=0.25)
    (group,) = fit(written(tmp_path, line(law, 1), line(law, 12)), kind="streaming").groups
    assert isinstance(group.law, StreamingLaw)
    assert group.law.seconds([2, 5, 9]) == pytest.approx(law.seconds([2, 5, 9]), rel=1e-3)


def test_machines_apart_and_compute_shared_by_the_arms_beside_it(tmp_path: Path) -> None:
    fast = StreamingLaw(24, 46, 0.8, 0.0, 4.6e10, 2e10, forward_share=0.25)
    slow = StreamingLaw(24, 46, 0.8, 0.0, 4.6e10, 1e10, forward_share=0.25)
    rows = [line(slow, k, "noread") for k in (1, 4)]
    rows += [line(slow, 1).replace(",read,", ",one_drive,"), line(fast, 1).replace(",read,", ",two_drives,")]
    rows += [line(slow, k, arm, "other") for k in (1, 2) for arm in ("read", "noread")]
    found = {(g.group["machine"], g.group["arm"]): g for g in fit(written(tmp_path, *rows), kind="streaming").groups}
    assert set(found) == {("m", "one_drive"), ("m", "two_drives"), ("other", "")}
    for key, law in ((("m", "one_drive"), slow), (("m", "two_drives"), fast), (("other", ""), slow)):
        assert found[key].law.seconds([1, 2, 3]) == pytest.approx(law.seconds([1, 2, 3]), rel=1e-3)  # type: ignore[attr-defined]


def test_copies_that_vary_tell_their_latency(tmp_path: Path) -> None:
    """The same bytes in more copies: a latency of a copy, apart from the bandwidth."""
    head = f"{HEAD},copies_per_step"
    lines = []
    for copies in (46, 460, 2300):
        law = StreamingLaw(24, 46, 0.8, 0.0, 4.6e10, 1e10, 1e-3, copies, 2, 0.25)
        lines += [f"{line(law, k)},{copies}" for k in (1, 2, 8)]
    (group,) = fit(written(tmp_path, *lines, head=head), kind="streaming").groups
    parameters = group.law.parameters()
    assert parameters["latency_s"] == pytest.approx(1e-3, rel=0.02)
    assert parameters["bandwidth"] == pytest.approx(1e10, rel=0.02)


def test_items_are_tokens_where_their_number_varies(tmp_path: Path) -> None:
    """An RTX 3050 (Soup): 0.462 s and 7.19 ms a token, reads hidden. Half the tokens are half an item."""
    head = "setup,arm,layers,group_or_batch,seq_len,step_s_round0,step_s_round1,gb_moved_per_step,layer_loads_per_step"
    lines = [f"laptop,read,32,1,{n},{0.462 + 7.19e-3 * n},,6.864,61" for n in (128, 256, 512)]
    (group,) = fit(written(tmp_path, *lines, head=head), kind="streaming").groups
    assert isinstance(group.law, StreamingLaw)
    assert group.law.item_tokens == 512.0
    assert float(group.law.seconds(384 / 512)) == pytest.approx(0.462 + 7.19e-3 * 384, rel=0.01)


def test_a_disturbed_round_does_not_count(tmp_path: Path) -> None:
    head = "layers,group,step_s_round0,step_s_round1,gb_moved_per_step"
    target = written(tmp_path, "4,1,8.0,11.0,8.0", "4,100,200.0,201.0,8.0", head=head)
    (group,) = fit(target, kind="streaming").groups
    assert group.law.seconds([1, 100]).tolist() == pytest.approx([8.0, 200.5], rel=1e-6)  # type: ignore[attr-defined]


def test_the_order_of_rows_decides_nothing(tmp_path: Path) -> None:
    rows = [line(LAW, k, arm) for k in (1, 2, 4, 8) for arm in ("read", "noread")]
    one = fit(written(tmp_path, *rows), kind="streaming").groups[0]
    two = fit(written(tmp_path, *reversed(rows)), kind="streaming").groups[0]
    assert one.law == two.law
    assert one.mape == two.mape


def test_command_and_costs_file(tmp_path: Path) -> None:
    rows = written(tmp_path, *(line(LAW, k) for k in (1, 2, 4, 8)))
    target = tmp_path / "costs.yaml"
    printed = json.loads(run_fit(rows, kind="streaming", output=target, as_json=True))
    assert printed["kind"] == "streaming"
    (group,) = read_costs(target)
    assert group.law == StreamingLaw(**printed["groups"][0]["parameters"])
    assert group.law.seconds([3]) == pytest.approx(LAW.seconds([3]), rel=0.05)


@pytest.mark.parametrize(
    ("head", "row", "message"),
    [
        ("group,step_s,gb_moved_per_step", "1,2.0,3.0", "'layers'"),
        ("layers,step_s,gb_moved_per_step", "4,2.0,3.0", "group_or_batch"),
        ("layers,group,gb_moved_per_step", "4,1,3.0", "step times"),
        ("layers,group,step_s", "4,1,3.0", "gb_moved_per_step"),
        ("layers,group,step_s,gb_moved_per_step", "4,1,,3.0", "no time"),
        ("layers,group,step_s,gb_moved_per_step", "4,1,-1,3.0", "positive"),
        ("layers,group,step_s,gb_moved_per_step", "4,0,1,3.0", "positive"),
        ("layers,group,step_s,gb_moved_per_step", "4.5,1,1,3.0", "whole"),
        ("layers,group,step_s,gb_moved_per_step", "4,1,1,few", "at least 0"),
        ("layers,group,step_s,gb_moved_per_step,layer_loads_per_step", "4,1,1,3.0,many", "whole"),
        ("layers,group,step_s,gb_moved_per_step,layer_loads_per_step", "4,1,1,3.0,9", "from 4 to 8"),
        ("layers,group,step_s,gb_moved_per_step,layer_loads_per_step", "4,1,1,3.0,3", "from 4 to 8"),
        ("layers,group,step_s,gb_moved_per_step,layer_loads_per_step", "4,1,1,3.0,6.5", "whole"),
        ("layers,group,step_s,gb_moved_per_step,layer_loads_per_step,forward_share", "4,1,1,3.0,8,1", "must be 4"),
        ("layers,group,step_s,gb_moved_per_step,slots", "4,1,1,3.0,1.5", "whole"),
        ("layers,group,step_s,gb_moved_per_step", "4,1,1,0", "a step that reads moves bytes"),
        ("layers,group,step_s,gb_moved_per_step", "100000000,1,1,3.0", "at most 10000"),
    ],
)
def test_wrong_rows_are_refused_with_their_place(tmp_path: Path, head: str, row: str, message: str) -> None:
    target = written(tmp_path, row, row, head=head)
    with pytest.raises(ScenarioError, match=message) as caught:
        fit(target, kind="streaming")
    assert all(problem.file == str(target) and problem.line for problem in caught.value.problems)


def test_a_figure_that_differs_within_a_group_is_refused(tmp_path: Path) -> None:
    head = "layers,group,step_s,gb_moved_per_step,slots"
    with pytest.raises(ScenarioError, match="differs within a group"):
        fit(written(tmp_path, "4,1,1.0,3.0,2", "4,2,1.0,3.0,3", head=head), kind="streaming")


def test_a_link_from_made_copies() -> None:
    sizes, copies = np.array([1e9, 1e9, 4e9]), np.array([1, 300, 50])
    found = fit_link(sizes, copies, 0.1 + copies * 2e-4 + sizes / 12e9, beside_s=0.1)
    assert (found.link.bandwidth, found.link.latency_s) == pytest.approx((12e9, 2e-4))
    with pytest.raises(ScenarioError, match="no bandwidth"):
        fit_link([1e9, 2e9], [1, 1], [1.0, 1.0], beside_s=1.0)


def jittered(law: StreamingLaw, k: int, share: float, arm: str = "read") -> str:
    """A row whose time is off by ``share``."""
    cells = line(law, k, arm).split(",")
    cells[4] = repr(float(cells[4]) * (1.0 + share))
    return ",".join(cells)


def test_rows_that_the_link_binds_do_not_tell_the_compute(tmp_path: Path) -> None:
    """Knee at 17: groups 1 to 8 last as long as the loads. The law holds among them, and says what it does not know."""
    law = StreamingLaw(80, 159, 1.0, 0.0, 70e9, 4e9)
    shares = (0.004, -0.003, 0.002, -0.001)
    rows = [jittered(law, k, share) for k, share in zip((1, 2, 4, 8), shares, strict=True)]
    (group,) = fit(written(tmp_path, *rows), kind="streaming").groups
    assert group.law.seconds([1, 3, 6]) == pytest.approx(law.seconds([1, 3, 6]), rel=0.01)  # type: ignore[attr-defined]
    assert group.law.parameters()["bandwidth"] == pytest.approx(4e9, rel=0.01)
    assert "the compute is not told, measure a larger group" in str(group.note)


def test_one_row_beyond_the_knee_is_compute_and_no_constant(tmp_path: Path) -> None:
    """Groups 1 and 2 wait for the link, 16 computes: a straight line through them is not what runs between."""
    law = StreamingLaw(48, 95, 1.0, 0.02 * 7.2, 7.2e9, 1e9)
    for shares in ((0.004, -0.004, 0.0), (-0.004, 0.004, 0.004), (0.0, 0.004, -0.004)):
        rows = [jittered(law, k, share) for k, share in zip((1, 2, 16), shares, strict=True)]
        (group,) = fit(written(tmp_path, *rows), kind="streaming").groups
        assert group.law.seconds([4, 6, 8, 12]) == pytest.approx(law.seconds([4, 6, 8, 12]), rel=0.05)  # type: ignore[attr-defined]


def test_two_groups_with_and_without_reads_tell_three_figures(tmp_path: Path) -> None:
    """A constant of half the loads: seen in the rows without reads, where too few are left to hold any out."""
    law = StreamingLaw(48, 95, 1.0, 4.0, 8e9, 1e9)
    rows = [line(law, k, arm) for k in (1, 16) for arm in ("read", "noread")]
    (group,) = fit(written(tmp_path, *rows), kind="streaming").groups
    assert group.law.seconds([1, 2, 4, 8, 16]) == pytest.approx(law.seconds([1, 2, 4, 8, 16]), rel=0.01)  # type: ignore[attr-defined]
    assert group.mape is None
    assert "the error is unknown" in str(group.note)


def test_what_is_held_out_has_no_part_in_its_prediction(tmp_path: Path) -> None:
    """Neither in the fit nor in the choice of what is fitted: three or four times the time, the same prediction."""
    predicted = set()
    for factor in (3.0, 4.0):
        rows = [jittered(LAW, k, factor - 1.0 if k == 4 else 0.0) for k in (1, 2, 4, 8, 12)]
        (group,) = fit(written(tmp_path, *rows), kind="streaming").groups
        assert group.worst is not None
        assert group.worst.measured == pytest.approx(factor * float(LAW.seconds(4)))
        predicted.add(group.worst.predicted)
    assert len(predicted) == 1
