"""Keys and values of a sweep: how they are written, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.planner.sweep.axes import axes_of, axis, check_axes, grid, parse_axis, split_values
from simulator.scenario.overrides import Override, parse_set

PLAIN = st.text("abc/.%-0123456789 '", min_size=1).map(str.strip).filter(lambda text: text and text[0] != "'")
QUOTED = st.text("ab,[]{}: '", max_size=6).map(lambda text: '"' + text + '"')
SINGLE = st.text('ab,[]{}: "', max_size=6).map(lambda text: "'" + text.replace("'", "''") + "'")
VALUES = st.recursive(
    st.one_of(PLAIN, QUOTED, SINGLE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(inner, max_size=3).map(lambda items: "{" + ", ".join(f"k: {item}" for item in items) + "}"),
    ),
    max_leaves=5,
)


@given(st.lists(VALUES, min_size=1, max_size=5), st.sampled_from([",", ", ", " ,"]))
def test_values_that_are_joined_by_commas_come_apart_again(values: list[str], comma: str) -> None:
    assert split_values(comma.join(values), "") == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,3", ["1", "2", "3"]),
        ("[1,2],[3, 4]", ["[1,2]", "[3, 4]"]),
        ("{a: 1, b: [2, 3]},null", ["{a: 1, b: [2, 3]}", "null"]),
        ("'a,b',\"c,]\",it's", ["'a,b'", '"c,]"', "it's"]),
        ('"a\\",b",c', ['"a\\",b"', "c"]),
        ("['it''s, so', x]", ["['it''s, so', x]"]),
        ("100/s", ["100/s"]),
        ("", [""]),
    ],
)
def test_values_are_split_at_commas_between_them(text: str, values: list[str]) -> None:
    assert split_values(text, "") == values


@given(st.lists(st.integers(-999, 999), min_size=1, max_size=5, unique=True))
def test_what_is_split_means_what_it_means_alone(numbers: list[int]) -> None:
    texts = [f"[{number}, {number}]" for number in numbers]
    for text in parse_axis("a.b=" + ",".join(texts)).sets():
        parsed = parse_set(text)
        assert isinstance(parsed, Override)
        value = parsed.value.plain()
        assert value == [value[0], value[0]]
        assert value[0] in numbers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.b", "path=value,value"),
        ("=1,2", "path=value,value"),
        ("a.b=1,,2", "nothing stands between two commas"),
        ("a.b=1,2,", "nothing stands between two commas"),
        ("a.b=[1,2", "bracket is not closed"),
        ("a.b=1],2", "bracket is not closed"),
        ("a.b='1,2", "quote is not closed"),
        ("a.b=1,2,1", "'1' is there twice"),
        ("a.b=1,0x1,1.0", "is there twice"),
        ("a..b=1,2", "path=value"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_axis(text)


def test_columns_have_one_type() -> None:
    assert parse_axis("a=1,2.5").values == (1, 2.5)
    assert parse_axis("a=true,false").values == (True, False)
    assert parse_axis("a=1,auto").values == ("1", "auto")
    assert parse_axis("a=true,1").values == ("true", "1")
    assert parse_axis("a=[1],[2]").values == ("[1]", "[2]")


def test_python_values_are_written_as_the_command_line_takes_them() -> None:
    found = axes_of({"a": np.arange(2), "b": ["100/s", None, {"k": [1, 2]}], "c": 7, "d": "x"})
    assert [item.texts for item in found] == [("0", "1"), ("100/s", "null", '{"k": [1, 2]}'), ("7",), ("x",)]
    for wrong in ([], [object()], [float("nan")]):
        with pytest.raises(ScenarioError, match="a: "):
            axes_of({"a": wrong})


@pytest.mark.parametrize(
    ("keys", "said"),
    [(["a.b", "c", "a.b"], "a.b: is set twice"), (["a.b.c", "a.b"], "a.b.c: is part of a.b")],
)
def test_a_key_is_set_once(keys: list[str], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        check_axes([axis(key, ["1", "2"]) for key in keys])
    check_axes([axis("a.b", ["1"]), axis("a.bc", ["1"])])


def test_more_points_than_anybody_waits_for_are_refused() -> None:
    many: Any = {f"k{number}": range(100) for number in range(3)}
    with pytest.raises(ScenarioError, match="1,000,000 combinations are too many"):
        check_axes(axes_of(many))


def test_the_last_axis_is_the_fastest() -> None:
    assert list(grid(axes_of({"a": [1, 2], "b": [3, 4]}))) == [(0, 0), (0, 1), (1, 0), (1, 1)]
