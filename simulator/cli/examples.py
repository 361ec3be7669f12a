"""An example of every verb, shown at the end of its help; files are those of the project's folder."""

from __future__ import annotations

EXAMPLES: dict[str, str] = {
    "simulate": "plan simulate scenarios/mmc.yaml --set seed=8 --json",
    "optimize": "plan optimize scenarios/plan-fixed-cluster.yaml --variant steady -o plan.yaml",
    "backtest": "plan backtest scenarios/plan-day-sentiment.yaml --series load.csv --from 6d --days 4",
    "report": "plan report scenarios/quickstart.yaml -o report.html",
    "export": "plan export plan.yaml --to kubernetes -o deploy",
    "sweep": "plan sweep scenarios/quickstart.yaml --set services.chat.deployment.portions.0.replicas=1,2 -o sweep.csv",
    "compare": "plan compare scenarios/quickstart.yaml scenarios/quickstart.yaml@fewer",
    "saturate": "plan saturate scenarios/quickstart.yaml",
    "exits": "plan exits scenarios/early-exit-e3.yaml --batch 8",
    "pipeline": "plan pipeline scenarios/pipeline-1f1b.yaml --schedule zb-v --gantt zb-v.svg",
    "stream": "plan stream scenarios/stream-70b-laptop.yaml --plot groups.svg",
    "forecast": "plan forecast load.csv --to 1h --horizon 24h --quantiles .5,.95 --plot load.svg",
    "validate": "plan validate scenarios/quickstart.yaml scenarios/faults.yaml",
    "schema": "plan schema -o scenario.schema.json",
    "init": "plan init my.yaml",
    "catalogue": "plan catalogue devices v100-16gb",
    "calibrate fit": "plan calibrate fit rows.csv --time latency_us --group gpu,dtype -o costs.yaml",
    "calibrate measure": "plan calibrate measure --kind mlp block=768-3072-768 --variant fp32 -o rows.csv",
    "calibrate precision": "plan calibrate precision network.npz --times times.csv --batch 16 -o tuned",
    "calibrate ramps": "plan calibrate ramps features.npz -o trained",
}


def epilog(verb: str) -> str:
    """The last line of a verb's help."""
    return f"Example: {EXAMPLES[verb]}"
