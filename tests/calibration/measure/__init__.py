"""Measuring on the spot."""
