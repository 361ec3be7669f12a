"""Pipelined trainings: from the scenario to what every device does when."""
