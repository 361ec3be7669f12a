"""Search for the cheapest plan, with the proof of how good it is."""
