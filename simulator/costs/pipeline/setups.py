"""How training runs were set up, as columns: model, batch and parallelism of many iterations at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats: TypeAlias = NDArray[np.float64]

VOCABULARY = 51200.0
"""GPT-2's 50,257 tokens, padded as Megatron-LM pads them for tensor parallelism."""
NODE = 8.0
"""Devices of one node that share the fast links (DGX A100 and alike)."""
FORWARD_AND_BACKWARD = 3.0
"""Passes over a layer, each counted as one forward: forward 1, backward 2 (input and weight gradients)."""


@dataclass(frozen=True, slots=True)
class Setups:
    """Columns of equal length, one entry per training iteration; all whole numbers of at least 1 unless said.

    ``microbatches`` per pipeline and iteration; ``micro_batch`` sequences in each; ``hidden``, ``heads``,
    ``layers``, ``seq_len`` and ``vocabulary`` of the model; ``tp``, ``dp``, ``pp`` the tensor-, data- and
    pipeline-parallel sizes; ``chunks`` model chunks per stage (interleaved schedule); ``node`` devices that share
    the fast links. ``recomputed`` and ``scores_recomputed`` (0 or 1): the backward pass repeats the forward pass
    (activation checkpointing), or that of the attention scores; ``sequence_parallel`` (0 or 1).
    """

    microbatches: Floats
    micro_batch: Floats
    hidden: Floats
    heads: Floats
    layers: Floats
    seq_len: Floats
    tp: Floats
    dp: Floats
    pp: Floats
    chunks: Floats
    recomputed: Floats
    scores_recomputed: Floats
    sequence_parallel: Floats
    vocabulary: Floats
    node: Floats

    def __len__(self) -> int:
        return len(self.hidden)

    def where(self, picked: NDArray[np.bool_] | NDArray[np.int64]) -> Setups:
        """Some of the iterations."""
        return Setups(**{field.name: getattr(self, field.name)[picked] for field in fields(self)})

    def table(self) -> Floats:
        """All columns side by side, (iterations, columns): equal rows are equal setups."""
        return np.column_stack([getattr(self, field.name) for field in fields(self)])

    def shapes(self) -> Floats:
        """What decides the kernels of a layer, (iterations, 5): hidden, heads, seq_len, micro_batch, tp."""
        return np.column_stack([self.hidden, self.heads, self.seq_len, self.micro_batch, self.tp])

    def layouts(self) -> Floats:
        """How the devices are divided, (iterations, 3): tp, dp, pp."""
        return np.column_stack([self.tp, self.dp, self.pp])


_REQUIRED = ("micro_batch", "hidden", "layers", "seq_len")
_ABSENT = {"vocabulary": VOCABULARY, "node": NODE, "recomputed": 1.0, "scores_recomputed": 1.0}
_SWITCHES = ("recomputed", "scores_recomputed", "sequence_parallel")
HEAD_WIDTH = 128.0
"""Width of an attention head where the number of heads is not given."""


def setups(columns: Mapping[str, ArrayLike] | Setups) -> Setups:
    """Columns by name as ``Setups``: what is absent is 1 (``tp``, ``dp``, ``pp``, ``chunks``) or the usual value.

    ``microbatches`` may be left out for ``global_batch``, which is divided among the ``dp`` pipelines and cut into
    microbatches (a smaller last one counts as one). Recomputation is on where no column says otherwise.

    >>> setups({"global_batch": [16, 32], "micro_batch": 2, "hidden": 1024, "layers": 24, "seq_len": 1024}).microbatches
    array([ 8., 16.])
    """
    if isinstance(columns, Setups):
        return columns
    known = {field.name for field in fields(Setups)} | {"global_batch"}
    given = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items() if name in known}
    missing = [name for name in _REQUIRED if name not in given]
    if not {"microbatches", "global_batch"} & set(given):
        missing.append("microbatches (or global_batch)")
    if missing:
        raise ScenarioError(Problem(f"training iterations need {', '.join(missing)}", path=missing[0].split()[0]))
    given.setdefault("heads", np.maximum(np.floor(given["hidden"] / HEAD_WIDTH), 1.0))
    for field in fields(Setups):
        if field.name not in given and field.name != "microbatches":
            absent = _ABSENT.get(field.name, 0.0 if field.name in _SWITCHES else 1.0)
            given[field.name] = np.asarray(absent)
    if "microbatches" not in given:
        given["microbatches"] = np.ceil(given["global_batch"] / (given["dp"] * given["micro_batch"]))
    given.pop("global_batch", None)
    shape = np.broadcast_shapes((1,), *(column.shape for column in given.values()))
    found = Setups(**{name: np.broadcast_to(column, shape) for name, column in given.items()})
    _check(found)
    return found


def _check(found: Setups) -> None:
    for field in fields(found):
        column = getattr(found, field.name)
        least = 0.0 if field.name in _SWITCHES else 1.0
        if not (np.isfinite(column).all() and (column >= least).all()):
            raise ScenarioError(Problem(f"must be finite and at least {least:g}", path=field.name))
