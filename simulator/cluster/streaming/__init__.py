"""Streamed models, and streamed portions of services: devices that load their layers from one parameter server."""
