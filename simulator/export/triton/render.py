"""The folder of a Triton export: a model repository for every window that differs from those before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import Problem, ScenarioError
from simulator.export.case import Case, Window, device_name
from simulator.export.names import ROOM, slugs, unlike
from simulator.export.parts import Part
from simulator.export.target import Files, Options, Rendered
from simulator.export.text import generated
from simulator.export.triton.textproto import Word, textproto

REPOSITORY = "model_repository"
CHAIN = Path(__file__).parent.parent / "data" / "triton_chain.py.txt"
ONE_SERVER = 8
"""Devices that servers commonly have; more are told."""
LEAST_IN_FLIGHT = 64


def render(case: Case, options: Options) -> Rendered:
    """All files of the export."""
    del options
    _check(case)
    labels = slugs(case.scenario.services, ROOM)
    first: dict[str, int] = {}
    files: Files = {}
    same: dict[int, list[int]] = {}
    for window in case.windows:
        own = {f"{REPOSITORY}/{name}": text for name, text in _repository(case, window, labels).items()}
        number = first.setdefault(json.dumps(own), window.number)
        same.setdefault(number, []).append(window.number)
        if number == window.number:
            files |= {f"window-{number}/{name}": text for name, text in own.items()}
    files["windows.json"] = json.dumps({f"window-{key}": numbers for key, numbers in same.items()}, indent=1) + "\n"
    return Rendered(files, _steps(case), tuple(_notes(case)))


def _check(case: Case) -> None:
    for name, service in case.scenario.services.items():
        if service.queue.capacity == 0:
            message = f"service {name}: Triton has no queue of capacity 0 (its 0 is no bound): say 1 or more"
            raise ScenarioError(Problem(message, file=case.file))


def _repository(case: Case, window: Window, labels: Mapping[str, str]) -> Files:
    """The models of one window: every portion, and a chain for each service."""
    files: Files = {}
    free = _first_devices(case)
    head = "".join(f"# {line}\n" for line in generated(case.file).splitlines())
    taken = set(labels.values())
    for service, parts in window.parts.items():
        models: list[tuple[str, list[Part]]] = []
        for cut in sorted({part.cut for part in parts}):
            kinds = [part for part in parts if part.cut == cut]
            name = unlike(f"{labels[service]}-{kinds[0].layers}", taken)
            taken.add(name)
            models.append((name, kinds))
            capacity = case.scenario.services[service].queue.capacity if cut == 0 else None
            files[f"{name}/config.pbtxt"] = head + textproto(_model(name, kinds, capacity, free))
            files[f"{name}/1/PUT_MODEL_HERE.txt"] = _wanted(kinds[0])
        files[f"{labels[service]}/config.pbtxt"] = head + textproto(_chain(service, labels[service], models))
        files[f"{labels[service]}/1/model.py"] = CHAIN.read_text(encoding="utf-8")
    return files


def _first_devices(case: Case) -> dict[str, int]:
    """Number of the first device of each pool on a server that has all pools one after another."""
    found, number = {}, 0
    for name, pool in case.scenario.cluster.pools.items():
        found[name] = number
        number += pool.count
    return found


def _model(name: str, kinds: Sequence[Part], capacity: int | None, free: dict[str, int]) -> dict[str, Any]:
    """The configuration of a portion; inputs and outputs are completed by Triton from the model file."""
    part = kinds[0]
    batching: dict[str, Any] = {
        "preferred_batch_size": [part.batch],
        "max_queue_delay_microseconds": microseconds(part.max_wait_s),
    }
    if capacity is not None:
        batching["default_queue_policy"] = {"max_queue_size": capacity}
    told = {
        "service": part.service,
        "layers": part.layers,
        "precision": part.precision_text,
        "devices_per_replica": json.dumps({kind.pool: kind.devices for kind in kinds}),
    }
    if part.ramps is not None:
        told["ramps"] = json.dumps(part.ramps)
    if part.ramps and part.rule is not None:
        told["exit_rule"] = part.rule.model_dump_json()
    return {
        "name": name,
        "backend": "onnxruntime",
        "max_batch_size": part.batch,
        "dynamic_batching": batching,
        "instance_group": [_instances(kind, free) for kind in kinds],
        "parameters": [{"key": key, "value": {"string_value": value}} for key, value in told.items()],
    }


def _instances(kind: Part, free: dict[str, int]) -> dict[str, Any]:
    """One instance per replica, each on devices of its own."""
    start = free[kind.pool]
    free[kind.pool] = start + kind.replicas * kind.devices
    if kind.devices > 1:  # Triton gives an instance one device at most, so the model file takes its own
        return {"name": kind.pool, "count": kind.replicas, "kind": Word("KIND_MODEL")}
    devices = list(range(start, free[kind.pool]))
    return {"name": kind.pool, "count": 1, "kind": Word("KIND_GPU"), "gpus": devices}


def _chain(service: str, name: str, models: Sequence[tuple[str, Sequence[Part]]]) -> dict[str, Any]:
    portions = [_step(model, kinds[0]) for model, kinds in models]
    slots = sum(part.replicas * part.batch for _, kinds in models for part in kinds)
    told = {"service": service, "portions": json.dumps(portions), "in_flight": str(max(LEAST_IN_FLIGHT, 4 * slots))}
    return {
        "name": name,
        "backend": "python",
        "max_batch_size": 0,
        "input": [{"name": "INPUT", "data_type": Word("TYPE_FP32"), "dims": [1, -1]}],
        "output": [{"name": "ANSWER", "data_type": Word("TYPE_FP32"), "dims": [1, -1]}],
        "model_transaction_policy": {"decoupled": True},
        "instance_group": [{"count": 1, "kind": Word("KIND_CPU")}],
        "parameters": [{"key": key, "value": {"string_value": value}} for key, value in told.items()],
    }


def _step(model: str, part: Part) -> dict[str, Any]:
    """What the chain knows of a portion."""
    measure = None if part.exit is None else part.exit.measure
    threshold = None if part.exit is None else part.exit.threshold
    return {"model": model, "outputs": outputs(part), "measure": measure, "threshold": threshold}


def outputs(part: Part) -> list[str]:
    """The tensors that the model file of a portion gives."""
    if part.last:
        return ["ANSWER"]
    return ["HIDDEN"] if part.exit is None else ["HIDDEN", "ANSWER", "SCORE"]


def microseconds(wait_s: float) -> int:
    """The wait as Triton counts it, rounded."""
    return round(wait_s * 1e6)


def _wanted(part: Part) -> str:
    return (
        f"Put the model file model.onnx into this folder: layers {part.layers} of service {part.service}, precision "
        f"{part.precision_text}.\nInput INPUT, outputs {', '.join(outputs(part))}; the batch is the first dimension of "
        "each and not fixed.\nFor a file of another kind change `backend` in config.pbtxt.\n"
    )


def _steps(case: Case) -> tuple[str, ...]:
    first = f"window-{case.windows[0].number}/{REPOSITORY}"
    return (
        "Put the model files where the `PUT_MODEL_HERE.txt` say: `MODEL/1/model.onnx`.",
        "Set type and shape of INPUT and ANSWER of every chain (the model named like its service) in its "
        "`config.pbtxt`: a plan does not know them. The first dimension stays 1.",
        f"Serve: `tritonserver --model-repository {first}`, with the devices in this order: {_devices(case)}.",
        "Ask the chain over gRPC streaming (it is decoupled); it sends one response to each request.",
    )


def _devices(case: Case) -> str:
    starts = _first_devices(case)
    used = {part.pool for window in case.windows for part in window.all_parts}
    return ", ".join(
        f"{start} to {start + given.count - 1} pool {name} ({device_name(case.scenario, name)})"
        for (name, given), start in zip(case.scenario.cluster.pools.items(), starts.values())
        if name in used
    )


def _notes(case: Case) -> Iterator[str]:
    parts = [part for window in case.windows for part in window.all_parts]
    most = max(sum(part.replicas * part.devices for part in window.all_parts) for window in case.windows)
    pools = {part.pool for part in parts}
    if most > ONE_SERVER or len(pools) > 1:
        kinds = f" of {len(pools)} pools" if len(pools) > 1 else ""
        yield (
            f"The files ask for one server with {most} devices{kinds}. On several servers, give each its share of the "
            "devices (`gpus`): every server then has queues of its own, as `--to kubernetes` simulates."
        )
    if len(case.windows) > 1:
        yield (
            "Triton knows no clock: start (or reload) the server with the repository of a window when it begins. "
            "Windows with the same deployment share one; `windows.json` says which."
        )
    odd = sorted(
        {part.max_wait_s for part in parts if abs(microseconds(part.max_wait_s) / 1e6 - part.max_wait_s) > 1e-12}
    )
    if odd:
        yield f"Waits are whole microseconds in Triton: {', '.join(f'{wait:g} s' for wait in odd)} are rounded."
