"""What is deployed when: portions, devices, batches and precision, and where the model is cut."""

from __future__ import annotations

from simulator.cluster.lower.capacity import capacities
from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.layers import ModelCosts
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note, plain
from simulator.reporting.report.pictures.shapes import Cut, cuts_picture
from simulator.reporting.report.pointers import shown, word
from simulator.scenario import deployment
from simulator.scenario.precision import PrecisionChoice

MOST_WINDOWS = 24
"""Different deployments of a service that are listed."""
MOST_PICTURES = 2
"""Deployments of a service whose cuts are drawn."""


def _numbers(case: Case) -> Json | None:
    services = {service.info.name: _service(case, service.info.name) for service in case.lowered.services}
    return {"services": services} if services else None


def _service(case: Case, name: str) -> list[Json]:
    """Deployments in the order of their windows, each as long as it stands."""
    spec = case.scenario.services[name]
    lowered = next(one for one in case.lowered.services if one.info.name == name)
    exits = ModelExits(ModelCosts(case.scenario, spec.model, case.scenario.models[spec.model]))
    found: list[Json] = []
    for (start, window), arrays in zip(spec.timeline, lowered.deployments):
        entry = {
            "start": start,
            "exit_mode": window.exit_mode,
            "execution": window.execution,
            "routing": window.routing,
            "replicas": window.replicas,
            "layers": exits.layers,
            "ramps": list(exits.active(window)),
            "portions": [_portion(case, one, window) for one in window.portions],
            "reach": {one.layers: one.survival for one in capacities(lowered, arrays, case.lowered.overlap)},
        }
        if not found or {**found[-1], "start": 0} != {**entry, "start": 0}:
            found.append(entry)
    return found


def _portion(case: Case, one: deployment.Portion, window: deployment.Deployment) -> Json:
    pool = case.pools[one.pool]
    replicas = window.replicas if window.execution == "serial" else one.replicas
    each = pool.pool.devices_per_replica
    return {
        "layers": str(one.layers),
        "first": one.layers.first,
        "last": one.layers.last,
        "pool": one.pool,
        "device": pool.device or "own device",
        "replicas": replicas,
        "devices": None if replicas is None else replicas * each,
        "batch": one.batch,
        "max_wait": one.max_wait,
        "precision": _formats(one.precision),
        "weights": one.weights,
        "autoscaled": one.autoscale is not None or window.autoscale is not None,
    }


def _formats(precision: PrecisionChoice) -> str:
    if isinstance(precision, str):
        return precision
    return ", ".join(f"{layers}: {one}" for layers, one in precision.items())


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("deployment")
    assert numbers is not None
    blocks: list[Block] = []
    for place, (name, windows) in enumerate(numbers["services"].items()):
        for number, window in enumerate(windows[:MOST_WINDOWS]):
            if number < MOST_PICTURES and (len(window["portions"]) > 1 or window["ramps"]):
                blocks.append(_picture(f"cuts{place}-{number}", name, window, len(windows) > 1))
            blocks.append(_table(case, name, number, window, len(windows) > 1))
        first = windows[0]
        words = {
            "none": "no ramp answers",
            "at_cut": "requests leave at the cuts",
            "compact": "batches shrink at ramps",
        }
        told = words.get(first["exit_mode"], "answers leave at ramps, slots stay")
        serial = "one after another on the same device" if first["execution"] == "serial" else "on devices of their own"
        cut = "the model is cut" if len(first["reach"]) > 1 else "the model is whole"
        blocks.append(
            plain(f"{name}: {cut}, its portions run {serial}; {told}; queues: {first['routing'].replace('_', ' ')}.")
        )
        if len(windows) > MOST_WINDOWS:
            blocks.append(note(f"The first {MOST_WINDOWS} of {len(windows)} deployments of {name} are listed."))
    return blocks


def _when(window: Json, several: bool) -> str:
    return f" from {window['start']:g} s on" if several else ""


def _picture(place: str, name: str, window: Json, several: bool) -> Picture:
    cuts = []
    reach = window["reach"]
    whole = any(share < 1.0 for share in reach.values())
    for one in window["portions"]:
        count = f"{one['replicas']} × " if one["replicas"] else ""
        label = f"{one['layers']}: {count}{one['pool']}, batch {one['batch']}, {one['precision']}"
        cuts.append(Cut(one["first"], one["last"], label, reach.get(one["layers"]) if whole else None))
    spoken = "; ".join(cut.label for cut in cuts)
    portions = f"{len(reach)} portion{'' if len(reach) == 1 else 's'}"
    alt = f"{name}{_when(window, several)}: {window['layers']} layers in {portions}. {spoken}."
    picture = cuts_picture(cuts, window["ramps"], window["layers"], place, alt)
    return Picture(picture, f"{name}: where the model is cut{_when(window, several)}", alt)


def _table(case: Case, name: str, number: int, window: Json, several: bool) -> Table:
    header = ("layers", "pool", "replicas", "devices", "batch", "longest wait", "precision")
    rows: list[tuple[Cell, ...]] = []
    for row, _ in enumerate(window["portions"]):
        here = ("deployment", "services", name, number, "portions", row)
        rows.append(
            (
                word(case.tree, *here, "layers"),
                word(case.tree, *here, "pool"),
                shown(case.tree, "plain", *here, "replicas"),
                shown(case.tree, "plain", *here, "devices"),
                shown(case.tree, "plain", *here, "batch"),
                shown(case.tree, "seconds", *here, "max_wait"),
                word(case.tree, *here, "precision"),
            )
        )
    return Table(f"{name}: deployment{_when(window, several)}", header, tuple(rows))


PART = Part("deployment", "What is deployed", _numbers, _blocks)
