"""How a scenario writes exits: old forms, orders and drifting mixes, and what is wrong with others."""

import re

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import loads
from simulator.scenario.exits import (
    Blocks,
    ConfidenceRule,
    ConfusionRouter,
    MixedExits,
    ProfileExits,
    RecordedRouter,
    RouterFile,
    TableExits,
    TableFile,
)


def exits(small, text):
    lines = f"    ramps: {{after: [4, 8]}}\n    exits: {text}\nservices:"
    return loads(small.split("variants:")[0].replace("services:", lines)).models["bert"].exits


MIX = "{tables: {easy: a.csv, hard: b.csv}, mix: %s, rule: {confidence: 0.8}%s}"


def test_one_table_as_before(small):
    found = exits(small, "{table: a.csv, rule: {confidence: 80%}}")
    assert isinstance(found, TableExits)
    assert (found.table, found.rule, found.split) == ("a.csv", ConfidenceRule(confidence=0.8), None)
    assert (found.order, found.after) == ("drawn", None)
    assert isinstance(exits(small, "{profile: [0.2, 0.3]}"), ProfileExits)


@pytest.mark.parametrize(
    ("text", "order"), [("drawn", "drawn"), ("replayed", "replayed"), ("{blocks: 200}", Blocks(blocks=200))]
)
def test_orders(small, text, order):
    assert exits(small, f"{{table: a.csv, rule: {{patience: 2}}, order: {text}}}").order == order


def test_one_threshold_per_ramp_and_a_choice_of_exits(small):
    found = exits(small, "{table: a.csv, split: dev, rule: {confidence: [0.9, 80%]}, after: [2, 4, 6, 8, 10]}")
    assert (found.rule.confidence, found.after, found.split) == ((0.9, 0.8), (2, 4, 6, 8, 10), "dev")


ROUTED = "{table: a.csv, rule: {patience: 2}, router: %s}"


@pytest.mark.parametrize(
    ("text", "router"),
    [
        ("{confusion: [[90%, 0.1], [0.2, 0.8]]}", ConfusionRouter(confusion=((0.9, 0.1), (0.2, 0.8)))),
        ("{table: router.csv}", RouterFile(table="router.csv")),
        ("{column: routed}", RecordedRouter(column="routed")),
    ],
)
def test_routers(small, text, router):
    assert exits(small, ROUTED % text).router == router
    assert exits(small, "{table: a.csv, rule: {patience: 2}}").router is None
    mixed = exits(small, MIX % ("[{at: 0s, shares: {easy: 1}}]", f", router: {text}"))
    assert mixed.router == router


def test_a_mix(small):
    text = "{tables: {easy: a.csv, hard: {file: b.csv, split: dev}}, mix: [{at: 0s, shares: {easy: 90%, hard: 0.1}}, "
    found = exits(small, text + "{at: 5min, shares: {hard: 1}}], change: step, rule: {entropy: 0.3}}")
    assert isinstance(found, MixedExits)
    assert found.sources == {"easy": TableFile(file="a.csv"), "hard": TableFile(file="b.csv", split="dev")}
    assert [(point.at, point.shares) for point in found.mix] == [(0, {"easy": 0.9, "hard": 0.1}), (300, {"hard": 1.0})]
    assert (found.change, found.order) == ("step", "drawn")
    assert exits(small, MIX % ("[{at: 0s, shares: {easy: 1}}]", "")).change == "linear"


def test_single_values_can_be_set(small):
    text = small.replace(
        "services:",
        "    ramps: {after: [4]}\n    exits: " + MIX % ("[{at: 0s, shares: {easy: 1}}]", "") + "\nservices:",
    )
    found = loads(text, sets=["models.bert.exits.tables.easy=c.csv", "models.bert.exits.change=step"])
    assert found.models["bert"].exits.tables["easy"] == "c.csv"
    assert found.models["bert"].exits.change == "step"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{table: a.csv, rule: {patience: 2}, order: shuffled}", "exits.order", "must be drawn, replayed, or the"),
        ("{table: a.csv, rule: {patience: 2}, order: {blocks: 0}}", "exits.order.blocks", "at least 1"),
        ("{table: a.csv, rule: {patience: 2}, order: {block: 5}}", "exits.order.block", "did you mean"),
        ("{table: a.csv, rule: {patience: 2}, after: [4, 2]}", "exits.after", "must be ascending"),
        ("{table: a.csv, rule: {patience: 2}, after: [0]}", "exits.after.0", "at least 1"),
        ("{profile: [0.2, 0.3], order: replayed}", "exits.order", "unknown key"),
        ("{tables: {easy: a.csv}, rule: {patience: 2}}", "exits", "mix"),
        ("{mix: [{at: 0s, shares: {easy: 1}}], rule: {patience: 2}}", "exits", "tables"),
        (MIX % ("[{at: 0s, shares: {esy: 1}}]", ""), "exits.mix.0.shares.esy", "did you mean 'easy'?"),
        (MIX % ("[{at: 0s, shares: {easy: 0.5}}]", ""), "exits.mix.0.shares", "must sum to 1, sum to 0.5"),
        (MIX % ("[{at: 5s, shares: {easy: 1}}]", ""), "exits.mix.0.at", "must be 0s"),
        (
            MIX % ("[{at: 0s, shares: {easy: 1}}, {at: 0s, shares: {hard: 1}}]", ""),
            "exits.mix.1.at",
            "later than the instant before",
        ),
        (MIX % ("[]", ""), "exits.mix", "must not be empty"),
        (MIX % ("[{at: 0s, shares: {easy: -1}}]", ""), "exits.mix.0.shares.easy", "share"),
        (MIX % ("[{at: 0, shares: {easy: 1}}]", ", change: slow"), "exits.change", "linear"),
        ("{tables: {}, mix: [{at: 0s, shares: {}}], rule: {patience: 2}}", "exits.tables", "must not be empty"),
        (
            "{tables: {easy: [a.csv]}, mix: [{at: 0s, shares: {easy: 1}}], rule: {patience: 2}}",
            "exits.tables.easy",
            "must be a file name or {file, split}",
        ),
        ("{gate: a.csv}", "exits", "must be {profile"),
        ("{profile: [0.2, 0.3], router: {column: routed}}", "exits.router", "unknown key"),
        (ROUTED % "routed", "exits.router", "must be {confusion"),
        (ROUTED % "{}", "exits.router", "must be {confusion"),
        (ROUTED % "{colum: routed}", "exits.router.colum", "did you mean 'column'?"),
        (ROUTED % "{column: routed, time: 5us}", "exits.router.time", "unknown key"),
        (ROUTED % "{confusion: []}", "exits.router.confusion", "must not be empty"),
        (ROUTED % "{confusion: [[0.5, 0.5], [1]]}", "exits.router.confusion.1", "must have 2 shares, one per exit"),
        (ROUTED % "{confusion: [[0.5, 0.4], [0, 1]]}", "exits.router.confusion.0", "must sum to 1, sums to 0.9"),
        (ROUTED % "{confusion: [[1, 0], [-1, 2]]}", "exits.router.confusion.1.0", "share"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(small, text, place, message):
    with pytest.raises(ScenarioError) as caught:
        exits(small, text)
    told = str(caught.value)
    assert re.search(rf":\d+:\d+: models\.bert\.{re.escape(place)}", told), told
    assert message in told, told
