"""A twin beside the network of a service: both get every request, the first sure answer leaves."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.scenario.base import Rule, Strict
from simulator.scenario.deployment import Deployment
from simulator.scenario.exits import ExitRule
from simulator.scenario.quantities import FileName, Name, Share, Text


class Twin(Strict):
    """A small network that is asked beside the main one and answers where it is sure."""

    model: Name
    """Name of the twin's model, in `models`."""
    share: Share | None = None
    """Share of the requests that it is sure of, chosen by chance; or a `table` tells."""
    table: FileName | None = None
    """File with what the twin says of every row of the model's exit table, row by row in the same order."""
    split: Text | None = None
    """Only the rows whose column `split` has this value; left out: all rows."""
    rule: ExitRule | None = None
    """When the twin is sure: {confidence: 0.9} or {entropy: 0.3}; the first of its exits that is so answers."""
    deployment: Deployment
    """What the twin runs on; its replicas are beside those of the service."""

    def rules(self) -> Iterator[Rule]:
        """One source of sureness; the twin runs whole, on replicas of its own."""
        if (self.share is None) == (self.table is None):
            both = self.share is not None
            yield ("share",) if both else (), "must say either `share` or `table`" + (", not both" if both else "")
        if self.table is not None and self.rule is None:
            yield (), "`rule` is missing: says of which rows of the table the twin is sure, such as {confidence: 0.9}"
        for key in ("rule", "split"):
            if self.table is None and getattr(self, key) is not None:
                yield (key,), "goes only with `table`"
        if self.deployment.exit_mode != "none":
            yield ("deployment", "exit_mode"), "must be none: the twin runs whole, its exits only say how sure it is"
