"""Time of a batch inside one portion: of a known composition, and expected over random ones.

Requests of a batch are independent draws of exit rows. Given that a request entered the portion (layers i to j), it
needs layer l with probability ``p_l = S_l / S_i``, so that ``N_l ~ Binomial(B, p_l)`` requests of a batch of B run it.
Expected times are exact: sums over the distribution of ``N_l``, never the time of its mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def binomial(batch: int, share: ArrayLike) -> Floats:
    """``P(N = n)`` of ``N ~ Binomial(batch, share)`` for n = 0 .. batch; one row per share.

    >>> binomial(2, [0.5, 1.0]).round(12).tolist()
    [[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]
    """
    stays = np.atleast_1d(np.asarray(share, dtype=np.float64))[:, None]
    return _terms(batch, stays, 1.0 - stays)


def _terms(batch: int, stays: Floats, gone: Floats) -> Floats:
    """``C(batch, n) stays^n gone^(batch - n)``, in logarithms so that large batches do not overflow."""
    n = np.arange(batch + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, batch + 1)))])
    choices = factorial[-1] - factorial - factorial[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):  # 0^0 is 1: a term without factors has none
        inside = np.where(n > 0, n * np.log(stays), 0.0) + np.where(n < batch, (batch - n) * np.log(gone), 0.0)
        terms: Floats = np.exp(choices + inside)
    return terms


def compact_batch(
    exit_layer: ArrayLike, layers: Floats, ramps: Floats | None = None, gather: Floats | None = None, first: int = 1
) -> Floats:
    """Time of shrinking batches of known composition [s].

    ``exit_layer`` (..., B) is the layer after which each request of a batch leaves; ``layers``, ``ramps`` and
    ``gather`` are the rows of the portion alone, its first layer being ``first``. A layer and its ramp run on the n
    requests left, ``t_l(n) + r_l(n)``; where some leave and n' > 0 stay for the next layer of the portion, these are
    gathered, ``g_l(n')``.

    >>> layers = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    >>> compact_batch([[2, 2], [1, 2], [1, 1]], layers, gather=0.5 * layers).tolist()
    [4.0, 3.5, 2.0]
    """
    leave = np.asarray(exit_layer, dtype=np.int64)
    numbers = np.arange(first, first + len(layers))
    left = (leave[..., None, :] >= numbers[:, None]).sum(axis=-1)
    rows = np.arange(len(layers))
    total: Floats = (layers if ramps is None else layers + ramps)[rows, left].sum(axis=-1)
    if gather is not None:
        before, after = left[..., :-1], left[..., 1:]
        total = total + np.where((after < before) & (after > 0), gather[rows[:-1], after], 0.0).sum(axis=-1)
    return total


def expected_compact(
    share: ArrayLike, batch: int, layers: Floats, ramps: Floats | None = None, gather: Floats | None = None
) -> float:
    """Expected time of a shrinking batch that enters a portion with ``batch`` requests [s].

    .. math:: \\sum_l E[t_l(N_l) + r_l(N_l)] + \\sum_l \\sum_{n \\ge 1} g_l(n) (P(N_{l+1} = n) - P(N_l = N_{l+1} = n))

    ``share`` are the ``p_l`` of the portion's layers, the first of them 1; arrays as in ``compact_batch``. The chance
    that nobody of n leaves after layer l is ``C(B, n) p_{l+1}^n (1 - p_l)^(B - n)``.
    """
    share = np.asarray(share, dtype=np.float64)
    chance = binomial(batch, share)
    steps = layers if ramps is None else layers + ramps
    seconds = float((chance * steps[:, : batch + 1]).sum())
    if gather is not None and len(share) > 1:
        together = _terms(batch, share[1:, None], 1.0 - share[:-1, None])
        leaving = (chance[1:] - together)[:, 1:]
        seconds += float((leaving * gather[:-1, 1 : batch + 1]).sum())
    return seconds


def expected_transfer(share: float, batch: int, transfer: Floats) -> float:
    """Expected time to hand on the survivors of a batch, each surviving with probability ``share`` [s].

    ``transfer`` (batch + 1,) is the time by number of survivors.
    """
    return float(binomial(batch, share)[0] @ transfer[: batch + 1])
