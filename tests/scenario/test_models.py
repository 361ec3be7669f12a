"""What the models make of a scenario: SI values, defaults, and the two ways of writing one thing."""

import json

import pytest

from simulator.errors import InternalError, ScenarioError
from simulator.scenario import Scenario, loads
from simulator.scenario.base import Strict
from simulator.scenario.model import Ramps
from simulator.scenario.workload import Closed, Gamma, Mmpp, Poisson, Rates, Trace


def with_workload(small, text):
    return loads(small.split("variants:")[0].replace("{process: poisson, rate: 200/s}", text)).services["chat"].workload


def test_defaults(small):
    scenario = loads(small)
    chat = scenario.services["chat"]
    assert (scenario.seed, scenario.run.replications, scenario.run.engine, scenario.run.drain) == (
        0,
        1,
        "auto",
        None,
    )
    assert (chat.queue.capacity, chat.queue.drop, chat.on_fault.retries) == (None, "never", 3)
    assert (chat.jitter.distribution, chat.classes, chat.deployments) == ("deterministic", None, None)
    assert (chat.deployment.exit_mode, chat.deployment.routing) == ("none", "shared")
    assert chat.deployment.portions[0].precision == "fp16"
    assert scenario.cluster.pools["gpu"].price_per_hour is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{rate: 5/s}", Poisson),
        ("{rate: 5/s, cv: 2}", Gamma),
        ("{states: [{rate: 5/s, mean_duration: 1s}, {rate: 0, mean_duration: 2s}]}", Mmpp),
        ("{trace: a.csv, repeat: true, from: 5s, to: 10s, scale: 2}", Trace),
        ("{rates: a.csv, interval: 1min, cv: 2}", Rates),
        ("{clients: 5, think: 10s}", Closed),
        ("{process: trace, trace: a.csv}", Trace),
    ],
)
def test_the_key_present_decides_the_process(small, text, kind):
    assert type(with_workload(small, text)) is kind


def test_bare_think_time_is_exponential(small):
    think = with_workload(small, "{clients: 5, think: 10s}").think
    assert (think.mean, think.distribution, think.cv) == (10, "exponential", None)
    assert with_workload(small, "{clients: 5, think: 0}").think.mean == 0


def test_one_shape_or_several(small):
    spike = "{kind: spike, at: 1min, length: 10s, factor: 3}"
    one = with_workload(small, f"{{rate: 5/s, shape: {spike}}}")
    several = with_workload(small, f"{{rate: 5/s, shape: [{spike}, {{kind: diurnal, amplitude: 50%}}]}}")
    assert [shape.kind for shape in one.shape] == ["spike"]
    assert [shape.kind for shape in several.shape] == ["spike", "diurnal"]
    assert several.shape[1].period == 86400


def test_deployments_and_deployment_have_one_timeline(small):
    timeline = loads(small).services["chat"].timeline
    assert [start for start, _ in timeline] == [0]
    head, tail = small.split("variants:")[0].split("    deployment:\n")
    window = tail.strip().replace("\n", "\n    ")
    text = (
        head
        + "    deployments:\n"
        + f"        - from: 0s\n          {window}\n"
        + f"        - from: 1h\n          {window}\n"
    )
    assert [start for start, _ in loads(text).services["chat"].timeline] == [0, 3600]


def test_layer_ranges(small):
    portions = loads(small).services["chat"].deployment.portions
    assert [str(portion.layers) for portion in portions] == ["1-4", "5-12"]
    assert (portions[0].layers.first, portions[0].layers.last) == (1, 4)


def test_equal_layers_are_kinds_of_one_portion(small):
    kind = "        - {layers: 1-4, pool: cpu, replicas: 1}\n"
    text = small.replace("        - {layers: 5-12", kind + "        - {layers: 5-12")
    deployment = loads(text).services["chat"].deployment
    assert (len(deployment.portions), len(deployment.cuts)) == (3, 2)


def test_ramps_never_follow_the_last_layer():
    assert Ramps(after="all").layers(4) == (1, 2, 3)
    assert Ramps(after=[2, 4]).layers(4) == (2,)


def test_models_are_frozen(small):
    scenario = loads(small)
    with pytest.raises(Exception, match="frozen"):
        scenario.run.duration = 5.0


def test_written_back_and_read_again(small):
    """The dump in JSON mode carries units, so that a plan file can hold parts of a scenario."""
    scenario = loads(small)
    text = json.dumps(scenario.model_dump(mode="json", by_alias=True, exclude_none=True))
    again = loads(text)
    assert again.model_dump() == scenario.model_dump()


def test_scenario_built_in_python_has_no_source(small):
    scenario = loads(small)
    with pytest.raises(InternalError):
        _ = Scenario(**json.loads(scenario.model_dump_json(by_alias=True, exclude_none=True))).source


def every_model(kind=Strict):
    for sub in kind.__subclasses__():
        yield sub
        yield from every_model(sub)


def test_every_field_of_every_model_is_described():
    missing = [
        f"{kind.__name__}.{name}"
        for kind in every_model()
        for name, field in kind.model_fields.items()
        if not field.description
    ]
    assert not missing


def test_two_services_share_a_pool(small):
    service = small[small.index("  chat:") : small.index("variants:")]
    text = small.split("variants:")[0] + service.replace("  chat:", "  talk:")
    with pytest.raises(ScenarioError, match="needs, with the other services, 6 devices of pool 'gpu' at 0s"):
        loads(text)
