"""The tables of what runs in the idle windows of a training."""

from __future__ import annotations

from simulator.results.cohort import Json
from simulator.results.shown import Block
from simulator.results.units import measure


def fill_blocks(name: str, tree: Json) -> list[Block]:
    """How much of the idle time was recovered, at what cost, and what was done in it."""
    rows = [
        ["idle device time", measure(tree["idle"], "seconds")],
        ["recovered", measure(tree["recovered"], "seconds")],
        ["fill efficiency", measure(tree["efficiency"], "share")],
        ["devices saved", measure(tree["devices_saved"], "plain")],
        ["slowdown of the training", measure(tree["slowdown"], "share")],
        ["slowdown budget", measure(tree["slowdown_budget"], "share")],
    ]
    if tree["windows_recomputed"]:
        rows.append(["windows computed anew", measure(tree["windows_recomputed"], "plain")])
    found = [Block(f"{name}, idle windows", ["", ""], rows)]
    if tree["second"] is not None:
        found.append(_second(tree["second"]))
    found.append(Block("", ["fill job", "done", "per second", "work", "devices saved", "in time"], _jobs(tree["jobs"])))
    if tree["policy"] is not None:
        found.append(_policies(tree["policy"]))
    services = [[service, *_service(figures)] for service, figures in tree["services"].items()]
    found.append(Block("", ["service", "per second", "attainment", "mean", "p99", "mean batch"], services))
    return found


def _second(tree: Json) -> Block:
    most = "proven maximum" if tree["is_proven_maximum"] else f"{measure(tree['share_of_bound'], 'share')} of it"
    iteration = tree["iteration"]
    rows = [
        ["iterations", measure(tree["iterations"], "plain")],
        ["time per iteration", measure(iteration, "seconds") if iteration is not None else "none was through"],
        ["pace, alone on such devices = 1", measure(tree["relative_rate"], "plain")],
        ["utilization, both instances", measure(tree["utilization"], "share")],
        ["proven bound on it", f"{measure(tree['bound'], 'share')} (reached: {most})"],
        ["if it kept pace with the first", measure(tree["pace_bound"], "share")],
    ]
    barrier = "an update barrier" if tree["barrier"] else "no update barrier"
    return Block(f"second instance, {tree['microbatches']} microbatches, {barrier}", ["", ""], rows)


def _jobs(tree: Json) -> list[list[str]]:
    late = {None: "", True: "yes", False: "no"}
    return [
        [
            name,
            measure(job["done"], "plain"),
            measure(job["throughput"], "plain"),
            measure(job["work"], "seconds"),
            measure(job["devices_saved"], "plain"),
            late.get(job["in_time"], measure(job["in_time"], "share")),
        ]
        for name, job in tree.items()
    ]


def _policies(tree: Json) -> Block:
    best = tree["optimum"]
    head = ["policy", "fills", "gap to the optimum"]
    rows = [
        [
            f"{name} (chosen)" if name == tree["name"] else name,
            measure(share, "share"),
            "" if tree["gap"][name] is None else measure(tree["gap"][name], "share"),
        ]
        for name, share in tree["efficiency"].items()
    ]
    if best is not None:
        rows.append(["optimum (mixed-integer)", measure(best, "share"), ""])
    return Block("windows of one iteration", head, rows)


def _service(tree: Json) -> list[str]:
    latency = tree["latency"]
    return [
        measure(tree["throughput"], "plain"),
        measure(tree["attainment"], "share"),
        measure(latency["mean"], "seconds"),
        measure(latency["p99"], "seconds"),
        measure(tree["portions"][0]["mean_batch"], "plain"),
    ]
