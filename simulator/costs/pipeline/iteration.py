"""Time of a whole training iteration of a Transformer under tensor, data and pipeline parallelism.

The law is a sum of physical parts, so that few measured iterations are enough and other sizes can be asked for:

* Matrix products: a block's forward needs ``s b h (24 h + 4 s)`` FLOP (Korthikanti et al., arXiv 2205.05198; Zero
  Bubble, arXiv 2401.10241, Table 1), the backward twice that, recomputation once more. Narrow or short products do
  not reach the peak: half-performance lengths (Hockney) in ``hidden / tp`` and in tokens.
* Element-wise kernels and attention scores by the elements they touch; tensor-parallel all-reduces by bytes (a ring
  moves ``2 (t - 1) / t`` of them) and by latency.
* Small kernels are bound by their launches: a layer takes the smooth maximum of its launches and its work.
* The schedule: 1F1B with unequal stages takes ``sum S_i + (m - 1) max S_i``; v chunks shorten the ramp by v.
* Once per iteration: gradients by ring over ``dp`` (within a node or beyond), optimizer, a constant.

What the kernel library does for one exact shape (a layer's products at one micro batch and width) is not smooth; it
is kept as a measured factor per shape, shrunk towards 1, and likewise per layout (tp, dp, pp) for the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.law import require
from simulator.costs.pipeline.setups import FORWARD_AND_BACKWARD, Floats, Setups, setups
from simulator.errors import Problem, ScenarioError

Factors: TypeAlias = tuple[tuple[float, ...], ...]
"""Rows of a key and the natural logarithm of its factor."""


class Work(NamedTuple):
    """What every iteration has to do, in the units that the parameters of the law multiply; see ``work``."""

    visits: Floats
    passes: Floats
    flop: Floats
    narrow: Floats
    tokens: Floats
    elements: Floats
    split_elements: Floats
    scores: Floats
    reduced: Floats
    groups: Floats
    ranks: Floats
    microbatches: Floats
    head_flop: Floats
    logits: Floats
    filled: Floats
    hops: Floats
    moved: Floats
    far_moved: Floats
    parameters: Floats
    gradients: Floats
    far_gradients: Floats
    spread: Floats


def work(columns: Mapping[str, ArrayLike] | Setups) -> Work:
    """Amounts of work of every iteration, without any property of the devices.

    Per layer, microbatch and device: ``flop``; ``elements`` (each device) and ``split_elements`` (a share of them);
    ``scores``; ``reduced`` elements sent in all-reduces; over all ``passes``. ``visits`` is how many layer times
    follow one another on the critical path, ``filled`` the same for times of one stage and microbatch.
    """
    c = setups(columns)
    tokens = c.seq_len * c.micro_batch
    most = np.ceil(c.layers / c.pp)
    ramp = 1.0 / c.chunks
    passes = FORWARD_AND_BACKWARD + c.recomputed
    scores = FORWARD_AND_BACKWARD + np.maximum(c.recomputed, c.scores_recomputed)
    share = (c.tp - 1.0) / c.tp
    states = tokens * c.hidden
    # Two all-reduces per pass forward and two backward; recomputation repeats the forward ones.
    reduced = 2.0 * share * states * (4.0 + 2.0 * c.recomputed)
    hops, far = _hops(c)
    own = (12.0 * c.hidden**2 * most + c.vocabulary * c.hidden) / c.tp
    ring = 2.0 * own * (c.dp - 1.0) / c.dp
    beyond = c.tp * c.dp > c.node
    return Work(
        visits=c.microbatches * most + (c.layers - most) * ramp,
        passes=passes,
        flop=states * (24.0 * c.hidden * passes + 4.0 * c.seq_len * scores) / c.tp,
        narrow=c.tp / c.hidden,
        tokens=tokens,
        elements=states * passes / np.where(c.sequence_parallel > 0, c.tp, 1.0),
        split_elements=states * passes / c.tp,
        scores=tokens * c.heads * c.seq_len * scores / c.tp,
        reduced=reduced,
        groups=np.log2(c.tp) * passes,
        ranks=(c.tp - 1.0) * passes,
        microbatches=c.microbatches,
        head_flop=6.0 * tokens * c.hidden * c.vocabulary / c.tp,
        logits=tokens * c.vocabulary / c.tp,
        filled=c.microbatches + (c.pp - 1.0) * ramp,
        hops=hops,
        moved=hops * (1.0 - far) * states,
        far_moved=hops * far * states,
        parameters=own,
        gradients=np.where(beyond, 0.0, ring),
        far_gradients=np.where(beyond, ring, 0.0),
        spread=np.log2(np.maximum(c.tp * c.dp * c.pp / c.node, 1.0)),
    )


def _hops(c: Setups) -> tuple[Floats, Floats]:
    """Transfers between stages on the critical path, and the share of them that leaves the node.

    1F1B: ``2 [(p - 1) + (m - 1) - ceil((m - 1) / p)]``; with v > 1 chunks ``2 (v p - 1)`` (dependencies alone).
    """
    later = c.microbatches - 1.0
    plain = 2.0 * ((c.pp - 1.0) + later - np.ceil(later / c.pp))
    hops = np.where(c.pp > 1, np.where(c.chunks > 1, 2.0 * (c.chunks * c.pp - 1.0), plain), 0.0)
    crossed = np.ceil(c.pp * c.tp * c.dp / c.node) - 1.0
    return hops, np.clip(crossed / np.maximum(c.pp - 1.0, 1.0), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class IterationLaw:
    r"""Seconds of a training iteration.

    .. math:: T = (1 + \gamma \log_2 n) e^{w} \left(V e^{u} \ell + R\right), \quad
              \ell = \left((\text{launches})^q + (\text{work})^q\right)^{1/q}

    V layer times on the critical path (``visits``), l one layer of one microbatch with all its passes, R the rest,
    n nodes, u and w the factors of the layer's shape and of the layout (0 where unknown).

    ==================== ========================================================================================
    ``flops_per_s``      rate of large matrix products of one device [FLOP/s]
    ``width_half``       ``hidden / tp`` at which products reach half of it; ``tokens_half`` likewise in tokens
    ``element_s``        element-wise work on every device of a tensor group [s per token and hidden unit, and pass]
    ``split_element_s``  the same for work that the group divides; ``score_s`` [s per attention score and pass]
    ``reduce_s``         all-reduce of a tensor group [s per element moved]; ``reduce_latency_s`` [s per log2 tp, pass]
    ``launch_s``         launches of a layer [s per pass]; ``rank_launch_s`` more for each further rank of the group
    ``sharpness``        q >= 1: 1 adds launches to work, large values take the larger
    ``loss_s``           loss on the last stage [s per logit]; ``microbatch_s`` [s per stage and microbatch]
    ``hop_s``            transfer between stages [s per element], ``far_hop_s`` between nodes, ``hop_latency_s`` [s]
    ``optimizer_s``      update [s per parameter held]; ``iteration_s`` a constant [s]
    ``gradient_s``       gradient all-reduce [s per element moved], ``far_gradient_s`` between nodes
    ``straggle``         gamma: slower by this share for every doubling of the nodes
    ``shapes``           rows hidden, heads, seq_len, micro_batch, tp, u
    ``layouts``          rows tp, dp, pp, w
    ==================== ========================================================================================

    >>> law = IterationLaw(flops_per_s=1e14)
    >>> one = {"microbatches": [1, 8], "micro_batch": 4, "hidden": 1024, "layers": 24, "seq_len": 1024, "pp": 4}
    >>> law.seconds(one).round(3).tolist()
    [0.128, 0.421]
    """

    flops_per_s: float
    width_half: float = 0.0
    tokens_half: float = 0.0
    element_s: float = 0.0
    split_element_s: float = 0.0
    score_s: float = 0.0
    reduce_s: float = 0.0
    reduce_latency_s: float = 0.0
    launch_s: float = 0.0
    rank_launch_s: float = 0.0
    sharpness: float = 4.0
    loss_s: float = 0.0
    microbatch_s: float = 0.0
    hop_s: float = 0.0
    far_hop_s: float = 0.0
    hop_latency_s: float = 0.0
    optimizer_s: float = 0.0
    gradient_s: float = 0.0
    far_gradient_s: float = 0.0
    iteration_s: float = 0.0
    straggle: float = 0.0
    shapes: Factors = ()
    layouts: Factors = ()
    name: ClassVar[str] = "pipeline-iteration"

    def __post_init__(self) -> None:
        for key, width in (("shapes", 6), ("layouts", 4)):
            object.__setattr__(self, key, _factors(key, getattr(self, key), width))
        require(self.name, **{key: value for key, value in asdict(self).items() if key not in ("shapes", "layouts")})
        require(self.name, at_least=5e-324, flops_per_s=self.flops_per_s)
        require(self.name, at_least=1.0, sharpness=self.sharpness)

    def seconds(self, columns: Mapping[str, ArrayLike] | Setups) -> Floats:
        """Time of every iteration [s], by the columns that ``setups`` reads."""
        c = setups(columns)
        layers, rest = self.parts(work(c))
        shape = _looked_up(self.shapes, c.shapes())
        layout = _looked_up(self.layouts, c.layouts())
        return np.asarray(np.exp(layout) * (np.exp(shape) * layers + rest))

    def parts(self, amounts: Work) -> tuple[Floats, Floats]:
        """Time of the layers and of the rest [s], before the factors of shapes and layouts."""
        w = amounts
        slow = 1.0 + self.straggle * w.spread
        layers = w.visits * self.layer(w)
        head = w.head_flop / self.flops_per_s + w.logits * self.loss_s
        once = w.parameters * self.optimizer_s + self.iteration_s
        once = once + w.gradients * self.gradient_s + w.far_gradients * self.far_gradient_s
        hops = w.hops * self.hop_latency_s + w.moved * self.hop_s + w.far_moved * self.far_hop_s
        rest = w.filled * self.microbatch_s + w.microbatches * head + hops + once
        return slow * layers, slow * rest

    def layer(self, amounts: Work) -> Floats:
        """Forward and backward (with recomputation) of one layer and microbatch [s]."""
        w = amounts
        products = w.flop / self.flops_per_s * (1 + self.width_half * w.narrow) * (1 + self.tokens_half / w.tokens)
        elements = w.elements * self.element_s + w.split_elements * self.split_element_s + w.scores * self.score_s
        busy = products + elements + w.reduced * self.reduce_s + w.groups * self.reduce_latency_s
        launches = w.passes * self.launch_s + w.ranks * self.rank_launch_s
        high, low = np.maximum(busy, launches), np.minimum(busy, launches)
        return np.asarray(high * (1.0 + (low / high) ** self.sharpness) ** (1.0 / self.sharpness))

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name; those that are 0 or empty are left out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {key: float(value) for key, value in found.items() if key not in ("shapes", "layouts") and value}
        rows = {key: [list(row) for row in found[key]] for key in ("shapes", "layouts") if found[key]}
        return plain | rows

    def scaled(self, factor: float) -> IterationLaw:
        """The law with every time multiplied by ``factor``."""
        times = {field.name: getattr(self, field.name) * factor for field in fields(self) if field.name[-2:] == "_s"}
        times["flops_per_s"] = self.flops_per_s / factor
        return replace(self, **times)


def _factors(key: str, rows: Sequence[Sequence[float]], width: int) -> Factors:
    found = tuple(tuple(float(value) for value in row) for row in rows)
    if any(len(row) != width or not np.isfinite(row).all() for row in found):
        raise ScenarioError(Problem(f"every row must hold {width} finite numbers", path=key))
    return found


def _looked_up(rows: Factors, keys: Floats) -> Floats:
    """Logarithm of the factor of every key; 0 where it was not measured."""
    known = {row[:-1]: row[-1] for row in rows}
    return np.array([known.get(tuple(key), 0.0) for key in keys.tolist()], dtype=np.float64)
