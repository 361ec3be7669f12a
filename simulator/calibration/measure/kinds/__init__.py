"""Kinds of measurements: each module makes the probes of a request."""
