"""What is done with a fetch."""
