"""What runs the networks: each module wraps one library, which is imported when it is asked for."""
