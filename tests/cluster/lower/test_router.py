"""Requests whose exit a router chose: the laws of a perfect and of a guessing one, in both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.cluster import simulate
from simulator.costs.early_exit import Replay
from simulator.results.record import RunRecord
from simulator.scenario import load
from tests.cluster.lower.made import service
from tests.differential.compare import assert_same, first_difference
from tests.differential.support import both
from tests.support import Node, layer, poisson, portion, scenario

EXITS = 4
LAYERS = 8
RAMPS = [2, 4, 6]
PERFECT = {"confusion": np.eye(EXITS).tolist()}
UNIFORM = {"confusion": np.full((EXITS, EXITS), 1 / EXITS).tolist()}
SKEWED = {"confusion": [[0.7, 0.2, 0.1, 0], [0.3, 0.5, 0.1, 0.1], [0.1, 0.4, 0.4, 0.1], [0, 0.2, 0.3, 0.5]]}
CLOSED: Node = {"process": "closed", "clients": 40, "think": {"mean": "20ms", "distribution": "exponential"}}
WHOLE = [portion("1-8", 2, batch=4)]
CUT = [portion(layers, 1, batch=4, max_wait=0.002) for layers in ("1-2", "3-4", "5-6", "7-8")]
SERIAL = [portion(layers, None, batch=4, max_wait=0.002) for layers in ("1-2", "3-4", "5-6", "7-8")]
DEPLOYMENTS: dict[str, Node] = {
    "compact": {"exit_mode": "compact", "portions": WHOLE},
    "at_cut": {"exit_mode": "at_cut", "portions": CUT},
    "serial": {"exit_mode": "at_cut", "execution": "serial", "replicas": 3, "portions": SERIAL},
    "answer_early": {"exit_mode": "answer_early", "portions": CUT},
}
NONE: Node = {"exit_mode": "none", "portions": WHOLE}


def table(rows: int = 300, seed: int = 5) -> str:
    """Rows whose deeper exits are right more often, surer where right; with what some router chose."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    skill = np.array([0.6, 0.75, 0.85, 0.95])
    right = rng.random((rows, EXITS)) < skill
    sure = np.clip(np.where(right, 0.7, 0.55) + 0.3 * rng.random((rows, EXITS)), 0, 1).round(6)
    predicted = np.where(right, label[:, None], 1 - label[:, None])
    header = [f"{stem}_{k}" for stem in ("conf", "pred") for k in range(1, EXITS + 1)]
    columns = np.column_stack([sure, predicted, label, rng.integers(1, EXITS + 1, rows)])
    lines = [",".join(f"{value:g}" for value in row) for row in columns]
    return "\n".join([",".join([*header, "label", "routed"]), *lines, ""])


FILES = {"rows.csv": table(), "hard.csv": table(50, seed=6)}


def node(router: Node | None, deployment: Node | list[Node], workload: Node | None = None, **more: Any) -> Node:
    """One service of eight layers with ramps after the second, fourth and sixth."""
    exits: Node = {"table": "rows.csv", "rule": {"confidence": 0.9}, **more}
    if router is not None:
        exits["router"] = router
    model = {"ramps": {"after": RAMPS, "time": {"relative": 0.1}}, "exits": exits}
    timeline = {"deployments": deployment} if isinstance(deployment, list) else {"deployment": deployment}
    body = {"workload": workload or poisson(900.0), "slo": {"latency": "50ms"}, **timeline}
    return scenario(body, [layer((0.0002, 0.00004), repeat=LAYERS)], duration_s=8.0, seed=3, model=model)


def ran(tree: Node) -> RunRecord:
    """Both engines say the same, to the last bit."""
    one, other = both(tree, FILES)
    assert_same(one, other)
    return one


def shares(rec: RunRecord) -> dict[int, float]:
    layers, counts = np.unique(rec.requests.exit_layer[rec.requests.outcome == 0], return_counts=True)
    return dict(zip(layers.tolist(), (counts / counts.sum()).tolist()))


@pytest.mark.parametrize("workload", [None, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize("mode", DEPLOYMENTS)
def test_the_perfect_router_is_exiting_with_foreknowledge(mode: str, workload: Node | None) -> None:
    """Who knows where the rule will let everybody go changes nothing: the same run to the last bit."""
    deployment = DEPLOYMENTS[mode]
    plain = ran(node(None, deployment, workload))
    assert_same(ran(node(PERFECT, deployment, workload)), plain)
    assert first_difference(ran(node(SKEWED, deployment, workload)), plain) is not None


@pytest.mark.parametrize("workload", [None, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize("router", [SKEWED, UNIFORM, {"column": "routed"}], ids=["skewed", "uniform", "recorded"])
@pytest.mark.parametrize("mode", DEPLOYMENTS)
def test_requests_leave_where_they_were_sent(mode: str, router: Node, workload: Node | None, tmp_path: Path) -> None:
    """Shares of the exits and accuracy within 4.5 standard errors of those of the matrix and the table."""
    tree = node(router, DEPLOYMENTS[mode], workload)
    rec, lowered = ran(tree), lowered_exits(tree, tmp_path)
    answered = rec.requests.outcome == 0
    count = int(answered.sum())
    assert count > 5000
    for at, expected in lowered["shares"].items():
        spread = 4.5 * np.sqrt(expected * (1 - expected) / count)
        assert shares(rec).get(at, 0.0) == pytest.approx(expected, abs=spread), at
    accuracy = lowered["accuracy"]
    spread = 4.5 * np.sqrt(accuracy * (1 - accuracy) / count)
    assert float(rec.requests.correct[answered].mean()) == pytest.approx(accuracy, abs=spread)


def lowered_exits(tree: Node, folder: Path) -> Node:
    """Expected shares of the exits, from rule and matrix alone, and the accuracy."""
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    cells = np.loadtxt(folder / "rows.csv", delimiter=",", skiprows=1)
    sure, predicted, label, routed = cells[:, :EXITS], cells[:, EXITS:-2], cells[:, -2], cells[:, -1]
    true = np.argmax(np.column_stack([sure[:, :-1] >= 0.9, np.ones(len(cells), dtype=bool)]), axis=1)
    router = tree["models"]["m"]["exits"]["router"]
    by_row = np.array(router["confusion"])[true] if "confusion" in router else np.eye(EXITS)[routed.astype(int) - 1]
    right = predicted == label[:, None]
    layers = [*RAMPS, LAYERS]
    return {"shares": dict(zip(layers, by_row.mean(axis=0))), "accuracy": float((by_row * right).sum(axis=1).mean())}


def test_a_router_that_guesses_is_not_better_than_none() -> None:
    """Against the rule: more layers, fewer right answers, later ones. Against the whole model: fewer are right."""
    guess, rule, whole = (
        ran(node(router, deployment))
        for router, deployment in ((UNIFORM, DEPLOYMENTS["compact"]), (None, DEPLOYMENTS["compact"]), (None, NONE))
    )
    accuracy = {key: rec.requests.correct.mean() for key, rec in {"guess": guess, "rule": rule, "whole": whole}.items()}
    assert accuracy["guess"] < accuracy["rule"] - 0.02
    assert accuracy["guess"] < accuracy["whole"] - 0.02
    blind = np.mean([0.6, 0.75, 0.85, 0.95])
    assert accuracy["guess"] == pytest.approx(blind, abs=0.05), "as right as exits dealt to anybody"


def test_guessing_wastes_what_the_rule_saves() -> None:
    """On the shipped digits: no better in accuracy, depth, goodput or tail than the rule, the router's time apart."""
    path = Path(__file__).resolve().parents[3] / "scenarios" / "early-exit-router.yaml"
    short = ["run.duration=4s", "run.replications=1"]
    same = [*short, 'models.digits.layers.0.time={"overhead": "360us", "per_item": "40us"}']
    figures = {
        name: simulate(load(path, variants=[name], sets=same)).to_dict()["services"]["reading"]
        for name in ("uniform", "rule", "perfect")
    }
    assert figures["perfect"] == figures["rule"]
    guess, rule = figures["uniform"], figures["rule"]
    assert guess["accuracy"] < rule["accuracy"]
    assert guess["mean_layers"] > rule["mean_layers"]
    assert guess["goodput"] < rule["goodput"]
    assert guess["latency"]["p99"] > rule["latency"]["p99"]


def test_windows_with_other_cuts_read_the_same_choice() -> None:
    """With a cut after layer 4 only, those sent to exit 1 leave there; whatever is chosen stays chosen."""
    late = {"exit_mode": "at_cut", "portions": [portion("1-4", 2, batch=4), portion("5-8", 2, batch=4)]}
    tree = node(SKEWED, [{"from": "0s", **DEPLOYMENTS["at_cut"]}, {"from": "4s", **late}])
    rec = ran(tree)
    assert set(rec.requests.exit_layer[rec.requests.arrival_s < 3.9].tolist()) == {2, 4, 6, 8}
    assert set(rec.requests.exit_layer[rec.requests.arrival_s > 4].tolist()) == {4, 8}
    one = ran(node(SKEWED, DEPLOYMENTS["at_cut"]))
    chosen, seen = one.requests.exit_layer, rec.requests.exit_layer
    after = rec.requests.arrival_s > 4
    assert np.where(chosen[after] <= 4, 4, 8).tolist() == seen[after].tolist()


def test_a_mix_of_tables_has_one_router() -> None:
    tree = node(SKEWED, DEPLOYMENTS["compact"])
    exits = tree["models"]["m"]["exits"]
    del exits["table"]
    exits["tables"] = {"easy": "rows.csv", "hard": "hard.csv"}
    exits["mix"] = [{"at": "0s", "shares": {"easy": 1}}, {"at": "8s", "shares": {"hard": 1}}]
    exits["order"] = {"blocks": 10}
    ran(tree)


def test_lowered_rows_are_pairs(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    made = service(node(SKEWED, DEPLOYMENTS["at_cut"]), tmp_path)
    assert made.exits is not None
    assert isinstance(made.exits.rows, Replay)
    weights = made.exits.rows.weights(0.0)
    (deployment,) = made.deployments
    assert len(weights) == len(deployment.exit_layer) == len(deployment.fires) == len(made.exits.correct)
    plain = service(node(None, DEPLOYMENTS["at_cut"]), tmp_path)
    assert made.info.accuracy_full == pytest.approx(plain.info.accuracy_full)
