"""What is done with a publication that is due."""
