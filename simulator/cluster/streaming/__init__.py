"""Streamed models: devices that load their layers from one parameter server, side by side."""
