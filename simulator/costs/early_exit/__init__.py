"""Early exits: measured exit tables and marginal profiles, and the rules that say which exit answers."""

from __future__ import annotations

from simulator.costs.early_exit.confidence import Confidence
from simulator.costs.early_exit.entropy import Entropy, binary_entropy
from simulator.costs.early_exit.patience import Patience
from simulator.costs.early_exit.profiles import ProfileTable, profile_fires
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
from simulator.costs.early_exit.tables import ExitTable, load_table

__all__ = [
    "RULES",
    "Confidence",
    "Entropy",
    "ExitTable",
    "Patience",
    "ProfileTable",
    "Rule",
    "active_exits",
    "agreement",
    "binary_entropy",
    "correct",
    "fires",
    "first_exit",
    "load_table",
    "make_rule",
    "profile_fires",
    "survival",
]
