"""Strict JSON: the same bytes for the same figures, and no NaN."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Copy of a tree with plain Python numbers; NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_json(value: Any) -> str:
    """Indented JSON text of a tree, ASCII, keys in the tree's order, floats in their shortest exact form.

    >>> print(to_json({"p99": 0.1, "accuracy": float("nan")}))
    {
      "p99": 0.1,
      "accuracy": null
    }
    """
    return json.dumps(plain(value), indent=2, allow_nan=False)
