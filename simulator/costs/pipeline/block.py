"""FLOP and bytes of a Transformer block in training, and layer times where only a forward time is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.costs.pipeline.stages import Layer
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Block:
    r"""One block: attention and a feed-forward layer four times as wide, for one microbatch of ``batch`` sequences.

    .. math:: F = s b h (24 h + 4 s), \quad B = s b h (24 h + 8 s), \quad W = 24 s b h^2

    Activations that B needs are ``M_B = s b (34 h + 5 a s)`` bytes, of which W needs ``M_W = 32 s b h`` until it has
    run (2-byte numbers, 1-byte dropout masks, nothing recomputed). Source: Zero Bubble Pipeline Parallelism,
    arXiv 2401.10241, Table 1, after Korthikanti et al., arXiv 2205.05198. Attention scores have no weights: their
    backward is all B.

    >>> block = Block(hidden=1024, heads=16, seq_len=1024, batch=1)
    >>> block.forward_flop / 1e9, block.activation_bytes / 2**20
    (30.064771072, 114.0)
    """

    hidden: int
    heads: int
    seq_len: int
    batch: int = 1

    def __post_init__(self) -> None:
        for key in ("hidden", "heads", "seq_len", "batch"):
            if getattr(self, key) < 1:
                raise ScenarioError(Problem(f"must be at least 1, got {getattr(self, key)}", path=key))

    @property
    def _states(self) -> float:
        return float(self.seq_len) * self.batch * self.hidden

    @property
    def forward_flop(self) -> float:
        """FLOP of the forward pass."""
        return self._states * (24 * self.hidden + 4 * self.seq_len)

    @property
    def backward_input_flop(self) -> float:
        """FLOP of the gradients of the block's input."""
        return self._states * (24 * self.hidden + 8 * self.seq_len)

    @property
    def backward_weight_flop(self) -> float:
        """FLOP of the gradients of its weights."""
        return self._states * 24 * self.hidden

    @property
    def activation_bytes(self) -> float:
        """M_B: bytes held from F to B."""
        return float(self.seq_len) * self.batch * (34 * self.hidden + 5 * self.heads * self.seq_len)

    @property
    def kept_bytes(self) -> float:
        """M_W: bytes held from B to W."""
        return 32 * self._states

    @property
    def output_bytes(self) -> float:
        """Bytes that the next layer receives (2 per number)."""
        return 2 * self._states

    @property
    def weights(self) -> float:
        """Parameters of the matrices, ``12 h^2``."""
        return 12.0 * self.hidden**2

    @property
    def attention_share(self) -> float:
        """Share of the forward FLOP that has no weights: ``4 s / (24 h + 4 s)``."""
        return 4 * self.seq_len / (24 * self.hidden + 4 * self.seq_len)

    def layer(self, flops_per_s: float, state_bytes: float = 16.0) -> Layer:
        """The block as a layer of a device that does ``flops_per_s`` of it; ``state_bytes`` held per parameter.

        16 bytes are weight and gradient in half precision, and master copy and two moments of Adam in single.
        """
        return Layer(
            self.forward_flop / flops_per_s,
            self.backward_input_flop / flops_per_s,
            self.backward_weight_flop / flops_per_s,
            state_bytes=state_bytes * self.weights,
            activation_bytes=self.activation_bytes,
            output_bytes=self.output_bytes,
        )


def training_layers(
    forward_s: Sequence[float], *, attention_share: float = 0.0, recompute: bool = False
) -> tuple[Layer, ...]:
    """Layers from forward times alone, as an inference law gives them [s].

    Every product ``Y = X A`` of the forward has two of the same FLOP in the backward, ``dX = dY A'`` (input) and
    ``dA = X' dY`` (weight): a layer of weights has B = W = F. A product of two activations (attention scores, the
    share ``attention_share`` of the time) has two input gradients and no weight gradient. So ``B = (1 + share) F``
    and ``W = (1 - share) F``; B + W = 2 F always. ``recompute`` adds a forward to B. Measured backward times are
    better where they exist: element-wise kernels follow bytes and not FLOP.

    >>> training_layers([1.0], attention_share=0.25)[0].backward_input_s
    1.25
    """
    if not 0.0 <= attention_share <= 1.0:
        raise ScenarioError(Problem(f"must be within 0..1, got {attention_share}", path="attention_share"))
    again = 1.0 if recompute else 0.0
    return tuple(Layer(f, f * (1.0 + attention_share + again), f * (1.0 - attention_share)) for f in forward_s)
