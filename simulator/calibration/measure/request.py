"""What was asked for, as the kinds read it, and the probes of networks by batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.calibration.measure.network import Network
from simulator.calibration.measure.probe import Call, Probe
from simulator.calibration.rows import nearest
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.calibration.measure.backends.base import Backend, Model

Labels = Callable[[Network, int, str], Mapping[str, str | int]]
"""Cells that name a row, of the network, the batch size and the precision."""
USUAL_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Twice as dense as powers of two: kernels take rows in blocks (of 4, 6, 8, ...), and time climbs between them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: shapes as written (empty: those of the kind), variants (empty: the usual ones), batch sizes."""

    shapes: tuple[str, ...]
    variants: tuple[str, ...]
    batches: tuple[int, ...]
    seed: int
    backends: tuple[Backend, ...]

    @property
    def largest_batch(self) -> int:
        """The largest batch size."""
        return max(self.batches)


def named(text: str, usual: Callable[[str], str]) -> tuple[str, str]:
    """Name and shape of ``NAME=SHAPE``, or of ``SHAPE`` alone.

    >>> named("block=784-10", str), named("784-10", lambda shape: "mlp_" + shape)
    (('block', '784-10'), ('mlp_784-10', '784-10'))
    """
    name, sign, shape = text.rpartition("=")
    if sign and not name.strip():
        raise ScenarioError(Problem("has no name before the =: write NAME=SHAPE", path=text))
    return (name.strip(), shape) if sign else (usual(shape), shape)


def network_probes(request: Request, networks: Sequence[Network], labels: Labels) -> list[Probe]:
    """Probes of every backend, variant and batch size; the batch sizes of one network share its model."""
    found = []
    for network in _distinct(networks):
        network.check(request.largest_batch)
        for backend in request.backends:
            for variant in chosen(request.variants, backend, network):
                model = _Once(backend, network, variant)
                for batch in request.batches:
                    cells = {**labels(network, batch, backend.precisions[variant]), "variant": variant}
                    cells |= backend.provenance()
                    found.append(Probe(cells, model.ready(batch), backend.clock))
    return found


def _distinct(networks: Sequence[Network]) -> list[Network]:
    """Each network once; refused when two have one name, by which rows are told apart."""
    found: dict[str, Network] = {}
    for network in networks:
        if found.setdefault(network.name, network) != network:
            raise ScenarioError(Problem("names two networks: their rows could not be told apart", path=network.name))
    return list(found.values())


def chosen(variants: Sequence[str], backend: Backend, network: Network) -> tuple[str, ...]:
    """The variants asked for, as far as this backend has them; those that it usually measures when none was."""
    if not variants:
        return backend.usually(network)
    return tuple(variant for variant in variants if variant in backend.precisions)


def check_variants(variants: Sequence[str], backends: Sequence[Backend]) -> None:
    """Refuse a variant that no backend has."""
    known = list(dict.fromkeys(name for backend in backends for name in backend.precisions))
    for variant in variants:
        if variant not in known:
            names = " and ".join(backend.name for backend in backends)
            hint = nearest(variant, known).replace("the columns", f"the variants of {names}")
            raise ScenarioError(Problem(f"unknown variant {variant!r}{hint}", path="--variant"))


class _Once:
    """The model of one network and variant, loaded when the first of its probes is prepared."""

    def __init__(self, backend: Backend, network: Network, variant: str) -> None:
        self.backend, self.network, self.variant = backend, network, variant
        self.model: Model | None = None

    def ready(self, batch: int) -> Callable[[], Call]:
        """What prepares the call at one batch size."""

        def prepare() -> Call:
            if self.model is None:
                self.model = self.backend.load(self.network, self.variant)
            return self.model.bind(self.network.inputs(batch))

        return prepare
