"""Mixed-integer programs by HiGHS, without a heuristic that does not pay."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from simulator.planner.optimize.problem import Floats, Ints

WITHOUT = {"mip_heuristic_run_feasibility_jump": False}
"""*Feasibility jump* takes twice as long as all the rest of programs as small as a plan's, and of such ones HiGHS
reports that it crashed or did not end (its issues 2477 and 3262). What is found without it is as good: it is proved."""


def mixed_integer(costs: Floats, whole: Ints, bounds: Any, constraints: Sequence[Any], **options: Any) -> Any:
    """``scipy.optimize.milp`` with ``options`` by name; ``whole``: 1 where a variable is a whole number, else 0."""
    from scipy.optimize import OptimizeWarning, milp

    with warnings.catch_warnings():  # scipy hands on options of HiGHS by name, but says so; an older HiGHS has no such
        warnings.filterwarnings("ignore", "Unrecognized options", RuntimeWarning)
        warnings.filterwarnings("ignore", "Unrecognized options", OptimizeWarning)
        chosen: Any = {**options, **WITHOUT}
        return milp(costs, integrality=whole, bounds=bounds, constraints=constraints, options=chosen)
