"""The exit chosen beforehand: pairs of row and chosen exit, their shares, and files that tell of a router."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from simulator.costs.early_exit import (
    Blocks,
    Drawn,
    Mix,
    Replay,
    Replayed,
    Router,
    checked_confusion,
    load_choices,
    load_confusion,
)
from simulator.costs.early_exit.sources import ExitSource, source_of
from simulator.errors import Problem, ScenarioError
from simulator.scenario.exits import Exits
from simulator.streams import stream

RULE = {"confidence": 0.8}
TABLE = """\
label,conf_1,conf_2,conf_3,pred_1,pred_2,pred_3,routed
1,0.9,0.9,0.9,1,1,1,1
0,0.5,0.9,0.9,1,0,1,1
0,0.5,0.5,0.9,1,0,0,3
1,0.5,0.9,0.1,0,1,0,2
"""
CONFUSION = "true_exit,rows,chosen_1,chosen_2,chosen_3\n1,1,0.75,0.25,0\n2,2,0.5,0.25,0.25\n3,1,0,0,1\n"
MATRIX = [[0.75, 0.25, 0.0], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "router.csv").write_text(CONFUSION)
    return tmp_path


def made(written: object, folder: Path, ramps: tuple[int, ...] = (2, 4), layers: int = 6) -> ExitSource:
    source = source_of(TypeAdapter(Exits).validate_python(written), folder, ramps, layers)
    assert source is not None
    return source


def routed(router: object, folder: Path, **more: object) -> ExitSource:
    return made({"table": "table.csv", "rule": RULE, "router": router, **more}, folder)


def uniform(count: int, seed: int = 3) -> np.ndarray:
    numbers: np.ndarray = stream(seed, "router").random(count)
    return numbers


def leaving(source: ExitSource, active: tuple[int, ...]) -> np.ndarray:
    layers: np.ndarray = np.argmax(source.fires(active), axis=1) + 1
    return layers


@st.composite
def routers(draw: st.DrawFn) -> Router:
    exits, rows = draw(st.integers(1, 6)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    shares = rng.random((exits, exits)) * (rng.random((exits, exits)) < 0.6) + 1e-3 * np.eye(exits)
    return Router(
        rng.integers(0, exits, rows), shares / shares.sum(axis=1, keepdims=True), tuple(range(2, exits * 2 + 1, 2))
    )


@given(routers())
def test_shares_of_pairs_are_those_of_the_matrix(router: Router) -> None:
    rows, exits = len(router.state), len(router.layer)
    weights = Replay((rows,), router=router).weights(0.0)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights > 0).all(), "only pairs that can happen"
    found = np.zeros((rows, exits))
    np.add.at(found, (router.row, router.exit), weights)
    assert found == pytest.approx(router.shares[router.state] / rows, abs=1e-8)
    assert (np.diff(router.row * exits + router.exit) > 0).all()


@given(routers(), st.integers(0, 100))
def test_a_pair_is_the_row_without_router_and_an_exit_that_can_be_chosen(router: Router, seed: int) -> None:
    rows = len(router.state)
    numbers = np.concatenate([uniform(500, seed), [0.0, np.nextafter(1.0, 0.0)]])
    for order in (Drawn(), Replayed(), Blocks(4)):
        pairs = Replay((rows,), order, router=router).draw(numbers)
        assert router.row[pairs].tolist() == Replay((rows,), order).draw(numbers).tolist()
        assert (router.shares[router.state[router.row[pairs]], router.exit[pairs]] > 0).all()


def test_drawn_exits_follow_the_matrix_in_every_order() -> None:
    """Three states, 90,000 requests: every share within 4 standard errors; the choice does not depend on the row."""
    router = Router(np.array([0, 1, 1, 2, 0]), np.array(MATRIX), (2, 4, 6))
    for order in (Drawn(), Replayed(), Blocks(2)):
        pairs = Replay((5,), order, router=router).draw(uniform(90_000))
        for row in range(5):
            mine = router.exit[pairs[router.row[pairs] == row]]
            for exit_index, share in enumerate(MATRIX[router.state[row]]):
                spread = 4 * np.sqrt(share * (1 - share) / len(mine))
                assert np.mean(mine == exit_index) == pytest.approx(share, abs=spread + 1e-12)


def test_a_mix_has_its_tables_and_their_pairs() -> None:
    router = Router(np.array([0, 1, 1, 0, 0]), np.array([[0.5, 0.5], [0.2, 0.8]]), (2, 6))
    mix = Mix(np.array([0.0, 10.0]), np.array([[1.0, 0.0], [0.25, 0.75]]))
    replay = Replay((2, 3), mix=mix, router=router)
    numbers, arrival = uniform(40_000), np.full(40_000, 10.0)
    pairs = replay.draw(numbers, arrival, np.arange(40_000))
    assert router.row[pairs].tolist() == Replay((2, 3), mix=mix).draw(numbers, arrival, np.arange(40_000)).tolist()
    shares = np.bincount(pairs, minlength=10) / 40_000
    assert shares == pytest.approx(replay.weights(10.0), abs=4 * np.sqrt(0.25 / 40_000))


def test_the_perfect_router_is_the_rule(folder: Path) -> None:
    source, plain = (
        routed({"confusion": np.eye(3).tolist()}, folder),
        made({"table": "table.csv", "rule": RULE}, folder),
    )
    numbers = uniform(500)
    pairs, rows = source.rows.draw(numbers, numbers, np.arange(500)), plain.rows.draw(numbers, numbers, np.arange(500))
    assert pairs.tolist() == rows.tolist()
    assert leaving(source, (2, 4)).tolist() == leaving(plain, (2, 4)).tolist() == [2, 4, 6, 4]
    assert np.array_equal(source.correct, plain.correct, equal_nan=True)


def test_without_the_chosen_ramp_the_next_one_answers(folder: Path) -> None:
    """Sure or not: rows 0 and 1 are sent to the first exit, row 3 to the second."""
    source = routed({"column": "routed"}, folder)
    assert leaving(source, (2, 4)).tolist() == [2, 2, 6, 4]
    assert leaving(source, (4,)).tolist() == [4, 4, 6, 4]
    assert leaving(source, ()).tolist() == [6, 6, 6, 6]
    assert source.correct[[0, 1, 2, 3], [1, 1, 5, 3]].tolist() == [1, 0, 1, 1]


def test_matrix_inline_and_from_its_file(folder: Path) -> None:
    for router in ({"confusion": MATRIX}, {"table": "router.csv"}):
        source = routed(router, folder)
        assert source.router is not None
        assert source.router.row.tolist() == [0, 0, 1, 1, 1, 2, 3, 3, 3]
        assert source.router.leaves.tolist() == [2, 4, 2, 4, 6, 6, 2, 4, 6]
        assert source.rows.weights(0.0) * 16 == pytest.approx([3, 1, 2, 1, 1, 4, 2, 1, 1])
        assert source.fires((2, 4)).shape == source.correct.shape == (9, 6)


@given(st.integers(2, 5), st.integers(0, 1000))
def test_the_uniform_router_knows_nothing(exits: int, seed: int) -> None:
    """Whoever guesses answers as right as an equal mixture of all exits, whatever the rule would do."""
    rng = np.random.default_rng(seed)
    right, state = (rng.random((40, exits)) < 0.7).astype(float), rng.integers(0, exits, 40)
    router = Router(state, np.full((exits, exits), 1 / exits), tuple(range(1, exits + 1)))
    weights = Replay((40,), router=router).weights(0.0)
    assert weights @ right[router.row, router.exit] == pytest.approx(right.mean())
    assert right.mean() <= right.mean(axis=0).max()


def test_a_matrix_of_all_exits_of_a_table_with_more(folder: Path) -> None:
    """One ramp of two: the true exit is that of the whole table, and who is sent to the other leaves at the next."""
    written = {"table": "table.csv", "rule": RULE, "after": [2, 4]}
    whole = made({**written, "router": {"confusion": np.eye(3).tolist()}}, folder, ramps=(4,))
    assert leaving(whole, (4,)).tolist() == [4, 4, 6, 4]
    chosen = made({**written, "router": {"column": "routed"}}, folder, ramps=(4,))
    assert leaving(chosen, (4,)).tolist() == [4, 4, 6, 4]
    own = made({**written, "router": {"confusion": [[0.5, 0.5], [0, 1]]}}, folder, ramps=(4,))
    assert own.router is not None
    assert own.router.layer == (4, 6)
    assert own.rows.weights(0.0) == pytest.approx([1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 4, 1 / 8, 1 / 8])
    by_layer = made({"table": "table.csv", "rule": RULE, "router": {"column": "routed"}}, folder, (2,), 3)
    assert by_layer.router is not None
    assert by_layer.router.layer == (1, 2, 3)


def test_tables_of_a_mix_have_their_own_choices(folder: Path) -> None:
    (folder / "other.csv").write_text("conf_1,conf_2,conf_3,routed,split\n0.9,0.9,0.9,3,a\n0.9,0.9,0.9,2,b\n")
    (folder / "plain.csv").write_text("conf_1,conf_2,conf_3,routed\n0.5,0.9,0.9,1\n")
    written = {
        "tables": {"one": {"file": "other.csv", "split": "b"}, "two": "plain.csv"},
        "mix": [{"at": "0s", "shares": {"one": 1}}],
        "rule": RULE,
        "router": {"column": "routed"},
    }
    assert leaving(made(written, folder), (2, 4)).tolist() == [4, 2]


def test_true_exits_are_those_of_the_rule(folder: Path) -> None:
    source = made({"table": "table.csv", "rule": {"patience": 1}, "router": {"table": "router.csv"}}, folder)
    assert source.router is not None
    assert source.router.state.tolist() == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("router", "more", "path", "message"),
    [
        (
            {"confusion": np.eye(4).tolist()},
            {},
            ("router", "confusion"),
            "about 4 exits, it must be about 3, the ramps",
        ),
        ({"table": "none.csv"}, {}, ("router", "table"), "no such file"),
        ({"table": "table.csv"}, {}, ("router", "table"), "missing columns true_exit and chosen_1"),
        ({"column": "chosen"}, {}, ("table",), "missing column chosen, the exits that a router chose"),
        ({"column": "label"}, {}, ("table",), "must be an exit from 1 to 3, got '0'"),
        (
            {"table": "router.csv"},
            {"rule": {"confidence": [0.8, 0.8, 0.8, 0.8]}},
            ("rule",),
            "4 thresholds for 3 exits",
        ),
    ],
)
def test_routers_that_do_not_fit_are_refused_at_their_key(
    folder: Path, router: object, more: dict[str, object], path: tuple[str, ...], message: str
) -> None:
    places: list[tuple[str, ...]] = []

    def place(at: tuple[str, ...], error: ScenarioError) -> ScenarioError:
        places.append(at)
        return ScenarioError([Problem(problem.message) for problem in error.problems])

    written = {"table": "table.csv", "rule": RULE, "router": router, **more}
    with pytest.raises(ScenarioError, match=message):
        source_of(TypeAdapter(Exits).validate_python(written), folder, (2, 4), 6, place)
    assert places == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chosen_1,chosen_2\n1,0\n0,1\n", "missing columns true_exit"),
        ("true_exit,chosen_1,chosen_3\n1,1,0\n2,0,1\n", "missing column chosen_2"),
        ("true_exit,chosen_1,chosen_2\n1,1,0\n", "has 1 rows for 2 chosen exits"),
        ("true_exit,chosen_1,chosen_2\n2,1,0\n1,0,1\n", "must be 1: true exits count from 1, in order, got '2'"),
        ("true_exit,chosen_1,chosen_2\n1,1.5,-0.5\n2,0,1\n", "must be a share within 0..1, got '1.5'"),
        ("true_exit,chosen_1,chosen_2\n1,nan,0\n2,0,1\n", "must be a share within 0..1, got 'nan'"),
        ("true_exit,chosen_1,chosen_2\n1,0.5,0.5\n2,0.5,0.4\n", "the shares of true exit 2 sum to 0.9, not to 1"),
        ("true_exit,chosen_1,chosen_2\n1,one,0\n2,0,1\n", "must be a number, got 'one'"),
    ],
)
def test_files_that_are_no_matrix(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "router.csv").write_text(text)
    with pytest.raises(ScenarioError, match=message):
        load_confusion(tmp_path / "router.csv")


def test_choices_of_a_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("conf_1,conf_2,routed,split\n0.5,0.5,2,a\n0.5,0.5,1,b\n0.5,0.5,2,b\n")
    assert load_choices(tmp_path / "rows.csv", "routed", 2, split="b").tolist() == [0, 1]
    with pytest.raises(ScenarioError, match="must be an exit from 1 to 1, got '2'"):
        load_choices(tmp_path / "rows.csv", "routed", 1)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.5]], "as many rows"),
        ([[1.2, -0.2], [0, 1]], "row 1 has a share"),
        ([[1, 0], [0.5, 0.4]], "row 2 must sum to 1, sums to 0.9"),
    ],
)
def test_matrices_that_are_none(matrix: list[list[float]], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        checked_confusion(matrix)


@pytest.mark.parametrize(
    ("state", "shares", "layer"),
    [
        ([0], np.eye(2), (1,)),
        ([2], np.eye(2), (1, 2)),
        ([-1], np.eye(2), (1, 2)),
        ([0], np.eye(2), (2, 1)),
        ([], np.eye(2), (1, 2)),
    ],
)
def test_routers_that_cannot_be(state: list[int], shares: np.ndarray, layer: tuple[int, ...]) -> None:
    with pytest.raises(ScenarioError, match="router"):
        Router(np.array(state, dtype=np.int64), shares, layer)


def test_a_router_of_other_rows_is_refused() -> None:
    with pytest.raises(ScenarioError, match="true exit of each of the 3 rows"):
        Replay((3,), router=Router(np.array([0]), np.eye(2), (1, 2)))
