"""The whole study: files that others read, figures that can be recomputed, nothing learned from test rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator import load, simulate
from simulator.calibration.ramps import VARIANTS, RampStudy, Settings, check_features, train_ramps
from simulator.calibration.ramps.curves import GRID, at_depth, cheapest, curve
from simulator.calibration.ramps.student import answers
from simulator.costs.early_exit import ExitTable, correct, first_exit, load_table
from simulator.errors import ScenarioError
from tests.calibration.ramps.builders import Arrays, arrays, saved


def study(given: Arrays | None = None, **named: Any) -> RampStudy:
    return train_ramps(check_features(arrays() if given is None else given), **{"l2": 1e-2, "twin": False, **named})


@pytest.fixture(scope="module", autouse=True)
def quick_twins() -> Iterator[None]:
    """One penalty and few iterations: what is tested here does not depend on how good a twin is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.calibration.ramps.twin.L2_GRID", (1e-2,))
        patch.setattr("simulator.calibration.ramps.student.MAX_ITERATIONS", 60)
        yield


@pytest.fixture(scope="module")
def whole() -> RampStudy:
    return train_ramps(check_features(arrays()))


def softmax(scores: Any) -> Any:
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def test_the_tables_are_read_back_as_they_were_written(whole: RampStudy, tmp_path: Path) -> None:
    files = {path.name for path in whole.write(tmp_path / "out")}
    assert files == {path.name for path in (tmp_path / "out").iterdir()}
    for name in VARIANTS:
        table = load_table(tmp_path / "out" / f"exits-{name}.csv")
        assert np.array_equal(table.confidence, whole.variants[name].test.confidence)  # type: ignore[arg-type]
        assert np.array_equal(table.prediction, whole.variants[name].test.prediction)  # type: ignore[arg-type]
        assert np.array_equal(table.label, whole.data.label[whole.data.split.test])  # type: ignore[arg-type]
    assert load_table(tmp_path / "out" / "twin.csv").exits == 2


def test_the_written_weights_say_what_the_table_says(whole: RampStudy, tmp_path: Path) -> None:
    whole.write(tmp_path)
    rows, features = whole.data.split.test, whole.data.features
    for name, one in whole.variants.items():
        with np.load(tmp_path / f"ramps-{name}.npz", allow_pickle=False) as kept:
            for k, state in enumerate(features.states, start=1):
                p = softmax(state[rows].astype(float) @ kept[f"weight_{k}"] + kept[f"bias_{k}"])
                assert np.abs(p.max(axis=1) - one.test.confidence[:, k - 1]).max() < 1e-6  # type: ignore[index]
    assert features.query is not None
    query = features.query[rows].astype(float)
    with np.load(tmp_path / "router.npz") as kept:
        assert whole.router is not None
        hidden = np.tanh(query @ kept["block_1"] + kept["block_bias_1"])
        assert np.array_equal((hidden @ kept["ramp_1"] + kept["ramp_bias_1"]).argmax(axis=1), whole.router.chosen)
    with np.load(tmp_path / "twin.npz") as kept:
        hidden = query
        for m in (1, 2):
            hidden = np.tanh(hidden @ kept[f"block_{m}"] + kept[f"block_bias_{m}"])
            p = softmax(hidden @ kept[f"ramp_{m}"] + kept[f"ramp_bias_{m}"])
            assert whole.twin is not None
            assert np.abs(p.max(axis=1) - whole.twin.table.confidence[:, m - 1]).max() < 1e-6  # type: ignore[index]


def test_a_scenario_reads_the_table(whole: RampStudy, tmp_path: Path) -> None:
    whole.write(tmp_path)
    text = """
version: 1
name: trained
run: {duration: 100s}
cluster: {pools: {gpu: {device: {memory: 8GiB, memory_bandwidth: 1GB/s, peak: {fp16: 1TFLOPS}}, count: 1}}}
models:
  net:
    layers: [{name: block, repeat: 3, time: 1ms}]
    ramps: {after: [1, 2]}
    exits: {table: exits-adaptive-hard.csv, rule: {confidence: 0.9}}
services:
  chat:
    model: net
    workload: {process: poisson, rate: 100/s}
    deployment: {exit_mode: compact, portions: [{layers: 1-3, pool: gpu, replicas: 1}]}
"""
    (tmp_path / "scenario.yaml").write_text(text)
    figures = simulate(load(tmp_path / "scenario.yaml")).to_dict()["services"]["chat"]
    point = next(one for one in whole.figures["variants"]["adaptive-hard"]["thresholds"] if one["threshold"] == 0.9)
    assert figures["mean_layers"] == pytest.approx(point["mean_layers"], abs=0.05)


def test_figures_are_what_the_rule_gives_on_the_table(whole: RampStudy) -> None:
    for name, one in whole.figures["variants"].items():
        table = whole.variants[name].test
        assert one["accuracy"] == pytest.approx(correct(table).mean(axis=0).tolist())
        for point in one["thresholds"]:
            assert table.confidence is not None
            left = first_exit(table.confidence >= point["threshold"])
            assert point["accuracy"] == pytest.approx(correct(table, left).mean())
            assert point["mean_layers"] == pytest.approx(left.mean() + 1)
            low, high = point["accuracy_ci95"]
            assert low <= point["accuracy"] <= high


def test_the_operating_point_is_chosen_without_the_test_rows(whole: RampStudy) -> None:
    for name, one in whole.figures["variants"].items():
        variant = whole.variants[name]
        full = correct(variant.validation).mean(axis=0)[-1]
        threshold = one["operating_point"]["threshold"]
        index = GRID.index(threshold)
        assert variant.validation_curve.accuracy[index] >= full - 0.01 - 1e-9
        assert index == 0 or variant.validation_curve.accuracy[index - 1] < full - 0.01 + 1e-9


def test_nothing_is_learned_from_test_rows() -> None:
    """Nonsense in the test rows changes no ramp, no router, no twin and no choice."""
    part = np.arange(300) % 3
    given = arrays(split=part)
    spoiled = {key: array.copy() for key, array in given.items()}
    draws = np.random.default_rng(9)
    for name in ("state_1", "state_2", "state_3", "query"):
        spoiled[name][part == 2] = 50 * draws.standard_normal(spoiled[name][part == 2].shape)
    spoiled["label"][part == 2] = draws.integers(0, 3, 100)
    one, other = (train_ramps(check_features(each)) for each in (given, spoiled))
    assert (one.l2, one.chosen) == (other.l2, other.chosen)
    for name in VARIANTS:
        pairs = zip(one.variants[name].ramps.ramps, other.variants[name].ramps.ramps)
        assert all(np.array_equal(a.weights, b.weights) for a, b in pairs)
        point = [each.figures["variants"][name]["operating_point"]["threshold"] for each in (one, other)]
        assert point[0] == point[1]
    assert one.router is not None
    assert other.router is not None
    assert all(np.array_equal(a, b) for a, b in zip(one.router.weights, other.router.weights))
    assert one.twin is not None
    assert other.twin is not None
    assert all(np.array_equal(a, b) for a, b in zip(one.twin.weights, other.twin.weights))


def test_the_same_seed_gives_the_same_bytes_and_another_another(tmp_path: Path) -> None:
    texts = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        files = study(seed=seed).write(tmp_path / folder)
        texts.append({path.name: path.read_bytes() for path in files})
    assert texts[0] == texts[1]
    assert texts[0]["exits-independent.csv"] != texts[2]["exits-independent.csv"]


def test_the_models_own_output_is_the_last_exit_of_every_variant() -> None:
    draws = np.random.default_rng(0)
    output = draws.dirichlet(np.ones(3), 300)
    found = study(arrays(output=output))
    assert found.end is None
    rows = found.data.split.test
    for one in found.variants.values():
        assert one.test.prediction is not None
        assert np.array_equal(one.test.prediction[:, -1], output[rows].argmax(axis=1))
    assert not any("stands for" in note for note in found.figures["notes"])
    assert any("stands for" in note for note in study().figures["notes"])


def test_layers_of_the_file_count() -> None:
    found = study(arrays(layer=np.array([2, 4, 12]))).figures
    assert found["layers"] == [2, 4, 12]
    first = found["variants"]["independent"]["thresholds"][0]
    assert 2 <= first["mean_layers"] <= 12
    assert found["variants"]["independent"]["compared_layers"][0] == 2


def test_only_the_variants_asked_for_and_the_baseline() -> None:
    assert list(study(variants=["adaptive-soft"]).figures["variants"]) == ["independent", "adaptive-soft"]
    with pytest.raises(ScenarioError, match="unknown variant 'nope'"):
        study(variants=["nope"])


@pytest.mark.parametrize("wrong", [{"l2": 0.0}, {"l2": float("nan")}, {"budget": 1.0}, {"budget": -0.1}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match=next(iter(wrong))):
        study(**wrong)


def test_an_equal_variant_shows_no_difference() -> None:
    """With nothing to adapt, every figure is that of the independent ramps and the gain is exactly 0."""
    found = study(settings=Settings(gamma=0.0, sharpen=0.0, removal=False)).figures["variants"]
    for name in ("adaptive-hard", "adaptive-soft", "adaptive-class"):
        assert found[name]["accuracy"] == found["independent"]["accuracy"]
        assert found[name]["against_independent"] == {"accuracy": 0, "ci95": [0, 0], "verdict": "no difference shown"}


def test_a_variant_that_loses_is_called_worse() -> None:
    """An entropy that outweighs the labels: every ramp is sure of the answer that it began with."""
    found = study(arrays(rows=12_000), settings=Settings(sharpen=5.0), variants=["adaptive-hard"]).figures
    against = found["variants"]["adaptive-hard"]["against_independent"]
    assert against["verdict"] == "worse"
    assert against["ci95"][0] < against["accuracy"] < against["ci95"][1] < 0


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    study(twin=True, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_curves() -> None:
    table = ExitTable(np.array([[0.9, 0.6], [0.3, 0.8]]), np.array([[1, 0], [1, 1]]), np.array([0, 1]))
    one = curve(table, [1, 2])
    assert one.accuracy[GRID.index(0.5)] == 0.5
    assert one.layers[GRID.index(0.5)] == 1.5
    assert one.layers[-1] == 2
    assert (np.diff(one.layers) >= 0).all()
    assert GRID[cheapest(one, 1.0)] == pytest.approx(0.92, abs=0.001)  # the first threshold above 0.9
    assert cheapest(one, 2.0) == len(GRID) - 1
    assert at_depth(one.accuracy, one.layers, np.array([9.0])).tolist() == [1.0]


class TestRouter:
    def test_a_query_that_tells_all_routes_well(self) -> None:
        base = study(seed=1)
        leaving = self.leaving(base)
        told = study(arrays(query=np.eye(3)[leaving] * 10), seed=1, variants=["independent"])
        figures = told.figures["router"]
        assert figures["hit_rate"] > 0.95
        assert figures["accuracy"] == pytest.approx(figures["rule_accuracy"], abs=0.05)

    def test_a_query_that_tells_nothing_is_no_better_than_blind(self) -> None:
        draws = np.random.default_rng(0)
        figures = study(arrays(rows=2000, query=draws.standard_normal((2000, 3)))).figures["router"]
        assert figures["hit_rate"] <= figures["hit_rate_most_frequent"] + 0.05
        assert figures["accuracy"] == pytest.approx(figures["shuffled_accuracy"], abs=0.05)

    def test_the_confusion_matrix_counts_the_test_rows(self, whole: RampStudy, tmp_path: Path) -> None:
        router = whole.router
        assert router is not None
        assert router.counts.sum() == len(whole.data.split.test)
        assert np.allclose(router.confusion.sum(axis=1), 1)
        for true, chosen in zip(router.true_exit, router.chosen):
            assert router.counts[true, chosen] > 0
        whole.write(tmp_path)
        lines = (tmp_path / "router.csv").read_text().splitlines()
        assert lines[0] == "true_exit,rows,chosen_1,chosen_2,chosen_3"
        header, *rows = (tmp_path / f"exits-{whole.chosen}.csv").read_text().splitlines()
        routed = [int(row.split(",")[header.split(",").index("routed")]) for row in rows]
        assert routed == (router.chosen + 1).tolist()

    def test_no_query_no_router(self) -> None:
        given = {key: array for key, array in arrays().items() if key != "query"}
        found = study(given, twin=True)
        assert found.figures["router"] is None
        assert found.figures["twin"]["fed_by"] == "state_1"
        assert any("no router" in note for note in found.figures["notes"])

    @staticmethod
    def leaving(base: RampStudy) -> Any:
        """The exit of every row under the rule, for the independent ramps."""
        one = base.variants["independent"]
        found = np.full(base.data.features.rows, 0)
        for rows, table in (
            (base.data.split.train, one.train),
            (base.data.split.validation, one.validation),
            (base.data.split.test, one.test),
        ):
            assert table.confidence is not None
            found[rows] = first_exit(table.confidence >= 0.9)
        return found


def test_the_twin_learns_from_its_teacher(whole: RampStudy) -> None:
    twin = whole.twin
    assert twin is not None
    figures = twin.to_json()
    assert figures["parameters"] == sum(part.size for part in twin.weights)
    assert figures["agreement"][-1] > 0.5
    assert 0 <= figures["answered"] <= 1
    rows = whole.data.split.test
    assert whole.data.features.query is not None
    said = answers(twin.weights, twin.scaling.design(whole.data.features.query[rows]))
    assert figures["accuracy"][-1] == (said[-1].argmax(axis=1) == whole.data.label[rows]).mean()


def test_a_file_by_name(tmp_path: Path) -> None:
    found = train_ramps(saved(tmp_path), l2=1e-2, twin=False).figures["source"]
    assert found["file"] == str(tmp_path / "features.npz")
    assert len(found["sha256"]) == 64
