"""One module per verb; heavy imports wait until a command runs."""
