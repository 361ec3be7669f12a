"""``plan calibrate ramps``: a features file in, a comparison out, exit tables and weights when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.calibration.ramps import RampStudy


def run_ramps(
    features: Path,
    folder: Path | None,
    settings: dict[str, Any],
    progress: Callable[[float], object] | None = None,
    **asked: Any,
) -> tuple[RampStudy, list[Path]]:
    """Train, write ``folder`` when given, and return the study and the files written."""
    from simulator.calibration.ramps import Settings, check_folder, train_ramps

    if folder is not None:
        check_folder(folder, [features])
    study = train_ramps(features, settings=Settings(**settings), progress=progress, **asked)
    figures = study.figures  # before the first file: what fails, fails without a trace
    assert figures
    return study, study.write(folder) if folder is not None else []


def ramps_text(figures: dict[str, Any], width: int) -> str:
    """The comparison for people: accuracy per exit, accuracy and layers per threshold, twin and router."""
    from simulator.reporting.grid import wrapped

    source = figures["source"]
    rows = ", ".join(f"{source[part]:,} {part}" for part in ("train", "validation", "test"))
    exits = len(figures["layers"])
    head = f"{source['file']}: {source['rows']:,} rows ({rows}), {figures['classes']} classes, {exits} exits"
    parts = [wrapped(head, width, "  "), *_comparison(figures, width)]
    if figures["twin"] is not None:
        parts.append(wrapped(_twin(figures["twin"]), width, "  "))
    if figures["router"] is not None:
        parts.append(_router(figures["router"], figures["chosen"], width))
    parts += [wrapped(f"note: {note}", width, "  ") for note in figures["notes"]]
    return "\n\n".join(parts) + "\n"


def _comparison(figures: dict[str, Any], width: int) -> list[str]:
    from simulator.reporting.grid import grid, wrapped

    variants = figures["variants"]
    layers = [f"layer {layer}" for layer in figures["layers"]]
    accuracy = [[name, *(_percent(share) for share in one["accuracy"])] for name, one in variants.items()]
    thresholds = [f"{point['threshold']:g}" for point in next(iter(variants.values()))["thresholds"]]
    points = [[name, *(_point(point) for point in one["thresholds"])] for name, one in variants.items()]
    low, high = next(iter(variants.values()))["compared_layers"]
    budget = f"{100 * figures['settings']['accuracy_budget']:g} %"
    return [
        "accuracy of every exit on all test rows\n" + grid(["variant", *layers], accuracy, width),
        "accuracy at mean layers, by threshold\n" + grid(["variant", *thresholds], points, width),
        wrapped(f"threshold chosen on the validation rows to cost at most {budget} accuracy", width)
        + "\n"
        + grid(["variant", "threshold", "accuracy", "95 %", "mean layers", "95 %"], _operating(variants), width),
        wrapped(f"mean accuracy at equal mean layers, {low:.2f} to {high:.2f}, against independent ramps", width)
        + "\n"
        + grid(["variant", "accuracy", "gain", "95 %", "verdict"], _gains(variants), width)
        + f"\nchosen on the validation rows: {figures['chosen']}{_why(figures)}",
    ]


def _operating(variants: dict[str, Any]) -> list[list[str]]:
    found = []
    for name, one in variants.items():
        point = one["operating_point"]
        accuracy, layers = point["accuracy_ci95"], point["mean_layers_ci95"]
        shown = f"{_percent(accuracy[0])} .. {_percent(accuracy[1])}", f"{layers[0]:.2f} .. {layers[1]:.2f}"
        share = _percent(point["accuracy"])
        found.append([name, f"{point['threshold']:.4g}", share, shown[0], f"{point['mean_layers']:.2f}", shown[1]])
    return found


def _gains(variants: dict[str, Any]) -> list[list[str]]:
    found = []
    for name, one in variants.items():
        gain: Sequence[str] = ("", "", "")
        if "against_independent" in one:
            against = one["against_independent"]
            low, high = against["ci95"]
            middle = f"{100 * low:+.2f} .. {100 * high:+.2f}"
            gain = (f"{100 * against['accuracy']:+.2f} points", middle, against["verdict"])
        found.append([name, _percent(one["mean_accuracy_at_equal_layers"], 2), *gain])
    return found


def _why(figures: dict[str, Any]) -> str:
    alone = figures["chosen"] == "independent" and len(figures["variants"]) > 1
    return " (no other is surely better there)" if alone else ""


def _twin(twin: dict[str, Any]) -> str:
    exits = ", ".join(_percent(share) for share in twin["accuracy"])
    alone = ", ".join(_percent(share) for share in twin["accuracy_without_teacher"])
    fed = "the query" if twin["fed_by"] == "query" else "the first state"
    text = f"twin, fed by {fed}: {twin['parameters']:,} parameters, accuracy per exit {exits} (labels only: {alone}). "
    text += f"At {twin['threshold']:g} it answers {_percent(twin['answered'])}"
    if twin["accuracy_where_answered"] is not None:
        text += f", {_percent(twin['accuracy_where_answered'])} of them rightly"
    together, main = _percent(twin["accuracy_together"]), _percent(twin["accuracy_main"])
    return f"{text}; with the model's end for the rest {together} (the end alone {main})"


def _router(router: dict[str, Any], chosen: str, width: int) -> str:
    from simulator.reporting.grid import grid, wrapped

    text = (
        f"router for {chosen} at {router['threshold']:g}: {_percent(router['hit_rate'])} sent to the right exit "
        f"(always the most frequent one: {_percent(router['hit_rate_most_frequent'])}), "
        f"{_percent(router['too_early'])} too early, {_percent(router['too_late'])} too late. Accuracy "
        f"{_percent(router['accuracy'])} at {router['mean_layers']:.2f} layers; the same choices dealt blindly "
        f"{_percent(router['shuffled_accuracy'])}; the rule {_percent(router['rule_accuracy'])} at "
        f"{router['rule_mean_layers']:.2f}"
    )
    exits = range(1, len(router["counts"]) + 1)
    rows = [[f"leaves at {k}", *map(str, counts)] for k, counts in zip(exits, router["counts"])]
    return wrapped(text, width, "  ") + "\n" + grid(["test rows", *(f"sent to {k}" for k in exits)], rows, width)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _point(point: dict[str, Any]) -> str:
    return f"{100 * point['accuracy']:.1f} at {point['mean_layers']:.2f}"
