"""Settings for every test: where ``tests`` is imported from, and hypothesis without a clock."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # the importlib mode of pytest leaves the path alone
    sys.path.insert(0, str(ROOT))

# Fixed examples and no deadline: a test must not depend on the speed of the machine or on luck.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")
