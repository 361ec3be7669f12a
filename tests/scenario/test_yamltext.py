"""YAML 1.2 with places, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.scenario.yamltext import MAX_NODES, Unreadable, read_tree, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("1e3", 1000.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("~", None),
        ("True", True),
        ("-.5", -0.5),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
    ],
)
def test_scalars_of_yaml_1_2(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_places_of_keys_and_values():
    root = read_tree("a: 1\nb:\n  - {c: x, d: [1, 2]}\n").root
    entry = root.value["b"]
    assert (entry.key.line, entry.key.column) == (2, 1)
    inner = entry.value.value[0].value["d"]
    assert (inner.key.line, inner.key.column) == (3, 12)
    assert (inner.value.value[1].line, inner.value.value[1].column) == (3, 19)
    assert root.plain() == {"a": 1, "b": [{"c": "x", "d": [1, 2]}]}


def test_aliases_are_values():
    tree = read_tree("a: &x {k: 1}\nb: *x\n")
    assert tree.root.plain() == {"a": {"k": 1}, "b": {"k": 1}}


def test_quoted_scalars_are_text():
    assert read_tree("['1', \"true\", null]").root.plain() == ["1", "true", None]


def test_repeated_keys_are_reported_and_the_first_counts():
    tree = read_tree("a: 1\n'a': 2\n")
    assert tree.root.plain() == {"a": 1}
    assert [(one.line, one.column) for one in tree.problems] == [(2, 1)]


@pytest.mark.parametrize(
    "text", ["[" * 1000, "a: &a [*a]", "*a", "a: b: c", "--- 1\n--- 2", "\ta: 1", "%YAML 1.1\n--- 1"]
)
def test_unreadable(text):
    with pytest.raises(Unreadable) as caught:
        read_tree(text)
    assert caught.value.line is not None


def test_size_is_bounded_after_expansion():
    text = "a: &a [" + "x, " * 1000 + "]\nb: [" + "*a, " * (MAX_NODES // 1000) + "]"
    with pytest.raises(Unreadable, match="too large"):
        read_tree(text)


@given(st.text(alphabet="ab:,[]{}&*!#|>-? \n'\"%@`\\\t1.", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        read_tree(text)
        said = ""
    except Unreadable as error:
        said = error.message
    assert "\n" not in said
