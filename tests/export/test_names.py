"""Names that targets accept, for any name that a scenario accepts."""

from __future__ import annotations

import json

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from simulator.export.kubernetes.check import KEDA_SCHEMA
from simulator.export.names import DNS_1035, LABEL_VALUE, ROOM, slugs
from simulator.scenario.quantities import NAME_PATTERN

NAMES = st.from_regex(NAME_PATTERN, fullmatch=True).filter(lambda name: len(name) <= 63)


@given(st.lists(NAMES, max_size=12), st.sampled_from([ROOM, 63]))
def test_every_name_becomes_a_label_of_its_own(names: list[str], room: int) -> None:
    found = slugs(names, room)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(found)
    for label in found.values():
        assert DNS_1035.fullmatch(label)
        assert LABEL_VALUE.fullmatch(label)
        assert len(label) <= room


@given(st.text(max_size=80))
def test_any_text_becomes_a_label(text: str) -> None:
    (label,) = slugs([text]).values()
    assert DNS_1035.fullmatch(label)


def test_the_schema_of_keda_is_one_and_has_its_licence() -> None:
    schema = json.loads(KEDA_SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "Apache License" in KEDA_SCHEMA.with_name("keda-LICENSE").read_text()
    spec = {"scaleTargetRef": {"name": "a"}, "triggers": [{"type": "cron", "metadata": {"desiredReplicas": "1"}}]}
    whole = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "a"}, "spec": spec}
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(whole)
    for wrong in (
        whole | {"kind": "ScaledJob"},
        whole | {"spec": {"triggers": []}},
        whole | {"spec": spec | {"minReplicas": 1}},
        whole | {"spec": spec | {"minReplicaCount": "1"}},
        whole | {"spec": spec | {"triggers": [{"type": "cron", "metadata": {"desiredReplicas": 1}}]}},
    ):
        assert not validator.is_valid(wrong)
