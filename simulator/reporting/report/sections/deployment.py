"""What is deployed when: portions, devices, batches and precision, and where the model is cut."""

from __future__ import annotations

from simulator.cluster.lower.capacity import capacities
from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.layers import ModelCosts
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note, plain
from simulator.reporting.report.pictures.shapes import Cut, cuts_picture
from simulator.reporting.report.pointers import clock, shown, word
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
                blocks.append(_picture(case, f"cuts{place}-{number}", name, window, len(windows) > 1))
            blocks.append(_table(case, name, number, window, len(windows) > 1))
        blocks += [plain(f"{name}{text}.") for text in _how(case, windows)]
        if len(windows) > MOST_WINDOWS:
            blocks.append(note(f"The first {MOST_WINDOWS} of {len(windows)} deployments of {name} are listed."))
    return blocks


def _how(case: Case, windows: list[Json]) -> list[str]:
    """How it is cut, run, left and queued for: once where all windows agree, else for each that changes something."""
    told: list[tuple[Json, str]] = []
    for window in windows[:MOST_WINDOWS]:
        layers = ", ".join(map(str, window["ramps"])) or "none"
        leave = {
            "none": "no ramp answers",
            "at_cut": f"requests leave at the cuts (ramps after layers {layers})",
            "compact": f"batches shrink at ramps (after layers {layers})",
        }.get(window["exit_mode"], f"answers leave at ramps (after layers {layers}), slots stay")
        serial = window["execution"] == "serial"
        run = "one after another on the same device" if serial else "on devices of their own"
        cut = "the model is cut" if len(window["reach"]) > 1 else "the model is whole"
        queues = window["routing"].replace("_", " ")
        text = f"{cut}, its portions run {run}; {leave}; queues: {queues}"
        if not told or told[-1][1] != text:
            told.append((window, text))
    return [f"{_when(case, window, len(told) > 1)}: {text}" for window, text in told]


def _when(case: Case, window: Json, several: bool) -> str:
    return f" from {clock(window['start'], case.lowered.duration_s)} on" if several else ""


def _picture(case: Case, place: str, name: str, window: Json, several: bool) -> Picture:
    cuts = []
    reach = window["reach"]
    whole = any(share < 1.0 for share in reach.values())
    for one in window["portions"]:
        count = f"{one['replicas']} × " if one["replicas"] else ""
        label = f"{one['layers']}: {count}{one['pool']}, batch {one['batch']}, {one['precision']}"
        cuts.append(Cut(one["first"], one["last"], label, reach.get(one["layers"]) if whole else None))
    spoken = "; ".join(cut.label for cut in cuts)
    portions = f"{len(reach)} portion{'' if len(reach) == 1 else 's'}"
    when = _when(case, window, several)
    alt = f"{name}{when}: {window['layers']} layers in {portions}. {spoken}."
    picture = cuts_picture(cuts, window["ramps"], window["layers"], place, alt)
    return Picture(picture, f"{name}: where the model is cut{when}", alt)


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
    return Table(f"{name}: deployment{_when(case, window, several)}", header, tuple(rows))


PART = Part("deployment", "What is deployed", _numbers, _blocks)
