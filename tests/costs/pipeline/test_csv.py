"""PyTorch's text of orders: there and back, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from simulator.costs.pipeline import Schedule, from_csv, load_csv, make, to_csv
from simulator.errors import ScenarioError
from tests.costs.pipeline.cases import schedules


@given(schedules())
def test_round_trip(schedule: Schedule) -> None:
    """Placement and directions too: they follow from the ranks on which the ops stand."""
    assert from_csv(to_csv(schedule), schedule.name) == schedule


def test_searched_orders_make_the_round_trip() -> None:
    schedule = make("zb-2p", 3, 6)
    assert from_csv(to_csv(schedule), "zb-2p") == schedule


def test_a_file_is_called_by_its_name(tmp_path: Path) -> None:
    schedule = make("dualpipe", 4, 8)
    path = tmp_path / "dualpipe.csv"
    path.write_text(to_csv(schedule), encoding="utf-8")
    assert load_csv(path) == schedule
    assert load_csv(path, "other").name == "other"


def test_transfers_and_empty_cells_are_passed_over() -> None:
    """As PyTorch writes orders with communication; also ``(B;F)`` and spaces."""
    text = "0UNSHARD,0F0,0SEND_F0,,0RECV_B0, 0B0 ,0REDUCE_GRAD\n\n1RECV_F0,1F0,1B0,1SEND_B0,1RESHARD\n"
    assert from_csv(text, "1f1b") == make("1f1b", 2, 1)
    line = "0F0,(0B0;0F1)OVERLAP_F_B,0B1"
    assert from_csv(line) == from_csv("0F0,(0F1;0B0),0B1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no forward"),
        ("0B0", "holds no forward"),
        ("0F0,0X0", "orders.csv:1: '0X0' is no op; write 2F0"),
        ("0F0,0B0\n1F0,1B", "orders.csv:2: '1B' is no op"),
        ("0F0,(0F1;0B0", "is no op"),
        ("0F0,(0F1;0B0;0W0)", "is no op"),
        ("0F1,0B1", "F of stage 0, microbatch 0 is missing"),
        ("0F0,0B0,999999999F0", "F of stage 1, microbatch 0 is missing on every rank"),
        ("0F0,0B0,0F999999999", "F of stage 0, microbatch 1 is missing on every rank"),
        ("0F0,0F99999999999999", "is no op"),
        ("0F0,0B0\n0F0,0B0", "comes 2 times"),
        ("0F0\n1F0,1B0", "full backward of stage 0|B of stage 0, microbatch 0 is missing"),
        ("0B0,0F0", "deadlock"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        from_csv(text, "odd", "orders.csv")


def test_no_file_a_folder_and_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such file"):
        load_csv(tmp_path / "none.csv")
    with pytest.raises(ScenarioError, match="is a folder"):
        load_csv(tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\x00\xff\x01")
    with pytest.raises(ScenarioError, match="not a text file"):
        load_csv(binary)
