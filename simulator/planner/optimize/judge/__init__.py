"""Whether a deployment holds: trials by simulation, kept in a ledger."""
