"""Histories with known patterns."""

from __future__ import annotations

import numpy as np

from simulator.workload.forecast.regular import Regular

HOUR = 3600.0


def daily(days: int, seed: int = 0, level: float = 100.0, noise: float = 0.05) -> np.ndarray:
    """Hourly load with a daily wave and quiet Sundays; noise is lognormal, hour by hour."""
    hours = np.arange(days * 24)
    wave = 1 + 0.5 * np.cos(2 * np.pi * (hours % 24 - 15) / 24)
    week = np.where(hours // 24 % 7 == 6, 0.6, 1.0)
    return level * wave * week * np.exp(noise * np.random.default_rng(seed).standard_normal(hours.size))


def regular(values: np.ndarray, start: float = 0.0) -> Regular:
    return Regular(start, HOUR, np.asarray(values, dtype=float))
