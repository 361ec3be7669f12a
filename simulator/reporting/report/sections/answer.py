"""The answer in three sentences: does it hold, what does it cost, how much can go wrong."""

from __future__ import annotations

from collections import Counter

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Sentence, Words
from simulator.reporting.report.pointers import asked, fold, shown
from simulator.reporting.report.sections.load import held_by
from simulator.results.figures import ends

MANY = 3
"""Services, trainings or streams that are named one by one."""


def _numbers(case: Case) -> Json:
    figures = case.figures
    missed: dict[str, None] = {miss.service: None for miss in case.result.misses()}
    judged = [name for name, tree in figures["services"].items() if tree["attainment"] is not None]
    return {
        "missed": list(missed),
        "judged": judged,
        "devices": _devices(case),
        "varies": any(len(service.deployments) > 1 for service in case.lowered.services),
        "services": len(figures["services"]),
    }


def _devices(case: Case) -> int:
    """The most devices at one time: not the sum of what every pool holds at most, which windows hold at other times."""
    used = sum(tree["used"] or 0 for tree in case.figures["pools"].values())
    services = case.lowered.services
    starts = sorted({one.from_s for service in services for one in service.deployments})
    in_force = ([(one, [d for d in one.deployments if d.from_s <= start][-1]) for one in services] for start in starts)
    held = [Counter[int]() for _ in starts]
    for count, window in zip(held, in_force):
        for service, deployment in window:
            count.update(held_by(service, deployment))
    peaks = sum(max(count[pool] for count in held) for pool in {pool for count in held for pool in count})
    return used - peaks + max((count.total() for count in held), default=0)


def _blocks(case: Case) -> list[Block]:
    case.numbers("answer")
    sentences = (_does_it_hold(case), _what_it_costs(case), _what_can_go_wrong(case))
    return [Sentence(tuple(words), "lead") for words in sentences]


def _does_it_hold(case: Case) -> list[Words]:
    clauses = [_services(case)] if case.figures["services"] else []
    clauses += [_training(case, name) for name in list(case.figures["trainings"])[:MANY]]
    clauses += [_stream(case, name) for name in list(case.figures["streams"])[:MANY]]
    words: list[Words] = []
    for number, clause in enumerate(clauses):
        words += ["; "] * bool(number) + clause
    return _begun([*words, "."])


def _services(case: Case) -> list[Words]:
    numbers = case.numbers("answer")
    assert numbers is not None
    names, missed = list(case.figures["services"]), numbers["missed"]
    if len(names) == 1:
        return _one_service(case, names[0])
    if not numbers["judged"]:
        return [f"{len(names)} services are simulated, none of which states an objective"]
    if missed:
        words: list[Words] = [f"{len(missed)} of {len(names)} services miss their objective: "]
        for number, name in enumerate(missed[:MANY]):
            words += [", "] * bool(number) + [f"{name} answers ", _in_time(case, name), " in time"]
        return [*words, ", and others"] if len(missed) > MANY else words
    judged = numbers["judged"]
    words = [f"All {len(judged)} services that have an objective meet it: "]
    for number, name in enumerate(judged[:MANY]):
        words += [", "] * bool(number) + [f"{name} answers ", _in_time(case, name), " in time"]
    return [*words, ", and others"] if len(judged) > MANY else words


def _in_time(case: Case, name: str) -> Words:
    tree = case.figures["services"][name]
    return shown(case.tree, "share", "result", "services", name, "attainment", ends=ends(tree, "attainment"))


def _one_service(case: Case, name: str) -> list[Words]:
    tree, here = case.figures["services"][name], ("result", "services", name)
    rate = shown(case.tree, "rate", *here, "throughput", ends=ends(tree, "throughput"))
    p99 = shown(case.tree, "seconds", *here, "latency", "p99", ends=ends(tree, "p99"))
    slo = case.scenario.services[name].slo
    if slo is None or tree["attainment"] is None:
        return [f"Service {name} answers ", rate, ", 99 % of them within ", p99]
    numbers = case.numbers("answer")
    assert numbers is not None
    verdict = "misses its objective" if name in numbers["missed"] else "meets its objective"
    limit = asked(case.tree, "seconds", "money", "objectives", name, "latency")
    words: list[Words] = [
        f"Service {name} {verdict}: it answers ",
        rate,
        ", ",
        _in_time(case, name),
        " of them within ",
        limit,
    ]
    if slo.attainment is not None:
        words += [" (", asked(case.tree, "share", "money", "objectives", name, "attainment"), " asked)"]
    return [*words, ", 99 % of the answers within ", p99]


def _training(case: Case, name: str) -> list[Words]:
    tree, here = case.figures["trainings"][name], ("result", "trainings", name)
    pace = shown(case.tree, "seconds", *here, "iteration", ends=ends(tree, "iteration"))
    idle = shown(case.tree, "share", *here, "bubble_fraction", "makespan")
    words: list[Words] = [f"an iteration of {name} takes ", pace, ", in which the devices are idle for ", idle]
    if "fill" in tree and tree["fill"]["efficiency"] is not None:
        words += [", of which ", shown(case.tree, "share", *here, "fill", "efficiency"), " is put to use"]
    return words


def _stream(case: Case, name: str) -> list[Words]:
    tree, here = case.figures["streams"][name], ("result", "streams", name)
    pace = shown(case.tree, "seconds", *here, "step", ends=ends(tree, "step"))
    size = shown(case.tree, "plain", *here, "group")
    return [f"a step of {name} takes ", pace, " in groups of ", size, f" microbatches, bound by {tree['bound']}"]


def _what_it_costs(case: Case) -> list[Words]:
    case.numbers("money")
    names = list(case.figures["services"])
    devices = shown(case.tree, "plain", "answer", "devices")
    cost = shown(case.tree, "plain", "money", "cost_per_hour")
    plural = "" if devices.value == 1 else "s"
    varies = case.tree["answer"]["varies"]
    lead, often = ("It takes up to ", " at a time") if varies else ("It takes ", "")
    words: list[Words] = [lead, devices, f" device{plural}{often} and costs ", cost, " per hour"]
    if not cost.value:
        words = [lead, devices, f" device{plural}{often}, whose price nobody has stated"]
    elif len(names) == 1 and case.figures["services"][names[0]]["cost_per_million"] is not None:
        tree, here = case.figures["services"][names[0]], ("result", "services", names[0], "cost_per_million")
        words += [", ", shown(case.tree, "plain", *here, ends=ends(tree, "cost_per_million")), " per million answers"]
    elif len(case.figures["trainings"]) == 1 and not names:
        name = next(iter(case.figures["trainings"]))
        here = ("result", "trainings", name, "cost_per_iteration")
        words += [", ", shown(case.tree, "plain", *here), " per iteration"]
    elif len(case.figures["streams"]) == 1 and not names:
        name = next(iter(case.figures["streams"]))
        words += [", ", shown(case.tree, "plain", "result", "streams", name, "cost_per_step"), " per step"]
    return [*words, "."]


def _what_can_go_wrong(case: Case) -> list[Words]:
    return _begun([*_room(case), *_doubt(case), "."])


def _begun(words: list[Words]) -> list[Words]:
    """With a capital letter."""
    first = words[0]
    assert isinstance(first, str)
    return [first[:1].upper() + first[1:], *words[1:]]


def _room(case: Case) -> list[Words]:
    growth = case.numbers("growth")
    if growth is None:
        return []
    factor = growth["breaks"]["factor"]
    if factor is None:
        most = max((row["factor"] for row in growth["rows"] if row["holds"]), default=None)
        if most is None:
            return ["the objectives hold at none of the loads that were tried; "]
        return [f"the objectives hold up to {most:g} times the load, the most that was tried; "]
    figure = fold(case.tree, "growth", "breaks", "factor")
    if factor < 1.0:
        return ["the objectives hold only up to ", figure, " the simulated load; "]
    return ["the load may grow to ", figure, " the simulated one before an objective is missed; "]


def _doubt(case: Case) -> list[Words]:
    numbers = case.numbers("doubt")
    assert numbers is not None
    if not numbers["draws"]:
        return ["no time in it has a known calibration error, so that figures are as good as the times they start from"]
    errors = [one["error"] for one in numbers["varied"]]
    told = f"{100 * max(errors):.2g} %"
    for section, key, what in (
        ("services", "latency.p99", "the p99 of {}"),
        ("trainings", "iteration", "an iteration of {}"),
        ("streams", "step", "a step of {}"),
    ):
        for name, bands in numbers[section].items():
            if bands.get(key, {}).get("low") is not None:
                low, high = (shown(case.tree, "seconds", "doubt", section, name, key, end) for end in ("low", "high"))
                lead = f"times are known to about {told}, by which {what.format(name)} may lie between "
                return [lead, low, " and ", high]
    return [f"times are known to about {told}"]


PART = Part("answer", "The answer", _numbers, _blocks)
