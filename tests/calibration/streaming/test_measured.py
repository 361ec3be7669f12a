"""Measured streamed steps: calibrated on few rows, the others predicted."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from simulator.calibration import fit
from simulator.costs.streaming import StreamingLaw

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "pipelines" / "layer_streaming_measured.csv"
CLEAN = {1: 17.16, 2: (17.907 + 18.114) / 2, 3: 22.559, 4: 28.078, 8: (55.819 + 55.966) / 2}
"""Arm l2l_read: mean of the rounds that the notes do not call disturbed [s]."""
ONE_DRIVE = {1: 17.508, 2: (17.923 + 17.777) / 2, 3: (20.422 + 20.334) / 2}
TWO_DRIVES = {1: 8.84, 2: 12.39, 3: 17.78}
"""The same box with the weights striped over two drives (Soup batch probe) [s]."""


def rows() -> list[dict[str, str]]:
    if not FILE.exists():
        pytest.skip("measured data layer_streaming_measured.csv is not here")
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def law_of(path: Path, chosen: list[dict[str, str]], arm: str) -> StreamingLaw:
    target = path / "rows.csv"
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, chosen[0].keys())
        writer.writeheader()
        writer.writerows(chosen)
    found = fit(target, kind="streaming")
    (law,) = [group.law for group in found.groups if group.group.get("arm", arm) == arm]
    assert isinstance(law, StreamingLaw)
    return law


def test_group_sizes_between_the_two_calibrated_ones(tmp_path: Path) -> None:
    """Arm l2l_read, calibrated on k = 1 and 16: k = 2, 3, 4 and 8 within 3 %."""
    chosen = [row for row in rows() if row["arm"] == "l2l_read" and row["group_or_batch"] in ("1", "16")]
    law = law_of(tmp_path, chosen, "l2l_read")
    for k in (2, 3, 4, 8):
        assert float(law.seconds(k)) == pytest.approx(CLEAN[k], rel=0.03), k
    assert law.bandwidth == pytest.approx(4.1e9, rel=0.01)  # the rate that the source reports


def test_one_drive_with_the_compute_of_steps_that_do_not_read(tmp_path: Path) -> None:
    """Batches 1 to 3 within 3 %: compute from the rows without reads, the link from batch 1."""
    probe = [row for row in rows() if row["probe"] == "batch_probe"]
    chosen = [row for row in probe if row["arm"] == "noread" or row["group_or_batch"] == "1"]
    law = law_of(tmp_path, chosen, "one_drive")
    for batch, seconds in ONE_DRIVE.items():
        assert float(law.seconds(batch)) == pytest.approx(seconds, rel=0.03), batch


def test_another_bandwidth_on_the_same_machine(tmp_path: Path) -> None:
    """Two drives, with the compute of the rows without reads and one row of its own: within 3 %."""
    compute = [row for row in rows() if row["probe"] == "batch_probe" and row["arm"] == "noread"]
    like = next(row for row in rows() if row["arm"] == "one_drive")
    one = like | {"arm": "two_drives", "step_s_round0": str(TWO_DRIVES[1]), "step_s_round1": ""}
    law = law_of(tmp_path, [*compute, one], "two_drives")
    for batch, seconds in TWO_DRIVES.items():
        assert float(law.seconds(batch)) == pytest.approx(seconds, rel=0.03), batch


def test_the_whole_file_with_its_held_out_error() -> None:
    rows()
    found = fit(FILE, kind="streaming")
    by_arm = {(group.group["probe"], group.group["arm"]): group for group in found.groups}
    for key in (("l2l_probe", "l2l"), ("batch_probe", "one_drive")):
        mape = by_arm[key].mape
        assert mape is not None
        assert mape < 0.03
        worst = by_arm[key].worst
        assert worst is not None
        assert abs(worst.error) < 0.05
    hidden = by_arm["ablation", ""]
    assert hidden.law.parameters()["bandwidth"] is None  # 4.21 s with reads, 4.15 s without: nothing to see
    assert "measure a smaller group" in str(hidden.note)
    assert {group.law.parameters()["loads"] for group in found.groups} == {159, 61}
