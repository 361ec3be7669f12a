"""What a layer, a ramp, a transfer costs in seconds and bytes: pure functions that know nothing of events."""
