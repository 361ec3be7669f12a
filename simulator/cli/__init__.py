"""The face: one module per verb, no arithmetic."""
