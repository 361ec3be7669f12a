"""A plan over its whole horizon, before it is written."""
