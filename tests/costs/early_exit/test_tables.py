"""Reading exit tables: what is accepted, and a corpus of files that are refused with their place named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from simulator.costs.early_exit import ExitTable, agreement, correct, joined, load_table
from simulator.errors import ScenarioError

GOOD = "conf_1,conf_2,pred_1,pred_2,label\n0.9,0.8,1,0,1\n0.6,0.7,0,0,0\n"


def written(tmp_path: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(path: Path, split: str | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_table(path, split=split)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_is_read_whole(tmp_path: Path, packed: bool) -> None:
    data = gzip.compress(GOOD.encode()) if packed else GOOD.encode()
    table = load_table(written(tmp_path, data, "t.csv.gz" if packed else "t.csv"))
    assert (table.rows, table.exits) == (2, 2)
    assert table.confidence is not None
    assert table.prediction is not None
    assert table.label is not None
    assert table.confidence.tolist() == [[0.9, 0.8], [0.6, 0.7]]
    assert table.prediction.tolist() == [[1, 0], [0, 0]]
    assert table.label.tolist() == [1, 0]
    assert table.prediction.dtype == table.label.dtype == np.int64


def test_other_columns_line_ends_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    text = '\ufeffsample,conf_1, conf_2,layer_ms_1,note\r\n7,0.5,1,3.2,"a, b"\r\n\r\n8,0.25,0,x,\r\n'
    table = load_table(written(tmp_path, text))
    assert table.confidence is not None
    assert table.confidence.tolist() == [[0.5, 1.0], [0.25, 0.0]]
    assert table.prediction is None
    assert table.label is None


def test_predictions_can_be_one_text_per_row(tmp_path: Path) -> None:
    table = load_table(written(tmp_path, "label,preds\n0,0110\n1,1111\n"))
    assert table.prediction is not None
    assert table.prediction.tolist() == [[0, 1, 1, 0], [1, 1, 1, 1]]
    assert table.confidence is None


def test_a_split_selects_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "split,conf_1,label\ndev,0.5,1\ntest,0.75,0\ndev,1,1\n")
    assert load_table(path).rows == 3
    table = load_table(path, split="dev")
    assert table.confidence is not None
    assert table.confidence.tolist() == [[0.5], [1.0]]
    assert "no row has split 'train' (known: dev, test)" in problems(path, split="train")


def test_a_split_needs_its_column(tmp_path: Path) -> None:
    assert "missing column split" in problems(written(tmp_path, GOOD), split="dev")


def test_places_after_a_split_are_those_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "split,conf_1\na,0.5\nb,0.5\n\nb,2\n")
    assert ":5: conf_1: must be a number within 0..1, got '2'" in problems(path, split="b")


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "only blank lines": ("\n\n", "is empty"),
    "no rows": ("conf_1,label\n", "has a header but no rows"),
    "no exits": (
        "a,b\n1,2\n",
        "missing columns conf_1, conf_2, .. or pred_1, pred_2, .. or preds; found: a, b",
    ),
    "a gap": ("conf_1,conf_3\n1,1\n", "missing column conf_2 (found conf_1, conf_3)"),
    "far numbers": ("conf_1,conf_999999999\n1,1\n", "missing column conf_2"),
    "from zero": ("conf_0,conf_1\n1,1\n", "conf_0: exits count from 1"),
    "zero padded": ("conf_01,conf_02\n1,1\n", "conf_01: exits count from 1"),
    "order": ("conf_2,conf_1\n1,1\n", "exits out of order: conf_2, conf_1"),
    "fewer predictions": ("conf_1,conf_2,pred_1,label\n1,1,0,0\n", "missing column pred_2: as many"),
    "fewer confidences": (
        "conf_1,pred_1,pred_2,pred_3\n1,1,0,0\n",
        "missing columns conf_2, conf_3: as many",
    ),
    "twice": ("conf_1,conf_1\n1,1\n", "repeated column conf_1"),
    "predictions twice": ("preds,pred_1\n1,1\n", "preds: give the predictions once"),
    "word": ("conf_1\n0.5\nhigh\n", ":3: conf_1: must be a number, got 'high'"),
    "hole": ("conf_1,label\n0.5,1\n,1\n", ":3: conf_1: must be a number, got nothing"),
    "nan": ("conf_1\nnan\n", ":2: conf_1: must be a number within 0..1, got 'nan'"),
    "infinite": ("conf_1\ninf\n", ":2: conf_1: must be a number within 0..1, got 'inf'"),
    "above one": ("conf_1,conf_2\n0.5,0.5\n0.5,1.5\n", ":3: conf_2: must be a number within 0..1, got '1.5'"),
    "per cent": ("conf_1\n93\n", "must be a number within 0..1, got '93'"),
    "negative": ("conf_1\n-0.1\n", "must be a number within 0..1, got '-0.1'"),
    "half class": ("pred_1\n0.5\n", "pred_1: must be a whole number (a class), got '0.5'"),
    "nan class": ("pred_1\nnan\n", "must be a whole number (a class), got 'nan'"),
    "huge class": ("pred_1\n1e300\n", "must be a whole number (a class), got '1e300'"),
    "label word": ("conf_1,label\n1,cat\n", ":2: label: must be a number, got 'cat'"),
    "short row": ("conf_1,label\n1,1\n1\n", ":3: 1 fields, but the header has 2"),
    "long row": ("conf_1\n1,1\n", ":2: 2 fields, but the header has 1"),
    "ragged texts": ("preds\n010\n01\n", ":3: preds: must be 3 digits"),
    "letters in texts": ("preds\n010\n0x1\n", ":3: preds: must be 3 digits"),
    "empty text": ('preds,label\n"",1\n', ":2: preds: must be 1 digits"),
    "texts and confidences": ("preds,conf_1\n010,1\n", "preds: 3 exits, but there are 1 of conf_k"),
    "agreements beside predictions": ("agree_1,preds\n1,0\n", "agree_1: agreements follow from the predictions"),
    "agreements neither": ("agree_1,agree_2\n0.5,1\n", ":2: agree_1: must be 1 (agrees with the last exit) or 0"),
    "last disagrees": ("agree_1,agree_2\n1,0\n", ":2: agree_2: must be 1 (agrees with the last exit) or 0, the last"),
    "fewer agreements": ("conf_1,conf_2,agree_1\n1,1,1\n", "missing column agree_2: as many conf_k as agree_k"),
    "quote": ('conf_1\n"0.5\n', "is not a csv file"),
    "binary": (b"\x00\x01\x02conf", "is not a text file"),
    "latin": ("conf_1,grün\n1,1\n".encode("latin-1"), "is not a text file"),
    "torn archive": (gzip.compress(GOOD.encode())[:-12], "cannot be unpacked"),
    "parquet": (b"PAR1\x15\x04\x00\x00", "is not a text file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_with_their_place(tmp_path: Path, case: str) -> None:
    text, message = BROKEN[case]
    assert message in problems(written(tmp_path, text))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in problems(tmp_path / "none.csv")
    assert "is a folder" in problems(tmp_path)


def test_problems_of_all_columns_are_reported_at_once(tmp_path: Path) -> None:
    text = problems(written(tmp_path, "conf_1,pred_1,label\n2,x,1\n0.5,1,y\n"))
    assert ":2: conf_1:" in text
    assert ":2: pred_1:" in text
    assert ":3: label:" in text


def test_tables_made_in_code_are_checked_too() -> None:
    half = np.full((2, 2), 0.5)
    with pytest.raises(ScenarioError, match="of one shape"):
        ExitTable(None, None, None)
    with pytest.raises(ScenarioError, match="of one shape"):
        ExitTable(half, np.zeros((2, 3), dtype=np.int64), None)
    with pytest.raises(ScenarioError, match="at least one row"):
        ExitTable(np.zeros((0, 2)), None, None)
    with pytest.raises(ScenarioError, match="labels"):
        ExitTable(half, None, np.zeros(3, dtype=np.int64))
    for wrong in (np.nan, -0.5, 1.5):
        with pytest.raises(ScenarioError, match=r"not within 0\.\.1"):
            ExitTable(np.full((1, 1), wrong), None, None)


def test_rows_are_drawn_evenly() -> None:
    table = ExitTable(np.full((4, 1), 0.5), None, None)
    assert table.draw(np.array([0.0, 0.249, 0.25, 0.5, 0.999])).tolist() == [0, 0, 1, 2, 3]
    assert table.draw(np.array([np.nextafter(1.0, 0.0)])).tolist() == [3]


def test_agreements_take_the_place_of_predictions(tmp_path: Path) -> None:
    table = load_table(written(tmp_path, "conf_1,conf_2,agree_1,agree_2\n0.9,0.8,1,1\n0.6,0.7,0,1\n"))
    assert table.prediction is None
    assert agreement(table).tolist() == [[1, 1], [0, 1]]
    assert agreement(table, np.array([0, 0])).tolist() == [1, 0]
    assert np.isnan(correct(table)).all()
    alone = load_table(written(tmp_path, "agree_1,agree_2\n0,1\n"))
    assert alone.shape == (1, 2)
    with pytest.raises(ScenarioError, match="not both"):
        ExitTable(None, np.zeros((1, 2), dtype=np.int64), None, agrees=np.ones((1, 2), dtype=np.bool_))


def test_rows_can_be_taken_and_tables_joined() -> None:
    half = ExitTable(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[1, 1], [0, 1]]), np.array([1, 0]), "half")
    both = joined([half.take(np.array([1])), half])
    assert both.confidence is not None
    assert both.prediction is not None
    assert both.label is not None
    assert both.confidence.tolist() == [[0.3, 0.4], [0.1, 0.2], [0.3, 0.4]]
    assert both.prediction.tolist() == [[0, 1], [1, 1], [0, 1]]
    assert both.label.tolist() == [0, 1, 0]
    assert (both.agrees, both.name) == (None, "half + half")
    assert joined([half]) is half
    last = half.only([1])
    assert last.confidence is not None
    assert last.confidence.tolist() == [[0.2], [0.4]]
    with pytest.raises(ScenarioError, match="half: the last exit, the whole model, cannot be left out"):
        half.only([0])


def test_tables_that_tell_different_things_cannot_be_joined() -> None:
    one = ExitTable(np.full((2, 2), 0.5), None, np.array([0, 1]), "one")
    with pytest.raises(ScenarioError, match="other: has 3 exits, but one has 2"):
        joined([one, ExitTable(np.full((2, 3), 0.5), None, np.array([0, 1]), "other")])
    for first, second in ((one, ExitTable(one.confidence, None, None, "other")),):
        with pytest.raises(ScenarioError, match="other: has no column label, but one has"):
            joined([first, second])
        with pytest.raises(ScenarioError, match="other: has no column label, but one has"):
            joined([second, first])
