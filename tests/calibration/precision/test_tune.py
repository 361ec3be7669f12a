"""What every strategy owes: the floor, the budget, no question twice, and the same end however often interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibration.precision import STRATEGIES, Floor, Measured, Tuned, TuningProblem, tune
from simulator.calibration.precision.problem import Config
from simulator.errors import ScenarioError
from tests.calibration.precision.builders import Case, case, cases

floors = st.one_of(
    st.builds(lambda loss: Floor(loss=loss), st.sampled_from([0.0, 0.01, 0.05])),
    st.builds(lambda least: Floor(absolute=least), st.sampled_from([0.5, 0.9, 0.94, 0.96, 2.0])),
)
budgets = st.integers(1, 30)
frugal = st.sampled_from([name for name in STRATEGIES if name != "exhaustive"])


def same(one: Tuned, two: Tuned) -> bool:
    return (one.asked, one.chosen, one.front, one.ended) == (two.asked, two.chosen, two.front, two.ended)


def check(one: Case, found: Tuned, budget: int | None) -> None:
    assert len(one.asked) == len(set(one.asked)) == len(found.asked)
    assert budget is None or len(found.asked) <= budget
    assert found.asked[0].config == one.problem.config(one.problem.reference)
    for answer in found.asked:
        assert answer.accuracy == one.accuracy(one.problem.choice(answer.config))
        assert answer.cost == one.problem.cost(one.problem.choice(answer.config))
        assert answer.passed == (answer.accuracy >= found.least)
    assert found.passed == any(answer.passed for answer in found.asked)
    if found.passed:
        assert found.chosen.accuracy >= found.least
        assert found.chosen.cost == min(answer.cost for answer in found.asked if answer.passed)
    else:
        assert found.chosen.accuracy == max(answer.accuracy for answer in found.asked)


@given(cases, floors, budgets, frugal)
@settings(max_examples=60, deadline=None)
def test_floor_budget_and_no_question_twice(one: Case, floor: Floor, budget: int, strategy: str) -> None:
    check(one, tune(one.problem, one.evaluate, floor, strategy=strategy, budget=budget), budget)


@given(cases, floors)
@settings(max_examples=40, deadline=None)
def test_exhaustive_is_brute_force(one: Case, floor: Floor) -> None:
    found = tune(one.problem, one.evaluate, floor, strategy="exhaustive", budget=None)
    check(one, found, None)
    reference = one.accuracy(one.problem.reference)
    passes = reference >= floor.at(reference)
    space = one.problem.faster()[0] if passes else one.problem
    configs = [space.config(choice) for choice in one.choices(space)]
    assert sorted(answer.config for answer in found.asked) == sorted(configs)
    passed = [c for c in map(one.problem.choice, configs) if one.accuracy(c) >= floor.at(reference)]
    if passed:
        assert found.chosen.cost == min(map(one.problem.cost, passed))


@given(cases, floors)
@settings(max_examples=40, deadline=None)
def test_front_is_brute_force(one: Case, floor: Floor) -> None:
    found = tune(one.problem, one.evaluate, floor, budget=20)
    points = [(answer.cost, answer.accuracy) for answer in found.asked]
    best = {
        (cost, accuracy)
        for cost, accuracy in points
        if not any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in points)
    }
    assert [(answer.cost, answer.accuracy) for answer in found.front] == sorted(best)


@given(cases, floors, budgets, frugal, st.integers(1, 12), st.booleans())
@settings(max_examples=50, deadline=None)
def test_resumed_is_uninterrupted(
    one: Case, floor: Floor, budget: int, strategy: str, until: int, damaged: bool
) -> None:
    whole = tune(one.problem, one.evaluate, floor, strategy=strategy, budget=budget)
    questions = list(one.asked)
    one.asked.clear()
    with TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.jsonl"

        def interrupted(config: Config) -> float:
            if len(one.asked) == until:
                raise KeyboardInterrupt
            return one.evaluate(config)

        def run(evaluate: Any) -> Tuned:
            return tune(one.problem, evaluate, floor, strategy=strategy, budget=budget, ledger=ledger)

        first = run(Measured(interrupted, "case"))
        assert first.interrupted == (len(questions) > until)
        assert first.asked == whole.asked[: len(first.asked)]
        if damaged:
            with ledger.open("ab") as stream:
                stream.write(b'{"config": ["fp32", "in')
        again = run(one.evaluate)
        assert same(again, whole)
        assert one.asked == questions  # both runs together asked what one would have asked, each once
        assert len(ledger.read_text().splitlines()) == 1 + len(questions)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_asks_the_same(strategy: str) -> None:
    runs = []
    for _ in range(2):
        one = case(4, 3, 5)
        tune(one.problem, one.evaluate, Floor(loss=0.01), strategy=strategy, budget=None, seed=3)
        runs.append(one.asked)
    assert runs[0] == runs[1]


def test_candidates_that_save_nothing_are_never_asked() -> None:
    costs = ((4.0, 5.0, 1.0), (1.0, 1.0, 2.0))
    problem = TuningProblem(("a", "b"), (("fp32", "int8", "int4"),) * 2, costs)
    asked: list[Config] = []

    def answer(config: Config) -> float:
        asked.append(config)
        return 0.9

    found = tune(problem, Measured(answer, "x"), Floor(loss=0.01))
    assert asked == [("fp32", "fp32"), ("int4", "fp32")]
    assert found.dropped == (("a", "int8"), ("b", "int8"), ("b", "int4"))
    assert "b int4" in " ".join(found.figures["notes"])


def test_slower_candidates_are_tried_when_the_reference_does_not_pass() -> None:
    problem = TuningProblem(("a",), (("int8", "fp32"),), ((1.0, 3.0),))
    found = tune(problem, Measured(lambda c: 0.95 if c == ("fp32",) else 0.9, "x"), Floor(absolute=0.94))
    assert (found.passed, found.chosen.config, found.dropped) == (True, ("fp32",), ())


def test_an_impossible_floor_gives_the_most_accurate_and_says_why() -> None:
    one = case(3, 3, 1)
    found = tune(one.problem, one.evaluate, Floor(absolute=1.5), budget=30)
    assert not found.passed
    assert found.chosen.accuracy == max(map(one.accuracy, one.choices()))  # 27 configurations: all were tried
    assert found.reason.startswith("none of 27 evaluated reaches 1.5")


def test_the_time_limit_is_asked_before_every_evaluation() -> None:
    one = case(4, 4, 2)
    found = tune(one.problem, one.evaluate, Floor(loss=0.01), stop=lambda: len(one.asked) >= 3)
    assert len(found.asked) == 3
    assert found.ended == "the time limit is reached"


def test_exhaustive_refuses_what_the_budget_cannot_hold() -> None:
    one = case(4, 4, 2)
    size = one.problem.faster()[0].size
    with pytest.raises(ScenarioError, match=f"exhaustive needs {size} evaluations, the budget has {size - 1}"):
        tune(one.problem, one.evaluate, Floor(loss=0.01), strategy="exhaustive", budget=size - 1)
    large = case(12, 4, 2)
    with pytest.raises(ScenarioError, match="at most 1,000,000 are possible"):
        tune(large.problem, large.evaluate, Floor(loss=0.01), strategy="exhaustive", budget=None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_accuracy_that_is_no_number_is_refused(value: float, tmp_path: Path) -> None:
    one = case(2, 2, 0)
    with pytest.raises(ScenarioError, match=r"not a number that can be compared, at l0: fp32, l1: fp32"):
        tune(one.problem, Measured(lambda _: value, "x"), Floor(loss=0.01), ledger=tmp_path / "l")
    assert len((tmp_path / "l").read_text().splitlines()) == 1


def test_interrupted_before_the_first_answer_is_interrupted() -> None:
    def never(_: Config) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(case(2, 2, 0).problem, Measured(never, "x"), Floor(loss=0.01))


def test_files(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    problem = TuningProblem(("a: b", "no", "plain"), (("fp32", "int8"),) * 3, ((2.0, 1.0),) * 3)
    found = tune(problem, Measured(lambda _: 0.9, "x"), Floor(loss=0.01))
    paths = found.write(tmp_path)
    assert YAML(typ="safe").load(paths[0].read_text()) == {"precision": dict.fromkeys(problem.layers, "int8")}
    assert paths[1].read_text().splitlines()[1:] == ["1,fp32,fp32,fp32,6.0,0.9,1", "2,int8,int8,int8,3.0,0.9,1"]
    assert json.loads(paths[2].read_text()) == found.figures


@pytest.mark.parametrize(("chosen", "said"), [(0.89, True), (0.91, False)])
def test_a_choice_that_falls_short_on_other_samples_says_so(chosen: float, said: bool) -> None:
    found = tune(case(2, 2, 0).problem, Measured(lambda _: 0.9, "x"), Floor(loss=0.05))
    found = replace(found, held_out={"reference": 0.95, "chosen": chosen})
    assert ("falls short" in " ".join(found.figures["notes"])) == said


@pytest.mark.parametrize(
    ("layers", "candidates", "costs", "message"),
    [
        ((), (), (), "no layers"),
        (("a",), (), (), "one entry per layer"),
        (("a", "a"), (("x",),) * 2, ((1.0,),) * 2, "is there twice"),
        (("a",), (("x", "x"),), ((1.0, 1.0),), "names precision x twice"),
        (("a",), (("x",),), ((float("nan"),),), "finite and not negative"),
        (("a",), (("x",),), ((-1.0,),), "finite and not negative"),
        (("a",), ((),), ((),), "at least one"),
    ],
)
def test_problems_that_make_no_sense(layers: Any, candidates: Any, costs: Any, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        TuningProblem(layers, candidates, costs)


@pytest.mark.parametrize(
    "given", [{}, {"absolute": 0.9, "loss": 0.1}, {"loss": 1.0}, {"loss": -0.1}, {"absolute": float("nan")}]
)
def test_floors_that_make_no_sense(given: dict[str, float]) -> None:
    with pytest.raises(ScenarioError):
        Floor(**given)


def test_a_loss_relative_to_nothing_is_refused() -> None:
    with pytest.raises(ScenarioError, match="give an absolute floor"):
        tune(case(1, 2, 0).problem, Measured(lambda _: 0.0, "x"), Floor(loss=0.01))
