"""Queueing theory in closed or numerically exact form, each with its source; imports nothing of the product."""
