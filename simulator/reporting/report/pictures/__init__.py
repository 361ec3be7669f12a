"""Pictures of a report: each drawn from numbers by a function of its own, as SVG that takes the colours of the page."""
