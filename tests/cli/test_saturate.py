"""``plan saturate`` prints what the planner found."""

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import simulator
from simulator.cli.main import run

FIGURES: dict[str, Any] = {
    "services": {
        "chat": {
            "max_rate": 1234.5,
            "ci95": [1200.0, 1260.0],
            "load_factor": 1.23,
            "bottleneck": {"kind": "portion", "name": "5-12"},
            "margin": 0.23,
        }
    }
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def load(path: object, **named: Any) -> Any:
        found.append(named)
        return SimpleNamespace(services={"chat": None, "code": None})

    def saturate(scenario: Any, services: Any, together: bool, progress: Any) -> Any:
        found.append((services, together, progress))
        return SimpleNamespace(to_dict=lambda: FIGURES)

    module = ModuleType("simulator.planner.saturate")
    module.saturate = saturate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "simulator.planner.saturate", module)
    monkeypatch.setattr(simulator, "load", load)
    return found


def test_formats(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["saturate", "a.yaml"]) == 0
    assert "portion 5-12" in capsys.readouterr().out
    assert run(["saturate", "a.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == FIGURES
    assert run(["saturate", "a.yaml", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("chat,1234.5,1200.0,1260.0,1.23")


def test_passes_everything_on(calls: list[Any]) -> None:
    options = [
        "--service",
        "chat",
        "-s",
        "code",
        "--together",
        "--seed",
        "3",
        "--engine",
        "simpy",
        "--set",
        "a=1",
    ]
    assert run(["saturate", "a.yaml", *options, "--variant", "x"]) == 0
    assert calls[0] == {"sets": ["a=1", "seed=3", "run.engine=simpy"], "variants": ["x"]}
    assert calls[1] == (["chat", "code"], True, None)


def test_all_services_unless_named(calls: list[Any]) -> None:
    run(["saturate", "a.yaml"])
    assert calls[1] == (None, False, None)


def test_an_unknown_service(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["saturate", "a.yaml", "--service", "chta"]) == 2
    said = capsys.readouterr()
    assert "chta" in said.err
    assert "chat, code" in said.err
    assert len(calls) == 1
