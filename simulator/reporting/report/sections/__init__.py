"""All parts of a report, in the order in which they are read. A new part is one module and one line here."""

from simulator.reporting.report.case import Part
from simulator.reporting.report.sections import (
    answer,
    certificate,
    deployment,
    doubt,
    gone,
    growth,
    latency,
    load,
    money,
    origin,
    prices,
    reproduce,
    sensitivity,
    streams,
    tighter,
    trainings,
    utilisation,
)

PARTS: tuple[Part, ...] = (
    answer.PART,
    money.PART,
    load.PART,
    deployment.PART,
    latency.PART,
    trainings.PART,
    streams.PART,
    utilisation.PART,
    growth.PART,
    prices.PART,
    gone.PART,
    tighter.PART,
    sensitivity.PART,
    certificate.FRONT_PART,
    origin.PART,
    doubt.PART,
    certificate.PART,
    reproduce.PART,
)
