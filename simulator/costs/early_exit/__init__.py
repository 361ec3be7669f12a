"""Early exits: which exit answers (tables, profiles, rules), what it costs, and what a deployment can carry.

Times are arrays of shape (layers, batch + 1): row l - 1 belongs to layer l or its ramp, column b to a batch of b
requests, column 0 is 0. Survival ``S_l`` is the share of requests that needs layer l, one number per layer. What a
scenario writes of exits becomes rows in ``sources``, which needs more than numpy and is not loaded here.
"""

from __future__ import annotations

from simulator.costs.early_exit.affine import (
    Interval,
    compact_capacity,
    compact_seconds,
    split_capacity,
    split_seconds,
    splitting_wins,
    upper_end,
    vanilla_capacity,
    vanilla_seconds,
    winning_runs,
)
from simulator.costs.early_exit.batches import binomial, compact_batch, expected_compact, expected_transfer
from simulator.costs.early_exit.confidence import Confidence
from simulator.costs.early_exit.depth import (
    active_ramps,
    exit_columns,
    exit_layers,
    held,
    leave_at_cuts,
    portions,
    reach,
)
from simulator.costs.early_exit.entropy import Entropy, binary_entropy
from simulator.costs.early_exit.patience import Patience
from simulator.costs.early_exit.profiles import ProfileTable, profile_fires
from simulator.costs.early_exit.reading import load_table
from simulator.costs.early_exit.replay import Blocks, Drawn, Mix, Replay, Replayed, RowSource, order_of
from simulator.costs.early_exit.routed import load_choices, load_confusion
from simulator.costs.early_exit.router import Router, checked_confusion
from simulator.costs.early_exit.rules import (
    RULES,
    Rule,
    active_exits,
    agreement,
    correct,
    fires,
    first_exit,
    make_rule,
    survival,
)
from simulator.costs.early_exit.scores import Estimate, Score, resampled_reach, score
from simulator.costs.early_exit.steady import Capacity, Costs, PortionCapacity, busy_seconds, capacity
from simulator.costs.early_exit.steps import (
    law_times,
    layer_times,
    measured_ramps,
    relative_ramps,
    transfer_times,
)
from simulator.costs.early_exit.tables import ExitTable, joined

__all__ = [
    "RULES",
    "Blocks",
    "Capacity",
    "Confidence",
    "Costs",
    "Drawn",
    "Entropy",
    "Estimate",
    "ExitTable",
    "Interval",
    "Mix",
    "Patience",
    "PortionCapacity",
    "ProfileTable",
    "Replay",
    "Replayed",
    "Router",
    "RowSource",
    "Rule",
    "Score",
    "active_exits",
    "active_ramps",
    "agreement",
    "binary_entropy",
    "binomial",
    "busy_seconds",
    "capacity",
    "checked_confusion",
    "compact_batch",
    "compact_capacity",
    "compact_seconds",
    "correct",
    "exit_columns",
    "exit_layers",
    "expected_compact",
    "expected_transfer",
    "fires",
    "first_exit",
    "held",
    "joined",
    "law_times",
    "layer_times",
    "leave_at_cuts",
    "load_choices",
    "load_confusion",
    "load_table",
    "make_rule",
    "measured_ramps",
    "order_of",
    "portions",
    "profile_fires",
    "reach",
    "relative_ramps",
    "resampled_reach",
    "score",
    "split_capacity",
    "split_seconds",
    "splitting_wins",
    "survival",
    "transfer_times",
    "upper_end",
    "vanilla_capacity",
    "vanilla_seconds",
    "winning_runs",
]
