"""``--set`` and variants."""

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import loads


def problems(*args, **kwargs):
    with pytest.raises(ScenarioError) as caught:
        loads(*args, **kwargs)
    return caught.value.problems


def test_set_changes_a_value(small):
    scenario = loads(small, sets=["services.chat.workload.rate=100/s", "seed=3", "run.warmup=0"])
    assert scenario.services["chat"].workload.rate == 100
    assert (scenario.seed, scenario.run.warmup) == (3, 0)
    assert scenario.source.sets[0].startswith("services")


def test_set_takes_yaml_and_list_positions(small):
    sets = [
        "services.chat.deployment.portions.0.replicas=2",
        "services.chat.workload={process: gamma, rate: 5/s, cv: 2}",
    ]
    chat = loads(small, sets=sets).services["chat"]
    assert chat.deployment.portions[0].replicas == 2
    assert chat.workload.cv == 2


def test_set_creates_optional_parts_and_whole_names(small):
    sets = ["services.chat.queue.capacity=5", "cluster.pools.tpu={device: l4, count: 1}"]
    scenario = loads(small, sets=sets)
    assert scenario.services["chat"].queue.capacity == 5
    assert scenario.cluster.pools["tpu"].count == 1


def test_set_leaves_the_aliased_original_alone(small):
    text = small.replace("gpu: {", "gpu: &p {").replace("cpu: {device: xeon-8480, count: 2}", "cpu: *p")
    pools = loads(text, sets=["cluster.pools.cpu.count=9"]).cluster.pools
    assert (pools["gpu"].count, pools["cpu"].count) == (4, 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services.chta.workload.rate=1/s", "did you mean 'chat'"),
        ("services.chat.workload.rte=1/s", "did you mean 'rate'"),
        ("servces.chat.workload.rate=1/s", "did you mean 'services'"),
        ("services.chat.workload.rate=100", "write 100/s"),
        ("services.chat.deployment.portions.2.batch=1", "entries 0 to 1"),
        ("services.chat.deployment.portions.-1.batch=1", "entries 0 to 1"),
        ("services.chat.model.x=1", "is a single value (bert)"),
        ("services.chat.workload.rate", "must be path=value"),
        ("=5", "must be path=value"),
        ("a..b=5", "must be path=value"),
        ("seed=[1", "is not valid YAML"),
        ("seed=!!int 5", "tags"),
        ("seed={a: 1, a: 2}", "repeats the key"),
        ("variants.busy=1", "variants cannot be changed"),
        ("seed=", "must be a whole number"),
        ("seed=1\n2", "must be a whole number"),
    ],
)
def test_bad_set_points_at_the_option(small, text, said):
    first = problems(small, sets=[text])[0]
    assert first.file.startswith("--set ")
    assert first.line is None
    assert said in first.render()
    assert len(first.render().splitlines()) == 1


def test_problems_that_an_override_causes_elsewhere_point_at_the_file(small):
    (one,) = problems(small, sets=["cluster.pools.gpu.count=2"])
    assert one.line == 21
    assert "which has 2" in one.message


def test_variant_applies_and_is_named(small):
    scenario = loads(small, variants=["busy", "wide"])
    assert scenario.services["chat"].workload.rate == 400
    assert scenario.services["chat"].deployment.portions[0].batch == 16
    assert scenario.source.variants == ("busy", "wide")


def test_set_wins_over_a_variant(small):
    scenario = loads(small, variants=["busy"], sets=["services.chat.workload.rate=1/s"])
    assert scenario.services["chat"].workload.rate == 1


def test_unknown_variant_names_the_nearest(small):
    (one,) = problems(small, variants=["bsy"])
    assert one.render() == "--variant bsy: unknown variant 'bsy', did you mean 'busy'?"


@pytest.mark.parametrize("path", ["services.chat.workload.rate", "services.chat.workload"])
def test_two_variants_setting_one_key_is_an_error(small, path):
    text = small + f"  other: {{{path}: {{rate: 2/s}}}}\n".replace(
        "{rate: 2/s}", "2/s" if path.endswith("rate") else "{rate: 2/s}"
    )
    (one,) = problems(text, variants=["busy", "other"])
    assert "is set twice, by the variant 'busy' and by the variant 'other'" in one.message
    assert one.line == 25


def test_two_sets_of_one_key_is_an_error(small):
    (one,) = problems(small, sets=["seed=1", "seed=2"])
    assert "set twice" in one.message


def test_unchosen_variants_are_checked_at_their_own_lines(small):
    (one,) = problems(small + "  slow: {services.chat.workload.rate: -5/s}\n")
    assert (one.line, one.column) == (25, 39)
    assert "must not be negative" in one.message
    assert one.message.endswith("(variant 'slow')")


def test_chosen_variant_is_reported_once(small):
    text = small + "  slow: {services.chat.workload.rate: -5/s}\n"
    assert len(problems(text, variants=["slow"])) == 1


def test_own_problems_of_the_file_are_not_repeated_per_variant(small):
    assert len(problems(small.replace("count: 4", "count: -4"))) == 1
